//! STS: who one is, and roles.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use time::macros::format_description;
use time::{Duration, OffsetDateTime};

use super::query::Form;
use super::xml::Xml;
use super::{ApiError, ApiResult, Call};
use crate::keyring::{Credential, Identity, Secret};
use crate::random;
use crate::scenario::{Account, Role, matches};

pub(crate) const OPERATIONS: &[&str] = &["GetCallerIdentity", "AssumeRole"];
pub(crate) const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// The shortest and longest life of assumed credentials, in seconds; a role of this AWS allows
/// an hour, which is IAM's default.
const SHORTEST: i64 = 900;
const LONGEST: i64 = 43_200;
const ROLE_MAXIMUM: i64 = 3_600;

/// Answers one call.
pub(crate) fn answer(call: &Call<'_>, form: Form) -> ApiResult<String> {
    match call.operation {
        "GetCallerIdentity" => caller_identity(call, form),
        "AssumeRole" => assume_role(call, form),
        other => Err(unknown(other)),
    }
}

pub(crate) fn unknown(operation: &str) -> ApiError {
    ApiError::bad_request(
        "InvalidAction",
        format!("Could not find operation {operation} for version 2011-06-15"),
    )
}

fn caller_identity(call: &Call<'_>, form: Form) -> ApiResult<String> {
    form.finish()?;
    let identity = &call.caller.identity;
    Ok(respond(call, |xml| {
        xml.text("Arn", &identity.arn);
        xml.text("UserId", &identity.user_id);
        xml.text("Account", &identity.account);
    }))
}

fn assume_role(call: &Call<'_>, mut form: Form) -> ApiResult<String> {
    let arn = form.take("RoleArn").unwrap_or_default();
    let name = form.take("RoleSessionName").unwrap_or_default();
    let seconds = form.integer("DurationSeconds")?;
    let external_id = form.take("ExternalId");
    // Session tags and the source identity change nothing that is played here.
    form.structures("Tags.member");
    form.list("TransitiveTagKeys.member");
    form.take("SourceIdentity");
    form.finish()?;

    let mut violations = Violations::default();
    violations.length("roleArn", &arn, 20, 2048);
    violations.length("roleSessionName", &name, 2, 64);
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)) {
        violations.add(
            "roleSessionName",
            &name,
            "satisfy regular expression pattern: [\\w+=,.@-]*",
        );
    }
    if let Some(seconds) = seconds {
        if seconds < SHORTEST {
            let rule = format!("have value greater than or equal to {SHORTEST}");
            violations.add("durationSeconds", &seconds.to_string(), &rule);
        } else if seconds > LONGEST {
            let rule = format!("have value less than or equal to {LONGEST}");
            violations.add("durationSeconds", &seconds.to_string(), &rule);
        }
    }
    violations.finish()?;
    if !arn.starts_with("arn:aws:iam::") {
        return Err(validation(format!("{arn} is invalid")));
    }
    let (account, role) =
        find(call, &arn, external_id.as_deref()).ok_or_else(|| denied(call, &arn))?;
    if call.authorize(&arn, None).is_err() {
        return Err(denied(call, &arn));
    }
    if seconds.is_some_and(|seconds| seconds > ROLE_MAXIMUM) {
        return Err(validation(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
                .to_owned(),
        ));
    }
    let life = Duration::seconds(seconds.unwrap_or(ROLE_MAXIMUM));
    let credential = credential(call.now, account, role, &name, life);
    let answer = respond(call, |xml| {
        xml.element("AssumedRoleUser", |xml| {
            xml.text("AssumedRoleId", &credential.identity.user_id);
            xml.text("Arn", &credential.identity.arn);
        });
        xml.element("Credentials", |xml| {
            xml.text("AccessKeyId", &credential.access_key);
            xml.text("SecretAccessKey", credential.secret.expose());
            if let Some(token) = &credential.session_token {
                xml.text("SessionToken", token.expose());
            }
            let expires = (call.now + life)
                .format(format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z"));
            xml.text("Expiration", expires.unwrap_or_default());
        });
    });
    call.world.keyring.forget_expired(call.now);
    call.world.keyring.add(credential);
    Ok(answer)
}

fn find<'a>(
    call: &Call<'a>,
    arn: &str,
    external_id: Option<&str>,
) -> Option<(&'a Account, &'a Role)> {
    let caller = &call.caller.identity.arn;
    let mut roles = call
        .world
        .scenario
        .accounts()
        .iter()
        .flat_map(|account| account.roles.iter().map(move |role| (account, role)));
    roles.find(|(account, role)| {
        account.role_arn(role) == arn
            && role.trusted.iter().any(|pattern| matches(pattern, caller))
            && role.external_id.as_deref().is_none_or(|wanted| external_id == Some(wanted))
    })
}

/// Makes temporary credentials of a role, which are not good before the keyring has them.
pub(crate) fn credential(
    now: OffsetDateTime,
    account: &Account,
    role: &Role,
    name: &str,
    life: Duration,
) -> Credential {
    let capitals = |bytes: &[u8]| -> String {
        const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect()
    };
    Credential {
        access_key: format!("ASIA{}", capitals(&random::bytes::<16>())),
        secret: Secret::new(STANDARD.encode(random::bytes::<30>())),
        session_token: Some(Secret::new(STANDARD.encode(random::bytes::<276>()))),
        expires: Some(now + life),
        identity: Identity {
            account: account.id.clone(),
            arn: format!("arn:aws:sts::{}:assumed-role/{}/{name}", account.id, role.name),
            user_id: format!("{}:{name}", role.id),
            policy: Arc::clone(&role.policy),
        },
    }
}

fn denied(call: &Call<'_>, arn: &str) -> ApiError {
    let user = &call.caller.identity.arn;
    ApiError::new(
        StatusCode::FORBIDDEN,
        "AccessDenied",
        format!("User: {user} is not authorized to perform: sts:AssumeRole on resource: {arn}"),
    )
}

fn validation(message: String) -> ApiError {
    ApiError::bad_request("ValidationError", message)
}

fn respond(call: &Call<'_>, content: impl FnOnce(&mut Xml)) -> String {
    let operation = call.operation;
    Xml::document(&format!("{operation}Response"), Some(NAMESPACE), |xml| {
        xml.element(&format!("{operation}Result"), content);
        xml.element("ResponseMetadata", |xml| xml.text("RequestId", call.request_id));
    })
}

/// What is wrong with a request's parameters, worded as STS does.
#[derive(Default)]
struct Violations(Vec<String>);

impl Violations {
    fn length(&mut self, name: &str, value: &str, least: usize, most: usize) {
        let length = value.chars().count();
        if length < least {
            self.add(name, value, &format!("have length greater than or equal to {least}"));
        } else if length > most {
            self.add(name, value, &format!("have length less than or equal to {most}"));
        }
    }

    fn add(&mut self, name: &str, value: &str, rule: &str) {
        self.0.push(format!(
            "Value '{value}' at '{name}' failed to satisfy constraint: Member must {rule}"
        ));
    }

    fn finish(self) -> ApiResult<()> {
        match self.0.len() {
            0 => Ok(()),
            n => Err(validation(format!(
                "{n} validation error{} detected: {}",
                if n == 1 { "" } else { "s" },
                self.0.join("; ")
            ))),
        }
    }
}
