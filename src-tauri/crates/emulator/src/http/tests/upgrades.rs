//! Websocket upgrades.

use serde_json::json;
use time::Duration;

use super::wire::{Asking, Who, Wire, sandbox};
use crate::Emulator;

/// RFC 6455's own example.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

#[tokio::test]
async fn an_unsigned_upgrade_is_accepted_as_old_clients_need() {
    let (emulator, mut wire, mara) = sandbox().await;
    let session = start(&emulator, &mut wire, &mara).await;
    let answer = wire.ask(&upgrade(&session)).await;
    assert_eq!(answer.status, 101);
    assert_eq!(answer.headers["sec-websocket-accept"], ACCEPT);
    assert_eq!(answer.headers["upgrade"], "websocket");
    let mut bearing = upgrade(&session);
    bearing.header("authorization", "Bearer what-is-no-signature");
    assert_eq!(Wire::to(&emulator).await.ask(&bearing).await.status, 101);
    assert_eq!(emulator.counts().upgrades["unsigned"], 2);
    emulator.stop().await;
}

#[tokio::test]
async fn a_right_signature_is_accepted_and_a_wrong_one_refused() {
    let (emulator, mut wire, mara) = sandbox().await;
    let session = start(&emulator, &mut wire, &mara).await;
    let signed = |who: &Who, service: &str| {
        let mut asking = upgrade(&session);
        asking.signer = Some(who.signer(service));
        asking
    };
    let liar = Who { secret: "wrong".into(), ..mara.clone() };
    let stranger = Who { access_key: "AKIANOBODY".into(), ..mara.clone() };
    let foreigner = Who::user(&emulator, "dora");
    let mut late = signed(&mara, "ssmmessages");
    late.signer.as_mut().unwrap().at -= Duration::minutes(10);
    for (name, asking) in [
        ("wrong secret", signed(&liar, "ssmmessages")),
        ("unknown key", signed(&stranger, "ssmmessages")),
        ("another service", signed(&mara, "ssm")),
        ("another account", signed(&foreigner, "ssmmessages")),
        ("old", late),
    ] {
        let answer = wire.ask(&asking).await;
        assert_eq!(answer.status, 403, "{name}");
        assert!(!answer.json()["message"].as_str().unwrap().is_empty(), "{name}");
    }
    assert_eq!(wire.ask(&signed(&mara, "ssmmessages")).await.status, 101);
    assert_eq!(emulator.counts().upgrades["signed"], 1);
    assert_eq!(emulator.counts().upgrades["refused"], 5);
    emulator.stop().await;
}

#[tokio::test]
async fn what_is_no_websocket_is_refused() {
    let (emulator, mut wire, mara) = sandbox().await;
    let session = start(&emulator, &mut wire, &mara).await;
    let with = |name: &str, value: Option<&str>| {
        let mut asking = upgrade(&session);
        asking.headers.retain(|(known, _)| known != name);
        if let Some(value) = value {
            asking.header(name, value);
        }
        asking
    };
    for (name, value, status) in [
        ("upgrade", None, 400),
        ("connection", Some("keep-alive"), 400),
        ("sec-websocket-version", Some("8"), 426),
        ("sec-websocket-version", None, 426),
        ("sec-websocket-key", None, 400),
        ("sec-websocket-key", Some("c2hvcnQ="), 400),
    ] {
        let mut wire = Wire::to(&emulator).await;
        let answer = wire.ask(&with(name, value)).await;
        assert_eq!(answer.status, status, "{name} {value:?}");
    }
    let mut posted = upgrade(&session);
    posted.method = "POST";
    assert_eq!(Wire::to(&emulator).await.ask(&posted).await.status, 405);
    let mut presigned = upgrade(&session);
    presigned.query.push_str("&X-Amz-Signature=00");
    assert_eq!(Wire::to(&emulator).await.ask(&presigned).await.status, 403);
}

#[tokio::test]
async fn upgrades_are_refused_when_asked_for() {
    let (emulator, mut wire, mara) = sandbox().await;
    let session = start(&emulator, &mut wire, &mara).await;
    emulator.faults().refuse_upgrades(503, 1);
    assert_eq!(wire.ask(&upgrade(&session)).await.status, 503);
    assert_eq!(wire.ask(&upgrade(&session)).await.status, 101);
}

fn upgrade(session: &str) -> Asking {
    let mut asking = Asking::plain("GET", &format!("/v1/data-channel/{session}"), b"");
    asking.query = "role=publish_subscribe".to_owned();
    asking.header("connection", "Upgrade");
    asking.header("upgrade", "websocket");
    asking.header("sec-websocket-version", "13");
    asking.header("sec-websocket-key", KEY);
    asking
}

async fn start(emulator: &Emulator, wire: &mut Wire, who: &Who) -> String {
    let target = &emulator.scenario().node_named("prod-storefront-01").unwrap().id;
    let asking = Asking::json(who, "AmazonSSM.StartSession", json!({"Target": target}));
    let answer = wire.ask(&asking).await.json();
    answer["SessionId"].as_str().unwrap().to_owned()
}
