//! The calls an engine needs, made as one profile in one region.

use std::collections::{BTreeMap, HashMap};
use std::time::SystemTime;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::{HeaderName, HeaderValue};
use session::{
    ControlError, DataKeyReply, Refusal, Resumed, SessionId, StartRequest, Ticket, Token,
};
use url::Url;
use zeroize::Zeroizing;

use crate::client::{Client, Clients};
use crate::endpoints::Service;
use crate::error::{CallError, CredentialsError, Reason, Refused, RefusedKind, SetupError};
use crate::region::Region;
use crate::sign::{is_presigned, upgrade_headers};

/// The key of one session: half of it for each direction.
const DATA_KEY_BYTES: i32 = 64;

/// Implements [`session::ControlPlane`] over the SDK.
#[derive(Clone, Debug)]
pub struct ControlPlane {
    client: Client,
    /// In place of region and profile.
    label: Option<String>,
}

impl ControlPlane {
    /// Speaks as `client` does.
    pub fn new(client: Client) -> Self {
        Self { client, label: None }
    }

    /// Has its sessions written down under a label of the caller's, who must know what to make of
    /// it later.
    #[must_use]
    pub fn labelled(self, label: String) -> Self {
        Self { label: Some(label), ..self }
    }

    /// Speaks as the one whose label this is: for sessions an earlier process left behind.
    ///
    /// # Errors
    ///
    /// [`SetupError`] when its profile is no longer there or cannot be used.
    pub fn of_label(clients: &Clients, label: &str) -> Result<Self, SetupError> {
        let (region, profile) = match label.split_once(' ') {
            Some((region, profile)) => (region, Some(profile)),
            None => (label, None),
        };
        Ok(Self::new(clients.open(profile, Some(&Region::new(region)))?))
    }

    async fn start(&self, request: &StartRequest) -> Result<Ticket, ControlError> {
        // Tried once: a request that got no answer may have left a session behind.
        let call = self.client.call(Service::Ssm, "StartSession").once();
        let parameters = (!request.parameters.is_empty())
            .then(|| request.parameters.clone().into_iter().collect::<HashMap<_, _>>());
        let output = call
            .run(|| {
                self.client
                    .ssm()
                    .start_session()
                    .target(&request.target)
                    .set_document_name(request.document.clone())
                    .set_parameters(parameters.clone())
                    .set_reason(request.reason.clone())
                    .send()
            })
            .await
            .map_err(control_error)?;
        let missing = |what| self.incomplete("StartSession", what);
        let session_id = output.session_id().ok_or_else(|| missing("SessionId"))?;
        let stream_url = output.stream_url().ok_or_else(|| missing("StreamUrl"))?;
        let token = output.token_value().ok_or_else(|| missing("TokenValue"))?;
        Ok(Ticket {
            session_id: SessionId::new(session_id),
            stream_url: Url::parse(stream_url).map_err(|_| missing("usable StreamUrl"))?,
            token: Token::new(token),
        })
    }

    async fn resume(&self, session: &SessionId) -> Result<Resumed, ControlError> {
        let call = self.client.call(Service::Ssm, "ResumeSession");
        let output = call
            .run(|| self.client.ssm().resume_session().session_id(session.as_str()).send())
            .await
            .map_err(|error| {
                if is_gone(&error) { ControlError::SessionGone } else { control_error(error) }
            })?;
        let token = output.token_value().filter(|token| !token.is_empty());
        Ok(Resumed {
            token: Token::new(token.ok_or(ControlError::SessionGone)?),
            stream_url: output.stream_url().and_then(|url| Url::parse(url).ok()),
        })
    }

    async fn terminate(&self, session: &SessionId) -> Result<(), ControlError> {
        let call = self.client.call(Service::Ssm, "TerminateSession");
        let output = call
            .run(|| self.client.ssm().terminate_session().session_id(session.as_str()).send())
            .await;
        match output {
            Ok(_) => Ok(()),
            Err(error) if is_gone(&error) => Ok(()),
            Err(error) => Err(control_error(error)),
        }
    }

