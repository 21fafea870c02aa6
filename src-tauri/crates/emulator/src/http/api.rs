//! A call of one of the services: recognised, checked, answered.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use time::OffsetDateTime;

use super::{Front, HangUp, Reply, reply};
use crate::faults::ApiFault;
use crate::services::query::Form;
use crate::services::{ApiError, ApiResult, Call, Service, ec2, kms, ssm, sts};
use crate::{clock, sigv4};

/// No request of these services is anywhere near this long.
const BODY_LIMIT: usize = 1024 * 1024;

/// A call before it is known to be a good one.
struct Asked {
    service: Service,
    operation: String,
    /// The parameters of a Query call, `Action` and `Version` taken out.
    form: Form,
}

impl Front {
    pub(super) async fn api(self, request: Request<Incoming>) -> Result<Reply, HangUp> {
        let request_id = uuid::Uuid::new_v4().to_string();
        let (parts, body) = request.into_parts();
        let body = match Limited::new(body, BODY_LIMIT).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                let words = format!("Request size exceeded {BODY_LIMIT} bytes");
                self.tally.refusal("RequestEntityTooLargeException");
                return Ok(reply::plain(StatusCode::PAYLOAD_TOO_LARGE, words, "text/plain"));
            }
            Err(error) => {
                tracing::debug!(%error, "a request's body broke off");
                return Err(HangUp);
            }
        };
        let Some(asked) = recognise(&parts, &body) else {
            tracing::warn!(
                target = ?parts.headers.get("x-amz-target"),
                "a request of no service played here"
            );
            self.tally.request("unknown");
            let words = "<UnknownOperationException/>\n";
            return Ok(reply::plain(StatusCode::NOT_FOUND, words, "application/xml"));
        };
        let service = asked.service;
        let answer = match self.decide(&parts, &body, asked, &request_id) {
            Ok(answer) => answer,
            Err(Refusal::Hang(time)) => {
                match time {
                    Some(time) => tokio::time::sleep(time).await,
                    None => std::future::pending().await,
                }
                return Err(HangUp);
            }
            Err(Refusal::Error(error)) => {
                tracing::debug!(code = error.code, message = error.message, "refused");
                self.tally.refusal(&error.code);
                return Ok(reply::refusal(service, &error, &request_id));
            }
        };
        Ok(reply::success(service, answer, &request_id))
    }

    fn decide(
        &self,
        parts: &Parts,
        body: &Bytes,
        asked: Asked,
        request_id: &str,
    ) -> Result<String, Refusal> {
        let Asked { service, operation, form } = asked;
        if !service.knows(&operation) {
            tracing::warn!(?service, operation, "an operation that is not played here");
            self.tally.request("unknown");
            return Err(unknown(service, &operation).into());
        }
        self.tally.request(&operation);
        let now = OffsetDateTime::from(clock::date());
        let checked = sigv4::verify(parts, body, service.scope(), &self.world.keyring, now);
        self.tally.signature(checked.as_ref().map_or_else(|error| error.label(), |_| "ok"));
        let caller = checked.map_err(|error| reply::signature_refusal(service, &error))?;
        if let Some(fault) = self.faults.api(&operation) {
            if let ApiFault::Hang(time) = fault {
                return Err(Refusal::Hang(time));
            }
            if let Some(error) = reply::fault_refusal(service, fault) {
                return Err(error.into());
            }
        }
        let call = Call {
            world: &self.world,
            caller: &caller,
            service,
            operation: &operation,
            body,
            request_id,
            now,
        };
        Ok(perform(&call, form)?)
    }
}

enum Refusal {
    Error(ApiError),
    Hang(Option<std::time::Duration>),
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self::Error(error)
    }
}

fn perform(call: &Call<'_>, form: Form) -> ApiResult<String> {
    match call.service {
        Service::Ssm => Ok(ssm::answer(call)?.to_string()),
        Service::Kms => Ok(kms::answer(call)?.to_string()),
        Service::Ec2 => ec2::answer(call, form),
        Service::Sts => sts::answer(call, form),
    }
}

fn unknown(service: Service, operation: &str) -> ApiError {
    match service {
        Service::Ssm | Service::Kms => ApiError::bad_request(
            "UnknownOperationException",
            format!("The sandbox does not play {operation}"),
        ),
        Service::Ec2 => ec2::unknown(operation),
        Service::Sts => sts::unknown(operation),
    }
}

/// Tells which operation of which service a request is for.
fn recognise(parts: &Parts, body: &[u8]) -> Option<Asked> {
    if let Some(target) = parts.headers.get("x-amz-target") {
        if parts.method != Method::POST || !has_kind(&parts.headers, "application/x-amz-json-1.1") {
            return None;
        }
        let (prefix, operation) = target.to_str().ok()?.split_once('.')?;
        let service = match prefix {
            "AmazonSSM" => Service::Ssm,
            "TrentService" => Service::Kms,
            _ => return None,
        };
        return Some(Asked { service, operation: operation.to_owned(), form: Form::default() });
    }
    let query = parts.uri.query().unwrap_or("").as_bytes();
    let mut form = Form::parse(if parts.method == Method::GET { query } else { body });
    let operation = form.take("Action")?;
    let version = form.take("Version");
    let by_version = match version.as_deref() {
        Some("2016-11-15") => Some(Service::Ec2),
        Some("2011-06-15") => Some(Service::Sts),
        _ => None,
    };
    let by_scope =
        || sigv4::claimed_service(&parts.headers).and_then(|scope| Service::of_scope(&scope));
    Some(Asked { service: by_version.or_else(by_scope)?, operation, form })
}

fn has_kind(headers: &HeaderMap, wanted: &str) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .and_then(|kind| kind.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case(wanted))
}
