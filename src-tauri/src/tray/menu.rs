//! The tray's menu as a value. Pure.

use app::view::{
    BookmarkId, BookmarksView, ErrorCode, StartStep, TunnelId, TunnelState, TunnelView,
};

/// Favourite nodes offered at most: a menu is no list.
const MOST_NODES: usize = 8;
/// Letters of a failure that still fit into a menu.
const MOST_LETTERS: usize = 60;

/// All the tray shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TrayView {
    pub(crate) entries: Vec<Entry>,
    pub(crate) mood: Mood,
}

/// The worst state of any tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mood {
    /// No tunnel is on.
    Idle,
    Good,
    /// One is on its way up.
    Busy,
    /// One waits for the user or for the network.
    Troubled,
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Caption(String),
    Switch { choice: Choice, text: String, on: bool },
    Deed { choice: Choice, text: String, enabled: bool },
    Line,
}

/// What an entry does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    Tunnel(TunnelId),
    Node(BookmarkId),
    StopAll,
    Show,
    Quit,
}

impl Choice {
    /// Its name in the menu.
    pub(crate) fn id(&self) -> String {
        match self {
            Self::Tunnel(id) => format!("tunnel:{}", id.0),
            Self::Node(id) => format!("node:{}", id.0),
            Self::StopAll => "stop-all".to_owned(),
            Self::Show => "show".to_owned(),
            Self::Quit => "quit".to_owned(),
        }
    }

    /// The choice of that name.
    pub(crate) fn of(id: &str) -> Option<Self> {
        match id.split_once(':') {
            Some(("tunnel", id)) => Some(Self::Tunnel(TunnelId(id.to_owned()))),
            Some(("node", id)) => Some(Self::Node(BookmarkId(id.to_owned()))),
            Some(_) => None,
            None => {
                [Self::StopAll, Self::Show, Self::Quit].into_iter().find(|each| each.id() == id)
            }
        }
    }
}

impl TrayView {
    pub(crate) fn of(tunnels: &[TunnelView], bookmarks: &BookmarksView) -> Self {
        let mut entries = vec![deed(Choice::Show, "Open Adit", true), Entry::Line];
        let groups = groups(tunnels, &bookmarks.groups);
        for group in &groups {
            if let Some(name) = group {
                entries.push(Entry::Caption(escaped(name)));
            }
            let inside = tunnels.iter().filter(|tunnel| tunnel.spec.group.as_deref() == *group);
            entries.extend(inside.map(switch));
        }
        if groups.is_empty() {
            entries.push(Entry::Caption("No tunnels yet".to_owned()));
        }
        let any = tunnels.iter().any(|tunnel| tunnel.wanted);
        entries.extend([deed(Choice::StopAll, "Stop all tunnels", any), Entry::Line]);
        if !bookmarks.nodes.is_empty() {
            entries.push(Entry::Caption("Open a terminal on".to_owned()));
            entries.extend(
                bookmarks
                    .nodes
                    .iter()
                    .take(MOST_NODES)
                    .map(|node| deed(Choice::Node(node.id.clone()), &escaped(&node.name), true)),
            );
            entries.push(Entry::Line);
        }
        entries.push(deed(Choice::Quit, "Quit", true));
        let mood = tunnels.iter().map(mood).max().unwrap_or(Mood::Idle);
        Self { entries, mood }
    }

    /// Whether the same entries stand in the same order, whatever they say.
    pub(crate) fn has_the_shape_of(&self, other: &Self) -> bool {
        self.entries.len() == other.entries.len()
            && self.entries.iter().zip(&other.entries).all(|(a, b)| match (a, b) {
                (Entry::Switch { choice: a, .. }, Entry::Switch { choice: b, .. })
                | (Entry::Deed { choice: a, .. }, Entry::Deed { choice: b, .. }) => a == b,
                _ => a == b,
            })
    }
}

/// The groups that have a tunnel, in the order to show; tunnels of no group come first.
fn groups<'a>(tunnels: &'a [TunnelView], order: &[String]) -> Vec<Option<&'a str>> {
    let mut found: Vec<_> = tunnels.iter().map(|tunnel| tunnel.spec.group.as_deref()).collect();
    let place = |group: &Option<&str>| {
        group.map(|name| order.iter().position(|known| known == name).unwrap_or(usize::MAX))
    };
    found.sort_by(|a, b| (place(a), a).cmp(&(place(b), b)));
    found.dedup();
    found
}

fn switch(tunnel: &TunnelView) -> Entry {
    Entry::Switch {
        choice: Choice::Tunnel(tunnel.id.clone()),
        text: escaped(&format!("{} · {}", tunnel.spec.name, words(tunnel))),
        on: tunnel.wanted,
    }
}

fn deed(choice: Choice, text: &str, enabled: bool) -> Entry {
    Entry::Deed { choice, text: text.to_owned(), enabled }
}

