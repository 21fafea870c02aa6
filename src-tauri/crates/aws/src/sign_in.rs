//! Signing in to IAM Identity Center with a device code, and what a sign-in is good for.
//!
//! The token of a sign-in belongs to whoever keeps it (the system keyring); here it is only asked
//! for, renewed and used. It never reaches a file, a log or an error.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_config::retry::RetryConfig;
use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::client::{ATTEMPT_PATIENCE, sdk_config};
use crate::clock;
use crate::endpoints::{Endpoints, Service};
use crate::error::{CallError, Reason, Refused, RefusedKind, call_error};
use crate::region::Region;

/// What the sign-in page calls us.
const CLIENT_NAME: &str = "Adit";
/// What a sign-in lets us do: list accounts and roles, and get credentials for them. It also
/// makes the service give a token that can be renewed.
const SCOPE: &str = "sso:account:access";
/// How a device code is turned into a token.
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// How a token is renewed.
const RENEWAL_GRANT: &str = "refresh_token";
/// How often the service is asked whether the user has agreed, unless it says otherwise.
const USUAL_INTERVAL: Duration = Duration::from_secs(5);
/// What the service wants added when it asks to slow down.
const SLOWER: Duration = Duration::from_secs(5);
/// Tries of one question to the portal while it is busy: some ten seconds.
const PORTAL_TRIES: u32 = 5;
/// A token that ends sooner is renewed before it is used.
const RENEW_BEFORE: Duration = Duration::from_secs(60);

/// Keeps the tokens of sign-ins, by start page.
pub trait SignIns: Send + Sync + 'static {
    /// Answers the token of a sign-in; none if nobody has signed in there.
    fn token<'a>(&'a self, start_url: &'a str) -> BoxFuture<'a, Option<SignInToken>>;

    /// Takes a renewed token in the place of the one before.
    fn renewed<'a>(&'a self, start_url: &'a str, token: &'a SignInToken) -> BoxFuture<'a, ()>;
}

/// Text that is wiped when it is no longer needed.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(transparent)]
struct Secret(String);

impl Secret {
    fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    fn as_str(&self) -> &str {
        &self.0
    }
}

/// What proves a sign-in. Prints nothing of itself.
#[derive(Clone, Serialize, Deserialize)]
pub struct SignInToken {
    access_token: Secret,
    refresh_token: Option<Secret>,
    client_id: String,
    client_secret: Secret,
    /// Milliseconds since the Unix epoch.
    expires_ms: u64,
}

impl SignInToken {
    /// Says when it ends.
    pub fn expires(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.expires_ms)
    }

    /// Says whether it can be renewed without the user.
    pub fn is_renewable(&self) -> bool {
        self.refresh_token.is_some()
    }

    pub(crate) fn is_live(&self) -> bool {
        clock::date() + RENEW_BEFORE < self.expires()
    }
}

impl fmt::Debug for SignInToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SignInToken")
    }
}

/// A sign-in that waits for the user.
pub struct Asking {
    /// What the page shows, to be compared.
    pub user_code: String,
    /// The page, with the code filled in.
    pub url: String,
    /// When the page stops working.
    pub expires: SystemTime,
    device_code: Secret,
    client_id: String,
    client_secret: Secret,
    interval: Duration,
}

impl fmt::Debug for Asking {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Asking").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Why a sign-in did not come about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignInError {
    /// The user did not agree in time.
    #[error("the sign-in page was not confirmed in time")]
    Late,
    /// The user said no.
    #[error("the sign-in was refused on the page")]
    Refused,
    /// The service could not be asked, or refused.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// A role that a sign-in may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// The account, twelve digits.
    pub account_id: String,
    /// What the account is called.
    pub account_name: String,
    /// The role, a permission set's name.
    pub name: String,
}

/// One IAM Identity Center.
#[derive(Clone)]
pub struct Portal {
    region: Region,
    endpoints: Endpoints,
    oidc: aws_sdk_ssooidc::Client,
    sso: aws_sdk_sso::Client,
}

impl fmt::Debug for Portal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Portal").field("region", &self.region).finish_non_exhaustive()
    }
}

impl Portal {
    pub(crate) fn new(region: &str, endpoints: &Endpoints, http: SharedHttpClient) -> Self {
        let region = Region::new(region);
        let config = sdk_config(&region, http);
        let mut oidc = aws_sdk_ssooidc::config::Builder::from(&config);
        oidc.set_endpoint_url(endpoints.url(Service::SsoOidc));
        let mut sso = aws_sdk_sso::config::Builder::from(&config);
        // It is only asked, account by account, and soon says that this is too fast.
        sso.set_retry_config(Some(RetryConfig::standard().with_max_attempts(PORTAL_TRIES)));
        sso.set_endpoint_url(endpoints.url(Service::Sso));
        Self {
            region,
            endpoints: endpoints.clone(),
            oidc: aws_sdk_ssooidc::Client::from_conf(oidc.build()),
            sso: aws_sdk_sso::Client::from_conf(sso.build()),
        }
    }

