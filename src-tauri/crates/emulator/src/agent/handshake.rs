//! The talk before a session, from the agent's side.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use protocol::{
    ActionStatus, ChallengeBody, DataKey, HandshakeComplete, HandshakeRequest, HandshakeResponse,
    KmsEncryptionResult, PayloadType, RequestedAction, Seal, compare_agent_rule,
};
use serde_json::Value;
use tokio::sync::Notify;

use super::capabilities::Capabilities;
use super::line::{Closed, Line};
use crate::clock;
use crate::random;
use crate::services::kms::Kms;
use crate::sessions::SessionType;

const TIMED_OUT: &str = "Handshake timed out. Please ensure that you have the latest version of the session manager plugin.";
const CHALLENGE_TIMED_OUT: &str = "Timed out waiting for encryption challenge.";
const ENCRYPTED: &str = "This session is encrypted using AWS KMS.";
const PLEASE_UPDATE: &str = "Please update session manager plugin version (minimum required version 1.2.312.0) for fully support of separate StdOut/StdErr output.\r\n";
/// The last client that cannot take output apart.
const LAST_WITHOUT_SEPARATION: &str = "1.2.295";

/// What a handshake is about.
pub(super) struct Terms {
    pub(super) session_id: String,
    pub(super) node: String,
    pub(super) session_type: SessionType,
    /// Null but for ports.
    pub(super) properties: Value,
    /// The key, if the session is to be encrypted.
    pub(super) kms_key: Option<String>,
    pub(super) separate_output: bool,
    pub(super) requires_challenge: bool,
    pub(super) timeout: Duration,
}

/// How far the talk is. The agent's task leads it, its reader hears the answers; clones share it.
#[derive(Clone)]
pub(super) struct Handshake {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    answered: Notify,
}

struct State {
    stage: Stage,
    /// Set before there are keys: what comes sealed until then kills the real agent's reader.
    encryption: bool,
    terms: Option<Keys>,
    client_version: String,
    failure: Option<String>,
}

/// What the key exchange needs to know.
struct Keys {
    kms: Kms,
    session_id: String,
    node: String,
    challenge: String,
    requires_challenge: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing was said yet; input is acknowledged and lost.
    Opening,
    /// The response is waited for.
    Requested,
    /// The response is there.
    Answered,
    /// This is to come back from the client.
    Challenged(Vec<u8>),
    /// Data may flow.
    Ready,
}

/// What an answer of the client leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Acknowledge it, then call [`Handshake::wake`].
    Taken,
    /// It is wrong; no acknowledgement.
    Wrong,
    /// Nobody waits for it: the real agent's reader hangs for ever.
    Unwanted,
}

impl Handshake {
    pub(super) fn new() -> Self {
        let state = State {
            stage: Stage::Opening,
            encryption: false,
            terms: None,
            client_version: String::new(),
            failure: None,
        };
        Self { shared: Arc::new(Shared { state: Mutex::new(state), answered: Notify::new() }) }
    }

    /// Lets data flow without a word.
    pub(super) fn skip(&self) {
        self.state().stage = Stage::Ready;
    }

    pub(super) fn is_ready(&self) -> bool {
        self.state().stage == Stage::Ready
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.state().encryption
    }

    pub(super) fn client_version(&self) -> String {
        self.state().client_version.clone()
    }

    /// Talks until data may flow.
    ///
    /// # Errors
    ///
    /// The text the real agent fails its task with.
    pub(super) async fn perform(
        &self,
        line: &Line,
        capabilities: &Capabilities,
        kms: &Kms,
        terms: Terms,
    ) -> Result<(), String> {
        let start = clock::now();
        let challenge = base64::Engine::encode(
            &base64::engine::general_purpose::STANDARD,
            random::bytes::<16>(),
        );
        let mut actions = vec![RequestedAction::SessionType {
            session_type: terms.session_type.as_str().to_owned(),
            properties: terms.properties,
        }];
        if let Some(key_id) = terms.kms_key.clone() {
            let challenge = capabilities.random_challenge.then(|| challenge.clone());
            actions.push(RequestedAction::KmsEncryption { key_id, challenge });
        }
        let encrypted = terms.kms_key.is_some();
        {
            let mut state = self.state();
            state.stage = Stage::Requested;
            state.encryption = encrypted;
            state.terms = Some(Keys {
                kms: kms.clone(),
                session_id: terms.session_id,
                node: terms.node,
                challenge,
                requires_challenge: terms.requires_challenge,
            });
        }
        let request =
            HandshakeRequest { agent_version: capabilities.version.clone(), actions }.encode();
        sent(line.send(PayloadType::HandshakeRequest, request).await)?;
        self.answer(terms.timeout, TIMED_OUT).await?;
        if encrypted {
            let secret = random::bytes::<64>();
            self.state().stage = Stage::Challenged(secret.to_vec());
            let sealed = line.channel().seal(&secret).unwrap_or_default();
            let request = ChallengeBody { challenge: sealed.to_vec() }.encode();
            sent(line.send(PayloadType::EncChallengeRequest, request).await)?;
            self.answer(terms.timeout, CHALLENGE_TIMED_OUT).await?;
        }
        let mut customer_message = String::new();
        if terms.separate_output
            && compare_agent_rule(&self.client_version(), LAST_WITHOUT_SEPARATION).is_le()
        {
            customer_message.push_str(PLEASE_UPDATE);
        }
        if encrypted {
            customer_message.push_str(ENCRYPTED);
        }
        let took = start.elapsed().as_nanos();
        let complete = HandshakeComplete {
            handshake_time_to_complete: i64::try_from(took).unwrap_or(i64::MAX),
            customer_message,
        };
        self.state().stage = Stage::Ready;
        sent(line.send(PayloadType::HandshakeComplete, complete.encode()).await)
    }

