//! The accounts: where they come from, who they are, whether there are credentials for them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws::{Clients, Environment};
use tokio::sync::{OnceCell, broadcast};
use tokio_util::sync::CancellationToken;

use crate::account::Account;
use crate::clock;
use crate::desktop::{SandboxAccount, SandboxOffer, SandboxStarter};
use crate::event::{Event, Outbox};
use crate::secrets::Secrets;
use crate::settings::{AccountLook, AddedAccount, Settings};
use crate::stamps::{Haste, Stamps};
use crate::tasks::Tasks;
use crate::view::{
    AppError, ErrorCode, ProfileId, ProfileView, ProfilesView, RegionChange, RegionView, ScopeView,
    SignInPageView, SignInState,
};

pub(crate) mod keys;
mod known;
mod open;
mod sign_in;

use known::{Known, Origin, find};
use open::Other;
pub(crate) use sign_in::Tokens;

/// Sign-ins that a slow listener may lag behind; whoever lags looks at all there is.
const SIGN_INS_KEPT: usize = 64;

/// Every account of a desktop. Clones speak for the same ones.
#[derive(Clone)]
pub(crate) struct Accounts(Arc<Inner>);

struct Inner {
    user: Arc<Clients>,
    sandbox: Option<Sandbox>,
    secrets: Arc<dyn Secrets>,
    tokens: Tokens,
    tasks: Tasks,
    state: Mutex<State>,
    outbox: Outbox,
    ready: broadcast::Sender<ProfileId>,
}

struct Sandbox {
    accounts: Vec<SandboxAccount>,
    starter: Arc<dyn SandboxStarter>,
    clients: OnceCell<Arc<Clients>>,
}

#[derive(Default)]
struct State {
    known: Vec<Known>,
    problem: Option<AppError>,
    looks: BTreeMap<String, AccountLook>,
    added: Vec<AddedAccount>,
    facts: BTreeMap<ProfileId, Facts>,
    /// Nodes at the last reading.
    counts: BTreeMap<(ProfileId, String), u32>,
    others: BTreeMap<Other, Arc<Clients>>,
    /// How the files stood when they were read.
    stamps: Stamps,
    /// Sign-ins that wait for their page, by start page.
    asking: BTreeMap<String, CancellationToken>,
    /// The one that is to bring new accounts, and its page once there is one.
    adding: Option<(CancellationToken, Option<SignInPageView>)>,
}

/// What was learnt about an account by using it.
#[derive(Clone, Debug, Default)]
struct Facts {
    account_id: Option<String>,
    principal: Option<String>,
    arn: Option<String>,
    sign_in: Option<SignInState>,
}

