//! Faults asked for in JSON.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{AgentRules, Direction, Faults, GatewayRules, Impairment, Side};

/// One request of `POST /_sandbox/faults`. `session` names one session; without it all are meant.
///
/// ```json
/// {"fault": "impair", "direction": "down", "impairment": {"message_type": "acknowledge", "drop": 0.1}}
/// {"fault": "agent", "rules": {"pacing": "none"}}
/// {"fault": "cut", "code": 1000, "reason": "Bye"}
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// The next calls of an operation (`*`: of any) fail with this error.
    Refuse {
        /// Such as `StartSession`.
        operation: String,
        /// Such as `AccessDeniedException`.
        code: String,
        /// The text beside it.
        #[serde(default)]
        message: String,
        /// The HTTP status.
        #[serde(default = "bad_request")]
        status: u16,
        /// For so many calls.
        #[serde(default = "once")]
        times: u32,
    },
    /// The next calls of an operation are throttled.
    Throttle {
        /// Such as `ResumeSession`.
        operation: String,
        /// For so many calls.
        #[serde(default = "once")]
        times: u32,
    },
    /// The next calls of an operation get no answer.
    Hang {
        /// Such as `StartSession`.
        operation: String,
        /// For so long; for ever when absent.
        #[serde(default)]
        ms: Option<u64>,
        /// For so many calls.
        #[serde(default = "once")]
        times: u32,
    },
    /// Every credential is expired, or valid again.
    ExpireCredentials {
        /// Which of the two.
        expired: bool,
    },
    /// The next calls of `ResumeSession` are answered without a token.
    ResumeWithoutToken {
        /// For so many calls.
        #[serde(default = "once")]
        times: u32,
    },
    /// The next websocket upgrades are refused.
    RefuseUpgrades {
        /// With this HTTP status.
        status: u16,
        /// For so many upgrades.
        #[serde(default = "once")]
        times: u32,
    },
    /// Changes the named fields of [`GatewayRules`].
    Gateway {
        /// The one session meant.
        #[serde(default)]
        session: Option<String>,
        /// The fields and their new values.
        rules: Value,
    },
    /// Changes the named fields of [`AgentRules`].
    Agent {
        /// The one session meant.
        #[serde(default)]
        session: Option<String>,
        /// The fields and their new values.
        rules: Value,
    },
    /// Disturbs the way between the ends.
    Impair {
        /// The one session meant.
        #[serde(default)]
        session: Option<String>,
        /// Which way.
        #[serde(default)]
        direction: Direction,
        /// How.
        impairment: Impairment,
    },
    /// Ends every disturbance.
    ClearImpairments {
        /// The one session meant.
        #[serde(default)]
        session: Option<String>,
    },
    /// Breaks the client's websocket now.
    Cut {
        /// The one session meant.
        #[serde(default)]
        session: Option<String>,
        /// With this close code; without a close frame when absent.
        #[serde(default)]
        code: Option<u16>,
        /// And this reason.
        #[serde(default)]
        reason: String,
    },
    /// One side neither reads nor writes for a time.
    Freeze {
        /// The one session meant.
        #[serde(default)]
        session: Option<String>,
        /// Which side.
        side: Side,
        /// For so long.
        ms: u64,
    },
    /// `pause_publication` to one side.
    Pause {
        /// The one session meant.
        #[serde(default)]
        session: Option<String>,
        /// Which side.
        side: Side,
    },
    /// `start_publication` to one side.
    Start {
        /// The one session meant.
        #[serde(default)]
        session: Option<String>,
        /// Which side.
        side: Side,
    },
    /// The agent's own websocket is gone for a time.
    AgentAway {
        /// The one session meant.
        #[serde(default)]
        session: Option<String>,
        /// For so long.
        ms: u64,
    },
    /// The service ends sessions.
    Close {
        /// The one session meant.
        #[serde(default)]
        session: Option<String>,
        /// The text the client is told.
        #[serde(default)]
        output: String,
    },
    /// Bytes of any kind reach the client as one binary message.
    Inject {
        /// The one session meant.
        #[serde(default)]
        session: Option<String>,
        /// The bytes, two hexadecimal digits each.
        hex: String,
    },
    /// Forgets every rule and count.
    Reset,
}

