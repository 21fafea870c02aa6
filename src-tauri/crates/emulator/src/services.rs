//! The AWS services of the emulator and what their answers have in common.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::StatusCode;
use time::OffsetDateTime;

use crate::destinations::Destinations;
use crate::keyring::{Caller, Keyring};
use crate::scenario::{Decision, Scenario};
use crate::sessions::Sessions;

pub(crate) mod ec2;
pub(crate) mod json;
pub(crate) mod kms;
pub(crate) mod page;
pub(crate) mod query;
pub(crate) mod sign_in;
pub(crate) mod ssm;
pub(crate) mod sts;
pub(crate) mod xml;

/// A service that answers on the emulator's one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Ssm,
    Ec2,
    Sts,
    Kms,
}

impl Service {
    /// The name a signature's scope must carry.
    pub(crate) fn scope(self) -> &'static str {
        match self {
            Self::Ssm => "ssm",
            Self::Ec2 => "ec2",
            Self::Sts => "sts",
            Self::Kms => "kms",
        }
    }

    /// Finds the service a signature's scope names.
    pub(crate) fn of_scope(scope: &str) -> Option<Self> {
        [Self::Ssm, Self::Ec2, Self::Sts, Self::Kms].into_iter().find(|s| s.scope() == scope)
    }

    /// Whether an operation of this service is played at all.
    pub(crate) fn knows(self, operation: &str) -> bool {
        match self {
            Self::Ssm => ssm::OPERATIONS.contains(&operation),
            Self::Ec2 => ec2::OPERATIONS.contains(&operation),
            Self::Sts => sts::OPERATIONS.contains(&operation),
            Self::Kms => kms::OPERATIONS.contains(&operation),
        }
    }
}

/// What every operation may look at.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) scenario: Arc<Scenario>,
    pub(crate) sessions: Sessions,
    pub(crate) kms: kms::Kms,
    pub(crate) keyring: Keyring,
    pub(crate) sign_ins: sign_in::SignIns,
    pub(crate) destinations: Destinations,
    /// Where clients find it, such as `http://127.0.0.1:4566`.
    pub(crate) url: String,
    /// When the emulator started; the scenario's ages count back from here.
    pub(crate) started: OffsetDateTime,
}

/// One authenticated call.
pub(crate) struct Call<'a> {
    pub(crate) world: &'a World,
    pub(crate) caller: &'a Caller,
    pub(crate) service: Service,
    pub(crate) operation: &'a str,
    pub(crate) body: &'a [u8],
    pub(crate) request_id: &'a str,
    pub(crate) now: OffsetDateTime,
}

impl Call<'_> {
    pub(crate) fn account(&self) -> &str {
        &self.caller.identity.account
    }

    pub(crate) fn region(&self) -> &str {
        &self.caller.region
    }

    /// Checks that the caller may do this operation on `resource`, which carries `tags`.
    pub(crate) fn authorize(
        &self,
        resource: &str,
        tags: Option<&BTreeMap<String, String>>,
    ) -> ApiResult<()> {
        let action = format!("{}:{}", self.service.scope(), self.operation);
        let why = match self.caller.identity.policy.decide(&action, tags) {
            Decision::Allowed => return Ok(()),
            Decision::NotAllowed => {
                format!("because no identity-based policy allows the {action} action")
            }
            Decision::Denied => "with an explicit deny in an identity-based policy".to_owned(),
        };
        let user =
            format!("User: {} is not authorized to perform: {action}", self.caller.identity.arn);
        Err(match self.service {
            Service::Ssm | Service::Kms => ApiError::bad_request(
                "AccessDeniedException",
                format!("{user} on resource: {resource} {why}"),
            ),
            Service::Sts => ApiError::new(
                StatusCode::FORBIDDEN,
                "AccessDenied",
                format!("{user} on resource: {resource}"),
            ),
            Service::Ec2 => ApiError::new(
                StatusCode::FORBIDDEN,
                "UnauthorizedOperation",
                format!("You are not authorized to perform this operation. {user} {why}"),
            ),
        })
    }

    /// Checks the operation where no single resource is meant.
    pub(crate) fn authorize_any(&self) -> ApiResult<()> {
        let (service, region, account) = (self.service.scope(), self.region(), self.account());
        self.authorize(&format!("arn:aws:{service}:{region}:{account}:*"), None)
    }
}

/// A refusal, still without the dress of its service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) code: String,
    /// What the service says. Some errors say nothing.
    pub(crate) message: Option<String>,
}

impl ApiError {
    pub(crate) fn new(
        status: StatusCode,
        code: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self { status, code: code.into(), message: Some(message.into()) }
    }

    /// An error of the sender's making, as nearly all are.
    pub(crate) fn bad_request(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(crate) fn wordless(code: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: code.into(), message: None }
    }

    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::bad_request("ValidationException", message)
    }
}

pub(crate) type ApiResult<T> = Result<T, ApiError>;
