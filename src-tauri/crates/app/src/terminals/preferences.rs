//! What accounts prefer of their shells, asked once for each account and region.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use aws::SessionPreferences;

use crate::account::Account;
use crate::view::ProfileId;

type Place = (ProfileId, String);

/// What accounts answered; none where they would not say.
#[derive(Debug, Default)]
pub(super) struct Preferences {
    answers: Mutex<BTreeMap<Place, Option<SessionPreferences>>>,
}

impl Preferences {
    /// Answers what is preferred, asking if nobody has.
    pub(super) async fn of(
        &self,
        profile: &ProfileId,
        region: &str,
        account: &Account,
    ) -> Option<SessionPreferences> {
        let place = (profile.clone(), region.to_owned());
        let known = |answers: &BTreeMap<_, _>| answers.get(&place).cloned();
        if let Some(answer) = known(&self.answers.lock().unwrap_or_else(PoisonError::into_inner)) {
            return answer;
        }
        let answer = account.client().session_preferences().await;
        if let Err(error) = &answer {
            tracing::debug!(%error, region, "what the account prefers of its shells is not known");
        }
        let answer = answer.ok();
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).insert(place, answer.clone());
        answer
    }
}
