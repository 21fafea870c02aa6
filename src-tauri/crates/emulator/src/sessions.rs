//! Every session of the emulated service: started, resumed, ended and remembered.

mod document;
mod entry;
mod network;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::task::JoinSet;

pub(crate) use document::Filled;
pub use document::{Document, DocumentError, Inputs, SessionType, ShellProfile};
pub(crate) use entry::{Ending, Entry};
pub use network::{Address, LocalNetwork, Network};

use crate::faults::Faults;
use crate::services::kms::Kms;
use crate::{agent, clock, gateway, random};

/// How many sessions that are over a listing still shows.
const HISTORY_KEPT: usize = 5_000;

/// The operating system family of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// Linux.
    Linux,
    /// macOS.
    MacOs,
    /// Windows Server.
    Windows,
}

/// What the agent of one node is like.
#[derive(Clone, Debug)]
pub struct NodeProfile {
    /// `i-…` or `mi-…`.
    pub id: String,
    /// The name its prompt shows.
    pub host_name: String,
    /// Decides the document block that is run and the input rule of shells.
    pub platform: Platform,
    /// The version the agent tells and behaves as.
    pub agent_version: String,
    /// Whether a session can be started at all.
    pub online: bool,
    /// Where shells start; a fresh empty folder per session when absent.
    pub home: Option<PathBuf>,
    /// `Kms.RequireKMSChallengeResponse` of the agent's configuration.
    pub requires_challenge: bool,
}

/// All that a `StartSession` call decides.
#[derive(Clone)]
pub struct SessionStart {
    /// The account that owns the session.
    pub account: String,
    /// The region it lives in.
    pub region: String,
    /// The caller, as `DescribeSessions` shows it. Its last path segment begins the session id.
    pub owner_arn: String,
    /// The node.
    pub target: NodeProfile,
    /// The document, its parameters not yet filled in.
    pub document: Document,
    /// The caller's parameters.
    pub parameters: BTreeMap<String, Vec<String>>,
    /// The caller's reason.
    pub reason: Option<String>,
    /// What the node can reach.
    pub network: Arc<dyn Network>,
}

/// The answer to `StartSession`, without the stream address, which only the listener knows.
#[derive(Clone)]
pub struct Started {
    /// The new session.
    pub session_id: String,
    /// Opens the data channel once.
    pub token: String,
}

/// Why a session was not started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartRefused {
    /// `TargetNotConnected`.
    #[error("{target} is not connected.")]
    TargetNotConnected {
        /// The node asked for.
        target: String,
    },
    /// `InvalidParameters`.
    #[error(transparent)]
    InvalidParameters(#[from] DocumentError),
}

/// The session does not exist here, or not any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the session does not exist")]
pub struct NotFound;

/// What `DescribeSessions` calls `Status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionStatus {
    /// No client has opened the data channel yet.
    Connecting,
    /// A client holds the data channel.
    Connected,
    /// The client's websocket is gone, the session is not.
    Disconnected,
    /// Over: by its program, the API, or a limit.
    Terminated,
    /// Over: the agent reported a failure.
    Failed,
}

/// One line of `DescribeSessions`.
#[derive(Clone, Debug)]
pub struct SessionRecord {
    /// The session.
    pub id: String,
    /// Its node.
    pub target: String,
    /// Its account.
    pub account: String,
    /// Its region.
    pub region: String,
    /// Where it stands.
    pub status: SessionStatus,
    /// When it was asked for.
    pub start: SystemTime,
    /// When it ended.
    pub end: Option<SystemTime>,
    /// The document's name.
    pub document: String,
    /// Who asked.
    pub owner: String,
    /// Why they asked.
    pub reason: Option<String>,
    /// The longest it may last, if the service limits it.
    pub max_duration: Option<Duration>,
}

/// Which half of the sessions a listing wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionState {
    /// Not over.
    Active,
    /// Over.
    History,
}

/// The sessions. Clones share them; the last clone dropped ends them all, their shells too.
#[derive(Clone)]
pub struct Sessions {
    shared: Arc<Shared>,
}

struct Shared {
    faults: Faults,
    kms: Kms,
    entries: Mutex<BTreeMap<String, Arc<Entry>>>,
    tasks: Mutex<JoinSet<()>>,
}

impl Sessions {
    /// No session yet.
    #[must_use]
    pub fn new(faults: Faults, kms: Kms) -> Self {
        Self {
            shared: Arc::new(Shared {
                faults,
                kms,
                entries: Mutex::default(),
                tasks: Mutex::default(),
            }),
        }
    }

