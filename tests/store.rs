//! What a user saves is found again, and a file spoilt by hand is never lost.

use app::{App, AppConfig, Bookmark, BookmarkId, BookmarkKind, Theme, TunnelPlan};

fn open(folder: &std::path::Path) -> App {
    App::open(AppConfig::given([("HOME", "/nowhere")]).kept_in(folder))
}

fn tunnel(name: &str) -> Bookmark {
    Bookmark {
        id: BookmarkId(0),
        name: name.into(),
        group: Some("shop".into()),
        profile: Some("acme-prod".into()),
        region: Some("eu-west-1".into()),
        node: "tag:Role=jump".into(),
        kind: BookmarkKind::Tunnel(TunnelPlan {
            host: Some("orders-db".into()),
            port: 5432,
            local_port: Some(15432),
            bind: Vec::new(),
            lanes: 1,
        }),
        starts_with_app: true,
    }
}

#[tokio::test]
async fn bookmarks_and_settings_are_found_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let app = open(folder.path());
    app.change_bookmarks(|bookmarks| _ = bookmarks.add(tunnel("orders"))).expect("kept");
    app.change_settings(|settings| settings.theme = Theme::Dark).expect("kept");
    drop(app);
    let app = open(folder.path());
    let kept = app.bookmarks().value;
    assert_eq!(kept.list(), [Bookmark { id: BookmarkId(1), ..tunnel("orders") }]);
    assert_eq!(app.settings().value.theme, Theme::Dark);
}

#[tokio::test]
async fn a_file_spoilt_by_hand_is_told_and_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("bookmarks.toml");
    let spoilt = "version = 1\n[[bookmark]\nname = \"orders\"\n";
    std::fs::write(&file, spoilt).expect("written");
    let app = open(folder.path());
    let loaded = app.bookmarks();
    assert!(loaded.value.list().is_empty());
    let told = loaded.malformed.expect("told").to_string();
    assert!(told.contains("bookmarks.toml cannot be read: line 2"), "{told}");
    assert_eq!(std::fs::read_to_string(&file).expect("there"), spoilt);

    let kept = app.change_bookmarks(|bookmarks| _ = bookmarks.add(tunnel("new"))).expect("kept");
    let aside = kept.set_aside.expect("set aside");
    assert_eq!(std::fs::read_to_string(aside).expect("there"), spoilt);
    assert_eq!(app.bookmarks().value.list().len(), 1);
}

#[tokio::test]
async fn the_sandbox_keeps_nothing() {
    let app = App::open(AppConfig::given([("HOME", "/nowhere")]));
    let refused =
        app.change_settings(|settings| settings.theme = Theme::Dark).expect_err("nowhere");
    assert_eq!(refused.to_string(), "nothing is kept here");
    assert!(app.leftovers().is_empty());
}