    /// Begins a sign-in. Safe to drop.
    ///
    /// # Errors
    ///
    /// [`CallError`] when the service cannot be asked or knows no such start page.
    pub async fn ask(&self, start_url: &str) -> Result<Asking, CallError> {
        let registered = self.oidc.register_client();
        let registered = registered.client_name(CLIENT_NAME).client_type("public").scopes(SCOPE);
        let registered = registered.send().await;
        let registered = registered.map_err(|error| self.oidc_error("RegisterClient", &error))?;
        let missing = |what| incomplete(Service::SsoOidc, "RegisterClient", what);
        let client_id = registered.client_id().ok_or_else(|| missing("clientId"))?;
        let client_secret = registered.client_secret().ok_or_else(|| missing("clientSecret"))?;
        let asked = self
            .oidc
            .start_device_authorization()
            .client_id(client_id)
            .client_secret(client_secret)
            .start_url(start_url)
            .send()
            .await
            .map_err(|error| self.oidc_error("StartDeviceAuthorization", &error))?;
        let missing = |what| incomplete(Service::SsoOidc, "StartDeviceAuthorization", what);
        let device_code = asked.device_code().ok_or_else(|| missing("deviceCode"))?;
        let url = asked.verification_uri_complete().or_else(|| asked.verification_uri());
        let interval = u64::try_from(asked.interval()).ok().filter(|seconds| *seconds > 0);
        let life = u64::try_from(asked.expires_in()).unwrap_or_default();
        Ok(Asking {
            user_code: asked.user_code().unwrap_or_default().to_owned(),
            url: url.ok_or_else(|| missing("verificationUri"))?.to_owned(),
            expires: clock::date() + Duration::from_secs(life),
            device_code: Secret::new(device_code),
            client_id: client_id.to_owned(),
            client_secret: Secret::new(client_secret),
            interval: interval.map_or(USUAL_INTERVAL, Duration::from_secs),
        })
    }

    /// Waits until the user has agreed on the page. Safe to drop: the page leads nowhere then.
    ///
    /// # Errors
    ///
    /// [`SignInError`].
    pub async fn wait(&self, asking: &Asking) -> Result<SignInToken, SignInError> {
        let mut interval = asking.interval;
        loop {
            tokio::time::sleep(interval).await;
            let answer = self
                .oidc
                .create_token()
                .client_id(&asking.client_id)
                .client_secret(asking.client_secret.as_str())
                .grant_type(DEVICE_GRANT)
                .device_code(asking.device_code.as_str())
                .send()
                .await;
            let error = match answer {
                Ok(token) => {
                    return Ok(Self::token(&asking.client_id, &asking.client_secret, &token)?);
                }
                Err(error) => self.oidc_error("CreateToken", &error),
            };
            if error.is_code("SlowDownException") {
                interval += SLOWER;
            } else if error.is_code("ExpiredTokenException") || clock::date() >= asking.expires {
                return Err(SignInError::Late);
            } else if error.is_code("AccessDeniedException") {
                return Err(SignInError::Refused);
            } else if !error.is_code("AuthorizationPendingException") && !error.is_unreachable() {
                return Err(error.into());
            }
        }
    }

    /// Renews a token without the user. Safe to drop.
    ///
    /// # Errors
    ///
    /// [`CallError`]; unless the service is out of reach, the user has to sign in again.
    pub(crate) async fn renew(&self, token: &SignInToken) -> Result<SignInToken, CallError> {
        let refresh = token.refresh_token.as_ref();
        let refresh =
            refresh.ok_or_else(|| incomplete(Service::SsoOidc, "CreateToken", "refreshToken"))?;
        let renewed = self
            .oidc
            .create_token()
            .client_id(&token.client_id)
            .client_secret(token.client_secret.as_str())
            .grant_type(RENEWAL_GRANT)
            .refresh_token(refresh.as_str())
            .send()
            .await
            .map_err(|error| self.oidc_error("CreateToken", &error))?;
        Self::token(&token.client_id, &token.client_secret, &renewed)
    }

