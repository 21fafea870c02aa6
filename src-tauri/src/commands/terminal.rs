//! Terminals. Output goes to the page as raw bytes, past all encoding.

use app::view::{InputEncoding, TargetView, TerminalId, TerminalSize};
use tauri::ipc::{Channel, InvokeResponseBody, IpcResponse};

use super::{Answer, Product};

/// A piece of output: an `ArrayBuffer` in the page.
pub(crate) struct OutputBytes(Vec<u8>);

impl IpcResponse for OutputBytes {
    fn body(self) -> tauri::Result<InvokeResponseBody> {
        Ok(InvokeResponseBody::Raw(self.0))
    }
}

impl specta::Type for OutputBytes {
    fn definition(_: &mut specta::Types) -> specta::datatype::DataType {
        specta_typescript::define("ArrayBuffer").into()
    }
}

/// Starts a session for a new or ended terminal. Answers once the terminal is known; whether
/// the session starts is told by its state.
#[tauri::command]
#[specta::specta]
pub(crate) async fn terminal_open(
    product: Product<'_>,
    id: TerminalId,
    target: TargetView,
    size: TerminalSize,
    output: Channel<OutputBytes>,
) -> Answer<()> {
    let sink = move |piece| output.send(OutputBytes(Vec::<u8>::from(piece))).is_ok();
    product.terminal_open(id, target, size, Box::new(sink)).await
}

/// Answers when the bytes are queued; one call in flight per terminal.
#[tauri::command]
#[specta::specta]
pub(crate) async fn terminal_write(
    product: Product<'_>,
    id: TerminalId,
    data: String,
    encoding: InputEncoding,
) -> Answer<()> {
    product.terminal_write(id, data, encoding).await
}

#[tauri::command]
#[specta::specta]
pub(crate) async fn terminal_resize(
    product: Product<'_>,
    id: TerminalId,
    size: TerminalSize,
) -> Answer<()> {
    product.terminal_resize(id, size).await
}

/// So many more bytes of output were drawn.
#[tauri::command]
#[specta::specta]
pub(crate) async fn terminal_ack(product: Product<'_>, id: TerminalId, bytes: u32) -> Answer<()> {
    product.terminal_ack(id, bytes).await
}

/// Does not wait for the next try of a reconnecting terminal.
#[tauri::command]
#[specta::specta]
pub(crate) async fn terminal_retry(product: Product<'_>, id: TerminalId) -> Answer<()> {
    product.terminal_retry(id).await
}

/// Ends the session and forgets the terminal and its kept scrollback.
#[tauri::command]
#[specta::specta]
pub(crate) async fn terminal_close(product: Product<'_>, id: TerminalId) -> Answer<()> {
    product.terminal_close(id).await
}

/// Keeps the scrollback of a tab for the next start.
#[tauri::command]
#[specta::specta]
pub(crate) async fn scrollback_save(
    product: Product<'_>,
    id: TerminalId,
    text: String,
) -> Answer<()> {
    product.scrollback_save(id, text).await
}

/// The kept scrollback; empty when there is none.
#[tauri::command]
#[specta::specta]
pub(crate) async fn scrollback_load(product: Product<'_>, id: TerminalId) -> Answer<String> {
    product.scrollback_load(id).await
}
