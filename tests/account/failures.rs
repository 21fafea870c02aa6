//! Bad input: each a clear message with its remedy, nothing lost, nothing hung.

use app::{App, AppConfig, ErrorCode};
use session::{ControlError, StartRequest};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::Sandbox;

/// Variables that lead to `endpoint` with made-up keys.
fn leading_to(endpoint: &str) -> AppConfig {
    AppConfig::given([
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_REGION", "eu-central-1"),
    ])
}

#[tokio::test]
async fn an_endpoint_that_nobody_answers_at_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let app = App::open(leading_to(&endpoint));
    let account = app.account(None, None).expect("opens");
    let error = account.fitting("").await.expect_err("nobody answers");
    assert_eq!(error.code(), ErrorCode::Unreachable);
    assert!(error.to_string().contains(&format!("{endpoint} cannot be reached")), "{error}");
    assert!(error.advice().contains("endpoint override"), "{}", error.advice());

    let request = StartRequest { target: "i-0123456789abcdef0".into(), ..StartRequest::default() };
    let error = account.control().start_session(&request).await.expect_err("nobody answers");
    assert!(
        matches!(&error, ControlError::Unreachable { endpoint: named, .. } if *named == endpoint)
    );
}

#[tokio::test]
async fn an_endpoint_that_is_not_aws_is_told_from_one_that_is() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    let serving = tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.expect("a client");
            let mut request = [0; 4096];
            let _ = socket.read(&mut request).await;
            let page = "HTTP/1.1 404 Not Found\r\ncontent-type: text/html\r\n\
                        content-length: 9\r\nconnection: close\r\n\r\nnot found";
            let _ = socket.write_all(page.as_bytes()).await;
        }
    });
    let app = App::open(leading_to(&endpoint));
    let account = app.account(None, None).expect("opens");
    let error = account.identity().await.expect_err("not AWS");
    assert!(error.to_string().contains("404"), "{error}");
    let request = StartRequest { target: "i-0123456789abcdef0".into(), ..StartRequest::default() };
    let error = account.control().start_session(&request).await.expect_err("not AWS");
    assert!(error.to_string().contains("does not answer as AWS does"), "{error}");
    serving.abort();
}

#[tokio::test]
async fn an_answer_that_never_comes_is_not_waited_for_and_not_asked_for_twice() {
    let sandbox = Sandbox::start().await;
    sandbox.emulator.faults().hang("StartSession", None, 1);
    let control = sandbox.account("sandbox-prod").control();
    let target = sandbox.online().id.clone();
    let asking = tokio::spawn(async move {
        let request = StartRequest { target, ..StartRequest::default() };
        control.start_session(&request).await
    });
    while sandbox.asked("StartSession") == 0 {
        tokio::task::yield_now().await;
    }
    // From here on time jumps to whatever is waited for.
    tokio::time::pause();
    let error = asking.await.expect("no panic").expect_err("no answer");
    assert!(
        matches!(&error, ControlError::Unreachable { reason, .. } if reason.contains("20 s")),
        "{error}"
    );
    assert_eq!(sandbox.asked("StartSession"), 1);
}

#[tokio::test]
async fn a_malformed_profile_is_told_with_its_line_and_spoils_no_other() {
    let sandbox = Sandbox::start().await;
    let text = std::fs::read_to_string(&sandbox.config).expect("there");
    std::fs::write(&sandbox.config, format!("{text}\n[profile broken]\nregion eu-central-1\n"))
        .expect("written");
    let line = text.lines().count() + 3;
    let error = sandbox.app.account(Some("broken"), None).expect_err("malformed");
    assert_eq!(error.code(), ErrorCode::ConfigInvalid);
    assert_eq!(
        error.to_string(),
        format!(
            "profile broken cannot be used: {}, line {line}: expected key = value, found no =",
            sandbox.config.display()
        )
    );
    assert!(sandbox.app.profiles().iter().any(|profile| profile.name() == "broken"));
    // The role's credentials come through the SDK's own reading of the same file.
    sandbox.account("sandbox-operator").identity().await.expect("the others are whole");
}

#[tokio::test]
async fn without_credentials_it_is_said_what_to_set() {
    let sandbox = Sandbox::start().await;
    let app = App::open(AppConfig::given([
        ("AWS_ENDPOINT_URL", sandbox.emulator.url()),
        ("AWS_REGION", "eu-central-1".to_owned()),
        ("HOME", "/nowhere".to_owned()),
    ]));
    let account = app.account(None, None).expect("opens");
    let error = account.identity().await.expect_err("no credentials");
    assert_eq!(error.code(), ErrorCode::CredentialsInvalid);
    assert!(error.advice().contains("AWS_ACCESS_KEY_ID"), "{}", error.advice());
    let error = account
        .control()
        .start_session(&StartRequest { target: "i-01234567".into(), ..StartRequest::default() })
        .await
        .expect_err("no credentials");
    assert!(matches!(error, ControlError::NoCredentials { .. }), "{error:?}");
    assert_eq!(sandbox.emulator.counts().connections, 0);
}
