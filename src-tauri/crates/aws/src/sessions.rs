//! What the service remembers of sessions, and what the account prefers of them.

use std::time::{Duration, SystemTime};

use aws_sdk_ssm::types::{
    DocumentFormat, Session, SessionFilter, SessionFilterKey, SessionState as SdkState,
};
use serde_json::Value;
use session::SessionId;

use crate::client::Client;
use crate::endpoints::Service;
use crate::error::CallError;
use crate::node::Platform;

/// The document with the account's session preferences.
const PREFERENCES: &str = "SSM-SessionManagerRunShell";
/// What the preferences leave open.
const USUAL_IDLE_TIMEOUT: Duration = Duration::from_secs(20 * 60);
const MINUTE: Duration = Duration::from_secs(60);
/// Whom agents run shells as, and make for it, unless they are told otherwise.
const USUAL_USER: &str = "ssm-user";

/// A session as the service remembers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    /// The session.
    pub session_id: SessionId,
    /// The ARN of who started it.
    pub owner: String,
    /// When it was started.
    pub started: SystemTime,
    /// When it ended; none while it lives.
    pub ended: Option<SystemTime>,
}

/// What an account prefers of the shells in one region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionPreferences {
    /// How long a session may be quiet before the service ends it.
    pub idle_timeout: Duration,
    /// Shells on Linux and macOS run as a user that the caller's tags or the preferences name;
    /// which of them cannot be known from here.
    pub has_run_as: bool,
}

impl Default for SessionPreferences {
    fn default() -> Self {
        Self { idle_timeout: USUAL_IDLE_TIMEOUT, has_run_as: false }
    }
}

impl SessionPreferences {
    /// Says whom a shell runs as on a node of this kind; none where that is for others to say.
    pub fn user(&self, platform: Platform) -> Option<&'static str> {
        match platform {
            Platform::Windows => Some(USUAL_USER),
            Platform::Linux | Platform::MacOs | Platform::Unknown => {
                (!self.has_run_as).then_some(USUAL_USER)
            }
        }
    }

    /// Reads the document; what it leaves out or says in no known way is as usual.
    fn of(document: &str) -> Self {
        let document: Value = serde_json::from_str(document).unwrap_or_default();
        let input = |name: &str| document.get("inputs").and_then(|inputs| inputs.get(name));
        // Minutes stand there as text, flags as what they are; either has been seen as the other.
        let minutes = input("idleSessionTimeout").and_then(|minutes| {
            let text = minutes.as_str().and_then(|text| text.parse().ok());
            text.or_else(|| u32::try_from(minutes.as_u64()?).ok())
        });
        let has_run_as = input("runAsEnabled").and_then(|flag| {
            let text = flag.as_str().and_then(|text| text.parse().ok());
            text.or_else(|| flag.as_bool())
        });
        Self {
            idle_timeout: minutes.map_or(USUAL_IDLE_TIMEOUT, |minutes: u32| MINUTE * minutes),
            has_run_as: has_run_as.unwrap_or_default(),
        }
    }
}

impl Client {
    /// Lists the latest sessions on one node, newest first, at most `most` of the living and as
    /// many of the others. Safe to drop.
    ///
    /// # Errors
    ///
    /// [`CallError`] when Systems Manager cannot be asked.
    pub async fn sessions_on(&self, node: &str, most: u8) -> Result<Vec<SessionRecord>, CallError> {
        let (active, history) = tokio::try_join!(
            self.some_sessions(node, SdkState::Active, most),
            self.some_sessions(node, SdkState::History, most),
        )?;
        let mut all = active;
        all.extend(history);
        all.sort_by_key(|record| std::cmp::Reverse(record.started));
        Ok(all)
    }

    async fn some_sessions(
        &self,
        node: &str,
        state: SdkState,
        most: u8,
    ) -> Result<Vec<SessionRecord>, CallError> {
        let call = self.call(Service::Ssm, "DescribeSessions");
        let filter = SessionFilter::builder().key(SessionFilterKey::TargetId).value(node).build();
        let filters: Vec<_> = filter.into_iter().collect();
        let output = call
            .run(|| {
                self.ssm()
                    .describe_sessions()
                    .state(state.clone())
                    .set_filters(Some(filters.clone()))
                    .max_results(i32::from(most))
                    .send()
            })
            .await?;
        Ok(output.sessions().iter().filter_map(record).collect())
    }

    /// Asks what the account prefers of its shells. Safe to drop.
    ///
    /// # Errors
    ///
    /// [`CallError`] when the preferences may not be read.
    pub async fn session_preferences(&self) -> Result<SessionPreferences, CallError> {
        let call = self.call(Service::Ssm, "GetDocument");
        let output = call
            .run(|| {
                self.ssm()
                    .get_document()
                    .name(PREFERENCES)
                    .document_format(DocumentFormat::Json)
                    .send()
            })
            .await;
        match output {
            Ok(output) => Ok(SessionPreferences::of(output.content().unwrap_or_default())),
            // An account whose preferences nobody ever changed has no such document.
            Err(error) if error.is_code("InvalidDocument") => Ok(SessionPreferences::default()),
            Err(error) => Err(error),
        }
    }
}

fn record(session: &Session) -> Option<SessionRecord> {
    let date = |date: &aws_smithy_types::DateTime| SystemTime::try_from(*date).ok();
    Some(SessionRecord {
        session_id: SessionId::new(session.session_id()?),
        owner: session.owner().unwrap_or_default().to_owned(),
        started: session.start_date().and_then(date)?,
        ended: session.end_date().and_then(date),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(inputs: &str) -> SessionPreferences {
        SessionPreferences::of(&format!(r#"{{"schemaVersion": "1.0", "inputs": {{{inputs}}}}}"#))
    }

    #[test]
    fn the_idle_timeout_is_read_from_the_preferences() {
        let timeout = |value: &str| with(&format!(r#""idleSessionTimeout": {value}"#)).idle_timeout;
        assert_eq!(timeout("\"45\""), Duration::from_secs(45 * 60));
        assert_eq!(timeout("7"), Duration::from_secs(7 * 60));
        assert_eq!(timeout("\"\""), USUAL_IDLE_TIMEOUT);
        assert_eq!(timeout(&u64::MAX.to_string()), USUAL_IDLE_TIMEOUT);
        for other in ["{}", "", "no JSON"] {
            assert_eq!(SessionPreferences::of(other), SessionPreferences::default(), "{other}");
        }
    }

    #[test]
    fn the_user_of_a_shell_is_told_only_where_it_is_known() {
        let usual = with(r#""runAsEnabled": false, "runAsDefaultUser": """#);
        assert_eq!(usual.user(Platform::Linux), Some("ssm-user"));
        // A tag of whoever asks may name another than the preferences do.
        for run_as in
            [r#""runAsEnabled": true, "runAsDefaultUser": "ops""#, r#""runAsEnabled": "true""#]
        {
            assert_eq!(with(run_as).user(Platform::Linux), None, "{run_as}");
            assert_eq!(with(run_as).user(Platform::Windows), Some("ssm-user"), "{run_as}");
        }
    }
}
