//! The end: whatever asks for it, sessions are ended at the service first.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use app::Desktop;
use tauri::{AppHandle, Manager as _};

use crate::sandbox::Sandbox;
use crate::tasks::Tasks;
use crate::window;

/// The product limits its calls itself; this is for the day when that fails.
const LIMIT: Duration = Duration::from_secs(20);

/// What the page gets to hand over what it has not yet: it hears that it is hidden, and no more.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// Whether the end has begun.
#[derive(Debug, Default)]
pub(crate) struct Quit {
    has_begun: AtomicBool,
}

/// Begins to leave: the window goes at once, the program when every session is ended.
pub(crate) fn begin(app: &AppHandle) {
    if app.state::<Quit>().has_begun.swap(true, Ordering::AcqRel) {
        return;
    }
    window::hide(app);
    let leaving = app.clone();
    app.state::<Tasks>().spawn(async move {
        tokio::time::sleep(LAST_WORDS).await;
        let desktop = leaving.state::<Desktop>();
        if tokio::time::timeout(LIMIT, desktop.quit()).await.is_err() {
            tracing::error!(
                "sessions are left to the service's idle timeout, and to the next start"
            );
        }
        leaving.state::<Sandbox>().stop().await;
        leaving.exit(0);
    });
}

/// Waits until the system asks the program to stop, then begins to leave.
pub(crate) async fn when_told(app: AppHandle) {
    told().await;
    tracing::info!("asked to stop");
    begin(&app);
}

/// Waits for Ctrl-C, a closed terminal, a plain `kill` or the end of the desktop session.
#[cfg(unix)]
async fn told() {
    use tokio::signal::unix::{SignalKind, signal};
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let [Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)] = kinds.map(signal) else {
        // Without handlers the system ends the process itself.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
}

/// Waits for Ctrl-C, a closed console or the end of the day.
#[cfg(windows)]
async fn told() {
    use tokio::signal::windows::{ctrl_c, ctrl_close, ctrl_shutdown};
    let (Ok(mut interrupt), Ok(mut close), Ok(mut shutdown)) =
        (ctrl_c(), ctrl_close(), ctrl_shutdown())
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = close.recv() => {}
        _ = shutdown.recv() => {}
    }
}
