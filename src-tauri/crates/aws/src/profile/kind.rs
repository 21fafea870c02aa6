//! How a profile comes by its credentials.

use std::collections::BTreeMap;

use super::Properties;

/// The way a profile gets its credentials, told from its keys in the order the SDKs look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProfileKind {
    /// `aws_access_key_id` and `aws_secret_access_key`.
    StaticKeys,
    /// `role_arn`, assumed with the credentials of a source.
    AssumeRole {
        /// The role.
        role_arn: String,
        /// Whose credentials assume it.
        source: RoleSource,
        /// The device whose code the role asks for.
        mfa_serial: Option<String>,
    },
    /// `role_arn` with `web_identity_token_file`.
    WebIdentity {
        /// The role.
        role_arn: String,
    },
    /// IAM Identity Center.
    SignIn(SignInSettings),
    /// `credential_process`: another program prints them.
    Process,
    /// `login_session`: a console login kept by the AWS CLI.
    ConsoleLogin,
    /// No credentials of its own: those of the container or the instance this runs on.
    Bare,
    /// Keys that contradict each other or lack a partner.
    Unusable {
        /// What is missing or too much.
        reason: String,
    },
}

/// Whose credentials assume a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoleSource {
    /// Another profile, or the same one's static keys.
    Profile(String),
    /// `Environment`, `Ec2InstanceMetadata` or `EcsContainer`.
    Named(String),
}

/// What an IAM Identity Center profile says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignInSettings {
    /// The `[sso-session …]` it shares with other profiles; none in the older form.
    pub session: Option<String>,
    /// The start page.
    pub start_url: String,
    /// The region of the Identity Center instance.
    pub region: String,
    /// The account.
    pub account_id: Option<String>,
    /// The permission set.
    pub role_name: Option<String>,
}

impl ProfileKind {
    /// Tells the kind from a profile's keys.
    pub(super) fn of(properties: &Properties, sso_sessions: &BTreeMap<String, Properties>) -> Self {
        let get = |key: &str| value(properties, key);
        match (get("role_arn"), get("web_identity_token_file")) {
            (Some(role_arn), Some(_)) => return Self::WebIdentity { role_arn },
            (Some(role_arn), None) => {
                let source = match (get("source_profile"), get("credential_source")) {
                    (Some(profile), None) => RoleSource::Profile(profile),
                    (None, Some(named)) => RoleSource::Named(named),
                    (Some(_), Some(_)) => {
                        return unusable("has both source_profile and credential_source");
                    }
                    (None, None) => {
                        return unusable(
                            "has role_arn without source_profile or credential_source",
                        );
                    }
                };
                return Self::AssumeRole { role_arn, source, mfa_serial: get("mfa_serial") };
            }
            (None, Some(_)) => return unusable("has web_identity_token_file without role_arn"),
            (None, None) => {}
        }
        let sso = ["sso_session", "sso_start_url", "sso_account_id", "sso_role_name", "sso_region"];
        if sso.iter().any(|key| get(key).is_some()) {
            return Self::sign_in(properties, sso_sessions);
        }
        if get("login_session").is_some() {
            return Self::ConsoleLogin;
        }
        if get("credential_process").is_some() {
            return Self::Process;
        }
        match (get("aws_access_key_id"), get("aws_secret_access_key")) {
            (Some(_), Some(_)) => Self::StaticKeys,
            (Some(_), None) => unusable("has aws_access_key_id without aws_secret_access_key"),
            (None, Some(_)) => unusable("has aws_secret_access_key without aws_access_key_id"),
            (None, None) => Self::Bare,
        }
    }

    fn sign_in(properties: &Properties, sso_sessions: &BTreeMap<String, Properties>) -> Self {
        let get = |key: &str| value(properties, key);
        let session = get("sso_session");
        let shared = match &session {
            Some(name) => match sso_sessions.get(name) {
                Some(shared) => shared,
                None => {
                    return Self::Unusable {
                        reason: format!(
                            "names [sso-session {name}], which is missing or malformed"
                        ),
                    };
                }
            },
            None => properties,
        };
        match (value(shared, "sso_start_url"), value(shared, "sso_region")) {
            (Some(start_url), Some(region)) => Self::SignIn(SignInSettings {
                session,
                start_url,
                region,
                account_id: get("sso_account_id"),
                role_name: get("sso_role_name"),
            }),
            (None, _) => unusable("has no sso_start_url for its sign-in"),
            (_, None) => unusable("has no sso_region for its sign-in"),
        }
    }
}

fn value(properties: &Properties, key: &str) -> Option<String> {
    properties.get(key).map(|property| property.value.clone()).filter(|value| !value.is_empty())
}

fn unusable(reason: &str) -> ProfileKind {
    ProfileKind::Unusable { reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config_file::Property;

    fn properties(pairs: &[(&str, &str)]) -> Properties {
        pairs
            .iter()
            .map(|(key, value)| {
                let property = Property { value: (*value).to_owned(), ..Property::default() };
                ((*key).to_owned(), property)
            })
            .collect()
    }

    fn kind(pairs: &[(&str, &str)]) -> ProfileKind {
        let session = properties(&[("sso_start_url", "https://s"), ("sso_region", "eu-west-1")]);
        let sessions = BTreeMap::from([("corp".to_owned(), session)]);
        ProfileKind::of(&properties(pairs), &sessions)
    }

    #[test]
    fn each_kind_is_told_by_its_keys() {
        let keys = [("aws_access_key_id", "a"), ("aws_secret_access_key", "b")];
        assert_eq!(kind(&keys), ProfileKind::StaticKeys);
        assert_eq!(kind(&[("region", "x")]), ProfileKind::Bare);
        assert_eq!(kind(&[("credential_process", "x")]), ProfileKind::Process);
        assert_eq!(kind(&[("login_session", "x")]), ProfileKind::ConsoleLogin);
        assert!(matches!(
            kind(&[("role_arn", "r"), ("source_profile", "s")]),
            ProfileKind::AssumeRole { source: RoleSource::Profile(s), .. } if s == "s"
        ));
        assert!(matches!(
            kind(&[("role_arn", "r"), ("credential_source", "Environment")]),
            ProfileKind::AssumeRole { source: RoleSource::Named(_), .. }
        ));
        assert!(matches!(
            kind(&[("role_arn", "r"), ("web_identity_token_file", "f")]),
            ProfileKind::WebIdentity { .. }
        ));
    }

    #[test]
    fn a_sign_in_takes_its_page_from_the_session() {
        let ProfileKind::SignIn(settings) =
            kind(&[("sso_session", "corp"), ("sso_account_id", "1"), ("sso_role_name", "Dev")])
        else {
            panic!("a sign-in profile");
        };
        assert_eq!(settings.start_url, "https://s");
        assert_eq!(settings.session.as_deref(), Some("corp"));
    }

    #[test]
    fn contradictions_are_named() {
        for (pairs, word) in [
            (vec![("role_arn", "r")], "source_profile"),
            (vec![("aws_access_key_id", "a")], "aws_secret_access_key"),
            (vec![("sso_session", "gone")], "[sso-session gone]"),
            (vec![("web_identity_token_file", "f")], "role_arn"),
        ] {
            let ProfileKind::Unusable { reason } = kind(&pairs) else {
                panic!("{pairs:?} is unusable");
            };
            assert!(reason.contains(word), "{reason}");
        }
    }
}
