//! Profiles: the named entries of the shared config files. Read here, never written.

use std::collections::BTreeMap;
use std::path::PathBuf;

use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};

use crate::config_file::{ConfigFile, FileKind, Problem, Property, SectionKind};
use crate::environment::Environment;
use crate::error::SetupError;

mod kind;

pub use kind::{ProfileKind, RoleSource, SignInSettings};

/// The profiles of both shared files, and what is wrong with those files.
#[derive(Clone, Debug)]
pub struct Profiles {
    profiles: BTreeMap<String, Profile>,
    sso_sessions: BTreeMap<String, Properties>,
    services: BTreeMap<String, Properties>,
    problems: Vec<Problem>,
    config_path: PathBuf,
    config_text: String,
    credentials_text: String,
}

pub(crate) type Properties = BTreeMap<String, Property>;

/// One profile, merged from the config file and the credentials file.
#[derive(Clone)]
pub struct Profile {
    name: String,
    properties: Properties,
    problems: Vec<Problem>,
    kind: ProfileKind,
}

impl Profiles {
    /// Reads both shared files. Never fails: what cannot be used is in [`Profiles::problems`] and
    /// in [`Profile::problems`], and everything else is there.
    pub fn read(environment: &Environment) -> Self {
        let config_path = environment.config_path();
        let config = ConfigFile::read(&config_path, FileKind::Config);
        let credentials = ConfigFile::read(&environment.credentials_path(), FileKind::Credentials);
        Self::merge(config_path, &config, &credentials)
    }

    fn merge(config_path: PathBuf, config: &ConfigFile, credentials: &ConfigFile) -> Self {
        let mut merged = Self {
            profiles: BTreeMap::new(),
            sso_sessions: BTreeMap::new(),
            services: BTreeMap::new(),
            problems: [config.problems.clone(), credentials.problems.clone()].concat(),
            config_path,
            config_text: config.sound_text(),
            credentials_text: credentials.sound_text(),
        };
        let prefixed_default = config.sections.iter().any(|section| {
            section.kind == SectionKind::Profile && section.name == "default" && section.prefixed
        });
        for section in &config.sections {
            match section.kind {
                SectionKind::Profile => {
                    if section.name == "default" && prefixed_default && !section.prefixed {
                        continue;
                    }
                    merged.profile_mut(&section.name).take(section);
                }
                _ if !section.problems.is_empty() => {
                    merged.problems.extend(section.problems.clone())
                }
                SectionKind::SsoSession => merge_section(&mut merged.sso_sessions, section),
                SectionKind::Services => merge_section(&mut merged.services, section),
                SectionKind::Other => {}
            }
        }
        for section in &credentials.sections {
            merged.profile_mut(&section.name).take(section);
        }
        let sessions = &merged.sso_sessions;
        for profile in merged.profiles.values_mut() {
            profile.kind = ProfileKind::of(&profile.properties, sessions);
        }
        merged
    }

    /// Reads a config file's text, without a credentials file.
    #[cfg(test)]
    pub(crate) fn of_config(text: &str) -> Self {
        let path = std::path::Path::new("config");
        let config = ConfigFile::parse(path, FileKind::Config, text.as_bytes());
        Self::merge(path.to_owned(), &config, &ConfigFile::default())
    }

    fn profile_mut(&mut self, name: &str) -> &mut Profile {
        self.profiles.entry(name.to_owned()).or_insert_with(|| Profile {
            name: name.to_owned(),
            properties: BTreeMap::new(),
            problems: Vec::new(),
            kind: ProfileKind::Bare,
        })
    }

    /// Lists the profiles by name.
    pub fn iter(&self) -> impl Iterator<Item = &Profile> {
        self.profiles.values()
    }

    /// Counts the profiles.
    pub fn len(&self) -> usize {
        self.profiles.len()
    }

    /// Says whether no profile was found at all.
    pub fn is_empty(&self) -> bool {
        self.profiles.is_empty()
    }

    /// Finds a profile.
    pub fn find(&self, name: &str) -> Option<&Profile> {
        self.profiles.get(name)
    }

    /// Lists what is wrong with the files outside any one profile.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Finds a profile that can be used: it exists, and neither it nor a profile it draws its
    /// credentials from stands on lines that could not be read.
    ///
    /// # Errors
    ///
    /// [`SetupError::NoSuchProfile`] or [`SetupError::MalformedProfile`].
    pub fn usable(&self, name: &str) -> Result<&Profile, SetupError> {
        let wanted = self.find(name).ok_or_else(|| self.missing(name))?;
        let mut profile = wanted;
        let mut seen = vec![name];
        loop {
            if let Some(problem) = profile.problems.first() {
                let profile = profile.name.clone();
                return Err(SetupError::MalformedProfile { profile, problem: problem.clone() });
            }
            let next = match &profile.kind {
                ProfileKind::AssumeRole { source: RoleSource::Profile(next), .. } => next,
                ProfileKind::AssumeRole { source: RoleSource::Named(_), .. }
                | ProfileKind::StaticKeys
                | ProfileKind::WebIdentity { .. }
                | ProfileKind::SignIn(_)
                | ProfileKind::Process
                | ProfileKind::ConsoleLogin
                | ProfileKind::Bare
                | ProfileKind::Unusable { .. } => return Ok(wanted),
            };
            if seen.contains(&next.as_str()) {
                return Ok(wanted);
            }
            profile = self.find(next).ok_or_else(|| self.missing(next))?;
            seen.push(&profile.name);
        }
    }

    fn missing(&self, name: &str) -> SetupError {
        SetupError::NoSuchProfile {
            profile: name.to_owned(),
            file: self.config_path.clone(),
            known: self.profiles.keys().cloned().collect(),
            problem: self.problems.first().cloned().map(Box::new),
        }
    }

