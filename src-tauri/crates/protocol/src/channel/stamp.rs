//! Message ids and creation dates.

use std::time::Instant;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use uuid::Uuid;

use crate::message::{Flags, Header};
use crate::payload::PayloadType;

/// Gives every message its id and date, from the channel's seed and the time it is told.
#[derive(Debug)]
pub(crate) struct Stamp {
    random: ChaCha12Rng,
    start: (Instant, u64),
}

impl Stamp {
    pub(crate) fn new(seed: [u8; 32], start: (Instant, u64)) -> Self {
        Self { random: ChaCha12Rng::from_seed(seed), start }
    }

    /// A fresh random id.
    pub(crate) fn id(&mut self) -> Uuid {
        uuid::Builder::from_random_bytes(self.bytes()).into_uuid()
    }

    /// Fresh random bytes.
    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.random.fill_bytes(&mut bytes);
        bytes
    }

    /// Milliseconds since the Unix epoch, never 0: both official ends refuse that.
    pub(crate) fn created_ms(&self, now: Instant) -> u64 {
        let (instant, epoch_ms) = self.start;
        let since = now.saturating_duration_since(instant).as_millis();
        epoch_ms.saturating_add(u64::try_from(since).unwrap_or(u64::MAX)).max(1)
    }

    /// The header of stream data to the agent.
    pub(crate) fn input(
        &mut self,
        sequence: i64,
        payload_type: PayloadType,
        now: Instant,
    ) -> Header<'static> {
        Header {
            message_type: "input_stream_data",
            created_ms: self.created_ms(now),
            sequence,
            flags: Flags::NONE,
            id: self.id(),
            payload_type,
        }
    }

    /// The header of an acknowledgement.
    pub(crate) fn acknowledgement(&mut self, now: Instant) -> Header<'static> {
        Header {
            message_type: "acknowledge",
            created_ms: self.created_ms(now),
            sequence: 0,
            flags: Flags::SYN_FIN,
            id: self.id(),
            payload_type: PayloadType::Undefined,
        }
    }
}
