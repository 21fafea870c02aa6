//! Live sessions, written down so that the next start can end what a killed process left behind.
//!
//! Each process has a file of its own, locked for as long as it lives: a file whose lock can be
//! had belongs to nobody any more. A line is added when a session starts and when it ends; the
//! file goes when the last session has ended.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use session::{Ledger, LiveSession, SessionId};

use crate::error::Error;

/// Below the state folder.
const FOLDER: &str = "sessions";
const EXTENSION: &str = "jsonl";
/// No session lives longer, whatever the account's preferences say.
const LONGEST_SESSION: Duration = Duration::from_secs(24 * 60 * 60);

/// A session that an earlier process left behind, and how ending it went.
#[derive(Clone, Debug)]
pub struct Leftover {
    /// The session.
    pub session: LiveSession,
    /// Why it could not be ended; none if it was.
    pub error: Option<Error>,
}

/// One line of a ledger file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Started(LiveSession),
    Ended(SessionId),
}

/// Writes down the sessions of this process.
#[derive(Debug)]
pub(crate) struct FileLedger {
    folder: PathBuf,
    book: Mutex<Option<Book>>,
}

/// An open ledger file, locked.
#[derive(Debug)]
struct Book {
    path: PathBuf,
    file: File,
    live: BTreeMap<SessionId, LiveSession>,
}

impl FileLedger {
    /// Keeps its file below `state_folder`, made with the first session.
    pub(crate) fn new(state_folder: PathBuf) -> Self {
        Self { folder: state_folder.join(FOLDER), book: Mutex::new(None) }
    }

    fn book(&self) -> MutexGuard<'_, Option<Book>> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn started(&self, session: &LiveSession) -> io::Result<()> {
        let mut slot = self.book();
        let book = match &mut *slot {
            Some(book) => book,
            None => slot.insert(Book::create(&self.folder)?),
        };
        book.live.insert(session.session_id.clone(), session.clone());
        book.add(&Line::Started(session.clone()))
    }

    fn ended(&self, session_id: &SessionId) -> io::Result<()> {
        let mut slot = self.book();
        let Some(book) = &mut *slot else { return Ok(()) };
        book.add(&Line::Ended(session_id.clone()))?;
        book.live.remove(session_id);
        if book.live.is_empty()
            && let Some(book) = slot.take()
        {
            book.remove()?;
        }
        Ok(())
    }
}

impl Ledger for FileLedger {
    fn session_started(&self, session: &LiveSession) {
        if let Err(error) = self.started(session) {
            tracing::warn!(%error, session_id = %session.session_id, "a session is not written down");
        }
    }

    fn session_ended(&self, session_id: &SessionId) {
        if let Err(error) = self.ended(session_id) {
            tracing::warn!(%error, %session_id, "a session's end is not written down");
        }
    }
}

impl Book {
    fn create(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let name = format!("{}-{}.{EXTENSION}", std::process::id(), since.as_nanos());
        let path = folder.join(name);
        let mut options = OpenOptions::new();
        options.create_new(true).append(true).read(true);
        let file = options.open(&path)?;
        file.try_lock()?;
        Ok(Self { path, file, live: BTreeMap::new() })
    }

    /// Opens a file that belongs to nobody any more; none if its process lives.
    fn abandoned(path: PathBuf) -> io::Result<Option<Self>> {
        let mut file = OpenOptions::new().append(true).read(true).open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let mut text = String::new();
        file.rewind()?;
        file.read_to_string(&mut text)?;
        Ok(Some(Self { path, file, live: live(&text) }))
    }

    fn add(&mut self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_string(line)?;
        text.push('\n');
        self.file.write_all(text.as_bytes())
    }

    fn remove(self) -> io::Result<()> {
        let Self { path, file, .. } = self;
        // Closed first: Windows keeps a file that is still open.
        drop(file);
        fs::remove_file(path)
    }
}

/// Reads which sessions were started and not ended. A line cut short by the end of its process
/// is passed over.
fn live(text: &str) -> BTreeMap<SessionId, LiveSession> {
    let mut live = BTreeMap::new();
    for line in text.lines().filter_map(|line| serde_json::from_str(line).ok()) {
        match line {
            Line::Started(session) => drop(live.insert(session.session_id.clone(), session)),
            Line::Ended(session_id) => drop(live.remove(&session_id)),
        }
    }
    live
}

/// What earlier processes left behind. Holds the locks, so that no other process ends it too.
#[derive(Debug, Default)]
pub(crate) struct Leftovers {
    books: Vec<Book>,
}

