//! The product's events as named events of the window; tray and notifications hear the same.

use app::view::{
    BookmarksView, IntentView, InventoryView, NoticeView, ProfilesView, SettingsView,
    TerminalStateView, TunnelLogView, TunnelTrafficView, TunnelView,
};
use app::{Event, Events};
use serde::Serialize;
use specta::Type;
use tauri::{AppHandle, Manager as _};
use tauri_specta::Event as _;
use tokio::task::JoinSet;

use crate::attention::{Attention, Deed, LOST_AFTER};
use crate::{habits, notifications, tray};

macro_rules! named {
    ($($event:ident($view:ident)),* $(,)?) => { $(
        #[derive(Clone, Debug, Serialize, Type, tauri_specta::Event)]
        pub(crate) struct $event(pub(crate) $view);
    )* }
}

named!(
    ProfilesEvent(ProfilesView),
    InventoryEvent(InventoryView),
    TerminalStateEvent(TerminalStateView),
    TunnelEvent(TunnelView),
    TunnelTrafficEvent(TunnelTrafficView),
    TunnelLogEvent(TunnelLogView),
    BookmarksEvent(BookmarksView),
    SettingsEvent(SettingsView),
    NoticeEvent(NoticeView),
    IntentEvent(IntentView),
);

/// Tells every event until the product is closed.
pub(crate) async fn tell(app: AppHandle, mut events: Events) {
    let mut attention = Attention::default();
    let mut waits = JoinSet::new();
    loop {
        let deeds = tokio::select! {
            event = events.next() => match event {
                Some(event) => {
                    let deeds = attention.heed(&event);
                    hear(&app, &event);
                    emit(&app, event);
                    deeds
                }
                None => return,
            },
            Some(Ok((tunnel, loss))) = waits.join_next() => {
                attention.still_lost(&tunnel, loss).into_iter().collect()
            }
        };
        for deed in deeds {
            match deed {
                Deed::Tell(message) => {
                    if message.is_wanted(app.state::<habits::Habits>().settings().as_ref()) {
                        notifications::show(&app, message);
                    }
                }
                Deed::Wait(tunnel, loss) => {
                    waits.spawn(async move {
                        tokio::time::sleep(LOST_AFTER).await;
                        (tunnel, loss)
                    });
                }
            }
        }
    }
}

/// What the shell itself makes of an event.
fn hear(app: &AppHandle, event: &Event) {
    match event {
        Event::Settings(settings) => habits::heed(app, settings),
        Event::Tunnel(_) | Event::Bookmarks(_) => tray::refresh(app),
        Event::Profiles(_)
        | Event::Inventory(_)
        | Event::Terminal(_)
        | Event::TunnelTraffic(_)
        | Event::TunnelLog(_)
        | Event::Notice(_) => {}
    }
}

fn emit(app: &AppHandle, event: Event) {
    let done = match event {
        Event::Profiles(view) => ProfilesEvent(view).emit(app),
        Event::Inventory(view) => InventoryEvent(view).emit(app),
        Event::Terminal(view) => TerminalStateEvent(view).emit(app),
        Event::Tunnel(view) => TunnelEvent(view).emit(app),
        Event::TunnelTraffic(view) => TunnelTrafficEvent(view).emit(app),
        Event::TunnelLog(view) => TunnelLogEvent(view).emit(app),
        Event::Bookmarks(view) => BookmarksEvent(view).emit(app),
        Event::Settings(view) => SettingsEvent(view).emit(app),
        Event::Notice(view) => NoticeEvent(view).emit(app),
    };
    if let Err(error) = done {
        tracing::warn!(%error, "the page was not told of a change");
    }
}
