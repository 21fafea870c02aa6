//! Credentials of one profile: loaded on first use, kept until shortly before they expire.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_config::BehaviorVersion;
use aws_config::ecs::EcsCredentialsProvider;
use aws_config::imds;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, error as sdk, future};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};

use crate::endpoints::Endpoints;
use crate::environment::Environment;
use crate::error::{CredentialsError, credentials_failure};
use crate::profile::{Profile, ProfileKind, Profiles, SignInSettings};
use crate::region::Region;
use crate::sign_in::{Portal, SignIns};

/// Renew this long before the end, or after three quarters of a shorter life.
const RENEW_BEFORE: Duration = Duration::from_secs(5 * 60);

/// Whatever is asked for credentials answers within this: a `credential_process` may wait for a
/// person. Without an end, one that hangs would keep every later call waiting for it.
const LOAD_PATIENCE: Duration = Duration::from_secs(2 * 60);

/// How long the instance metadata service may take; off EC2 nobody answers at all.
const METADATA_PATIENCE: Duration = Duration::from_secs(1);

/// Hands out credentials, loading them at most once at a time.
///
/// The SDK's identity cache cannot be told that a service refused what it holds, and it would
/// keep the keys of a file the user has since edited; [`CachedCredentials::forget`] makes the
/// next request read the files again.
#[derive(Clone)]
pub(crate) struct CachedCredentials {
    loader: Arc<Loader>,
    slot: Arc<Mutex<Slot>>,
}

enum Slot {
    Empty,
    Loading(Shared<Loading>),
    Ready { credentials: Credentials, renew_at: Option<SystemTime> },
}

type Loaded = Result<Credentials, CredentialsError>;
type Loading = BoxFuture<'static, Loaded>;

impl CachedCredentials {
    pub(crate) fn new(loader: Loader) -> Self {
        Self { loader: Arc::new(loader), slot: Arc::new(Mutex::new(Slot::Empty)) }
    }

    /// Answers credentials that are good now. Safe to drop: others who wait go on.
    ///
    /// # Errors
    ///
    /// [`CredentialsError`] when there are none; the next call tries again.
    pub(crate) async fn get(&self) -> Loaded {
        let now = SystemTime::now();
        let (loading, held) = {
            let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
            match &*slot {
                Slot::Ready { credentials, renew_at } if renew_at.is_none_or(|at| now < at) => {
                    return Ok(credentials.clone());
                }
                Slot::Loading(loading) => (loading.clone(), None),
                Slot::Ready { .. } | Slot::Empty => {
                    let loader = Arc::clone(&self.loader);
                    let loading = async move { loader.load_in_time().await }.boxed().shared();
                    let before = std::mem::replace(&mut *slot, Slot::Loading(loading.clone()));
                    (loading, before.unexpired(now))
                }
            }
        };
        let loaded = loading.clone().await;
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        let current = matches!(&*slot, Slot::Loading(current) if current.ptr_eq(&loading));
        match (loaded, held) {
            (Ok(credentials), _) => {
                if current {
                    *slot = Slot::ready(credentials.clone(), now);
                }
                Ok(credentials)
            }
            (Err(error), Some(held)) => {
                tracing::warn!(%error, "credentials could not be renewed; the old ones still hold");
                if current {
                    *slot = Slot::Ready { credentials: held.clone(), renew_at: Some(now) };
                }
                Ok(held)
            }
            (Err(error), None) => {
                if current {
                    *slot = Slot::Empty;
                }
                Err(error)
            }
        }
    }

    /// Drops what is held, because a service refused it or the files changed.
    pub(crate) fn forget(&self) {
        *self.slot.lock().unwrap_or_else(PoisonError::into_inner) = Slot::Empty;
    }

    /// Shows when the credentials held at the moment end; none if they do not, or none are held.
    pub(crate) fn expiry(&self) -> Option<SystemTime> {
        match &*self.slot.lock().unwrap_or_else(PoisonError::into_inner) {
            Slot::Ready { credentials, .. } => credentials.expiry(),
            Slot::Empty | Slot::Loading(_) => None,
        }
    }
}

