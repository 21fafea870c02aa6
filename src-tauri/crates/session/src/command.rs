//! A command at the far side without a terminal: two outputs, control bytes, an exit status.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use crate::control_plane::{ControlPlane, StartRequest};
use crate::driver::{self, Setting};
use crate::engine::Engine;
use crate::outflow::{OutputFlow, Piece};
use crate::state::SessionState;
use crate::terminal::{Expected, TerminalHandle, TerminalRole};

/// What a command without a terminal takes for an interrupt.
const INTERRUPT: Bytes = Bytes::from_static(b"\x03");
/// What it takes for a quit.
const QUIT: Bytes = Bytes::from_static(b"\x1c");

/// What to run.
#[derive(Clone, Debug, Default)]
pub struct CommandSpec {
    /// The session to start. Its document must run a command without a terminal.
    pub request: StartRequest,
    /// How output is handed over.
    pub flow: OutputFlow,
}

/// A command's session. Clones speak for the same session, which ends when the last of them is
/// dropped. Its exit status, where the document gives one, is in its last state.
#[derive(Clone, Debug)]
pub struct CommandHandle {
    session: TerminalHandle,
}

/// A command's two outputs, in the order they arrived.
#[derive(Debug)]
pub struct CommandOutput {
    pieces: mpsc::Receiver<Piece>,
}

impl Engine {
    /// Runs a command. Answers at once; the state tells how it goes.
    pub fn command(
        &self,
        control: Arc<dyn ControlPlane>,
        spec: CommandSpec,
    ) -> (CommandHandle, CommandOutput) {
        let stop = self.shared.stop.child_token();
        let (sender, state) = watch::channel(SessionState::Starting);
        let (role, session, pieces) =
            TerminalRole::new(Expected::Command, None, spec.flow, state, stop.clone());
        let target = spec.request.target.clone();
        let setting = Setting { shared: Arc::clone(&self.shared), control, target };
        driver::spawn(setting, spec.request, role, sender, stop);
        (CommandHandle::new(session), CommandOutput::new(pieces))
    }
}

impl CommandHandle {
    pub(crate) fn new(session: TerminalHandle) -> Self {
        Self { session }
    }

    /// Sends an interrupt. It reaches the command once it runs; answers false when the session
    /// is over.
    pub async fn interrupt(&self) -> bool {
        self.session.write(INTERRUPT).await
    }

    /// Sends a quit, for a command that ignores interrupts.
    pub async fn quit(&self) -> bool {
        self.session.write(QUIT).await
    }

    /// Says that this many bytes of output have been dealt with, which lets as many follow.
    pub fn acknowledge(&self, bytes: usize) {
        self.session.acknowledge(bytes);
    }

    /// Ends the session, at the service too.
    pub fn end(&self) {
        self.session.end();
    }

    /// Answers the session's state, now and as it changes.
    pub fn state(&self) -> watch::Receiver<SessionState> {
        self.session.state()
    }
}

impl CommandOutput {
    pub(crate) fn new(pieces: mpsc::Receiver<Piece>) -> Self {
        Self { pieces }
    }

    /// Waits for the next output; none after the session's end. Cancel safe.
    pub async fn next(&mut self) -> Option<Piece> {
        self.pieces.recv().await
    }
}

#[cfg(test)]
mod tests {
    use protocol::PayloadType;

    use super::*;
    use crate::outflow::Stream;
    use crate::state::SessionEnd;
    use crate::testing::{bench, reach, soon};

    #[tokio::test(start_paused = true)]
    async fn both_outputs_and_the_exit_status_are_kept_apart() {
        let (engine, account, mut door) = bench();
        let (handle, mut output) = engine.command(account.plane(), CommandSpec::default());
        let mut agent = door.agent().await;
        agent.shake("NonInteractiveCommands", r#"{"separateOutputStream":"true"}"#).await;
        agent.print("out").await;
        agent.send(PayloadType::StdErr, "err").await;
        agent.send(PayloadType::ExitCode, "EXIT_CODE: 3").await;
        agent.end("").await;
        let mut read = Vec::new();
        while let Some(piece) = soon(output.next()).await {
            read.push((piece.stream, piece.bytes));
        }
        let expected = [(Stream::Output, "out".into()), (Stream::Error, "err".into())];
        assert_eq!(read, expected);
        let mut states = handle.state();
        let is_over = |state: &SessionState| matches!(state, SessionState::Ended(_));
        let SessionState::Ended(end) = reach(&mut states, is_over).await else { unreachable!() };
        assert!(matches!(end, SessionEnd::Finished { exit_status: Some(3) }), "{end:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_interrupt_waits_until_the_command_runs() {
        let (engine, account, mut door) = bench();
        let (handle, _output) = engine.command(account.plane(), CommandSpec::default());
        let mut agent = door.agent().await;
        assert!(handle.interrupt().await);
        agent.shake("NonInteractiveCommands", "null").await;
        let before = tokio::time::Instant::now();
        assert_eq!(agent.typed(1).await, b"\x03");
        assert!(before.elapsed() >= std::time::Duration::from_secs(1));
    }
}