    /// Starts a session: its gateway listens for the client and its agent joins. Must be called
    /// within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`StartRefused::TargetNotConnected`] when the node is offline, and
    /// [`StartRefused::InvalidParameters`] when the parameters do not fit the document.
    pub fn start(&self, start: SessionStart) -> Result<Started, StartRefused> {
        if !start.target.online {
            return Err(StartRefused::TargetNotConnected { target: start.target.id });
        }
        let filled = start.document.fill(&start.parameters)?;
        let session_id = new_session_id(&start.owner_arn);
        let max_duration = self.shared.faults.gateway_rules(&session_id).max_duration;
        let (entry, relay) = Entry::new(SessionRecord {
            id: session_id.clone(),
            target: start.target.id.clone(),
            account: start.account.clone(),
            region: start.region.clone(),
            status: SessionStatus::Connecting,
            start: clock::date(),
            end: None,
            document: start.document.name().to_owned(),
            owner: start.owner_arn.clone(),
            reason: start.reason.clone(),
            max_duration,
        });
        let entry = Arc::new(entry);
        let token = entry.mint_token();
        let (faults, kms) = (self.shared.faults.clone(), self.shared.kms.clone());
        let (relay, ends) = gateway::Relay::new(Arc::clone(&entry), faults.clone(), relay);
        let assignment = agent::Assignment {
            session_id: session_id.clone(),
            node: start.target,
            document: filled,
            network: start.network,
            faults,
            kms,
        };
        {
            let mut tasks = lock(&self.shared.tasks);
            while tasks.try_join_next().is_some() {}
            tasks.spawn(relay.run());
            tasks.spawn(agent::run(assignment, ends));
        }
        let mut entries = lock(&self.shared.entries);
        forget_oldest(&mut entries);
        entries.insert(session_id.clone(), entry);
        Ok(Started { session_id, token })
    }

    /// A fresh token for a session; none once it is over.
    ///
    /// # Errors
    ///
    /// [`NotFound`] when that account has no such session in that region.
    pub fn resume(
        &self,
        id: &str,
        account: &str,
        region: &str,
    ) -> Result<Option<String>, NotFound> {
        let entry = self.owned(id, account, region)?;
        if entry.is_over() || self.shared.faults.take_null_resume() {
            return Ok(None);
        }
        Ok(Some(entry.mint_token()))
    }

    /// Ends a session. Ending it again is no error.
    ///
    /// # Errors
    ///
    /// [`NotFound`] when that account has no such session in that region.
    pub fn terminate(&self, id: &str, account: &str, region: &str) -> Result<(), NotFound> {
        self.owned(id, account, region)?.end(Ending::terminated(""));
        Ok(())
    }

    /// The sessions of one account and region, the newest first.
    #[must_use]
    pub fn list(&self, account: &str, region: &str, state: SessionState) -> Vec<SessionRecord> {
        let mut found: Vec<_> = lock(&self.shared.entries)
            .values()
            .map(|entry| entry.record())
            .filter(|record| record.account == account && record.region == region)
            .filter(|record| record.end.is_some() == (state == SessionState::History))
            .collect();
        found.sort_by_key(|record| std::cmp::Reverse(record.start));
        found
    }

    /// Every session that is not over, of all accounts.
    #[must_use]
    pub fn active(&self) -> Vec<SessionRecord> {
        let entries = lock(&self.shared.entries);
        entries.values().filter(|entry| !entry.is_over()).map(|entry| entry.record()).collect()
    }

    /// Stops every session at once, without a word to anybody, and waits until they are gone.
    pub async fn stop(&self) {
        let mut tasks = std::mem::take(&mut *lock(&self.shared.tasks));
        tasks.shutdown().await;
    }

    pub(crate) fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    pub(crate) fn entry(&self, id: &str) -> Option<Arc<Entry>> {
        lock(&self.shared.entries).get(id).cloned()
    }

    fn owned(&self, id: &str, account: &str, region: &str) -> Result<Arc<Entry>, NotFound> {
        self.entry(id).filter(|entry| entry.belongs_to(account, region)).ok_or(NotFound)
    }
}

fn forget_oldest(entries: &mut BTreeMap<String, Arc<Entry>>) {
    if entries.len() < 2 * HISTORY_KEPT {
        return;
    }
    let mut over: Vec<_> =
        entries.values().filter(|entry| entry.is_over()).map(|entry| entry.record()).collect();
    over.sort_by_key(|record| record.end);
    let excess = over.len().saturating_sub(HISTORY_KEPT);
    for record in over.into_iter().take(excess) {
        entries.remove(&record.id);
    }
}

/// The caller's name and 17 digits, as the service makes them: `alice-0123456789abcdef0`.
fn new_session_id(owner_arn: &str) -> String {
    let owner = owner_arn.rsplit(['/', ':']).next().unwrap_or_default();
    let number = u64::from_be_bytes(random::bytes());
    format!("{owner}-0{number:016x}")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
