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
use trust::{CaBundleError, trust_store};

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
                return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into())));
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
    fn connector(&self, route: Route) -> Result<Arc<Connector>, CaBundleError> {
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connector) = built.get(&route) {
            return Ok(Arc::clone(connector));
        }
        let builder: ConnectorBuilder = Connector::builder()
            .connector_settings(self.settings.clone())
            .proxy_config(self.reach.proxies.config(route.tls, route.proxied));
        let connector = if route.tls {
            let trust = trust_store(self.reach.ca_bundle.as_deref())?;
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
    use std::sync::Arc;

    use rustls::ServerConfig;
    use rustls::crypto::ring;
    use rustls::pki_types::PrivateKeyDer;
    use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::client::Client;
    use crate::environment::Environment;

    /// The name of an AWS that only the tests' proxy knows the way to.
    const AWS: &str = "sts.aws.test";

    #[test]
    fn the_address_decides_the_route() {
        assert_eq!(Route::to("http://127.0.0.1:4566/"), Route { tls: false, proxied: false });
        assert_eq!(Route::to("http://[::1]:4566/"), Route { tls: false, proxied: false });
        assert_eq!(Route::to("https://localhost/"), Route { tls: true, proxied: false });
        assert_eq!(Route::to("http://10.0.0.1/"), Route { tls: false, proxied: true });
        assert_eq!(Route::to("https://ssm.aws.test/"), Route { tls: true, proxied: true });
    }

    #[tokio::test]
    async fn a_bundle_of_one_s_own_and_a_proxy_lead_to_an_endpoint_behind_both() {
        let (port, certificate) = aws().await;
        let proxy = proxy_to(port).await;
        let folder = tempfile::tempdir().expect("a folder");
        let bundle = folder.path().join("ca.pem");
        std::fs::write(&bundle, certificate).expect("written");
        let bundle = bundle.to_str().expect("plain").to_owned();

        let client = open(&proxy, Some(bundle));
        let identity = client.identity().await.expect("an answer through the proxy");
        assert_eq!(identity.account_id, "111122223333");

        let error = open(&proxy, None).identity().await.expect_err("nobody vouches for it");
        let words = error.to_string();
        assert!(
            words.starts_with(&format!("https://{AWS} cannot be reached: invalid peer")),
            "{words}"
        );

        let error = open(&proxy, Some("/no/such.pem".to_owned())).identity().await;
        let words = error.expect_err("no such bundle").to_string();
        assert!(words.contains("the CA bundle /no/such.pem cannot be read"), "{words}");
    }

    fn open(proxy: &str, bundle: Option<String>) -> Client {
        let bundle = bundle.map(|bundle| ("AWS_CA_BUNDLE".to_owned(), bundle));
        let variables = [
            ("AWS_ENDPOINT_URL", format!("https://{AWS}")),
            ("AWS_ACCESS_KEY_ID", "AKID".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "s".to_owned()),
            ("AWS_REGION", "eu-west-1".to_owned()),
            ("HTTPS_PROXY", proxy.to_owned()),
        ];
        let variables = variables.into_iter().map(|(key, value)| (key.to_owned(), value));
        let environment = Environment::given(variables.chain(bundle));
        Client::open(&environment, None, None).expect("opens")
    }

    /// Answers every request as STS would, under a certificate of its own, which is handed out.
    async fn aws() -> (u16, String) {
        let made = rcgen::generate_simple_self_signed([AWS.to_owned()]).expect("a certificate");
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("a usable certificate");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    let _ = head(&mut stream).await;
                    let body = "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
                                <GetCallerIdentityResult><Account>111122223333</Account>\
                                </GetCallerIdentityResult></GetCallerIdentityResponse>";
                    let length = body.len();
                    let answer =
                        format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
                    let _ = stream.write_all(answer.as_bytes()).await;
                    let _ = stream.shutdown().await;
                }
            }
        });
        (port, made.cert.pem())
    }

    /// A proxy that leads every CONNECT for our AWS to one port here.
    async fn proxy_to(port: u16) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let asked = head(&mut near).await;
                assert!(asked.starts_with(&format!("CONNECT {AWS}:443 ")), "{asked}");
                let far = tokio::net::TcpStream::connect(("127.0.0.1", port)).await;
                let mut far = far.expect("our AWS listens");
                near.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.expect("a client");
                tokio::spawn(
                    async move { tokio::io::copy_bidirectional(&mut near, &mut far).await },
                );
            }
        });
        format!("http://{address}")
    }

    /// Reads a request's head.
    async fn head(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => break,
            }
        }
        String::from_utf8_lossy(&head).into_owned()
    }
}
