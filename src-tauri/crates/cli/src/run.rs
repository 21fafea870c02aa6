//! `adit run`: a command on a node, with its output, errors and exit status here.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use app::{Account, App};
use session::{
    AttachSpec, Attached, CommandHandle, CommandOutput, Error, SessionEnd, StartRequest,
    TerminalSize,
};
use tokio::time::{Instant, sleep_until};

use crate::arguments::Start;
use crate::command_line::{self, Runner};
use crate::failure::{FAILED, Failure, say};
use crate::proxy::LINGER;
use crate::screen::{self, Errors};
use crate::shell::{self, Manners};
use crate::signals::{Signal, Signals};

/// Runs words without a terminal; its parameter asks for errors apart and an exit status.
const WITHOUT_TERMINAL: &str = "AWS-StartNonInteractiveCommand";
/// Gives a line to a shell on a terminal.
const ON_TERMINAL: &str = "AWS-StartInteractiveCommand";

/// How long a command has to act on an interrupt. Agents signal the command alone: what a shell
/// has started goes on, and the shell's end with it.
const PATIENCE: Duration = Duration::from_secs(2);

/// What to run.
pub(crate) struct Wanted {
    pub(crate) node: String,
    pub(crate) command: Vec<String>,
    pub(crate) on_terminal: bool,
    pub(crate) start: Start,
}

/// Runs the command to its end and answers its exit status.
///
/// # Errors
/// Whatever kept the session from starting, or ended it before the command did.
pub(crate) async fn run(app: &App, account: &Account, wanted: Wanted) -> Result<ExitCode, Failure> {
    let mut signals = Signals::listen();
    let request = tokio::select! {
        request = request(account, wanted) => request?,
        signal = signals.next() => return Ok(signal.exit_status().into()),
    };
    let target = request.target.clone();
    let spec =
        AttachSpec { request, size: Some(shell::size()), flow: shell::flow(), linger: LINGER };
    let attached = tokio::select! {
        attached = app.engine().attach(account.control(), spec) => attached?,
        signal = signals.next() => return Ok(signal.exit_status().into()),
    };
    // What it is, the handshake has told; what was asked for was only a document's name.
    match attached {
        Attached::Command(command, output) => follow(&target, &command, output, signals).await,
        Attached::Terminal(terminal, output) => {
            drop(signals);
            match shell::join(&terminal, output, Manners::Ours).await? {
                SessionEnd::Failed(error) => Err(error.into()),
                SessionEnd::Asked => Ok(FAILED.into()),
                SessionEnd::Finished { exit_status } => Ok(status(exit_status.unwrap_or(0))),
            }
        }
        Attached::Stdio(..) | Attached::Port(_) => {
            let (got, wanted) = ("port session", "command");
            Err(Arc::new(Error::WrongKind { target, got, wanted }).into())
        }
    }
}

async fn request(account: &Account, wanted: Wanted) -> Result<StartRequest, Failure> {
    let Wanted { node, command, on_terminal, start } = wanted;
    let node = account.find(&node).await?;
    let is_own = start.document.is_none();
    let document = match (start.document.clone(), on_terminal) {
        (Some(document), _) => document,
        (None, false) => WITHOUT_TERMINAL.to_owned(),
        (None, true) => ON_TERMINAL.to_owned(),
    };
    let mut parameters = start.parameters();
    if !command.is_empty() {
        // Only Windows has no `sh`; which of them a node is does not matter to plain words.
        let needs_sh = on_terminal || command_line::is_line(&command);
        let is_windows = needs_sh && account.is_windows(&node).await;
        let runner = if on_terminal || is_windows { Runner::Shell } else { Runner::Words };
        let mut line = command_line::join(&command, runner);
        if on_terminal && is_own && !is_windows {
            line.insert_str(0, &opening(shell::size()));
        }
        parameters.insert("command".to_owned(), vec![line]);
    }
    if is_own && !on_terminal {
        parameters.insert("separateOutputStream".to_owned(), vec!["true".to_owned()]);
    }
    let target = node.id.to_string();
    Ok(StartRequest { target, document: Some(document), parameters, reason: start.reason })
}

/// What stands before a command on a terminal.
///
/// Agents skip the handshake of such sessions. So nothing may be typed before the first output: a
/// command that begins by reading would wait for ever, and gets a line end that no terminal
/// shows. And the terminal's size arrives only then: a command that begins by asking for it is
/// told here.
fn opening(size: TerminalSize) -> String {
    let TerminalSize { cols, rows } = size;
    format!(r"printf '\r'; stty cols {cols} rows {rows} 2>/dev/null; ")
}

/// Shows the output. A first Ctrl-C goes to the command, and what it does then is its own
/// affair; a second ends the session, and so does everything else that ends a program here.
async fn follow(
    target: &str,
    command: &CommandHandle,
    mut output: CommandOutput,
    mut signals: Signals,
) -> Result<ExitCode, Failure> {
    if let Some(message) = screen::message(&command.state()) {
        say(&message);
    }
    let mut interrupted_by = None;
    let mut hint_at = None;
    {
        let showing = screen::show(command, &mut output, Errors::Apart);
        tokio::pin!(showing);
        loop {
            tokio::select! {
                biased;
                signal = signals.next() => {
                    let is_heard = match (signal, interrupted_by) {
                        (Signal::Interrupt, None) => command.interrupt().await,
                        (Signal::Quit, None | Some(Signal::Interrupt)) => command.quit().await,
                        (_, _) => false,
                    };
                    if !is_heard {
                        command.end();
                        screen::ended(command.state()).await;
                        return Ok(signal.exit_status().into());
                    }
                    interrupted_by = Some(signal);
                    hint_at = Some(Instant::now() + PATIENCE);
                }
                () = sleep_until(hint_at.unwrap_or_else(Instant::now)), if hint_at.is_some() => {
                    hint_at = None;
                    say("[adit: the command goes on, or what it started does. Ctrl-C ends the session]");
                }
                shown = &mut showing => {
                    if let Err(failure) = shown {
                        command.end();
                        screen::ended(command.state()).await;
                        return Err(failure);
                    }
                    break;
                }
            }
        }
    }
    match screen::ended(command.state()).await {
        SessionEnd::Failed(error) => Err(error.into()),
        SessionEnd::Asked => Ok(FAILED.into()),
        // What a signal ended has none; agents say -1.
        SessionEnd::Finished { exit_status: Some(-1) } => match interrupted_by {
            Some(signal) => Ok(signal.exit_status().into()),
            None => Err(Failure::Killed { target: target.to_owned() }),
        },
        SessionEnd::Finished { exit_status: Some(known) } => Ok(status(known)),
        SessionEnd::Finished { exit_status: None } => {
            Err(Failure::StatusUnknown { target: target.to_owned() })
        }
    }
}

/// Windows has statuses of 32 bits; here there are 8. None that failed may look like success.
fn status(status: i32) -> ExitCode {
    match u8::try_from(status) {
        Ok(status) => status.into(),
        Err(_) if status.trailing_zeros() >= 8 => FAILED.into(),
        Err(_) => status.to_le_bytes().first().copied().unwrap_or(FAILED).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_failure_looks_like_success() {
        let told = |known| format!("{:?}", status(known));
        let code = |code: u8| format!("{:?}", ExitCode::from(code));
        assert_eq!(told(0), code(0));
        assert_eq!(told(3), code(3));
        assert_eq!(told(256), code(255));
        assert_eq!(told(-1), code(255));
        assert_eq!(told(259), code(3));
    }
}
