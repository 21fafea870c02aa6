//! What a payload is, and the JSON bodies of those that are JSON.
//!
//! Bodies are read in any key order, with unknown keys and `null` accepted, and written with the
//! spelling and order of the official ends.

mod handshake;

use std::fmt;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

pub use handshake::{
    ActionStatus, ChallengeBody, HandshakeComplete, HandshakeRequest, HandshakeResponse,
    KmsEncryptionResult, ProcessedAction, RequestedAction,
};

use crate::message::MessageType;
use crate::reader::Reader;

/// The `PayloadType` field of stream data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PayloadType {
    /// 0: not set; treated as output.
    Undefined,
    /// 1: bytes of a terminal, a connection or a mux, both ways.
    Output,
    /// 2: declared, never sent.
    Error,
    /// 3: terminal size, client to agent.
    Size,
    /// 4: declared, never sent.
    Parameter,
    /// 5: agent to client.
    HandshakeRequest,
    /// 6: client to agent.
    HandshakeResponse,
    /// 7: agent to client.
    HandshakeComplete,
    /// 8: agent to client, encrypted sessions only.
    EncChallengeRequest,
    /// 9: client to agent, encrypted sessions only.
    EncChallengeResponse,
    /// 10: a [`SessionFlag`].
    Flag,
    /// 11: standard error of a non-interactive command, agent to client.
    StdErr,
    /// 12: exit status of a non-interactive command, agent to client.
    ExitCode,
    /// Any other number.
    Other(u32),
}

impl PayloadType {
    /// Whether the payload is sealed in an encrypted session.
    pub fn is_sealed_when_encrypted(self) -> bool {
        matches!(self, Self::Output | Self::StdErr | Self::ExitCode)
    }
}

impl From<u32> for PayloadType {
    fn from(number: u32) -> Self {
        match number {
            0 => Self::Undefined,
            1 => Self::Output,
            2 => Self::Error,
            3 => Self::Size,
            4 => Self::Parameter,
            5 => Self::HandshakeRequest,
            6 => Self::HandshakeResponse,
            7 => Self::HandshakeComplete,
            8 => Self::EncChallengeRequest,
            9 => Self::EncChallengeResponse,
            10 => Self::Flag,
            11 => Self::StdErr,
            12 => Self::ExitCode,
            other => Self::Other(other),
        }
    }
}

impl From<PayloadType> for u32 {
    fn from(kind: PayloadType) -> Self {
        match kind {
            PayloadType::Undefined => 0,
            PayloadType::Output => 1,
            PayloadType::Error => 2,
            PayloadType::Size => 3,
            PayloadType::Parameter => 4,
            PayloadType::HandshakeRequest => 5,
            PayloadType::HandshakeResponse => 6,
            PayloadType::HandshakeComplete => 7,
            PayloadType::EncChallengeRequest => 8,
            PayloadType::EncChallengeResponse => 9,
            PayloadType::Flag => 10,
            PayloadType::StdErr => 11,
            PayloadType::ExitCode => 12,
            PayloadType::Other(number) => number,
        }
    }
}

/// The payload of a `Flag` message: one big-endian 32-bit number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionFlag {
    /// 1, client to agent: single forwarding closes its connection.
    DisconnectToPort,
    /// 2, client to agent: the session ends.
    TerminateSession,
    /// 3, agent to client: a mux stream's destination could not be reached. Names no stream.
    ConnectToPortError,
}

impl SessionFlag {
    /// The payload of this flag.
    pub fn encode(self) -> Bytes {
        let payload: &'static [u8] = match self {
            Self::DisconnectToPort => &[0, 0, 0, 1],
            Self::TerminateSession => &[0, 0, 0, 2],
            Self::ConnectToPortError => &[0, 0, 0, 3],
        };
        Bytes::from_static(payload)
    }

    /// Reads a flag; `None` for any number but 1, 2, 3 and any length but 4.
    pub fn decode(payload: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(payload);
        let number = reader.be_u32().ok()?;
        reader.finish().ok()?;
        match number {
            1 => Some(Self::DisconnectToPort),
            2 => Some(Self::TerminateSession),
            3 => Some(Self::ConnectToPortError),
            _ => None,
        }
    }
}

