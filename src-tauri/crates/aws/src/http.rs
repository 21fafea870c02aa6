//! The HTTP client under the SDK: built on first use, plain or TLS by the address it is given.
//!
//! The SDK's own one loads the platform's certificates when a client is made, even for a plain
//! endpoint; this one waits for the first `https` address. It never sends loopback through a
//! proxy, and it learns from every answer how far this computer's clock is off.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext};
use aws_smithy_http_client::{Connector, ConnectorBuilder};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use url::Url;

mod clock;
mod proxies;
mod trust;

pub(crate) use clock::ServiceClock;
pub(crate) use proxies::Proxies;
use trust::trust_store;

/// Makes connectors, one per pair of timeouts, and keeps them.
#[derive(Debug)]
pub(crate) struct Http {
    reach: Arc<Reach>,
    connectors: Mutex<HashMap<Timeouts, SharedHttpConnector>>,
}

/// What all connectors have in common.
#[derive(Debug)]
struct Reach {
    ca_bundle: Option<PathBuf>,
    proxies: Proxies,
    clock: Arc<ServiceClock>,
}

type Timeouts = (Option<Duration>, Option<Duration>);

impl Http {
    /// Makes a client that trusts `ca_bundle` as well as the platform's roots, goes through
    /// `proxies`, and sets `clock` by every answer.
    pub(crate) fn new(
        ca_bundle: Option<PathBuf>,
        proxies: Proxies,
        clock: Arc<ServiceClock>,
    ) -> Self {
        let reach = Arc::new(Reach { ca_bundle, proxies, clock });
        Self { reach, connectors: Mutex::default() }
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
                reach: Arc::clone(&self.reach),
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
    reach: Arc<Reach>,
    built: Mutex<HashMap<Route, Arc<Connector>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Route {
    tls: bool,
    proxied: bool,
}

impl HttpConnector for Switch {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let connector = match self.connector(Route::to(request.uri())) {
            Ok(connector) => connector,
            Err(error) => {
                return HttpConnectorFuture::ready(Err(ConnectorError::user(error)));
            }
        };
        let service = Arc::clone(&self.reach.clock);
        HttpConnectorFuture::new(async move {
            let sent = clock::now();
            let response = connector.call(request).await?;
            if let Some(date) = response.headers().get("date") {
                service.note(date, sent, clock::now());
            }
            Ok(response)
        })
    }
}

impl Switch {
    fn connector(&self, route: Route) -> Result<Arc<Connector>, BoxError> {
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connector) = built.get(&route) {
            return Ok(Arc::clone(connector));
        }
        let builder: ConnectorBuilder = Connector::builder()
            .connector_settings(self.settings.clone())
            .proxy_config(self.reach.proxies.config(route.tls, route.proxied));
        let connector = if route.tls {
            let trust = trust_store(self.reach.ca_bundle.as_deref())?;
            let context = TlsContext::builder().with_trust_store(trust).build()?;
            let builder = builder.tls_provider(Provider::rustls(CryptoMode::Ring));
            builder.tls_context(context).build()
        } else {
            builder.build_http()
        };
        let connector = Arc::new(connector);
        built.insert(route, Arc::clone(&connector));
        Ok(connector)
    }
}

impl Route {
    fn to(uri: &str) -> Self {
        match Url::parse(uri) {
            Ok(url) => Self { tls: url.scheme() == "https", proxied: !is_loopback(&url) },
            Err(_) => Self { tls: true, proxied: true },
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_decides_the_route() {
        assert_eq!(Route::to("http://127.0.0.1:4566/"), Route { tls: false, proxied: false });
        assert_eq!(Route::to("http://[::1]:4566/"), Route { tls: false, proxied: false });
        assert_eq!(Route::to("https://localhost/"), Route { tls: true, proxied: false });
        assert_eq!(Route::to("http://10.0.0.1/"), Route { tls: false, proxied: true });
        assert_eq!(Route::to("https://ssm.aws.test/"), Route { tls: true, proxied: true });
    }
}
