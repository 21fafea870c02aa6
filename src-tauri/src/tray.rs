//! The tray: a picture with the worst state of any tunnel as its dot, and a menu of switches.

mod icon;
mod menu;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use app::Desktop;
use app::view::{BookmarkId, IntentView, TunnelId};
use tauri::menu::{CheckMenuItem, IsMenuItem, Menu, MenuItem, PredefinedMenuItem};
use tauri::tray::{TrayIcon, TrayIconBuilder};
use tauri::{AppHandle, Manager as _, Wry};

use crate::tasks::Tasks;
use crate::{quit, window};
use menu::{Choice, Entry, TrayView};

/// The tray as it is shown; empty where the desktop has none.
#[derive(Default)]
pub(crate) struct Tray {
    shown: Mutex<Option<Shown>>,
}

struct Shown {
    tray: TrayIcon,
    view: TrayView,
    items: Vec<Item>,
}

/// An entry of the menu that may change in place.
enum Item {
    Check(CheckMenuItem<Wry>),
    Plain(MenuItem<Wry>),
    Line(PredefinedMenuItem<Wry>),
}

/// Opens the tray. Without the system's library for it the program runs on without one.
pub(crate) fn open(app: &AppHandle) {
    let view = view_of(app);
    // The library is looked for as it is first called, and its absence is a panic there.
    let opened = catch_unwind(AssertUnwindSafe(|| {
        let (menu, items) = build(app, &view)?;
        let tray = TrayIconBuilder::with_id("adit")
            .icon(icon::drawn(view.mood))
            .tooltip("Adit")
            .menu(&menu)
            .build(app)?;
        tauri::Result::Ok(Shown { tray, view, items })
    }));
    match opened {
        Ok(Ok(shown)) => *lock(&app.state::<Tray>()) = Some(shown),
        Ok(Err(error)) => tracing::warn!(%error, "there is no tray"),
        Err(_) => tracing::warn!("there is no tray: the system has no library for it"),
    }
}

/// Shows tunnels and bookmarks as they are now.
pub(crate) fn refresh(app: &AppHandle) {
    let refreshed = app.clone();
    let done = app.run_on_main_thread(move || {
        let view = view_of(&refreshed);
        if let Some(shown) = lock(&refreshed.state::<Tray>()).as_mut()
            && let Err(error) = shown.take(&refreshed, view)
        {
            tracing::warn!(%error, "the tray shows what was");
        }
    });
    if let Err(error) = done {
        tracing::debug!(%error, "the tray is closed");
    }
}

/// An entry of the menu was chosen.
pub(crate) fn chosen(app: &AppHandle, id: &str) {
    let Some(choice) = Choice::of(id) else { return };
    match choice {
        Choice::Show => window::show(app),
        Choice::Quit => quit::begin(app),
        Choice::StopAll => app.state::<Desktop>().tunnels_stop(),
        Choice::Tunnel(id) => switch(app, id),
        Choice::Node(id) => connect(app, &id),
    }
    // The system has switched the mark already; it is to say what is, not what was clicked.
    refresh(app);
}

fn switch(app: &AppHandle, id: TunnelId) {
    let desktop = app.state::<Desktop>().inner().clone();
    let Some(tunnel) = desktop.tunnels().into_iter().find(|tunnel| tunnel.id == id) else { return };
    app.state::<Tasks>().spawn(async move {
        if let Err(error) = desktop.tunnel_switch(id, !tunnel.wanted).await {
            tracing::warn!(error = error.message, "the tunnel is as it was");
        }
    });
}

fn connect(app: &AppHandle, id: &BookmarkId) {
    let nodes = app.state::<Desktop>().bookmarks().nodes;
    if let Some(node) = nodes.into_iter().find(|node| node.id == *id) {
        window::show_with(app, IntentView::OpenTerminal { target: node.target });
    }
}

impl Shown {
    /// Changes what differs, so that an open menu stays open.
    fn take(&mut self, app: &AppHandle, view: TrayView) -> tauri::Result<()> {
        if view == self.view {
            return Ok(());
        }
        if view.mood != self.view.mood {
            self.tray.set_icon(Some(icon::drawn(view.mood)))?;
        }
        if view.has_the_shape_of(&self.view) {
            for (item, entry) in self.items.iter().zip(&view.entries) {
                item.take(entry)?;
            }
        } else {
            let (menu, items) = build(app, &view)?;
            self.tray.set_menu(Some(menu))?;
            self.items = items;
        }
        self.view = view;
        Ok(())
    }
}

impl Item {
    fn build(app: &AppHandle, entry: &Entry) -> tauri::Result<Self> {
        let nothing = None::<&str>;
        Ok(match entry {
            Entry::Line => Self::Line(PredefinedMenuItem::separator(app)?),
            Entry::Caption(text) => Self::Plain(MenuItem::new(app, text, false, nothing)?),
            Entry::Deed { choice, text, enabled } => {
                Self::Plain(MenuItem::with_id(app, choice.id(), text, *enabled, nothing)?)
            }
            Entry::Switch { choice, text, on } => {
                let id = choice.id();
                Self::Check(CheckMenuItem::with_id(app, id, text, true, *on, nothing)?)
            }
        })
    }

    fn take(&self, entry: &Entry) -> tauri::Result<()> {
        match (self, entry) {
            (Self::Check(item), Entry::Switch { text, on, .. }) => {
                item.set_text(text)?;
                item.set_checked(*on)
            }
            (Self::Plain(item), Entry::Deed { text, enabled, .. }) => {
                item.set_text(text)?;
                item.set_enabled(*enabled)
            }
            _ => Ok(()),
        }
    }

    fn as_entry(&self) -> &dyn IsMenuItem<Wry> {
        match self {
            Self::Check(item) => item,
            Self::Plain(item) => item,
            Self::Line(item) => item,
        }
    }
}

fn build(app: &AppHandle, view: &TrayView) -> tauri::Result<(Menu<Wry>, Vec<Item>)> {
    let items: Vec<_> =
        view.entries.iter().map(|entry| Item::build(app, entry)).collect::<tauri::Result<_>>()?;
    let entries: Vec<_> = items.iter().map(Item::as_entry).collect();
    Ok((Menu::with_items(app, &entries)?, items))
}

fn view_of(app: &AppHandle) -> TrayView {
    let desktop = app.state::<Desktop>();
    TrayView::of(&desktop.tunnels(), &desktop.bookmarks())
}

fn lock(tray: &Tray) -> std::sync::MutexGuard<'_, Option<Shown>> {
    tray.shown.lock().unwrap_or_else(PoisonError::into_inner)
}
