//! The opening talk as states.
//!
//! ```text
//! request ──► AwaitingDataKey ──key──► Responded ──complete──► ready
//!    │              └──refused──► Refused (the gateway closes the channel)
//!    ├──────────────────────────► Responded     (no encryption asked for)
//!    └──────────────────────────► Refused       (an action cannot be done)
//! ```

use serde_json::Value;

use crate::error::PeerError;
use crate::event::{LocalEndpoint, PortKind, PortProperties, Ready, SessionKind};
use crate::payload::{
    ActionStatus, ChallengeBody, HandshakeComplete, HandshakeRequest, HandshakeResponse,
    KmsEncryptionResult, PayloadType, ProcessedAction, RequestedAction,
};
use crate::seal::{DataKey, Seal};
use crate::version::{AgentVersion, compare_agent_rule};

/// The oldest client version towards which the agent muxes.
const FIRST_MUX_CLIENT: &str = "1.1.70";

/// A handshake between its request and its end.
#[derive(Debug)]
pub(crate) struct Handshake {
    agent_version: AgentVersion,
    client_version: String,
    kind: Option<SessionKind>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The data key is being fetched; the other actions are processed.
    AwaitingDataKey { before: Vec<ProcessedAction>, after: Vec<ProcessedAction>, challenged: bool },
    /// The response is on its way.
    Responded { seal: Option<Box<Seal>> },
    /// The response said that something cannot be done.
    Refused,
}

/// What is to be done after the request.
#[derive(Debug)]
pub(crate) enum Step {
    Respond(HandshakeResponse),
    WantDataKey { key_id: String, challenge: Option<String> },
}

impl Handshake {
    /// Takes the agent's request.
    pub(crate) fn begin(
        request: HandshakeRequest,
        client_version: &str,
    ) -> Result<(Self, Step), PeerError> {
        let agent_version = AgentVersion::from(request.agent_version.as_str());
        let mut kind = None;
        let mut has_session_type = false;
        let mut data_key = None;
        let mut before = Vec::new();
        let mut after = Vec::new();
        for action in request.actions {
            let processed = if data_key.is_some() { &mut after } else { &mut before };
            match action {
                RequestedAction::SessionType { session_type, properties } => {
                    if std::mem::replace(&mut has_session_type, true) {
                        return Err(PeerError::RepeatedAction { action: "SessionType" });
                    }
                    kind = SessionKind::of(
                        &session_type,
                        &properties,
                        &agent_version,
                        client_version,
                    )?;
                    processed.push(match kind {
                        Some(_) => ProcessedAction::session_type_accepted(),
                        None => ProcessedAction::session_type_failed(format!(
                            "session type {session_type} is not supported by this client"
                        )),
                    });
                }
                RequestedAction::KmsEncryption { key_id, challenge } => {
                    if data_key.replace((key_id, challenge)).is_some() {
                        return Err(PeerError::RepeatedAction { action: "KMSEncryption" });
                    }
                }
                RequestedAction::Other { action_type } => {
                    processed.push(ProcessedAction::unsupported(&action_type));
                }
            }
        }
        if !has_session_type {
            return Err(PeerError::NoSessionType);
        }
        let mut handshake = Self {
            agent_version,
            client_version: client_version.to_owned(),
            kind,
            state: State::Refused,
        };
        let is_refusal =
            before.iter().chain(&after).any(|done| done.action_status != ActionStatus::Success);
        let step = match data_key {
            None => {
                if !is_refusal {
                    handshake.state = State::Responded { seal: None };
                }
                Step::Respond(handshake.response(before))
            }
            // The agent ends the session anyway; no key is asked for in vain.
            Some(_) if is_refusal => {
                let failed =
                    ProcessedAction::kms_encryption_failed("another action failed".to_owned());
                let processed = before.into_iter().chain([failed]).chain(after).collect();
                Step::Respond(handshake.response(processed))
            }
            Some((key_id, challenge)) => {
                handshake.state =
                    State::AwaitingDataKey { before, after, challenged: challenge.is_some() };
                Step::WantDataKey { key_id, challenge }
            }
        };
        Ok((handshake, step))
    }

    pub(crate) fn agent_version(&self) -> &AgentVersion {
        &self.agent_version
    }