/// The state in words, as short as a menu wants them.
fn words(tunnel: &TunnelView) -> String {
    let address = tunnel.listening.first().map_or("its port", String::as_str);
    match &tunnel.state {
        TunnelState::Stopped => "Stopped".to_owned(),
        TunnelState::Starting { step: StartStep::Session } => "Starting session…".to_owned(),
        TunnelState::Starting { step: StartStep::Agent } => "Waiting for the agent…".to_owned(),
        TunnelState::Ready => format!("Ready on {address}"),
        TunnelState::Listening { .. } => format!("Listening on {address}"),
        TunnelState::Reconnecting { cause, .. } => shortened(&format!("{cause}, reconnecting…")),
        TunnelState::Waiting { error } if error.code == ErrorCode::SignInExpired => {
            "Sign-in expired".to_owned()
        }
        TunnelState::Waiting { error } | TunnelState::Failed { error, .. } => {
            shortened(&error.message)
        }
    }
}

fn mood(tunnel: &TunnelView) -> Mood {
    match tunnel.state {
        TunnelState::Stopped => Mood::Idle,
        TunnelState::Ready | TunnelState::Listening { .. } => Mood::Good,
        TunnelState::Starting { .. } => Mood::Busy,
        TunnelState::Reconnecting { .. } | TunnelState::Waiting { .. } => Mood::Troubled,
        TunnelState::Failed { .. } => Mood::Failed,
    }
}

/// The first sentence, cut where it is too long.
fn shortened(text: &str) -> String {
    let first = text.split_once(". ").map_or(text, |(first, _)| first).trim_end_matches('.');
    if first.chars().count() <= MOST_LETTERS {
        return first.to_owned();
    }
    let start: String = first.chars().take(MOST_LETTERS).collect();
    format!("{}…", start.trim_end())
}

/// A menu takes a single `&` for the mark of a key.
fn escaped(text: &str) -> String {
    text.replace('&', "&&")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use app::AppError;

    #[test]
    fn tunnels_stand_under_their_groups_in_the_order_of_the_bookmarks() {
        let tunnels = [
            tunnel("a", Some("web"), TunnelState::Stopped),
            tunnel("b", Some("data"), TunnelState::Stopped),
            tunnel("c", None, TunnelState::Stopped),
            tunnel("d", Some("zebra"), TunnelState::Stopped),
        ];
        let view = TrayView::of(&tunnels, &bookmarks(&["web", "data"]));
        assert_eq!(
            texts(&view),
            [
                "Open Adit",
                "-",
                "[ ] c · Stopped",
                "web:",
                "[ ] a · Stopped",
                "data:",
                "[ ] b · Stopped",
                "zebra:",
                "[ ] d · Stopped",
                "(Stop all tunnels)",
                "-",
                "Quit",
            ]
        );
    }

    #[test]
    fn state_is_told_in_words_and_the_dot_is_the_worst() {
        let error = AppError {
            code: ErrorCode::PortTaken,
            message: "Port 5432 is taken by postgres & co. Choose another.".to_owned(),
            detail: None,
        };
        let tunnels = [
            tunnel("db", None, TunnelState::Listening { since_ms: 0 }),
            tunnel("web", None, TunnelState::Failed { error, free_port: None }),
        ];
        let view = TrayView::of(&tunnels, &bookmarks(&[]));
        assert_eq!(
            texts(&view)[2..5],
            [
                "[x] db · Listening on 127.0.0.1:5432",
                "[x] web · Port 5432 is taken by postgres && co",
                "Stop all tunnels",
            ]
        );
        assert_eq!(view.mood, Mood::Failed);
    }

    #[test]
    fn another_state_leaves_the_shape_as_it_is() {
        let of = |state| TrayView::of(&[tunnel("a", None, state)], &bookmarks(&[]));
        let (off, on) = (of(TunnelState::Stopped), of(TunnelState::Ready));
        assert!(off != on && off.has_the_shape_of(&on));
        assert!(!off.has_the_shape_of(&TrayView::of(&[], &bookmarks(&[]))));
    }

    #[test]
    fn a_choice_is_known_by_its_name() {
        let tunnel = Choice::Tunnel(TunnelId("t:1".to_owned()));
        for choice in [tunnel, Choice::StopAll, Choice::Show, Choice::Quit] {
            assert_eq!(Choice::of(&choice.id()), Some(choice));
        }
        assert_eq!(Choice::of("else"), None);
    }

    #[test]
    fn long_failures_are_cut() {
        let long = "x".repeat(200);
        assert_eq!(shortened(&long).chars().count(), MOST_LETTERS + 1);
        assert_eq!(shortened("First. Second."), "First");
    }

    fn texts(view: &TrayView) -> Vec<String> {
        let text = |entry: &Entry| match entry {
            Entry::Line => "-".to_owned(),
            Entry::Caption(text) => format!("{text}:"),
            Entry::Switch { text, on, .. } => format!("[{}] {text}", if *on { 'x' } else { ' ' }),
            Entry::Deed { text, enabled: true, .. } => text.clone(),
            Entry::Deed { text, .. } => format!("({text})"),
        };
        view.entries.iter().map(text).collect()
    }

    fn bookmarks(groups: &[&str]) -> BookmarksView {
        let groups = groups.iter().map(|&group| group.to_owned()).collect();
        BookmarksView { nodes: Vec::new(), groups, saved_views: Vec::new() }
    }

    fn tunnel(name: &str, group: Option<&str>, state: TunnelState) -> TunnelView {
        let mut tunnel = testing::tunnel(name, name, state);
        tunnel.spec.group = group.map(str::to_owned);
        tunnel
    }
}
