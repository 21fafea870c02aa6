//! A client that does what a test says, frame by frame, over a websocket in memory.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use protocol::{
    AcknowledgeBody, ChannelClosedBody, Flags, HandshakeComplete, HandshakeRequest,
    HandshakeResponse, Message, MessageType, OpenDataChannel, PayloadType, ProcessedAction,
    SessionFlag,
};
use tokio::io::DuplexStream;
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::protocol::Role;
use uuid::Uuid;

use crate::faults::Faults;
use crate::gateway::serve_data_channel;
use crate::services::kms::{Kms, KmsKey};
use crate::sessions::{
    Address, Document, Inputs, Network, NodeProfile, Platform, SessionStart, Sessions, Started,
};
use crate::{clock, random};

pub(crate) const ACCOUNT: &str = "111111111111";
pub(crate) const REGION: &str = "eu-west-1";
pub(crate) const CLIENT_VERSION: &str = "1.2.764.0";
const KEY_ID: &str = "5a5a5a5a-0000-4000-8000-000000000001";
/// Nothing a test waits for takes so long, on the slowest machine.
const DEADLINE: Duration = Duration::from_secs(60);
/// What the pipe under the websocket holds.
const PIPE_BYTES: usize = 256 * 1024;

/// A service with one node to start sessions on.
pub(crate) struct Bench {
    pub(crate) faults: Faults,
    pub(crate) kms: Kms,
    pub(crate) sessions: Sessions,
    pub(crate) node: NodeProfile,
    pub(crate) network: Arc<Hosts>,
}

/// Names a test gives to its own listeners.
#[derive(Default)]
pub(crate) struct Hosts(BTreeMap<String, Vec<Address>>);

impl Network for Hosts {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<Address>>> {
        let found = match self.0.get(host) {
            Some(addresses) => Ok(addresses.clone()),
            None if host == "localhost" => {
                let dial = SocketAddr::from(([127, 0, 0, 1], port));
                Ok(vec![Address { apparent: dial.ip(), dial }])
            }
            None => Err(io::ErrorKind::NotFound.into()),
        };
        async { found }.boxed()
    }
}

impl Bench {
    pub(crate) fn new() -> Self {
        let faults = Faults::new();
        let kms = Kms::new(vec![KmsKey {
            account: ACCOUNT.into(),
            region: REGION.into(),
            id: KEY_ID.into(),
            alias: None,
            enabled: true,
        }]);
        let sessions = Sessions::new(faults.clone(), kms.clone());
        let node = NodeProfile {
            id: "i-0123456789abcdef0".into(),
            host_name: "web-1".into(),
            platform: Platform::Linux,
            agent_version: "3.3.1142.0".into(),
            online: true,
            home: None,
            requires_challenge: false,
        };
        Self { faults, kms, sessions, node, network: Arc::default() }
    }

    /// An agent that does not pause, for tests that are not about pauses.
    pub(crate) fn unpaced() -> Self {
        let bench = Self::new();
        bench.faults.agent(|rules| rules.pacing = crate::faults::Pacing::None);
        bench
    }

    pub(crate) fn with_host(mut self, name: &str, apparent: &str, dial: SocketAddr) -> Self {
        let address = Address { apparent: apparent.parse().expect("an address"), dial };
        let mut hosts = BTreeMap::new();
        hosts.insert(name.to_owned(), vec![address]);
        self.network = Arc::new(Hosts(hosts));
        self
    }

    pub(crate) fn key_arn(&self) -> String {
        format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{KEY_ID}")
    }

    pub(crate) fn encrypted(&self, document: &str) -> Document {
        let inputs = Inputs { kms_key_id: self.key_arn(), ..Inputs::default() };
        Document::named(document).expect("a built-in document").with_inputs(inputs)
    }

    pub(crate) fn start(&self, document: &str, parameters: &[(&str, &str)]) -> Started {
        self.start_document(Document::named(document).expect("a built-in document"), parameters)
    }