    /// Shows a value of the profile's `services` section.
    pub(crate) fn service_setting(
        &self,
        profile: &Profile,
        service: &str,
        key: &str,
    ) -> Option<&str> {
        let section = self.services.get(profile.get("services")?)?;
        section.get(service)?.nested.get(key).map(String::as_str)
    }

    /// Hands the sound sections to the SDK's own parser, so that a fault elsewhere in a file
    /// cannot keep it from loading a profile that is whole.
    pub(crate) fn sdk_files(&self) -> EnvConfigFiles {
        EnvConfigFiles::builder()
            .with_contents(EnvConfigFileKind::Config, self.config_text.as_str())
            .with_contents(EnvConfigFileKind::Credentials, self.credentials_text.as_str())
            .build()
    }
}

fn merge_section(into: &mut BTreeMap<String, Properties>, section: &crate::config_file::Section) {
    let properties = into.entry(section.name.clone()).or_default();
    properties.extend(section.properties.iter().map(|(k, v)| (k.clone(), v.clone())));
}

impl Profile {
    fn take(&mut self, section: &crate::config_file::Section) {
        self.properties.extend(section.properties.iter().map(|(k, v)| (k.clone(), v.clone())));
        self.problems.extend(section.problems.iter().cloned());
    }

    /// Shows the profile's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Says how the profile comes by its credentials.
    pub fn kind(&self) -> &ProfileKind {
        &self.kind
    }

    /// Shows the region the profile names.
    pub fn region(&self) -> Option<&str> {
        self.get("region")
    }

    /// Lists what is wrong with the lines of this profile. It cannot be used while there are any.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Shows the account the profile is for, as far as the files tell without asking AWS.
    pub fn account_hint(&self) -> Option<&str> {
        let of_role = self.get("role_arn").and_then(|arn| arn.split(':').nth(4));
        of_role
            .or_else(|| self.get("sso_account_id"))
            .or_else(|| self.get("aws_account_id"))
            .filter(|account| account.len() == 12)
    }

    /// Shows a value; one that is empty counts as not set.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.properties
            .get(key)
            .map(|property| property.value.as_str())
            .filter(|value| !value.is_empty())
    }
}

/// Names the profile and its kind; its values may be secrets.
impl std::fmt::Debug for Profile {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Profile").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn profiles(config: &str, credentials: &str) -> Profiles {
        let config = ConfigFile::parse(Path::new("config"), FileKind::Config, config.as_bytes());
        let credentials = ConfigFile::parse(
            Path::new("credentials"),
            FileKind::Credentials,
            credentials.as_bytes(),
        );
        Profiles::merge(PathBuf::from("config"), &config, &credentials)
    }

    #[test]
    fn both_files_make_one_profile_and_credentials_win() {
        let profiles = profiles(
            "[profile a]\nregion = eu-west-1\naws_access_key_id = OLD\n",
            "[a]\naws_access_key_id = NEW\naws_secret_access_key = s\n",
        );
        let a = profiles.find("a").expect("listed");
        assert_eq!(a.region(), Some("eu-west-1"));
        assert_eq!(a.get("aws_access_key_id"), Some("NEW"));
        assert!(matches!(a.kind(), ProfileKind::StaticKeys));
    }

    #[test]
    fn profile_default_beats_default() {
        let profiles =
            profiles("[default]\nregion = a\noutput = json\n[profile default]\nregion = b\n", "");
        let default = profiles.find("default").expect("listed");
        assert_eq!(default.region(), Some("b"));
        assert_eq!(default.get("output"), None);
    }

    #[test]
    fn a_malformed_profile_is_listed_and_refused_and_the_rest_is_usable() {
        let profiles = profiles(
            "[profile good]\nregion = x\n[profile bad]\nregion x\n\
             [profile child]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = bad\n",
            "",
        );
        let names: Vec<_> = profiles.iter().map(Profile::name).collect();
        assert_eq!(names, ["bad", "child", "good"]);
        assert!(profiles.usable("good").is_ok());
        for name in ["bad", "child"] {
            let error = profiles.usable(name).expect_err("stands on a malformed line");
            assert_eq!(
                error.to_string(),
                "profile bad cannot be used: config, line 4: expected key = value, found no ="
            );
        }
    }

    #[test]
    fn a_missing_profile_names_those_there_are() {
        let profiles = profiles("[profile a]\nregion = x\n", "");
        let error = profiles.usable("b").expect_err("not there");
        assert!(error.to_string().contains("there is no profile b in config"));
        assert!(error.advice().contains("a"));
    }

    #[test]
    fn a_loop_of_source_profiles_ends() {
        let role = "role_arn = arn:aws:iam::123456789012:role/r\n";
        let text = format!(
            "[profile a]\n{role}source_profile = b\n[profile b]\n{role}source_profile = a\n"
        );
        let profiles = profiles(&text, "");
        assert!(profiles.usable("a").is_ok());
        assert_eq!(profiles.find("a").and_then(Profile::account_hint), Some("123456789012"));
    }

    #[test]
    fn the_services_section_is_found_by_name() {
        let profiles = profiles(
            "[profile a]\nservices = local\n[services local]\nssm =\n  endpoint_url = http://x\n",
            "",
        );
        let a = profiles.find("a").expect("listed");
        assert_eq!(profiles.service_setting(a, "ssm", "endpoint_url"), Some("http://x"));
        assert_eq!(profiles.service_setting(a, "ec2", "endpoint_url"), None);
    }

    #[test]
    fn printing_shows_no_value() {
        let profiles = profiles("", "[a]\naws_secret_access_key = hush\n");
        assert!(!format!("{:?}", profiles.find("a")).contains("hush"));
    }
}
