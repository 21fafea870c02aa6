//! `adit proxy`: standard input and output joined to a port on a node, for OpenSSH's
//! ProxyCommand and its like.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use app::{Account, App};
use bytes::Bytes;
use session::{SessionEnd, SessionState, StartRequest, StdioHandle, StdioOutput, StdioSpec};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::arguments::Scope;
use crate::command_line::quoted;
use crate::failure::{Failure, say};
use crate::screen;
use crate::signals::{Signal, Signals};
use crate::tty;

/// The document for one connection through standard input and output.
const DOCUMENT: &str = "AWS-StartSSHSession";
/// How long the far side has for its last words once standard input has ended.
pub(crate) const LINGER: Duration = Duration::from_secs(30);

/// What to connect to.
pub(crate) struct Wanted {
    pub(crate) node: String,
    pub(crate) port: u16,
    /// As [`LINGER`], by the caller's choice.
    pub(crate) linger: Duration,
    pub(crate) reason: Option<String>,
}

/// Joins standard input and output to the port until either side is done.
///
/// # Errors
/// Whatever kept the session from starting or broke it.
pub(crate) async fn open(
    app: &App,
    account: &Account,
    wanted: Wanted,
) -> Result<ExitCode, Failure> {
    let Wanted { node, port, linger, reason } = wanted;
    let mut signals = Signals::listen();
    let node = tokio::select! {
        node = account.find(&node) => node?,
        signal = signals.next() => return Ok(signal.exit_status().into()),
    };
    let request = StartRequest {
        target: node.id.to_string(),
        document: Some(DOCUMENT.to_owned()),
        parameters: BTreeMap::from([("portNumber".to_owned(), vec![port.to_string()])]),
        reason,
    };
    let spec = StdioSpec { request, linger };
    let (handle, output) = app.engine().stdio(account.control(), spec);
    match join(&handle, output, signals).await? {
        Joined::Over(SessionEnd::Failed(error)) => Err(error.into()),
        Joined::Over(SessionEnd::Asked | SessionEnd::Finished { .. }) => Ok(ExitCode::SUCCESS),
        Joined::Stopped(signal) => Ok(signal.exit_status().into()),
    }
}

/// Why two ends are no longer joined.
pub(crate) enum Joined {
    /// The session is over.
    Over(SessionEnd),
    /// This process was asked to stop.
    Stopped(Signal),
}

/// Joins standard input and output to a session. The account's message goes to standard error.
///
/// # Errors
/// [`Failure::Output`] when nobody reads standard output any more; the session is over then.
pub(crate) async fn join(
    handle: &StdioHandle,
    mut output: StdioOutput,
    mut signals: Signals,
) -> Result<Joined, Failure> {
    let mut sending = JoinSet::new();
    sending.spawn(send(handle.clone(), tty::bytes()));
    let mut state = handle.state();
    let mut is_greeted = false;
    let receiving = async {
        let mut stdout = tokio::io::stdout();
        while let Some(piece) = output.next().await {
            screen::write(&mut stdout, &piece).await.map_err(Failure::Output)?;
        }
        Ok(())
    };
    tokio::pin!(receiving);
    loop {
        tokio::select! {
            received = &mut receiving => match received {
                Ok(()) => return Ok(Joined::Over(screen::ended(handle.state()).await)),
                Err(failure) => {
                    handle.end();
                    screen::ended(handle.state()).await;
                    return Err(failure);
                }
            },
            signal = signals.next() => {
                handle.end();
                screen::ended(handle.state()).await;
                return Ok(Joined::Stopped(signal));
            }
            is_ready = state.wait_for(|state| matches!(state, SessionState::Ready(_))), if !is_greeted => {
                is_greeted = true;
                drop(is_ready);
                if let Some(message) = screen::message(&handle.state()) {
                    say(&message);
                }
            }
        }
    }
}

async fn send(handle: StdioHandle, mut input: mpsc::Receiver<Bytes>) {
    while let Some(bytes) = input.recv().await {
        if !handle.write(bytes).await {
            return;
        }
    }
    handle.finish().await;
}

/// Writes lines for `~/.ssh/config` that make `ssh` reach managed nodes through this program, in
/// the account and region that are given now.
pub(crate) fn ssh_config(scope: &Scope) -> String {
    let mut words = vec![program()];
    let mut option = |name: &str, value: &Option<String>| {
        if let Some(value) = value {
            words.extend([name.to_owned(), quoted(value).replace('%', "%%")]);
        }
    };
    option("--profile", &scope.profile);
    option("--region", &scope.region);
    if scope.sandbox {
        words.push("--sandbox".to_owned());
    }
    let command = words.join(" ");
    format!(
        "# Managed nodes by their id; add names of your own to the line.\n\
         Host i-* mi-*\n\
         \x20   ProxyCommand {command} proxy %h %p\n"
    )
}

/// This program as a shell finds it: by its name if that leads here, else by its path.
fn program() -> String {
    const NAME: &str = "adit";
    let Ok(own) = std::env::current_exe() else { return NAME.to_owned() };
    let found = std::env::var_os("PATH").and_then(|path| {
        let folders: Vec<_> = std::env::split_paths(&path).collect();
        folders.into_iter().map(|folder| folder.join(NAME)).find(|file| file.is_file())
    });
    let is_own =
        |file: &Path| file.canonicalize().is_ok_and(|file| Some(file) == own.canonicalize().ok());
    match found {
        Some(file) if is_own(&file) => NAME.to_owned(),
        _ => quoted(&own.display().to_string()).replace('%', "%%"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_for_ssh_keep_the_scope() {
        let scope = Scope {
            profile: Some("my 100%".to_owned()),
            region: Some("eu-west-1".to_owned()),
            sandbox: false,
        };
        let config = ssh_config(&scope);
        assert!(config.contains("Host i-* mi-*\n    ProxyCommand "), "{config}");
        let end = " --profile 'my 100%%' --region eu-west-1 proxy %h %p\n";
        assert!(config.ends_with(end), "{config}");
    }
}