    async fn make_data_key(
        &self,
        key_id: &str,
        context: &BTreeMap<String, String>,
    ) -> Result<DataKeyReply, ControlError> {
        let call = self.client.call(Service::Kms, "GenerateDataKey");
        let context: HashMap<String, String> = context.clone().into_iter().collect();
        let output = call
            .run(|| {
                self.client
                    .kms()
                    .generate_data_key()
                    .key_id(key_id)
                    .number_of_bytes(DATA_KEY_BYTES)
                    .set_encryption_context(Some(context.clone()))
                    .send()
            })
            .await
            .map_err(control_error)?;
        let missing = |what| self.incomplete("GenerateDataKey", what);
        let ciphertext = output.ciphertext_blob.ok_or_else(|| missing("CiphertextBlob"))?;
        let plaintext = output.plaintext.ok_or_else(|| missing("Plaintext"))?;
        Ok(DataKeyReply {
            plaintext: Zeroizing::new(plaintext.into_inner()),
            ciphertext: ciphertext.into_inner(),
        })
    }

    async fn sign(&self, url: &Url) -> Result<Vec<(HeaderName, HeaderValue)>, ControlError> {
        if is_presigned(url) {
            return Ok(Vec::new());
        }
        let credentials = match self.client.credentials().get().await {
            Ok(credentials) => credentials,
            Err(error) => {
                tracing::debug!(%error, "the websocket's upgrade goes unsigned");
                return Ok(Vec::new());
            }
        };
        let now = self.client.clock().correct(SystemTime::now());
        upgrade_headers(&credentials, self.client.region(), url, now)
            .map_err(|error| ControlError::Unsupported { reason: error.to_string() })
    }

    fn incomplete(&self, operation: &str, what: &str) -> ControlError {
        ControlError::Service(Refusal {
            operation: operation.to_owned(),
            code: "IncompleteAnswer".to_owned(),
            message: format!("the answer has no {what}"),
            request_id: None,
        })
    }
}

impl session::ControlPlane for ControlPlane {
    /// The region, and behind a blank the profile if one is used, unless it was given another.
    fn label(&self) -> String {
        if let Some(label) = &self.label {
            return label.clone();
        }
        match self.client.profile() {
            Some(profile) => format!("{} {profile}", self.client.region()),
            None => self.client.region().to_string(),
        }
    }

    fn start_session<'a>(
        &'a self,
        request: &'a StartRequest,
    ) -> BoxFuture<'a, Result<Ticket, ControlError>> {
        self.start(request).boxed()
    }

    fn resume_session<'a>(
        &'a self,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<Resumed, ControlError>> {
        self.resume(session).boxed()
    }

    fn terminate_session<'a>(
        &'a self,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<(), ControlError>> {
        self.terminate(session).boxed()
    }

    fn data_key<'a>(
        &'a self,
        key_id: &'a str,
        context: &'a BTreeMap<String, String>,
    ) -> BoxFuture<'a, Result<DataKeyReply, ControlError>> {
        self.make_data_key(key_id, context).boxed()
    }

    fn sign_upgrade<'a>(
        &'a self,
        url: &'a Url,
    ) -> BoxFuture<'a, Result<Vec<(HeaderName, HeaderValue)>, ControlError>> {
        self.sign(url).boxed()
    }
}

fn is_gone(error: &CallError) -> bool {
    matches!(&error.reason, Reason::Refused(refused) if refused.code == "DoesNotExistException")
}

/// Sorts a failed call by what an engine does about it.
fn control_error(error: CallError) -> ControlError {
    let operation = error.operation;
    match error.reason {
        Reason::Refused(refused) => refused_error(operation, refused),
        Reason::Credentials(error) => no_credentials(&error),
        Reason::Unreachable { endpoint, detail } => {
            ControlError::Unreachable { endpoint, reason: detail }
        }
        Reason::TimedOut { endpoint, after } => {
            let reason = format!("no answer within {} s", after.as_secs());
            ControlError::Unreachable { endpoint, reason }
        }
        Reason::Malformed { endpoint, detail } => ControlError::Refused(Refusal {
            operation: operation.to_owned(),
            code: "MalformedAnswer".to_owned(),
            message: format!("{endpoint} does not answer as AWS does: {detail}"),
            request_id: None,
        }),
    }
}

