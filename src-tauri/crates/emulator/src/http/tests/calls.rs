//! Calls that are answered.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::wire::{Asking, Who, Wire, sandbox};
use crate::scenario::InstanceState;
use crate::{Emulator, EmulatorConfig, Scenario};

const LIST: &str = "AmazonSSM.DescribeInstanceInformation";

#[tokio::test]
async fn the_access_key_decides_the_account_and_the_scope_the_region() {
    let (emulator, mut wire, mara) = sandbox().await;
    let answer = wire.ask(&Asking::form(&mara, "sts", "Action=GetCallerIdentity")).await;
    assert_eq!((answer.status, answer.headers["content-type"].as_str()), (200, "text/xml"));
    assert!(answer.headers.contains_key("x-amzn-requestid"));
    assert!(answer.text().contains("<Arn>arn:aws:iam::111122223333:user/mara</Arn>"));

    let mut seen = BTreeMap::new();
    for user in ["mara", "dora", "omar"] {
        for region in ["eu-central-1", "us-east-1", "ap-southeast-2", "eu-west-1", "sa-east-1"] {
            let who = Who { region: region.into(), ..Who::user(&emulator, user) };
            let ids = all_node_ids(&mut wire, &who).await;
            seen.insert((user, region), ids);
        }
    }
    let told: usize = seen.values().map(BTreeSet::len).sum();
    let managed = emulator.scenario().all_nodes().filter(|node| node.agent.is_some()).count();
    assert_eq!(told, managed);
    assert!(seen[&("mara", "eu-central-1")].len() > 50, "more than a page");
    assert!(seen[&("omar", "us-east-1")].is_empty());
    assert!(seen[&("mara", "sa-east-1")].is_empty());
    emulator.stop().await;
}

#[tokio::test]
async fn ten_thousand_nodes_come_page_by_page_once_each() {
    let config = EmulatorConfig { scenario: Scenario::with_nodes(10_000), ..Default::default() };
    let emulator = Emulator::start(config).await.unwrap();
    let mut wire = Wire::to(&emulator).await;
    let ids = all_node_ids(&mut wire, &Who::user(&emulator, "mara")).await;
    assert_eq!(ids.len(), 10_000);
    assert_eq!(emulator.counts().requests["DescribeInstanceInformation"], 200);
    assert_eq!(emulator.counts().connections, 1, "the connection is kept");
}

#[tokio::test]
async fn both_services_tell_the_same_of_a_node() {
    let (emulator, mut wire, mara) = sandbox().await;
    let node = emulator.scenario().node_named("prod-ledger-01").unwrap().clone();
    let body = json!({"Filters": [{"Key": "InstanceIds", "Values": [node.id]}]});
    let answer = wire.ask(&Asking::json(&mara, LIST, body)).await;
    assert_eq!(answer.headers["content-type"], "application/x-amz-json-1.1");
    let list = answer.json()["InstanceInformationList"].clone();
    assert_eq!(list.as_array().unwrap().len(), 1);
    let row = &list[0];
    assert_eq!(row["PlatformType"], "Windows");
    assert_eq!(row["PingStatus"], "Online");
    assert_eq!(row["IPAddress"], node.private_ip.as_str());
    let form = format!("Action=DescribeInstances&InstanceId.1={}", node.id);
    let answer = wire.ask(&Asking::form(&mara, "ec2", &form)).await;
    assert_eq!(answer.headers["content-type"], "text/xml;charset=UTF-8");
    let text = answer.text();
    for expected in [
        format!("<instanceId>{}</instanceId>", node.id),
        format!("<privateIpAddress>{}</privateIpAddress>", node.private_ip),
        "<key>Name</key><value>prod-ledger-01</value>".to_owned(),
        "<platform>windows</platform>".to_owned(),
    ] {
        assert!(text.contains(&expected), "{expected} in {text}");
    }
}

