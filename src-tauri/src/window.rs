//! The one window: opened unseen, shown when it has something to show, hidden rather than closed
//! while tunnels are to stay up.

use std::time::Duration;

use app::Desktop;
use app::view::IntentView;
use tauri::plugin::TauriPlugin;
use tauri::{
    AppHandle, Manager as _, Runtime, Url, WebviewUrl, WebviewWindow, WebviewWindowBuilder, Window,
    WindowEvent,
};
use tauri_plugin_window_state::StateFlags;
use tauri_specta::Event as _;

use crate::events::IntentEvent;
use crate::habits::Habits;
use crate::notifications;
use crate::quit;
use crate::tasks::Tasks;

/// Its only name.
const MAIN: &str = "main";
/// A page that has said nothing by then is shown as it is: it may be the page that says why.
const PATIENCE: Duration = Duration::from_secs(4);

/// Keeps size and place from one start to the next.
pub(crate) fn kept<R: Runtime>() -> TauriPlugin<R> {
    let flags = StateFlags::SIZE | StateFlags::POSITION | StateFlags::MAXIMIZED;
    tauri_plugin_window_state::Builder::new().with_state_flags(flags).build()
}

/// Opens the window, unseen. The page's first [`ready`] shows it, unless it is to stay `hidden`.
///
/// # Errors
///
/// When the system gives no window.
pub(crate) fn open(app: &AppHandle, hidden: bool) -> tauri::Result<()> {
    app.state::<Habits>().stay_hidden(hidden);
    #[cfg(all(unix, not(target_os = "macos")))]
    rest_the_caret();
    WebviewWindowBuilder::new(app, MAIN, WebviewUrl::App("index.html".into()))
        .title("Adit")
        .inner_size(1280.0, 820.0)
        .min_inner_size(720.0, 440.0)
        .visible(false)
        // The page's own tabs are dragged; files dropped on it mean nothing.
        .disable_drag_drop_handler()
        .on_navigation(is_own)
        .build()?;
    let late = app.clone();
    app.state::<Tasks>().spawn(async move {
        tokio::time::sleep(PATIENCE).await;
        ready(&late);
    });
    Ok(())
}

/// Keeps the caret from blinking: each blink of the one behind a terminal draws the whole page, for
/// nothing that could be seen. Switched off altogether, WebKit asks for sixty frames a second.
#[cfg(all(unix, not(target_os = "macos")))]
fn rest_the_caret() {
    use gtk::prelude::GtkSettingsExt as _;

    /// Milliseconds.
    const TWO_HOURS: i32 = 7_200_000;
    if let Some(settings) = gtk::Settings::default() {
        settings.set_gtk_cursor_blink_time(TWO_HOURS);
    }
}

/// Only the page itself is ever shown: links go to the browser, by a command.
fn is_own(url: &Url) -> bool {
    url.scheme() == "tauri" || url.host_str() == Some("tauri.localhost")
}

/// The page has something to show. Counts once.
pub(crate) fn ready(app: &AppHandle) {
    if app.state::<Habits>().may_show_first() {
        show(app);
    }
}

/// The program was started once more, with these words.
pub(crate) fn asked_for(app: &AppHandle, words: &[String]) {
    // One that starts with the desktop session, or before this one is set up, asks for nothing.
    let is_set_up = app.try_state::<Desktop>().is_some();
    if !is_set_up || words.iter().any(|word| word == "--hidden") {
        return;
    }
    let asked = app.clone();
    if let Err(error) = app.run_on_main_thread(move || show(&asked)) {
        tracing::debug!(%error, "the window is closed");
    }
}

/// Shows the window and brings it to the front.
pub(crate) fn show(app: &AppHandle) {
    app.state::<Habits>().stay_hidden(false);
    let Some(window) = main(app) else { return };
    for done in [window.show(), window.unminimize(), window.set_focus()] {
        if let Err(error) = done {
            tracing::warn!(%error, "the window does not come up");
        }
    }
    app.state::<Desktop>().window_seen(true);
}

/// Shows the window with what was asked for.
pub(crate) fn show_with(app: &AppHandle, intent: IntentView) {
    show(app);
    if let Err(error) = IntentEvent(intent).emit(app) {
        tracing::warn!(%error, "the page was not told what to show");
    }
}

/// Hides the window; the page in it goes on.
pub(crate) fn hide(app: &AppHandle) {
    if let Some(window) = main(app)
        && let Err(error) = window.hide()
    {
        tracing::warn!(%error, "the window does not hide");
    }
    app.state::<Desktop>().window_seen(false);
}

pub(crate) fn main(app: &AppHandle) -> Option<WebviewWindow> {
    app.get_webview_window(MAIN)
}

/// What the system tells of the window.
pub(crate) fn heed(window: &Window, event: &WindowEvent) {
    let app = window.app_handle();
    if let WindowEvent::Focused(true) = event {
        app.state::<Desktop>().window_seen(true);
    }
    let WindowEvent::CloseRequested { api, .. } = event else { return };
    // Never closed by the system itself: the sessions behind it have to be ended.
    api.prevent_close();
    if !stays_up(app) {
        quit::begin(app);
        return;
    }
    hide(app);
    if app.state::<Habits>().may_tell_of_tray() {
        notifications::show(app, notifications::still_up());
    }
}

/// Whether the program outlives its window: there are tunnels to keep, and they are to be kept.
fn stays_up(app: &AppHandle) -> bool {
    let keeps =
        app.state::<Habits>().settings().is_none_or(|settings| settings.close_keeps_tunnels);
    keeps && app.state::<Desktop>().tunnels().iter().any(|tunnel| tunnel.wanted)
}