fn refused_error(operation: &'static str, refused: Refused) -> ControlError {
    let Refused { kind, code, message, request_id } = refused;
    let message = if kind == RefusedKind::ClockSkew {
        format!("{message} This computer's clock is wrong.")
    } else {
        message
    };
    let refusal = Refusal { operation: operation.to_owned(), code, message, request_id };
    match (refusal.code.as_str(), kind) {
        ("TargetNotConnected", _) => ControlError::NotConnected(refusal),
        ("InvalidDocument" | "InvalidDocumentVersion", _) => ControlError::InvalidDocument(refusal),
        (
            "NotFoundException"
            | "DisabledException"
            | "KMSInvalidStateException"
            | "KeyUnavailableException"
            | "InvalidKeyUsageException",
            _,
        ) => ControlError::KeyUnusable(refusal),
        (_, RefusedKind::AccessDenied) => ControlError::AccessDenied(refusal),
        (_, RefusedKind::CredentialsExpired) => ControlError::CredentialsExpired(refusal),
        (_, RefusedKind::CredentialsUnknown) => {
            ControlError::NoCredentials { reason: refusal.to_string() }
        }
        (_, RefusedKind::Throttled) => ControlError::Throttled(refusal),
        (_, RefusedKind::ServiceFailure) => ControlError::Service(refusal),
        (_, RefusedKind::Invalid) => ControlError::Validation(refusal),
        (_, RefusedKind::ClockSkew | RefusedKind::Other) => ControlError::Refused(refusal),
    }
}

fn no_credentials(error: &CredentialsError) -> ControlError {
    match error {
        CredentialsError::SignInNeeded { .. } => ControlError::CredentialsExpired(Refusal {
            operation: "the sign-in".to_owned(),
            code: "SignInExpired".to_owned(),
            message: format!("{error}. {}", error.advice()),
            request_id: None,
        }),
        CredentialsError::Unreachable { detail, .. } => ControlError::Unreachable {
            endpoint: "the source of the credentials".to_owned(),
            reason: detail.clone(),
        },
        CredentialsError::Source { .. }
        | CredentialsError::NoneFound
        | CredentialsError::Setup(_) => {
            ControlError::NoCredentials { reason: format!("{error}. {}", error.advice()) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: &str, kind: RefusedKind) -> CallError {
        let reason = Reason::Refused(Refused {
            kind,
            code: code.to_owned(),
            message: "m".to_owned(),
            request_id: Some("r".to_owned()),
        });
        CallError { service: Service::Ssm, operation: "StartSession", reason }
    }

    #[test]
    fn the_service_s_words_reach_the_engine() {
        let error = control_error(refused("TargetNotConnected", RefusedKind::Other));
        let ControlError::NotConnected(refusal) = error else {
            panic!("{error:?}");
        };
        assert_eq!(refusal.to_string(), "StartSession answered TargetNotConnected: m (request r)");
    }

    #[test]
    fn refusals_are_sorted_by_what_an_engine_does() {
        let sorted = |code, kind| control_error(refused(code, kind));
        assert!(matches!(
            sorted("AccessDeniedException", RefusedKind::AccessDenied),
            ControlError::AccessDenied(_)
        ));
        assert!(sorted("ExpiredTokenException", RefusedKind::CredentialsExpired).wants_sign_in());
        assert!(
            sorted("UnrecognizedClientException", RefusedKind::CredentialsUnknown).wants_sign_in()
        );
        assert!(sorted("ThrottlingException", RefusedKind::Throttled).is_transient());
        assert!(matches!(
            sorted("DisabledException", RefusedKind::Other),
            ControlError::KeyUnusable(_)
        ));
        assert!(matches!(
            sorted("InvalidDocument", RefusedKind::Other),
            ControlError::InvalidDocument(_)
        ));
    }

    #[test]
    fn an_expired_sign_in_says_what_to_run() {
        let (profile, detail) = ("prod".to_owned(), String::new());
        let error = no_credentials(&CredentialsError::SignInNeeded { profile, detail });
        assert!(error.wants_sign_in());
        assert!(error.to_string().contains("aws sso login --profile prod"));
    }
}
