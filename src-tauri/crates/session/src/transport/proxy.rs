//! Which proxy, if any, stands between us and a host, and how to ask it for a tunnel.
//!
//! The rules are those of the usual environment variables as Go reads them, because that is what
//! the official client does: lower case wins, loopback is never proxied, `NO_PROXY` holds names,
//! suffixes, addresses, CIDR blocks and `*`.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use url::{Host, Url};

use super::dial::DialError;

/// A proxy's answer to CONNECT is some hundred bytes; more than this is not one.
const MAX_ANSWER_BYTES: usize = 16 * 1024;

/// The proxies of one environment.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    secure: Option<Url>,
    plain: Option<Url>,
    exempt: Vec<Exemption>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Exemption {
    Everything,
    /// A name, and when `subdomains` also everything under it.
    Name {
        name: String,
        itself: bool,
        port: Option<u16>,
    },
    Address {
        address: IpAddr,
        port: Option<u16>,
    },
    Block {
        base: IpAddr,
        prefix: u8,
    },
}

impl Proxies {
    /// Reads `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, each also in lower case,
    /// through `variable`. What does not parse as a proxy is left out and said so in the log.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Self {
        let either = |name: &str| {
            variable(&name.to_ascii_lowercase())
                .or_else(|| variable(name))
                .map(|value| value.trim().to_owned())
                .filter(|value| !value.is_empty())
        };
        let proxy = |name: &str| either(name).and_then(|value| parse_proxy(name, &value));
        let all = proxy("ALL_PROXY");
        // A CGI program gets a request's `Proxy:` header as HTTP_PROXY; Go ignores it there too.
        let is_cgi = variable("REQUEST_METHOD").is_some();
        let plain = if is_cgi { None } else { proxy("HTTP_PROXY") };
        let exempt = either("NO_PROXY").map(|list| parse_exemptions(&list)).unwrap_or_default();
        Self { secure: proxy("HTTPS_PROXY").or_else(|| all.clone()), plain: plain.or(all), exempt }
    }

    /// Answers the proxy to go through to reach `url`, if any.
    pub(super) fn for_url(&self, url: &Url) -> Option<&Url> {
        let proxy = if url.scheme() == "wss" { &self.secure } else { &self.plain };
        let proxy = proxy.as_ref()?;
        let host = url.host()?;
        let port = url.port_or_known_default();
        (!is_loopback(&host) && !self.exempt.iter().any(|entry| entry.covers(&host, port)))
            .then_some(proxy)
    }
}

impl Exemption {
    fn covers(&self, host: &Host<&str>, port: Option<u16>) -> bool {
        let address = match host {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(IpAddr::V4(*address)),
            Host::Ipv6(address) => Some(IpAddr::V6(*address)),
        };
        let fits_port = |wanted: &Option<u16>| wanted.is_none() || *wanted == port;
        match self {
            Self::Everything => true,
            Self::Name { name, itself, port } => {
                let Host::Domain(host) = host else { return false };
                let host = host.to_ascii_lowercase();
                let is_below = host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'));
                fits_port(port) && (is_below || (*itself && host == *name))
            }
            Self::Address { address: wanted, port } => fits_port(port) && address == Some(*wanted),
            Self::Block { base, prefix } => {
                address.is_some_and(|address| is_within(address, *base, *prefix))
            }
        }
    }
}

