//! What the service remembers of sessions: those on one node, and how long a quiet one may last.

use std::time::{Duration, SystemTime};

use aws_sdk_ssm::types::{
    DocumentFormat, Session, SessionFilter, SessionFilterKey, SessionState as SdkState,
};
use serde_json::Value;
use session::SessionId;

use crate::client::Client;
use crate::endpoints::Service;
use crate::error::CallError;

/// The document with the account's session preferences.
const PREFERENCES: &str = "SSM-SessionManagerRunShell";
/// What the preferences leave open.
const USUAL_IDLE_TIMEOUT: Duration = Duration::from_secs(20 * 60);
const MINUTE: Duration = Duration::from_secs(60);

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

    /// Asks how long a session may be quiet before the service ends it, by the account's
    /// preferences. Safe to drop.
    ///
    /// # Errors
    ///
    /// [`CallError`] when the preferences may not be read.
    pub async fn idle_timeout(&self) -> Result<Duration, CallError> {
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
            Ok(output) => Ok(idle_timeout(output.content().unwrap_or_default())),
            // An account whose preferences nobody ever changed has no such document.
            Err(error) if error.is_code("InvalidDocument") => Ok(USUAL_IDLE_TIMEOUT),
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

/// Reads the minutes, which the document holds as text, out of the preferences.
fn idle_timeout(document: &str) -> Duration {
    let document: Value = serde_json::from_str(document).unwrap_or_default();
    let minutes = document.pointer("/inputs/idleSessionTimeout").and_then(|minutes| {
        let text = minutes.as_str().and_then(|text| text.parse().ok());
        text.or_else(|| u32::try_from(minutes.as_u64()?).ok())
    });
    minutes.map_or(USUAL_IDLE_TIMEOUT, |minutes: u32| MINUTE * minutes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_idle_timeout_is_read_from_the_preferences() {
        let with = |value: &str| format!(r#"{{"inputs": {{"idleSessionTimeout": {value}}}}}"#);
        assert_eq!(idle_timeout(&with("\"45\"")), Duration::from_secs(45 * 60));
        assert_eq!(idle_timeout(&with("7")), Duration::from_secs(7 * 60));
        let absurd = with(&format!("\"{}\"", u64::MAX));
        for other in [with("\"\""), absurd, "{}".to_owned(), String::new()] {
            assert_eq!(idle_timeout(&other), USUAL_IDLE_TIMEOUT, "{other}");
        }
    }
}