/// A payload that should be a certain JSON body is not.
#[derive(Debug, thiserror::Error)]
#[error("the payload is no {body}")]
pub struct BodyError {
    /// Which body was expected.
    pub body: &'static str,
    /// What JSON says about it.
    #[source]
    pub source: serde_json::Error,
}

/// Reads one JSON body.
fn parse<T: DeserializeOwned>(body: &'static str, payload: &[u8]) -> Result<T, BodyError> {
    serde_json::from_slice(payload).map_err(|source| BodyError { body, source })
}

/// Writes one JSON body.
fn encode<T: Serialize>(body: &T) -> Bytes {
    serde_json::to_vec(body).expect("bodies have text keys and cannot fail to serialise").into()
}

/// Reads `null` as the type's default.
fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Reads text, or a number as the text it is written in.
fn text_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Scalar {
        Text(String),
        Number(serde_json::Number),
    }
    Ok(match Option::deserialize(deserializer)? {
        None => String::new(),
        Some(Scalar::Text(text)) => text,
        Some(Scalar::Number(number)) => number.to_string(),
    })
}

/// The body of `acknowledge`.
///
/// Both official ends look at the sequence number only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct AcknowledgeBody {
    /// Type of the acknowledged message.
    #[serde(default, deserialize_with = "null_as_default")]
    pub acknowledged_message_type: String,
    /// Id of the acknowledged message, in normal textual order.
    #[serde(default, deserialize_with = "null_as_default")]
    pub acknowledged_message_id: String,
    /// Its sequence number.
    pub acknowledged_message_sequence_number: i64,
    /// Always true from the official ends.
    #[serde(default, deserialize_with = "null_as_default")]
    pub is_sequential_message: bool,
}

impl AcknowledgeBody {
    /// The acknowledgement of one message.
    pub fn of(message_type: &MessageType, id: Uuid, sequence: i64) -> Self {
        Self {
            acknowledged_message_type: message_type.as_str().to_owned(),
            acknowledged_message_id: id.to_string(),
            acknowledged_message_sequence_number: sequence,
            is_sequential_message: true,
        }
    }

    /// Reads the body of an acknowledgement.
    ///
    /// # Errors
    /// [`BodyError`] if it is no JSON object with a sequence number.
    pub fn parse(payload: &[u8]) -> Result<Self, BodyError> {
        parse("acknowledge body", payload)
    }

    /// Reads the one field that counts, without keeping the others.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_sequence(payload: &[u8]) -> Result<i64, BodyError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Sequence {
            acknowledged_message_sequence_number: i64,
        }
        let body: Sequence = parse("acknowledge body", payload)?;
        Ok(body.acknowledged_message_sequence_number)
    }

    /// The payload.
    pub fn encode(&self) -> Bytes {
        encode(self)
    }
}

/// The body of `channel_closed`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ChannelClosedBody {
    /// Id of this message.
    #[serde(deserialize_with = "null_as_default")]
    pub message_id: String,
    /// A date as text.
    #[serde(deserialize_with = "null_as_default")]
    pub created_date: String,
    /// The managed node.
    #[serde(deserialize_with = "null_as_default")]
    pub destination_id: String,
    /// The session.
    #[serde(deserialize_with = "null_as_default")]
    pub session_id: String,
    /// `channel_closed`.
    #[serde(deserialize_with = "null_as_default")]
    pub message_type: String,
    /// 1.
    #[serde(deserialize_with = "null_as_default")]
    pub schema_version: i64,
    /// Why, for people; empty after a normal end.
    #[serde(deserialize_with = "null_as_default")]
    pub output: String,
}

impl ChannelClosedBody {
    /// Reads the body of `channel_closed`.
    ///
    /// # Errors
    /// [`BodyError`] if it is no such JSON object.
    pub fn parse(payload: &[u8]) -> Result<Self, BodyError> {
        parse("channel_closed body", payload)
    }

    /// The payload.
    pub fn encode(&self) -> Bytes {
        encode(self)
    }
}

/// The body of `agent_session_state`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AgentSessionStateBody {
    /// 1.
    #[serde(deserialize_with = "null_as_default")]
    pub schema_version: i64,
    /// `Connected` or `Terminating`.
    #[serde(deserialize_with = "null_as_default")]
    pub session_state: String,
    /// The session.
    #[serde(deserialize_with = "null_as_default")]
    pub session_id: String,
}

