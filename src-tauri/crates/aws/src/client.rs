//! One profile in one region: the SDK clients, made on first use, and what they share.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use aws_config::identity::IdentityCache;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use crate::credentials::{CachedCredentials, Loader, environment_keys};
use crate::endpoints::{Endpoints, Service};
use crate::environment::{Environment, parse_switch};
use crate::error::SetupError;
use crate::http::{Http, Proxies, ServiceClock};
use crate::profile::{Profile, Profiles, SignInSettings};
use crate::region::Region;
use crate::sign_in::{Portal, SignIns};

/// A connection comes about within this or not at all.
pub(crate) const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// One try of one call is given this long.
pub(crate) const ATTEMPT_PATIENCE: Duration = Duration::from_secs(20);

/// Speaks to AWS as one profile in one region. Cheap to clone; nothing is sent until asked.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    profile: Option<String>,
    region: Region,
    endpoints: Endpoints,
    credentials: CachedCredentials,
    clock: Arc<ServiceClock>,
    config: SdkConfig,
    ssm: OnceLock<aws_sdk_ssm::Client>,
    ec2: OnceLock<aws_sdk_ec2::Client>,
    sts: OnceLock<aws_sdk_sts::Client>,
    kms: OnceLock<aws_sdk_kms::Client>,
}

impl Client {
    /// Opens a profile without sending anything.
    ///
    /// Without `profile`: the environment's keys, else `AWS_PROFILE`, else `default`, else what
    /// this computer itself is given. Without `region`: `AWS_REGION`, `AWS_DEFAULT_REGION`, or
    /// the profile's.
    ///
    /// # Errors
    ///
    /// [`SetupError`] when the profile, its region or an endpoint override cannot be used.
    pub fn open(
        environment: &Environment,
        profile: Option<&str>,
        region: Option<&Region>,
    ) -> Result<Self, SetupError> {
        Clients::new(environment.clone()).open(profile, region)
    }

    /// Shows the profile; none when the environment's own credentials are used.
    pub fn profile(&self) -> Option<&str> {
        self.0.profile.as_deref()
    }

    /// Shows the region.
    pub fn region(&self) -> &Region {
        &self.0.region
    }

    /// Says where calls to a service go, for people to read.
    pub fn endpoint(&self, service: Service) -> String {
        self.0.endpoints.describe(service, &self.0.region)
    }

    /// Shows when the credentials in hand end, if they do and any have been loaded.
    pub fn credentials_expiry(&self) -> Option<SystemTime> {
        self.0.credentials.expiry()
    }

    /// Drops the credentials in hand, so that the next call reads the files and asks anew.
    pub fn forget_credentials(&self) {
        self.0.credentials.forget();
    }

    pub(crate) fn credentials(&self) -> &CachedCredentials {
        &self.0.credentials
    }

    /// Shows the services' clock.
    pub(crate) fn clock(&self) -> &ServiceClock {
        &self.0.clock
    }

    pub(crate) fn ssm(&self) -> &aws_sdk_ssm::Client {
        self.0.ssm.get_or_init(|| {
            let mut builder = aws_sdk_ssm::config::Builder::from(&self.0.config);
            builder.set_endpoint_url(self.0.endpoints.url(Service::Ssm));
            aws_sdk_ssm::Client::from_conf(builder.build())
        })
    }

    pub(crate) fn ec2(&self) -> &aws_sdk_ec2::Client {
        self.0.ec2.get_or_init(|| {
            let mut builder = aws_sdk_ec2::config::Builder::from(&self.0.config);
            builder.set_endpoint_url(self.0.endpoints.url(Service::Ec2));
            aws_sdk_ec2::Client::from_conf(builder.build())
        })
    }

    pub(crate) fn sts(&self) -> &aws_sdk_sts::Client {
        self.0.sts.get_or_init(|| {
            let mut builder = aws_sdk_sts::config::Builder::from(&self.0.config);
            builder.set_endpoint_url(self.0.endpoints.url(Service::Sts));
            aws_sdk_sts::Client::from_conf(builder.build())
        })
    }

