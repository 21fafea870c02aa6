//! What is found again after a restart.

use app::ErrorCode;
use app::view::{BookmarkId, NodeBookmarkView, PaneView, SavedView, TabView, Theme};

use super::*;

#[tokio::test]
async fn bookmarks_settings_and_the_window_survive_a_restart() {
    let world = World::start().await;
    let (desktop, mut events) = world.open();
    let snapshot = desktop.snapshot().await.expect("a snapshot");
    let mut settings = snapshot.settings.clone();
    settings.theme = Theme::Dark;
    desktop.settings_save(settings.clone()).await.expect("kept");
    let told = next(&mut events, |event| match event {
        Event::Settings(view) => Some(view),
        _ => None,
    });
    assert_eq!(told.await, settings);
    let mut bookmarks = snapshot.bookmarks.clone();
    bookmarks.nodes.push(NodeBookmarkView {
        id: BookmarkId("b-1".to_owned()),
        name: "jump".to_owned(),
        target: world.target(),
        start_at_launch: true,
    });
    bookmarks.saved_views.push(SavedView { name: "all".into(), filter: "ping:online".into() });
    desktop.bookmarks_save(bookmarks.clone()).await.expect("kept");
    let spec = TunnelSpec { start_at_launch: true, ..tunnel_spec(&world.target(), 80) };
    let tunnel = desktop.tunnel_save(None, spec.clone()).await.expect("saved");
    let mut workspace = snapshot.workspace.clone();
    let terminal = TerminalId("11111111-1111-4111-8111-111111111111".to_owned());
    let root = PaneView::Terminal { id: terminal.clone(), target: world.target() };
    workspace.tabs.push(TabView { id: "t-1".to_owned(), title: None, root });
    workspace.sidebar_width = 300;
    desktop.workspace_save(workspace.clone()).await.expect("kept");
    desktop.scrollback_save(terminal.clone(), "$ ls\r\n".to_owned()).await.expect("kept");
    soon(desktop.quit()).await;

    let (desktop, mut events) = world.open();
    let snapshot = desktop.snapshot().await.expect("a snapshot");
    assert_eq!(snapshot.settings, settings);
    assert_eq!(snapshot.bookmarks, bookmarks);
    assert_eq!(snapshot.workspace, workspace);
    assert_eq!((&snapshot.tunnels[0].id, &snapshot.tunnels[0].spec), (&tunnel, &spec));
    assert_eq!(desktop.scrollback_load(terminal.clone()).await.expect("read"), "$ ls\r\n");
    // It starts with the program.
    tunnel_state(&mut events, |state| matches!(state, TunnelState::Listening { .. })).await;
    desktop.terminal_close(terminal.clone()).await.expect("closed");
    assert_eq!(desktop.scrollback_load(terminal).await.expect("read"), "");
    soon(desktop.quit()).await;
}

#[tokio::test]
async fn a_file_spoilt_by_hand_is_set_aside_and_told() {
    let world = World::start().await;
    let own = world.kept().join("own");
    std::fs::create_dir_all(&own).expect("made");
    std::fs::write(own.join("settings.toml"), "version = 2\ntheme = dark\n").expect("written");
    let (desktop, _events) = world.open();
    let snapshot = desktop.snapshot().await.expect("a snapshot");
    assert_eq!(snapshot.settings.theme, Theme::System);
    let notice = &snapshot.notices[0];
    let error = notice.error.as_ref().expect("an error");
    assert_eq!(error.code, ErrorCode::FileSetAside);
    assert!(error.message.contains("settings.toml cannot be read: line 2"), "{}", error.message);
    let aside = std::fs::read_to_string(own.join("settings.toml.set-aside-1")).expect("there");
    assert_eq!(aside, "version = 2\ntheme = dark\n");
    desktop.notice_close(notice.id.clone()).await.expect("closed");
    assert!(desktop.snapshot().await.expect("a snapshot").notices.is_empty());
    soon(desktop.quit()).await;
}

#[tokio::test]
async fn what_is_changed_by_hand_is_noticed() {
    let world = World::start().await;
    let (desktop, mut events) = world.open();
    let mut settings = desktop.snapshot().await.expect("a snapshot").settings;
    settings.restore_tabs = false;
    desktop.settings_save(settings).await.expect("kept");
    let file = desktop.settings_file().expect("a file");
    let text = std::fs::read_to_string(&file).expect("there");
    assert!(text.contains("restore_tabs = false") && text.contains("theme = \"system\""));
    let edited = text.replace("theme = \"system\"", "theme = \"light\"");
    // Nobody looks at the window.
    std::fs::write(&file, edited).expect("written");
    let is_light = |event| match event {
        Event::Settings(view) => Some(view).filter(|view| view.theme == Theme::Light),
        _ => None,
    };
    next(&mut events, is_light).await;
    // What makes no sense is told, and what was known before is used.
    std::fs::write(&file, "version = 2\nthem = 1\n").expect("written");
    let told = next(&mut events, |event| match event {
        Event::Notice(notice) => notice.error,
        _ => None,
    });
    assert_eq!(told.await.code, ErrorCode::FileSetAside);
    assert_eq!(desktop.settings().theme, Theme::Light);
    // Whoever comes back to the window finds what was mended at once.
    std::fs::write(&file, "version = 2\ntheme = \"dark\"\n").expect("written");
    desktop.window_seen(true);
    let is_dark = |event| match event {
        Event::Settings(view) => Some(view).filter(|view| view.theme == Theme::Dark),
        _ => None,
    };
    next(&mut events, is_dark).await;
    soon(desktop.quit()).await;
}