impl Leftovers {
    /// Looks through the ledgers below `state_folder`. Those with nothing in them are removed.
    pub(crate) fn find(state_folder: &Path) -> Self {
        let mut leftovers = Self::default();
        let Ok(entries) = fs::read_dir(state_folder.join(FOLDER)) else { return leftovers };
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            if path.extension().is_none_or(|extension| extension != EXTENSION) {
                continue;
            }
            if let Err(error) = leftovers.look_into(path.clone()) {
                tracing::warn!(%error, file = %path.display(), "a ledger cannot be read");
            }
        }
        leftovers
    }

    fn look_into(&mut self, path: PathBuf) -> io::Result<()> {
        let Some(mut book) = Book::abandoned(path)? else { return Ok(()) };
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let oldest = since.saturating_sub(LONGEST_SESSION).as_millis();
        book.live.retain(|_, session| u128::from(session.started_ms) >= oldest);
        if book.live.is_empty() {
            return book.remove();
        }
        self.books.push(book);
        Ok(())
    }

    /// Names the sessions.
    pub(crate) fn sessions(&self) -> Vec<LiveSession> {
        self.books.iter().flat_map(|book| book.live.values()).cloned().collect()
    }

    /// Strikes a session out.
    pub(crate) fn ended(&mut self, session_id: &SessionId) {
        let books = std::mem::take(&mut self.books);
        for mut book in books {
            if book.live.remove(session_id).is_none() {
                self.books.push(book);
                continue;
            }
            let path = book.path.clone();
            let struck = book.add(&Line::Ended(session_id.clone())).and_then(|()| {
                if book.live.is_empty() {
                    return book.remove();
                }
                self.books.push(book);
                Ok(())
            });
            if let Err(error) = struck {
                tracing::warn!(%error, file = %path.display(), "a ledger cannot be written");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(id: &str) -> LiveSession {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        LiveSession {
            session_id: SessionId::new(id),
            target: "i-01234567".into(),
            document: None,
            label: "eu-west-1 prod".into(),
            started_ms: u64::try_from(since.as_millis()).expect("before the year 500 million"),
        }
    }

    fn files(folder: &Path) -> usize {
        fs::read_dir(folder.join(FOLDER)).map_or(0, Iterator::count)
    }

    #[test]
    fn a_process_that_ends_its_sessions_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let ledger = FileLedger::new(folder.path().to_owned());
        assert_eq!(files(folder.path()), 0);
        ledger.session_started(&session("a"));
        ledger.session_started(&session("b"));
        assert_eq!(files(folder.path()), 1);
        ledger.session_ended(&SessionId::new("a"));
        ledger.session_ended(&SessionId::new("b"));
        assert_eq!(files(folder.path()), 0);
    }

    #[test]
    fn what_a_killed_process_left_is_found_until_it_is_ended() {
        let folder = tempfile::tempdir().expect("a folder");
        let ledger = FileLedger::new(folder.path().to_owned());
        for id in ["a", "b", "c"] {
            ledger.session_started(&session(id));
        }
        ledger.session_ended(&SessionId::new("b"));
        // The lock goes with the file handle, as it does when a process is killed.
        drop(ledger);

        let mut found = Leftovers::find(folder.path());
        let ids: Vec<_> = found.sessions().into_iter().map(|s| s.session_id).collect();
        assert_eq!(ids, [SessionId::new("a"), SessionId::new("c")]);
        found.ended(&SessionId::new("a"));
        drop(found);

        let mut found = Leftovers::find(folder.path());
        assert_eq!(found.sessions().len(), 1);
        found.ended(&SessionId::new("c"));
        assert_eq!(files(folder.path()), 0);
    }

    #[test]
    fn what_belongs_to_a_living_process_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let ledger = FileLedger::new(folder.path().to_owned());
        ledger.session_started(&session("a"));
        assert!(Leftovers::find(folder.path()).sessions().is_empty());
        assert_eq!(files(folder.path()), 1);
    }

    #[test]
    fn two_processes_do_not_end_the_same_leftover() {
        let folder = tempfile::tempdir().expect("a folder");
        let ledger = FileLedger::new(folder.path().to_owned());
        ledger.session_started(&session("a"));
        drop(ledger);
        let first = Leftovers::find(folder.path());
        assert_eq!(first.sessions().len(), 1);
        assert!(Leftovers::find(folder.path()).sessions().is_empty());
    }

    #[test]
    fn a_line_cut_short_and_sessions_of_yesterday_are_passed_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let ledger = FileLedger::new(folder.path().to_owned());
        ledger.session_started(&LiveSession { started_ms: 1, ..session("old") });
        ledger.session_started(&session("new"));
        let path = ledger.book().as_ref().expect("open").path.clone();
        drop(ledger);
        let mut file = OpenOptions::new().append(true).open(path).expect("there");
        file.write_all(b"{\"started\":{\"sess").expect("written");
        drop(file);
        let found = Leftovers::find(folder.path()).sessions();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].session_id, SessionId::new("new"));
    }
}
