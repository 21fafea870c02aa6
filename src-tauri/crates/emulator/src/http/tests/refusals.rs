//! Calls that are refused, each in its service's own words.

use serde_json::json;
use time::Duration;

use super::wire::{Asking, Who, Wire, sandbox};

const LIST: &str = "AmazonSSM.DescribeInstanceInformation";
const START: &str = "AmazonSSM.StartSession";

/// What is wrong with the same call to SSM, KMS, EC2 and STS, and what each says to it.
type Case = (&'static str, Vec<Asking>, [(u16, &'static str); 4]);

#[tokio::test]
async fn bad_signatures_are_refused_in_every_dialect() {
    let (emulator, mut wire, mara) = sandbox().await;
    let unsigned = |mut asking: Asking| {
        asking.signer = None;
        asking
    };
    let by = |who: &Who| {
        [
            Asking::json(who, LIST, json!({})),
            Asking::json(who, "TrentService.Decrypt", json!({})),
            Asking::form(who, "ec2", "Action=DescribeRegions"),
            Asking::form(who, "sts", "Action=GetCallerIdentity"),
        ]
    };
    let stranger = Who { access_key: "AKIANOBODY".into(), ..mara.clone() };
    let liar = Who { secret: "wrong".into(), ..mara.clone() };
    let intruder = Who { token: Some("token".into()), ..mara.clone() };
    let late = |mut asking: Asking| {
        if let Some(signer) = &mut asking.signer {
            signer.at -= Duration::minutes(20);
        }
        asking
    };
    let cases: [Case; 5] = [
        (
            "unsigned",
            by(&mara).map(unsigned).into(),
            [
                (400, "MissingAuthenticationTokenException"),
                (400, "MissingAuthenticationTokenException"),
                (401, "AuthFailure"),
                (403, "MissingAuthenticationToken"),
            ],
        ),
        (
            "unknown key",
            by(&stranger).into(),
            [
                (400, "UnrecognizedClientException"),
                (400, "UnrecognizedClientException"),
                (401, "AuthFailure"),
                (403, "InvalidClientTokenId"),
            ],
        ),
        (
            "wrong secret",
            by(&liar).into(),
            [
                (400, "InvalidSignatureException"),
                (400, "InvalidSignatureException"),
                (401, "AuthFailure"),
                (403, "SignatureDoesNotMatch"),
            ],
        ),
        (
            "a token that is not needed",
            by(&intruder).into(),
            [
                (400, "UnrecognizedClientException"),
                (400, "UnrecognizedClientException"),
                (401, "AuthFailure"),
                (403, "InvalidClientTokenId"),
            ],
        ),
        (
            "a clock that is late",
            by(&mara).map(late).into(),
            [
                (400, "InvalidSignatureException"),
                (400, "InvalidSignatureException"),
                (400, "RequestExpired"),
                (403, "SignatureDoesNotMatch"),
            ],
        ),
    ];
    for (name, askings, expected) in cases {
        for (asking, (status, code)) in askings.iter().zip(expected) {
            let answer = wire.ask(asking).await;
            assert_eq!((answer.status, answer.refusal().0.as_str()), (status, code), "{name}");
        }
    }
    let signatures = emulator.counts().signatures;
    assert_eq!(signatures["missing"], 4);
    assert_eq!(signatures["mismatch"], 4);
    assert!(!signatures.contains_key("ok"));
}

