//! Everything behind the window: one method for each thing a user can do there.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use crate::accounts::keys::AccessKey;
use crate::accounts::{Accounts, Tokens, no_such};
use crate::app::App;
use crate::bookmarks::{Bookmarks, SavedTunnel};
use crate::error::Error;
use crate::event::{Events, Outbox};
use crate::ground::Ground;
use crate::inventories::Inventories;
use crate::kept::{Workspace, terminals};
use crate::nodes;
use crate::notices::Notices;
use crate::saved::{self, Saved};
use crate::settings::{AccountLook, AddedAccount, WindowSettings};
use crate::stamps::Haste;
use crate::store::StoreError;
use crate::tasks::Tasks;
use crate::terminals::Terminals;
use crate::tunnels::port::check_spec;
use crate::tunnels::{Tunnels, no_such as no_such_tunnel};
use crate::view::{
    AccountRequest, AppError, BookmarksView, CommandResultView, DiagnosisView, ErrorCode,
    InputEncoding, InventoryView, NoticeId, PortCheckView, ProfileChange, ProfileId, ScopeView,
    SessionRecordView, SettingsView, SnapshotView, TargetView, TerminalId, TerminalSize,
    TunnelBind, TunnelId, TunnelLogView, TunnelSpec, TunnelView, WorkspaceView,
};

mod adding;
mod launch;
mod options;
mod watch;

pub use options::{
    Browser, DesktopOptions, OutputSink, Program, SandboxAccount, SandboxOffer, SandboxStarter,
};

/// The product behind the window. Cheap to clone.
///
/// Every method may be called from any task at any time; none touches the window.
/// [`Desktop::quit`] must have returned before the process ends.
#[derive(Clone)]
pub struct Desktop(Arc<Inner>);

struct Inner {
    version: String,
    browser: Arc<dyn Browser>,
    app: Arc<App>,
    outbox: Outbox,
    tasks: Tasks,
    notices: Notices,
    accounts: Accounts,
    inventories: Inventories,
    terminals: Terminals,
    tunnels: Tunnels,
    saved: Saved,
    workspace: Mutex<WorkspaceView>,
}

type Answer<T> = Result<T, AppError>;

/// How long sessions may take to be ended at the service.
const QUIT_LIMIT: Duration = Duration::from_secs(5);

