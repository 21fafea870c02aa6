//! The addresses of IAM Identity Center: its sign-in, its portal, and the page a person sees.
//!
//! They need no signature; the portal wants the token of a sign-in.

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{Front, Reply, reply};
use crate::clock;
use crate::services::query::Form;
use crate::services::sign_in::{self, NoToken, PAGE_LIFE, SIGN_IN_LIFE, Token};

const BODY_LIMIT: usize = 64 * 1024;
const JSON: &str = "application/json";
/// Carries the token of a sign-in.
const TOKEN: &str = "x-amz-sso_bearer_token";
/// How often clients may ask whether a page was confirmed, in seconds.
const INTERVAL: u32 = 1;
const PAGE: &str = "/sign-in";

/// A refusal: status, the service's code, and OAuth's own word where it has one.
type Refusal = (StatusCode, &'static str, &'static str);

const UNAUTHORIZED: Refusal =
    (StatusCode::UNAUTHORIZED, "UnauthorizedException", "Session token not found or invalid");
const INVALID: Refusal = (StatusCode::BAD_REQUEST, "InvalidRequestException", "invalid_request");
const NOT_FOUND: Refusal =
    (StatusCode::NOT_FOUND, "ResourceNotFoundException", "No access to that account or role");

/// Says whether an address is one of these.
pub(super) fn is_at(path: &str) -> bool {
    matches!(path, "/client/register" | "/device_authorization" | "/token" | PAGE)
        || matches!(path, "/assignment/accounts" | "/assignment/roles" | "/federation/credentials")
}

impl Front {
    pub(super) async fn sign_in(self, request: Request<Incoming>, path: &str) -> Reply {
        let (parts, body) = request.into_parts();
        let Ok(body) = Limited::new(body, BODY_LIMIT).collect().await else {
            return refused(INVALID);
        };
        let body: Value = serde_json::from_slice(&body.to_bytes()).unwrap_or_default();
        let query = Form::parse(parts.uri.query().unwrap_or_default().as_bytes());
        let now = OffsetDateTime::from(clock::date());
        if path == PAGE {
            return self.page(query);
        }
        let answer = match (&parts.method, path) {
            (&Method::POST, "/client/register") => Ok(self.register(now)),
            (&Method::POST, "/device_authorization") => self.authorize_device(&body, now),
            (&Method::POST, "/token") => self.token(&body, now),
            (&Method::GET, _) => self.portal(&parts, path, query, now),
            _ => Err(INVALID),
        };
        match answer {
            Ok(answer) => reply::plain(StatusCode::OK, answer.to_string(), JSON),
            Err(refusal) => refused(refusal),
        }
    }

    fn register(&self, now: OffsetDateTime) -> Value {
        self.tally.request("RegisterClient");
        json!({
            "clientId": "sandbox-client",
            "clientSecret": "sandbox-client-secret",
            "clientIdIssuedAt": now.unix_timestamp(),
            "clientSecretExpiresAt": (now + time::Duration::days(90)).unix_timestamp(),
        })
    }

    fn authorize_device(&self, body: &Value, now: OffsetDateTime) -> Result<Value, Refusal> {
        self.tally.request("StartDeviceAuthorization");
        text(body, "startUrl").filter(|url| url.starts_with("http")).ok_or(INVALID)?;
        let (device_code, user_code) = self.world.sign_ins.ask(now);
        let page = format!("{}{PAGE}", self.world.url);
        Ok(json!({
            "deviceCode": device_code,
            "userCode": user_code,
            "verificationUri": page,
            "verificationUriComplete": format!("{page}?user_code={user_code}"),
            "expiresIn": PAGE_LIFE.whole_seconds(),
            "interval": INTERVAL,
        }))
    }

