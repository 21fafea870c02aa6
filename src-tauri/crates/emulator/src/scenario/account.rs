//! Accounts of the made-up company and who may do what in them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::keyring::Secret;

/// One AWS account.
#[derive(Clone, Debug)]
pub struct Account {
    /// Twelve digits.
    pub id: String,
    /// A word for it: `prod`.
    pub name: String,
    /// People and programs with an access key.
    pub users: Vec<User>,
    /// Roles that may be assumed.
    pub roles: Vec<Role>,
}

/// An IAM user with one access key.
#[derive(Clone, Debug)]
pub struct User {
    /// The user's name.
    pub name: String,
    /// `AIDA…`.
    pub id: String,
    /// `AKIA…`.
    pub access_key: String,
    /// The secret of that key.
    pub secret: Secret,
    /// What the user may do.
    pub policy: Arc<Policy>,
}

/// An IAM role.
#[derive(Clone, Debug)]
pub struct Role {
    /// The role's name.
    pub name: String,
    /// `AROA…`.
    pub id: String,
    /// Patterns of the ARNs that may assume it.
    pub trusted: Vec<String>,
    /// What must be told to assume it.
    pub external_id: Option<String>,
    /// What the role may do.
    pub policy: Arc<Policy>,
}

impl Account {
    /// The ARN of a user.
    #[must_use]
    pub fn user_arn(&self, user: &User) -> String {
        format!("arn:aws:iam::{}:user/{}", self.id, user.name)
    }

    /// The ARN of a role.
    #[must_use]
    pub fn role_arn(&self, role: &Role) -> String {
        format!("arn:aws:iam::{}:role/{}", self.id, role.name)
    }
}

/// What an identity may do: everything a statement allows, and nothing else.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    statements: Vec<Statement>,
}

#[derive(Clone, Debug)]
struct Statement {
    allow: bool,
    /// Patterns of actions, such as `ssm:Describe*`.
    actions: Vec<&'static str>,
    /// A tag the resource has to have, with one of these values.
    tag: Option<(&'static str, &'static [&'static str])>,
}

impl Policy {
    /// Allows everything.
    #[must_use]
    pub fn full() -> Self {
        Self::default().allow(&["*"])
    }

    /// Allows these actions on everything.
    #[must_use]
    pub fn allow(mut self, actions: &[&'static str]) -> Self {
        self.statements.push(Statement { allow: true, actions: actions.to_vec(), tag: None });
        self
    }

    /// Allows these actions on what carries a tag with one of these values.
    #[must_use]
    pub fn allow_tagged(
        mut self,
        actions: &[&'static str],
        tag: &'static str,
        values: &'static [&'static str],
    ) -> Self {
        let tag = Some((tag, values));
        self.statements.push(Statement { allow: true, actions: actions.to_vec(), tag });
        self
    }

    /// Denies these actions whatever else allows them.
    #[must_use]
    pub fn deny(mut self, actions: &[&'static str]) -> Self {
        self.statements.push(Statement { allow: false, actions: actions.to_vec(), tag: None });
        self
    }

    /// Decides on one action and the tags of its resource.
    #[must_use]
    pub fn decide(&self, action: &str, tags: Option<&BTreeMap<String, String>>) -> Decision {
        let mut decision = Decision::NotAllowed;
        for statement in &self.statements {
            let tagged = statement.tag.is_none_or(|(tag, values)| {
                tags.and_then(|tags| tags.get(tag)).is_some_and(|v| values.contains(&v.as_str()))
            });
            if !tagged || !statement.actions.iter().any(|pattern| matches(pattern, action)) {
                continue;
            }
            if !statement.allow {
                return Decision::Denied;
            }
            decision = Decision::Allowed;
        }
        decision
    }
}

/// What a policy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// A statement allows it and none denies it.
    Allowed,
    /// No statement allows it.
    NotAllowed,
    /// A statement denies it.
    Denied,
}

/// Compares a text with a pattern in which `*` stands for anything and `?` for one character.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    // `star` remembers the latest `*` and the text position it was last tried to reach.
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(letter) if *letter == '?' || *letter == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((at, reached)) = star else { return false };
                star = Some((at, reached + 1));
                p = at + 1;
                t = reached + 1;
            }
        }
    }
    pattern[p..].iter().all(|letter| *letter == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_shells_do() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("*", "anything", true),
            ("ssm:Describe*", "ssm:DescribeSessions", true),
            ("ssm:Describe*", "ssm:StartSession", false),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "aXbY", false),
            ("web-?", "web-1", true),
            ("web-?", "web-10", false),
            ("", "x", false),
            ("*-1", "a-1-1", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_denial_wins_and_silence_is_no_permission() {
        let policy = Policy::full().deny(&["ssm:StartSession"]);
        assert_eq!(policy.decide("ssm:DescribeSessions", None), Decision::Allowed);
        assert_eq!(policy.decide("ssm:StartSession", None), Decision::Denied);
        let policy = Policy::default().allow_tagged(&["ssm:StartSession"], "Env", &["dev"]);
        assert_eq!(policy.decide("ssm:StartSession", None), Decision::NotAllowed);
        let tags = BTreeMap::from([("Env".to_owned(), "dev".to_owned())]);
        assert_eq!(policy.decide("ssm:StartSession", Some(&tags)), Decision::Allowed);
    }
}
