//! Filters over the inventory: plain words and `key:value` terms, all of which must fit.

use std::cmp::Ordering;

use aws::{ManagedNode, Platform};

/// A filter as a person types it, for example `web platform:linux tag:Env=prod !ping:lost`.
///
/// Words fit anywhere in the name, id, host name or address, in any case. `!` turns a term round;
/// double quotes keep blanks in a term.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeFilter {
    terms: Vec<Term>,
}

/// A term of a filter makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the filter's term {term} cannot be used: {reason}")]
pub struct BadFilter {
    /// The term as typed.
    pub term: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    wanted: bool,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Word(String),
    Field(Field, String),
    Tag { key: String, value: Option<String> },
    Agent(Comparison, Vec<u64>),
}

/// What a key looks at; its value may stand anywhere in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Name,
    Id,
    Ip,
    Platform,
    Ping,
    Vpc,
    Zone,
    Type,
    State,
    Role,
    Region,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Below,
    AtMost,
    Equal,
    AtLeast,
    Above,
}

impl NodeFilter {
    /// Reads a filter. An empty one fits every node.
    ///
    /// # Errors
    ///
    /// [`BadFilter`] for a key that does not exist or a value it cannot have.
    pub fn parse(text: &str) -> Result<Self, BadFilter> {
        let terms =
            split(text).into_iter().map(|term| Term::parse(&term)).collect::<Result<_, _>>();
        Ok(Self { terms: terms? })
    }

    /// Says whether the filter fits every node.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Says whether the filter has a word on being in touch with Systems Manager.
    pub(crate) fn asks_for_ping(&self) -> bool {
        self.terms.iter().any(|term| matches!(term.test, Test::Field(Field::Ping, _)))
    }

    /// Says whether a node fits.
    pub fn fits(&self, node: &ManagedNode) -> bool {
        self.terms.iter().all(|term| term.test.fits(node) == term.wanted)
    }
}

impl Term {
    fn parse(typed: &str) -> Result<Self, BadFilter> {
        let bad = |reason| BadFilter { term: typed.to_owned(), reason };
        let (wanted, text) = match typed.strip_prefix('!') {
            Some(rest) => (false, rest),
            None => (true, typed),
        };
        let Some((key, value)) = text.split_once(':') else {
            return Ok(Self { wanted, test: Test::Word(text.to_lowercase()) });
        };
        let test = match key.to_lowercase().as_str() {
            "tag" => match value.split_once('=') {
                Some((key, value)) => {
                    Test::Tag { key: key.to_owned(), value: Some(value.to_lowercase()) }
                }
                None => Test::Tag { key: value.to_owned(), value: None },
            },
            "agent" => agent(value).ok_or_else(|| bad("expected a version, as in agent:<3.1"))?,
            key => match Field::named(key) {
                Some(field) => Test::Field(field, value.to_lowercase()),
                // An IPv6 address, or part of one.
                None if text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':') => {
                    Test::Word(text.to_lowercase())
                }
                None => {
                    return Err(bad(
                        "the keys are name, id, ip, platform, ping, agent, tag, vpc, az, type, \
                         state, role and region",
                    ));
                }
            },
        };
        Ok(Self { wanted, test })
    }
}

impl Field {
    fn named(key: &str) -> Option<Self> {
        Some(match key {
            "name" => Self::Name,
            "id" => Self::Id,
            "ip" => Self::Ip,
            "platform" | "os" => Self::Platform,
            "ping" => Self::Ping,
            "vpc" => Self::Vpc,
            "az" | "zone" => Self::Zone,
            "type" => Self::Type,
            "state" => Self::State,
            "role" => Self::Role,
            "region" => Self::Region,
            _ => return None,
        })
    }
}

impl Test {
    fn fits(&self, node: &ManagedNode) -> bool {
        match self {
            Self::Word(word) => [Field::Name, Field::Id, Field::Ip]
                .iter()
                .any(|field| field_has(node, *field, word)),
            Self::Field(field, value) => field_has(node, *field, value),
            Self::Tag { key, value: None } => node.tags.contains_key(key),
            Self::Tag { key, value: Some(value) } => {
                node.tags.get(key).is_some_and(|have| have.to_lowercase() == *value)
            }
            Self::Agent(comparison, version) => node
                .agent_version
                .as_deref()
                .and_then(parse_version)
                .is_some_and(|have| comparison.holds(compare(&have, version))),
        }
    }
}