#[tokio::test]
async fn filters_choose_among_nodes_and_instances() {
    let (emulator, mut wire, mara) = sandbox().await;
    let count = |what: &dyn Fn(&crate::scenario::Node) -> bool| {
        let nodes = emulator.scenario().nodes("111122223333", "eu-central-1");
        nodes.iter().filter(|node| what(node)).count()
    };
    for (filter, expected) in [
        (json!({"Key": "tag:App", "Values": ["orders", "till"]}), {
            count(&|n| matches!(n.tags["App"].as_str(), "orders" | "till"))
        }),
        (json!({"Key": "tag-key", "Values": ["Site"]}), count(&|n| n.id.starts_with("mi-"))),
        (json!({"Key": "ResourceType", "Values": ["ManagedInstance"]}), {
            count(&|n| n.id.starts_with("mi-"))
        }),
        (json!({"Key": "PingStatus", "Values": ["ConnectionLost"]}), {
            count(&|n| n.agent.is_some() && !n.is_online())
        }),
        (json!({"Key": "PlatformTypes", "Values": ["Windows"]}), {
            count(&|n| n.agent.is_some() && n.platform.kind() == "Windows")
        }),
        (json!({"Key": "AgentVersion", "Values": ["3.0.100.0"]}), 1),
    ] {
        let body = json!({"Filters": [filter]});
        let answer = wire.ask(&Asking::json(&mara, LIST, body)).await.json();
        let found = answer["InstanceInformationList"].as_array().unwrap().len();
        assert_eq!(found, expected, "{filter}");
        assert!(expected > 0, "{filter}");
    }
    let stopped = count(&|n| n.instance().is_some_and(|i| i.state == InstanceState::Stopped));
    for (filter, expected) in [
        ("Filter.1.Name=instance-state-name&Filter.1.Value.1=stopped", stopped),
        ("Filter.1.Name=tag%3AApp&Filter.1.Value.1=ord%2A", count(&|n| n.tags["App"] == "orders")),
        ("Filter.1.Name=tag-key&Filter.1.Value.1=Site", 0),
    ] {
        let form = format!("Action=DescribeInstances&{filter}");
        let text = wire.ask(&Asking::form(&mara, "ec2", &form)).await.text();
        assert_eq!(text.matches("<instanceId>").count(), expected, "{filter}");
    }
}

#[tokio::test]
async fn instances_are_paged_as_asked() {
    let (emulator, mut wire, mara) = sandbox().await;
    let mut seen = Vec::new();
    let mut token = String::new();
    loop {
        let form = format!("Action=DescribeInstances&MaxResults=5{token}");
        let text = wire.ask(&Asking::form(&mara, "ec2", &form)).await.text();
        let ids = text.split("<instanceId>").skip(1);
        let before = seen.len();
        seen.extend(ids.map(|rest| rest.split('<').next().unwrap().to_owned()));
        assert!(seen.len() - before <= 5);
        let Some((_, rest)) = text.split_once("<nextToken>") else { break };
        let next: String =
            form_urlencoded::byte_serialize(rest.split('<').next().unwrap().as_bytes()).collect();
        token = format!("&NextToken={next}");
    }
    let nodes = emulator.scenario().nodes("111122223333", "eu-central-1");
    assert_eq!(seen.len(), nodes.iter().filter(|node| node.instance().is_some()).count());
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), seen.len());
}

