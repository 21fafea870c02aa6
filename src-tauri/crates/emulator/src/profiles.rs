//! The shared config files of the made-up accounts.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::Scenario;
use crate::scenario::MAIN_REGION;

/// Users that have a profile of their own: profile, account, user.
const USERS: &[(&str, &str, &str)] = &[
    ("sandbox-prod", "prod", "mara"),
    ("sandbox-dev", "dev", "dora"),
    ("sandbox-data", "data", "omar"),
    ("sandbox-viewer", "prod", "vince"),
    ("sandbox-developer", "dev", "lin"),
];

/// Profiles that assume a role: profile, account, role, source profile.
const ROLES: &[(&str, &str, &str, &str)] = &[
    ("sandbox-operator", "prod", "Operator", "sandbox-prod"),
    ("sandbox-analyst", "data", "Analyst", "sandbox-data"),
];

/// Writes both files; the second holds secrets, made up as they are, and is only its owner's.
pub(crate) fn write(dir: &Path, scenario: &Scenario, url: &str) -> io::Result<(PathBuf, PathBuf)> {
    let mut config = String::new();
    let mut credentials = String::new();
    for (profile, account, name) in USERS {
        let user = scenario
            .account(account)
            .and_then(|account| account.users.iter().find(|user| user.name == *name));
        let Some(user) = user else { continue };
        section(&mut config, profile, url, "");
        let _ = writeln!(
            credentials,
            "[{profile}]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
            user.access_key,
            user.secret.expose(),
        );
    }
    for (profile, account, name, source) in ROLES {
        let found = scenario.account(account).and_then(|account| {
            let role = account.roles.iter().find(|role| role.name == *name)?;
            Some(account.role_arn(role))
        });
        let Some(arn) = found else { continue };
        section(
            &mut config,
            profile,
            url,
            &format!("role_arn = {arn}\nsource_profile = {source}\n"),
        );
    }
    fs::create_dir_all(dir)?;
    let (config_path, credentials_path) = (dir.join("config"), dir.join("credentials"));
    fs::write(&config_path, config)?;
    private_file(&credentials_path)?.write_all(credentials.as_bytes())?;
    Ok((config_path, credentials_path))
}

fn section(config: &mut String, profile: &str, url: &str, more: &str) {
    let _ = writeln!(
        config,
        "[profile {profile}]\nregion = {MAIN_REGION}\noutput = json\nendpoint_url = {url}\n{more}"
    );
}

fn private_file(path: &Path) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_has_a_region_an_endpoint_and_a_way_to_credentials() {
        let dir = tempfile::tempdir().unwrap();
        let url = "http://127.0.0.1:4566";
        let (config, credentials) = write(dir.path(), &Scenario::sandbox(), url).unwrap();
        let config = fs::read_to_string(config).unwrap();
        let credentials = fs::read_to_string(credentials).unwrap();
        let profiles: Vec<_> = config.lines().filter(|line| line.starts_with('[')).collect();
        assert_eq!(profiles.len(), USERS.len() + ROLES.len());
        assert_eq!(config.matches(&format!("endpoint_url = {url}\n")).count(), profiles.len());
        assert_eq!(config.matches("region = eu-central-1\n").count(), profiles.len());
        for (profile, _, _) in USERS {
            assert!(credentials.contains(&format!("[{profile}]\naws_access_key_id = AKIA")));
        }
        for (_, _, _, source) in ROLES {
            assert!(credentials.contains(&format!("[{source}]")));
        }
    }
}