    fn token(&self, body: &Value, now: OffsetDateTime) -> Result<Value, Refusal> {
        self.tally.request("CreateToken");
        let sign_ins = &self.world.sign_ins;
        let made = match text(body, "grantType") {
            Some("refresh_token") => {
                sign_ins.renew(text(body, "refreshToken").ok_or(INVALID)?, now)
            }
            Some(_) => sign_ins.token(text(body, "deviceCode").ok_or(INVALID)?, now),
            None => return Err(INVALID),
        };
        let Token { access, refresh } = made.map_err(|why| {
            let (code, word) = match why {
                NoToken::Pending => ("AuthorizationPendingException", "authorization_pending"),
                NoToken::Denied => ("AccessDeniedException", "access_denied"),
                NoToken::Expired => ("ExpiredTokenException", "expired_token"),
                NoToken::Invalid => ("InvalidGrantException", "invalid_grant"),
            };
            (StatusCode::BAD_REQUEST, code, word)
        })?;
        Ok(json!({
            "accessToken": access,
            "refreshToken": refresh,
            "tokenType": "Bearer",
            "expiresIn": SIGN_IN_LIFE.whole_seconds(),
        }))
    }

    fn portal(
        &self,
        parts: &Parts,
        path: &str,
        mut query: Form,
        now: OffsetDateTime,
    ) -> Result<Value, Refusal> {
        let world = &self.world;
        if !bearer(&parts.headers).is_some_and(|token| world.sign_ins.is_good(token, now)) {
            return Err(UNAUTHORIZED);
        }
        let account = query.take("account_id").unwrap_or_default();
        match path {
            "/assignment/accounts" => {
                self.tally.request("ListAccounts");
                let accounts = world.scenario.accounts().iter().map(|account| {
                    let address = format!("aws+{}@feldspar.example", account.name);
                    json!({
                        "accountId": account.id,
                        "accountName": account.name,
                        "emailAddress": address,
                    })
                });
                Ok(json!({ "accountList": accounts.collect::<Vec<_>>() }))
            }
            "/assignment/roles" => {
                self.tally.request("ListAccountRoles");
                let account = world.scenario.account(&account).ok_or(NOT_FOUND)?;
                let roles = sign_in::roles(account)
                    .map(|role| json!({ "roleName": role.name, "accountId": account.id }));
                Ok(json!({ "roleList": roles.collect::<Vec<_>>() }))
            }
            _ => {
                self.tally.request("GetRoleCredentials");
                let role = query.take("role_name").unwrap_or_default();
                let wanted = (account.as_str(), role.as_str());
                let made = sign_in::credentials(&world.scenario, &world.keyring, wanted, now);
                let credential = made.ok_or(NOT_FOUND)?;
                let token = credential.session_token.as_ref().map(|token| token.expose());
                let end = credential.expires.unwrap_or(now).unix_timestamp() * 1000;
                Ok(json!({ "roleCredentials": {
                    "accessKeyId": credential.access_key,
                    "secretAccessKey": credential.secret.expose(),
                    "sessionToken": token,
                    "expiration": end,
                }}))
            }
        }
    }

    /// The page a person confirms a sign-in on.
    fn page(&self, mut query: Form) -> Reply {
        let code = query.take("user_code").unwrap_or_default();
        let (status, words) = match query.take("answer").as_deref() {
            Some(answer) if self.world.sign_ins.answer(&code, answer == "allow") => {
                (StatusCode::OK, "<p>Done. You can close this page.</p>".to_owned())
            }
            None if self.world.sign_ins.waits(&code) => {
                let link = |answer: &str, words: &str| {
                    format!("<a href=\"{PAGE}?user_code={code}&amp;answer={answer}\">{words}</a>")
                };
                let (allow, deny) = (link("allow", "Allow"), link("deny", "Deny"));
                (
                    StatusCode::OK,
                    format!("<p>Sign in to the sandbox with code <b>{code}</b>?</p>{allow} {deny}"),
                )
            }
            _ => (StatusCode::NOT_FOUND, "<p>No sign-in waits for that code.</p>".to_owned()),
        };
        let page = format!(
            "<!doctype html><meta charset=\"utf-8\"><title>Sandbox sign-in</title>\
             <h1>Sandbox sign-in</h1>{words}\n"
        );
        reply::plain(status, page, "text/html; charset=utf-8")
    }
}

fn refused((status, code, word): Refusal) -> Reply {
    let body = json!({ "error": word, "error_description": word, "message": word });
    let mut reply = reply::plain(status, body.to_string(), JSON);
    reply.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static(code));
    reply
}

fn text<'a>(body: &'a Value, key: &str) -> Option<&'a str> {
    body.get(key).and_then(Value::as_str)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(TOKEN).and_then(|token| token.to_str().ok())
}