#[tokio::test]
async fn a_session_is_started_listed_resumed_and_ended() {
    let (emulator, mut wire, mara) = sandbox().await;
    let target = emulator.scenario().node_named("prod-storefront-01").unwrap().id.clone();
    let body = json!({"Target": target, "Reason": "look around"});
    let started = wire.ask(&Asking::json(&mara, "AmazonSSM.StartSession", body)).await.json();
    let id = started["SessionId"].as_str().unwrap().to_owned();
    assert!(id.starts_with("mara-0") && id.len() == "mara-".len() + 17, "{id}");
    assert!(started["TokenValue"].as_str().unwrap().len() > 100);
    assert_eq!(
        started["StreamUrl"],
        format!("ws://{}/v1/data-channel/{id}?role=publish_subscribe", emulator.address())
    );

    let list = |state: &str| {
        let body = json!({"State": state, "Filters": [{"key": "SessionId", "value": id}]});
        Asking::json(&mara, "AmazonSSM.DescribeSessions", body)
    };
    let listed = wire.ask(&list("Active")).await.json();
    assert_eq!(listed["Sessions"][0]["Reason"], "look around");
    assert_eq!(listed["Sessions"][0]["Owner"], "arn:aws:iam::111122223333:user/mara");
    let one = json!({"SessionId": id});
    let resume = Asking::json(&mara, "AmazonSSM.ResumeSession", one.clone());
    let resumed = wire.ask(&resume).await.json();
    assert_ne!(resumed["TokenValue"], started["TokenValue"]);
    assert_eq!(resumed["StreamUrl"], started["StreamUrl"]);

    let end = Asking::json(&mara, "AmazonSSM.TerminateSession", one);
    for _ in 0..2 {
        assert_eq!(wire.ask(&end).await.json()["SessionId"], id.as_str());
    }
    let resumed = wire.ask(&resume).await.json();
    assert!(resumed["TokenValue"].is_null() && resumed["StreamUrl"].is_null());
    assert!(wire.ask(&list("Active")).await.json()["Sessions"].as_array().unwrap().is_empty());
    let ended = wire.ask(&list("History")).await.json();
    assert_eq!(ended["Sessions"][0]["Status"], "Terminated");
    assert!(ended["Sessions"][0]["EndDate"].as_f64().unwrap() > 1.0e9);
    // Another account does not see it.
    let dora = Who::user(&emulator, "dora");
    let foreign = Asking::json(&dora, "AmazonSSM.ResumeSession", json!({"SessionId": id}));
    assert_eq!(wire.ask(&foreign).await.refusal().0, "DoesNotExistException");
    emulator.stop().await;
}

#[tokio::test]
async fn an_assumed_roles_credentials_work_with_their_token_only() {
    let (emulator, mut wire, mara) = sandbox().await;
    let form = "Action=AssumeRole&RoleArn=arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2FViewer\
                &RoleSessionName=mara%40work&DurationSeconds=900";
    let answer = wire.ask(&Asking::form(&mara, "sts", form)).await;
    let text = answer.text();
    let field = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>")).unwrap();
        rest.split('<').next().unwrap().to_owned()
    };
    let viewer = Who {
        access_key: field("AccessKeyId"),
        secret: field("SecretAccessKey"),
        token: Some(field("SessionToken")),
        region: "eu-central-1".into(),
    };
    let identity = Asking::form(&viewer, "sts", "Action=GetCallerIdentity");
    let told = wire.ask(&identity).await.text();
    assert!(told.contains("arn:aws:sts::111122223333:assumed-role/Viewer/mara@work"), "{told}");
    assert_eq!(wire.ask(&Asking::json(&viewer, LIST, json!({}))).await.status, 200);
    let without = Who { token: None, ..viewer.clone() };
    let refused = wire.ask(&Asking::json(&without, LIST, json!({}))).await.refusal();
    assert_eq!(refused.0, "UnrecognizedClientException");
    // The viewer looks, and starts nothing.
    let target = emulator.scenario().node_named("prod-storefront-01").unwrap().id.clone();
    let start = Asking::json(&viewer, "AmazonSSM.StartSession", json!({"Target": target}));
    assert_eq!(
        wire.ask(&start).await.refusal(),
        (
            "AccessDeniedException".to_owned(),
            format!(
                "User: arn:aws:sts::111122223333:assumed-role/Viewer/mara@work is not authorized \
                 to perform: ssm:StartSession on resource: \
                 arn:aws:ec2:eu-central-1:111122223333:instance/{target} because no \
                 identity-based policy allows the ssm:StartSession action"
            )
        )
    );
}

