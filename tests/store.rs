//! What a user saves is found again, and a file spoilt by hand is never lost.

use app::view::{ProfileId, Theme, TunnelId, TunnelSpec, TunnelVia};
use app::{App, AppConfig, SavedTunnel};

fn open(folder: &std::path::Path) -> App {
    App::open(AppConfig::given([("HOME", "/nowhere")]).kept_in(folder))
}

fn tunnel(name: &str) -> SavedTunnel {
    let via = TunnelVia::Tag { key: "Role".into(), value: "jump".into() };
    let spec = TunnelSpec {
        group: Some("shop".into()),
        remote_host: Some("orders-db".into()),
        local_port: 15432,
        start_at_launch: true,
        lanes: 3,
        ..TunnelSpec::new(name, ProfileId("acme-prod".into()), "eu-west-1", via, 5432)
    };
    SavedTunnel { id: TunnelId(format!("id of {name}")), spec }
}

#[tokio::test]
async fn bookmarks_and_settings_are_found_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let app = open(folder.path());
    app.change_bookmarks(|bookmarks| bookmarks.put_tunnel(tunnel("orders"))).expect("kept");
    app.change_settings(|settings| settings.window.0.theme = Theme::Dark).expect("kept");
    drop(app);
    let app = open(folder.path());
    let kept = app.bookmarks().value;
    assert_eq!(kept.tunnels, [tunnel("orders")]);
    assert_eq!(app.settings().value.window.0.theme, Theme::Dark);
}

#[tokio::test]
async fn a_file_spoilt_by_hand_is_told_and_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("bookmarks.toml");
    let spoilt = "version = 2\n[[tunnel]\nname = \"orders\"\n";
    std::fs::write(&file, spoilt).expect("written");
    let app = open(folder.path());
    let loaded = app.bookmarks();
    assert!(loaded.value.tunnels.is_empty());
    let told = loaded.malformed.expect("told").to_string();
    assert!(told.contains("bookmarks.toml cannot be read: line 2"), "{told}");
    assert_eq!(std::fs::read_to_string(&file).expect("there"), spoilt);

    let kept = app.change_bookmarks(|bookmarks| bookmarks.put_tunnel(tunnel("new")));
    let aside = kept.expect("kept").set_aside.expect("set aside");
    assert_eq!(std::fs::read_to_string(aside).expect("there"), spoilt);
    assert_eq!(app.bookmarks().value.tunnels.len(), 1);
}

#[tokio::test]
async fn without_a_folder_nothing_is_kept() {
    let app = App::open(AppConfig::given([("HOME", "/nowhere")]));
    let refused = app.change_settings(|settings| settings.window.0.theme = Theme::Dark);
    assert_eq!(refused.expect_err("nowhere").to_string(), "nothing is kept here");
    assert!(app.leftovers().is_empty());
}
