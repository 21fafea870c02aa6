//! Getting a websocket for a session: the first one with the ticket's token, every later one
//! with a token from `ResumeSession`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tokio::time::timeout;
use url::Url;

use crate::control_plane::{ControlError, ControlPlane, SessionId, Token};
use crate::transport::{Dial, DialError, Transport};

/// A control-plane call that is not answered within this has to be made again.
const CALL_LIMIT: Duration = Duration::from_secs(30);

/// The session's connection at this moment.
pub(super) enum Link {
    /// A websocket is being opened.
    Opening(BoxFuture<'static, Result<Opened, LinkError>>),
    /// A websocket is open.
    Open(Box<Transport>),
    /// The next attempt has to wait.
    Waiting(Instant),
}

/// A websocket and what belongs in its first frame.
pub(super) struct Opened {
    pub(super) transport: Transport,
    pub(super) token: Token,
    pub(super) url: Url,
}

/// Why there is no websocket.
#[derive(Clone, Debug)]
pub(super) enum LinkError {
    /// `ResumeSession` did not give a token.
    Resume(ControlError),
    /// The upgrade could not be signed.
    Sign(ControlError),
    /// The dial failed.
    Dial(DialError),
}

/// What every attempt needs.
#[derive(Clone)]
pub(super) struct Ways {
    pub(super) control: Arc<dyn ControlPlane>,
    pub(super) dialer: Arc<dyn Dial>,
}

impl Ways {
    /// Opens the first websocket of a session.
    pub(super) fn first(&self, url: Url, token: Token) -> Link {
        let ways = self.clone();
        Link::Opening(Box::pin(async move { ways.dial(url, token).await }))
    }

    /// Opens another one for a session that had one, or failed to get one.
    pub(super) fn again(&self, session_id: SessionId, last_url: Url) -> Link {
        let ways = self.clone();
        Link::Opening(Box::pin(async move {
            let resumed = timeout(CALL_LIMIT, ways.control.resume_session(&session_id))
                .await
                .unwrap_or_else(|_| Err(unanswered("ResumeSession")))
                .map_err(LinkError::Resume)?;
            ways.dial(resumed.stream_url.unwrap_or(last_url), resumed.token).await
        }))
    }

    async fn dial(&self, url: Url, token: Token) -> Result<Opened, LinkError> {
        let headers = timeout(CALL_LIMIT, self.control.sign_upgrade(&url))
            .await
            .unwrap_or_else(|_| Err(unanswered("the credentials provider")))
            .map_err(LinkError::Sign)?;
        let transport = self.dialer.dial(&url, headers).await.map_err(LinkError::Dial)?;
        Ok(Opened { transport, token, url })
    }
}

fn unanswered(endpoint: &str) -> ControlError {
    let reason = format!("no answer within {} s", CALL_LIMIT.as_secs());
    ControlError::Unreachable { endpoint: endpoint.to_owned(), reason }
}