/// Asks the proxy at the other end of `stream` to connect to `target`.
///
/// # Errors
/// [`DialError::Proxy`] with the proxy's status line and what it said.
pub(super) async fn connect_through<S>(
    mut stream: S,
    proxy: &Url,
    target: &Url,
) -> Result<S, DialError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let refused = |reason: String| DialError::Proxy { proxy: shown(proxy), reason };
    let broken = |error: std::io::Error| refused(error.to_string());
    let host = target.host_str().unwrap_or_default();
    let port = target.port_or_known_default().unwrap_or(443);
    let mut request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n");
    if let Some(credentials) = credentials(proxy) {
        request.push_str(&format!("Proxy-Authorization: Basic {credentials}\r\n"));
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).await.map_err(broken)?;
    stream.flush().await.map_err(broken)?;

    let mut answer = Vec::with_capacity(512);
    // One byte at a time is the price of leaving what follows the answer unread.
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() >= MAX_ANSWER_BYTES {
            return Err(refused("its answer to CONNECT has no end".to_owned()));
        }
        answer.push(stream.read_u8().await.map_err(broken)?);
    }
    let answer = String::from_utf8_lossy(&answer);
    let status_line = answer.lines().next().unwrap_or_default().trim().to_owned();
    let is_granted = status_line
        .split_ascii_whitespace()
        .nth(1)
        .is_some_and(|status| status.len() == 3 && status.starts_with('2'));
    if is_granted { Ok(stream) } else { Err(refused(status_line)) }
}

/// The proxy's address without its password.
pub(super) fn shown(proxy: &Url) -> String {
    let host = proxy.host_str().unwrap_or_default();
    format!("{}://{host}:{}", proxy.scheme(), proxy.port_or_known_default().unwrap_or(80))
}

fn credentials(proxy: &Url) -> Option<String> {
    if proxy.username().is_empty() && proxy.password().is_none() {
        return None;
    }
    let user = decode_percent(proxy.username());
    let password = decode_percent(proxy.password().unwrap_or_default());
    Some(STANDARD.encode([&user[..], b":", &password[..]].concat()))
}