#[tokio::test]
async fn what_is_not_known_is_never_answered_with_success() {
    let (_emulator, mut wire, mara) = sandbox().await;
    for (asking, status, code) in [
        (
            Asking::json(&mara, "AmazonSSM.ListDocuments", json!({})),
            400,
            "UnknownOperationException",
        ),
        (Asking::json(&mara, "TrentService.ListKeys", json!({})), 400, "UnknownOperationException"),
        (Asking::form(&mara, "ec2", "Action=DescribeVpcs"), 400, "InvalidAction"),
        (Asking::form(&mara, "sts", "Action=GetSessionToken"), 400, "InvalidAction"),
        (Asking::json(&mara, LIST, json!({"Surprise": 1})), 400, "ValidationException"),
        (
            Asking::form(&mara, "ec2", "Action=DescribeInstances&Surprise=1"),
            400,
            "UnknownParameter",
        ),
        (
            Asking::form(&mara, "sts", "Action=GetCallerIdentity&Surprise=1"),
            400,
            "UnknownParameter",
        ),
        (Asking::raw_json(&mara, LIST, b"{"), 400, "SerializationException"),
        (Asking::raw_json(&mara, LIST, b"[]"), 400, "SerializationException"),
        (Asking::json(&mara, LIST, json!({"MaxResults": "x"})), 400, "SerializationException"),
    ] {
        let answer = wire.ask(&asking).await;
        assert_eq!((answer.status, answer.refusal().0.as_str()), (status, code));
    }
    for asking in [
        Asking::json(&mara, "AmazonEC2ContainerServiceV20141113.ExecuteCommand", json!({})),
        Asking::json(&mara, "nonsense", json!({})),
        Asking::plain("POST", "/", b""),
        Asking::plain("POST", "/", b"Action=GetCallerIdentity"),
        Asking::plain("GET", "/", b""),
        Asking::plain("GET", "/federation/elsewhere", b""),
        Asking::plain("DELETE", "/", b""),
    ] {
        assert_eq!(wire.ask(&asking).await.status, 404);
    }
}

#[tokio::test]
async fn sessions_that_cannot_be_are_refused_with_the_services_words() {
    let (emulator, mut wire, mara) = sandbox().await;
    let node = |name: &str| emulator.scenario().node_named(name).unwrap().id.clone();
    let (on, off) = (node("prod-storefront-01"), node("hamburg-till-02"));
    let no_agent = node("prod-metrics-02");
    let forward = "AWS-StartPortForwardingSession";
    for (body, code, words) in [
        (json!({"Target": off}), "TargetNotConnected", format!("{off} is not connected.")),
        (
            json!({"Target": no_agent}),
            "TargetNotConnected",
            format!("{no_agent} is not connected."),
        ),
        (json!({"Target": "i-0"}), "TargetNotConnected", "i-0 is not connected.".into()),
        (json!({}), "ValidationException", {
            "1 validation error detected: Value null at 'target' failed to satisfy constraint: \
             Member must not be null"
                .into()
        }),
        (json!({"Target": ""}), "ValidationException", {
            "1 validation error detected: Value '' at 'target' failed to satisfy constraint: \
             Member must have length greater than or equal to 1"
                .into()
        }),
        (json!({"Target": on, "DocumentName": "Nothing"}), "InvalidDocument", {
            "Document with name Nothing does not exist.".into()
        }),
        (json!({"Target": on, "DocumentName": "?"}), "ValidationException", {
            "1 validation error detected: Value '?' at 'documentName' failed to satisfy \
             constraint: Member must satisfy regular expression pattern: \
             ^[a-zA-Z0-9_\\-.:/]{3,128}$"
                .into()
        }),
        (
            json!({"Target": on, "DocumentName": forward, "Parameters": {"portNumber": ["0"]}}),
            "InvalidParameters",
            String::new(),
        ),
        (
            json!({"Target": on, "DocumentName": forward, "Parameters": {"nothing": ["1"]}}),
            "InvalidParameters",
            String::new(),
        ),
        (
            json!({"Target": on, "DocumentName": "AWS-StartInteractiveCommand"}),
            "InvalidParameters",
            String::new(),
        ),
        (
            json!({"Target": on, "DocumentName": forward, "Parameters": {"portNumber": "80"}}),
            "SerializationException",
            String::new(),
        ),
        (json!({"Target": on, "Reason": "x".repeat(257)}), "ValidationException", String::new()),
    ] {
        let answer = wire.ask(&Asking::json(&mara, START, body.clone())).await;
        let (found, said) = answer.refusal();
        assert_eq!((answer.status, found.as_str()), (400, code), "{body}");
        assert!(words.is_empty() || said == words, "{body}: {said}");
    }
    assert!(emulator.sessions().active().is_empty());
    // A node of another region or account is simply not there.
    let away = Who { region: "us-east-1".into(), ..mara };
    let answer = wire.ask(&Asking::json(&away, START, json!({"Target": on}))).await;
    assert_eq!(answer.refusal().0, "TargetNotConnected");
}

