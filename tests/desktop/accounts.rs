//! Accounts: profiles of one's own, how they are shown, and credentials that run out.

use app::ErrorCode;
use app::view::{AccountColour, ProfileChange, RegionChange, SignInState};

use super::*;

/// Opens the product as a person with profiles does; they happen to lead to the sandbox.
fn open_with_profiles(world: &World) -> (Desktop, Events) {
    let files = world.emulator.write_profiles(&world.kept().join("aws")).expect("written");
    let variables = [
        ("AWS_CONFIG_FILE", files.0.display().to_string()),
        ("AWS_SHARED_CREDENTIALS_FILE", files.1.display().to_string()),
        ("AWS_PROFILE", "sandbox-data".to_owned()),
    ];
    world.open_on(AppConfig::given(variables))
}

#[tokio::test]
async fn with_profiles_the_first_of_them_opens_and_the_sandbox_is_not_started() {
    let world = World::start().await;
    let (desktop, mut events) = open_with_profiles(&world);
    let snapshot = desktop.snapshot().await.expect("a snapshot");
    let scope = snapshot.workspace.scope;
    assert_eq!(scope.profile_id, Some(ProfileId("sandbox-data".to_owned())));
    desktop.scope_open(scope).await.expect("opened");
    assert!(!read_region(&mut events).await.is_empty());
    let profiles = desktop.snapshot().await.expect("a snapshot").profiles.profiles;
    let known = profiles.first().expect("the first");
    assert_eq!(known.principal.as_deref(), Some("omar"));
    assert_eq!(known.sign_in, SignInState::Ready { expires_ms: None });
    assert_eq!(*world.starts.lock().expect("sound"), 0);
    soon(desktop.quit()).await;
}

#[tokio::test]
async fn how_an_account_is_shown_is_kept() {
    let world = World::start().await;
    let (desktop, mut events) = world.open();
    let change = ProfileChange {
        label: "PROD".to_owned(),
        colour: AccountColour::Pink,
        hidden: false,
        regions: vec![RegionChange { name: "us-east-1".to_owned(), favourite: true }],
    };
    desktop.profile_change(prod_profile(), change).await.expect("kept");
    let shown = next(&mut events, |event| match event {
        Event::Profiles(view) => view.profiles.into_iter().find(|p| p.label == "PROD"),
        _ => None,
    });
    let shown = shown.await;
    assert_eq!((shown.colour, shown.regions.len()), (AccountColour::Pink, 1));
    soon(desktop.quit()).await;
    let (desktop, _events) = world.open();
    let snapshot = desktop.snapshot().await.expect("a snapshot");
    assert_eq!(snapshot.profiles.profiles[0].label, "PROD");
    soon(desktop.quit()).await;
}

#[tokio::test]
async fn a_config_file_elsewhere_brings_its_profiles() {
    let world = World::start().await;
    let (desktop, mut events) = world.open();
    let elsewhere = world.kept().join("elsewhere");
    let files = world.emulator.write_profiles(&elsewhere).expect("written");
    let first = desktop.account_add_file(files.0).await.expect("added").expect("a profile");
    let scope = ScopeView { profile_id: Some(first), region: Some(MAIN_REGION.to_owned()) };
    desktop.scope_open(scope).await.expect("opened");
    assert!(!read_region(&mut events).await.is_empty());
    let none = desktop.account_add_file(world.kept().join("none")).await;
    assert_eq!(none.expect_err("no profile").code, ErrorCode::ConfigInvalid);
    soon(desktop.quit()).await;
}

#[tokio::test]
async fn what_waits_for_credentials_goes_on_when_they_are_back() {
    let world = World::start().await;
    let (desktop, mut events) = world.open();
    world.emulator.faults().expire_credentials(true);
    let mut screen = Screen::open(&desktop, world.target()).await;
    let waiting = terminal_state(&mut events, |s| matches!(s, TerminalState::Waiting { .. })).await;
    let TerminalState::Waiting { error } = waiting else { unreachable!() };
    assert_eq!(error.code, ErrorCode::SignInExpired);
    screen.type_in_later(&desktop, "echo $((6 * 7))-back\r");
    world.emulator.faults().expire_credentials(false);
    // Somebody else's call succeeds, which is as good as a sign-in.
    desktop.scope_open(prod_scope()).await.expect("opened");
    terminal_state(&mut events, |state| matches!(state, TerminalState::Connected)).await;
    screen.wait_for(&desktop, "42-back").await;
    soon(desktop.quit()).await;
}

impl Screen {
    /// Types without waiting for anybody to take it.
    fn type_in_later(&self, desktop: &Desktop, text: &str) {
        let (desktop, id, text) = (desktop.clone(), self.id.clone(), text.to_owned());
        tokio::spawn(async move {
            desktop.terminal_write(id, text, InputEncoding::Utf8).await.expect("typed");
        });
    }
}
