//! Endpoint overrides, as the AWS SDKs define them.
//!
//! In this order, the first that is set: `AWS_ENDPOINT_URL_<SERVICE>`, `AWS_ENDPOINT_URL`, the
//! service's `endpoint_url` in the profile's `services` section, the profile's `endpoint_url`.
//! `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS`, or else `ignore_configured_endpoint_urls` in the
//! profile, switches all of them off.

use std::fmt;

use url::Url;

use crate::environment::{Environment, parse_switch};
use crate::error::SetupError;
use crate::profile::{Profile, Profiles};
use crate::region::Region;

/// The AWS APIs this program calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Systems Manager.
    Ssm,
    /// Elastic Compute Cloud.
    Ec2,
    /// Security Token Service.
    Sts,
    /// Key Management Service.
    Kms,
    /// IAM Identity Center's portal.
    Sso,
    /// IAM Identity Center's sign-in.
    SsoOidc,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Ssm, Self::Ec2, Self::Sts, Self::Kms, Self::Sso, Self::SsoOidc];

    /// Spells the service as IAM actions, config files and host names do.
    pub fn action_prefix(self) -> &'static str {
        match self {
            Self::Ssm => "ssm",
            Self::Ec2 => "ec2",
            Self::Sts => "sts",
            Self::Kms => "kms",
            Self::Sso => "sso",
            Self::SsoOidc => "sso-oauth",
        }
    }

    fn variable(self) -> &'static str {
        match self {
            Self::Ssm => "AWS_ENDPOINT_URL_SSM",
            Self::Ec2 => "AWS_ENDPOINT_URL_EC2",
            Self::Sts => "AWS_ENDPOINT_URL_STS",
            Self::Kms => "AWS_ENDPOINT_URL_KMS",
            Self::Sso => "AWS_ENDPOINT_URL_SSO",
            Self::SsoOidc => "AWS_ENDPOINT_URL_SSO_OIDC",
        }
    }

    /// Spells the service as the `services` sections of config files do.
    fn section(self) -> &'static str {
        match self {
            Self::SsoOidc => "sso_oidc",
            Self::Ssm | Self::Ec2 | Self::Sts | Self::Kms | Self::Sso => self.action_prefix(),
        }
    }

    /// Begins the names of the service's hosts.
    fn host(self) -> &'static str {
        match self {
            Self::Sso => "portal.sso",
            Self::SsoOidc => "oidc",
            Self::Ssm | Self::Ec2 | Self::Sts | Self::Kms => self.action_prefix(),
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.action_prefix())
    }
}

/// The overrides in force for one profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    overrides: [Option<Url>; Service::ALL.len()],
}

impl Endpoints {
    /// Resolves the overrides of `profile` under `environment`.
    ///
    /// # Errors
    ///
    /// [`SetupError::BadEndpoint`] when one in force is not an `http` or `https` address.
    pub fn resolve(
        environment: &Environment,
        profiles: &Profiles,
        profile: Option<&Profile>,
    ) -> Result<Self, SetupError> {
        let ignored = environment
            .switch("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")
            .or_else(|| parse_switch(profile?.get("ignore_configured_endpoint_urls")?))
            .unwrap_or(false);
        let mut endpoints = Self::default();
        if ignored {
            return Ok(endpoints);
        }
        for (service, slot) in Service::ALL.into_iter().zip(&mut endpoints.overrides) {
            *slot = find(environment, profiles, profile, service)
                .map(|(origin, value)| parse(origin, value))
                .transpose()?;
        }
        Ok(endpoints)
    }

    /// Sends one service elsewhere, whatever the environment and the profile say.
    ///
    /// # Errors
    ///
    /// [`SetupError::BadEndpoint`] when `value` is not an `http` or `https` address.
    pub(crate) fn redirect(&mut self, service: Service, value: &str) -> Result<(), SetupError> {
        let url = parse(format!("the endpoint of {service}"), value.to_owned())?;
        for (known, slot) in Service::ALL.into_iter().zip(&mut self.overrides) {
            if known == service {
                *slot = Some(url.clone());
            }
        }
        Ok(())
    }

    /// Shows the override for a service.
    pub fn get(&self, service: Service) -> Option<&Url> {
        let slot = Service::ALL.into_iter().zip(&self.overrides);
        slot.into_iter().find(|(known, _)| *known == service).and_then(|(_, url)| url.as_ref())
    }

