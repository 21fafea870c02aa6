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
}

impl Failure {
    /// Says what the person can do about it.
    fn advice(&self) -> String {
        match self {
            Self::App(error) => error.advice(),
            Self::Sandbox(_) => {
                "Choose another port with --port, or none for a free one.".to_owned()
            }
            Self::Terminal(_) => {
                "Run it in an interactive terminal, or with input from a pipe.".to_owned()
            }
            Self::Output(_) => "Check where the output goes.".to_owned(),
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
const FAILED: u8 = 255;

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