    pub(crate) fn start_document(
        &self,
        document: Document,
        parameters: &[(&str, &str)],
    ) -> Started {
        let parameters = parameters
            .iter()
            .map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()]))
            .collect();
        let start = SessionStart {
            account: ACCOUNT.into(),
            region: REGION.into(),
            owner_arn: format!("arn:aws:iam::{ACCOUNT}:user/alice"),
            target: self.node.clone(),
            document,
            parameters,
            reason: None,
            network: Arc::clone(&self.network) as Arc<dyn Network>,
        };
        self.sessions.start(start).expect("the session starts")
    }

    /// A websocket to the gateway on which nothing was said yet.
    pub(crate) async fn dial(&self, session_id: &str) -> Client {
        let (near, far) = tokio::io::duplex(PIPE_BYTES);
        let (sessions, session_id) = (self.sessions.clone(), session_id.to_owned());
        let mut server = JoinSet::new();
        server.spawn(async move { serve_data_channel(&sessions, far, &session_id).await });
        Client {
            socket: WebSocketStream::from_raw_socket(near, Role::Client, None).await,
            next: 0,
            expected: 0,
            early: BTreeMap::new(),
            rest: BytesMut::new(),
            seen: Vec::new(),
            _server: server,
        }
    }

    /// A websocket with its token said.
    pub(crate) async fn connect(&self, session_id: &str, token: &str) -> Client {
        let mut client = self.dial(session_id).await;
        client.open(token).await;
        client
    }

    pub(crate) async fn join(&self, started: &Started) -> Client {
        self.connect(&started.session_id, &started.token).await
    }

    /// The same session on another websocket; the numbers go on.
    pub(crate) async fn resume(&self, session_id: &str, old: Client) -> Client {
        let token = self.sessions.resume(session_id, ACCOUNT, REGION).expect("it exists");
        let mut client = self.connect(session_id, &token.expect("it is not over")).await;
        (client.next, client.expected, client.seen) = (old.next, old.expected, old.seen);
        (client.early, client.rest) = (old.early, old.rest);
        client
    }

    pub(crate) async fn run(&self, document: &str, parameters: &[(&str, &str)]) -> Client {
        self.join(&self.start(document, parameters)).await
    }
}

/// The client's end of one websocket.
pub(crate) struct Client {
    socket: WebSocketStream<DuplexStream>,
    next: i64,
    /// The next output number that is new, and what came before its turn.
    expected: i64,
    early: BTreeMap<i64, Message>,
    /// Output behind what was waited for.
    rest: BytesMut,
    /// The kinds of all stream messages, in order, duplicates left out.
    pub(crate) seen: Vec<PayloadType>,
    _server: JoinSet<()>,
}

/// What may come on a websocket.
#[derive(Debug)]
pub(crate) enum Arrival {
    Message(Message),
    Pong,
    Close(Option<(u16, String)>),
    /// Gone without a close frame.
    Cut,
}

impl Client {
    pub(crate) async fn open(&mut self, token: &str) {
        let open = OpenDataChannel {
            message_schema_version: OpenDataChannel::MESSAGE_SCHEMA_VERSION.into(),
            request_id: Uuid::new_v4().to_string(),
            token_value: token.into(),
            client_instance_id: None,
            client_id: Uuid::new_v4().to_string(),
            client_version: Some(CLIENT_VERSION.into()),
        };
        self.send_raw(tungstenite::Message::Text(open.encode().into())).await;
    }

    pub(crate) async fn send_raw(&mut self, message: tungstenite::Message) {
        self.socket.send(message).await.expect("the websocket is open");
    }

