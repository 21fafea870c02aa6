//! The rules a gateway and an agent play by, with the service's usual values as defaults.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Milliseconds in JSON, [`Duration`] here.
mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_millis)
    }
}

/// The same for a time that may be absent.
mod some_millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        time: &Option<Duration>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => super::millis::serialize(time, to),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(from)?.map(Duration::from_millis))
    }
}

/// One end of a data channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The client's websocket.
    Client,
    /// The agent.
    Agent,
}

/// Which way messages go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Client to agent.
    Up,
    /// Agent to client.
    Down,
    /// Both.
    #[default]
    Both,
}

impl Direction {
    pub(crate) fn is_up(self) -> bool {
        matches!(self, Self::Up | Self::Both)
    }

    pub(crate) fn is_down(self) -> bool {
        matches!(self, Self::Down | Self::Both)
    }
}

/// What the way between the ends does to messages. Chances lie between 0 and 1; the dice are
/// seeded, so a run repeats.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Impairment {
    /// Only messages of this type (`acknowledge`, `output_stream_data`, …); all when absent.
    pub message_type: Option<String>,
    /// Only messages with this payload type number; all when absent.
    pub payload_type: Option<u32>,
    /// The chance that a message is lost.
    pub drop: f64,
    /// The chance that a message comes twice.
    pub repeat: f64,
    /// The chance that a message changes places with the next one.
    pub reorder: f64,
    /// How long every message is under way.
    #[serde(rename = "delay_ms", with = "millis")]
    pub delay: Duration,
    /// How much longer it may be under way at most. Messages overtake one another by it.
    #[serde(rename = "jitter_ms", with = "millis")]
    pub jitter: Duration,
    /// Bytes a second; no limit when absent.
    pub bytes_per_second: Option<u64>,
    /// How many messages it touches before it wears off; never when absent.
    pub times: Option<u32>,
    /// The seed of the dice.
    pub seed: u64,
}

/// What happens to the agent's messages while no client is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unattended {
    /// Nobody gets them; the agent sends them again.
    #[default]
    Drop,
    /// The next client gets them, up to 4096 of them.
    Queue,
}

/// How the 32 bytes of a message type are filled up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Padding {
    /// Blanks behind, as the official ends do.
    #[default]
    BlanksBehind,
    /// Blanks in front.
    BlanksBefore,
    /// NUL bytes behind.
    NulsBehind,
    /// NUL bytes in front.
    NulsBefore,
}

/// The gateway's limits and habits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GatewayRules {
    /// A websocket older than this is closed with 1000 `Bye`. One hour.
    #[serde(rename = "recycle_after_ms", with = "some_millis")]
    pub recycle_after: Option<Duration>,
    /// A session without stream data for this long ends. 20 minutes.
    #[serde(rename = "idle_timeout_ms", with = "some_millis")]
    pub idle_timeout: Option<Duration>,
    /// A session older than this ends. No limit.
    #[serde(rename = "max_duration_ms", with = "some_millis")]
    pub max_duration: Option<Duration>,
    /// How long a fresh websocket may take to say `OpenDataChannel`. 10 seconds.
    #[serde(rename = "open_timeout_ms", with = "millis")]
    pub open_timeout: Duration,
    /// A larger client message closes the websocket with 1009. 65 KiB: a payload of 64 KiB with
    /// its header and seal. What the real service takes is not known.
    pub max_frame_bytes: usize,
    /// More stream data messages a second than this from a client, for two seconds on end, pause
    /// the agent and close the websocket. 1000, acknowledgements not counted.
    pub max_frames_per_second: Option<u32>,
    /// What happens to messages nobody is there for.
    pub unattended: Unattended,
    /// Whether the ends are told about one another's coming and going.
    pub publications: bool,
    /// Whether publication messages carry junk in payload length and digest.
    pub junk_headers: bool,
    /// How message types are filled up, in every message to the client.
    pub padding: Padding,
    /// Whether every token is refused.
    pub refuse_tokens: bool,
    /// Whether a websocket is accepted and then neither read nor written.
    pub black_hole: bool,
    /// Every websocket is cut without a close frame at this age.
    #[serde(rename = "cut_every_ms", with = "some_millis")]
    pub cut_every: Option<Duration>,
    /// Every websocket is cut without a close frame after this many messages either way.
    pub cut_after_frames: Option<u64>,
}