impl Slot {
    fn ready(credentials: Credentials, now: SystemTime) -> Self {
        let renew_at = credentials.expiry().map(|end| {
            let life = end.duration_since(now).unwrap_or_default();
            end.checked_sub(RENEW_BEFORE.min(life / 4)).unwrap_or(end)
        });
        Self::Ready { credentials, renew_at }
    }

    fn unexpired(self, now: SystemTime) -> Option<Credentials> {
        match self {
            Self::Ready { credentials, .. } => {
                credentials.expiry().is_none_or(|end| now < end).then_some(credentials)
            }
            Self::Empty | Self::Loading(_) => None,
        }
    }
}

impl ProvideCredentials for CachedCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            self.get().await.map_err(sdk::CredentialsError::provider_error)
        })
    }
}

impl fmt::Debug for CachedCredentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CachedCredentials")
    }
}

/// Finds the credentials of one profile, or of the environment when there is no profile.
pub(crate) struct Loader {
    pub(crate) environment: Environment,
    pub(crate) profile: Option<String>,
    pub(crate) region: Region,
    pub(crate) http: SharedHttpClient,
    /// Sign-ins made here, looked at before those of the AWS command line.
    pub(crate) sign_ins: Option<Arc<dyn SignIns>>,
    /// A role of such a sign-in, in place of a profile.
    pub(crate) role: Option<SignInSettings>,
    pub(crate) endpoints: Endpoints,
}

impl Loader {
    async fn load_in_time(&self) -> Loaded {
        let loaded = tokio::time::timeout(LOAD_PATIENCE, self.load()).await;
        loaded.unwrap_or_else(|_| {
            let detail = format!("no answer within {} s", LOAD_PATIENCE.as_secs());
            Err(CredentialsError::Source { profile: self.profile.clone(), detail })
        })
    }

    async fn load(&self) -> Loaded {
        if let Some(role) = &self.role {
            let name = self.profile.as_deref().unwrap_or(&role.start_url);
            return match self.signed_in(role, name).await {
                Some(loaded) => loaded,
                None => Err(CredentialsError::SignInNeeded {
                    profile: name.to_owned(),
                    detail: "nobody has signed in yet".to_owned(),
                }),
            };
        }
        let Some(name) = &self.profile else {
            if let Some(credentials) = environment_keys(&self.environment) {
                return Ok(credentials);
            }
            return self.surroundings(None).await;
        };
        let profiles = Profiles::read(&self.environment);
        let profile = profiles.usable(name)?;
        if let ProfileKind::SignIn(settings) = profile.kind()
            && let Some(loaded) = self.signed_in(settings, name).await
        {
            return loaded;
        }
        match profile.kind() {
            ProfileKind::Unusable { reason } => {
                let (profile, reason) = (name.clone(), reason.clone());
                Err(crate::error::SetupError::UnusableProfile { profile, reason }.into())
            }
            ProfileKind::StaticKeys => static_keys(profile).ok_or(CredentialsError::NoneFound),
            ProfileKind::Bare => self.surroundings(Some(name)).await,
            ProfileKind::AssumeRole { .. }
            | ProfileKind::WebIdentity { .. }
            | ProfileKind::SignIn(_)
            | ProfileKind::Process
            | ProfileKind::ConsoleLogin => {
                let provider = ProfileFileCredentialsProvider::builder()
                    .configure(&self.provider_config())
                    .profile_files(profiles.sdk_files())
                    .profile_name(name)
                    .build();
                let loaded = provider.provide_credentials().await;
                loaded
                    .map_err(|error| credentials_failure(Some(name), Some(profile.kind()), &error))
            }
        }
    }

