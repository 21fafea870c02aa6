//! What a data channel is told at its start.

use std::time::Instant;

use uuid::Uuid;

/// Bytes of user data per message that every gateway and agent is known to take.
pub const DEFAULT_PAYLOAD_LIMIT: usize = 1024;

/// Everything a [`DataChannel`](crate::DataChannel) needs to know of the outside.
#[derive(Clone, Debug)]
pub struct ChannelConfig {
    /// The version this client claims. Above 1.2.331.0 agents leave smux keep-alive off, from
    /// 1.1.70 on they mux.
    pub client_version: String,
    /// Chosen once per session and kept across resumes.
    pub client_id: Uuid,
    /// Random bytes for message ids and nonces. Must never be used for two channels.
    pub seed: [u8; 32],
    /// An instant, and the milliseconds since the Unix epoch at that instant.
    pub start: (Instant, u64),
    /// Most user bytes per message. Sizes above [`DEFAULT_PAYLOAD_LIMIT`] are tried first, see
    /// [`DataChannel::set_payload_limit`](crate::DataChannel::set_payload_limit).
    pub payload_limit: usize,
    /// How much may be unacknowledged.
    pub window: WindowConfig,
    /// How many data frames may be sent per second.
    pub rate: RateConfig,
}

impl ChannelConfig {
    /// A configuration with the default limits.
    pub fn new(
        client_version: &str,
        client_id: Uuid,
        seed: [u8; 32],
        start: (Instant, u64),
    ) -> Self {
        Self {
            client_version: client_version.to_owned(),
            client_id,
            seed,
            start,
            payload_limit: DEFAULT_PAYLOAD_LIMIT,
            window: WindowConfig::default(),
            rate: RateConfig::default(),
        }
    }
}

/// How much may be sent and not yet acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowConfig {
    /// Bytes, for shells and commands. Small, because an agent whose terminal takes no more
    /// input stops reading everything, an interrupt included.
    pub shell_bytes: usize,
    /// Frames, for shells and commands.
    pub shell_frames: usize,
    /// Bytes a port session starts with.
    pub bulk_start_bytes: usize,
    /// Bytes a port session's window grows to when the path has room for them.
    pub bulk_max_bytes: usize,
    /// Frames, for port sessions. The agent holds up to 100,000 out of order.
    pub bulk_frames: usize,
}

impl Default for WindowConfig {
    fn default() -> Self {
        Self {
            shell_bytes: 16 * 1024,
            shell_frames: 8,
            bulk_start_bytes: 128 * 1024,
            bulk_max_bytes: 4 * 1024 * 1024,
            bulk_frames: 8192,
        }
    }
}

/// How fast data frames may follow one another. Acknowledgements are not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateConfig {
    /// Sustained frames per second; `None` for no limit, 0 counts as 1.
    pub frames_per_second: Option<u32>,
    /// Frames that may be sent at once after a pause.
    pub burst: u32,
}

impl Default for RateConfig {
    /// The service is reported to cut clients that send about 1000 frames per second for two
    /// seconds; this stays clear of it.
    fn default() -> Self {
        Self { frames_per_second: Some(800), burst: 100 }
    }
}