impl AgentSessionStateBody {
    /// Reads the body of `agent_session_state`.
    ///
    /// # Errors
    /// [`BodyError`] if it is no such JSON object.
    pub fn parse(payload: &[u8]) -> Result<Self, BodyError> {
        parse("agent_session_state body", payload)
    }

    /// The payload.
    pub fn encode(&self) -> Bytes {
        encode(self)
    }
}

/// A terminal's size in cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SizeBody {
    /// Columns.
    pub cols: u32,
    /// Rows.
    pub rows: u32,
}

impl SizeBody {
    /// Reads the payload of a `Size` message.
    ///
    /// # Errors
    /// [`BodyError`] if it is no such JSON object.
    pub fn parse(payload: &[u8]) -> Result<Self, BodyError> {
        parse("size body", payload)
    }

    /// The payload.
    pub fn encode(self) -> Bytes {
        encode(&self)
    }
}

/// The first message of either end on a new websocket, as text.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct OpenDataChannel {
    /// `1.0`. Independent clients write a number, and are served.
    #[serde(default, deserialize_with = "text_or_number")]
    pub message_schema_version: String,
    /// A fresh id each time.
    #[serde(default, deserialize_with = "null_as_default")]
    pub request_id: String,
    /// The secret that opens the channel.
    #[serde(default, deserialize_with = "null_as_default")]
    pub token_value: String,
    /// The managed node, from the agent only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_instance_id: Option<String>,
    /// The client's id, the same on every websocket of a session; empty from the agent.
    #[serde(default, deserialize_with = "null_as_default")]
    pub client_id: String,
    /// The client's version; absent from the agent and from older clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_version: Option<String>,
}

impl OpenDataChannel {
    /// The only schema version there is.
    pub const MESSAGE_SCHEMA_VERSION: &'static str = "1.0";

    /// Reads the opening text.
    ///
    /// # Errors
    /// [`BodyError`] if it is no JSON object.
    pub fn parse(text: &str) -> Result<Self, BodyError> {
        parse("OpenDataChannel", text.as_bytes())
    }

    /// The text to send. It holds the token: do not log it.
    pub fn encode(&self) -> String {
        serde_json::to_string(self).expect("text fields cannot fail to serialise")
    }
}

impl fmt::Debug for OpenDataChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenDataChannel")
            .field("request_id", &self.request_id)
            .field("client_instance_id", &self.client_instance_id)
            .field("client_id", &self.client_id)
            .field("client_version", &self.client_version)
            .finish_non_exhaustive()
    }
}

/// The exit status in the payload of an `ExitCode` message, `EXIT_CODE: <n>`.
pub fn parse_exit_code(payload: &[u8]) -> Option<i32> {
    let text = std::str::from_utf8(payload).ok()?;
    text.trim_end().strip_prefix("EXIT_CODE: ")?.parse().ok()
}

/// The payload of an `ExitCode` message.
pub fn encode_exit_code(status: i32) -> Bytes {
    format!("EXIT_CODE: {status}").into()
}

#[cfg(test)]
mod tests {
    use uuid::uuid;

    use super::*;
    use crate::hex::unhex;
    use crate::message::{Flags, Message};

    #[test]
    fn payload_types_survive_their_number() {
        for number in 0..20 {
            assert_eq!(u32::from(PayloadType::from(number)), number);
        }
    }