    /// Uses a sign-in made here; none if there is none for this profile.
    async fn signed_in(&self, settings: &SignInSettings, name: &str) -> Option<Loaded> {
        let sign_ins = self.sign_ins.as_ref()?;
        let (account, role) = (settings.account_id.as_ref()?, settings.role_name.as_ref()?);
        let token = sign_ins.token(&settings.start_url).await?;
        let portal = Portal::new(&settings.region, &self.endpoints, self.http.clone());
        let needed =
            |detail: String| CredentialsError::SignInNeeded { profile: name.to_owned(), detail };
        let token = match token.is_live() {
            true => token,
            false => match portal.renew(&token).await {
                Ok(token) => {
                    sign_ins.renewed(&settings.start_url, &token).await;
                    token
                }
                Err(error) if error.is_unreachable() => {
                    let (profile, detail) = (Some(name.to_owned()), error.to_string());
                    return Some(Err(CredentialsError::Unreachable { profile, detail }));
                }
                Err(error) => return Some(Err(needed(error.to_string()))),
            },
        };
        Some(portal.credentials(&token, account, role).await.map_err(|error| {
            if error.is_unreachable() {
                let (profile, detail) = (Some(name.to_owned()), error.to_string());
                return CredentialsError::Unreachable { profile, detail };
            }
            if error.is_code("UnauthorizedException") {
                return needed(error.to_string());
            }
            let (profile, detail) = (Some(name.to_owned()), error.to_string());
            CredentialsError::Source { profile, detail }
        }))
    }

    /// Asks whatever this runs on: a web identity, a container, an EC2 instance.
    async fn surroundings(&self, profile: Option<&str>) -> Loaded {
        if !self.environment.is_process() {
            return Err(CredentialsError::NoneFound);
        }
        let config = self.provider_config();
        let set = |name| self.environment.variable(name).is_some();
        let loaded = if set("AWS_WEB_IDENTITY_TOKEN_FILE") && set("AWS_ROLE_ARN") {
            let provider =
                WebIdentityTokenCredentialsProvider::builder().configure(&config).build();
            provider.provide_credentials().await
        } else if set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
            || set("AWS_CONTAINER_CREDENTIALS_FULL_URI")
        {
            let provider = EcsCredentialsProvider::builder().configure(&config).build();
            provider.provide_credentials().await
        } else if self.environment.switch("AWS_EC2_METADATA_DISABLED") == Some(true) {
            return Err(CredentialsError::NoneFound);
        } else {
            let client = imds::Client::builder()
                .configure(&config)
                .connect_timeout(METADATA_PATIENCE)
                .read_timeout(METADATA_PATIENCE)
                .max_attempts(1)
                .build();
            let provider = imds::credentials::ImdsCredentialsProvider::builder()
                .configure(&config)
                .imds_client(client)
                .build();
            // Off EC2 the failure to reach the metadata service says nothing to the user.
            return provider.provide_credentials().await.map_err(|error| {
                tracing::debug!(?error, "no credentials from the instance metadata service");
                CredentialsError::NoneFound
            });
        };
        loaded.map_err(|error| credentials_failure(profile, None, &error))
    }

    fn provider_config(&self) -> ProviderConfig {
        let region = aws_config::Region::new(self.region.as_str().to_owned());
        ProviderConfig::without_region()
            .with_region(Some(region))
            .with_http_client(self.http.clone())
            .with_behavior_version(Some(BehaviorVersion::v2026_01_12()))
    }
}

/// Reads the keys the environment holds, if it holds both.
pub(crate) fn environment_keys(environment: &Environment) -> Option<Credentials> {
    let key = environment.variable("AWS_ACCESS_KEY_ID")?;
    let secret = environment.variable("AWS_SECRET_ACCESS_KEY")?;
    let token = environment.variable("AWS_SESSION_TOKEN");
    Some(Credentials::new(key, secret, token, None, "environment"))
}