impl Accounts {
    /// Lists the accounts as the files tell.
    pub(crate) fn new(
        user: Arc<Clients>,
        sandbox: Option<SandboxOffer>,
        settings: &Settings,
        (secrets, tokens): (Arc<dyn Secrets>, Tokens),
        (outbox, tasks): (Outbox, Tasks),
    ) -> Self {
        let sandbox = sandbox.map(|SandboxOffer { accounts, starter }| Sandbox {
            accounts,
            starter,
            clients: OnceCell::new(),
        });
        let (ready, _) = broadcast::channel(SIGN_INS_KEPT);
        let state = Mutex::new(State {
            looks: settings.accounts.clone(),
            added: settings.added.clone(),
            ..State::default()
        });
        let accounts =
            Self(Arc::new(Inner { user, sandbox, secrets, tokens, tasks, state, outbox, ready }));
        let mut state = accounts.state();
        accounts.look(&mut state);
        drop(state);
        accounts
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn environment(&self) -> &Environment {
        self.0.user.environment()
    }

    fn look(&self, state: &mut State) -> bool {
        let sandbox = self.0.sandbox.as_ref().map_or(&[][..], |sandbox| &sandbox.accounts);
        state.stamps = Stamps::of(&self.files(&state.added));
        let found = find(self.environment(), &state.added, sandbox);
        let is_new = found.known != state.known || found.problem != state.problem;
        state.known = found.known;
        state.problem = found.problem;
        is_new
    }

    /// Reads the files again if they have changed. What is open stays open otherwise: connections
    /// and credentials are worth keeping. Accounts that had no good credentials try what there is
    /// now. May block.
    pub(crate) fn reload(&self, haste: Haste) {
        let mut state = self.state();
        let files = self.files(&state.added);
        if !state.stamps.are_due(&files, haste) {
            return;
        }
        self.0.user.forget();
        state.others.clear();
        if self.look(&mut state) {
            self.tell(&state);
        }
        let is_failed = |facts: &Facts| matches!(facts.sign_in, Some(SignInState::Failed { .. }));
        let failed = state.facts.iter().filter(|(_, facts)| is_failed(facts));
        let failed: Vec<ProfileId> = failed.map(|(id, _)| id.clone()).collect();
        drop(state);
        for id in failed.into_iter().filter(|id| self.has(id)) {
            self.prove(id);
        }
    }

    /// Names every file that accounts are read from.
    fn files(&self, added: &[AddedAccount]) -> Vec<PathBuf> {
        let environment = self.environment();
        let mut files = vec![environment.config_path(), environment.credentials_path()];
        for account in added {
            if let AddedAccount::ConfigFile { path } = account {
                files.extend([path.clone(), known::credentials_beside(path)]);
            }
        }
        files
    }

    /// Takes over how accounts are shown and which were added.
    pub(crate) fn take(&self, settings: &Settings) {
        let mut state = self.state();
        let is_shown_otherwise = state.looks != settings.accounts;
        state.looks = settings.accounts.clone();
        state.added = settings.added.clone();
        if self.look(&mut state) || is_shown_otherwise {
            self.tell(&state);
        }
    }

    /// Answers every account.
    pub(crate) fn view(&self) -> ProfilesView {
        view(&self.state())
    }

    /// Called with the state held, so that events come in the order of the changes.
    fn tell(&self, state: &State) {
        self.0.outbox.put(Event::Profiles(view(state)));
    }

    /// Says whether there is such an account.
    pub(crate) fn has(&self, id: &ProfileId) -> bool {
        self.state().known.iter().any(|known| known.id == *id)
    }

    /// Says whether an account is made up.
    pub(crate) fn is_sandbox(&self, id: &ProfileId) -> bool {
        let state = self.state();
        let known = state.known.iter().find(|known| known.id == *id);
        known.is_some_and(|known| matches!(known.origin, Origin::Sandbox { .. }))
    }

    /// Names the first made-up account, if there is one.
    pub(crate) fn first_sandbox(&self) -> Option<ProfileId> {
        let state = self.state();
        let mut sandbox =
            state.known.iter().filter(|known| matches!(known.origin, Origin::Sandbox { .. }));
        sandbox.next().map(|known| known.id.clone())
    }

    /// Says where a new user begins: the first account and its first region.
    pub(crate) fn first_scope(&self) -> ScopeView {
        let state = self.state();
        let visible = |known: &&Known| !state.look_of(known).is_hidden;
        let first = state.known.iter().find(visible);
        ScopeView {
            profile_id: first.map(|known| known.id.clone()),
            region: first.and_then(|known| state.regions_of(known).into_iter().next()),
        }
    }

    /// Lists the regions of a scope, in the order to read them.
    pub(crate) fn regions_of(&self, scope: &ScopeView) -> Vec<(ProfileId, String)> {
        let state = self.state();
        let mut found = Vec::new();
        for known in &state.known {
            match &scope.profile_id {
                Some(id) if *id != known.id => continue,
                Some(_) => {}
                None if state.look_of(known).is_hidden || state.is_sandbox_beside(known) => {
                    continue;
                }
                None => {}
            }
            let regions = match &scope.region {
                Some(region) if scope.profile_id.is_some() => vec![region.clone()],
                Some(region) => {
                    state.regions_of(known).into_iter().filter(|used| used == region).collect()
                }
                None => state.regions_of(known),
            };
            found.extend(regions.into_iter().map(|region| (known.id.clone(), region)));
        }
        found
    }

    // What is learnt.

    /// Hears of accounts whose credentials have come to work again.
    pub(crate) fn ready(&self) -> broadcast::Receiver<ProfileId> {
        self.0.ready.subscribe()
    }

    /// A call was answered as this account.
    pub(crate) fn note_answered(&self, id: &ProfileId, account: &Account) {
        let expires_ms = account.credentials_expiry().map(clock::ms);
        self.note(id, SignInState::Ready { expires_ms });
    }

    /// A call failed as this account; only what is wrong with its credentials is noted.
    pub(crate) fn note_failed(&self, id: &ProfileId, error: &AppError) {
        if error.code == ErrorCode::SignInExpired {
            self.note(id, SignInState::Needed);
        } else if error.code == ErrorCode::CredentialsInvalid {
            self.note(id, SignInState::Failed { error: error.clone() });
        }
    }

    fn note(&self, id: &ProfileId, sign_in: SignInState) {
        let mut state = self.state();
        let facts = state.facts.entry(id.clone()).or_default();
        let is_asking = matches!(facts.sign_in, Some(SignInState::Asking(_)));
        let is_old_news = is_asking && !matches!(sign_in, SignInState::Ready { .. });
        if facts.sign_in.as_ref() == Some(&sign_in) || is_old_news {
            return;
        }
        let was = facts.sign_in.replace(sign_in.clone());
        tracing::info!(profile = %id.0, was = %word(was.as_ref()), is = %word(Some(&sign_in)), "credentials");
        let is_back = matches!(
            was,
            Some(SignInState::Needed | SignInState::Asking(_) | SignInState::Failed { .. })
        );
        self.tell(&state);
        if is_back && matches!(sign_in, SignInState::Ready { .. }) {
            // Nobody waiting is no fault.
            let _ = self.0.ready.send(id.clone());
        }
    }

    /// Says who an account is, asking AWS once. None when AWS does not say.
    pub(crate) async fn identify(&self, id: &ProfileId, account: &Account) -> Option<String> {
        let known = self.state().facts.get(id).cloned().unwrap_or_default();
        if known.principal.is_some() {
            return known.account_id;
        }
        let identity = match account.identity().await {
            Ok(identity) => identity,
            Err(error) => {
                tracing::debug!(%error, profile = %id.0, "the account is not identified");
                return self.account_id(id);
            }
        };
        let mut state = self.state();
        let facts = state.facts.entry(id.clone()).or_default();
        facts.principal = Some(identity.label());
        facts.arn = Some(identity.arn.clone());
        facts.account_id = Some(identity.account_id.clone());
        self.tell(&state);
        Some(identity.account_id)
    }

    fn account_id(&self, id: &ProfileId) -> Option<String> {
        self.state().known.iter().find(|known| known.id == *id)?.account_id.clone()
    }

    /// Names the profiles that a config file elsewhere would bring.
    pub(crate) fn ids_in(&self, file: &std::path::Path) -> Vec<ProfileId> {
        let added = [AddedAccount::ConfigFile { path: file.to_owned() }];
        let found = find(self.environment(), &added, &[]).known.into_iter();
        let from_file = found.filter(|known| matches!(known.origin, Origin::File { .. }));
        from_file.map(|known| known.id).collect()
    }

    /// Says whether an ARN is that of an account's own identity, as far as that is known.
    pub(crate) fn is_own(&self, id: &ProfileId, arn: &str) -> bool {
        self.state().facts.get(id).and_then(|facts| facts.arn.as_deref()) == Some(arn)
    }

    /// Takes the number of nodes of a region.
    pub(crate) fn note_count(&self, id: &ProfileId, region: &str, nodes: usize) {
        let nodes = u32::try_from(nodes).unwrap_or(u32::MAX);
        let mut state = self.state();
        let before = state.counts.insert((id.clone(), region.to_owned()), nodes);
        if before != Some(nodes) {
            self.tell(&state);
        }
    }
}

impl State {
    fn look_of(&self, known: &Known) -> AccountLook {
        self.looks.get(&known.id.0).cloned().unwrap_or_default()
    }

