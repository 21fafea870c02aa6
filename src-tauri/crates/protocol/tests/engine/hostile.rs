//! Frames no honest peer sends: the session ends with an error that names them.

use bytes::Bytes;
use protocol::{ChallengeBody, DataKey, DecodeError, MessageType, PayloadType, PeerError, Seal};
use serde_json::Value;

use crate::script::Script;

/// Asserts the error, and that the channel is over but still answers.
fn ends_with(mut script: Script, result: Result<(), PeerError>, expected: &str) {
    let error = result.expect_err("the frame is refused");
    assert_eq!(error.to_string(), expected);
    assert!(script.channel.is_over());
    script.output(b"ignored");
    assert!(script.sent().is_empty());
    assert_eq!(script.channel.poll_timeout(), None);
}

#[test]
fn a_frame_that_is_no_message() {
    let mut script = Script::shell();
    let result = script.receive(Bytes::from_static(b"GET / HTTP/1.1"));
    let expected = "a frame is no message: a frame of 14 bytes is shorter than the 120-byte header";
    ends_with(script, result, expected);
}

#[test]
fn a_header_length_past_the_end() {
    let mut script = Script::shell();
    let message = script.message(MessageType::OutputStreamData, 1, PayloadType::Output, "x");
    let mut frame = message.encode().to_vec();
    frame[..4].copy_from_slice(&u32::MAX.to_be_bytes());
    let result = script.receive(frame.into());
    assert!(matches!(result, Err(PeerError::Frame(DecodeError::HeaderLength { .. }))));
}

#[test]
fn a_digest_of_something_else() {
    let mut script = Script::shell();
    let message = script.message(MessageType::OutputStreamData, 1, PayloadType::Output, "x");
    let mut frame = message.encode().to_vec();
    frame[120] = b'y';
    let result = script.receive(frame.into());
    let expected = "a frame is no message: PayloadDigest of output_stream_data 1 does not match \
                    its payload";
    ends_with(script, result, expected);
}

#[test]
fn a_frame_of_two_mebibytes() {
    let mut script = Script::shell();
    let result = script.receive(vec![0; 2 << 20].into());
    ends_with(script, result, "a frame of 2097152 bytes is longer than 1048576");
}

#[test]
fn a_sequence_number_below_zero() {
    let mut script = Script::shell();
    let result = script.stream_at(i64::MIN, PayloadType::Output, "x");
    ends_with(script, result, "stream data has the sequence number -9223372036854775808");
}

#[test]
fn an_acknowledgement_without_a_number() {
    let mut script = Script::shell();
    let result = script.gateway(MessageType::Acknowledge, "{}");
    ends_with(script, result, "the payload is no acknowledge body");
}

#[test]
fn acknowledgements_of_what_was_never_sent_mean_nothing() {
    let mut script = Script::shell();
    script.type_in("x");
    script.sent();
    for sequence in [i64::MIN, -1, 1, 7, i64::MAX] {
        script.acknowledge(sequence);
    }
    assert_eq!(script.channel.stats().unacknowledged_frames, 1);
}

#[test]
fn a_handshake_request_in_a_running_session() {
    let mut script = Script::shell();
    let result = script.stream(PayloadType::HandshakeRequest, "{}");
    ends_with(script, result, "HandshakeRequest arrived while ready");
}

#[test]
fn a_handshake_request_that_is_not_json() {
    let mut script = Script::new();
    let result = script.stream(PayloadType::HandshakeRequest, "shell please");
    ends_with(script, result, "the payload is no handshake request");
}

#[test]
fn a_handshake_request_without_a_session_type() {
    let mut script = Script::new();
    let result = script.stream(PayloadType::HandshakeRequest, "{}");
    ends_with(script, result, "the handshake request names no session type");
}

#[test]
fn a_handshake_completed_before_it_began() {
    let mut script = Script::new();
    let result = script.stream(PayloadType::HandshakeComplete, "{}");
    let expected = "HandshakeComplete arrived while waiting for the first message";
    ends_with(script, result, expected);
}

#[test]
fn output_in_the_middle_of_a_handshake() {
    let mut script = Script::new();
    script.request(
        "3.3.1142.0",
        vec![protocol::RequestedAction::SessionType {
            session_type: "Port".into(),
            properties: Value::Null,
        }],
    );
    let result = script.stream(PayloadType::Output, "early");
    ends_with(script, result, "Output arrived while waiting for the end of the handshake");
}

#[test]
fn an_encryption_challenge_in_a_clear_session() {
    let mut script = Script::shell();
    let challenge = ChallengeBody { challenge: vec![1; 92] };
    let result = script.stream(PayloadType::EncChallengeRequest, challenge.encode());
    ends_with(script, result, "EncChallengeRequest arrived while ready");
}

fn encrypted() -> (Script, Seal) {
    let key = DataKey::from_bytes(&[9; 64]).expect("64 bytes");
    let mut script = Script::new();
    script.request(
        "3.3.1142.0",
        vec![
            protocol::RequestedAction::SessionType {
                session_type: "Standard_Stream".into(),
                properties: Value::Null,
            },
            protocol::RequestedAction::KmsEncryption { key_id: "k".into(), challenge: None },
        ],
    );
    script.channel.provide_data_key(&key, b"blob");
    (script, Seal::agent(&key, [0; 12]))
}

#[test]
fn a_challenge_sealed_with_another_key() {
    let (mut script, _) = encrypted();
    let challenge = ChallengeBody { challenge: vec![1; 92] };
    let result = script.stream(PayloadType::EncChallengeRequest, challenge.encode());
    let expected =
        "EncChallengeRequest 1: a sealed payload does not open with the session's data key";
    ends_with(script, result, expected);
}

#[test]
fn clear_text_in_an_encrypted_session() {
    let (mut script, mut agent) = encrypted();
    script.complete();
    script.settle();
    let sealed = agent.seal(b"fine");
    script.stream(PayloadType::Output, sealed).unwrap();
    let result = script.stream(PayloadType::Output, "$ ");
    let expected = "Output 3: a sealed payload of 2 bytes has no room for nonce and tag";
    ends_with(script, result, expected);

    let (mut script, _) = encrypted();
    script.complete();
    let result = script.stream(PayloadType::Undefined, "$ ");
    ends_with(script, result, "Undefined arrived while encrypted");
}

#[test]
fn an_exit_status_that_is_none() {
    let mut script = Script::new();
    script.handshake("3.3.1142.0", "NonInteractiveCommands", Value::Null);
    let result = script.stream(PayloadType::ExitCode, "EXIT_CODE: soon");
    ends_with(script, result, "an exit status is not of the form `EXIT_CODE: <n>`");
}

#[test]
fn a_close_message_that_is_not_json() {
    let mut script = Script::shell();
    let result = script.gateway(MessageType::ChannelClosed, "bye");
    ends_with(script, result, "the payload is no channel_closed body");
}

#[test]
fn what_both_official_ends_ignore_is_ignored() {
    let mut script = Script::shell();
    for message_type in [
        MessageType::InputStreamData,
        MessageType::AgentSessionState,
        MessageType::Other("data_channel_ready".into()),
        MessageType::Other("🦀".into()),
    ] {
        script.gateway(message_type, "anything").unwrap();
    }
    script.stream(PayloadType::Other(99), "new").unwrap();
    script.stream(PayloadType::Parameter, "").unwrap();
    script.stream(PayloadType::Flag, &[0, 0, 0, 77][..]).unwrap();
    assert_eq!(script.acknowledged(), [1, 2, 3], "stream data is acknowledged all the same");
    assert!(script.events().is_empty());
}
