use std::collections::BTreeMap;

use protocol::{
    ChallengeBody, DataKey, HandshakeComplete, HandshakeRequest, KmsEncryptionResult, PayloadType,
    ProcessedAction, RequestedAction, Seal, SizeBody,
};

use crate::faults::AgentRules;
use crate::random;
use crate::scripted::{Bench, CLIENT_VERSION, Client};
use crate::sessions::Started;

const SHELL: &str = "SSM-SessionManagerRunShell";

struct Asked {
    key_id: String,
    challenge: Option<String>,
}

/// Reads the request for encryption.
async fn asked(client: &mut Client) -> Asked {
    let request = client.payload(PayloadType::HandshakeRequest).await;
    let request = HandshakeRequest::parse(&request).unwrap();
    assert!(matches!(&request.actions[0], RequestedAction::SessionType { session_type, .. }
        if session_type == "Standard_Stream"));
    let RequestedAction::KmsEncryption { key_id, challenge } = request.actions[1].clone() else {
        panic!("encryption was expected");
    };
    Asked { key_id, challenge }
}

/// Gets a data key, with or without the challenge in its context, and answers with it.
async fn answer(
    bench: &Bench,
    client: &mut Client,
    started: &Started,
    asked: Asked,
    with: bool,
) -> DataKey {
    let mut context = BTreeMap::from([
        ("aws:ssm:SessionId".to_owned(), started.session_id.clone()),
        ("aws:ssm:TargetId".to_owned(), bench.node.id.clone()),
    ]);
    if with {
        let challenge = asked.challenge.expect("a challenge");
        context.insert("aws:ssm:RandomChallenge".to_owned(), challenge);
    }
    let key = bench.kms.generate_data_key(&asked.key_id, &context, 64).unwrap();
    let result = KmsEncryptionResult {
        cipher_text_key: key.blob,
        cipher_text_hash: Vec::new(),
        challenge_acknowledgement: with,
    };
    client.respond(CLIENT_VERSION, ProcessedAction::kms_encryption(result)).await;
    DataKey::from_bytes(&key.plaintext).unwrap()
}

#[tokio::test]
async fn an_encrypted_shell_proves_its_key_and_hides_its_text() {
    for with_challenge in [false, true] {
        let bench = Bench::unpaced();
        let started = bench.start_document(bench.encrypted(SHELL), &[]);
        let mut client = bench.join(&started).await;
        let asked = asked(&mut client).await;
        assert_eq!(asked.key_id, bench.key_arn());
        let key = answer(&bench, &mut client, &started, asked, with_challenge).await;
        let mut seal = Seal::client(&key, random::bytes());
        let challenge = client.payload(PayloadType::EncChallengeRequest).await;
        let challenge = ChallengeBody::parse(&challenge).unwrap().challenge;
        let proof = seal.open(&challenge).unwrap();
        assert_eq!(proof.len(), 64);
        let proof = ChallengeBody { challenge: seal.seal(&proof).to_vec() };
        client.send(PayloadType::EncChallengeResponse, proof.encode()).await;
        let complete = client.payload(PayloadType::HandshakeComplete).await;
        let complete = HandshakeComplete::parse(&complete).unwrap();
        assert_eq!(complete.customer_message, "This session is encrypted using AWS KMS.");

        // The first output comes when the terminal is there; input before that would not be taken.
        let mut text = String::new();
        while !text.contains("$ ") {
            let sealed = client.payload(PayloadType::Output).await;
            text.push_str(std::str::from_utf8(&seal.open(&sealed).unwrap()).unwrap());
        }
        client.send(PayloadType::Size, SizeBody { cols: 80, rows: 24 }.encode()).await;
        client.input(seal.seal(b"echo sec''ret\n")).await;
        while !text.contains("secret\r\n") {
            let sealed = client.payload(PayloadType::Output).await;
            text.push_str(std::str::from_utf8(&seal.open(&sealed).unwrap()).unwrap());
        }
    }
}

#[tokio::test]
async fn a_node_may_insist_on_the_challenge() {
    let mut bench = Bench::unpaced();
    bench.node.requires_challenge = true;
    let started = bench.start_document(bench.encrypted(SHELL), &[]);
    let mut client = bench.join(&started).await;
    let asked = asked(&mut client).await;
    answer(&bench, &mut client, &started, asked, false).await;
    assert_eq!(
        client.closed().await,
        "\n----------ERROR-------\nEncountered error while initiating handshake. client does not support required encryption context random challenge"
    );
}

#[tokio::test]
async fn older_agents_know_no_challenge_for_the_context() {
    let mut bench = Bench::unpaced();
    bench.node.agent_version = "3.3.551.0".into();
    let started = bench.start_document(bench.encrypted(SHELL), &[]);
    let mut client = bench.join(&started).await;
    assert_eq!(asked(&mut client).await.challenge, None);
}

#[tokio::test]
async fn a_client_without_a_key_ends_the_session_with_its_words() {
    let bench = Bench::unpaced();
    let mut client = bench.join(&bench.start_document(bench.encrypted(SHELL), &[])).await;
    asked(&mut client).await;
    let failed = ProcessedAction::kms_encryption_failed("no permission".into());
    client.respond(CLIENT_VERSION, failed).await;
    assert_eq!(
        client.closed().await,
        "\n----------ERROR-------\nEncountered error while initiating handshake. KMSEncryption failed on client with status 2 error: no permission"
    );
}

#[tokio::test]
async fn a_key_for_another_context_is_refused() {
    let bench = Bench::unpaced();
    let started = bench.start_document(bench.encrypted(SHELL), &[]);
    let mut client = bench.join(&started).await;
    let asked = asked(&mut client).await;
    let other = Started { session_id: "somebody-else".into(), token: String::new() };
    answer(&bench, &mut client, &other, asked, false).await;
    let output = client.closed().await;
    assert!(output.contains("Fetching data key failed: Unable to retrieve data key"), "{output}");
}

#[tokio::test]
async fn silence_in_the_handshake_ends_the_session() {
    let bench = Bench::unpaced();
    bench.faults.agent(|rules| {
        *rules = AgentRules {
            handshake_timeout: std::time::Duration::from_millis(200),
            ..AgentRules::unpaced()
        };
    });
    let mut client = bench.join(&bench.start_document(bench.encrypted(SHELL), &[])).await;
    assert!(client.closed().await.contains("Handshake timed out. Please ensure"));

    let started = bench.start_document(bench.encrypted(SHELL), &[]);
    let mut client = bench.join(&started).await;
    let asked = asked(&mut client).await;
    answer(&bench, &mut client, &started, asked, false).await;
    assert!(client.closed().await.contains("Timed out waiting for encryption challenge."));
}

#[tokio::test]
async fn sealed_input_before_there_is_a_key_stops_the_reader() {
    let bench = Bench::unpaced();
    bench.faults.agent(|rules| rules.handshake_timeout = std::time::Duration::from_millis(300));
    let started = bench.start_document(bench.encrypted(SHELL), &[]);
    let mut client = bench.join(&started).await;
    let asked = asked(&mut client).await;
    client.input("far too early for this").await;
    answer(&bench, &mut client, &started, asked, false).await;
    // The answer is not heard any more.
    assert!(client.closed().await.contains("Handshake timed out."));
}
