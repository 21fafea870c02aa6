//! The accounts there are, and where each comes from.

use std::path::{Path, PathBuf};

use aws::{Environment, Profiles, Region};

use crate::desktop::SandboxAccount;
use crate::settings::AddedAccount;
use crate::view::{AccountColour, AppError, ErrorCode, ProfileId, ProfileKind};

/// The caption of the made-up accounts.
const SANDBOX: &str = "Sandbox";
/// Where nobody says otherwise.
pub(super) const LAST_RESORT: &str = "us-east-1";

/// Where an account's credentials come from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    /// The environment's own keys.
    Environment,
    /// A profile of the shared AWS files.
    Shared { profile: String },
    /// A made-up account.
    Sandbox { profile: String },
    /// A profile of a config file that lies elsewhere.
    File { path: PathBuf, profile: String },
    /// Keys in the system keyring.
    Keys { name: String },
    /// A role of an IAM Identity Center sign-in made here.
    Sso { start_url: String, region: String, account_id: String, role: String },
}

/// An account as far as files tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) id: ProfileId,
    pub(super) name: String,
    pub(super) kind: ProfileKind,
    pub(super) group: Option<String>,
    pub(super) account_id: Option<String>,
    /// Regions in use until the user chooses others.
    pub(super) regions: Vec<String>,
    pub(super) origin: Origin,
}

impl Known {
    /// Lists every region that could be used.
    pub(super) fn available(&self) -> Vec<String> {
        if let Origin::Sandbox { .. } = self.origin {
            return self.regions.clone();
        }
        let region = self.regions.first().map_or(LAST_RESORT, String::as_str);
        let known = Region::new(region).partition().known_regions();
        known.map(|region| region.as_str().to_owned()).collect()
    }

    /// A colour until the user chooses one. Names tell of the harm that can be done.
    pub(super) fn colour(&self) -> AccountColour {
        let name = self.name.to_lowercase();
        if name.contains("prod") || name.contains("live") {
            return AccountColour::Red;
        }
        if name.contains("stag") || name.contains("test") || name.contains("qa") {
            return AccountColour::Amber;
        }
        if name.contains("dev") || name.contains("lab") {
            return AccountColour::Green;
        }
        let sum = name.bytes().fold(0u32, |sum, byte| sum.wrapping_mul(31) + u32::from(byte));
        match sum % 4 {
            0 => AccountColour::Blue,
            1 => AccountColour::Teal,
            2 => AccountColour::Violet,
            _ => AccountColour::Pink,
        }
    }
}

/// What the files hold.
pub(super) struct Found {
    pub(super) known: Vec<Known>,
    pub(super) problem: Option<AppError>,
}

/// Reads the files and lists every account, in the order to show.
pub(super) fn find(
    environment: &Environment,
    added: &[AddedAccount],
    sandbox: &[SandboxAccount],
) -> Found {
    let profiles = Profiles::read(environment);
    let mut known = Vec::new();
    let usual = usual_region(environment);
    let has_keys = |name| environment.variable(name).is_some();
    if has_keys("AWS_ACCESS_KEY_ID") && has_keys("AWS_SECRET_ACCESS_KEY") {
        known.push(Known {
            id: ProfileId("env:".to_owned()),
            name: "environment".to_owned(),
            kind: ProfileKind::AccessKeys,
            group: None,
            account_id: None,
            regions: vec![usual.clone()],
            origin: Origin::Environment,
        });
    }
    let mut shared: Vec<_> = profiles.iter().map(|profile| of_profile(profile, &usual)).collect();
    // The one the AWS command line would take comes first.
    let first = environment.variable("AWS_PROFILE").unwrap_or_else(|| "default".to_owned());
    shared.sort_by_key(|known: &Known| known.name != first);
    known.extend(shared);
    for account in added {
        known.extend(of_added(account, environment, &usual));
    }
    known.extend(sandbox.iter().map(of_sandbox));
    let problem = profiles.problems().first().map(|problem| AppError {
        code: ErrorCode::ConfigInvalid,
        message: crate::error::sentence(&problem.to_string()),
        detail: None,
    });
    Found { known, problem }
}

fn usual_region(environment: &Environment) -> String {
    let named = environment.variable("AWS_REGION");
    let named = named.or_else(|| environment.variable("AWS_DEFAULT_REGION"));
    named.unwrap_or_else(|| LAST_RESORT.to_owned())
}

fn of_profile(profile: &aws::Profile, usual: &str) -> Known {
    let name = profile.name().to_owned();
    let (kind, group) = match profile.kind() {
        aws::ProfileKind::SignIn(settings) => {
            (ProfileKind::Sso, settings.session.clone().or_else(|| host_of(&settings.start_url)))
        }
        aws::ProfileKind::StaticKeys
        | aws::ProfileKind::AssumeRole { .. }
        | aws::ProfileKind::WebIdentity { .. }
        | aws::ProfileKind::Process
        | aws::ProfileKind::ConsoleLogin
        | aws::ProfileKind::Bare
        | aws::ProfileKind::Unusable { .. } => (ProfileKind::ConfigFile, None),
    };
    // A colon is what other origins begin their ids with.
    let id = if name.contains(':') { format!("aws:{name}") } else { name.clone() };
    Known {
        id: ProfileId(id),
        kind,
        group,
        account_id: profile.account_hint().map(str::to_owned),
        regions: vec![profile.region().unwrap_or(usual).to_owned()],
        origin: Origin::Shared { profile: name.clone() },
        name,
    }
}

