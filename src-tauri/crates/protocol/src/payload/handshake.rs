//! The bodies of handshake and encryption challenge.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::{BodyError, encode, null_as_default, parse};

const SESSION_TYPE: &str = "SessionType";
const KMS_ENCRYPTION: &str = "KMSEncryption";

/// What the agent asks of the client before a session starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandshakeRequest {
    /// The agent's version.
    pub agent_version: String,
    /// What the client is to do, in order.
    pub actions: Vec<RequestedAction>,
}

/// One thing the client is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestedAction {
    /// `SessionType`: behave as this kind of session.
    SessionType {
        /// `Standard_Stream`, `InteractiveCommands`, `NonInteractiveCommands` or `Port`.
        session_type: String,
        /// The resolved document properties of a port session, else `null`.
        properties: Value,
    },
    /// `KMSEncryption`: get a data key.
    KmsEncryption {
        /// The KMS key, as the service wants it named.
        key_id: String,
        /// The random challenge, used verbatim in the encryption context; since agent 3.3.808.0.
        challenge: Option<String>,
    },
    /// An action this crate does not know.
    Other {
        /// Its name.
        action_type: String,
    },
}

impl HandshakeRequest {
    /// Reads the payload of a handshake request.
    ///
    /// # Errors
    /// [`BodyError`] if it is no such JSON object, or a known action lacks its parameters.
    pub fn parse(payload: &[u8]) -> Result<Self, BodyError> {
        const BODY: &str = "handshake request";
        let wire: WireRequest = parse(BODY, payload)?;
        let actions = wire
            .requested_client_actions
            .into_iter()
            .map(WireAction::understand)
            .collect::<Result<_, _>>()
            .map_err(|source| BodyError { body: BODY, source })?;
        Ok(Self { agent_version: wire.agent_version, actions })
    }

    /// The payload.
    pub fn encode(&self) -> Bytes {
        encode(&WireRequestOut {
            agent_version: &self.agent_version,
            requested_client_actions: self.actions.iter().map(WireActionOut::of).collect(),
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireRequest {
    #[serde(default, deserialize_with = "null_as_default")]
    agent_version: String,
    #[serde(default, deserialize_with = "null_as_default")]
    requested_client_actions: Vec<WireAction>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireAction {
    action_type: String,
    #[serde(default)]
    action_parameters: Value,
}

impl WireAction {
    fn understand(self) -> Result<RequestedAction, serde_json::Error> {
        match self.action_type.as_str() {
            SESSION_TYPE => {
                let parameters: SessionTypeParameters =
                    serde_json::from_value(self.action_parameters)?;
                Ok(RequestedAction::SessionType {
                    session_type: parameters.session_type,
                    properties: parameters.properties,
                })
            }
            KMS_ENCRYPTION => {
                let parameters: KmsParameters = serde_json::from_value(self.action_parameters)?;
                Ok(RequestedAction::KmsEncryption {
                    key_id: parameters.kms_key_id,
                    challenge: parameters.challenge.filter(|challenge| !challenge.is_empty()),
                })
            }
            _ => Ok(RequestedAction::Other { action_type: self.action_type }),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SessionTypeParameters {
    session_type: String,
    #[serde(default)]
    properties: Value,
}

#[derive(Serialize, Deserialize)]
struct KmsParameters {
    #[serde(rename = "KMSKeyId")]
    kms_key_id: String,
    #[serde(rename = "Challenge", default, skip_serializing_if = "Option::is_none")]
    challenge: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct WireRequestOut<'a> {
    agent_version: &'a str,
    requested_client_actions: Vec<WireActionOut<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct WireActionOut<'a> {
    action_type: &'a str,
    action_parameters: WireParametersOut,
}

#[derive(Serialize)]
#[serde(untagged)]
enum WireParametersOut {
    SessionType(SessionTypeParameters),
    Kms(KmsParameters),
    None(()),
}

impl<'a> WireActionOut<'a> {
    fn of(action: &'a RequestedAction) -> Self {
        match action {
            RequestedAction::SessionType { session_type, properties } => Self {
                action_type: SESSION_TYPE,
                action_parameters: WireParametersOut::SessionType(SessionTypeParameters {
                    session_type: session_type.clone(),
                    properties: properties.clone(),
                }),
            },
            RequestedAction::KmsEncryption { key_id, challenge } => Self {
                action_type: KMS_ENCRYPTION,
                action_parameters: WireParametersOut::Kms(KmsParameters {
                    kms_key_id: key_id.clone(),
                    challenge: challenge.clone(),
                }),
            },
            RequestedAction::Other { action_type } => {
                Self { action_type, action_parameters: WireParametersOut::None(()) }
            }
        }
    }
}

/// What the client did about each requested action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HandshakeResponse {
    /// The client's version; gates mux and keep-alive at the agent.
    #[serde(default, deserialize_with = "null_as_default")]
    pub client_version: String,
    /// One entry for each requested action, in order.
    #[serde(default, deserialize_with = "null_as_default")]
    pub processed_client_actions: Vec<ProcessedAction>,
    /// Errors that belong to no action.
    #[serde(default)]
    pub errors: Option<Vec<String>>,
}

/// One action's outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ProcessedAction {
    /// The action's name as requested.
    #[serde(default, deserialize_with = "null_as_default")]
    pub action_type: String,
    /// Anything but success ends the session.
    #[serde(default, deserialize_with = "null_as_default")]
    pub action_status: ActionStatus,
    /// The data key, for `KMSEncryption`. Results of another shape are read as none.
    #[serde(default, deserialize_with = "other_shape_as_none")]
    pub action_result: Option<KmsEncryptionResult>,
    /// Why not, for people.
    #[serde(default, deserialize_with = "null_as_default")]
    pub error: String,
}

impl ProcessedAction {
    /// The outcome of a session type this client can be.
    pub fn session_type_accepted() -> Self {
        Self::new(SESSION_TYPE, ActionStatus::Success, String::new())
    }

    /// The outcome of a session type this client cannot be.
    pub fn session_type_failed(error: String) -> Self {
        Self::new(SESSION_TYPE, ActionStatus::Failed, error)
    }

    /// The outcome of a data key that was not to be had.
    pub fn kms_encryption_failed(error: String) -> Self {
        Self::new(KMS_ENCRYPTION, ActionStatus::Failed, error)
    }

    /// The outcome of getting a data key.
    pub fn kms_encryption(result: KmsEncryptionResult) -> Self {
        Self {
            action_result: Some(result),
            ..Self::new(KMS_ENCRYPTION, ActionStatus::Success, String::new())
        }
    }

    /// The outcome of an action this client does not know.
    pub fn unsupported(action_type: &str) -> Self {
        let error = format!("{action_type} is not supported by this client");
        Self::new(action_type, ActionStatus::Unsupported, error)
    }

    fn new(action_type: &str, action_status: ActionStatus, error: String) -> Self {
        Self { action_type: action_type.to_owned(), action_status, action_result: None, error }
    }
}

/// How an action went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ActionStatus {
    /// 1.
    Success,
    /// 2.
    Failed,
    /// 3.
    Unsupported,
    /// 0: left out by official clients for actions they do not know.
    #[default]
    Unset,
    /// Any other number.
    Other(i64),
}

impl Serialize for ActionStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(match self {
            Self::Unset => 0,
            Self::Success => 1,
            Self::Failed => 2,
            Self::Unsupported => 3,
            Self::Other(number) => *number,
        })
    }
}

impl<'de> Deserialize<'de> for ActionStatus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match i64::deserialize(deserializer)? {
            0 => Self::Unset,
            1 => Self::Success,
            2 => Self::Failed,
            3 => Self::Unsupported,
            number => Self::Other(number),
        })
    }
}