/// Why a request for a fault was not followed.
#[derive(Debug, thiserror::Error)]
pub enum FaultError {
    /// A field of the rules is unknown or has the wrong kind of value.
    #[error("the rules do not fit: {0}")]
    Rules(#[source] serde_json::Error),
    /// The bytes are not an even number of hexadecimal digits.
    #[error("`hex` is not an even number of hexadecimal digits")]
    Hex,
}

fn once() -> u32 {
    1
}

fn bad_request() -> u16 {
    400
}

impl Faults {
    /// Follows one request.
    ///
    /// # Errors
    ///
    /// [`FaultError`] when the request contradicts itself; nothing has changed then.
    pub fn apply(&self, fault: Fault) -> Result<(), FaultError> {
        match fault {
            Fault::Refuse { operation, code, message, status, times } => {
                self.refuse(&operation, &code, &message, status, times);
            }
            Fault::Throttle { operation, times } => self.throttle(&operation, times),
            Fault::Hang { operation, ms, times } => {
                self.hang(&operation, ms.map(Duration::from_millis), times);
            }
            Fault::ExpireCredentials { expired } => self.expire_credentials(expired),
            Fault::ResumeWithoutToken { times } => self.resume_without_token(times),
            Fault::RefuseUpgrades { status, times } => self.refuse_upgrades(status, times),
            Fault::Gateway { session, rules } => {
                let session = session.as_deref();
                let now = self.read(session.unwrap_or_default(), |rules| rules.gateway.clone());
                let next: GatewayRules = overlay(&now, rules)?;
                self.change(session, |rules| rules.gateway = next);
            }
            Fault::Agent { session, rules } => {
                let session = session.as_deref();
                let now = self.read(session.unwrap_or_default(), |rules| rules.agent.clone());
                let next: AgentRules = overlay(&now, rules)?;
                self.change(session, |rules| rules.agent = next);
            }
            Fault::Impair { session, direction, impairment } => {
                self.impair(session.as_deref(), direction, impairment);
            }
            Fault::ClearImpairments { session } => self.clear_impairments(session.as_deref()),
            Fault::Cut { session, code, reason } => {
                self.cut(session.as_deref(), code.map(|code| (code, reason.as_str())));
            }
            Fault::Freeze { session, side, ms } => {
                self.freeze(session.as_deref(), side, Duration::from_millis(ms));
            }
            Fault::Pause { session, side } => self.pause(session.as_deref(), side),
            Fault::Start { session, side } => self.start(session.as_deref(), side),
            Fault::AgentAway { session, ms } => {
                self.agent_away(session.as_deref(), Duration::from_millis(ms));
            }
            Fault::Close { session, output } => self.close(session.as_deref(), &output),
            Fault::Inject { session, hex } => {
                self.inject(session.as_deref(), parse_hex(&hex)?.into());
            }
            Fault::Reset => self.reset(),
        }
        Ok(())
    }
}

/// `now` with the fields that `patch` names.
fn overlay<T: Serialize + DeserializeOwned>(now: &T, patch: Value) -> Result<T, FaultError> {
    let mut value = serde_json::to_value(now).map_err(FaultError::Rules)?;
    match (&mut value, patch) {
        (Value::Object(fields), Value::Object(patch)) => fields.extend(patch),
        (value, patch) => *value = patch,
    }
    serde_json::from_value(value).map_err(FaultError::Rules)
}

fn parse_hex(text: &str) -> Result<Vec<u8>, FaultError> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|character| !character.is_whitespace())
        .map(|character| character.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()
        .ok_or(FaultError::Hex)?;
    let pairs = digits.chunks_exact(2);
    if pairs.remainder().is_empty() {
        Ok(pairs.map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
    } else {
        Err(FaultError::Hex)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::Pacing;

    fn apply(faults: &Faults, json: &str) -> Result<(), FaultError> {
        faults.apply(serde_json::from_str(json).map_err(FaultError::Rules)?)
    }

    #[test]
    fn rules_change_only_in_the_fields_named() {
        let faults = Faults::new();
        apply(&faults, r#"{"fault":"gateway","rules":{"idle_timeout_ms":50}}"#).unwrap();
        apply(&faults, r#"{"fault":"agent","rules":{"pacing":"none"}}"#).unwrap();
        let gateway = faults.gateway_rules("any");
        assert_eq!(gateway.idle_timeout, Some(Duration::from_millis(50)));
        assert_eq!(gateway.recycle_after, GatewayRules::default().recycle_after);
        assert_eq!(faults.agent_rules("any").pacing, Pacing::None);
    }

    #[test]
    fn unknown_fields_are_refused_and_change_nothing() {
        let faults = Faults::new();
        let wrong = r#"{"fault":"gateway","rules":{"idle_timeout":50}}"#;
        assert!(matches!(apply(&faults, wrong), Err(FaultError::Rules(_))));
        assert_eq!(faults.gateway_rules("any"), GatewayRules::default());
    }

    #[test]
    fn hex_is_read_in_pairs() {
        assert_eq!(parse_hex("00 fF 7a").unwrap(), [0x00, 0xff, 0x7a]);
        assert!(matches!(parse_hex("0"), Err(FaultError::Hex)));
        assert!(matches!(parse_hex("zz"), Err(FaultError::Hex)));
    }
}
