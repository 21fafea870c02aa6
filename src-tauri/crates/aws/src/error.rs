//! What can go wrong between this program and an account, and what to do about it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::config_file::Problem;
use crate::endpoints::Service;

mod from_sdk;

pub(crate) use from_sdk::{call_error, credentials_failure};

/// Why a profile cannot be opened; found in files and variables, before anything is sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// The profile, or one it draws its credentials from, has lines that cannot be read.
    #[error("profile {profile} cannot be used: {problem}")]
    MalformedProfile {
        /// The profile with the bad lines.
        profile: String,
        /// The first of them.
        problem: Problem,
    },
    /// No file has a profile of that name.
    #[error("there is no profile {profile} in {}{}", file.display(), noted(problem.as_deref()))]
    NoSuchProfile {
        /// The name asked for.
        profile: String,
        /// The config file.
        file: PathBuf,
        /// The names there are.
        known: Vec<String>,
        /// A fault in the files, which may be why the profile was not seen.
        problem: Option<Box<Problem>>,
    },
    /// The profile's keys contradict each other or lack a partner.
    #[error("profile {profile} cannot be used: it {reason}")]
    UnusableProfile {
        /// The profile.
        profile: String,
        /// What is missing or too much.
        reason: String,
    },
    /// Neither the caller, the environment nor the profile names a region.
    #[error("no region is set{}", for_profile(profile.as_deref()))]
    NoRegion {
        /// The profile, if one was chosen.
        profile: Option<String>,
    },
    /// An endpoint override is not a web address.
    #[error("{origin} is not a web address: {value}")]
    BadEndpoint {
        /// Where the override stands.
        origin: String,
        /// What it says.
        value: String,
    },
}

impl SetupError {
    /// Says what the user can do about it, as one sentence.
    pub fn advice(&self) -> String {
        match self {
            Self::MalformedProfile { .. } => "Correct that line and try again.".to_owned(),
            Self::NoSuchProfile { known, .. } if known.is_empty() => {
                "Make one with `aws configure` or `aws configure sso`.".to_owned()
            }
            Self::NoSuchProfile { known, .. } => {
                format!("Choose one of: {}.", known.join(", "))
            }
            Self::UnusableProfile { .. } => "Correct the profile in the config file.".to_owned(),
            Self::NoRegion { .. } => {
                "Name a region, or set `region` in the profile or AWS_REGION.".to_owned()
            }
            Self::BadEndpoint { .. } => {
                "Write it as http://host:port or https://host, or remove it.".to_owned()
            }
        }
    }
}

fn noted(problem: Option<&Problem>) -> String {
    problem.map(|problem| format!(" ({problem})")).unwrap_or_default()
}

fn for_profile(profile: Option<&str>) -> String {
    profile.map(|profile| format!(" for profile {profile}")).unwrap_or_default()
}

/// Why there are no credentials to sign a request with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// The IAM Identity Center sign-in has run out, or never took place.
    #[error("the IAM Identity Center sign-in of profile {profile} has expired or never took place")]
    SignInNeeded {
        /// The profile.
        profile: String,
        /// What the sign-in service or its cache said.
        detail: String,
    },
    /// The source of the credentials refused or failed.
    #[error("{} gave no credentials: {detail}", source_words(profile.as_deref()))]
    Source {
        /// The profile, if one was chosen.
        profile: Option<String>,
        /// What the source said.
        detail: String,
    },
    /// The service that hands out credentials cannot be reached.
    #[error("{} gave no credentials: {detail}", source_words(profile.as_deref()))]
    Unreachable {
        /// The profile, if one was chosen.
        profile: Option<String>,
        /// What went wrong on the way there.
        detail: String,
    },
    /// Nothing names any credentials.
    #[error("no credentials were found")]
    NoneFound,
    /// The profile itself cannot be used.
    #[error(transparent)]
    Setup(#[from] SetupError),
}

impl CredentialsError {
    /// Says what the user can do about it, as one sentence.
    pub fn advice(&self) -> String {
        match self {
            Self::SignInNeeded { profile, .. } => {
                format!("Sign in again: aws sso login --profile {profile}")
            }
            Self::Source { profile: Some(profile), .. } => {
                format!("Check how profile {profile} gets its credentials.")
            }
            Self::Source { profile: None, .. } => "Check the environment's credentials.".to_owned(),
            Self::Unreachable { .. } => "Check the network and the proxy.".to_owned(),
            Self::NoneFound => {
                "Choose a profile, make one with `aws configure`, or set AWS_ACCESS_KEY_ID and \
                 AWS_SECRET_ACCESS_KEY."
                    .to_owned()
            }
            Self::Setup(error) => error.advice(),
        }
    }
}