#[tokio::test]
async fn a_developer_starts_sessions_on_development_nodes_only() {
    let (emulator, mut wire, mara) = sandbox().await;
    let lin = Who::user(&emulator, "lin");
    let target = emulator.scenario().node_named("dev-storefront-01").unwrap().id.clone();
    let answer = wire.ask(&Asking::json(&lin, START, json!({"Target": target}))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let vince = Who::user(&emulator, "vince");
    let target = emulator.scenario().node_named("hamburg-roaster-01").unwrap().id.clone();
    let answer = wire.ask(&Asking::json(&vince, START, json!({"Target": target}))).await;
    assert!(answer.refusal().1.contains(&format!(":managed-instance/{target} because")));
    let answer = wire.ask(&Asking::json(&mara, START, json!({"Target": target}))).await;
    assert_eq!(answer.status, 200);
    emulator.stop().await;
}

#[tokio::test]
async fn bad_pages_and_filters_are_refused() {
    let (_emulator, mut wire, mara) = sandbox().await;
    for (body, code) in [
        (json!({"MaxResults": 4}), "ValidationException"),
        (json!({"MaxResults": 51}), "ValidationException"),
        (json!({"NextToken": "nonsense"}), "InvalidNextToken"),
        (json!({"Filters": [{"Key": "Nothing", "Values": ["x"]}]}), "InvalidFilterKey"),
        (json!({"Filters": [{"Key": "PingStatus", "Values": []}]}), "ValidationException"),
        (json!({"Filters": [{"Values": ["x"]}]}), "ValidationException"),
        (json!({"Filters": [{"Key": "InstanceIds", "Values": ["x"]}]}), "ValidationException"),
        (
            json!({"Filters": [{"Key": "PingStatus", "Values": ["Sleeping"]}]}),
            "InvalidInstanceInformationFilterValue",
        ),
        (
            json!({"InstanceInformationFilterList": [{"key": "tag:Env", "valueSet": ["x"]}]}),
            "ValidationException",
        ),
    ] {
        let answer = wire.ask(&Asking::json(&mara, LIST, body.clone())).await;
        assert_eq!((answer.status, answer.refusal().0.as_str()), (400, code), "{body}");
    }
    for (form, code) in [
        ("MaxResults=4", "InvalidParameterValue"),
        ("MaxResults=x", "InvalidParameterValue"),
        ("NextToken=nonsense", "InvalidParameterValue"),
        ("InstanceId.1=x", "InvalidInstanceID.Malformed"),
        ("InstanceId.1=i-00000000000000000", "InvalidInstanceID.NotFound"),
        ("InstanceId.1=i-00000000000000000&MaxResults=5", "InvalidParameterCombination"),
        ("Filter.1.Name=nothing&Filter.1.Value.1=x", "InvalidParameterValue"),
        ("Filter.1.Name=vpc-id", "InvalidParameterValue"),
        ("Filter.1.Value.1=vpc-id", "MissingParameter"),
    ] {
        let form = format!("Action=DescribeInstances&{form}");
        let answer = wire.ask(&Asking::form(&mara, "ec2", &form)).await;
        assert_eq!((answer.status, answer.refusal().0.as_str()), (400, code), "{form}");
    }
}

#[tokio::test]
async fn bodies_are_bounded() {
    let (_emulator, mut wire, mara) = sandbox().await;
    let asking = Asking::raw_json(&mara, LIST, &vec![b' '; 1024 * 1024 + 1]);
    assert_eq!(wire.ask(&asking).await.status, 413);
}

#[tokio::test]
async fn faults_asked_for_are_played_and_used_up() {
    let (emulator, mut wire, mara) = sandbox().await;
    let faults = json!([
        {"fault": "throttle", "operation": "DescribeInstanceInformation"},
        {"fault": "throttle", "operation": "DescribeRegions"},
        {"fault": "refuse", "operation": "GetCallerIdentity", "code": "ServiceUnavailable",
         "message": "later", "status": 503},
    ]);
    let play = |faults: serde_json::Value| {
        Asking::plain("POST", "/_sandbox/faults", faults.to_string().as_bytes())
    };
    assert_eq!(wire.ask(&play(faults)).await.status, 200);
    let askings = [
        Asking::json(&mara, LIST, json!({})),
        Asking::form(&mara, "ec2", "Action=DescribeRegions"),
        Asking::form(&mara, "sts", "Action=GetCallerIdentity"),
    ];
    for (asking, expected) in askings.iter().zip([
        (400, "ThrottlingException", "Rate exceeded"),
        (503, "RequestLimitExceeded", "Request limit exceeded."),
        (503, "ServiceUnavailable", "later"),
    ]) {
        let answer = wire.ask(asking).await;
        let (code, words) = answer.refusal();
        assert_eq!((answer.status, code.as_str(), words.as_str()), expected);
        assert_eq!(wire.ask(asking).await.status, 200);
    }
    emulator.faults().expire_credentials(true);
    for (asking, expected) in askings.iter().zip([
        (400, "ExpiredTokenException"),
        (400, "RequestExpired"),
        (403, "ExpiredToken"),
    ]) {
        let answer = wire.ask(asking).await;
        assert_eq!((answer.status, answer.refusal().0.as_str()), expected);
    }
    emulator.faults().expire_credentials(false);
    for nonsense in [json!({"fault": "nothing"}), json!("x"), json!([{"fault": "cut"}, 7])] {
        assert_eq!(wire.ask(&play(nonsense)).await.status, 400);
    }
}

#[tokio::test]
async fn a_hung_call_ends_without_an_answer_and_holds_up_nobody() {
    let (emulator, mut wire, mara) = sandbox().await;
    let asking = Asking::json(&mara, LIST, json!({}));
    emulator.faults().hang("DescribeInstanceInformation", Some(std::time::Duration::ZERO), 1);
    wire.send(&asking.bytes()).await;
    assert!(wire.read().await.is_none(), "the connection ends");

    emulator.faults().hang("DescribeInstanceInformation", None, 1);
    let mut hung = Wire::to(&emulator).await;
    hung.send(&asking.bytes()).await;
    let mut other = Wire::to(&emulator).await;
    let identity = Asking::form(&mara, "sts", "Action=GetCallerIdentity");
    assert_eq!(other.ask(&identity).await.status, 200);
    // Stopping does not wait for it.
    emulator.stop().await;
    assert!(hung.read().await.is_none());
}

#[tokio::test]
async fn the_sandboxs_own_addresses_answer_this_machine_only() {
    let (emulator, mut wire, _) = sandbox().await;
    let mut asking = Asking::plain("GET", "/_sandbox/state", b"");
    let state = wire.ask(&asking).await.json();
    assert_eq!(state["sessions"]["active"], 0);
    assert_eq!(state["endpoint"], emulator.url());
    asking.headers = vec![("host".into(), "rebound.example".into())];
    assert_eq!(wire.ask(&asking).await.status, 403);
    let map = |to: &str| {
        let body = json!({"port": 22, "to": to}).to_string();
        Asking::plain("POST", "/_sandbox/ports", body.as_bytes())
    };
    assert_eq!(wire.ask(&map("127.0.0.1:2222")).await.status, 200);
    assert_eq!(wire.ask(&map("192.0.2.1:22")).await.status, 400);
    assert_eq!(wire.ask(&Asking::plain("GET", "/_sandbox/faults", b"")).await.status, 405);
    assert_eq!(wire.ask(&Asking::plain("GET", "/_sandbox/nothing", b"")).await.status, 404);
}