    /// Takes the data key that was asked for. `None` if none was.
    pub(crate) fn provide(
        &mut self,
        key: &DataKey,
        ciphertext: &[u8],
        nonce_seed: [u8; 12],
    ) -> Option<HandshakeResponse> {
        let (before, after, challenged) = self.take_awaiting()?;
        self.state = State::Responded { seal: Some(Box::new(Seal::client(key, nonce_seed))) };
        let done = ProcessedAction::kms_encryption(KmsEncryptionResult {
            cipher_text_key: ciphertext.to_vec(),
            cipher_text_hash: Vec::new(),
            challenge_acknowledgement: challenged,
        });
        Some(self.response(before.into_iter().chain([done]).chain(after).collect()))
    }

    /// Takes word that there is no data key. `None` if none was asked for.
    pub(crate) fn refuse(&mut self, reason: &str) -> Option<HandshakeResponse> {
        let (before, after, _) = self.take_awaiting()?;
        let failed = ProcessedAction::kms_encryption_failed(reason.to_owned());
        Some(self.response(before.into_iter().chain([failed]).chain(after).collect()))
    }

    fn take_awaiting(&mut self) -> Option<(Vec<ProcessedAction>, Vec<ProcessedAction>, bool)> {
        if !matches!(self.state, State::AwaitingDataKey { .. }) {
            return None;
        }
        match std::mem::replace(&mut self.state, State::Refused) {
            State::AwaitingDataKey { before, after, challenged } => {
                Some((before, after, challenged))
            }
            State::Responded { .. } | State::Refused => None,
        }
    }

    fn response(&self, processed_client_actions: Vec<ProcessedAction>) -> HandshakeResponse {
        HandshakeResponse {
            client_version: self.client_version.clone(),
            processed_client_actions,
            errors: None,
        }
    }

    /// Answers the agent's encryption challenge: opened with its key, sealed with ours.
    pub(crate) fn challenge(
        &mut self,
        sequence: i64,
        body: &ChallengeBody,
    ) -> Result<ChallengeBody, PeerError> {
        const PAYLOAD_TYPE: PayloadType = PayloadType::EncChallengeRequest;
        let phase = self.phase();
        let State::Responded { seal: Some(seal) } = &mut self.state else {
            return Err(PeerError::OutOfState { payload_type: PAYLOAD_TYPE, phase });
        };
        let plain = seal.open(&body.challenge).map_err(|source| PeerError::Seal {
            payload_type: PAYLOAD_TYPE,
            sequence,
            source,
        })?;
        Ok(ChallengeBody { challenge: seal.seal(&plain).to_vec() })
    }

    /// Takes the agent's word that data may flow.
    pub(crate) fn complete(
        &mut self,
        body: HandshakeComplete,
    ) -> Result<(Ready, Option<Box<Seal>>), PeerError> {
        let payload_type = PayloadType::HandshakeComplete;
        let out_of_state = PeerError::OutOfState { payload_type, phase: self.phase() };
        let State::Responded { seal } = &mut self.state else { return Err(out_of_state) };
        let kind = self.kind.take().ok_or(out_of_state)?;
        let ready = Ready {
            agent_version: Some(self.agent_version.clone()),
            kind,
            customer_message: body.customer_message,
            encrypted: seal.is_some(),
        };
        Ok((ready, seal.take()))
    }

    /// What the session is doing, for an error.
    pub(crate) fn phase(&self) -> &'static str {
        match &self.state {
            State::AwaitingDataKey { .. } => "waiting for a data key",
            State::Responded { seal: Some(_) } => "waiting for the end of an encrypted handshake",
            State::Responded { seal: None } => "waiting for the end of the handshake",
            State::Refused => "waiting for the end of a refused session",
        }
    }
}

impl SessionKind {
    /// `None` for a type this client does not know.
    fn of(
        session_type: &str,
        properties: &Value,
        agent: &AgentVersion,
        client_version: &str,
    ) -> Result<Option<Self>, PeerError> {
        Ok(match session_type {
            "Standard_Stream" => Some(Self::Shell),
            "InteractiveCommands" => Some(Self::InteractiveCommand),
            "NonInteractiveCommands" => Some(Self::NonInteractiveCommand),
            "Port" => Some(Self::Port(PortProperties::of(properties, agent, client_version)?)),
            _ => None,
        })
    }
}

