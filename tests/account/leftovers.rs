//! What a killed process left at the service is found and ended by the next.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use app::{App, AppConfig};
use session::{OutputFlow, SessionState, StartRequest, TerminalSpec};

use super::Sandbox;

/// The product again, this time keeping its files.
fn second_start(sandbox: &Sandbox) -> App {
    let credentials = sandbox.folder.path().join("credentials");
    let variables = [
        ("AWS_CONFIG_FILE", sandbox.config.display().to_string()),
        ("AWS_SHARED_CREDENTIALS_FILE", credentials.display().to_string()),
    ];
    App::open(AppConfig::given(variables).kept_in(sandbox.folder.path().join("own")))
}

#[tokio::test]
async fn a_session_of_a_killed_process_is_found_and_ended() {
    let sandbox = Sandbox::start().await;
    let control = sandbox.account("sandbox-operator").control();
    let target = sandbox.online().id.clone();
    let request = StartRequest { target: target.clone(), ..StartRequest::default() };
    let ticket = control.start_session(&request).await.expect("started");
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let line = serde_json::json!({"started": {
        "session_id": ticket.session_id, "target": target, "document": null,
        "label": control.label(), "started_ms": since.as_millis() as u64,
    }});
    let folder = sandbox.folder.path().join("own/state/sessions");
    std::fs::create_dir_all(&folder).expect("made");
    std::fs::write(folder.join("1-1.jsonl"), format!("{line}\n")).expect("written");

    let app = second_start(&sandbox);
    let found = app.leftovers();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].session_id, ticket.session_id);
    let ended = app.end_leftovers().await;
    assert!(ended.iter().all(|leftover| leftover.error.is_none()), "{ended:?}");
    assert!(sandbox.emulator.sessions().active().is_empty());
    assert!(app.leftovers().is_empty());
    assert_eq!(std::fs::read_dir(folder).expect("there").count(), 0);
}

#[tokio::test]
async fn a_session_is_written_down_while_it_lives_and_no_longer() {
    let sandbox = Sandbox::start().await;
    let app = second_start(&sandbox);
    let account = app.account(Some("sandbox-prod"), None).expect("opens");
    let request = StartRequest { target: sandbox.online().id.clone(), ..StartRequest::default() };
    let spec = TerminalSpec { request, size: None, flow: OutputFlow::default() };
    let (terminal, _output) = app.engine().terminal(account.control(), spec);
    let mut state = terminal.state();
    let opened = state.wait_for(|state| !matches!(state, SessionState::Starting));
    let opened = tokio::time::timeout(Duration::from_secs(20), opened).await;
    assert!(matches!(
        opened.expect("in time").as_deref(),
        Ok(SessionState::Opening { .. } | SessionState::Ready(_))
    ));
    let folder = sandbox.folder.path().join("own/state/sessions");
    assert_eq!(std::fs::read_dir(&folder).expect("there").count(), 1);

    let left = app.shutdown(Duration::from_secs(20)).await;
    assert!(left.is_empty(), "{left:?}");
    assert!(sandbox.emulator.sessions().active().is_empty());
    assert_eq!(std::fs::read_dir(&folder).expect("there").count(), 0);
}