    fn regions_of(&self, known: &Known) -> Vec<String> {
        let chosen = self.look_of(known).regions;
        if chosen.is_empty() {
            return known.regions.clone();
        }
        chosen.into_iter().map(|region| region.name).collect()
    }

    /// Says whether an account is made up while there are others: "all accounts" means the
    /// others then.
    fn is_sandbox_beside(&self, known: &Known) -> bool {
        let is_sandbox = |known: &Known| matches!(known.origin, Origin::Sandbox { .. });
        is_sandbox(known) && self.known.iter().any(|other| !is_sandbox(other))
    }
}

fn view(state: &State) -> ProfilesView {
    let profiles = state.known.iter().map(|known| profile(state, known));
    ProfilesView {
        profiles: profiles.collect(),
        problem: state.problem.clone(),
        new_sign_in: state.adding.as_ref().and_then(|(_, page)| page.clone()),
    }
}

fn profile(state: &State, known: &Known) -> ProfileView {
    let look = state.look_of(known);
    let facts = state.facts.get(&known.id).cloned().unwrap_or_default();
    let mut regions = look.regions;
    if regions.is_empty() {
        let own = known.regions.iter().cloned();
        regions = own.map(|name| RegionChange { name, favourite: false }).collect();
    }
    let mut available: BTreeSet<String> = known.available().into_iter().collect();
    available.extend(regions.iter().map(|region| region.name.clone()));
    let count = |region: &str| state.counts.get(&(known.id.clone(), region.to_owned())).copied();
    ProfileView {
        id: known.id.clone(),
        name: known.name.clone(),
        label: look.label.filter(|label| !label.is_empty()).unwrap_or_else(|| known.name.clone()),
        colour: look.colour.unwrap_or_else(|| known.colour()),
        kind: known.kind,
        group: known.group.clone(),
        account_id: facts.account_id.or_else(|| known.account_id.clone()),
        principal: facts.principal,
        sign_in: facts.sign_in.unwrap_or(SignInState::Unknown),
        regions: regions
            .into_iter()
            .map(|RegionChange { name, favourite }| RegionView {
                nodes: count(&name),
                name,
                favourite,
            })
            .collect(),
        available_regions: available.into_iter().collect(),
        hidden: look.is_hidden,
    }
}

fn word(state: Option<&SignInState>) -> &'static str {
    match state {
        None | Some(SignInState::Unknown) => "unknown",
        Some(SignInState::Ready { .. }) => "ready",
        Some(SignInState::Needed) => "needed",
        Some(SignInState::Asking(_)) => "asking",
        Some(SignInState::Failed { .. }) => "failed",
    }
}

pub(crate) fn no_such(id: &ProfileId) -> AppError {
    let message = format!("There is no account {} any more.", id.0);
    AppError { code: ErrorCode::NotFound, message, detail: None }
}
