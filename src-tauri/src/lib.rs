//! The shell around the page: window, tray, notifications, and a command for each verb of
//! [`app::Desktop`].
//!
//! [`run`] is the entry. The shell decides nothing about accounts, terminals or tunnels: it
//! forwards calls, tells events, and knows what only a desktop program knows. Whatever way the
//! program ends, sessions are ended at the service first.

mod attention;
mod bindings;
mod clipboard;
mod commands;
mod events;
#[cfg(all(unix, not(target_os = "macos")))]
mod graphics;
mod habits;
mod notifications;
mod openers;
mod quit;
mod sandbox;
mod tasks;
#[cfg(test)]
mod testing;
mod tray;
mod window;

use std::sync::Arc;

use app::{AppConfig, Desktop, DesktopOptions};
use clap::Parser;
use tauri::{AppHandle, Manager as _, RunEvent};

use crate::clipboard::Clipboard;
use crate::habits::Habits;
use crate::openers::Opener;
use crate::quit::Quit;
use crate::sandbox::Sandbox;
use crate::tasks::Tasks;
use crate::tray::Tray;

/// How the program was started.
#[derive(Clone, Debug, Parser)]
#[command(name = "adit-desktop", version, about = "Shells and tunnels through AWS Session Manager")]
pub struct Options {
    /// Open in the sandbox, a made-up company on this computer, although there are AWS profiles
    #[arg(long)]
    sandbox: bool,
    /// Stay in the tray until the window is asked for
    #[arg(long)]
    hidden: bool,
    /// Give the sandbox so many nodes in one region instead of its usual 200
    #[arg(long, value_name = "COUNT", hide = true)]
    sandbox_nodes: Option<usize>,
}

/// Why the window could not open.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The system gave no threads.
    #[error("the program's threads cannot be started: {0}")]
    Runtime(#[source] std::io::Error),
    /// There is no display, or the system's web view is missing.
    #[error("{0}")]
    Window(#[from] tauri::Error),
}

/// Opens the window and answers when the program is to end.
///
/// # Errors
///
/// [`Failure`], when nothing could be opened.
pub fn run(options: &Options) -> Result<(), Failure> {
    // While there is one thread only: it tells the system's libraries.
    #[cfg(all(unix, not(target_os = "macos")))]
    graphics::suit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::Runtime)?;
    tauri::async_runtime::set(runtime.handle().clone());
    // What the system calls on this thread may start tasks.
    let entered = runtime.enter();
    let tasks = Tasks::new(runtime.handle().clone());
    let bindings = bindings::builder();
    let hidden = options.hidden;
    let sandbox = Sandbox::new(options.sandbox_nodes);
    let opens_in_sandbox = options.sandbox;

    let program = tauri::Builder::default()
        // First, so that a second start ends before it has done anything.
        .plugin(tauri_plugin_single_instance::init(|app, words, _| window::asked_for(app, &words)))
        .plugin(window::kept())
        .plugin(tauri_plugin_dialog::init())
        .plugin(tauri_plugin_opener::Builder::new().open_js_links_on_click(false).build())
        .plugin(habits::autostart())
        .invoke_handler(bindings.invoke_handler())
        .on_window_event(window::heed)
        .on_menu_event(|app, event| tray::chosen(app, event.id().as_ref()))
        .setup(move |program| {
            bindings.mount_events(program);
            let app = program.handle();
            let (desktop, events) = Desktop::open(DesktopOptions {
                version: app.package_info().version.to_string(),
                config: AppConfig::user(),
                sandbox: Some(sandbox.offer()),
                opens_in_sandbox,
                browser: Arc::new(Opener::new(app.clone())),
            });
            app.manage(tasks.clone());
            app.manage(sandbox);
            app.manage(Clipboard::default());
            app.manage(Habits::default());
            app.manage(Quit::default());
            app.manage(Tray::default());
            app.manage(desktop);
            window::open(app, hidden)?;
            tray::open(app);
            tasks.spawn(events::tell(app.clone(), events));
            tasks.spawn(quit::when_told(app.clone()));
            Ok(())
        })
        .build(tauri::generate_context!())?;
    let code = program.run_return(heed);
    tracing::info!(code, "closed");
    // A read of the clipboard or a dialog that nobody answers is no reason to stay.
    drop(entered);
    runtime.shutdown_background();
    Ok(())
}

/// What the whole program is told, beside its window.
fn heed(app: &AppHandle, event: RunEvent) {
    #[cfg(target_os = "macos")]
    if let RunEvent::Reopen { .. } = &event {
        window::show(app);
    }
    // Without a code nobody has called `exit` yet: sessions still have to be ended.
    if let RunEvent::ExitRequested { code: None, api, .. } = event {
        api.prevent_exit();
        quit::begin(app);
    }
}