    #[test]
    fn an_opening_may_give_its_schema_version_as_a_number() {
        let open = |text: &str| OpenDataChannel::parse(text).unwrap().message_schema_version;
        assert_eq!(open(r#"{"MessageSchemaVersion": 1, "TokenValue": "t"}"#), "1");
        assert_eq!(open(r#"{"MessageSchemaVersion": "1.0", "TokenValue": "t"}"#), "1.0");
        assert_eq!(open(r#"{"MessageSchemaVersion": null, "TokenValue": "t"}"#), "");
    }

    #[test]
    fn flags_are_four_bytes_and_known() {
        for flag in [
            SessionFlag::DisconnectToPort,
            SessionFlag::TerminateSession,
            SessionFlag::ConnectToPortError,
        ] {
            assert_eq!(SessionFlag::decode(&flag.encode()), Some(flag));
        }
        assert_eq!(SessionFlag::decode(&[0, 0, 0, 9]), None);
        assert_eq!(SessionFlag::decode(&[0, 0, 1]), None);
        assert_eq!(SessionFlag::decode(&[0, 0, 0, 1, 0]), None);
    }

    #[test]
    fn an_acknowledgement_is_the_known_bytes_both_ways() {
        let frame = unhex(
            "00000074 61636b6e6f776c656467652020202020 20202020202020202020202020202020
             00000001 0000018bcfe569c8 0000000000000000 0000000000000003
             80b400c04fd430c86ba7b8109dad41d1
             daba6066fea2c3c53d085da3da7e0a58de26396b2b45a45640bf9ec7f8bd4db3
             00000000000000b1
             7b2241636b6e6f776c65646765644d65737361676554797065223a226f75747075745f73747265616d5f64617461222c
             2241636b6e6f776c65646765644d6573736167654964223a2264643031653536622d666634382d343833652d61353038
             2d623566303733663331623136222c2241636b6e6f776c65646765644d65737361676553657175656e63654e756d6265
             72223a34312c22497353657175656e7469616c4d657373616765223a747275657d",
        );
        let body = AcknowledgeBody::of(
            &MessageType::OutputStreamData,
            uuid!("dd01e56b-ff48-483e-a508-b5f073f31b16"),
            41,
        );
        let message = Message {
            message_type: MessageType::Acknowledge,
            created_ms: 1_700_000_000_456,
            sequence: 0,
            flags: Flags::SYN_FIN,
            id: uuid!("6ba7b810-9dad-41d1-80b4-00c04fd430c8"),
            payload_type: PayloadType::Undefined,
            payload: body.encode(),
        };
        assert_eq!(message.encode(), frame);
        let decoded = Message::decode(frame).unwrap();
        assert_eq!(AcknowledgeBody::parse(&decoded.payload).unwrap(), body);
        assert_eq!(AcknowledgeBody::parse_sequence(&decoded.payload).unwrap(), 41);
    }

    #[test]
    fn bodies_are_read_in_any_order_with_null_and_unknown_keys() {
        let body = AcknowledgeBody::parse(
            br#"{"New":[1],"AcknowledgedMessageSequenceNumber":7,"AcknowledgedMessageId":null}"#,
        )
        .unwrap();
        assert_eq!(body.acknowledged_message_sequence_number, 7);
        let body = ChannelClosedBody::parse(
            br#"{"Output":"bye","SchemaVersion":1,"MessageId":null,"More":{}}"#,
        )
        .unwrap();
        assert_eq!(body.output, "bye");
        assert!(AcknowledgeBody::parse(b"{}").is_err());
        assert!(ChannelClosedBody::parse(b"gone").is_err());
    }

    #[test]
    fn the_opening_text_has_the_official_order_and_never_prints_its_token() {
        let open = OpenDataChannel {
            message_schema_version: OpenDataChannel::MESSAGE_SCHEMA_VERSION.to_owned(),
            request_id: "d153ec1b-09ca-46f4-a5ff-93e1ecf2b1c2".to_owned(),
            token_value: "AAEAAB…".to_owned(),
            client_instance_id: None,
            client_id: "ca23bc98-d34f-4815-9e4c-f33953868562".to_owned(),
            client_version: Some("1.2.764.0".to_owned()),
        };
        let text = concat!(
            r#"{"MessageSchemaVersion":"1.0","RequestId":"d153ec1b-09ca-46f4-a5ff-93e1ecf2b1c2","#,
            r#""TokenValue":"AAEAAB…","ClientId":"ca23bc98-d34f-4815-9e4c-f33953868562","#,
            r#""ClientVersion":"1.2.764.0"}"#
        );
        assert_eq!(open.encode(), text);
        assert_eq!(OpenDataChannel::parse(text).unwrap(), open);
        assert!(!format!("{open:?}").contains("AAEAAB"));
    }

    #[test]
    fn exit_codes_are_read_and_written() {
        assert_eq!(parse_exit_code(b"EXIT_CODE: 3"), Some(3));
        assert_eq!(parse_exit_code(b"EXIT_CODE: -1"), Some(-1));
        assert_eq!(parse_exit_code(b"EXIT_CODE: 3x"), None);
        assert_eq!(parse_exit_code(b"3"), None);
        assert_eq!(parse_exit_code(&[0xff]), None);
        assert_eq!(parse_exit_code(&encode_exit_code(255)), Some(255));
    }
}