/// The sealed data key, handed to the agent to have it opened by KMS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KmsEncryptionResult {
    /// The ciphertext blob of the data key.
    #[serde(rename = "KMSCipherTextKey", default, with = "go_bytes")]
    pub cipher_text_key: Vec<u8>,
    /// Never filled by the official client.
    #[serde(rename = "KMSCipherTextHash", default, with = "go_bytes")]
    pub cipher_text_hash: Vec<u8>,
    /// Whether the challenge is part of the encryption context.
    #[serde(
        rename = "ChallengeAcknowledgement",
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "std::ops::Not::not"
    )]
    pub challenge_acknowledgement: bool,
}

impl HandshakeResponse {
    /// Reads the payload of a handshake response.
    ///
    /// # Errors
    /// [`BodyError`] if it is no such JSON object.
    pub fn parse(payload: &[u8]) -> Result<Self, BodyError> {
        parse("handshake response", payload)
    }

    /// The payload.
    pub fn encode(&self) -> Bytes {
        encode(self)
    }
}

/// The agent's word that data may flow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HandshakeComplete {
    /// Nanoseconds the handshake took.
    #[serde(deserialize_with = "null_as_default")]
    pub handshake_time_to_complete: i64,
    /// Text to show to the user; may be empty.
    #[serde(deserialize_with = "null_as_default")]
    pub customer_message: String,
}

impl HandshakeComplete {
    /// Reads the payload of a handshake complete.
    ///
    /// # Errors
    /// [`BodyError`] if it is no such JSON object.
    pub fn parse(payload: &[u8]) -> Result<Self, BodyError> {
        parse("handshake complete", payload)
    }

    /// The payload.
    pub fn encode(&self) -> Bytes {
        encode(self)
    }
}

/// The body of encryption challenge request and response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChallengeBody {
    /// The sealed challenge.
    #[serde(rename = "Challenge", with = "go_bytes")]
    pub challenge: Vec<u8>,
}

impl ChallengeBody {
    /// Reads the payload of an encryption challenge.
    ///
    /// # Errors
    /// [`BodyError`] if it is no such JSON object.
    pub fn parse(payload: &[u8]) -> Result<Self, BodyError> {
        parse("encryption challenge", payload)
    }

