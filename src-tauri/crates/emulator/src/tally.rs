//! What has been asked so far: counted for tests and for the curious.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

/// Counts since the emulator started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// TCP connections accepted.
    pub connections: u64,
    /// Calls by operation; `unknown` for those that are none.
    pub requests: BTreeMap<String, u64>,
    /// Refusals by error code.
    pub refusals: BTreeMap<String, u64>,
    /// Signatures by what became of them: `ok`, `mismatch`, `missing` and so on.
    pub signatures: BTreeMap<String, u64>,
    /// Websocket upgrades: `signed`, `unsigned` and `refused`.
    pub upgrades: BTreeMap<String, u64>,
}

/// The counter. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally(Arc<Mutex<Counts>>);

impl Tally {
    pub(crate) fn counts(&self) -> Counts {
        self.lock().clone()
    }

    pub(crate) fn connection(&self) {
        self.lock().connections += 1;
    }

    pub(crate) fn request(&self, operation: &str) {
        count(&mut self.lock().requests, operation);
    }

    pub(crate) fn refusal(&self, code: &str) {
        count(&mut self.lock().refusals, code);
    }

    pub(crate) fn signature(&self, outcome: &str) {
        count(&mut self.lock().signatures, outcome);
    }

    pub(crate) fn upgrade(&self, outcome: &str) {
        count(&mut self.lock().upgrades, outcome);
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn count(counts: &mut BTreeMap<String, u64>, name: &str) {
    match counts.get_mut(name) {
        Some(count) => *count += 1,
        None => {
            counts.insert(name.to_owned(), 1);
        }
    }
}
