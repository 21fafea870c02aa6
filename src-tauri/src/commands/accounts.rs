//! Accounts and signing in.

use app::view::{AccountRequest, ProfileChange, ProfileId};
use tauri::{AppHandle, WebviewWindow};
use tauri_plugin_dialog::DialogExt as _;
use tokio::sync::oneshot;

use super::{Answer, Product};

/// Starts the sign-in of a profile; its progress comes as `profilesEvent`.
#[tauri::command]
#[specta::specta]
pub(crate) async fn sign_in(product: Product<'_>, profile_id: ProfileId) -> Answer<()> {
    product.sign_in(profile_id).await
}

#[tauri::command]
#[specta::specta]
pub(crate) async fn sign_in_cancel(product: Product<'_>, profile_id: ProfileId) -> Answer<()> {
    product.sign_in_cancel(profile_id).await
}

#[tauri::command]
#[specta::specta]
pub(crate) async fn profile_change(
    product: Product<'_>,
    profile_id: ProfileId,
    change: ProfileChange,
) -> Answer<()> {
    product.profile_change(profile_id, change).await
}

/// Stops waiting for the browser in `account_add`.
#[tauri::command]
#[specta::specta]
pub(crate) async fn account_add_cancel(product: Product<'_>) -> Answer<()> {
    product.account_add_cancel().await
}

/// Adds an account; answers the id of the first profile it brought, or none when the user gave up.
#[tauri::command]
#[specta::specta]
pub(crate) async fn account_add(
    app: AppHandle,
    window: WebviewWindow,
    product: Product<'_>,
    request: AccountRequest,
) -> Answer<Option<ProfileId>> {
    if !matches!(request, AccountRequest::ConfigFile) {
        return product.account_add(request).await;
    }
    let (chosen, choice) = oneshot::channel();
    let dialog = app.dialog().file().set_parent(&window).set_title("Use an AWS config file");
    // Nobody waits for the answer any more once the page was loaded again.
    dialog.pick_file(move |file| drop(chosen.send(file)));
    match choice.await.ok().flatten().and_then(|file| file.into_path().ok()) {
        Some(file) => product.account_add_file(file).await,
        None => Ok(None),
    }
}