    /// Hears a handshake response.
    pub(super) fn response(&self, line: &Line, payload: &[u8]) -> Heard {
        let Ok(response) = HandshakeResponse::parse(payload) else { return Heard::Wrong };
        let mut state = self.state();
        if state.stage != Stage::Requested {
            return Heard::Unwanted;
        }
        for action in response.processed_client_actions {
            let failure = if action.action_status != ActionStatus::Success {
                let status = status_number(action.action_status);
                let (kind, error) = (&action.action_type, &action.error);
                Err(format!("{kind} failed on client with status {status} error: {error}"))
            } else if action.action_type == "KMSEncryption" {
                exchange_keys(state.terms.as_ref(), line, action.action_result)
            } else {
                Ok(())
            };
            if let Err(failure) = failure {
                state.failure = Some(failure);
            }
        }
        state.client_version = response.client_version;
        state.stage = Stage::Answered;
        Heard::Taken
    }

    /// Hears the answer to the challenge.
    pub(super) fn challenge(&self, line: &Line, payload: &[u8]) -> Heard {
        let Ok(body) = ChallengeBody::parse(payload) else { return Heard::Wrong };
        let mut state = self.state();
        let Stage::Challenged(expected) = &state.stage else { return Heard::Unwanted };
        match line.channel().open(&body.challenge) {
            Some(Ok(plain)) if plain[..] == expected[..] => {
                state.stage = Stage::Answered;
                Heard::Taken
            }
            Some(_) => Heard::Wrong,
            None => Heard::Unwanted,
        }
    }

    /// Lets the talk go on after an answer; called behind its acknowledgement, so that the
    /// acknowledgement is the first of the two to leave.
    pub(super) fn wake(&self) {
        self.shared.answered.notify_one();
    }

    async fn answer(&self, timeout: Duration, text: &str) -> Result<(), String> {
        tokio::time::timeout(timeout, self.shared.answered.notified())
            .await
            .map_err(|_| text.to_owned())?;
        self.state().failure.take().map_or(Ok(()), Err)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn sent(result: Result<(), Closed>) -> Result<(), String> {
    result.map_err(|Closed| "the session is over".to_owned())
}

fn status_number(status: ActionStatus) -> i64 {
    match status {
        ActionStatus::Unset => 0,
        ActionStatus::Success => 1,
        ActionStatus::Failed => 2,
        ActionStatus::Unsupported => 3,
        ActionStatus::Other(number) => number,
    }
}

fn exchange_keys(
    keys: Option<&Keys>,
    line: &Line,
    result: Option<KmsEncryptionResult>,
) -> Result<(), String> {
    let (Some(keys), Some(result)) = (keys, result) else {
        return Err("unexpected end of JSON input".to_owned());
    };
    if keys.requires_challenge && !result.challenge_acknowledgement {
        return Err("client does not support required encryption context random challenge".into());
    }
    let mut context = BTreeMap::from([
        ("aws:ssm:SessionId".to_owned(), keys.session_id.clone()),
        ("aws:ssm:TargetId".to_owned(), keys.node.clone()),
    ]);
    if result.challenge_acknowledgement {
        context.insert("aws:ssm:RandomChallenge".to_owned(), keys.challenge.clone());
    }
    let failed = |reason: &dyn std::fmt::Display| {
        format!(
            "Fetching data key failed: Unable to retrieve data key, Error when decrypting data key {reason}"
        )
    };
    let opened =
        keys.kms.decrypt(&result.cipher_text_key, &context).map_err(|error| failed(&error))?;
    let key = DataKey::from_bytes(&opened.plaintext).map_err(|error| failed(&error))?;
    line.channel().set_seal(Seal::agent(&key, random::bytes()));
    Ok(())
}
