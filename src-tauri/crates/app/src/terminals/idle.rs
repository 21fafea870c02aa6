//! How long the service lets a quiet session live, asked once for each account and region.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::account::Account;
use crate::view::ProfileId;

type Place = (ProfileId, String);

/// What accounts answered; none where they would not say.
#[derive(Debug, Default)]
pub(super) struct IdleTimeouts {
    answers: Mutex<BTreeMap<Place, Option<Duration>>>,
}

impl IdleTimeouts {
    /// Answers the timeout, asking if nobody has.
    pub(super) async fn of(
        &self,
        profile: &ProfileId,
        region: &str,
        account: &Account,
    ) -> Option<Duration> {
        let place = (profile.clone(), region.to_owned());
        let known = |answers: &BTreeMap<_, _>| answers.get(&place).copied();
        if let Some(answer) = known(&self.answers.lock().unwrap_or_else(PoisonError::into_inner)) {
            return answer;
        }
        let answer = account.client().idle_timeout().await;
        if let Err(error) = &answer {
            tracing::debug!(%error, region, "the idle timeout is not known");
        }
        let answer = answer.ok();
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).insert(place, answer);
        answer
    }
}
