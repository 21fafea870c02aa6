//! The sandbox account: the emulator within this process, and profiles that lead to it.

use std::path::{Path, PathBuf};

use emulator::{Emulator, EmulatorConfig};
use tempfile::TempDir;

use crate::failure::{Failure, say};
use crate::signals::asked_to_stop;

/// The account a command is about when it names none.
const PROFILE: &str = "sandbox-prod";

/// A sandbox that is served as long as this lives.
pub(crate) struct Sandbox {
    emulator: Emulator,
    config: PathBuf,
    credentials: PathBuf,
    _folder: Option<TempDir>,
}

impl Sandbox {
    /// Serves it on a port of 127.0.0.1, a free one if 0. Its profiles go to `folder`, or to a
    /// folder that goes with it.
    ///
    /// # Errors
    /// [`Failure::Sandbox`] when the port cannot be had or the profiles cannot be written.
    pub(crate) async fn start(
        port: u16,
        folder: Option<&Path>,
        pass_through: bool,
    ) -> Result<Self, Failure> {
        let config = EmulatorConfig { port, pass_through, ..EmulatorConfig::default() };
        let emulator = Emulator::start(config).await.map_err(Failure::Sandbox)?;
        let own = match folder {
            Some(_) => None,
            None => Some(TempDir::with_prefix("adit-sandbox-").map_err(Failure::Sandbox)?),
        };
        let folder = own.as_ref().map(TempDir::path).or(folder).unwrap_or(Path::new("."));
        let (config, credentials) = emulator.write_profiles(folder).map_err(Failure::Sandbox)?;
        Ok(Self { emulator, config, credentials, _folder: own })
    }

    /// The variables that make any AWS program use it.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_CONFIG_FILE", self.config.display().to_string()),
            ("AWS_SHARED_CREDENTIALS_FILE", self.credentials.display().to_string()),
            ("AWS_PROFILE", PROFILE.to_owned()),
        ]
    }

    /// Ends its sessions and services.
    pub(crate) async fn stop(self) {
        self.emulator.stop().await;
    }
}

/// Serves the sandbox for other programs until the process is asked to stop.
///
/// # Errors
/// As [`Sandbox::start`], or when standard output cannot be written.
pub(crate) async fn serve(
    port: u16,
    folder: Option<&Path>,
    pass_through: bool,
) -> Result<(), Failure> {
    use std::io::Write as _;
    let sandbox = Sandbox::start(port, folder, pass_through).await?;
    let mut text = String::new();
    for (name, value) in sandbox.variables() {
        text.push_str(&format!("export {name}='{}'\n", value.replace('\'', r"'\''")));
    }
    text.push_str(&format!("export AWS_ENDPOINT_URL='{}'\n", sandbox.emulator.url()));
    let mut output = std::io::stdout().lock();
    output.write_all(text.as_bytes()).and_then(|()| output.flush()).map_err(Failure::Output)?;
    drop(output);
    say("The sandbox is served. Nothing in it is real. Ctrl-C ends it.");
    asked_to_stop().await;
    sandbox.stop().await;
    Ok(())
}