    /// Whatever comes next, without an answer.
    pub(crate) async fn arrival(&mut self) -> Arrival {
        loop {
            let next = tokio::time::timeout(DEADLINE, self.socket.next());
            match next.await.expect("something should have come by now") {
                Some(Ok(tungstenite::Message::Binary(frame))) => {
                    return Arrival::Message(Message::decode(frame).expect("a sound message"));
                }
                Some(Ok(tungstenite::Message::Close(frame))) => {
                    let frame = frame.map(|frame| (frame.code.into(), frame.reason.to_string()));
                    return Arrival::Close(frame);
                }
                Some(Ok(tungstenite::Message::Pong(_))) => return Arrival::Pong,
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Arrival::Cut,
            }
        }
    }

    /// Whatever comes next, undecoded.
    pub(crate) async fn raw(&mut self) -> tungstenite::Message {
        let next = tokio::time::timeout(DEADLINE, self.socket.next()).await;
        next.expect("something should have come by now").expect("not the end").expect("no error")
    }

    /// Sends a frame; a websocket that is closing does not take it.
    pub(crate) async fn send_frame_if_open(&mut self, frame: Bytes) {
        drop(self.socket.send(tungstenite::Message::Binary(frame)).await);
    }

    /// The close frame, if it is among what has come so far.
    pub(crate) fn try_close_frame(&mut self) -> Option<(u16, String)> {
        loop {
            match self.socket.next().now_or_never()?? {
                Ok(tungstenite::Message::Close(frame)) => {
                    return frame.map(|frame| (frame.code.into(), frame.reason.to_string()));
                }
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }

    /// The next message, without an acknowledgement.
    pub(crate) async fn message(&mut self) -> Message {
        loop {
            match self.arrival().await {
                Arrival::Message(message) => return message,
                Arrival::Pong => {}
                other @ (Arrival::Close(_) | Arrival::Cut) => {
                    panic!("a message was expected, not {other:?}")
                }
            }
        }
    }

    /// Whether nothing comes for a time.
    pub(crate) async fn is_quiet_for(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.socket.next()).await.is_err()
    }

    pub(crate) async fn acknowledge(&mut self, message: &Message) {
        let acknowledgement = self.acknowledgement(message);
        self.send_frame(acknowledgement).await;
    }

    /// Acknowledges; a websocket that is closing does not take it.
    pub(crate) async fn acknowledge_if_open(&mut self, message: &Message) {
        let acknowledgement = self.acknowledgement(message);
        self.send_frame_if_open(acknowledgement).await;
    }

    fn acknowledgement(&self, message: &Message) -> Bytes {
        let body = AcknowledgeBody::of(&message.message_type, message.id, message.sequence);
        let acknowledgement = Message {
            message_type: MessageType::Acknowledge,
            sequence: 0,
            flags: Flags::SYN_FIN,
            payload_type: PayloadType::Undefined,
            ..self.stream_message(0, PayloadType::Undefined, body.encode())
        };
        acknowledgement.encode()
    }

    /// The next stream message in order. Every one that comes is acknowledged, old ones too.
    pub(crate) async fn output(&mut self) -> Message {
        loop {
            if let Some(message) = self.take_next() {
                return message;
            }
            let message = self.message().await;
            self.sort_in(message).await;
        }
    }

    async fn sort_in(&mut self, message: Message) {
        if message.message_type == MessageType::OutputStreamData {
            self.acknowledge(&message).await;
            if message.sequence >= self.expected {
                self.early.insert(message.sequence, message);
            }
        }
    }

    fn take_next(&mut self) -> Option<Message> {
        let message = self.early.remove(&self.expected)?;
        self.expected += 1;
        self.seen.push(message.payload_type);
        Some(message)
    }

    /// The payload of the next message of that kind; others before it are gone.
    pub(crate) async fn payload(&mut self, kind: PayloadType) -> Bytes {
        loop {
            let message = self.output().await;
            if message.payload_type == kind {
                return message.payload;
            }
        }
    }

    /// Gathers output up to the end of `text`.
    pub(crate) async fn output_with(&mut self, text: &str) -> String {
        let mut gathered = std::mem::take(&mut self.rest);
        let mut searched = 0;
        loop {
            let found = gathered[searched..]
                .windows(text.len())
                .position(|window| window == text.as_bytes());
            if let Some(position) = found {
                self.rest = gathered.split_off(searched + position + text.len());
                return String::from_utf8_lossy(&gathered).into_owned();
            }
            searched = (gathered.len() + 1).saturating_sub(text.len());
            gathered.extend_from_slice(&self.payload(PayloadType::Output).await);
        }
    }

    /// Gathers so many bytes of output.
    pub(crate) async fn output_bytes(&mut self, count: usize) -> Bytes {
        let mut gathered = BytesMut::new();
        while gathered.len() < count {
            gathered.extend_from_slice(&self.payload(PayloadType::Output).await);
        }
        gathered.freeze()
    }

    pub(crate) fn stream_message(
        &self,
        sequence: i64,
        payload_type: PayloadType,
        payload: impl Into<Bytes>,
    ) -> Message {
        Message {
            message_type: MessageType::InputStreamData,
            created_ms: clock::epoch_ms(),
            sequence,
            flags: Flags::NONE,
            id: Uuid::from_bytes(random::bytes()),
            payload_type,
            payload: payload.into(),
        }
    }

    pub(crate) async fn send_frame(&mut self, frame: Bytes) {
        self.send_raw(tungstenite::Message::Binary(frame)).await;
    }

    /// Sends the next message of the row, and tells its number.
    pub(crate) async fn send(&mut self, kind: PayloadType, payload: impl Into<Bytes>) -> i64 {
        let message = self.stream_message(self.next, kind, payload);
        self.next += 1;
        self.send_frame(message.encode()).await;
        message.sequence
    }

    pub(crate) async fn input(&mut self, bytes: impl Into<Bytes>) -> i64 {
        self.send(PayloadType::Output, bytes).await
    }

    /// The next message of the row; a websocket that is closing does not take it.
    pub(crate) async fn input_if_open(&mut self, bytes: impl Into<Bytes>) {
        let message = self.stream_message(self.next, PayloadType::Output, bytes);
        self.next += 1;
        self.send_frame_if_open(message.encode()).await;
    }

    pub(crate) async fn flag(&mut self, flag: SessionFlag) -> i64 {
        self.send(PayloadType::Flag, flag.encode()).await
    }

    /// Waits for the acknowledgement of that number; output on the way is kept.
    pub(crate) async fn acknowledgement_of(&mut self, sequence: i64) {
        loop {
            let message = self.message().await;
            if message.message_type == MessageType::Acknowledge {
                let body = AcknowledgeBody::parse(&message.payload).expect("a sound body");
                if body.acknowledged_message_sequence_number == sequence {
                    return;
                }
            } else {
                self.sort_in(message).await;
            }
        }
    }

    /// Answers the handshake, as a client of that version.
    pub(crate) async fn shake_hands(
        &mut self,
        version: &str,
    ) -> (HandshakeRequest, HandshakeComplete) {
        let request = self.payload(PayloadType::HandshakeRequest).await;
        let request = HandshakeRequest::parse(&request).expect("a sound request");
        self.respond(version, ProcessedAction::session_type_accepted()).await;
        let complete = self.payload(PayloadType::HandshakeComplete).await;
        (request, HandshakeComplete::parse(&complete).expect("a sound end"))
    }

    pub(crate) async fn respond(&mut self, version: &str, action: ProcessedAction) -> i64 {
        let response = HandshakeResponse {
            client_version: version.into(),
            processed_client_actions: vec![action],
            errors: None,
        };
        self.send(PayloadType::HandshakeResponse, response.encode()).await
    }

    /// Reads to the end of the session, and tells its text.
    pub(crate) async fn closed(&mut self) -> String {
        loop {
            let message = self.message().await;
            if message.message_type == MessageType::ChannelClosed {
                while self.take_next().is_some() {}
                return ChannelClosedBody::parse(&message.payload).expect("a sound body").output;
            }
            self.sort_in(message).await;
        }
    }
}
