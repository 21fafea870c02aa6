//! What the user saves: settings and bookmarks, in memory as they stand in their files.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::accounts::Accounts;
use crate::bookmarks::{Bookmarks, SavedTunnel};
use crate::error::Error;
use crate::event::{Event, Outbox};
use crate::notices::Notices;
use crate::settings::{Settings, WindowSettings};
use crate::stamps::{Haste, Stamps};
use crate::store::{Kept, Loaded, Malformed, Store, StoreError, Stored};
use crate::tasks::Tasks;
use crate::tunnels::Tunnels;
use crate::view::{AppError, BookmarksView, ErrorCode, SettingsView, Severity, TunnelId};

/// Clones speak for the same files.
#[derive(Clone)]
pub(crate) struct Saved(Arc<Inner>);

struct Inner {
    store: Store,
    tasks: Tasks,
    outbox: Outbox,
    notices: Notices,
    accounts: Accounts,
    tunnels: Tunnels,
    /// Held while a file is written, so that memory and file change together.
    settings: Mutex<Memory<Settings>>,
    bookmarks: Mutex<Memory<Bookmarks>>,
}

/// A value as it stands in its file, and what was last found wrong with that.
struct Memory<T> {
    value: T,
    wrong: Option<String>,
    stamps: Stamps,
}

impl<T: Stored> Memory<T> {
    fn new(value: T, store: &Store) -> Self {
        Self { value, wrong: None, stamps: Stamps::of(store.file::<T>().as_slice()) }
    }

    /// Reads the file if it was changed by somebody; none if there is nothing to read.
    fn reread(&mut self, store: &Store, haste: Haste) -> Option<Loaded<T>> {
        let file = store.file::<T>()?;
        self.stamps.are_due(&[file], haste).then(|| store.load::<T>())
    }
}

/// Both values as they are found at the start. What cannot be read has been set aside.
pub(crate) struct Found {
    pub(crate) settings: Settings,
    pub(crate) bookmarks: Bookmarks,
}

/// Reads both files.
pub(crate) fn find(store: &Store, notices: &Notices) -> Found {
    let (settings, wrong) = store.load_or_set_aside::<Settings>();
    note_set_aside(notices, Settings::FILE, wrong);
    let (bookmarks, wrong) = store.load_or_set_aside::<Bookmarks>();
    note_set_aside(notices, Bookmarks::FILE, wrong);
    Found { settings, bookmarks }
}

pub(crate) fn note_set_aside(notices: &Notices, file: &str, wrong: Option<(Malformed, PathBuf)>) {
    let Some((malformed, aside)) = wrong else { return };
    let message = format!(
        "{} cannot be read: {}. It was set aside as {} and the defaults are used.",
        malformed.file.display(),
        malformed.reason.trim_end_matches('.'),
        aside.display()
    );
    let error = AppError { code: ErrorCode::FileSetAside, message, detail: None };
    notices.raise(&format!("set-aside-{file}"), Severity::Warn, String::new(), Some(error));
}

impl Saved {
    pub(crate) fn new(
        store: Store,
        found: Found,
        tasks: Tasks,
        outbox: Outbox,
        notices: Notices,
        (accounts, tunnels): (Accounts, Tunnels),
    ) -> Self {
        let settings = Mutex::new(Memory::new(found.settings, &store));
        let bookmarks = Mutex::new(Memory::new(found.bookmarks, &store));
        Self(Arc::new(Inner {
            store,
            tasks,
            outbox,
            notices,
            accounts,
            tunnels,
            settings,
            bookmarks,
        }))
    }

    fn locked_settings(&self) -> MutexGuard<'_, Memory<Settings>> {
        self.0.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn locked_bookmarks(&self) -> MutexGuard<'_, Memory<Bookmarks>> {
        self.0.bookmarks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn settings(&self) -> SettingsView {
        self.locked_settings().value.window.0.clone()
    }

    pub(crate) fn bookmarks(&self) -> BookmarksView {
        self.locked_bookmarks().value.view()
    }

    pub(crate) fn tunnel(&self, id: &TunnelId) -> Option<SavedTunnel> {
        self.locked_bookmarks().value.tunnel(id).cloned()
    }

    pub(crate) fn settings_file(&self) -> Option<PathBuf> {
        self.0.store.file::<Settings>()
    }

