//! What an agent of some version can do.

use std::cmp::Ordering;

use protocol::{AgentVersion, compare_agent_rule};

use crate::faults::AgentRules;
use crate::sessions::SessionType;

/// The abilities of one agent, from its release notes, and the faults asked of it.
#[derive(Clone, Debug)]
pub(super) struct Capabilities {
    pub(super) version: String,
    pub(super) handshake: bool,
    pub(super) interactive_commands: bool,
    pub(super) port: bool,
    pub(super) non_interactive_commands: bool,
    pub(super) disconnect_flag: bool,
    pub(super) terminate_flag: bool,
    pub(super) mux: bool,
    pub(super) remote_host: bool,
    pub(super) resolves_once: bool,
    pub(super) separate_output: bool,
    pub(super) random_challenge: bool,
    pub(super) reacks: bool,
    pub(super) ack_when_not_ready: bool,
}

impl Capabilities {
    pub(super) fn of(version: &str, rules: &AgentRules) -> Self {
        let since = |first: &str| compare_agent_rule(version, first) != Ordering::Less;
        Self {
            handshake: since("2.3.539.0"),
            interactive_commands: since("2.3.668.0"),
            port: since("2.3.672.0"),
            disconnect_flag: since("2.3.714.0"),
            terminate_flag: since("2.3.756.0"),
            mux: AgentVersion::from(version).supports_mux(),
            non_interactive_commands: since("3.0.1124.0"),
            remote_host: since("3.1.1188.0"),
            separate_output: since("3.1.1511.0"),
            resolves_once: since("3.2.1041.0"),
            random_challenge: since("3.3.808.0"),
            reacks: rules.reacks.unwrap_or_else(|| since("3.2.1041.0")),
            ack_when_not_ready: rules.ack_when_not_ready.unwrap_or_else(|| !since("3.0.655.0")),
            version: version.to_owned(),
        }
    }

    pub(super) fn supports(&self, session_type: SessionType) -> bool {
        match session_type {
            SessionType::StandardStream => true,
            SessionType::InteractiveCommands => self.interactive_commands,
            SessionType::NonInteractiveCommands => self.non_interactive_commands,
            SessionType::Port => self.port,
        }
    }

    /// Whether the mux sends keep-alives and dies without the client's: agents differ, and most
    /// let the client's version decide.
    pub(super) fn mux_keep_alive(&self, client_version: &str) -> bool {
        let at_most = |last: &str| compare_agent_rule(&self.version, last) != Ordering::Greater;
        if self.version == "3.1.1446.0" {
            return false;
        }
        at_most("3.1.1511.0")
            || compare_agent_rule(client_version, "1.2.331.0") != Ordering::Greater
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(version: &str) -> Capabilities {
        Capabilities::of(version, &AgentRules::default())
    }

    #[test]
    fn abilities_come_with_their_version() {
        let old = of("3.0.100.0");
        assert!(!old.mux && old.ack_when_not_ready && !old.reacks && old.port);
        assert!(!old.supports(SessionType::NonInteractiveCommands));
        let new = of("3.3.1142.0");
        assert!(new.mux && !new.ack_when_not_ready && new.reacks && new.random_challenge);
    }

    #[test]
    fn keep_alive_depends_on_both_versions() {
        assert!(!of("3.3.1142.0").mux_keep_alive("1.2.677.0"));
        assert!(of("3.3.1142.0").mux_keep_alive("1.2.331.0"));
        assert!(of("3.1.1374.0").mux_keep_alive("1.2.677.0"));
        assert!(!of("3.1.1446.0").mux_keep_alive("1.2.1.0"));
    }
}