impl PortProperties {
    fn of(
        properties: &Value,
        agent: &AgentVersion,
        client_version: &str,
    ) -> Result<Self, PeerError> {
        let text = |key| property(properties, key);
        let kind = PortKind::of(text("type")?.as_deref(), agent, client_version);
        let local = if text("localConnectionType")?.as_deref() == Some("unix") {
            LocalEndpoint::Unix(text("localUnixSocket")?.unwrap_or_default())
        } else {
            let port = text("localPortNumber")?.map(|port| port.parse()).transpose();
            let malformed = PeerError::Property { property: "localPortNumber" };
            LocalEndpoint::Tcp(port.map_err(|_| malformed)?.unwrap_or(0))
        };
        Ok(Self {
            kind,
            port_number: text("portNumber")?.unwrap_or_default(),
            host: text("host")?,
            local,
        })
    }
}

/// A property as text; empty is as good as absent. Numbers are accepted for text.
fn property(properties: &Value, property: &'static str) -> Result<Option<String>, PeerError> {
    match properties.get(property) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => {
            Err(PeerError::Property { property })
        }
    }
}

impl PortKind {
    /// Both ends decide for themselves, so this must be what the agent decides.
    fn of(forwarding_type: Option<&str>, agent: &AgentVersion, client_version: &str) -> Self {
        if forwarding_type != Some("LocalPortForwarding") {
            Self::Stdio
        } else if agent.supports_mux()
            && compare_agent_rule(client_version, FIRST_MUX_CLIENT).is_ge()
        {
            Self::Mux
        } else {
            Self::Single
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const CLIENT: &str = "1.2.764.0";

    fn session_type(name: &str, properties: Value) -> RequestedAction {
        RequestedAction::SessionType { session_type: name.into(), properties }
    }

    fn encryption() -> RequestedAction {
        RequestedAction::KmsEncryption { key_id: "key".into(), challenge: Some("abc".into()) }
    }

    fn request(agent_version: &str, actions: Vec<RequestedAction>) -> HandshakeRequest {
        HandshakeRequest { agent_version: agent_version.into(), actions }
    }

    fn begin(actions: Vec<RequestedAction>) -> Result<(Handshake, Step), PeerError> {
        Handshake::begin(request("3.3.1142.0", actions), CLIENT)
    }

    fn port_kind(agent_version: &str, client_version: &str, properties: Value) -> PortKind {
        let request = request(agent_version, vec![session_type("Port", properties)]);
        let (mut handshake, _) = Handshake::begin(request, client_version).unwrap();
        let (ready, _) = handshake.complete(HandshakeComplete::default()).unwrap();
        let SessionKind::Port(properties) = ready.kind else { panic!("a port session") };
        properties.kind
    }

    #[test]
    fn port_sessions_mux_only_if_both_ends_do() {
        let forwarding = || json!({"type": "LocalPortForwarding", "portNumber": "80"});
        assert_eq!(port_kind("3.3.1142.0", CLIENT, forwarding()), PortKind::Mux);
        assert_eq!(port_kind("3.0.196.0", CLIENT, forwarding()), PortKind::Single);
        assert_eq!(port_kind("3.3.1142.0", "1.1.61.0", forwarding()), PortKind::Single);
        assert_eq!(port_kind("3.3.1142.0", CLIENT, json!({"portNumber": 22})), PortKind::Stdio);
        assert_eq!(port_kind("3.3.1142.0", CLIENT, Value::Null), PortKind::Stdio);
    }

    #[test]
    fn port_properties_are_read_once() {
        let properties = json!({
            "portNumber": "80", "host": "db", "localPortNumber": "8080", "type": "LocalPortForwarding",
        });
        let read = |properties| PortProperties::of(&properties, &"3.3.0.0".into(), CLIENT);
        let port = read(properties).unwrap();
        assert_eq!(port.host.as_deref(), Some("db"));
        assert_eq!(port.local, LocalEndpoint::Tcp(8080));
        assert_eq!(
            read(json!({"localConnectionType": "unix", "localUnixSocket": "/tmp/s"}))
                .unwrap()
                .local,
            LocalEndpoint::Unix("/tmp/s".into())
        );
        assert_eq!(
            read(json!({"localPortNumber": "", "host": ""})).unwrap().local,
            LocalEndpoint::Tcp(0)
        );
        for malformed in [json!({"localPortNumber": "many"}), json!({"localPortNumber": "70000"})] {
            assert!(matches!(
                read(malformed),
                Err(PeerError::Property { property: "localPortNumber" })
            ));
        }
        assert!(matches!(
            read(json!({"portNumber": {}})),
            Err(PeerError::Property { property: "portNumber" })
        ));
    }

    #[test]
    fn actions_are_answered_in_order_and_unknown_ones_refused() {
        let (mut handshake, step) = begin(vec![
            RequestedAction::Other { action_type: "Dance".into() },
            session_type("Port", Value::Null),
            encryption(),
        ])
        .unwrap();
        let Step::Respond(response) = step else { panic!("a response") };
        let statuses: Vec<_> =
            response.processed_client_actions.iter().map(|done| done.action_status).collect();
        assert_eq!(
            statuses,
            [ActionStatus::Unsupported, ActionStatus::Success, ActionStatus::Failed]
        );
        assert!(matches!(
            handshake.complete(HandshakeComplete::default()),
            Err(PeerError::OutOfState { payload_type: PayloadType::HandshakeComplete, .. })
        ));
    }

    #[test]
    fn an_unknown_session_type_is_answered_with_failed() {
        let (_, step) = begin(vec![session_type("Telepathy", Value::Null)]).unwrap();
        let Step::Respond(response) = step else { panic!("a response") };
        let [done] = &response.processed_client_actions[..] else { panic!("one action") };
        assert_eq!(done.action_status, ActionStatus::Failed);
        assert!(done.error.contains("Telepathy"));
    }

    #[test]
    fn requests_that_make_no_sense_are_named() {
        assert!(matches!(begin(vec![]), Err(PeerError::NoSessionType)));
        assert!(matches!(begin(vec![encryption()]), Err(PeerError::NoSessionType)));
        let shell = || session_type("Standard_Stream", Value::Null);
        assert!(matches!(
            begin(vec![shell(), shell()]),
            Err(PeerError::RepeatedAction { action: "SessionType" })
        ));
        assert!(matches!(
            begin(vec![shell(), encryption(), encryption()]),
            Err(PeerError::RepeatedAction { action: "KMSEncryption" })
        ));
    }

    #[test]
    fn an_encrypted_handshake_proves_both_keys() {
        let key = DataKey::from_bytes(&[5; 64]).unwrap();
        let mut agent = Seal::agent(&key, [0; 12]);
        let actions = vec![session_type("Standard_Stream", Value::Null), encryption()];
        let (mut handshake, step) = begin(actions).unwrap();
        assert!(matches!(step, Step::WantDataKey { challenge: Some(_), .. }));
        let challenge = ChallengeBody { challenge: agent.seal(b"random").to_vec() };
        assert!(matches!(handshake.challenge(1, &challenge), Err(PeerError::OutOfState { .. })));
        let response = handshake.provide(&key, b"blob", [1; 12]).unwrap();
        let [_, kms] = &response.processed_client_actions[..] else { panic!("two actions") };
        let result = kms.action_result.as_ref().unwrap();
        assert_eq!(result.cipher_text_key, b"blob");
        assert!(result.challenge_acknowledgement);
        assert!(handshake.provide(&key, b"blob", [1; 12]).is_none());

        let answer = handshake.challenge(1, &challenge).unwrap();
        assert_eq!(agent.open(&answer.challenge).unwrap(), &b"random"[..]);
        let (ready, seal) = handshake.complete(HandshakeComplete::default()).unwrap();
        assert!(ready.encrypted && seal.is_some());
    }

    #[test]
    fn a_refused_data_key_never_becomes_clear_text() {
        let actions = vec![session_type("Standard_Stream", Value::Null), encryption()];
        let (mut handshake, _) = begin(actions).unwrap();
        let response = handshake.refuse("access denied").unwrap();
        let [_, kms] = &response.processed_client_actions[..] else { panic!("two actions") };
        assert_eq!(
            (kms.action_status, kms.error.as_str()),
            (ActionStatus::Failed, "access denied")
        );
        assert!(handshake.complete(HandshakeComplete::default()).is_err());
    }
}