    /// The payload.
    pub fn encode(&self) -> Bytes {
        encode(self)
    }
}

/// Go's `[]byte`: padded base64 text, nothing as `null`.
mod go_bytes {
    use super::*;

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        if bytes.is_empty() {
            serializer.serialize_none()
        } else {
            serializer.serialize_str(&STANDARD.encode(bytes))
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?.unwrap_or_default();
        STANDARD.decode(text).map_err(serde::de::Error::custom)
    }
}

/// Official clients put a bare number where the result of an unknown action should be.
fn other_shape_as_none<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<KmsEncryptionResult>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(if value.is_object() { serde_json::from_value(value).ok() } else { None })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_request_is_read_and_written_in_the_official_order() {
        let text = concat!(
            r#"{"AgentVersion":"3.3.987.0","RequestedClientActions":["#,
            r#"{"ActionType":"SessionType","ActionParameters":{"SessionType":"Port","#,
            r#""Properties":{"localPortNumber":"8080","portNumber":"80","type":"LocalPortForwarding"}}},"#,
            r#"{"ActionType":"KMSEncryption","ActionParameters":{"KMSKeyId":"arn:aws:kms:x","#,
            r#""Challenge":"c2l4dGVlbg=="}},"#,
            r#"{"ActionType":"Dance","ActionParameters":null}]}"#
        );
        let request = HandshakeRequest {
            agent_version: "3.3.987.0".into(),
            actions: vec![
                RequestedAction::SessionType {
                    session_type: "Port".into(),
                    properties: json!({
                        "portNumber": "80", "localPortNumber": "8080", "type": "LocalPortForwarding",
                    }),
                },
                RequestedAction::KmsEncryption {
                    key_id: "arn:aws:kms:x".into(),
                    challenge: Some("c2l4dGVlbg==".into()),
                },
                RequestedAction::Other { action_type: "Dance".into() },
            ],
        };
        assert_eq!(HandshakeRequest::parse(text.as_bytes()).unwrap(), request);
        assert_eq!(request.encode(), text.as_bytes());
    }

    #[test]
    fn a_known_action_without_its_parameters_is_refused() {
        let text = br#"{"RequestedClientActions":[{"ActionType":"SessionType"}]}"#;
        assert!(HandshakeRequest::parse(text).is_err());
        assert!(HandshakeRequest::parse(b"7").is_err());
    }

    #[test]
    fn a_response_is_read_and_written_in_the_official_order() {
        let text = concat!(
            r#"{"ClientVersion":"1.2.764.0","ProcessedClientActions":["#,
            r#"{"ActionType":"SessionType","ActionStatus":1,"ActionResult":null,"Error":""},"#,
            r#"{"ActionType":"KMSEncryption","ActionStatus":1,"ActionResult":{"#,
            r#""KMSCipherTextKey":"AQID","KMSCipherTextHash":null,"ChallengeAcknowledgement":true},"#,
            r#""Error":""}],"Errors":null}"#
        );
        let response = HandshakeResponse {
            client_version: "1.2.764.0".into(),
            processed_client_actions: vec![
                ProcessedAction::session_type_accepted(),
                ProcessedAction::kms_encryption(KmsEncryptionResult {
                    cipher_text_key: vec![1, 2, 3],
                    challenge_acknowledgement: true,
                    ..KmsEncryptionResult::default()
                }),
            ],
            errors: None,
        };
        assert_eq!(HandshakeResponse::parse(text.as_bytes()).unwrap(), response);
        assert_eq!(response.encode(), text.as_bytes());
    }

    #[test]
    fn the_official_clients_way_to_say_unsupported_is_read() {
        let text = br#"{"ClientVersion":"1.2.677.0","ProcessedClientActions":[
            {"ActionType":"Dance","ActionStatus":0,"ActionResult":3,"Error":""}],"Errors":["no"]}"#;
        let response = HandshakeResponse::parse(text).unwrap();
        let [action] = &response.processed_client_actions[..] else { panic!("one action") };
        assert_eq!(action.action_status, ActionStatus::Unset);
        assert_eq!(action.action_result, None);
        assert_eq!(response.errors, Some(vec!["no".to_owned()]));
    }

    #[test]
    fn complete_and_challenge_are_read_and_written() {
        let text = br#"{"HandshakeTimeToComplete":1038009,"CustomerMessage":"hello"}"#;
        let complete = HandshakeComplete {
            handshake_time_to_complete: 1_038_009,
            customer_message: "hello".into(),
        };
        assert_eq!(HandshakeComplete::parse(text).unwrap(), complete);
        assert_eq!(complete.encode(), &text[..]);
        let challenge = ChallengeBody { challenge: vec![0, 255] };
        assert_eq!(challenge.encode(), &br#"{"Challenge":"AP8="}"#[..]);
        assert_eq!(ChallengeBody::parse(&challenge.encode()).unwrap(), challenge);
        assert!(ChallengeBody::parse(br#"{"Challenge":"?"}"#).is_err());
    }
}