/// Says whether a field holds `value`, which is in lower case.
fn field_has(node: &ManagedNode, field: Field, value: &str) -> bool {
    let text = |text: &str| text.to_lowercase().contains(value);
    let some =
        |text: &Option<String>| text.as_deref().is_some_and(|t| t.to_lowercase().contains(value));
    match field {
        Field::Name => some(&node.name) || some(&node.computer_name),
        Field::Id => text(node.id.as_str()),
        Field::Ip => {
            let mut addresses = node.private_ip.iter().chain(&node.public_ip);
            addresses.any(|address| address.to_string().contains(value))
        }
        Field::Platform => text(platform_word(node.platform)) || some(&node.platform_name),
        Field::Ping => text(node.ping.words()),
        Field::Vpc => some(&node.vpc_id),
        Field::Zone => some(&node.availability_zone),
        Field::Type => some(&node.instance_type),
        Field::State => some(&node.instance_state),
        Field::Role => some(&node.iam_role),
        Field::Region => text(node.region.as_str()),
    }
}

fn platform_word(platform: Platform) -> &'static str {
    match platform {
        Platform::Linux => "linux",
        Platform::Windows => "windows",
        Platform::MacOs => "macos",
        Platform::Unknown => "unknown",
    }
}

fn agent(value: &str) -> Option<Test> {
    let comparisons = [
        ("<=", Comparison::AtMost),
        (">=", Comparison::AtLeast),
        ("<", Comparison::Below),
        (">", Comparison::Above),
        ("=", Comparison::Equal),
        ("", Comparison::Equal),
    ];
    let (comparison, version) = comparisons
        .iter()
        .find_map(|(sign, comparison)| Some((*comparison, value.strip_prefix(sign)?)))?;
    Some(Test::Agent(comparison, parse_version(version)?))
}

fn parse_version(text: &str) -> Option<Vec<u64>> {
    text.split('.').map(|part| part.parse().ok()).collect()
}

/// Compares as far as the wanted version goes: `3.1` equals every `3.1.x`.
fn compare(have: &[u64], wanted: &[u64]) -> Ordering {
    let have = have.iter().copied().chain(std::iter::repeat(0));
    have.zip(wanted)
        .map(|(have, wanted)| have.cmp(wanted))
        .find(|o| o.is_ne())
        .unwrap_or(Ordering::Equal)
}

impl Comparison {
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Below => ordering.is_lt(),
            Self::AtMost => ordering.is_le(),
            Self::Equal => ordering.is_eq(),
            Self::AtLeast => ordering.is_ge(),
            Self::Above => ordering.is_gt(),
        }
    }
}

/// Splits at blanks outside double quotes; the quotes go.
fn split(text: &str) -> Vec<String> {
    let mut terms = Vec::new();
    let mut term = String::new();
    let mut quoted = false;
    for character in text.chars() {
        match character {
            '"' => quoted = !quoted,
            blank if blank.is_whitespace() && !quoted => {
                if !term.is_empty() {
                    terms.push(std::mem::take(&mut term));
                }
            }
            other => term.push(other),
        }
    }
    if !term.is_empty() {
        terms.push(term);
    }
    terms
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node() -> ManagedNode {
        let id = "i-0123456789abcdef0".parse().expect("an id");
        let mut node = ManagedNode::bare(id, aws::Region::new("eu-west-1"));
        node.name = Some("Web-1".into());
        node.private_ip = "10.0.4.12".parse().ok();
        node.platform = Platform::Linux;
        node.agent_version = Some("3.1.1732.0".into());
        node.tags.insert("Env".into(), "Prod EU".into());
        node
    }

    fn fits(filter: &str) -> bool {
        NodeFilter::parse(filter).expect("a filter").fits(&node())
    }

    #[test]
    fn words_fit_names_ids_and_addresses() {
        for word in ["web", "WEB-1", "i-0123", "10.0.4", "", "web 10.0"] {
            assert!(fits(word), "{word}");
        }
        assert!(!fits("web db") && !fits("linux"));
    }

    #[test]
    fn keys_look_at_their_field() {
        for term in ["platform:linux", "ping:online", "region:eu-", "name:web", "tag:Env", "!vpc:x"]
        {
            assert!(fits(term), "{term}");
        }
        assert!(fits("\"tag:Env=prod eu\"") && fits("tag:Env=\"prod eu\""));
        assert!(!fits("tag:Env=prod") && !fits("!web") && !fits("tag:env"));
    }

    #[test]
    fn agents_compare_by_number_as_far_as_is_said() {
        for term in ["agent:3.1", "agent:<3.2", "agent:>=3.1", "agent:<3.10", "agent:>3.0.9999"] {
            assert!(fits(term), "{term}");
        }
        assert!(!fits("agent:<3.1") && !fits("agent:3.2"));
    }

    #[test]
    fn a_term_without_sense_is_named() {
        let error = NodeFilter::parse("web colour:red").expect_err("no such key");
        assert_eq!(error.term, "colour:red");
        assert!(NodeFilter::parse("agent:new").is_err());
        assert!(NodeFilter::parse("fe80::1").is_ok());
    }
}
