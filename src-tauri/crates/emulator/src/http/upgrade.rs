//! The websocket upgrade of a data channel.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use time::OffsetDateTime;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::{Front, Reply, reply};
use crate::gateway::serve_data_channel;
use crate::{clock, sigv4};

/// The name data channels are signed for.
const SERVICE: &str = "ssmmessages";

impl Front {
    /// Accepts or refuses an upgrade; the token in the first message is checked later.
    pub(super) fn upgrade(self, request: Request<Incoming>, session_id: &str) -> Reply {
        let session_id = String::from_utf8_lossy(&sigv4::unescape(session_id)).into_owned();
        let (parts, body) = request.into_parts();
        if let Some(status) = self.faults.take_upgrade_refusal() {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN);
            return self.refuse(status, "refused, as asked");
        }
        let key = match websocket_key(&parts) {
            Ok(key) => key.clone(),
            Err((status, words)) => return self.refuse(status, words),
        };
        let signed = match self.check_signature(&parts, &session_id) {
            Ok(signed) => signed,
            Err(words) => return self.refuse(StatusCode::FORBIDDEN, &words),
        };
        self.tally.upgrade(if signed { "signed" } else { "unsigned" });
        let mut request = Request::from_parts(parts, body);
        let upgraded = hyper::upgrade::on(&mut request);
        let (sessions, stop) = (self.world.sessions.clone(), self.stop.clone());
        self.tasks.spawn(async move {
            let serve = async {
                match upgraded.await {
                    Ok(io) => serve_data_channel(&sessions, TokioIo::new(io), &session_id).await,
                    Err(error) => tracing::debug!(%error, "the upgrade broke off"),
                }
            };
            stop.run_until_cancelled(serve).await;
        });
        let mut response = Response::new(Full::new(Bytes::new()));
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        if let Ok(accept) = HeaderValue::from_str(&derive_accept_key(key.as_bytes())) {
            headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        }
        response
    }

    /// Tells whether the upgrade was signed. Clients before 1.2.764.0 do not sign; a signature that
    /// is there has to be right, and its signer has to be of the session's account.
    fn check_signature(&self, parts: &Parts, session_id: &str) -> Result<bool, String> {
        let presigned = parts.uri.query().is_some_and(|query| query.contains("X-Amz-Signature="));
        if presigned {
            return Err("stream addresses here are not presigned".to_owned());
        }
        if !sigv4::is_signed(&parts.headers) {
            return Ok(false);
        }
        let now = OffsetDateTime::from(clock::date());
        let checked = sigv4::verify(parts, b"", SERVICE, &self.world.keyring, now);
        self.tally.signature(checked.as_ref().map_or_else(|error| error.label(), |_| "ok"));
        let caller = checked.map_err(|error| error.to_string())?;
        let known = self.world.sessions.entry(session_id);
        if known.is_some_and(|entry| !entry.belongs_to(&caller.identity.account, &caller.region)) {
            return Err("the session belongs to another account or region".to_owned());
        }
        Ok(true)
    }

    fn refuse(&self, status: StatusCode, words: &str) -> Reply {
        tracing::debug!(%status, words, "upgrade refused");
        self.tally.upgrade("refused");
        let body = serde_json::json!({ "message": words }).to_string();
        let mut refusal = reply::plain(status, body, "application/json");
        if status == StatusCode::UPGRADE_REQUIRED {
            let headers = refusal.headers_mut();
            headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        refusal
    }
}

/// Checks what RFC 6455 wants of an upgrade and returns its key.
fn websocket_key(parts: &Parts) -> Result<&HeaderValue, (StatusCode, &'static str)> {
    if parts.method != Method::GET {
        return Err((StatusCode::METHOD_NOT_ALLOWED, "a data channel is opened with GET"));
    }
    let headers = &parts.headers;
    if !lists(headers, &header::CONNECTION, "upgrade")
        || !lists(headers, &header::UPGRADE, "websocket")
    {
        return Err((StatusCode::BAD_REQUEST, "a data channel is a websocket"));
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err((StatusCode::UPGRADE_REQUIRED, "the websocket version has to be 13"));
    }
    headers
        .get(header::SEC_WEBSOCKET_KEY)
        .filter(|key| STANDARD.decode(key.as_bytes()).is_ok_and(|key| key.len() == 16))
        .ok_or((StatusCode::BAD_REQUEST, "the websocket key has to be 16 bytes in base64"))
}

fn lists(headers: &HeaderMap, name: &header::HeaderName, word: &str) -> bool {
    headers.get_all(name).iter().any(|value| {
        value
            .to_str()
            .is_ok_and(|value| value.split(',').any(|item| item.trim().eq_ignore_ascii_case(word)))
    })
}