fn decode_percent(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escaped = (byte == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(escaped.unwrap_or(byte));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    decoded
}

fn parse_proxy(variable: &str, value: &str) -> Option<Url> {
    let spelled = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
    match Url::parse(&spelled) {
        Ok(url) if url.host().is_some() => Some(url),
        Ok(_) | Err(_) => {
            tracing::warn!(variable, "not a proxy address; ignored");
            None
        }
    }
}

fn parse_exemptions(list: &str) -> Vec<Exemption> {
    list.split([',', ' ']).filter_map(|entry| parse_exemption(entry.trim())).collect()
}

fn parse_exemption(entry: &str) -> Option<Exemption> {
    if entry.is_empty() {
        return None;
    }
    if entry == "*" {
        return Some(Exemption::Everything);
    }
    if let Some((base, prefix)) = entry.split_once('/') {
        let base: IpAddr = base.parse().ok()?;
        return Some(Exemption::Block { base, prefix: prefix.parse().ok()? });
    }
    let bare = entry.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse() {
        return Some(Exemption::Address { address, port: None });
    }
    let (host, port) = match entry.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok()?)),
        None => (entry, None),
    };
    if let Ok(address) = host.trim_start_matches('[').trim_end_matches(']').parse() {
        return Some(Exemption::Address { address, port });
    }
    let host = host.to_ascii_lowercase();
    let host = host.strip_prefix('*').unwrap_or(&host);
    let (name, itself) = host.strip_prefix('.').map_or((host, true), |rest| (rest, false));
    Some(Exemption::Name { name: name.to_owned(), itself, port })
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => name.eq_ignore_ascii_case("localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

fn is_within(address: IpAddr, base: IpAddr, prefix: u8) -> bool {
    match (address, base) {
        (IpAddr::V4(address), IpAddr::V4(base)) if prefix <= 32 => {
            let shift = 32 - u32::from(prefix);
            u32::from(address).checked_shr(shift) == u32::from(base).checked_shr(shift)
        }
        (IpAddr::V6(address), IpAddr::V6(base)) if prefix <= 128 => {
            let shift = 128 - u32::from(prefix);
            u128::from(address).checked_shr(shift) == u128::from(base).checked_shr(shift)
        }
        (IpAddr::V4(_) | IpAddr::V6(_), _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(pairs: &[(&str, &str)]) -> Proxies {
        Proxies::from_environment(|name| {
            pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn goes_through(proxies: &Proxies, url: &str) -> Option<String> {
        proxies.for_url(&Url::parse(url).unwrap()).map(shown)
    }

    #[test]
    fn each_scheme_has_its_variable_and_lower_case_wins() {
        let found = proxies(&[
            ("HTTPS_PROXY", "http://upper:1"),
            ("https_proxy", "lower:3128"),
            ("HTTP_PROXY", "http://plain:2"),
        ]);
        assert_eq!(goes_through(&found, "wss://aws.test/").as_deref(), Some("http://lower:3128"));
        assert_eq!(goes_through(&found, "ws://aws.test/").as_deref(), Some("http://plain:2"));
        let found = proxies(&[("ALL_PROXY", "http://all:9"), ("HTTP_PROXY", "")]);
        assert_eq!(goes_through(&found, "ws://aws.test/").as_deref(), Some("http://all:9"));
    }

    #[test]
    fn loopback_is_never_proxied() {
        let found = proxies(&[("ALL_PROXY", "http://all:9")]);
        for url in ["ws://localhost:1/", "ws://127.0.0.1:1/", "wss://[::1]/"] {
            assert_eq!(goes_through(&found, url), None, "{url}");
        }
    }

    #[test]
    fn exemptions_hold_names_suffixes_addresses_and_blocks() {
        let list =
            "corp.test, .only.below,*.star.test,10.0.0.0/8 [fd00::1],1.2.3.4:99,port.test:8443";
        let found = proxies(&[("ALL_PROXY", "http://all:9"), ("NO_PROXY", list)]);
        for exempt in [
            "wss://corp.test/",
            "wss://deep.CORP.test/",
            "wss://a.only.below/",
            "wss://a.star.test/",
            "wss://10.200.1.1/",
            "wss://[fd00::1]/",
            "wss://1.2.3.4:99/",
            "wss://port.test:8443/",
        ] {
            assert_eq!(goes_through(&found, exempt), None, "{exempt}");
        }
        for proxied in [
            "wss://notcorp.test/",
            "wss://only.below/",
            "wss://11.0.0.1/",
            "wss://1.2.3.4/",
            "wss://port.test/",
        ] {
            assert!(goes_through(&found, proxied).is_some(), "{proxied}");
        }
        let none = proxies(&[("ALL_PROXY", "http://all:9"), ("no_proxy", "*")]);
        assert_eq!(goes_through(&none, "wss://aws.test/"), None);
    }

    #[tokio::test]
    async fn connect_sends_the_password_and_reads_no_further_than_the_answer() {
        let (near, mut far) = tokio::io::duplex(4096);
        let proxy = Url::parse("http://me:p%40ss@proxy.test:3128").unwrap();
        let target = Url::parse("wss://aws.test/v1").unwrap();
        let asked = tokio::spawn(async move { connect_through(near, &proxy, &target).await });
        let mut request = vec![0; 512];
        let read = far.read(&mut request).await.unwrap();
        let request = String::from_utf8_lossy(&request[..read]).into_owned();
        assert!(request.starts_with("CONNECT aws.test:443 HTTP/1.1\r\nHost: aws.test:443\r\n"));
        assert!(request.contains("Proxy-Authorization: Basic bWU6cEBzcw==\r\n"), "{request}");
        far.write_all(b"HTTP/1.0 200 Connection established\r\n\r\nafter").await.unwrap();
        let mut stream = asked.await.unwrap().expect("a tunnel");
        let mut rest = [0; 5];
        stream.read_exact(&mut rest).await.unwrap();
        assert_eq!(&rest, b"after");
    }

    #[tokio::test]
    async fn a_refusal_keeps_the_status_and_hides_the_password() {
        let (near, mut far) = tokio::io::duplex(4096);
        far.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await.unwrap();
        let proxy = Url::parse("http://me:secret@proxy.test:3128").unwrap();
        let target = Url::parse("wss://aws.test/v1").unwrap();
        let error = connect_through(near, &proxy, &target).await.expect_err("a refusal");
        let text = error.to_string();
        assert!(text.contains("407") && text.contains("proxy.test:3128"), "{text}");
        assert!(!text.contains("secret"));
    }
}
