//! Nodes: which are looked at, and what is done with one.

use app::view::{
    CommandResultView, DiagnosisView, InventoryView, ScopeView, SessionRecordView, TargetView,
};

use super::{Answer, Product};

/// Says which nodes are looked at. Answers what is known at once; reads the rest behind.
#[tauri::command]
#[specta::specta]
pub(crate) async fn scope_open(
    product: Product<'_>,
    scope: ScopeView,
) -> Answer<Vec<InventoryView>> {
    product.scope_open(scope).await
}

/// Reads the scope again now.
#[tauri::command]
#[specta::specta]
pub(crate) async fn scope_refresh(product: Product<'_>, scope: ScopeView) -> Answer<()> {
    product.scope_refresh(scope).await
}

#[tauri::command]
#[specta::specta]
pub(crate) async fn node_diagnose(
    product: Product<'_>,
    target: TargetView,
) -> Answer<DiagnosisView> {
    product.node_diagnose(target).await
}

/// The last sessions on a node, newest first, at most 20.
#[tauri::command]
#[specta::specta]
pub(crate) async fn node_sessions(
    product: Product<'_>,
    target: TargetView,
) -> Answer<Vec<SessionRecordView>> {
    product.node_sessions(target).await
}

/// Runs a command without a terminal and answers when it ended.
#[tauri::command]
#[specta::specta]
pub(crate) async fn node_run(
    product: Product<'_>,
    target: TargetView,
    command: String,
) -> Answer<CommandResultView> {
    product.node_run(target, command).await
}
