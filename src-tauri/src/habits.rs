//! What the shell remembers to behave as the settings say.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use app::view::SettingsView;
use tauri::plugin::TauriPlugin;
use tauri::{AppHandle, Manager as _, Runtime};
use tauri_plugin_autostart::{MacosLauncher, ManagerExt as _};

/// The settings as last heard of, and what happens only once.
#[derive(Debug, Default)]
pub(crate) struct Habits {
    settings: Mutex<Option<SettingsView>>,
    stays_hidden: AtomicBool,
    was_ready: AtomicBool,
    told_of_tray: AtomicBool,
}

impl Habits {
    /// The settings, once the page has asked for them.
    pub(crate) fn settings(&self) -> Option<SettingsView> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the window waits to be asked for.
    pub(crate) fn stay_hidden(&self, hidden: bool) {
        self.stays_hidden.store(hidden, Ordering::Release);
    }

    /// Whether the window is to be shown now that the page is ready: the first time, if at all.
    pub(crate) fn may_show_first(&self) -> bool {
        !self.was_ready.swap(true, Ordering::AcqRel) && !self.stays_hidden.load(Ordering::Acquire)
    }

    /// Whether it has still to be said that the program goes on in the tray.
    pub(crate) fn may_tell_of_tray(&self) -> bool {
        !self.told_of_tray.swap(true, Ordering::AcqRel)
    }
}

/// Starts the program with the desktop session, in the tray, where the settings say so.
pub(crate) fn autostart<R: Runtime>() -> TauriPlugin<R> {
    tauri_plugin_autostart::init(MacosLauncher::LaunchAgent, Some(vec!["--hidden"]))
}

/// Takes the settings as they are now.
pub(crate) fn heed(app: &AppHandle, settings: &SettingsView) {
    let habits = app.state::<Habits>();
    let mut known = habits.settings.lock().unwrap_or_else(PoisonError::into_inner);
    let earlier = known.replace(settings.clone()).map(|earlier| earlier.start_at_login);
    drop(known);
    if earlier.is_some_and(|earlier| earlier != settings.start_at_login) {
        start_at_login(app, settings.start_at_login);
    }
}

fn start_at_login(app: &AppHandle, wanted: bool) {
    let autostart = app.autolaunch();
    let done = if wanted { autostart.enable() } else { autostart.disable() };
    if let Err(error) = done {
        tracing::warn!(%error, wanted, "starting at login is as it was");
    }
}
