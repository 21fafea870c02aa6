//! IAM Identity Center: sign-ins by device code, and what they are good for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use time::{Duration, OffsetDateTime};

use super::sts::credential;
use crate::keyring::{Credential, Keyring};
use crate::random;
use crate::scenario::{Account, Role, Scenario};

/// How long a sign-in page can be confirmed.
pub(crate) const PAGE_LIFE: Duration = Duration::minutes(10);
/// How long a sign-in is good for.
pub(crate) const SIGN_IN_LIFE: Duration = Duration::hours(8);
/// How long credentials of a role last.
const ROLE_LIFE: Duration = Duration::hours(1);
/// Whoever signs in is she.
const PERSON: &str = "mara";

/// The sign-ins under way and those that are good. Clones speak for the same ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct SignIns(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    asked: BTreeMap<String, Asked>,
    /// Access tokens and their ends.
    access: BTreeMap<String, OffsetDateTime>,
    refresh: BTreeSet<String>,
}

#[derive(Debug)]
struct Asked {
    user_code: String,
    until: OffsetDateTime,
    answer: Option<bool>,
}

/// Why there is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoToken {
    Pending,
    Denied,
    Expired,
    Invalid,
}

/// A sign-in that is good.
#[derive(Debug)]
pub(crate) struct Token {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl SignIns {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a sign-in; answers its device code and the code its page shows.
    pub(crate) fn ask(&self, now: OffsetDateTime) -> (String, String) {
        let device_code = word(&random::bytes::<24>());
        let letters = word(&random::bytes::<8>());
        let (first, last) = letters.split_at(4);
        let user_code = format!("{first}-{last}");
        let asked = Asked { user_code: user_code.clone(), until: now + PAGE_LIFE, answer: None };
        self.state().asked.insert(device_code.clone(), asked);
        (device_code, user_code)
    }

    /// Says whether a page with this code waits for an answer.
    pub(crate) fn waits(&self, user_code: &str) -> bool {
        let state = self.state();
        state.asked.values().any(|asked| asked.user_code == user_code && asked.answer.is_none())
    }

    /// Answers on the page.
    pub(crate) fn answer(&self, user_code: &str, answer: bool) -> bool {
        let mut state = self.state();
        let asked = state.asked.values_mut().find(|asked| asked.user_code == user_code);
        asked.map(|asked| asked.answer = Some(answer)).is_some()
    }

    /// Turns a device code into a token, once.
    pub(crate) fn token(&self, device_code: &str, now: OffsetDateTime) -> Result<Token, NoToken> {
        let mut state = self.state();
        let asked = state.asked.get(device_code).ok_or(NoToken::Invalid)?;
        if now >= asked.until {
            return Err(NoToken::Expired);
        }
        match asked.answer {
            None => Err(NoToken::Pending),
            Some(false) => Err(NoToken::Denied),
            Some(true) => {
                state.asked.remove(device_code);
                Ok(state.make(now))
            }
        }
    }

    /// Turns a refresh token into a new token, once.
    pub(crate) fn renew(&self, refresh: &str, now: OffsetDateTime) -> Result<Token, NoToken> {
        let mut state = self.state();
        if !state.refresh.remove(refresh) {
            return Err(NoToken::Invalid);
        }
        Ok(state.make(now))
    }

    /// Says whether an access token is good.
    pub(crate) fn is_good(&self, access: &str, now: OffsetDateTime) -> bool {
        self.state().access.get(access).is_some_and(|until| now < *until)
    }
}

impl State {
    fn make(&mut self, now: OffsetDateTime) -> Token {
        let access = word(&random::bytes::<40>());
        let refresh = word(&random::bytes::<40>());
        self.access.insert(access.clone(), now + SIGN_IN_LIFE);
        self.refresh.insert(refresh.clone());
        Token { access, refresh }
    }
}

/// The roles that a sign-in may take in an account: those nobody needs a secret word for.
pub(crate) fn roles(account: &Account) -> impl Iterator<Item = &Role> {
    account.roles.iter().filter(|role| role.external_id.is_none())
}

/// Hands out credentials for a role; none if there is no such role.
pub(crate) fn credentials(
    scenario: &Scenario,
    keyring: &Keyring,
    (account, role): (&str, &str),
    now: OffsetDateTime,
) -> Option<Credential> {
    let account = scenario.account(account)?;
    let role = roles(account).find(|known| known.name == role)?;
    let credential = credential(now, account, role, PERSON, ROLE_LIFE);
    keyring.add(credential.clone());
    Some(credential)
}

fn word(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_waits_for_its_page_and_gives_one_token() {
        let (sign_ins, now) = (SignIns::default(), OffsetDateTime::UNIX_EPOCH);
        let (device, user) = sign_ins.ask(now);
        assert_eq!(sign_ins.token(&device, now).err(), Some(NoToken::Pending));
        assert!(sign_ins.waits(&user) && sign_ins.answer(&user, true));
        let token = sign_ins.token(&device, now).unwrap();
        assert!(sign_ins.is_good(&token.access, now));
        assert!(!sign_ins.is_good(&token.access, now + SIGN_IN_LIFE));
        assert_eq!(sign_ins.token(&device, now).err(), Some(NoToken::Invalid));
        let renewed = sign_ins.renew(&token.refresh, now).unwrap();
        assert!(sign_ins.is_good(&renewed.access, now));
        assert_eq!(sign_ins.renew(&token.refresh, now).err(), Some(NoToken::Invalid));
    }

    #[test]
    fn a_page_that_is_refused_or_late_gives_none() {
        let (sign_ins, now) = (SignIns::default(), OffsetDateTime::UNIX_EPOCH);
        let (device, user) = sign_ins.ask(now);
        assert!(sign_ins.answer(&user, false) && !sign_ins.waits(&user));
        assert_eq!(sign_ins.token(&device, now).err(), Some(NoToken::Denied));
        assert_eq!(sign_ins.token(&device, now + PAGE_LIFE).err(), Some(NoToken::Expired));
    }
}