    /// Changes the settings in memory and file.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::FileUnwritable`]; nothing is changed then.
    pub(crate) async fn change_settings(
        &self,
        change: impl FnOnce(&mut Settings) + Send + 'static,
    ) -> Result<(), AppError> {
        let this = self.clone();
        let done = self.0.tasks.off(move || {
            let mut memory = this.locked_settings();
            let kept = this.kept(change_kept(&this.0.store, &memory.value, change))?;
            this.take_settings(&mut memory, kept);
            Ok(())
        });
        done.await.and_then(|done| done).map_err(|error| Error::from(error).view())
    }

    fn take_settings(&self, memory: &mut Memory<Settings>, settings: Settings) {
        let is_new = memory.value.window != settings.window;
        memory.value = settings;
        memory.wrong = None;
        self.0.accounts.take(&memory.value);
        if is_new {
            let WindowSettings(view) = memory.value.window.clone();
            self.0.outbox.put(Event::Settings(view));
        }
    }

    /// Changes the bookmarks in memory and file.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::FileUnwritable`]; nothing is changed then.
    pub(crate) async fn change_bookmarks(
        &self,
        change: impl FnOnce(&mut Bookmarks) + Send + 'static,
    ) -> Result<(), AppError> {
        let this = self.clone();
        let done = self.0.tasks.off(move || {
            let mut memory = this.locked_bookmarks();
            let kept = this.kept(change_kept(&this.0.store, &memory.value, change))?;
            this.take_bookmarks(&mut memory, kept);
            Ok(())
        });
        done.await.and_then(|done| done).map_err(|error| Error::from(error).view())
    }

    fn take_bookmarks(&self, memory: &mut Memory<Bookmarks>, bookmarks: Bookmarks) {
        let (was, is) = (memory.value.view(), bookmarks.view());
        let is_tunnel_new = memory.value.tunnels != bookmarks.tunnels;
        memory.value = bookmarks;
        memory.wrong = None;
        if is_tunnel_new {
            self.0.tunnels.take(&memory.value.tunnels, false);
        }
        if was != is {
            self.0.outbox.put(Event::Bookmarks(is));
        }
    }

    fn kept<T>(&self, kept: Result<Kept<T>, StoreError>) -> Result<T, StoreError> {
        let Kept { value, set_aside } = kept?;
        if let Some(aside) = set_aside {
            let message =
                format!("A file that cannot be read was set aside as {}.", aside.display());
            let error = AppError { code: ErrorCode::FileSetAside, message, detail: None };
            self.0.notices.raise("set-aside", Severity::Warn, String::new(), Some(error));
        }
        Ok(value)
    }

    /// Looks at both files, which may have been edited by hand. What cannot be read is told, and
    /// left to whoever is editing it. May block.
    pub(crate) fn look(&self, haste: Haste) {
        let mut settings = self.locked_settings();
        if let Some(Loaded { value, malformed }) = settings.reread(&self.0.store, haste)
            && self.is_whole(&mut settings.wrong, Settings::FILE, malformed)
            && settings.value != value
        {
            self.take_settings(&mut settings, value);
        }
        drop(settings);
        let mut bookmarks = self.locked_bookmarks();
        if let Some(Loaded { value, malformed }) = bookmarks.reread(&self.0.store, haste)
            && self.is_whole(&mut bookmarks.wrong, Bookmarks::FILE, malformed)
            && bookmarks.value != value
        {
            self.take_bookmarks(&mut bookmarks, value);
        }
    }

    fn is_whole(&self, told: &mut Option<String>, file: &str, wrong: Option<Malformed>) -> bool {
        let Some(wrong) = wrong else {
            *told = None;
            return true;
        };
        if told.as_ref() != Some(&wrong.reason) {
            let message = format!(
                "{}. What was known before is used; the next change sets the file aside.",
                wrong.to_string().trim_end_matches('.')
            );
            let error = AppError { code: ErrorCode::FileSetAside, message, detail: None };
            self.0.notices.raise(
                &format!("set-aside-{file}"),
                Severity::Warn,
                String::new(),
                Some(error),
            );
            *told = Some(wrong.reason);
        }
        false
    }
}

/// Changes a value in its file; without a folder in memory alone.
fn change_kept<T: Stored + Clone>(
    store: &Store,
    value: &T,
    change: impl FnOnce(&mut T),
) -> Result<Kept<T>, StoreError> {
    if store.file::<T>().is_some() {
        return store.update(change);
    }
    let mut value = value.clone();
    change(&mut value);
    Ok(Kept { value, set_aside: None })
}