    /// Spells the override for a service as the SDK takes it.
    pub(crate) fn url(&self, service: Service) -> Option<String> {
        self.get(service).map(|url| url.as_str().trim_end_matches('/').to_owned())
    }

    /// Says where calls to a service go, for people to read.
    pub fn describe(&self, service: Service, region: &Region) -> String {
        self.url(service).unwrap_or_else(|| {
            let (host, suffix) = (service.host(), region.partition().endpoint_suffix());
            format!("https://{host}.{region}.{suffix}")
        })
    }
}

fn find(
    environment: &Environment,
    profiles: &Profiles,
    profile: Option<&Profile>,
    service: Service,
) -> Option<(String, String)> {
    for variable in [service.variable(), "AWS_ENDPOINT_URL"] {
        if let Some(value) = environment.variable(variable) {
            return Some((variable.to_owned(), value));
        }
    }
    let profile = profile?;
    let name = profile.name();
    if let Some(value) = profiles.service_setting(profile, service.section(), "endpoint_url") {
        let origin = format!("endpoint_url of {service} in the services of profile {name}");
        return Some((origin, value.to_owned()));
    }
    let value = profile.get("endpoint_url")?;
    Some((format!("endpoint_url of profile {name}"), value.to_owned()))
}

fn parse(origin: String, value: String) -> Result<Url, SetupError> {
    match Url::parse(value.trim()) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        _ => Err(SetupError::BadEndpoint { origin, value }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "[profile a]\nendpoint_url = http://profile\nservices = s\n\
                          [services s]\nec2 =\n  endpoint_url = http://section\n";

    fn resolve(config: &str, variables: &[(&str, &str)]) -> Result<Endpoints, SetupError> {
        let environment = Environment::given(variables.iter().copied());
        let profiles = Profiles::of_config(config);
        Endpoints::resolve(&environment, &profiles, profiles.find("a"))
    }

    fn at(endpoints: &Endpoints, service: Service) -> Option<&str> {
        endpoints.get(service).map(Url::as_str)
    }

    #[test]
    fn the_order_is_that_of_the_sdks() {
        let both = [("AWS_ENDPOINT_URL", "http://all"), ("AWS_ENDPOINT_URL_SSM", "http://ssm")];
        let endpoints = resolve(CONFIG, &both).expect("sound");
        assert_eq!(at(&endpoints, Service::Ssm), Some("http://ssm/"));
        assert_eq!(at(&endpoints, Service::Ec2), Some("http://all/"));

        let endpoints = resolve(CONFIG, &[]).expect("sound");
        assert_eq!(at(&endpoints, Service::Ec2), Some("http://section/"));
        assert_eq!(at(&endpoints, Service::Kms), Some("http://profile/"));
    }

    #[test]
    fn they_can_be_switched_off_and_the_variable_decides() {
        let ignoring = format!("{CONFIG}[profile a]\nignore_configured_endpoint_urls = true\n");
        assert_eq!(resolve(&ignoring, &[]).expect("sound"), Endpoints::default());

        let on =
            [("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "True"), ("AWS_ENDPOINT_URL", "http://x")];
        assert_eq!(resolve(CONFIG, &on).expect("sound"), Endpoints::default());

        let off = [("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "false")];
        let endpoints = resolve(&ignoring, &off).expect("sound");
        assert_eq!(at(&endpoints, Service::Kms), Some("http://profile/"));
    }

    #[test]
    fn a_value_that_is_no_address_says_where_it_stands() {
        for value in ["localhost:4566", "ftp://x", "http://"] {
            let error = resolve(CONFIG, &[("AWS_ENDPOINT_URL", value)]).expect_err("no address");
            assert_eq!(
                error.to_string(),
                format!("AWS_ENDPOINT_URL is not a web address: {value}")
            );
        }
        let error = resolve("[profile a]\nendpoint_url = nowhere\n", &[]).expect_err("no address");
        assert!(error.to_string().starts_with("endpoint_url of profile a is not"));
    }

    #[test]
    fn the_standing_endpoint_is_spelt_from_region_and_partition() {
        let endpoints = Endpoints::default();
        let region = Region::new("cn-north-1");
        assert_eq!(
            endpoints.describe(Service::Ssm, &region),
            "https://ssm.cn-north-1.amazonaws.com.cn"
        );
    }
}