fn static_keys(profile: &Profile) -> Option<Credentials> {
    let key = profile.get("aws_access_key_id")?;
    let secret = profile.get("aws_secret_access_key")?;
    let token = profile.get("aws_session_token").map(str::to_owned);
    Some(Credentials::new(key, secret, token, None, "profile"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Http, Proxies};

    fn cached(environment: Environment, profile: Option<&str>) -> CachedCredentials {
        CachedCredentials::new(Loader {
            environment,
            profile: profile.map(str::to_owned),
            region: Region::new("eu-west-1"),
            http: SharedHttpClient::new(Http::new(None, Proxies::default(), Arc::default())),
            sign_ins: None,
            role: None,
            endpoints: Endpoints::default(),
        })
    }

    fn write(folder: &tempfile::TempDir, config: &str) -> Environment {
        let path = folder.path().join("config");
        std::fs::write(&path, config).expect("written");
        let path = path.to_str().expect("plain").to_owned();
        Environment::given([
            ("AWS_CONFIG_FILE", path),
            ("AWS_SHARED_CREDENTIALS_FILE", "/none".to_owned()),
        ])
    }

    #[tokio::test]
    async fn keys_of_the_environment_are_used_without_a_profile() {
        let environment = Environment::given([
            ("AWS_ACCESS_KEY_ID", "AKID"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
            ("AWS_SESSION_TOKEN", "t"),
        ]);
        let credentials = cached(environment, None).get().await.expect("there");
        assert_eq!(credentials.access_key_id(), "AKID");
        assert_eq!(credentials.session_token(), Some("t"));
    }

    #[tokio::test]
    async fn nothing_named_means_none_found_at_once() {
        let environment = Environment::given([("HOME", "/none")]);
        assert_eq!(cached(environment, None).get().await, Err(CredentialsError::NoneFound));
    }

    #[tokio::test]
    async fn keys_are_kept_until_forgotten_and_then_read_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let keys =
            |id: &str| format!("[profile a]\naws_access_key_id={id}\naws_secret_access_key=s\n");
        let cached = cached(write(&folder, &keys("ONE")), Some("a"));
        assert_eq!(cached.get().await.expect("there").access_key_id(), "ONE");
        write(&folder, &keys("TWO"));
        assert_eq!(cached.get().await.expect("there").access_key_id(), "ONE");
        cached.forget();
        assert_eq!(cached.get().await.expect("there").access_key_id(), "TWO");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_process_is_asked_and_its_failure_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let good = r#"echo '{"Version":1,"AccessKeyId":"P","SecretAccessKey":"s"}'"#;
        let environment = write(
            &folder,
            &format!(
                "[profile good]\ncredential_process = {good}\n[profile bad]\ncredential_process = false\n"
            ),
        );
        let credentials = cached(environment.clone(), Some("good")).get().await.expect("there");
        assert_eq!(credentials.access_key_id(), "P");
        let error = cached(environment, Some("bad")).get().await.expect_err("it failed");
        assert!(matches!(&error, CredentialsError::Source { profile: Some(p), .. } if p == "bad"));
    }

    #[cfg(unix)]
    #[tokio::test(start_paused = true)]
    async fn a_process_that_says_nothing_is_not_waited_for_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let environment = write(&folder, "[profile a]\ncredential_process = sleep 20\n");
        let cached = cached(environment, Some("a"));
        // Time jumps to whatever is waited for.
        let error = cached.get().await.expect_err("no answer");
        assert!(error.to_string().ends_with("no answer within 120 s"), "{error}");
        let keys = "[profile a]\naws_access_key_id=NEW\naws_secret_access_key=s\n";
        write(&folder, keys);
        assert_eq!(cached.get().await.expect("there").access_key_id(), "NEW");
    }

    #[tokio::test]
    async fn a_sign_in_without_a_token_asks_for_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let environment = write(
            &folder,
            "[profile a]\nsso_session = nowhere-such\nsso_account_id = 1\nsso_role_name = R\n\
             [sso-session nowhere-such]\nsso_start_url = https://nowhere.invalid\n\
             sso_region = eu-west-1\n",
        );
        let error = cached(environment, Some("a")).get().await.expect_err("no token");
        assert!(matches!(error, CredentialsError::SignInNeeded { .. }), "{error:?}");
        assert_eq!(error.advice(), "Sign in again: aws sso login --profile a");
    }

    #[test]
    fn short_lives_are_renewed_late_and_long_ones_five_minutes_early() {
        let now = SystemTime::UNIX_EPOCH;
        for (life, expected) in [(3600, 3300), (400, 300)] {
            let end = now + Duration::from_secs(life);
            let credentials = Credentials::new("k", "s", None, Some(end), "test");
            let Slot::Ready { renew_at, .. } = Slot::ready(credentials, now) else {
                panic!("ready");
            };
            assert_eq!(renew_at, Some(now + Duration::from_secs(expected)));
        }
    }
}