#[expect(clippy::unused_async, reason = "every verb may come to wait for something")]
impl Desktop {
    /// Opens the product. Sends nothing and writes no file; tunnels that start with the program
    /// are switched on.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn open(options: DesktopOptions) -> (Self, Events) {
        let (outbox, events) = Outbox::new();
        let (tasks, notices) = (Tasks::default(), Notices::new(outbox.clone()));
        let secrets = Arc::clone(options.config.secrets());
        let tokens = Tokens::new(Arc::clone(&secrets), tasks.clone());
        let app = App::open_with(options.config, Some(Arc::new(tokens.clone())));
        let app = Arc::new(app);
        let found = saved::find(app.store(), &notices);
        let sandbox = options.sandbox;
        let clients = Arc::clone(app.clients());
        let both = (outbox.clone(), tasks.clone());
        let accounts = Accounts::new(clients, sandbox, &found.settings, (secrets, tokens), both);
        let memory = app.memory().clone();
        let parts = (outbox.clone(), tasks.clone());
        let inventories = Inventories::new(accounts.clone(), memory, parts.0, parts.1);
        let ground = Ground {
            engine: app.engine().clone(),
            accounts: accounts.clone(),
            inventories: inventories.clone(),
            outbox: outbox.clone(),
            tasks: tasks.clone(),
        };
        let terminals = Terminals::new(ground.clone());
        let tunnels = Tunnels::new(ground);
        let workspace = launch::workspace(&app, &accounts, &notices, options.opens_in_sandbox);
        if workspace.scope.profile_id.as_ref().is_some_and(|id| accounts.is_sandbox(id)) {
            let accounts = accounts.clone();
            tasks.start(async move { accounts.prepare_sandbox().await });
        }
        tunnels.take(&found.bookmarks.tunnels, true);
        let both = (accounts.clone(), tunnels.clone());
        let store = app.store().clone();
        let saved = Saved::new(store, found, tasks.clone(), outbox.clone(), notices.clone(), both);
        tasks.start(watch::watch(saved.clone(), accounts.clone(), tasks.clone()));
        if !app.leftovers().is_empty() {
            let ending = launch::end_leftovers(Arc::clone(&app), accounts.clone(), notices.clone());
            tasks.start(ending);
        }
        let inner = Inner {
            version: options.version,
            browser: options.browser,
            app,
            outbox,
            tasks,
            notices,
            accounts,
            inventories,
            terminals,
            tunnels,
            saved,
            workspace: Mutex::new(workspace),
        };
        let desktop = Self(Arc::new(inner));
        (desktop, events)
    }

    /// Answers everything for the first frame, without the network. Ends terminals left over from
    /// an earlier page.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::Internal`].
    pub async fn snapshot(&self) -> Answer<SnapshotView> {
        self.0.terminals.close_all();
        let workspace = self.workspace().clone();
        let kept = terminals(&workspace);
        let memory = self.0.app.memory().clone();
        self.0.tasks.start({
            let tasks = self.0.tasks.clone();
            async move {
                // What is left lies there until the next start.
                let _ = tasks.off(move || memory.forget_scrollbacks_but(&kept)).await;
            }
        });
        Ok(SnapshotView {
            version: self.0.version.clone(),
            platform: launch::platform(),
            inventories: self.0.inventories.known(&workspace.scope),
            profiles: self.0.accounts.view(),
            bookmarks: self.0.saved.bookmarks(),
            tunnels: self.0.tunnels.views(),
            settings: self.0.saved.settings(),
            workspace,
            notices: self.0.notices.open(),
        })
    }

    /// Starts the sign-in of a profile; its progress comes as events.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NotFound`], or [`ErrorCode::Invalid`] for a profile nobody signs in to.
    pub async fn sign_in(&self, profile_id: ProfileId) -> Answer<()> {
        let browser = Arc::clone(&self.0.browser);
        self.0.accounts.sign_in(&profile_id, browser)
    }

    /// Stops waiting for the browser.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NotFound`].
    pub async fn sign_in_cancel(&self, profile_id: ProfileId) -> Answer<()> {
        self.0.accounts.sign_in_cancel(&profile_id)
    }

    /// Changes how an account is shown, and the regions in use.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NotFound`] or [`ErrorCode::FileUnwritable`].
    pub async fn profile_change(&self, id: ProfileId, change: ProfileChange) -> Answer<()> {
        if !self.0.accounts.has(&id) {
            return Err(no_such(&id));
        }
        let look = AccountLook {
            label: Some(change.label).filter(|label| !label.trim().is_empty()),
            colour: Some(change.colour),
            is_hidden: change.hidden,
            regions: change.regions,
        };
        self.0
            .saved
            .change_settings(move |settings| drop(settings.accounts.insert(id.0, look)))
            .await
    }

    /// Adds an account; answers the id of the first profile it brought, or none when the user
    /// gave up meanwhile. A config file is added by [`Desktop::account_add_file`], once the user
    /// has chosen it.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::KeyringUnavailable`], [`ErrorCode::CredentialsInvalid`],
    /// [`ErrorCode::Invalid`], [`ErrorCode::Unreachable`].
    pub async fn account_add(&self, request: AccountRequest) -> Answer<Option<ProfileId>> {
        match request {
            AccountRequest::AccessKeys { name, access_key_id, secret_access_key, region } => {
                let key = AccessKey { access_key_id, secret_access_key };
                self.add_key(name.trim().to_owned(), region.trim().to_owned(), key).await.map(Some)
            }
            AccountRequest::Sso { start_url, region } => {
                self.add_sign_in(start_url.trim().to_owned(), region.trim().to_owned()).await
            }
            // The dialog is the shell's.
            AccountRequest::ConfigFile => Ok(None),
        }
    }

    /// Stops waiting for the browser in [`Desktop::account_add`]; nothing is added then.
    ///
    /// # Errors
    ///
    /// None; that nobody waits is fine.
    pub async fn account_add_cancel(&self) -> Answer<()> {
        self.0.accounts.give_up_new();
        Ok(())
    }

    /// Adds the profiles of an AWS config file that lies elsewhere.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::ConfigInvalid`] when it has no profile.
    pub async fn account_add_file(&self, file: PathBuf) -> Answer<Option<ProfileId>> {
        let Some(first) = self.0.accounts.ids_in(&file).into_iter().next() else {
            let message = format!("{} has no AWS profile.", file.display());
            return Err(AppError { code: ErrorCode::ConfigInvalid, message, detail: None });
        };
        self.add(AddedAccount::ConfigFile { path: file }).await?;
        Ok(Some(first))
    }

    /// Says which nodes are looked at. Answers what is known at once; reads the rest behind.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NotFound`].
    pub async fn scope_open(&self, scope: ScopeView) -> Answer<Vec<InventoryView>> {
        self.0.inventories.open(&scope)
    }

    /// Reads the scope again now.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NotFound`].
    pub async fn scope_refresh(&self, scope: ScopeView) -> Answer<()> {
        self.0.inventories.refresh(&scope)
    }

    /// Finds out why a node can't be reached.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NotFound`] for an account that is gone.
    pub async fn node_diagnose(&self, target: TargetView) -> Answer<DiagnosisView> {
        nodes::diagnosis::diagnose(&self.0.accounts, &target).await
    }

    /// Lists the last sessions on a node, newest first, at most 20.
    ///
    /// # Errors
    ///
    /// Whatever the service answers.
    pub async fn node_sessions(&self, target: TargetView) -> Answer<Vec<SessionRecordView>> {
        nodes::sessions(&self.0.accounts, &target).await
    }

    /// Runs a command without a terminal and answers when it ended.
    ///
    /// # Errors
    ///
    /// Whatever kept it from running.
    pub async fn node_run(&self, target: TargetView, command: String) -> Answer<CommandResultView> {
        let (engine, accounts) = (self.0.app.engine(), &self.0.accounts);
        nodes::run(engine, accounts, &self.0.inventories, &target, &command).await
    }

    /// Starts a session for a new or ended terminal. Answers once the terminal is known; whether
    /// the session starts is told by its state.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::Invalid`] for a terminal that lives.
    pub async fn terminal_open(
        &self,
        id: TerminalId,
        target: TargetView,
        size: TerminalSize,
        output: OutputSink,
    ) -> Answer<()> {
        self.0.terminals.open(id, target, size, output)
    }

    /// Types. Answers when the bytes are queued; one call in flight for each terminal.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NotFound`], or [`ErrorCode::SessionEnded`] once it is over.
    pub async fn terminal_write(
        &self,
        id: TerminalId,
        data: String,
        encoding: InputEncoding,
    ) -> Answer<()> {
        self.0.terminals.write(&id, &data, encoding).await
    }

    /// Tells the far side the terminal's size.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NotFound`].
    pub async fn terminal_resize(&self, id: TerminalId, size: TerminalSize) -> Answer<()> {
        self.0.terminals.resize(&id, size)
    }

    /// Says that so many more bytes of output were drawn.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NotFound`].
    pub async fn terminal_ack(&self, id: TerminalId, bytes: u32) -> Answer<()> {
        self.0.terminals.acknowledge(&id, bytes)
    }

    /// Does not wait for the next try of a reconnecting terminal.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NotFound`].
    pub async fn terminal_retry(&self, id: TerminalId) -> Answer<()> {
        self.0.terminals.retry(&id)
    }

    /// Ends the session and forgets the terminal and its kept scrollback.
    ///
    /// # Errors
    ///
    /// None; an id that is not known is fine.
    pub async fn terminal_close(&self, id: TerminalId) -> Answer<()> {
        self.0.terminals.close(&id);
        let memory = self.0.app.memory().clone();
        self.off(move || memory.forget_scrollback(&id)).await
    }

    /// Keeps the scrollback of a tab for the next start.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::FileUnwritable`] or [`ErrorCode::Invalid`].
    pub async fn scrollback_save(&self, id: TerminalId, text: String) -> Answer<()> {
        let memory = self.0.app.memory().clone();
        let kept = self.off(move || memory.keep_scrollback(&id, &text)).await?;
        match kept {
            // Without a folder nothing is kept, which is nobody's failure.
            Ok(()) | Err(StoreError::Nowhere) => Ok(()),
            Err(error) => Err(Error::from(error).view()),
        }
    }

    /// Answers the kept scrollback; empty when there is none.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::Invalid`] for an id that is no UUID.
    pub async fn scrollback_load(&self, id: TerminalId) -> Answer<String> {
        let memory = self.0.app.memory().clone();
        self.off(move || memory.scrollback_of(&id)).await
    }

    /// Saves a new tunnel (no id) or a changed one; answers its id.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::Invalid`], [`ErrorCode::NotFound`], [`ErrorCode::FileUnwritable`].
    pub async fn tunnel_save(&self, id: Option<TunnelId>, spec: TunnelSpec) -> Answer<TunnelId> {
        check_spec(&spec)?;
        if !self.0.accounts.has(&spec.profile_id) {
            return Err(no_such(&spec.profile_id));
        }
        if let Some(id) = &id
            && self.0.saved.tunnel(id).is_none()
        {
            return Err(no_such_tunnel());
        }
        let id = id.unwrap_or_else(|| TunnelId(Uuid::new_v4().to_string()));
        let tunnel = SavedTunnel { id: id.clone(), spec };
        self.0.saved.change_bookmarks(move |bookmarks| bookmarks.put_tunnel(tunnel)).await?;
        Ok(id)
    }

    /// Stops a tunnel and forgets it.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NotFound`], [`ErrorCode::FileUnwritable`].
    pub async fn tunnel_remove(&self, id: TunnelId) -> Answer<()> {
        if self.0.saved.tunnel(&id).is_none() {
            return Err(no_such_tunnel());
        }
        let remove = move |bookmarks: &mut Bookmarks| bookmarks.tunnels.retain(|t| t.id != id);
        self.0.saved.change_bookmarks(remove).await
    }

    /// Switches a tunnel. Failures come as the tunnel's state.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NotFound`].
    pub async fn tunnel_switch(&self, id: TunnelId, wanted: bool) -> Answer<()> {
        self.0.tunnels.switch(&id, wanted)
    }

    /// Does not wait for the next try of a tunnel.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NotFound`].
    pub async fn tunnel_retry(&self, id: TunnelId) -> Answer<()> {
        self.0.tunnels.retry(&id)
    }

    /// Waits until a tunnel listens, at most 30 s, and answers what to open for it.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NotFound`], [`ErrorCode::Unreachable`] when it does not listen in time, or
    /// what it failed with.
    pub async fn tunnel_program(&self, id: TunnelId) -> Answer<Program> {
        self.0.tunnels.program(&id).await
    }

    /// Answers the last lines of a tunnel's log, oldest first, at most 500.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NotFound`].
    pub async fn tunnel_log(&self, id: TunnelId) -> Answer<Vec<TunnelLogView>> {
        self.0.tunnels.log(&id)
    }

    /// Says whether a local port can be listened on. `tunnel`: the one being edited.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::Invalid`] for an address that is none.
    pub async fn port_check(
        &self,
        port: u16,
        bind: TunnelBind,
        tunnel: Option<TunnelId>,
    ) -> Answer<PortCheckView> {
        self.0.tunnels.check_port(port, &bind, tunnel.as_ref())
    }

    /// Keeps the bookmarks.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::FileUnwritable`].
    pub async fn bookmarks_save(&self, bookmarks: BookmarksView) -> Answer<()> {
        self.0.saved.change_bookmarks(move |known| known.take(bookmarks)).await
    }

    /// Keeps the settings. Starting at login is the shell's to apply.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::FileUnwritable`].
    pub async fn settings_save(&self, settings: SettingsView) -> Answer<()> {
        let window = WindowSettings(settings).within_limits();
        self.0.saved.change_settings(move |known| known.window = window).await
    }

    /// Names the settings file; none when nothing is kept.
    pub fn settings_file(&self) -> Option<PathBuf> {
        self.0.saved.settings_file()
    }

    /// Keeps how the window was left.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::FileUnwritable`].
    pub async fn workspace_save(&self, workspace: WorkspaceView) -> Answer<()> {
        self.workspace().clone_from(&workspace);
        let store = self.0.app.memory().store().clone();
        let keep = move || store.update::<Workspace>(|kept| kept.0 = workspace).map(drop);
        match self.off(keep).await? {
            Ok(()) | Err(StoreError::Nowhere) => Ok(()),
            Err(error) => Err(Error::from(error).view()),
        }
    }

    /// The user has seen a notice; one that is not known is fine.
    ///
    /// # Errors
    ///
    /// None.
    pub async fn notice_close(&self, id: NoticeId) -> Answer<()> {
        self.0.notices.close(&id);
        Ok(())
    }

    /// Answers every tunnel, for the tray.
    pub fn tunnels(&self) -> Vec<TunnelView> {
        self.0.tunnels.views()
    }

    /// Switches every tunnel off, for the tray.
    pub fn tunnels_stop(&self) {
        self.0.tunnels.stop_all();
    }

    /// Answers the bookmarks, for the tray.
    pub fn bookmarks(&self) -> BookmarksView {
        self.0.saved.bookmarks()
    }

    /// Answers the settings.
    pub fn settings(&self) -> SettingsView {
        self.0.saved.settings()
    }

    /// Says whether anybody can see the window: traffic is not told while nobody can. The files
    /// that may be edited by hand are looked at when it comes back, and every second otherwise.
    pub fn window_seen(&self, is_seen: bool) {
        self.0.tunnels.seen(is_seen);
        self.0.inventories.seen(is_seen);
        if is_seen {
            let (saved, accounts) = (self.0.saved.clone(), self.0.accounts.clone());
            let tasks = self.0.tasks.clone();
            self.0.tasks.start(async move {
                watch::look(saved, accounts, &tasks, Haste::AtOnce).await;
            });
        }
    }

    /// Ends every session at the service and stops every tunnel. Nothing works afterwards.
    pub async fn quit(&self) {
        // Unwanted first, or the end of a session would start the next one.
        self.0.tunnels.stop_all();
        let left = self.0.app.shutdown(QUIT_LIMIT).await;
        if !left.is_empty() {
            tracing::warn!(sessions = left.len(), "sessions are left to the next start");
        }
        self.0.tasks.end().await;
        self.0.outbox.close();
    }

    fn workspace(&self) -> MutexGuard<'_, WorkspaceView> {
        self.0.workspace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn off<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Answer<T> {
        self.0.tasks.off(work).await.map_err(|error| Error::from(error).view())
    }
}

impl fmt::Debug for Desktop {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Desktop").finish_non_exhaustive()
    }
}
