//! The calls an engine makes, against the whole service.

use std::collections::BTreeMap;

use session::{ControlError, StartRequest};

use super::Sandbox;

fn request(target: &str) -> StartRequest {
    StartRequest { target: target.to_owned(), ..StartRequest::default() }
}

#[tokio::test]
async fn a_session_is_started_resumed_and_ended() {
    let sandbox = Sandbox::start().await;
    let control = sandbox.account("sandbox-prod").control();
    let ticket = control.start_session(&request(&sandbox.online().id)).await.expect("started");
    assert_eq!(ticket.stream_url.scheme(), "ws");
    let resumed = control.resume_session(&ticket.session_id).await.expect("resumed");
    assert_ne!(resumed.token.expose(), ticket.token.expose());

    control.terminate_session(&ticket.session_id).await.expect("ended");
    assert!(sandbox.emulator.sessions().active().is_empty());
    let gone = control.resume_session(&ticket.session_id).await.expect_err("gone");
    assert_eq!(gone, ControlError::SessionGone);
    control.terminate_session(&ticket.session_id).await.expect("ending twice is no error");
}

#[tokio::test]
async fn an_answer_without_a_token_means_the_session_is_gone() {
    let sandbox = Sandbox::start().await;
    let control = sandbox.account("sandbox-prod").control();
    let ticket = control.start_session(&request(&sandbox.online().id)).await.expect("started");
    sandbox.emulator.faults().resume_without_token(1);
    let gone = control.resume_session(&ticket.session_id).await.expect_err("no token");
    assert_eq!(gone, ControlError::SessionGone);
}

#[tokio::test]
async fn refusals_keep_the_service_s_words() {
    let sandbox = Sandbox::start().await;
    let control = sandbox.account("sandbox-prod").control();
    let offline = sandbox.nodes().find(|node| !node.is_online()).expect("one is offline");
    let error = control.start_session(&request(&offline.id)).await.expect_err("offline");
    let ControlError::NotConnected(refusal) = &error else { panic!("{error:?}") };
    assert_eq!(
        (refusal.operation.as_str(), refusal.code.as_str()),
        ("StartSession", "TargetNotConnected")
    );
    assert!(refusal.request_id.is_some());

    let mut unknown = request(&sandbox.online().id);
    unknown.document = Some("No-Such-Document".to_owned());
    let error = control.start_session(&unknown).await.expect_err("no such document");
    assert!(matches!(error, ControlError::InvalidDocument(_)), "{error:?}");

    let viewer = sandbox.account("sandbox-viewer").control();
    let error = viewer.start_session(&request(&sandbox.online().id)).await.expect_err("may not");
    assert!(matches!(error, ControlError::AccessDenied(_)), "{error:?}");
}

#[tokio::test]
async fn a_throttled_start_is_tried_again_and_leaves_one_session() {
    let sandbox = Sandbox::start().await;
    let control = sandbox.account("sandbox-prod").control();
    sandbox.emulator.faults().throttle("StartSession", 2);
    control.start_session(&request(&sandbox.online().id)).await.expect("at the third try");
    assert_eq!(sandbox.emulator.sessions().active().len(), 1);
    assert_eq!(sandbox.asked("StartSession"), 3);

    sandbox.emulator.faults().throttle("ResumeSession", 100);
    let session = session::SessionId::new("mara-00000000000000000");
    let error = control.resume_session(&session).await.expect_err("throttled for good");
    assert!(matches!(error, ControlError::Throttled(_)) && error.is_transient());
}

#[tokio::test]
async fn expired_credentials_ask_for_a_sign_in_and_heal_without_a_restart() {
    let sandbox = Sandbox::start().await;
    let control = sandbox.account("sandbox-prod").control();
    sandbox.emulator.faults().expire_credentials(true);
    let error = control.start_session(&request(&sandbox.online().id)).await.expect_err("expired");
    assert!(matches!(&error, ControlError::CredentialsExpired(_)), "{error:?}");
    assert!(error.wants_sign_in());
    sandbox.emulator.faults().expire_credentials(false);
    control.start_session(&request(&sandbox.online().id)).await.expect("renewed");
}

#[tokio::test]
async fn keys_replaced_in_their_file_are_picked_up_by_the_call_that_needs_them() {
    let sandbox = Sandbox::start().await;
    let path = sandbox.folder.path().join("credentials");
    let good = std::fs::read_to_string(&path).expect("there");
    let stale = good.replace("AKIASANDBOX", "AKIASTALE00");
    std::fs::write(&path, stale).expect("written");
    let account = sandbox.account("sandbox-prod");
    let error = account.identity().await.expect_err("an unknown key");
    assert_eq!(error.code(), app::ErrorCode::CredentialsInvalid);
    std::fs::write(&path, good).expect("written");
    account.identity().await.expect("the key in the file is known");
}

#[tokio::test]
async fn a_data_key_comes_sealed_and_plain() {
    let sandbox = Sandbox::start().await;
    let control = sandbox.account("sandbox-prod").control();
    let context = BTreeMap::from([("aws:ssm:SessionId".to_owned(), "s".to_owned())]);
    let reply = control.data_key("alias/session-manager", &context).await.expect("a key");
    assert_eq!(reply.plaintext.len(), 64);
    assert!(!reply.ciphertext.is_empty());
    assert_eq!(format!("{reply:?}"), "DataKeyReply");

    let operator = sandbox.account("sandbox-operator").control();
    let error = operator.data_key("alias/session-manager", &context).await.expect_err("may not");
    assert!(matches!(error, ControlError::AccessDenied(_)), "{error:?}");

    let data = sandbox.account("sandbox-data").control();
    for key in ["alias/retired-2023", "alias/never-was"] {
        let error = data.data_key(key, &context).await.expect_err("unusable");
        assert!(matches!(error, ControlError::KeyUnusable(_)), "{key}: {error:?}");
    }
}

#[tokio::test]
async fn the_upgrade_is_signed_unless_the_url_is() {
    let sandbox = Sandbox::start().await;
    let control = sandbox.account("sandbox-operator").control();
    let ticket = control.start_session(&request(&sandbox.online().id)).await.expect("started");
    let headers = control.sign_upgrade(&ticket.stream_url).await.expect("signed");
    let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
    for name in ["authorization", "x-amz-date", "x-amz-security-token"] {
        assert!(names.contains(&name), "{names:?}");
    }
    assert!(!format!("{headers:?}").contains("AWS4-HMAC"), "secrets are marked as such");
    let mut presigned = ticket.stream_url.clone();
    presigned.query_pairs_mut().append_pair("X-Amz-Signature", "00");
    assert!(control.sign_upgrade(&presigned).await.expect("nothing to do").is_empty());
}
