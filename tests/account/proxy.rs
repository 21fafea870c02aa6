//! A network whose only way out is a proxy that looks inside TLS, with a certificate of its own.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use app::{App, AppConfig, ErrorCode};
use emulator::scenario::MAIN_REGION;
use emulator::{Emulator, EmulatorConfig};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use session::{DialError, Error, OutputFlow, SessionState, StartRequest, TerminalSpec};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// The name of an AWS that only the proxy knows the way to.
const AWS: &str = "aws.test";

#[tokio::test]
async fn a_shell_opens_through_a_proxy_whose_certificate_is_trusted() {
    let network = Network::start().await;
    let app = network.app(Some(&network.certificate()));
    let account = app.account(None, None).expect("opens");
    account.identity().await.expect("an answer through the proxy");
    let state = network.shell(&app, &app, |state| matches!(state, SessionState::Ready(_))).await;
    assert!(matches!(state, SessionState::Ready(_)), "{state:?}");
    app.shutdown(Duration::from_secs(20)).await;
}

#[tokio::test]
async fn a_certificate_nobody_vouches_for_is_refused_and_a_bundle_advised() {
    let network = Network::start().await;
    let distrusting = network.app(None);
    let account = distrusting.account(None, None).expect("opens");
    let error = account.identity().await.expect_err("nobody vouches for it");
    assert_eq!(error.code(), ErrorCode::Unreachable);
    let words = error.to_string();
    assert!(words.contains(&format!("https://{AWS} cannot be reached: invalid peer")), "{words}");

    let trusting = network.app(Some(&network.certificate()));
    let has_failed = |state: &SessionState| matches!(state, SessionState::Resuming(resuming) if resuming.error.is_some());
    let state = network.shell(&distrusting, &trusting, has_failed).await;
    let SessionState::Resuming(resuming) = state else { unreachable!() };
    let error = resuming.error.expect("the state that was waited for");
    assert!(matches!(&*error, Error::Dial { source: DialError::Tls { .. }, .. }), "{error}");
    assert!(error.advice().contains("AWS_CA_BUNDLE"), "{}", error.advice());
    distrusting.shutdown(Duration::from_secs(20)).await;
}

#[tokio::test]
async fn a_bundle_that_is_not_there_is_named() {
    let network = Network::start().await;
    let app = network.app(Some("/no/such.pem"));
    let error = app.account(None, None).expect("opens").identity().await.expect_err("no bundle");
    let words = error.to_string();
    assert!(words.contains("the CA bundle /no/such.pem cannot be read"), "{words}");
}

/// An AWS, and the proxy before it.
struct Network {
    emulator: Emulator,
    folder: TempDir,
    proxy: SocketAddr,
    _serving: JoinSet<()>,
}

impl Network {
    async fn start() -> Self {
        let front = Some(format!("https://{AWS}"));
        let config = EmulatorConfig { front, ..EmulatorConfig::default() };
        let emulator = Emulator::start(config).await.expect("a free port");
        let made = rcgen::generate_simple_self_signed([AWS.to_owned()]).expect("a certificate");
        let folder = TempDir::new().expect("a folder");
        std::fs::write(folder.path().join("ca.pem"), made.cert.pem()).expect("written");
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("a usable certificate");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let proxy = listener.local_addr().expect("an address");
        let aws = emulator.address();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut served = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                served.spawn(inspect(near, acceptor.clone(), aws));
            }
        });
        Self { emulator, folder, proxy, _serving: serving }
    }

    /// The file that vouches for the proxy.
    fn certificate(&self) -> String {
        self.folder.path().join("ca.pem").display().to_string()
    }

    /// The product in this network.
    fn app(&self, bundle: Option<&str>) -> App {
        let credentials = self.emulator.credentials("prod").expect("there is one");
        let bundle = bundle.map(|bundle| ("AWS_CA_BUNDLE", bundle.to_owned()));
        let variables = [
            ("AWS_ENDPOINT_URL", self.emulator.url()),
            ("AWS_ACCESS_KEY_ID", credentials.access_key),
            ("AWS_SECRET_ACCESS_KEY", credentials.secret.expose().to_owned()),
            ("AWS_REGION", MAIN_REGION.to_owned()),
            ("HTTPS_PROXY", format!("http://{}", self.proxy)),
        ];
        App::open(AppConfig::given(variables.into_iter().chain(bundle)))
    }

    /// Opens a shell with the engine of one product and the account of another, and waits until
    /// its state is as wanted.
    async fn shell(
        &self,
        engine: &App,
        account: &App,
        wanted: impl Fn(&SessionState) -> bool,
    ) -> SessionState {
        let node = self.emulator.scenario().node_named("prod-storefront-01").expect("there is one");
        let request = StartRequest { target: node.id.clone(), ..StartRequest::default() };
        let spec = TerminalSpec { request, size: None, flow: OutputFlow::default() };
        let control = account.account(None, None).expect("opens").control();
        let (terminal, _output) = engine.engine().terminal(control, spec);
        let mut states = terminal.state();
        let reached = tokio::time::timeout(Duration::from_secs(30), states.wait_for(wanted)).await;
        reached.expect("in time").expect("a state").clone()
    }
}

/// Leads a CONNECT for our AWS there, and ends its TLS here.
async fn inspect(mut near: TcpStream, acceptor: TlsAcceptor, aws: SocketAddr) -> io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(near.read_u8().await?);
    }
    if !request.starts_with(format!("CONNECT {AWS}:443 ").as_bytes()) {
        return near.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").await;
    }
    near.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    let mut near = acceptor.accept(near).await?;
    let mut far = TcpStream::connect(aws).await?;
    copy_bidirectional(&mut near, &mut far).await?;
    Ok(())
}