fn source_words(profile: Option<&str>) -> String {
    match profile {
        Some(profile) => format!("profile {profile}"),
        None => "the environment".to_owned(),
    }
}

/// Why a call to an AWS API did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct CallError {
    /// The API.
    pub service: Service,
    /// The operation, in its own spelling.
    pub operation: &'static str,
    /// What happened.
    pub reason: Reason,
}

/// What happened to one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The service answered and refused.
    Refused(Refused),
    /// There was nothing to sign the request with.
    Credentials(CredentialsError),
    /// No connection came about, or it broke.
    Unreachable {
        /// The endpoint.
        endpoint: String,
        /// What went wrong.
        detail: String,
    },
    /// The endpoint did not answer in time; the request may have been carried out.
    TimedOut {
        /// The endpoint.
        endpoint: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// The answer could not be understood, or the request could not be built.
    Malformed {
        /// The endpoint.
        endpoint: String,
        /// What was wrong.
        detail: String,
    },
}

/// The service's own words, with what this program makes of its code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What the code amounts to.
    pub kind: RefusedKind,
    /// The code, for example `AccessDeniedException`.
    pub code: String,
    /// The message; may be empty.
    pub message: String,
    /// The id to quote to AWS support.
    pub request_id: Option<String>,
}

/// What a service's error code amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedKind {
    /// The identity may not do this.
    AccessDenied,
    /// The credentials were good once.
    CredentialsExpired,
    /// The service does not know the key, or the secret does not match it.
    CredentialsUnknown,
    /// This computer's clock is wrong.
    ClockSkew,
    /// Too many requests.
    Throttled,
    /// The service failed on its side.
    ServiceFailure,
    /// The request is not well formed, or a value in it is not.
    Invalid,
    /// None of the above.
    Other,
}

impl CallError {
    /// Says whether the identity lacks the permission for this call.
    pub fn is_access_denied(&self) -> bool {
        matches!(&self.reason, Reason::Refused(r) if r.kind == RefusedKind::AccessDenied)
    }

    /// Says whether the service could not be asked.
    pub fn is_unreachable(&self) -> bool {
        matches!(&self.reason, Reason::Unreachable { .. } | Reason::TimedOut { .. })
    }

    /// Says whether the service refused with this code.
    pub fn is_code(&self, code: &str) -> bool {
        matches!(&self.reason, Reason::Refused(refused) if refused.code == code)
    }

    /// Names the IAM action the call needs.
    pub fn action(&self) -> String {
        format!("{}:{}", self.service.action_prefix(), self.operation)
    }

    /// Says what the user can do about it, as one sentence.
    pub fn advice(&self) -> String {
        match &self.reason {
            Reason::Credentials(error) => error.advice(),
            Reason::Unreachable { .. } | Reason::TimedOut { .. } => {
                "Check the network, the proxy and any endpoint override.".to_owned()
            }
            Reason::Malformed { .. } => "Check the endpoint override.".to_owned(),
            Reason::Refused(refused) => match refused.kind {
                RefusedKind::AccessDenied => format!("Ask for the permission {}.", self.action()),
                RefusedKind::CredentialsExpired => "Sign in again.".to_owned(),
                RefusedKind::CredentialsUnknown => {
                    "Check the profile's keys, and that they belong to this partition.".to_owned()
                }
                RefusedKind::ClockSkew => "Set this computer's clock.".to_owned(),
                RefusedKind::Throttled | RefusedKind::ServiceFailure => {
                    "Wait a moment and try again.".to_owned()
                }
                RefusedKind::Invalid | RefusedKind::Other => {
                    "See the service's message.".to_owned()
                }
            },
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refused) => refused.fmt(formatter),
            Self::Credentials(error) => error.fmt(formatter),
            Self::Unreachable { endpoint, detail } => {
                write!(formatter, "{endpoint} cannot be reached: {detail}")
            }
            Self::TimedOut { endpoint, after } => {
                write!(formatter, "{endpoint} did not answer within {} s", after.as_secs())
            }
            Self::Malformed { endpoint, detail } => {
                write!(formatter, "{endpoint} gave an answer that makes no sense: {detail}")
            }
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.message.as_str() {
            "" => write!(formatter, "{}", self.code)?,
            message => write!(formatter, "{message} ({})", self.code)?,
        }
        match &self.request_id {
            Some(id) => write!(formatter, " [request {id}]"),
            None => Ok(()),
        }
    }
}
