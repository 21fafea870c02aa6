//! The window itself, the settings, and this computer.

use app::view::{NoticeId, SettingsView, SnapshotView, WorkspaceView};
use app::{AppError, ErrorCode};
use tauri::{AppHandle, State, WebviewWindow};
use tauri_plugin_dialog::DialogExt as _;
use tokio::sync::oneshot;

use super::{Answer, Product};
use crate::clipboard::Clipboard;
use crate::{habits, openers, tray, window};

/// Everything for the first frame. Ends terminals left over from an earlier page.
#[tauri::command]
#[specta::specta]
pub(crate) async fn snapshot(app: AppHandle, product: Product<'_>) -> Answer<SnapshotView> {
    // A page without it says why; that is something to show.
    let snapshot = product.snapshot().await.inspect_err(|_| window::ready(&app))?;
    habits::heed(&app, &snapshot.settings);
    tray::refresh(&app);
    Ok(snapshot)
}

#[tauri::command]
#[specta::specta]
pub(crate) async fn settings_save(product: Product<'_>, settings: SettingsView) -> Answer<()> {
    product.settings_save(settings).await
}

/// Shows the settings file in the system's file manager.
#[tauri::command]
#[specta::specta]
pub(crate) async fn settings_reveal(app: AppHandle, product: Product<'_>) -> Answer<()> {
    let Some(file) = product.settings_file() else {
        let message = "There is no settings file: nothing is kept.".to_owned();
        return Err(AppError { code: ErrorCode::NotFound, message, detail: None });
    };
    openers::reveal(&app, &file).await
}

#[tauri::command]
#[specta::specta]
pub(crate) async fn workspace_save(product: Product<'_>, workspace: WorkspaceView) -> Answer<()> {
    product.workspace_save(workspace).await
}

#[tauri::command]
#[specta::specta]
pub(crate) async fn notice_close(product: Product<'_>, id: NoticeId) -> Answer<()> {
    product.notice_close(id).await
}

/// The text of the system clipboard; empty when it holds none.
#[tauri::command]
#[specta::specta]
pub(crate) async fn clipboard_read(clipboard: State<'_, Clipboard>) -> Answer<String> {
    clipboard.read().await
}

#[tauri::command]
#[specta::specta]
pub(crate) async fn clipboard_write(clipboard: State<'_, Clipboard>, text: String) -> Answer<()> {
    clipboard.write(text).await
}

/// Opens an http or https address in the browser.
#[tauri::command]
#[specta::specta]
pub(crate) fn url_open(app: AppHandle, url: String) -> Answer<()> {
    openers::open_page(&app, &url)
}

/// Asks where, then writes a text file; answers the path, or none when cancelled.
#[tauri::command]
#[specta::specta]
pub(crate) async fn text_save(
    app: AppHandle,
    window: WebviewWindow,
    name: String,
    text: String,
) -> Answer<Option<String>> {
    let (chosen, choice) = oneshot::channel();
    let dialog = app.dialog().file().set_parent(&window).set_file_name(name);
    // Nobody waits for the answer any more once the page was loaded again.
    dialog.save_file(move |file| drop(chosen.send(file)));
    let Some(path) = choice.await.ok().flatten().and_then(|file| file.into_path().ok()) else {
        return Ok(None);
    };
    let shown = path.display().to_string();
    match tokio::fs::write(&path, text).await {
        Ok(()) => Ok(Some(shown)),
        Err(error) => Err(AppError {
            code: ErrorCode::FileUnwritable,
            message: format!("{shown} can't be written."),
            detail: Some(error.to_string()),
        }),
    }
}

/// Sets the window's title.
#[tauri::command]
#[specta::specta]
pub(crate) fn title_set(app: AppHandle, title: String) -> Answer<()> {
    if let Some(main) = window::main(&app)
        && let Err(error) = main.set_title(&title)
    {
        tracing::debug!(%error, "the title is as it was");
    }
    // Whoever has a title has drawn what it is about.
    window::ready(&app);
    Ok(())
}

/// Ends every session, stops every tunnel and leaves.
#[tauri::command]
#[specta::specta]
pub(crate) fn quit(app: AppHandle) -> Answer<()> {
    crate::quit::begin(&app);
    Ok(())
}
