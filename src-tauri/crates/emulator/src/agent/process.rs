//! The processes of a session, and their end.

use std::path::{Path, PathBuf};
use std::{fs, io};

use tempfile::TempDir;

use super::Work;

/// The user name a real agent runs its shells under. Here they run as whoever runs the emulator,
/// and are told this name.
const USER: &str = "ssm-user";
/// Keeps bash from switching the terminal to bracketed paste, as older systems do not know it.
const INPUTRC: &str = "set enable-bracketed-paste off\n";

/// The folder a session's programs live in; gone with the session.
pub(super) struct Place {
    folder: TempDir,
    home: PathBuf,
}

impl Place {
    pub(super) fn new(home: Option<&Path>) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("adit-session-").tempdir()?;
        fs::write(folder.path().join("inputrc"), INPUTRC)?;
        let home = match home {
            Some(home) => home.to_owned(),
            None => {
                let home = folder.path().join("home");
                fs::create_dir(&home)?;
                home
            }
        };
        Ok(Self { folder, home })
    }

    pub(super) fn home(&self) -> &Path {
        &self.home
    }

    /// A file of the session's own.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// All that a program is told of its surroundings: nothing of the emulator's own but the
    /// search path.
    pub(super) fn environment(&self, work: &Work) -> Vec<(&'static str, String)> {
        let user = match &work.document.inputs {
            inputs if inputs.run_as_enabled => inputs.run_as_default_user.clone(),
            _ => USER.to_owned(),
        };
        let path = std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".into());
        let mut environment = vec![
            ("TERM", "xterm-256color".to_owned()),
            ("LANG", "C.UTF-8".to_owned()),
            ("PATH", path),
            ("HOME", self.home.display().to_string()),
            ("PS1", format!(r"[{user}@{} \W]$ ", work.node.host_name)),
            ("LOGNAME", user.clone()),
            ("USER", user),
            ("HISTFILE", "/dev/null".to_owned()),
            ("INPUTRC", self.file("inputrc").display().to_string()),
        ];
        // Without these no program starts on Windows.
        for name in ["SystemRoot", "ComSpec", "PATHEXT", "TEMP"] {
            environment.extend(std::env::var(name).ok().map(|value| (name, value)));
        }
        environment
    }
}

/// What a control byte asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    Interrupt,
    Quit,
}

/// The process group a session started. Dropping it kills whatever is left of it.
pub(super) struct Group {
    #[cfg(unix)]
    leader: Option<rustix::process::Pid>,
}

#[cfg(unix)]
impl Group {
    pub(super) fn led_by(pid: Option<u32>) -> Self {
        let pid = pid.and_then(|pid| i32::try_from(pid).ok());
        Self { leader: pid.and_then(rustix::process::Pid::from_raw) }
    }

    /// Signals the leader alone, as the agent does.
    pub(super) fn signal_leader(&self, signal: Signal) {
        let signal = match signal {
            Signal::Interrupt => rustix::process::Signal::INT,
            Signal::Quit => rustix::process::Signal::QUIT,
        };
        if let Some(leader) = self.leader
            && let Err(error) = rustix::process::kill_process(leader, signal)
        {
            tracing::debug!(%error, "the command is gone already");
        }
    }

    pub(super) fn kill(&self) {
        if let Some(leader) = self.leader {
            // A group without members cannot be signalled, and need not be.
            rustix::process::kill_process_group(leader, rustix::process::Signal::KILL).ok();
        }
    }
}

#[cfg(not(unix))]
impl Group {
    pub(super) fn led_by(_: Option<u32>) -> Self {
        Self {}
    }

    /// Windows has no such signals; its agent kills the command, here left to its owner.
    pub(super) fn signal_leader(&self, _: Signal) {}

    pub(super) fn kill(&self) {}
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The commands of a document, by the platform of the node.
pub(super) fn commands(work: &Work) -> Result<String, String> {
    let commands = property(work, "commands").unwrap_or_default();
    if commands.trim().is_empty() {
        let name = work.document.session_type.as_str();
        return Err(format!("Commands cannot be empty for session type {name}"));
    }
    Ok(commands)
}

/// One property of the node's platform, as text.
pub(super) fn property(work: &Work, name: &str) -> Option<String> {
    use crate::sessions::Platform;
    let platform = match work.node.platform {
        Platform::Linux => "linux",
        Platform::MacOs => "macos",
        Platform::Windows => "windows",
    };
    let value = work.document.properties.get(platform)?.get(name)?;
    let text = value.as_str().map(str::to_owned);
    text.or_else(|| value.as_bool().map(|value| value.to_string()))
}

/// Whether the user a document names to run as can be.
pub(super) fn check_run_as(work: &Work) -> Result<(), String> {
    let inputs = &work.document.inputs;
    if !inputs.run_as_enabled {
        return Ok(());
    }
    let user = inputs.run_as_default_user.trim();
    if user.is_empty() {
        return Err("please set the RunAs default user".to_owned());
    }
    let known = fs::read_to_string("/etc/passwd").unwrap_or_default();
    if known.lines().any(|line| line.split(':').next() == Some(user)) {
        Ok(())
    } else {
        Err(format!("failed to start pty since RunAs user {user} does not exist"))
    }
}
