//! A bare HTTP/1.1 client with its own signer.

use std::collections::BTreeMap;

use serde_json::Value;
use time::OffsetDateTime;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::sigv4::sign::Signer;
use crate::{Emulator, EmulatorConfig, clock};

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    /// The code and the message of a JSON or XML refusal.
    pub(super) fn refusal(&self) -> (String, String) {
        if self.body.starts_with(b"<?xml") {
            let text = self.text();
            let between = |name: &str| {
                let (_, rest) = text.split_once(&format!("<{name}>")).unwrap_or(("", ""));
                rest.split_once("</").map_or(String::new(), |(value, _)| value.to_owned())
            };
            return (between("Code"), between("Message"));
        }
        let body = self.json();
        let message = ["message", "Message"].iter().find_map(|key| body[*key].as_str());
        (body["__type"].as_str().unwrap_or("").to_owned(), message.unwrap_or("").to_owned())
    }
}

/// A connection that is kept open.
pub(super) struct Wire {
    stream: BufReader<TcpStream>,
}

impl Wire {
    pub(super) async fn to(emulator: &Emulator) -> Self {
        let stream = TcpStream::connect(emulator.address()).await.unwrap();
        Self { stream: BufReader::new(stream) }
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Reads one answer; `None` when the connection ends before one begins.
    pub(super) async fn read(&mut self) -> Option<Answer> {
        let first = self.line().await?;
        let status = first.split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = BTreeMap::new();
        loop {
            let line = self.line().await.unwrap();
            let Some((name, value)) = line.split_once(':') else { break };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.unwrap();
        Some(Answer { status, headers, body })
    }

    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        Some(line.trim_end().to_owned())
    }

    pub(super) async fn ask(&mut self, request: &Asking) -> Answer {
        self.send(&request.bytes()).await;
        self.read().await.expect("an answer")
    }
}

/// A request being put together.
#[derive(Clone)]
pub(super) struct Asking {
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) signer: Option<Signer>,
}

impl Asking {
    pub(super) fn plain(method: &'static str, path: &str, body: &[u8]) -> Self {
        Self {
            method,
            path: path.to_owned(),
            query: String::new(),
            headers: vec![("host".into(), "127.0.0.1".into())],
            body: body.to_vec(),
            signer: None,
        }
    }

    /// A JSON call of SSM or KMS.
    pub(super) fn json(who: &Who, target: &str, body: Value) -> Self {
        Self::raw_json(who, target, body.to_string().as_bytes())
    }

    pub(super) fn raw_json(who: &Who, target: &str, body: &[u8]) -> Self {
        let service = if target.starts_with("AmazonSSM") { "ssm" } else { "kms" };
        let mut asking = Self::plain("POST", "/", body);
        asking.header("content-type", "application/x-amz-json-1.1");
        asking.header("x-amz-target", target);
        asking.signer = Some(who.signer(service));
        asking
    }

    /// A Query call of EC2 or STS.
    pub(super) fn form(who: &Who, service: &str, parameters: &str) -> Self {
        let version = if service == "ec2" { "2016-11-15" } else { "2011-06-15" };
        let body = format!("{parameters}&Version={version}");
        let mut asking = Self::plain("POST", "/", body.as_bytes());
        asking.header("content-type", "application/x-www-form-urlencoded; charset=utf-8");
        asking.signer = Some(who.signer(service));
        asking
    }

    pub(super) fn header(&mut self, name: &str, value: &str) {
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    /// The head, up to its last line, and the body apart.
    pub(super) fn head(&self) -> String {
        let mut headers = self.headers.clone();
        if let Some(signer) = &self.signer {
            let mut signed: Vec<(&str, &str)> = headers
                .iter()
                .filter(|(name, _)| matches!(name.as_str(), "host" | "x-amz-target"))
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            signed.sort_unstable();
            let added = signer.sign(self.method, &self.path, &self.query, &signed, &self.body);
            headers.extend(added);
        }
        let mark = if self.query.is_empty() { "" } else { "?" };
        let mut head = format!("{} {}{mark}{} HTTP/1.1\r\n", self.method, self.path, self.query);
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let head = format!("{}content-length: {}\r\n\r\n", self.head(), self.body.len());
        [head.as_bytes(), &self.body].concat()
    }
}

/// An access key and the region it is used in.
#[derive(Clone)]
pub(super) struct Who {
    pub(super) access_key: String,
    pub(super) secret: String,
    pub(super) token: Option<String>,
    pub(super) region: String,
}

impl Who {
    pub(super) fn user(emulator: &Emulator, name: &str) -> Self {
        let found = emulator.user_credentials(name).unwrap();
        Self {
            access_key: found.access_key,
            secret: found.secret.expose().to_owned(),
            token: None,
            region: "eu-central-1".to_owned(),
        }
    }

    pub(super) fn signer(&self, service: &str) -> Signer {
        Signer {
            access_key: self.access_key.clone(),
            secret: self.secret.clone(),
            token: self.token.clone(),
            region: self.region.clone(),
            service: service.to_owned(),
            at: OffsetDateTime::from(clock::date()),
        }
    }
}

/// The sandbox, a connection to it, and the production account's first user.
pub(super) async fn sandbox() -> (Emulator, Wire, Who) {
    let emulator = Emulator::start(EmulatorConfig::default()).await.unwrap();
    let wire = Wire::to(&emulator).await;
    let who = Who::user(&emulator, "mara");
    (emulator, wire, who)
}
