//! What is decided once, when the product is opened.

use std::sync::Arc;

use crate::accounts::Accounts;
use crate::app::App;
use crate::kept::Workspace;
use crate::notices::Notices;
use crate::saved::note_set_aside;
use crate::store::Stored as _;
use crate::view::{PlatformView, ProfileId, ScopeView, Severity, WorkspaceView};

/// Tells the system this was built for.
pub(super) fn platform() -> PlatformView {
    if cfg!(target_os = "macos") {
        PlatformView::Macos
    } else if cfg!(target_os = "windows") {
        PlatformView::Windows
    } else {
        PlatformView::Linux
    }
}

/// Answers how the window was left, brought to where it can begin: an account that is gone gives
/// way to the first there is.
pub(super) fn workspace(
    app: &App,
    accounts: &Accounts,
    notices: &Notices,
    opens_in_sandbox: bool,
) -> WorkspaceView {
    let (Workspace(mut workspace), wrong) = app.memory().store().load_or_set_aside::<Workspace>();
    note_set_aside(notices, Workspace::FILE, wrong);
    let is_new = workspace.scope == ScopeView { profile_id: None, region: None }
        && workspace.tabs.is_empty()
        && workspace.recent.is_empty();
    let is_gone = workspace.scope.profile_id.as_ref().is_some_and(|id| !accounts.has(id));
    if is_new || is_gone {
        workspace.scope = accounts.first_scope();
    }
    let is_sandbox = |id: &ProfileId| accounts.is_sandbox(id);
    if opens_in_sandbox && !workspace.scope.profile_id.as_ref().is_some_and(is_sandbox) {
        workspace.scope = ScopeView { profile_id: accounts.first_sandbox(), region: None };
    }
    workspace
}

/// Ends what a killed process left at the service, and says so.
pub(super) async fn end_leftovers(app: Arc<App>, accounts: Accounts, notices: Notices) {
    let (mut ended, mut left) = (0usize, 0usize);
    for session in app.leftovers() {
        let (region, profile) = session.label.split_once(' ').unwrap_or((&session.label, "env:"));
        let id = ProfileId(profile.to_owned());
        if accounts.is_sandbox(&id) {
            // It went with its process.
            app.forget_leftover(&session.session_id);
            continue;
        }
        let gone = match accounts.open(&id, region).await {
            Ok(account) => app.end_leftover(&session, account.control()).await.is_ok(),
            Err(_) => false,
        };
        if gone { ended += 1 } else { left += 1 }
    }
    if ended > 0 {
        let text = match ended {
            1 => "A session that an earlier run had left open was ended.".to_owned(),
            _ => format!("{ended} sessions that an earlier run had left open were ended."),
        };
        notices.raise("leftovers-ended", Severity::Info, text, None);
    }
    if left > 0 {
        let text = match left {
            1 => "A session of an earlier run is still open and could not be ended. It is tried \
                  again at the next start."
                .to_owned(),
            _ => format!(
                "{left} sessions of an earlier run are still open and could not be ended. It is \
                 tried again at the next start."
            ),
        };
        notices.raise("leftovers-left", Severity::Warn, text, None);
    }
}
