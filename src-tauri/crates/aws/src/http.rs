//! The HTTP client under the SDK: built on first use, plain or TLS by the address it is given.
//!
//! The SDK's own one loads the platform's certificates when a client is made, even for a plain
//! endpoint; this one waits for the first `https` address. It honours `AWS_CA_BUNDLE` (added to
//! the platform's roots) and the proxy variables, and never sends loopback through a proxy.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Connector, ConnectorBuilder};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use base64::Engine as _;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use url::Url;

/// Makes connectors, one per pair of timeouts, and keeps them.
#[derive(Debug)]
pub(crate) struct Http {
    ca_bundle: Option<PathBuf>,
    proxies: bool,
    connectors: Mutex<HashMap<Timeouts, SharedHttpConnector>>,
}

type Timeouts = (Option<Duration>, Option<Duration>);

impl Http {
    /// Makes a client that trusts `ca_bundle` as well as the platform's roots, and uses the
    /// process's proxy variables if `proxies` says so.
    pub(crate) fn new(ca_bundle: Option<PathBuf>, proxies: bool) -> Self {
        Self { ca_bundle, proxies, connectors: Mutex::default() }
    }
}

impl HttpClient for Http {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let timeouts = (settings.connect_timeout(), settings.read_timeout());
        let mut connectors = self.connectors.lock().unwrap_or_else(PoisonError::into_inner);
        let connector = connectors.entry(timeouts).or_insert_with(|| {
            SharedHttpConnector::new(Switch {
                settings: settings.clone(),
                ca_bundle: self.ca_bundle.clone(),
                proxies: self.proxies,
                built: Mutex::default(),
            })
        });
        connector.clone()
    }
}

/// Picks the connector that fits a request's address.
#[derive(Debug)]
struct Switch {
    settings: HttpConnectorSettings,
    ca_bundle: Option<PathBuf>,
    proxies: bool,
    built: Mutex<HashMap<Route, Arc<Connector>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Route {
    tls: bool,
    proxied: bool,
}

impl HttpConnector for Switch {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let route = self.route(request.uri());
        match self.connector(route) {
            Ok(connector) => connector.call(request),
            Err(error) => HttpConnectorFuture::ready(Err(ConnectorError::user(error.into()))),
        }
    }
}

impl Switch {
    fn route(&self, uri: &str) -> Route {
        let Ok(url) = Url::parse(uri) else {
            return Route { tls: true, proxied: self.proxies };
        };
        Route { tls: url.scheme() == "https", proxied: self.proxies && !is_loopback(&url) }
    }

    fn connector(&self, route: Route) -> Result<Arc<Connector>, CaBundleError> {
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connector) = built.get(&route) {
            return Ok(Arc::clone(connector));
        }
        let proxy = if route.proxied { ProxyConfig::from_env() } else { ProxyConfig::disabled() };
        let builder: ConnectorBuilder =
            Connector::builder().connector_settings(self.settings.clone()).proxy_config(proxy);
        let connector = if route.tls {
            let trust = trust_store(self.ca_bundle.as_deref())?;
            let context = TlsContext::builder().with_trust_store(trust).build();
            let builder = builder.tls_provider(Provider::rustls(CryptoMode::Ring));
            match context {
                Ok(context) => builder.tls_context(context).build(),
                Err(_) => builder.build(),
            }
        } else {
            builder.build_http()
        };
        let connector = Arc::new(connector);
        built.insert(route, Arc::clone(&connector));
        Ok(connector)
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

/// Why the file named by `AWS_CA_BUNDLE` or `ca_bundle` gives no certificates.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CaBundleError {
    #[error("the CA bundle {} cannot be read: {error}", file.display())]
    Unreadable { file: PathBuf, error: std::io::Error },
    #[error("the CA bundle {} holds no certificate", file.display())]
    Empty { file: PathBuf },
}

/// Gathers what to trust. The SDK panics over a certificate it cannot use, so each one is tried
/// here first and the useless ones are left out.
fn trust_store(ca_bundle: Option<&Path>) -> Result<TrustStore, CaBundleError> {
    let trust = TrustStore::default();
    let Some(file) = ca_bundle else { return Ok(trust) };
    let bytes = std::fs::read(file)
        .map_err(|error| CaBundleError::Unreadable { file: file.to_owned(), error })?;
    let mut pem = String::new();
    for certificate in CertificateDer::pem_slice_iter(&bytes).flatten() {
        let mut probe = rustls::RootCertStore::empty();
        if probe.add(certificate.clone()).is_ok() {
            let body = base64::engine::general_purpose::STANDARD.encode(&certificate);
            pem.push_str("-----BEGIN CERTIFICATE-----\n");
            pem.push_str(&body);
            pem.push_str("\n-----END CERTIFICATE-----\n");
        }
    }
    if pem.is_empty() {
        return Err(CaBundleError::Empty { file: file.to_owned() });
    }
    Ok(trust.with_pem_certificate(pem))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(uri: &str) -> Route {
        let switch = Switch {
            settings: HttpConnectorSettings::builder().build(),
            ca_bundle: None,
            proxies: true,
            built: Mutex::default(),
        };
        switch.route(uri)
    }

    #[test]
    fn the_address_decides_the_route() {
        assert_eq!(route("http://127.0.0.1:4566/"), Route { tls: false, proxied: false });
        assert_eq!(route("http://[::1]:4566/"), Route { tls: false, proxied: false });
        assert_eq!(route("https://localhost/"), Route { tls: true, proxied: false });
        assert_eq!(route("http://10.0.0.1/"), Route { tls: false, proxied: true });
        assert_eq!(
            route("https://ssm.eu-west-1.amazonaws.com/"),
            Route { tls: true, proxied: true }
        );
    }

    #[test]
    fn a_bundle_that_is_missing_or_empty_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("ca.pem");
        let error = trust_store(Some(&file)).expect_err("not there").to_string();
        assert!(error.contains("ca.pem cannot be read"), "{error}");
        std::fs::write(&file, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
            .expect("written");
        let error = trust_store(Some(&file)).expect_err("no certificate").to_string();
        assert!(error.contains("holds no certificate"), "{error}");
    }
}
