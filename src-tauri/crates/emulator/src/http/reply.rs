//! Answers in the dress of their service.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::{Map, Value};

use super::Reply;
use crate::faults::ApiFault;
use crate::services::xml::Xml;
use crate::services::{ApiError, Service, sts};
use crate::sigv4::SignatureError;

const JSON: &str = "application/x-amz-json-1.1";
const STS_XML: &str = "text/xml";
const EC2_XML: &str = "text/xml;charset=UTF-8";

/// A result as its service sends it.
pub(super) fn success(service: Service, body: String, request_id: &str) -> Reply {
    finished(StatusCode::OK, service, body, request_id)
}

/// A refusal as its service sends it.
pub(super) fn refusal(service: Service, error: &ApiError, request_id: &str) -> Reply {
    let message = error.message.as_deref();
    let body = match service {
        Service::Ssm | Service::Kms => {
            let mut body = Map::new();
            body.insert("__type".to_owned(), error.code.clone().into());
            if let Some(message) = message {
                body.insert(message_key(service, &error.code).to_owned(), message.into());
            }
            Value::Object(body).to_string()
        }
        Service::Ec2 => Xml::document("Response", None, |xml| {
            xml.element("Errors", |xml| {
                xml.element("Error", |xml| {
                    xml.text("Code", &error.code);
                    xml.text("Message", message.unwrap_or_default());
                });
            });
            xml.text("RequestID", request_id);
        }),
        Service::Sts => Xml::document("ErrorResponse", Some(sts::NAMESPACE), |xml| {
            xml.element("Error", |xml| {
                let server = error.status.is_server_error();
                xml.text("Type", if server { "Receiver" } else { "Sender" });
                xml.text("Code", &error.code);
                xml.text("Message", message.unwrap_or_default());
            });
            xml.text("RequestId", request_id);
        }),
    };
    finished(error.status, service, body, request_id)
}

/// SSM spells the member of its own errors with a capital, and that of the errors all services
/// share without one.
fn message_key(service: Service, code: &str) -> &'static str {
    const SHARED: &[&str] = &[
        "ValidationException",
        "SerializationException",
        "ThrottlingException",
        "UnrecognizedClientException",
        "InvalidSignatureException",
        "IncompleteSignatureException",
        "MissingAuthenticationTokenException",
        "ExpiredTokenException",
        "UnknownOperationException",
        "InvalidInstanceInformationFilterValue",
    ];
    let own = service == Service::Ssm && !SHARED.contains(&code);
    if own || code == "AccessDeniedException" { "Message" } else { "message" }
}

/// A signature's fault in the words of the service that was asked.
pub(super) fn signature_refusal(service: Service, error: &SignatureError) -> ApiError {
    use SignatureError as E;
    let words = error.to_string();
    match service {
        Service::Ssm | Service::Kms => ApiError::bad_request(
            match error {
                E::Missing => "MissingAuthenticationTokenException",
                E::Incomplete(_) => "IncompleteSignatureException",
                E::UnknownKey => "UnrecognizedClientException",
                E::TokenExpired => "ExpiredTokenException",
                E::WrongScope(_) | E::Mismatch | E::Expired { .. } | E::NotYetCurrent { .. } => {
                    "InvalidSignatureException"
                }
            },
            words,
        ),
        Service::Sts => {
            let (status, code) = match error {
                E::Missing => (StatusCode::FORBIDDEN, "MissingAuthenticationToken"),
                E::Incomplete(_) => (StatusCode::BAD_REQUEST, "IncompleteSignature"),
                E::UnknownKey => (StatusCode::FORBIDDEN, "InvalidClientTokenId"),
                E::TokenExpired => (StatusCode::FORBIDDEN, "ExpiredToken"),
                E::WrongScope(_) | E::Mismatch | E::Expired { .. } | E::NotYetCurrent { .. } => {
                    (StatusCode::FORBIDDEN, "SignatureDoesNotMatch")
                }
            };
            let words = if *error == E::Missing {
                "Request is missing Authentication Token".to_owned()
            } else {
                words
            };
            ApiError::new(status, code, words)
        }
        Service::Ec2 => match error {
            E::Incomplete(_) => ApiError::bad_request("IncompleteSignature", words),
            E::TokenExpired | E::Expired { .. } | E::NotYetCurrent { .. } => {
                ApiError::bad_request("RequestExpired", "Request has expired.")
            }
            E::Missing | E::UnknownKey | E::WrongScope(_) | E::Mismatch => ApiError::new(
                StatusCode::UNAUTHORIZED,
                "AuthFailure",
                "AWS was not able to validate the provided access credentials",
            ),
        },
    }
}

/// A fault asked for, in the words of the service; `None` for a hang.
pub(super) fn fault_refusal(service: Service, fault: ApiFault) -> Option<ApiError> {
    match fault {
        ApiFault::Hang(_) => None,
        ApiFault::ExpiredToken => Some(signature_refusal(service, &SignatureError::TokenExpired)),
        ApiFault::Refuse { code, message, status } => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
            Some(ApiError::new(status, code, message))
        }
        ApiFault::Throttle => Some(match service {
            Service::Ssm | Service::Kms => {
                ApiError::bad_request("ThrottlingException", "Rate exceeded")
            }
            Service::Sts => ApiError::bad_request("Throttling", "Rate exceeded"),
            Service::Ec2 => ApiError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "RequestLimitExceeded",
                "Request limit exceeded.",
            ),
        }),
    }
}

/// An answer outside the services.
pub(super) fn plain(status: StatusCode, body: impl Into<Bytes>, kind: &'static str) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    reply
}

fn finished(status: StatusCode, service: Service, body: String, request_id: &str) -> Reply {
    let kind = match service {
        Service::Ssm | Service::Kms => JSON,
        Service::Sts => STS_XML,
        Service::Ec2 => EC2_XML,
    };
    let mut reply = plain(status, body, kind);
    if let Ok(id) = HeaderValue::from_str(request_id) {
        reply.headers_mut().insert("x-amzn-requestid", id);
    }
    reply
}