fn host_of(url: &str) -> Option<String> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().filter(|host| !host.is_empty()).map(str::to_owned)
}

fn of_added(account: &AddedAccount, environment: &Environment, usual: &str) -> Vec<Known> {
    match account {
        AddedAccount::ConfigFile { path } => {
            let profiles = Profiles::read(&elsewhere(environment, path));
            let group = path.display().to_string();
            let named = |known: Known| {
                let profile = known.name.clone();
                Known {
                    id: ProfileId(format!("file:{group}#{profile}")),
                    group: known.group.or_else(|| Some(group.clone())),
                    origin: Origin::File { path: path.clone(), profile },
                    ..known
                }
            };
            profiles.iter().map(|profile| named(of_profile(profile, usual))).collect()
        }
        AddedAccount::AccessKeys { name, region } => vec![Known {
            id: ProfileId(format!("keys:{name}")),
            name: name.clone(),
            kind: ProfileKind::AccessKeys,
            group: None,
            account_id: None,
            regions: vec![region.clone()],
            origin: Origin::Keys { name: name.clone() },
        }],
        AddedAccount::Sso { start_url, region, roles } => {
            let of_role = |role: &crate::settings::SsoRole| Known {
                id: ProfileId(format!("sso:{start_url}#{}/{}", role.account_id, role.role)),
                name: format!("{} {}", role.account_name, role.role),
                kind: ProfileKind::Sso,
                group: host_of(start_url),
                account_id: Some(role.account_id.clone()),
                regions: vec![region.clone()],
                origin: Origin::Sso {
                    start_url: start_url.clone(),
                    region: region.clone(),
                    account_id: role.account_id.clone(),
                    role: role.role.clone(),
                },
            };
            roles.iter().map(of_role).collect()
        }
    }
}

/// Where the credentials of a config file that lies elsewhere are, if anywhere.
pub(super) fn credentials_beside(path: &Path) -> PathBuf {
    path.with_file_name("credentials")
}

/// The user's set-up, but with another config file.
pub(super) fn elsewhere(environment: &Environment, path: &Path) -> Environment {
    let credentials = credentials_beside(path);
    environment.with([
        ("AWS_CONFIG_FILE", path.display().to_string()),
        ("AWS_SHARED_CREDENTIALS_FILE", credentials.display().to_string()),
        ("AWS_PROFILE", String::new()),
        ("AWS_ACCESS_KEY_ID", String::new()),
    ])
}

fn of_sandbox(account: &SandboxAccount) -> Known {
    Known {
        id: ProfileId(format!("sandbox:{}", account.profile)),
        name: account.profile.clone(),
        kind: ProfileKind::Sandbox,
        group: Some(SANDBOX.to_owned()),
        account_id: Some(account.account_id.clone()),
        regions: account.regions.clone(),
        origin: Origin::Sandbox { profile: account.profile.clone() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(folder: &tempfile::TempDir, config: &str) -> Environment {
        let path = folder.path().join("config");
        std::fs::write(&path, config).expect("written");
        Environment::given([
            ("AWS_CONFIG_FILE", path.display().to_string()),
            ("AWS_SHARED_CREDENTIALS_FILE", "/none".to_owned()),
        ])
    }

    fn ids(found: &Found) -> Vec<&str> {
        found.known.iter().map(|known| known.id.0.as_str()).collect()
    }

    const CONFIG: &str = "[profile b]\nregion = eu-west-1\n[default]\nregion = us-east-2\n\
        [profile a]\nsso_start_url = https://acme.awsapps.com/start\nsso_region = eu-west-1\n\
        sso_account_id = 111122223333\nsso_role_name = Admin\n";

    #[test]
    fn the_usual_profile_comes_first_and_the_sandbox_last() {
        let folder = tempfile::tempdir().expect("a folder");
        let sandbox = SandboxAccount {
            profile: "sandbox-prod".to_owned(),
            account_id: "111122223333".to_owned(),
            regions: vec!["eu-central-1".to_owned()],
        };
        let found = find(&environment(&folder, CONFIG), &[], &[sandbox]);
        assert_eq!(ids(&found), ["default", "a", "b", "sandbox:sandbox-prod"]);
        assert_eq!(found.known[1].kind, ProfileKind::Sso);
        assert_eq!(found.known[1].group.as_deref(), Some("acme.awsapps.com"));
        assert_eq!(found.known[1].account_id.as_deref(), Some("111122223333"));
        assert_eq!(found.known[3].colour(), AccountColour::Red);
        assert!(found.problem.is_none());
    }

    #[test]
    fn a_config_file_elsewhere_has_ids_of_its_own() {
        let folder = tempfile::tempdir().expect("a folder");
        let environment = environment(&folder, "[default]\n");
        let path = folder.path().join("other");
        std::fs::write(&path, "[profile lab]\nregion = eu-north-1\n").expect("written");
        let added = [AddedAccount::ConfigFile { path: path.clone() }];
        let found = find(&environment, &added, &[]);
        assert_eq!(ids(&found), ["default", &format!("file:{}#lab", path.display())]);
        assert_eq!(found.known[1].regions, ["eu-north-1"]);
    }

    #[test]
    fn what_is_wrong_with_the_files_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let found = find(&environment(&folder, "[profile\nx\n"), &[], &[]);
        assert_eq!(found.problem.expect("told").code, ErrorCode::ConfigInvalid);
    }
}
