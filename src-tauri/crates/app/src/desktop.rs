//! Everything behind the window: one method for each thing a user can do there.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::app::AppConfig;
use crate::event::{Events, Outbox};
use crate::view::{
    AccountRequest, AppError, BookmarksView, CommandResultView, DiagnosisView, ErrorCode,
    InputEncoding, InventoryView, NoticeId, PortCheckView, ProfileChange, ProfileId, ScopeView,
    SessionRecordView, SettingsView, SnapshotView, TargetView, TerminalId, TerminalSize,
    TunnelBind, TunnelId, TunnelLogView, TunnelSpec, TunnelView, WorkspaceView,
};

/// What a desktop stands on.
pub struct DesktopOptions {
    /// Version of the product, for the About line.
    pub version: String,
    /// Files, environment and network.
    pub config: AppConfig,
    /// The sandbox, if it can be had.
    pub sandbox: Option<SandboxOffer>,
    /// Opens in the sandbox although there are profiles.
    pub opens_in_sandbox: bool,
    /// Opens pages for the user.
    pub browser: Arc<dyn Browser>,
}

/// Opens pages for the user; the shell knows how.
pub trait Browser: Send + Sync + 'static {
    /// Opens an `http` or `https` address. What fails is nobody's business: the address is shown
    /// beside, to be opened by hand.
    fn open(&self, url: &str);
}

/// The made-up accounts, and the way to have them served.
pub struct SandboxOffer {
    /// The accounts, in the order to show. Known before anything is started.
    pub accounts: Vec<SandboxAccount>,
    /// Starts serving them. Asked for when one of the accounts is first needed, and again only
    /// after a failure.
    pub starter: Arc<dyn SandboxStarter>,
}

/// A made-up account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxAccount {
    /// The profile's name in the files the sandbox writes.
    pub profile: String,
    /// Twelve digits.
    pub account_id: String,
    /// The regions it has nodes in, the main one first.
    pub regions: Vec<String>,
}

/// Starts the sandbox.
pub trait SandboxStarter: Send + Sync + 'static {
    /// Serves the accounts until the program ends, and answers the variables that lead an AWS
    /// program there: `AWS_CONFIG_FILE` and `AWS_SHARED_CREDENTIALS_FILE`. An error says why not,
    /// in words.
    fn start(&self) -> BoxFuture<'static, Result<Vec<(String, String)>, String>>;
}

/// Takes the output of a terminal, in order, in pieces of at most 64 KiB. Answers false when
/// there is nobody to take it any more. Must not block.
pub type OutputSink = Box<dyn FnMut(Bytes) -> bool + Send>;

/// What to open for a tunnel that listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// The browser, on this address.
    Browser {
        /// `http://127.0.0.1:8080/`.
        url: String,
    },
    /// The system's remote desktop program.
    RemoteDesktop {
        /// Host and port: `127.0.0.1:3389`.
        address: String,
    },
}

/// The product behind the window. Cheap to clone.
///
/// Every method may be called from any task at any time; none touches the window.
/// [`Desktop::quit`] must have returned before the process ends.
#[derive(Clone)]
pub struct Desktop {
    outbox: Outbox,
}