    pub(crate) fn kms(&self) -> &aws_sdk_kms::Client {
        self.0.kms.get_or_init(|| {
            let mut builder = aws_sdk_kms::config::Builder::from(&self.0.config);
            builder.set_endpoint_url(self.0.endpoints.url(Service::Kms));
            aws_sdk_kms::Client::from_conf(builder.build())
        })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Client")
            .field("profile", &self.0.profile)
            .field("region", &self.0.region)
            .finish_non_exhaustive()
    }
}

/// Keeps one [`Client`] per profile and region, so that connections and credentials are shared.
pub struct Clients {
    environment: Environment,
    sign_ins: Option<Arc<dyn SignIns>>,
    clock: Arc<ServiceClock>,
    kept: Mutex<Kept>,
}

impl fmt::Debug for Clients {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Clients")
            .field("environment", &self.environment)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Kept {
    clients: HashMap<(Option<String>, Region), Client>,
    /// One HTTP client for each set of trusted certificates.
    http: BTreeMap<Option<PathBuf>, SharedHttpClient>,
}

impl Clients {
    /// Starts with none; profiles are read from `environment` each time one is opened.
    pub fn new(environment: Environment) -> Self {
        Self { environment, sign_ins: None, clock: Arc::default(), kept: Mutex::default() }
    }

    /// Looks at sign-ins made by this program before those of the AWS command line.
    #[must_use]
    pub fn with_sign_ins(self, sign_ins: Arc<dyn SignIns>) -> Self {
        Self { sign_ins: Some(sign_ins), ..self }
    }

    /// Speaks to the IAM Identity Center that a profile signs in to, or to any.
    ///
    /// # Errors
    ///
    /// [`SetupError`] when the profile or an endpoint override cannot be used.
    pub fn portal(&self, profile: Option<&str>, region: &str) -> Result<Portal, SetupError> {
        let profiles = Profiles::read(&self.environment);
        let profile = profile.map(|name| profiles.usable(name)).transpose()?;
        let endpoints = Endpoints::resolve(&self.environment, &profiles, profile)?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Portal::new(region, &endpoints, self.http(&mut kept, profile)))
    }

