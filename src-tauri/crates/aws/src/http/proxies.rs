//! The proxies the environment names.

use aws_smithy_http_client::proxy::ProxyConfig;

use crate::environment::Environment;

/// The way out for each kind of address: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`,
/// each also in lower case, which wins.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proxies {
    secure: Option<ProxyConfig>,
    plain: Option<ProxyConfig>,
}

impl Proxies {
    /// Reads the variables. A value that is no proxy is left out and said so in the log.
    pub(crate) fn of(environment: &Environment) -> Self {
        let either = |name: &str| {
            environment.variable(&name.to_ascii_lowercase()).or_else(|| environment.variable(name))
        };
        let exempt = either("NO_PROXY");
        let proxy = |name: &str| {
            let value = either(name)?;
            let value = value.trim();
            let url =
                if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
            let config = match ProxyConfig::all(url.as_str()) {
                Ok(config) => config,
                Err(error) => {
                    tracing::warn!(variable = name, %error, "the proxy is not used");
                    return None;
                }
            };
            Some(match &exempt {
                Some(exempt) => config.no_proxy(exempt),
                None => config,
            })
        };
        let all = proxy("ALL_PROXY");
        // A CGI program gets a request's `Proxy:` header as HTTP_PROXY.
        let plain = if either("REQUEST_METHOD").is_some() { None } else { proxy("HTTP_PROXY") };
        Self { secure: proxy("HTTPS_PROXY").or_else(|| all.clone()), plain: plain.or(all) }
    }

    /// Shows the way out for an address.
    pub(super) fn config(&self, tls: bool, proxied: bool) -> ProxyConfig {
        let config = if tls { &self.secure } else { &self.plain };
        match config {
            Some(config) if proxied => config.clone(),
            Some(_) | None => ProxyConfig::disabled(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_used(variables: &[(&str, &str)], tls: bool) -> bool {
        let proxies = Proxies::of(&Environment::given(variables.iter().copied()));
        !proxies.config(tls, true).is_disabled()
    }

    #[test]
    fn each_kind_of_address_has_its_proxy() {
        assert!(is_used(&[("HTTPS_PROXY", "http://p:1")], true));
        assert!(!is_used(&[("HTTPS_PROXY", "http://p:1")], false));
        assert!(is_used(&[("http_proxy", "p:1")], false));
        assert!(is_used(&[("ALL_PROXY", "p:1")], true) && is_used(&[("all_proxy", "p:1")], false));
        assert!(!is_used(&[("HTTP_PROXY", "p:1"), ("REQUEST_METHOD", "GET")], false));
        assert!(!is_used(&[("HTTPS_PROXY", "socks5://p:1")], true));
        assert!(!is_used(&[], true));
    }

    #[test]
    fn a_near_address_needs_none() {
        let proxies = Proxies::of(&Environment::given([("ALL_PROXY", "p:1")]));
        assert!(proxies.config(true, false).is_disabled());
    }
}
