//! Accounts: profiles of one's own, how they are shown, and credentials that run out.

use app::view::{AccountColour, AccountRequest, ProfileChange, RegionChange, SignInState};
use app::{ErrorCode, FleetingSecrets, Secrets, SecretsError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;

/// Opens the product as a person with profiles does; they happen to lead to the sandbox.
fn open_with_profiles(world: &World) -> (Desktop, Events) {
    let files = world.emulator.write_profiles(&world.kept().join("aws")).expect("written");
    let variables = [
        ("AWS_CONFIG_FILE", files.0.display().to_string()),
        ("AWS_SHARED_CREDENTIALS_FILE", files.1.display().to_string()),
        ("AWS_PROFILE", "sandbox-data".to_owned()),
    ];
    world.open_on(AppConfig::given(variables))
}

#[tokio::test]
async fn with_profiles_the_first_of_them_opens_and_the_sandbox_is_not_started() {
    let world = World::start().await;
    let (desktop, mut events) = open_with_profiles(&world);
    let snapshot = desktop.snapshot().await.expect("a snapshot");
    let scope = snapshot.workspace.scope;
    assert_eq!(scope.profile_id, Some(ProfileId("sandbox-data".to_owned())));
    desktop.scope_open(scope).await.expect("opened");
    assert!(!read_region(&mut events).await.is_empty());
    let profiles = desktop.snapshot().await.expect("a snapshot").profiles.profiles;
    let known = profiles.first().expect("the first");
    assert_eq!(known.principal.as_deref(), Some("omar"));
    assert_eq!(known.sign_in, SignInState::Ready { expires_ms: None });
    assert_eq!(*world.starts.lock().expect("sound"), 0);
    soon(desktop.quit()).await;
}

#[tokio::test]
async fn how_an_account_is_shown_is_kept() {
    let world = World::start().await;
    let (desktop, mut events) = world.open();
    let change = ProfileChange {
        label: "PROD".to_owned(),
        colour: AccountColour::Pink,
        hidden: false,
        regions: vec![RegionChange { name: "us-east-1".to_owned(), favourite: true }],
    };
    desktop.profile_change(prod_profile(), change).await.expect("kept");
    let shown = next(&mut events, |event| match event {
        Event::Profiles(view) => view.profiles.into_iter().find(|p| p.label == "PROD"),
        _ => None,
    });
    let shown = shown.await;
    assert_eq!((shown.colour, shown.regions.len()), (AccountColour::Pink, 1));
    soon(desktop.quit()).await;
    let (desktop, _events) = world.open();
    let snapshot = desktop.snapshot().await.expect("a snapshot");
    assert_eq!(snapshot.profiles.profiles[0].label, "PROD");
    soon(desktop.quit()).await;
}

#[tokio::test]
async fn a_config_file_elsewhere_brings_its_profiles() {
    let world = World::start().await;
    let (desktop, mut events) = world.open();
    let elsewhere = world.kept().join("elsewhere");
    let files = world.emulator.write_profiles(&elsewhere).expect("written");
    let first = desktop.account_add_file(files.0).await.expect("added").expect("a profile");
    let scope = ScopeView { profile_id: Some(first), region: Some(MAIN_REGION.to_owned()) };
    desktop.scope_open(scope).await.expect("opened");
    assert!(!read_region(&mut events).await.is_empty());
    let none = desktop.account_add_file(world.kept().join("none")).await;
    assert_eq!(none.expect_err("no profile").code, ErrorCode::ConfigInvalid);
    soon(desktop.quit()).await;
}

#[tokio::test]
async fn profiles_written_by_hand_appear_and_what_they_mend_goes_on() {
    let world = World::start().await;
    let good = world.emulator.write_profiles(&world.kept().join("good")).expect("written");
    let files = ["config", "credentials"].map(|name| world.kept().join(name));
    std::fs::copy(&good.0, &files[0]).expect("copied");
    let credentials = std::fs::read_to_string(&good.1).expect("there");
    let secret = world.emulator.credentials("prod").expect("there").secret.clone();
    std::fs::write(&files[1], credentials.replace(secret.expose(), "spoilt")).expect("written");
    let config = AppConfig::given([
        ("AWS_CONFIG_FILE", files[0].display().to_string()),
        ("AWS_SHARED_CREDENTIALS_FILE", files[1].display().to_string()),
    ]);
    let (desktop, mut events) = world.open_on(config);
    let profile_id = Some(ProfileId("sandbox-prod".to_owned()));
    let scope = ScopeView { profile_id, region: Some(MAIN_REGION.to_owned()) };
    desktop.scope_open(scope).await.expect("opened");
    let failed = next(&mut events, |event| match event {
        Event::Inventory(view) => match view.state {
            InventoryState::Failed { error } => Some(error),
            _ => None,
        },
        _ => None,
    });
    assert_eq!(failed.await.code, ErrorCode::CredentialsInvalid);

    std::fs::write(&files[1], credentials).expect("written");
    assert!(!read_region(&mut events).await.is_empty());
    let mut text = std::fs::read_to_string(&files[0]).expect("there");
    text.push_str("\n[profile by-hand]\nregion = eu-west-1\n");
    std::fs::write(&files[0], text).expect("written");
    let is_there = |event| match event {
        Event::Profiles(view) => view.profiles.into_iter().find(|p| p.name == "by-hand"),
        _ => None,
    };
    assert_eq!(next(&mut events, is_there).await.regions[0].name, "eu-west-1");
    soon(desktop.quit()).await;
}

#[tokio::test]
async fn what_waits_for_credentials_goes_on_when_they_are_back() {
    let world = World::start().await;
    let (desktop, mut events) = world.open();
    world.emulator.faults().expire_credentials(true);
    let mut screen = Screen::open(&desktop, world.target()).await;
    let waiting = terminal_state(&mut events, |s| matches!(s, TerminalState::Waiting { .. })).await;
    let TerminalState::Waiting { error } = waiting else { unreachable!() };
    assert_eq!(error.code, ErrorCode::SignInExpired);
    screen.type_in_later(&desktop, "echo $((6 * 7))-back\r");
    world.emulator.faults().expire_credentials(false);
    // Somebody else's call succeeds, which is as good as a sign-in.
    desktop.scope_open(prod_scope()).await.expect("opened");
    terminal_state(&mut events, |state| matches!(state, TerminalState::Connected)).await;
    screen.wait_for(&desktop, "42-back").await;
    soon(desktop.quit()).await;
}

#[tokio::test]
async fn a_session_that_is_resumed_says_that_the_credentials_are_back() {
    let world = World::start().await;
    let (desktop, mut events) = world.open();
    let _screen = Screen::open(&desktop, world.target()).await;
    terminal_state(&mut events, |state| matches!(state, TerminalState::Connected)).await;
    let prod = |event, wanted: fn(&SignInState) -> bool| match event {
        Event::Profiles(view) => {
            view.profiles.into_iter().find(|p| p.id == prod_profile() && wanted(&p.sign_in))
        }
        _ => None,
    };
    world.emulator.faults().expire_credentials(true);
    world.emulator.faults().cut(None, None);
    next(&mut events, |event| prod(event, |state| *state == SignInState::Needed)).await;
    world.emulator.faults().expire_credentials(false);
    let is_ready = |state: &SignInState| matches!(state, SignInState::Ready { .. });
    next(&mut events, |event| prod(event, is_ready)).await;
    soon(desktop.quit()).await;
}

impl Screen {
    /// Types without waiting for anybody to take it.
    fn type_in_later(&self, desktop: &Desktop, text: &str) {
        let (desktop, id, text) = (desktop.clone(), self.id.clone(), text.to_owned());
        tokio::spawn(async move {
            desktop.terminal_write(id, text, InputEncoding::Utf8).await.expect("typed");
        });
    }
}

/// Tells which pages would have been opened.
struct Pages(mpsc::Sender<String>);

impl Browser for Pages {
    fn open(&self, url: &str) {
        self.0.try_send(url.to_owned()).expect("room");
    }
}

/// Confirms the sign-in that a page asks for.
async fn confirm(url: &str) {
    let (host, path) =
        url.strip_prefix("http://").and_then(|url| url.split_once('/')).expect("ours");
    let mut stream = TcpStream::connect(host).await.expect("the page is there");
    let request =
        format!("GET /{path}&answer=allow HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut page = String::new();
    soon(stream.read_to_string(&mut page)).await.expect("a page");
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("Done"), "{page}");
}

const START_PAGE: &str = "https://feldspar.awsapps.com/start";

#[tokio::test]
async fn a_sign_in_brings_its_accounts_and_outlives_the_program() {
    let world = World::start().await;
    let secrets: Arc<dyn Secrets> = Arc::new(FleetingSecrets::default());
    let config = || {
        let leading_there = AppConfig::given([("AWS_ENDPOINT_URL", world.emulator.url())]);
        leading_there.with_secrets(Arc::clone(&secrets))
    };
    let (pages, mut opened) = mpsc::channel(4);
    let (desktop, mut events) = world.open_with(config(), Arc::new(Pages(pages)));
    let adding = {
        let desktop = desktop.clone();
        let (start_url, region) = (START_PAGE.to_owned(), MAIN_REGION.to_owned());
        tokio::spawn(
            async move { desktop.account_add(AccountRequest::Sso { start_url, region }).await },
        )
    };
    let mut adding = adding;
    let page = tokio::select! {
        page = soon(opened.recv()) => page.expect("a page"),
        added = &mut adding => panic!("no page was opened: {added:?}"),
    };
    let waiting = next(&mut events, |event| match event {
        Event::Profiles(view) => view.new_sign_in,
        _ => None,
    });
    let waiting = waiting.await;
    assert_eq!(waiting.url, page);
    assert!(page.contains(&waiting.user_code) && !waiting.user_code.is_empty(), "{waiting:?}");
    confirm(&page).await;
    let first = soon(adding).await.expect("done").expect("added").expect("a profile");
    assert_eq!(desktop.snapshot().await.expect("a snapshot").profiles.new_sign_in, None);
    let scope = ScopeView { profile_id: Some(first), region: Some(MAIN_REGION.to_owned()) };
    desktop.scope_open(scope.clone()).await.expect("opened");
    assert!(!read_region(&mut events).await.is_empty());
    soon(desktop.quit()).await;
    // No file has the token.
    let settings = std::fs::read_to_string(desktop.settings_file().expect("kept")).expect("there");
    assert!(settings.contains(START_PAGE) && !settings.to_lowercase().contains("token"));

    let (desktop, mut events) = world.open_on(config());
    desktop.scope_refresh(scope).await.expect("opened");
    read_region(&mut events).await;
    soon(desktop.quit()).await;
}

#[tokio::test]
async fn a_sign_in_for_new_accounts_can_be_given_up() {
    let world = World::start().await;
    let config = AppConfig::given([("AWS_ENDPOINT_URL", world.emulator.url())]);
    let (pages, mut opened) = mpsc::channel(4);
    let (desktop, _events) = world.open_with(config, Arc::new(Pages(pages)));
    desktop.account_add_cancel().await.expect("nobody waits");
    let request =
        AccountRequest::Sso { start_url: START_PAGE.to_owned(), region: MAIN_REGION.to_owned() };
    let giving_up = async {
        soon(opened.recv()).await.expect("a page");
        desktop.account_add_cancel().await.expect("given up");
    };
    let (added, ()) = tokio::join!(soon(desktop.account_add(request)), giving_up);
    assert_eq!(added.expect("no failure"), None);
    let profiles = desktop.snapshot().await.expect("a snapshot").profiles;
    assert_eq!(profiles.new_sign_in, None);
    assert!(profiles.profiles.iter().all(|profile| profile.id.0.starts_with("sandbox:")));
    soon(desktop.quit()).await;
}

/// A config file with a profile that signs in as the operator of the production account.
fn write_sign_in(world: &World, file: &str, profile: &str) -> std::path::PathBuf {
    let path = world.kept().join(file);
    let text = format!(
        "[sso-session feldspar]\nsso_start_url = {START_PAGE}\nsso_region = {MAIN_REGION}\n\
         [profile {profile}]\nsso_session = feldspar\nsso_account_id = {}\n\
         sso_role_name = Operator\nregion = {MAIN_REGION}\n",
        world.emulator.scenario().account("prod").expect("there").id
    );
    std::fs::write(&path, text).expect("written");
    path
}

/// The product on such a file and nothing else, and the pages it opens.
fn open_with_sign_in(world: &World) -> (Desktop, Events, mpsc::Receiver<String>) {
    let file = write_sign_in(world, "config", "ops");
    let config = AppConfig::given([
        ("AWS_ENDPOINT_URL", world.emulator.url()),
        ("AWS_CONFIG_FILE", file.display().to_string()),
        ("AWS_SHARED_CREDENTIALS_FILE", "/none".to_owned()),
    ]);
    let (pages, opened) = mpsc::channel(4);
    let (desktop, events) = world.open_with(config, Arc::new(Pages(pages)));
    (desktop, events, opened)
}

#[tokio::test]
async fn one_sign_in_is_good_for_every_profile_of_its_start_page() {
    let world = World::start().await;
    let (desktop, mut events, mut opened) = open_with_sign_in(&world);
    let elsewhere = write_sign_in(&world, "elsewhere", "far");
    let far = desktop.account_add_file(elsewhere).await.expect("added").expect("a profile");
    let scope = ScopeView { profile_id: Some(far), region: Some(MAIN_REGION.to_owned()) };
    desktop.scope_open(scope).await.expect("opened");
    let states = |event, wanted: fn(&SignInState) -> bool| match event {
        Event::Profiles(view) => {
            let is_so = |name| view.profiles.iter().any(|p| p.name == name && wanted(&p.sign_in));
            is_so("far").then(|| is_so("ops"))
        }
        _ => None,
    };
    let is_needed = |state: &SignInState| *state == SignInState::Needed;
    next(&mut events, |event| states(event, is_needed)).await;
    desktop.sign_in(ProfileId("ops".to_owned())).await.expect("asked");
    confirm(&soon(opened.recv()).await.expect("a page")).await;
    let is_ready = |state: &SignInState| matches!(state, SignInState::Ready { .. });
    next(&mut events, |event| states(event, is_ready).filter(|both| *both)).await;
    // What waited for it there is read by itself.
    assert!(!read_region(&mut events).await.is_empty());
    soon(desktop.quit()).await;
}

#[tokio::test]
async fn a_profile_of_the_config_file_is_signed_in_to() {
    let world = World::start().await;
    let (desktop, mut events, mut opened) = open_with_sign_in(&world);
    let ops = ProfileId("ops".to_owned());
    let scope = ScopeView { profile_id: Some(ops.clone()), region: Some(MAIN_REGION.to_owned()) };
    desktop.scope_open(scope).await.expect("opened");
    let state_of = |event, wanted: fn(&SignInState) -> bool| match event {
        Event::Profiles(view) => view
            .profiles
            .into_iter()
            .find(|profile| profile.name == "ops" && wanted(&profile.sign_in)),
        _ => None,
    };
    next(&mut events, |event| state_of(event, |state| *state == SignInState::Needed)).await;
    desktop.sign_in(ops.clone()).await.expect("asked");
    let is_asking = |state: &SignInState| {
        assert!(!matches!(state, SignInState::Failed { .. }), "{state:?}");
        matches!(state, SignInState::Asking(_))
    };
    next(&mut events, |event| state_of(event, is_asking)).await;
    desktop.sign_in_cancel(ops.clone()).await.expect("cancelled");
    next(&mut events, |event| state_of(event, |state| *state == SignInState::Needed)).await;
    soon(opened.recv()).await.expect("the page of the cancelled one");

    desktop.sign_in(ops).await.expect("asked");
    confirm(&soon(opened.recv()).await.expect("a page")).await;
    let is_ready = |state: &SignInState| matches!(state, SignInState::Ready { .. });
    next(&mut events, |event| state_of(event, is_ready)).await;
    // What waited for it is read by itself.
    assert!(!read_region(&mut events).await.is_empty());
    soon(desktop.quit()).await;
}

/// A keyring that is locked for good.
struct Locked;

impl Secrets for Locked {
    fn read(&self, _name: &str) -> Result<Option<zeroize::Zeroizing<String>>, SecretsError> {
        Err(SecretsError { reason: "it is locked".to_owned() })
    }

    fn keep(&self, _name: &str, _secret: &str) -> Result<(), SecretsError> {
        Err(SecretsError { reason: "it is locked".to_owned() })
    }
}

#[tokio::test]
async fn an_access_key_is_checked_before_it_is_kept() {
    let world = World::start().await;
    let leading_there = || AppConfig::given([("AWS_ENDPOINT_URL", world.emulator.url())]);
    let (desktop, mut events) = world.open_on(leading_there());
    let credentials = world.emulator.credentials("prod").expect("there");
    let request = |secret: &str| AccountRequest::AccessKeys {
        name: "lab".to_owned(),
        access_key_id: credentials.access_key.clone(),
        secret_access_key: secret.to_owned(),
        region: MAIN_REGION.to_owned(),
    };
    let wrong = soon(desktop.account_add(request("wrong"))).await.expect_err("not known");
    assert_eq!(wrong.code, ErrorCode::CredentialsInvalid);
    let added = soon(desktop.account_add(request(credentials.secret.expose()))).await;
    let id = added.expect("known").expect("a profile");
    let scope = ScopeView { profile_id: Some(id), region: Some(MAIN_REGION.to_owned()) };
    desktop.scope_open(scope).await.expect("opened");
    assert!(!read_region(&mut events).await.is_empty());
    soon(desktop.quit()).await;
    let settings = std::fs::read_to_string(desktop.settings_file().expect("kept")).expect("there");
    assert!(settings.contains("lab") && !settings.contains(credentials.secret.expose()));
    assert!(!settings.contains(&credentials.access_key));

    let (desktop, _events) = world.open_on(leading_there().with_secrets(Arc::new(Locked)));
    let refused = soon(desktop.account_add(request(credentials.secret.expose()))).await;
    assert_eq!(refused.expect_err("nowhere to keep it").code, ErrorCode::KeyringUnavailable);
    soon(desktop.quit()).await;
}