    /// Opens a role of a sign-in made by this program, which no file need know of.
    ///
    /// # Errors
    ///
    /// [`SetupError::BadEndpoint`].
    pub fn open_role(
        &self,
        name: &str,
        role: &SignInSettings,
        region: &Region,
    ) -> Result<Client, SetupError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (Some(name.to_owned()), region.clone());
        if let Some(client) = kept.clients.get(&key) {
            return Ok(client.clone());
        }
        let profiles = Profiles::read(&self.environment);
        let endpoints = Endpoints::resolve(&self.environment, &profiles, None)?;
        let http = self.http(&mut kept, None);
        let client = self.make(key.clone(), (None, Some(role.clone())), endpoints, http);
        kept.clients.insert(key, client.clone());
        Ok(client)
    }

    /// Shows where profiles are read from.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Opens a profile in a region as [`Client::open`] does, or hands out the client it made
    /// before.
    ///
    /// # Errors
    ///
    /// Those of [`Client::open`].
    pub fn open(
        &self,
        profile: Option<&str>,
        region: Option<&Region>,
    ) -> Result<Client, SetupError> {
        self.open_with(profile, region, None)
    }

    /// Opens a profile as [`Clients::open`] does, but speaks to Systems Manager at `endpoint`.
    /// The client is not kept.
    ///
    /// # Errors
    ///
    /// Those of [`Client::open`], and [`SetupError::BadEndpoint`] for `endpoint`.
    pub fn open_at(
        &self,
        profile: Option<&str>,
        region: Option<&Region>,
        endpoint: &str,
    ) -> Result<Client, SetupError> {
        self.open_with(profile, region, Some(endpoint))
    }

    fn open_with(
        &self,
        profile: Option<&str>,
        region: Option<&Region>,
        endpoint: Option<&str>,
    ) -> Result<Client, SetupError> {
        let profiles = Profiles::read(&self.environment);
        let name = self.choose(&profiles, profile);
        let profile = name.as_deref().map(|name| profiles.usable(name)).transpose()?;
        let region = self.region(profile, region)?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (name, region);
        if let (Some(client), None) = (kept.clients.get(&key), endpoint) {
            return Ok(client.clone());
        }
        let mut endpoints = Endpoints::resolve(&self.environment, &profiles, profile)?;
        let http = self.http(&mut kept, profile);
        if let Some(endpoint) = endpoint {
            endpoints.redirect(Service::Ssm, endpoint)?;
            return Ok(self.make(key, (profile, None), endpoints, http));
        }
        let client = self.make(key.clone(), (profile, None), endpoints, http);
        kept.clients.insert(key, client.clone());
        Ok(client)
    }

    /// Drops every client, for when the shared files have changed.
    pub fn forget(&self) {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Kept::default();
    }

    /// An explicit profile beats the environment's keys, and those beat `AWS_PROFILE`.
    fn choose(&self, profiles: &Profiles, profile: Option<&str>) -> Option<String> {
        if let Some(profile) = profile {
            return Some(profile.to_owned());
        }
        if environment_keys(&self.environment).is_some() {
            return None;
        }
        let named = self.environment.variable("AWS_PROFILE");
        named.or_else(|| profiles.find("default").map(|profile| profile.name().to_owned()))
    }

    fn region(
        &self,
        profile: Option<&Profile>,
        region: Option<&Region>,
    ) -> Result<Region, SetupError> {
        let named = region.cloned();
        let variable = |name| self.environment.variable(name).map(Region::new);
        named
            .or_else(|| variable("AWS_REGION"))
            .or_else(|| variable("AWS_DEFAULT_REGION"))
            .or_else(|| profile?.region().map(Region::new))
            .ok_or_else(|| SetupError::NoRegion {
                profile: profile.map(|profile| profile.name().to_owned()),
            })
    }

    fn http(&self, kept: &mut Kept, profile: Option<&Profile>) -> SharedHttpClient {
        let bundle = self.environment.variable("AWS_CA_BUNDLE");
        let bundle = bundle.or_else(|| profile?.get("ca_bundle").map(str::to_owned));
        let bundle = bundle.map(PathBuf::from);
        let http = kept.http.entry(bundle.clone()).or_insert_with(|| {
            let proxies = Proxies::of(&self.environment);
            SharedHttpClient::new(Http::new(bundle, proxies, Arc::clone(&self.clock)))
        });
        http.clone()
    }

    fn make(
        &self,
        (name, region): (Option<String>, Region),
        (profile, role): (Option<&Profile>, Option<SignInSettings>),
        endpoints: Endpoints,
        http: SharedHttpClient,
    ) -> Client {
        let credentials = CachedCredentials::new(Loader {
            environment: self.environment.clone(),
            profile: name.clone(),
            region: region.clone(),
            http: http.clone(),
            sign_ins: self.sign_ins.clone(),
            role,
            endpoints: endpoints.clone(),
        });
        let switch = |variable: &str, key: &str| {
            let from_profile = || parse_switch(profile?.get(key)?);
            self.environment.switch(variable).or_else(from_profile).unwrap_or(false)
        };
        let config = sdk_config(&region, http)
            .into_builder()
            .identity_cache(IdentityCache::no_cache())
            .credentials_provider(SharedCredentialsProvider::new(credentials.clone()))
            .use_fips(switch("AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint"))
            .use_dual_stack(switch("AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint"));
        Client(Arc::new(Inner {
            profile: name,
            region,
            endpoints,
            credentials,
            clock: Arc::clone(&self.clock),
            config: config.build(),
            ssm: OnceLock::new(),
            ec2: OnceLock::new(),
            sts: OnceLock::new(),
            kms: OnceLock::new(),
        }))
    }
}

