//! What went wrong, as the command line tells it: what and why on one line, what to do on the next.

use std::process::ExitCode;
use std::sync::Arc;

/// A command that could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A verb of the product failed.
    #[error(transparent)]
    App(#[from] app::Error),
    /// The sandbox could not be served.
    #[error("the sandbox cannot be served: {0}")]
    Sandbox(std::io::Error),
    /// The person's own terminal could not be used.
    #[error("this terminal cannot be used: {0}")]
    Terminal(std::io::Error),
    /// Standard output is gone.
    #[error("standard output cannot be written: {0}")]
    Output(std::io::Error),
    /// A signal ended the command over there.
    #[error("the command was killed by a signal on {target}")]
    Killed {
        /// The node.
        target: String,
    },
    /// The command is over and nobody said how it went.
    #[error("the command on {target} is over and its exit status is not told")]
    StatusUnknown {
        /// The node.
        target: String,
    },
    /// Sessions of killed processes are still there.
    #[error("{count} of the sessions left behind could not be ended")]
    LeftBehind {
        /// How many.
        count: usize,
    },
}

impl Failure {
    /// Says what the person can do about it.
    fn advice(&self) -> String {
        match self {
            Self::App(app::Error::Ambiguous { nodes, count, .. }) => candidates(nodes, *count),
            Self::App(error) => error.advice(),
            Self::Sandbox(_) => {
                "Choose another port with --port, or none for a free one.".to_owned()
            }
            Self::Terminal(_) => {
                "Run it in an interactive terminal, or with input from a pipe.".to_owned()
            }
            Self::Output(_) => "Check where the output goes.".to_owned(),
            Self::Killed { .. } => "Look at the node's log for the reason.".to_owned(),
            Self::StatusUnknown { .. } => {
                "Somebody may have terminated its session. Agents before 3.1.1511.0 never tell it, \
                 and documents without separateOutputStream do not ask for it."
                    .to_owned()
            }
            Self::LeftBehind { .. } => {
                "They end by themselves when they have been idle for long enough.".to_owned()
            }
        }
    }

    /// Tells it on standard error and answers the exit status.
    pub(crate) fn tell(&self) -> ExitCode {
        // A reader that closed its end has seen enough: `adit nodes | head`.
        if let Self::Output(error) = self
            && error.kind() == std::io::ErrorKind::BrokenPipe
        {
            return ExitCode::SUCCESS;
        }
        say(&format!("adit: {self}.\n      {}", self.advice()));
        ExitCode::from(FAILED)
    }
}

/// Lists nodes one a line, each as it can be typed.
fn candidates(nodes: &[String], count: usize) -> String {
    let mut text = "Give the id of the one you mean, or a filter that fits only that:".to_owned();
    for node in nodes {
        text.push_str("\n        ");
        text.push_str(node);
    }
    if count > nodes.len() {
        text.push_str(&format!("\n        and {} more: see adit nodes", count - nodes.len()));
    }
    text
}

impl From<session::Error> for Failure {
    fn from(error: session::Error) -> Self {
        Self::App(Arc::new(error).into())
    }
}

impl From<Arc<session::Error>> for Failure {
    fn from(error: Arc<session::Error>) -> Self {
        Self::App(error.into())
    }
}

/// The exit status of a failure of ours, as `ssh` has it: no command of the far side's is likely
/// to end with it.
pub(crate) const FAILED: u8 = 255;

/// Writes a line to standard error. Carriage return first, for a terminal in raw mode.
pub(crate) fn say(line: &str) {
    use std::io::Write as _;
    let is_raw = crossterm::terminal::is_raw_mode_enabled().unwrap_or(false);
    let text = if is_raw {
        format!("\r\n{}\r\n", line.replace('\n', "\r\n"))
    } else {
        format!("{line}\n")
    };
    // Nobody is left to tell if this fails.
    let _ = std::io::stderr().write_all(text.as_bytes());
}
