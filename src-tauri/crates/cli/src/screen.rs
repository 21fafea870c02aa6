//! Standard output and standard error as a session fills them, without holding up anything else
//! while their reader takes its time.

use session::{CommandHandle, CommandOutput, SessionEnd, SessionState, Stream};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::watch;

use crate::failure::Failure;

/// Which of our outputs a command's errors go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errors {
    Apart,
    /// On standard output, as the official client shows them.
    Mixed,
}

/// Shows a command's output until there is no more.
///
/// # Errors
/// [`Failure::Output`] when it cannot be written.
pub(crate) async fn show(
    command: &CommandHandle,
    output: &mut CommandOutput,
    errors: Errors,
) -> Result<(), Failure> {
    let (mut stdout, mut stderr) = (tokio::io::stdout(), tokio::io::stderr());
    while let Some(piece) = output.next().await {
        let written = match (piece.stream, errors) {
            (Stream::Output, _) | (Stream::Error, Errors::Mixed) => {
                write(&mut stdout, &piece.bytes).await
            }
            (Stream::Error, Errors::Apart) => write(&mut stderr, &piece.bytes).await,
        };
        written.map_err(Failure::Output)?;
        command.acknowledge(piece.bytes.len());
    }
    Ok(())
}

/// Writes bytes so that their reader has them.
pub(crate) async fn write(
    to: &mut (impl tokio::io::AsyncWrite + Unpin),
    bytes: &[u8],
) -> std::io::Result<()> {
    to.write_all(bytes).await?;
    to.flush().await
}

/// Waits until a session is over and answers how it ended.
pub(crate) async fn ended(mut state: watch::Receiver<SessionState>) -> SessionEnd {
    let is_over = |state: &SessionState| matches!(state, SessionState::Ended(_));
    match state.wait_for(is_over).await.as_deref() {
        Ok(SessionState::Ended(end)) => end.clone(),
        _ => SessionEnd::Asked,
    }
}

/// Answers the account's message to its users, once a session is ready and if there is one.
pub(crate) fn message(state: &watch::Receiver<SessionState>) -> Option<String> {
    let state = state.borrow();
    let SessionState::Ready(ready) = &*state else { return None };
    Some(&ready.customer_message).filter(|message| !message.is_empty()).cloned()
}