/// Begins what every SDK client here is made with.
///
/// What is tried again, and when, is decided here and not in the SDK: it would repeat a
/// StartSession that timed out and leave a session behind that nobody holds.
pub(crate) fn sdk_config(region: &Region, http: SharedHttpClient) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_PATIENCE)
        .operation_attempt_timeout(ATTEMPT_PATIENCE)
        .build();
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(aws_config::Region::new(region.as_str().to_owned()))
        .http_client(http)
        .timeout_config(timeouts)
        .retry_config(RetryConfig::disabled());
    config.set_app_name(AppName::new("adit").ok());
    config.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clients(config: &str, variables: &[(&str, &str)]) -> (tempfile::TempDir, Clients) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("config");
        std::fs::write(&path, config).expect("written");
        let path = path.to_str().expect("plain").to_owned();
        let files = [
            ("AWS_CONFIG_FILE".to_owned(), path),
            ("AWS_SHARED_CREDENTIALS_FILE".to_owned(), "/none".to_owned()),
        ];
        let given = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let environment = Environment::given(files.into_iter().chain(given));
        (folder, Clients::new(environment))
    }

    const CONFIG: &str = "[default]\nregion = eu-west-1\n[profile a]\nregion = us-east-1\n";

    #[test]
    fn the_profile_is_chosen_as_the_aws_cli_chooses() {
        let keys = [("AWS_ACCESS_KEY_ID", "k"), ("AWS_SECRET_ACCESS_KEY", "s")];
        let (_folder, clients) = clients(CONFIG, &[keys[0], keys[1], ("AWS_REGION", "r")]);
        assert_eq!(clients.open(None, None).expect("opens").profile(), None);
        assert_eq!(clients.open(Some("a"), None).expect("opens").profile(), Some("a"));
    }

    #[test]
    fn without_keys_it_is_aws_profile_and_then_default() {
        let (_folder, plain) = clients(CONFIG, &[]);
        assert_eq!(plain.open(None, None).expect("opens").profile(), Some("default"));
        let (_folder, named) = clients(CONFIG, &[("AWS_PROFILE", "a")]);
        let client = named.open(None, None).expect("opens");
        assert_eq!((client.profile(), client.region().as_str()), (Some("a"), "us-east-1"));
        let (_folder, wrong) = clients(CONFIG, &[("AWS_PROFILE", "gone")]);
        assert!(matches!(wrong.open(None, None), Err(SetupError::NoSuchProfile { .. })));
    }

    #[test]
    fn the_region_comes_from_the_caller_the_environment_or_the_profile() {
        let (_folder, clients) = clients(CONFIG, &[("AWS_REGION", "ap-south-1")]);
        let wanted = Region::new("sa-east-1");
        let open = |region| clients.open(Some("a"), region).expect("opens").region().clone();
        assert_eq!(open(Some(&wanted)).as_str(), "sa-east-1");
        assert_eq!(open(None).as_str(), "ap-south-1");
    }

    #[test]
    fn another_endpoint_makes_another_client() {
        let (_folder, clients) = clients(CONFIG, &[]);
        let elsewhere = clients.open_at(Some("a"), None, "http://127.0.0.1:1").expect("opens");
        assert_eq!(elsewhere.endpoint(Service::Ssm), "http://127.0.0.1:1");
        let usual = clients.open(Some("a"), None).expect("opens");
        assert_eq!(usual.endpoint(Service::Ssm), "https://ssm.us-east-1.amazonaws.com");
    }

    #[test]
    fn a_missing_region_is_an_error_that_says_so() {
        let (_folder, clients) = clients("[profile a]\noutput = json\n", &[]);
        let error = clients.open(Some("a"), None).expect_err("no region");
        assert_eq!(error.to_string(), "no region is set for profile a");
    }

    #[test]
    fn the_same_profile_and_region_share_one_client() {
        let (_folder, clients) = clients(CONFIG, &[]);
        let one = clients.open(Some("a"), None).expect("opens");
        let two = clients.open(Some("a"), Some(&Region::new("us-east-1"))).expect("opens");
        assert!(Arc::ptr_eq(&one.0, &two.0));
    }
}