    fn token(
        client_id: &str,
        client_secret: &Secret,
        output: &aws_sdk_ssooidc::operation::create_token::CreateTokenOutput,
    ) -> Result<SignInToken, CallError> {
        let access = output.access_token();
        let access =
            access.ok_or_else(|| incomplete(Service::SsoOidc, "CreateToken", "accessToken"))?;
        let life = Duration::from_secs(u64::try_from(output.expires_in()).unwrap_or_default());
        let end = (clock::date() + life).duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(SignInToken {
            access_token: Secret::new(access),
            refresh_token: output.refresh_token().map(Secret::new),
            client_id: client_id.to_owned(),
            client_secret: client_secret.clone(),
            expires_ms: u64::try_from(end.as_millis()).unwrap_or(u64::MAX),
        })
    }

    /// Lists every role of every account that a sign-in may take. Safe to drop.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn roles(&self, token: &SignInToken) -> Result<Vec<Role>, CallError> {
        let mut roles = Vec::new();
        let mut accounts = self
            .sso
            .list_accounts()
            .access_token(token.access_token.as_str())
            .into_paginator()
            .items()
            .send();
        while let Some(account) = accounts.next().await {
            let account = account.map_err(|error| self.sso_error("ListAccounts", &error))?;
            let id = account.account_id().unwrap_or_default();
            let mut found = self
                .sso
                .list_account_roles()
                .access_token(token.access_token.as_str())
                .account_id(id)
                .into_paginator()
                .items()
                .send();
            while let Some(role) = found.next().await {
                let role = role.map_err(|error| self.sso_error("ListAccountRoles", &error))?;
                roles.push(Role {
                    account_id: id.to_owned(),
                    account_name: account.account_name().unwrap_or(id).to_owned(),
                    name: role.role_name().unwrap_or_default().to_owned(),
                });
            }
        }
        Ok(roles)
    }

    /// Gets credentials for a role.
    pub(crate) async fn credentials(
        &self,
        token: &SignInToken,
        account: &str,
        role: &str,
    ) -> Result<Credentials, CallError> {
        let output = self
            .sso
            .get_role_credentials()
            .access_token(token.access_token.as_str())
            .account_id(account)
            .role_name(role)
            .send()
            .await
            .map_err(|error| self.sso_error("GetRoleCredentials", &error))?;
        let missing = |what| incomplete(Service::Sso, "GetRoleCredentials", what);
        let found = output.role_credentials().ok_or_else(|| missing("roleCredentials"))?;
        let end = u64::try_from(found.expiration()).ok().filter(|end| *end > 0);
        Ok(Credentials::new(
            found.access_key_id().ok_or_else(|| missing("accessKeyId"))?,
            found.secret_access_key().ok_or_else(|| missing("secretAccessKey"))?,
            found.session_token().map(str::to_owned),
            end.map(|end| UNIX_EPOCH + Duration::from_millis(end)),
            "sign-in",
        ))
    }

    fn oidc_error<E>(&self, operation: &'static str, error: &SdkError<E, HttpResponse>) -> CallError
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let endpoint = self.endpoints.describe(Service::SsoOidc, &self.region);
        call_error(Service::SsoOidc, operation, endpoint, ATTEMPT_PATIENCE, error)
    }

    fn sso_error<E>(&self, operation: &'static str, error: &SdkError<E, HttpResponse>) -> CallError
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let endpoint = self.endpoints.describe(Service::Sso, &self.region);
        call_error(Service::Sso, operation, endpoint, ATTEMPT_PATIENCE, error)
    }
}

fn incomplete(service: Service, operation: &'static str, what: &str) -> CallError {
    let reason = Reason::Refused(Refused {
        kind: RefusedKind::ServiceFailure,
        code: "IncompleteAnswer".to_owned(),
        message: format!("there is no {what}"),
        request_id: None,
    });
    CallError { service, operation, reason }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::client::Clients;
    use crate::environment::Environment;

    #[tokio::test]
    async fn a_portal_that_is_asked_too_fast_is_asked_again() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let answering = tokio::spawn(async move {
            let busy = "HTTP/1.1 429 Too Many Requests\r\n\
                        x-amzn-errortype: TooManyRequestsException\r\n";
            for head in [busy, "HTTP/1.1 200 OK\r\n"] {
                let (mut stream, _) = listener.accept().await.expect("a client");
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(stream.read_u8().await.expect("a request"));
                }
                let answer = format!("{head}connection: close\r\ncontent-length: 2\r\n\r\n{{}}");
                stream.write_all(answer.as_bytes()).await.expect("a reader");
            }
        });
        let clients = Clients::new(Environment::given([("AWS_ENDPOINT_URL", endpoint)]));
        let portal = clients.portal(None, "eu-west-1").expect("usable");
        let token = SignInToken {
            access_token: Secret::new("a"),
            refresh_token: None,
            client_id: String::new(),
            client_secret: Secret::new("s"),
            expires_ms: u64::MAX,
        };
        assert_eq!(portal.roles(&token).await.expect("at the second try"), []);
        answering.await.expect("both were asked for");
    }
}
