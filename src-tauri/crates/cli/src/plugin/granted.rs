//! A control plane that hands out a session which the caller has started already.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use session::{ControlError, ControlPlane, DataKeyReply, Resumed, SessionId, StartRequest, Ticket};

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, ControlError>> + Send + 'a>>;

/// Answers the first request for a session with the ticket it was given; everything else goes to
/// the account.
pub(crate) struct Granted {
    ticket: Mutex<Option<Ticket>>,
    account: Result<Arc<dyn ControlPlane>, String>,
    knows_target: bool,
}

impl Granted {
    /// `account` may be absent, with the reason: the session works all the same, as long as it
    /// need not be resumed.
    pub(crate) fn new(
        ticket: Ticket,
        account: Result<Arc<dyn ControlPlane>, String>,
        knows_target: bool,
    ) -> Self {
        Self { ticket: Mutex::new(Some(ticket)), account, knows_target }
    }

    fn account(&self) -> Result<&Arc<dyn ControlPlane>, ControlError> {
        self.account
            .as_ref()
            .map_err(|reason| ControlError::NoCredentials { reason: reason.clone() })
    }
}

impl ControlPlane for Granted {
    fn start_session<'a>(&'a self, _request: &'a StartRequest) -> Answer<'a, Ticket> {
        let ticket = self.ticket.lock().unwrap_or_else(PoisonError::into_inner).take();
        Box::pin(async move {
            ticket.ok_or_else(|| ControlError::Unsupported {
                reason: "the caller has started one session, and no other is started".to_owned(),
            })
        })
    }

    fn resume_session<'a>(&'a self, session: &'a SessionId) -> Answer<'a, Resumed> {
        Box::pin(async move { self.account()?.resume_session(session).await })
    }

    fn terminate_session<'a>(&'a self, session: &'a SessionId) -> Answer<'a, ()> {
        Box::pin(async move { self.account()?.terminate_session(session).await })
    }

    fn data_key<'a>(
        &'a self,
        key_id: &'a str,
        context: &'a BTreeMap<String, String>,
    ) -> Answer<'a, DataKeyReply> {
        Box::pin(async move {
            if !self.knows_target {
                return Err(ControlError::Unsupported {
                    reason: "this AWS CLI is too old for encrypted sessions: it does not say \
                             which node the session is on"
                        .to_owned(),
                });
            }
            self.account()?.data_key(key_id, context).await
        })
    }

    fn label(&self) -> String {
        self.account.as_ref().map_or_else(|_| String::new(), |account| account.label())
    }

    fn sign_upgrade<'a>(
        &'a self,
        url: &'a url::Url,
    ) -> Answer<'a, Vec<(http::HeaderName, http::HeaderValue)>> {
        Box::pin(async move {
            match &self.account {
                Ok(account) => account.sign_upgrade(url).await,
                // The token is enough for services that take unsigned upgrades.
                Err(_) => Ok(Vec::new()),
            }
        })
    }
}
