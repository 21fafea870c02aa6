//! One session as the service remembers it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::sync::{mpsc, watch};

use super::{SessionRecord, SessionStatus};
use crate::gateway::Socket;
use crate::{clock, random};

/// How many tokens of one session are good at a time; the oldest goes first.
const TOKENS_KEPT: usize = 16;
/// How many fresh websockets may wait for a gateway that is busy.
const SOCKETS_WAITING: usize = 8;

/// What is known of a session, and the way to its gateway.
pub(crate) struct Entry {
    state: Mutex<State>,
    ending: watch::Sender<Option<Ending>>,
    sockets: mpsc::Sender<Socket>,
}

struct State {
    record: SessionRecord,
    tokens: Vec<String>,
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    /// What the client is told in `channel_closed`.
    pub(crate) output: String,
    pub(crate) status: SessionStatus,
}

impl Ending {
    pub(crate) fn terminated(output: impl Into<String>) -> Self {
        Self { output: output.into(), status: SessionStatus::Terminated }
    }

    pub(crate) fn failed(output: impl Into<String>) -> Self {
        Self { output: output.into(), status: SessionStatus::Failed }
    }
}

impl Entry {
    /// A session that has just been asked for, and the queue its gateway takes websockets from.
    pub(crate) fn new(record: SessionRecord) -> (Self, mpsc::Receiver<Socket>) {
        let (sockets, waiting) = mpsc::channel(SOCKETS_WAITING);
        let state = Mutex::new(State { record, tokens: Vec::new() });
        (Self { state, ending: watch::Sender::new(None), sockets }, waiting)
    }

    /// A fresh token, good for one websocket.
    pub(crate) fn mint_token(&self) -> String {
        let token = STANDARD.encode(random::bytes::<240>());
        let mut state = self.lock();
        if state.tokens.len() == TOKENS_KEPT {
            state.tokens.remove(0);
        }
        state.tokens.push(token.clone());
        token
    }

    /// Whether `token` was good; it is not any more.
    pub(crate) fn spend_token(&self, token: &str) -> bool {
        let mut state = self.lock();
        let found = state.tokens.iter().position(|known| known == token);
        found.map(|index| state.tokens.remove(index)).is_some()
    }

    /// Hands a websocket with a good token to the gateway, unless that is gone.
    pub(crate) async fn attach(&self, socket: Socket) -> Result<(), Socket> {
        self.sockets.send(socket).await.map_err(|refused| refused.0)
    }

    /// Ends the session, unless something else has.
    pub(crate) fn end(&self, ending: Ending) {
        {
            let mut state = self.lock();
            if state.record.end.is_some() {
                return;
            }
            tracing::debug!(session = state.record.id, ?ending, "session is over");
            state.record.end = Some(clock::date());
            state.record.status = ending.status;
        }
        self.ending.send_replace(Some(ending));
    }

    /// Becomes `Some` when the session is over.
    pub(crate) fn ending(&self) -> watch::Receiver<Option<Ending>> {
        self.ending.subscribe()
    }

    pub(crate) fn set_connected(&self, connected: bool) {
        let mut state = self.lock();
        if state.record.end.is_none() {
            state.record.status =
                if connected { SessionStatus::Connected } else { SessionStatus::Disconnected };
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.lock().record.end.is_some()
    }

    pub(crate) fn record(&self) -> SessionRecord {
        self.lock().record.clone()
    }

    pub(crate) fn belongs_to(&self, account: &str, region: &str) -> bool {
        let state = self.lock();
        state.record.account == account && state.record.region == region
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
