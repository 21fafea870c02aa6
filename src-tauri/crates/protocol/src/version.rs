//! Agent versions and what they allow.
//!
//! The two official ends compare versions by different rules. The client decides by the *P-rule*:
//! components are compared as numbers, and versions of different shape, or with anything that is
//! not a number in them, support nothing. The agent decides by the *A-rule*, see
//! [`compare_agent_rule`].

use std::cmp::Ordering;
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

/// Agents since 3.1.1575.0 leave mux keep-alive off towards clients above this version.
const LAST_KEEP_ALIVE_CLIENT: &str = "1.2.331.0";

/// The version an agent gave in its handshake request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentVersion {
    text: String,
    components: Option<Vec<u64>>,
}

impl AgentVersion {
    /// The text as the agent gave it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether port sessions of type `LocalPortForwarding` are muxed (above 3.0.196.0).
    pub fn supports_mux(&self) -> bool {
        self.is_above([3, 0, 196, 0])
    }

    /// Whether a `TerminateSession` flag ends a port session (above 2.3.722.0).
    pub fn supports_terminate_flag(&self) -> bool {
        self.is_above([2, 3, 722, 0])
    }

    /// Whether the agent runs without smux keep-alive towards a client that calls itself newer
    /// than 1.2.331.0: 3.1.1446.0, and everything above 3.1.1511.0.
    ///
    /// Any other agent closes a mux that sends nothing for 30 to 60 s.
    pub fn mux_keep_alive_off(&self) -> bool {
        self.is_above([3, 1, 1511, 0]) || self.is_silent_release()
    }

    /// Whether the agent closes a mux on which a client of this version sends nothing.
    pub fn needs_mux_keep_alive(&self, client_version: &str) -> bool {
        if self.is_silent_release() {
            return false;
        }
        let is_old_client = compare_agent_rule(client_version, LAST_KEEP_ALIVE_CLIENT).is_le();
        is_old_client || !self.mux_keep_alive_off()
    }

    /// 3.1.1446.0 has no mux keep-alive at all, whatever the client.
    fn is_silent_release(&self) -> bool {
        self.components.as_deref() == Some(&[3, 1, 1446, 0])
    }

    /// Whether the agent acknowledges a message it already has once more (3.2.1041.0 and above).
    ///
    /// An older one stays silent, so a message whose acknowledgement was lost is never settled.
    pub fn reacks_duplicates(&self) -> bool {
        self.is_above([3, 2, 1040, u64::MAX])
    }

    /// The P-rule: strictly above, same number of components, all numeric.
    fn is_above(&self, other: [u64; 4]) -> bool {
        self.components.as_deref().is_some_and(|own| own.len() == other.len() && own > &other[..])
    }
}

impl FromStr for AgentVersion {
    type Err = Infallible;

    /// Never fails: a text that is no version is one that supports nothing.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let components = text.split('.').map(|part| part.parse().ok()).collect();
        Ok(Self { text: text.to_owned(), components })
    }
}

impl From<&str> for AgentVersion {
    fn from(text: &str) -> Self {
        let Ok(version) = text.parse();
        version
    }
}

impl fmt::Display for AgentVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Compares two versions the way the agent does (the A-rule).
///
/// Component by component: as numbers when both are numbers, else as text; when all common
/// components are equal, the version with more of them is the greater.
pub fn compare_agent_rule(a: &str, b: &str) -> Ordering {
    let mut left = a.split('.');
    let mut right = b.split('.');
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(l), Some(r)) => match (l.parse::<u64>(), r.parse::<u64>()) {
                (Ok(l), Ok(r)) => l.cmp(&r),
                _ => l.cmp(r),
            },
        };
        if order.is_ne() {
            return order;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_open_strictly_above_their_version() {
        assert!(!AgentVersion::from("3.0.196.0").supports_mux());
        assert!(AgentVersion::from("3.0.196.1").supports_mux());
        assert!(AgentVersion::from("3.3.1142.0").supports_mux());
        assert!(!AgentVersion::from("2.3.722.0").supports_terminate_flag());
        assert!(AgentVersion::from("2.3.756.0").supports_terminate_flag());
        assert!(!AgentVersion::from("3.2.1040.9").reacks_duplicates());
        assert!(AgentVersion::from("3.2.1041.0").reacks_duplicates());
    }

    #[test]
    fn keep_alive_is_off_from_3_1_1511_and_in_one_older_release() {
        for off in ["3.1.1446.0", "3.1.1575.0", "3.3.987.0"] {
            assert!(AgentVersion::from(off).mux_keep_alive_off(), "{off}");
        }
        for on in ["3.1.1374.0", "3.1.1476.0", "3.1.1511.0"] {
            assert!(!AgentVersion::from(on).mux_keep_alive_off(), "{on}");
        }
    }

    #[test]
    fn an_old_client_version_brings_keep_alive_back() {
        assert!(!AgentVersion::from("3.3.1142.0").needs_mux_keep_alive("1.2.764.0"));
        assert!(AgentVersion::from("3.3.1142.0").needs_mux_keep_alive("1.2.331.0"));
        assert!(AgentVersion::from("3.1.1511.0").needs_mux_keep_alive("1.2.764.0"));
        assert!(!AgentVersion::from("3.1.1446.0").needs_mux_keep_alive("1.2.0.0"));
    }

    #[test]
    fn a_malformed_version_supports_nothing() {
        for text in ["", "4", "4.0.0", "4.0.0.0.0", "4.0.0.x", "4.0.0.", "v4.0.0.0", "4.0.0.-1"] {
            let version = AgentVersion::from(text);
            assert!(!version.supports_mux(), "{text:?}");
            assert!(!version.mux_keep_alive_off(), "{text:?}");
            assert!(!version.reacks_duplicates(), "{text:?}");
        }
    }

    #[test]
    fn the_agent_rule_counts_components_last() {
        assert_eq!(compare_agent_rule("1.2.295.0", "1.2.295"), Ordering::Greater);
        assert_eq!(compare_agent_rule("1.2.331.0", "1.2.331.0"), Ordering::Equal);
        assert_eq!(compare_agent_rule("1.1.61.0", "1.1.70"), Ordering::Less);
        assert_eq!(compare_agent_rule("1.2.764.0", "1.2.331.0"), Ordering::Greater);
        assert_eq!(compare_agent_rule("1.10.0", "1.9.0"), Ordering::Greater);
        assert_eq!(compare_agent_rule("1.x.0", "1.9.0"), Ordering::Greater);
    }
}
