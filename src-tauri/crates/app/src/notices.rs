//! What belongs to no place on screen, until the user has seen it.

use std::sync::{Arc, Mutex, PoisonError};

use crate::event::{Event, Outbox};
use crate::view::{AppError, NoticeId, NoticeView, Severity};

/// The notices. Clones speak for the same ones.
#[derive(Clone)]
pub(crate) struct Notices {
    outbox: Outbox,
    open: Arc<Mutex<Vec<NoticeView>>>,
}

impl Notices {
    pub(crate) fn new(outbox: Outbox) -> Self {
        Self { outbox, open: Arc::default() }
    }

    /// Tells something, in the place of what was told under the same id.
    pub(crate) fn raise(
        &self,
        id: &str,
        severity: Severity,
        text: String,
        error: Option<AppError>,
    ) {
        let id = NoticeId(id.to_owned());
        let notice = NoticeView { id, severity, text, error, profile_id: None };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|known| known.id != notice.id);
        open.push(notice.clone());
        self.outbox.put(Event::Notice(notice));
    }

    /// The user has seen it.
    pub(crate) fn close(&self, id: &NoticeId) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).retain(|known| known.id != *id);
    }

    /// Answers what nobody has closed.
    pub(crate) fn open(&self) -> Vec<NoticeView> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