impl Default for GatewayRules {
    fn default() -> Self {
        Self {
            recycle_after: Some(Duration::from_secs(60 * 60)),
            idle_timeout: Some(Duration::from_secs(20 * 60)),
            max_duration: None,
            open_timeout: Duration::from_secs(10),
            max_frame_bytes: 65 * 1024,
            max_frames_per_second: Some(1000),
            unattended: Unattended::Drop,
            publications: true,
            junk_headers: false,
            padding: Padding::BlanksBehind,
            refuse_tokens: false,
            black_hole: false,
            cut_every: None,
            cut_after_frames: None,
        }
    }
}

/// How fast the agent sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pacing {
    /// At most 1024 bytes and a pause of a millisecond: some 750 messages a second, and a second
    /// of waiting before a shell is read.
    #[default]
    Real,
    /// No pauses, large messages, every old message sent again at once. No real agent does this;
    /// it lets a measurement see the client.
    None,
}

/// Which unacknowledged messages a tick sends again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResendRule {
    /// The oldest, as the real agent.
    Head,
    /// Every one whose time has come.
    All,
}

/// When the agent joins the data channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JoinRule {
    /// So many milliseconds after `StartSession`, whether or not a client is there.
    AfterMs(u64),
    /// As soon as the first client is there.
    WithClient,
}

/// What connecting to a destination does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dial {
    /// Connects.
    #[default]
    Real,
    /// Never comes to an end.
    BlackHole,
    /// Is refused.
    Refuse,
}

/// What an agent is like beyond its node's profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AgentRules {
    /// Tells and behaves as this version instead of the node's.
    pub version: Option<String>,
    /// Never joins.
    pub silent: bool,
    /// When it joins; by its pacing when absent: real agents 25 ms after the start, unpaced ones
    /// with the client.
    pub join: Option<JoinRule>,
    /// How fast it sends.
    pub pacing: Pacing,
    /// The largest payload it sends; by its pacing when absent: 1024, or 16 KiB unpaced.
    pub chunk_bytes: Option<usize>,
    /// How long a shell waits before it reads the terminal; by its pacing when absent.
    #[serde(rename = "shell_delay_ms", with = "some_millis")]
    pub shell_delay: Option<Duration>,
    /// What a tick sends again; by its pacing when absent.
    pub resend: Option<ResendRule>,
    /// How many unacknowledged bytes stop it from reading its source; by its pacing when absent:
    /// no limit, or 4 MiB unpaced.
    pub window_bytes: Option<usize>,
    /// Whether it acknowledges a message it has seen before; by its version when absent.
    pub reacks: Option<bool>,
    /// Whether it acknowledges, and loses, what comes before its program is ready; by its version
    /// when absent.
    pub ack_when_not_ready: Option<bool>,
    /// `Kms.RequireKMSChallengeResponse`; by the node when absent.
    pub requires_challenge: Option<bool>,
    /// How long it waits for a handshake answer. 15 seconds.
    #[serde(rename = "handshake_timeout_ms", with = "millis")]
    pub handshake_timeout: Duration,
    /// What connecting to a destination does.
    pub dial: Dial,
    /// Whether a connected destination takes no byte.
    pub stalled_targets: bool,
    /// How long every write to a terminal takes.
    #[serde(rename = "terminal_write_delay_ms", with = "millis")]
    pub terminal_write_delay: Duration,
    /// Whether the terminal takes no input at all.
    pub stalled_terminal: bool,
}

impl Default for AgentRules {
    fn default() -> Self {
        Self {
            version: None,
            silent: false,
            join: None,
            pacing: Pacing::Real,
            chunk_bytes: None,
            shell_delay: None,
            resend: None,
            window_bytes: None,
            reacks: None,
            ack_when_not_ready: None,
            requires_challenge: None,
            handshake_timeout: Duration::from_secs(15),
            dial: Dial::Real,
            stalled_targets: false,
            terminal_write_delay: Duration::ZERO,
            stalled_terminal: false,
        }
    }
}

impl AgentRules {
    /// An agent that never pauses: for measurements of a client.
    #[must_use]
    pub fn unpaced() -> Self {
        Self { pacing: Pacing::None, ..Self::default() }
    }
}