type Answer<T> = Result<T, AppError>;

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
        drop(options);
        (Self { outbox }, events)
    }

    /// Answers everything for the first frame, without the network. Ends terminals left over from
    /// an earlier page.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::Internal`].
    pub async fn snapshot(&self) -> Answer<SnapshotView> {
        self.absent()
    }

    /// Starts the sign-in of a profile; its progress comes as events.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NotFound`], or [`ErrorCode::Invalid`] for a profile nobody signs in to.
    pub async fn sign_in(&self, _profile_id: ProfileId) -> Answer<()> {
        self.absent()
    }

    /// Stops waiting for the browser.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NotFound`].
    pub async fn sign_in_cancel(&self, _profile_id: ProfileId) -> Answer<()> {
        self.absent()
    }

    /// Changes how an account is shown, and the regions in use.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NotFound`] or [`ErrorCode::FileUnwritable`].
    pub async fn profile_change(&self, _id: ProfileId, _change: ProfileChange) -> Answer<()> {
        self.absent()
    }

    /// Adds an account; answers the id of the first profile it brought. A config file is added
    /// by [`Desktop::account_add_file`], once the user has chosen it.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::KeyringUnavailable`], [`ErrorCode::CredentialsInvalid`],
    /// [`ErrorCode::Invalid`], [`ErrorCode::Unreachable`].
    pub async fn account_add(&self, _request: AccountRequest) -> Answer<Option<ProfileId>> {
        self.absent()
    }

    /// Adds the profiles of an AWS config file that lies elsewhere.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::ConfigInvalid`] when it has no profile.
    pub async fn account_add_file(&self, _file: PathBuf) -> Answer<Option<ProfileId>> {
        self.absent()
    }

    /// Says which nodes are looked at. Answers what is known at once; reads the rest behind.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NotFound`].
    pub async fn scope_open(&self, _scope: ScopeView) -> Answer<Vec<InventoryView>> {
        self.absent()
    }

    /// Reads the scope again now.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NotFound`].
    pub async fn scope_refresh(&self, _scope: ScopeView) -> Answer<()> {
        self.absent()
    }

    /// Finds out why a node can't be reached.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NotFound`] for an account that is gone.
    pub async fn node_diagnose(&self, _target: TargetView) -> Answer<DiagnosisView> {
        self.absent()
    }

    /// Lists the last sessions on a node, newest first, at most 20.
    ///
    /// # Errors
    ///
    /// Whatever the service answers.
    pub async fn node_sessions(&self, _target: TargetView) -> Answer<Vec<SessionRecordView>> {
        self.absent()
    }

    /// Runs a command without a terminal and answers when it ended.
    ///
    /// # Errors
    ///
    /// Whatever kept it from running.
    pub async fn node_run(
        &self,
        _target: TargetView,
        _command: String,
    ) -> Answer<CommandResultView> {
        self.absent()
    }

    /// Starts a session for a new or ended terminal. Answers once the terminal is known; whether
    /// the session starts is told by its state.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::Invalid`] for a terminal that lives.
    pub async fn terminal_open(
        &self,
        _id: TerminalId,
        _target: TargetView,
        _size: TerminalSize,
        _output: OutputSink,
    ) -> Answer<()> {
        self.absent()
    }

    /// Types. Answers when the bytes are queued; one call in flight for each terminal.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NotFound`], or [`ErrorCode::SessionEnded`] once it is over.
    pub async fn terminal_write(
        &self,
        _id: TerminalId,
        _data: String,
        _encoding: InputEncoding,
    ) -> Answer<()> {
        self.absent()
    }

    /// Tells the far side the terminal's size.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NotFound`].
    pub async fn terminal_resize(&self, _id: TerminalId, _size: TerminalSize) -> Answer<()> {
        self.absent()
    }

    /// Says that so many more bytes of output were drawn.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NotFound`].
    pub async fn terminal_ack(&self, _id: TerminalId, _bytes: u32) -> Answer<()> {
        self.absent()
    }

    /// Does not wait for the next try of a reconnecting terminal.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NotFound`].
    pub async fn terminal_retry(&self, _id: TerminalId) -> Answer<()> {
        self.absent()
    }

    /// Ends the session and forgets the terminal and its kept scrollback.
    ///
    /// # Errors
    ///
    /// None; an id that is not known is fine.
    pub async fn terminal_close(&self, _id: TerminalId) -> Answer<()> {
        self.absent()
    }

    /// Keeps the scrollback of a tab for the next start.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::FileUnwritable`] or [`ErrorCode::Invalid`].
    pub async fn scrollback_save(&self, _id: TerminalId, _text: String) -> Answer<()> {
        self.absent()
    }

    /// Answers the kept scrollback; empty when there is none.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::Invalid`] for an id that is no UUID.
    pub async fn scrollback_load(&self, _id: TerminalId) -> Answer<String> {
        self.absent()
    }

    /// Saves a new tunnel (no id) or a changed one; answers its id.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::Invalid`], [`ErrorCode::NotFound`], [`ErrorCode::FileUnwritable`].
    pub async fn tunnel_save(&self, _id: Option<TunnelId>, _spec: TunnelSpec) -> Answer<TunnelId> {
        self.absent()
    }

    /// Stops a tunnel and forgets it.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NotFound`], [`ErrorCode::FileUnwritable`].
    pub async fn tunnel_remove(&self, _id: TunnelId) -> Answer<()> {
        self.absent()
    }

    /// Switches a tunnel. Failures come as the tunnel's state.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NotFound`].
    pub async fn tunnel_switch(&self, _id: TunnelId, _wanted: bool) -> Answer<()> {
        self.absent()
    }

    /// Does not wait for the next try of a tunnel.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NotFound`].
    pub async fn tunnel_retry(&self, _id: TunnelId) -> Answer<()> {
        self.absent()
    }

    /// Waits until a tunnel listens, at most 30 s, and answers what to open for it.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NotFound`], [`ErrorCode::Unreachable`] when it does not listen in time, or
    /// what it failed with.
    pub async fn tunnel_program(&self, _id: TunnelId) -> Answer<Program> {
        self.absent()
    }

    /// Answers the last lines of a tunnel's log, oldest first, at most 500.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NotFound`].
    pub async fn tunnel_log(&self, _id: TunnelId) -> Answer<Vec<TunnelLogView>> {
        self.absent()
    }

    /// Says whether a local port can be listened on. `tunnel`: the one being edited.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::Invalid`] for an address that is none.
    pub async fn port_check(
        &self,
        _port: u16,
        _bind: TunnelBind,
        _tunnel: Option<TunnelId>,
    ) -> Answer<PortCheckView> {
        self.absent()
    }

    /// Keeps the bookmarks.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::FileUnwritable`].
    pub async fn bookmarks_save(&self, _bookmarks: BookmarksView) -> Answer<()> {
        self.absent()
    }

    /// Keeps the settings. Starting at login is the shell's to apply.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::FileUnwritable`].
    pub async fn settings_save(&self, _settings: SettingsView) -> Answer<()> {
        self.absent()
    }

    /// Names the settings file; none when nothing is kept.
    pub fn settings_file(&self) -> Option<&Path> {
        None
    }

    /// Keeps how the window was left.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::FileUnwritable`].
    pub async fn workspace_save(&self, _workspace: WorkspaceView) -> Answer<()> {
        self.absent()
    }

    /// The user has seen a notice; one that is not known is fine.
    ///
    /// # Errors
    ///
    /// None.
    pub async fn notice_close(&self, _id: NoticeId) -> Answer<()> {
        self.absent()
    }

    /// Answers every tunnel, for the tray.
    pub fn tunnels(&self) -> Vec<TunnelView> {
        Vec::new()
    }

    /// Switches every tunnel off, for the tray.
    pub async fn tunnels_stop(&self) {}

    /// Answers the bookmarks, for the tray.
    pub fn bookmarks(&self) -> BookmarksView {
        BookmarksView { nodes: Vec::new(), groups: Vec::new(), saved_views: Vec::new() }
    }

    /// Says whether anybody can see the window: traffic is not told while nobody can. The files
    /// that may be edited by hand are looked at when it comes back.
    pub fn window_seen(&self, _is_seen: bool) {}

    /// Ends every session at the service and stops every tunnel. Nothing works afterwards.
    pub async fn quit(&self) {
        self.outbox.close();
    }

    #[expect(clippy::unused_self, reason = "every verb has one")]
    fn absent<T>(&self) -> Answer<T> {
        let message = "This part of the program is not there yet.".to_owned();
        Err(AppError { code: ErrorCode::Internal, message, detail: None })
    }
}

impl fmt::Debug for Desktop {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Desktop").finish_non_exhaustive()
    }
}
