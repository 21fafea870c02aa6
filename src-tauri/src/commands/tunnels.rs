//! Tunnels.

use app::view::{PortCheckView, TunnelBind, TunnelId, TunnelLogView, TunnelSpec};
use tauri::AppHandle;

use super::{Answer, Product};
use crate::{openers, tray};

/// Saves a new tunnel (no id) or a changed one; answers its id.
#[tauri::command]
#[specta::specta]
pub(crate) async fn tunnel_save(
    product: Product<'_>,
    id: Option<TunnelId>,
    spec: TunnelSpec,
) -> Answer<TunnelId> {
    product.tunnel_save(id, spec).await
}

#[tauri::command]
#[specta::specta]
pub(crate) async fn tunnel_remove(
    app: AppHandle,
    product: Product<'_>,
    id: TunnelId,
) -> Answer<()> {
    let removed = product.tunnel_remove(id).await;
    // No event tells of a tunnel that is gone.
    tray::refresh(&app);
    removed
}

/// The switch. Failures come as the tunnel's state.
#[tauri::command]
#[specta::specta]
pub(crate) async fn tunnel_switch(product: Product<'_>, id: TunnelId, wanted: bool) -> Answer<()> {
    product.tunnel_switch(id, wanted).await
}

#[tauri::command]
#[specta::specta]
pub(crate) async fn tunnel_retry(product: Product<'_>, id: TunnelId) -> Answer<()> {
    product.tunnel_retry(id).await
}

/// Waits until it listens, then opens what speaks its protocol: the browser, remote desktop.
#[tauri::command]
#[specta::specta]
pub(crate) async fn tunnel_program(
    app: AppHandle,
    product: Product<'_>,
    id: TunnelId,
) -> Answer<()> {
    let program = product.tunnel_program(id).await?;
    openers::open_program(&app, &program)
}

/// The last lines, oldest first, at most 500.
#[tauri::command]
#[specta::specta]
pub(crate) async fn tunnel_log(product: Product<'_>, id: TunnelId) -> Answer<Vec<TunnelLogView>> {
    product.tunnel_log(id).await
}

/// Whether a local port can be listened on. `tunnel`: the one being edited, not counted.
#[tauri::command]
#[specta::specta]
pub(crate) async fn port_check(
    product: Product<'_>,
    port: u16,
    bind: TunnelBind,
    tunnel: Option<TunnelId>,
) -> Answer<PortCheckView> {
    product.port_check(port, bind, tunnel).await
}
