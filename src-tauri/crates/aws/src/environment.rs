//! Where an AWS set-up is read from: the process's variables and home, or a set handed in.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use zeroize::Zeroizing;

/// Answers for environment variables and the places of the shared config files.
///
/// Everything this crate reads of its surroundings goes through here, so the sandbox and the tests
/// stand beside the user's own set-up without touching it.
#[derive(Clone)]
pub struct Environment {
    variables: Variables,
}

#[derive(Clone)]
enum Variables {
    Process,
    Given(Arc<BTreeMap<String, String>>),
    Over { below: Arc<Environment>, above: Arc<BTreeMap<String, Zeroizing<String>>> },
}

impl Environment {
    /// Reads the variables of this process, at the moment they are asked for.
    pub fn process() -> Self {
        Self { variables: Variables::Process }
    }

    /// Answers from `variables` alone. Without `HOME`, the config files must be named by
    /// `AWS_CONFIG_FILE` and `AWS_SHARED_CREDENTIALS_FILE`.
    pub fn given<K: Into<String>, V: Into<String>>(
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let variables = variables.into_iter().map(|(k, v)| (k.into(), v.into())).collect();
        Self { variables: Variables::Given(Arc::new(variables)) }
    }

    /// Answers from `variables` first, and from this set-up for all others. An empty value hides
    /// a variable.
    #[must_use]
    pub fn with<K: Into<String>, V: Into<String>>(
        &self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let above = variables.into_iter().map(|(k, v)| (k.into(), Zeroizing::new(v.into())));
        let (below, above) = (Arc::new(self.clone()), Arc::new(above.collect()));
        Self { variables: Variables::Over { below, above } }
    }

    /// Says whether this is the process's own surroundings, and not a set handed in.
    pub(crate) fn is_process(&self) -> bool {
        matches!(self.variables, Variables::Process)
    }

    /// Shows a variable; one that is empty counts as not set.
    pub fn variable(&self, name: &str) -> Option<String> {
        let value = match &self.variables {
            Variables::Process => std::env::var(name).ok(),
            Variables::Given(map) => map.get(name).cloned(),
            Variables::Over { below, above } => match above.get(name) {
                Some(value) => Some(value.to_string()),
                None => below.variable(name),
            },
        };
        value.filter(|value| !value.trim().is_empty())
    }

    /// Shows a variable that means yes or no; `None` when it is absent or means neither.
    pub(crate) fn switch(&self, name: &str) -> Option<bool> {
        self.variable(name).as_deref().and_then(parse_switch)
    }

    /// Names the shared config file (`AWS_CONFIG_FILE`, else `~/.aws/config`).
    pub fn config_path(&self) -> PathBuf {
        self.file("AWS_CONFIG_FILE", "config")
    }

    /// Names the shared credentials file (`AWS_SHARED_CREDENTIALS_FILE`, else
    /// `~/.aws/credentials`).
    pub fn credentials_path(&self) -> PathBuf {
        self.file("AWS_SHARED_CREDENTIALS_FILE", "credentials")
    }

    fn file(&self, variable: &str, name: &str) -> PathBuf {
        match self.variable(variable) {
            Some(path) => self.expand(&path),
            None => self.home().unwrap_or_default().join(".aws").join(name),
        }
    }

    fn expand(&self, path: &str) -> PathBuf {
        let below_home = path.strip_prefix("~/").or_else(|| path.strip_prefix("~\\"));
        match (below_home, self.home()) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => PathBuf::from(path),
        }
    }

    fn home(&self) -> Option<PathBuf> {
        let named = self.variable("HOME").or_else(|| self.variable("USERPROFILE"));
        match (&self.variables, named) {
            (_, Some(home)) => Some(PathBuf::from(home)),
            (Variables::Process, None) => std::env::home_dir(),
            (Variables::Given(_), None) => None,
            (Variables::Over { below, .. }, None) => below.home(),
        }
    }
}

/// Reads `true` or `false` in any case, the only spellings the AWS SDKs take.
pub(crate) fn parse_switch(value: &str) -> Option<bool> {
    let value = value.trim();
    if value.eq_ignore_ascii_case("true") {
        Some(true)
    } else if value.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// Names the variables of a given set, never their values: some are secrets.
impl fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.variables {
            Variables::Process => formatter.write_str("Environment(process)"),
            Variables::Given(map) => {
                formatter.write_str("Environment")?;
                formatter.debug_set().entries(map.keys()).finish()
            }
            Variables::Over { below, above } => {
                below.fmt(formatter)?;
                formatter.debug_set().entries(above.keys()).finish()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_default_to_the_home_folder() {
        let environment = Environment::given([("HOME", "/home/ana")]);
        assert_eq!(environment.config_path(), PathBuf::from("/home/ana/.aws/config"));
        assert_eq!(environment.credentials_path(), PathBuf::from("/home/ana/.aws/credentials"));
    }

    #[test]
    fn named_files_win_and_a_tilde_is_the_home_folder() {
        let environment = Environment::given([
            ("HOME", "/home/ana"),
            ("AWS_CONFIG_FILE", "~/job/aws"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/run/keys"),
        ]);
        assert_eq!(environment.config_path(), PathBuf::from("/home/ana/job/aws"));
        assert_eq!(environment.credentials_path(), PathBuf::from("/run/keys"));
    }

    #[test]
    fn an_empty_variable_is_not_set() {
        let environment = Environment::given([("AWS_PROFILE", "")]);
        assert_eq!(environment.variable("AWS_PROFILE"), None);
    }

    #[test]
    fn printing_shows_no_value() {
        let environment = Environment::given([("AWS_SECRET_ACCESS_KEY", "hush")]);
        let printed = format!("{environment:?}");
        assert!(printed.contains("AWS_SECRET_ACCESS_KEY") && !printed.contains("hush"));
    }
}
