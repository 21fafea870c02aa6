//! Reads the SDK's errors: one value per call, with the service's own words kept.

use std::error::Error;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError as SdkCredentialsError;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::{CallError, CredentialsError, Reason, Refused, RefusedKind};
use crate::client::CONNECT_PATIENCE;
use crate::endpoints::Service;
use crate::profile::ProfileKind;

/// Reads why a call failed. `endpoint` is where it went and `patience` how long it was given.
pub(crate) fn call_error<E>(
    service: Service,
    operation: &'static str,
    endpoint: String,
    patience: Duration,
    error: &SdkError<E, HttpResponse>,
) -> CallError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let reason = match find::<CredentialsError>(error) {
        Some(credentials) => Reason::Credentials(credentials.clone()),
        None => reason(endpoint, patience, error),
    };
    CallError { service, operation, reason }
}

fn reason<E>(endpoint: String, patience: Duration, error: &SdkError<E, HttpResponse>) -> Reason
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error {
        SdkError::ServiceError(context) => refused(endpoint, context.err(), context.raw()),
        SdkError::TimeoutError(_) => Reason::TimedOut { endpoint, after: patience },
        // What is timed at this level is the connection's coming about.
        SdkError::DispatchFailure(failure) if failure.is_timeout() => {
            Reason::TimedOut { endpoint, after: CONNECT_PATIENCE }
        }
        SdkError::DispatchFailure(_) => Reason::Unreachable { endpoint, detail: innermost(error) },
        SdkError::ConstructionFailure(_) | SdkError::ResponseError(_) | _ => {
            Reason::Malformed { endpoint, detail: innermost(error) }
        }
    }
}

fn refused<E: ProvideErrorMetadata>(endpoint: String, error: &E, raw: &HttpResponse) -> Reason {
    let status = raw.status().as_u16();
    let message = error.message().unwrap_or_default().trim().to_owned();
    let Some(code) = error.code().filter(|code| !code.is_empty()) else {
        if status < 500 {
            let detail = format!("HTTP status {status} without an AWS error");
            return Reason::Malformed { endpoint, detail };
        }
        let code = format!("HTTP {status}");
        let request_id = None;
        let kind = RefusedKind::ServiceFailure;
        return Reason::Refused(Refused { kind, code, message, request_id });
    };
    let header = |name| raw.headers().get(name).map(str::to_owned);
    Reason::Refused(Refused {
        kind: kind_of(code, &message, status),
        code: code.to_owned(),
        message,
        request_id: header("x-amzn-requestid").or_else(|| header("x-amz-request-id")),
    })
}

/// Makes sense of an error code; the services do not agree on their spelling.
fn kind_of(code: &str, message: &str, status: u16) -> RefusedKind {
    match code {
        "AccessDeniedException"
        | "AccessDenied"
        | "UnauthorizedOperation"
        | "Unauthorized"
        | "UnauthorizedException"
        | "AuthorizationError"
        | "OptInRequired" => RefusedKind::AccessDenied,
        "ExpiredTokenException" | "ExpiredToken" | "TokenRefreshRequired" | "RequestExpired" => {
            RefusedKind::CredentialsExpired
        }
        "RequestTimeTooSkewed" => RefusedKind::ClockSkew,
        // The services give a wrong clock no code of its own, only these words.
        "InvalidSignatureException" | "SignatureDoesNotMatch"
            if message.starts_with("Signature expired")
                || message.starts_with("Signature not yet current") =>
        {
            RefusedKind::ClockSkew
        }
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "AuthFailure"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "InvalidAccessKeyId" => RefusedKind::CredentialsUnknown,
        "ThrottlingException"
        | "Throttling"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "BandwidthLimitExceeded"
        | "PriorRequestNotComplete"
        | "EC2ThrottledException"
        | "SlowDown" => RefusedKind::Throttled,
        "ValidationException"
        | "ValidationError"
        | "BadRequest"
        | "BadRequestException"
        | "InvalidParameterValue"
        | "InvalidParameterCombination"
        | "MissingParameter"
        | "InvalidFilterKey"
        | "InvalidInstanceInformationFilterValue" => RefusedKind::Invalid,
        _ if status == 429 => RefusedKind::Throttled,
        _ if status >= 500 => RefusedKind::ServiceFailure,
        _ => RefusedKind::Other,
    }
}

/// Reads why a profile gave no credentials.
pub(crate) fn credentials_failure(
    profile: Option<&str>,
    kind: Option<&ProfileKind>,
    error: &SdkCredentialsError,
) -> CredentialsError {
    let detail = match find::<SdkError<AssumeRoleError, HttpResponse>>(error) {
        Some(SdkError::ServiceError(context)) => {
            let (error, code) = (context.err(), context.err().code().unwrap_or("an error"));
            format!("sts:AssumeRole answered {code}: {}", error.message().unwrap_or_default())
        }
        _ => innermost(error),
    };
    let profile = profile.map(str::to_owned);
    if find::<ConnectorError>(error).is_some() {
        return CredentialsError::Unreachable { profile, detail };
    }
    match (profile, kind) {
        (Some(profile), Some(ProfileKind::SignIn(_))) => {
            CredentialsError::SignInNeeded { profile, detail }
        }
        (profile, _) => CredentialsError::Source { profile, detail },
    }
}

/// Finds the first error of a type in a chain of causes.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// Shows the innermost cause that has words; the SDK's outer layers only name themselves.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let inner = error.to_string();
        if !inner.trim().is_empty() {
            words = inner;
        }
        next = error.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted_by_what_they_amount_to() {
        for (code, status, expected) in [
            ("AccessDeniedException", 400, RefusedKind::AccessDenied),
            ("UnauthorizedOperation", 403, RefusedKind::AccessDenied),
            ("ExpiredTokenException", 400, RefusedKind::CredentialsExpired),
            ("UnrecognizedClientException", 400, RefusedKind::CredentialsUnknown),
            ("ThrottlingException", 400, RefusedKind::Throttled),
            ("RequestLimitExceeded", 503, RefusedKind::Throttled),
            ("InternalServerError", 500, RefusedKind::ServiceFailure),
            ("ValidationException", 400, RefusedKind::Invalid),
            ("TargetNotConnected", 400, RefusedKind::Other),
        ] {
            assert_eq!(kind_of(code, "", status), expected, "{code}");
        }
    }

    #[test]
    fn a_wrong_clock_is_told_from_a_wrong_secret() {
        let code = "InvalidSignatureException";
        let late = "Signature expired: 20240101T000000Z is now earlier than 20240101T010000Z";
        assert_eq!(kind_of(code, late, 400), RefusedKind::ClockSkew);
        assert_eq!(
            kind_of(code, "The request signature we calculated", 400),
            RefusedKind::CredentialsUnknown
        );
    }

    #[test]
    fn an_expired_sign_in_is_told_from_a_network_without_answer() {
        let kind = ProfileKind::SignIn(crate::profile::SignInSettings {
            session: None,
            start_url: "https://s".into(),
            region: "eu-west-1".into(),
            account_id: None,
            role_name: None,
        });
        let expired = SdkCredentialsError::provider_error("the cached token is too old");
        assert!(matches!(
            credentials_failure(Some("a"), Some(&kind), &expired),
            CredentialsError::SignInNeeded { profile, detail }
                if profile == "a" && detail == "the cached token is too old"
        ));
        let offline = SdkCredentialsError::provider_error(ConnectorError::io("no route".into()));
        assert!(matches!(
            credentials_failure(Some("a"), Some(&kind), &offline),
            CredentialsError::Unreachable { .. }
        ));
    }
}