#[tokio::test]
async fn data_keys_are_bound_to_their_context() {
    let (_emulator, mut wire, mara) = sandbox().await;
    let context = json!({"aws:ssm:SessionId": "s", "aws:ssm:TargetId": "i-1"});
    let body = json!({
        "KeyId": "alias/session-manager", "NumberOfBytes": 64, "EncryptionContext": context,
    });
    let made = wire.ask(&Asking::json(&mara, "TrentService.GenerateDataKey", body)).await.json();
    assert!(made["KeyId"].as_str().unwrap().starts_with("arn:aws:kms:eu-central-1:111122223333:"));
    let open = |context: serde_json::Value| {
        let body = json!({"CiphertextBlob": made["CiphertextBlob"], "EncryptionContext": context});
        Asking::json(&mara, "TrentService.Decrypt", body)
    };
    let opened = wire.ask(&open(context)).await.json();
    assert_eq!(opened["Plaintext"], made["Plaintext"]);
    let refused = wire.ask(&open(json!({"aws:ssm:SessionId": "s"}))).await;
    assert_eq!(refused.text(), "{\"__type\":\"InvalidCiphertextException\"}");
}

#[tokio::test]
async fn documents_are_told_as_the_account_has_them() {
    let (emulator, mut wire, mara) = sandbox().await;
    let omar = Who::user(&emulator, "omar");
    let ask =
        |who: &Who, name: &str| Asking::json(who, "AmazonSSM.GetDocument", json!({"Name": name}));
    let content = |answer: serde_json::Value| -> serde_json::Value {
        serde_json::from_str(answer["Content"].as_str().unwrap()).unwrap()
    };
    let shell = "SSM-SessionManagerRunShell";
    let prod = content(wire.ask(&ask(&mara, shell)).await.json());
    assert_eq!(prod["inputs"]["kmsKeyId"], "");
    let data = content(wire.ask(&ask(&omar, shell)).await.json());
    assert!(data["inputs"]["kmsKeyId"].as_str().unwrap().contains("777788889999"));
    let ssh = wire.ask(&ask(&mara, "AWS-StartSSHSession")).await.json();
    assert_eq!(ssh["DocumentType"], "Session");
    assert_eq!(content(ssh)["sessionType"], "Port");
}

#[tokio::test]
async fn chunked_bodies_and_kept_connections_are_understood() {
    let (emulator, mut wire, mara) = sandbox().await;
    let asking = Asking::json(&mara, LIST, json!({"MaxResults": 5}));
    let mut bytes = format!("{}transfer-encoding: chunked\r\n\r\n", asking.head()).into_bytes();
    for piece in asking.body.chunks(4) {
        bytes.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        bytes.extend_from_slice(piece);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    wire.send(&bytes).await;
    let answer = wire.read().await.unwrap();
    assert_eq!(answer.json()["InstanceInformationList"].as_array().unwrap().len(), 5);
    assert_eq!(wire.ask(&asking).await.status, 200);
    assert_eq!(emulator.counts().connections, 1);
}

#[tokio::test]
async fn regions_are_those_of_the_partition() {
    let (_emulator, mut wire, mara) = sandbox().await;
    let text = wire.ask(&Asking::form(&mara, "ec2", "Action=DescribeRegions")).await.text();
    assert_eq!(text.matches("<regionName>").count(), 17);
    assert!(text.contains("<regionEndpoint>ec2.eu-west-1.amazonaws.com</regionEndpoint>"));
    let form = "Action=DescribeRegions&AllRegions=true&RegionName.1=af-south-1";
    let text = wire.ask(&Asking::form(&mara, "ec2", form)).await.text();
    assert!(text.contains("<optInStatus>not-opted-in</optInStatus>"), "{text}");
}

async fn all_node_ids(wire: &mut Wire, who: &Who) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    let mut body = json!({"MaxResults": 50});
    loop {
        let answer = wire.ask(&Asking::json(who, LIST, body)).await.json();
        let rows = answer["InstanceInformationList"].as_array().unwrap();
        assert!(rows.len() <= 50);
        for row in rows {
            assert!(ids.insert(row["InstanceId"].as_str().unwrap().to_owned()), "twice");
        }
        let Some(next) = answer["NextToken"].as_str() else { return ids };
        body = json!({"MaxResults": 50, "NextToken": next});
    }
}
