//! The far end of a session in memory: a control plane that answers what the test says, and an
//! agent that speaks real frames over a pipe. Time stands still unless someone waits.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderName, HeaderValue};
use protocol::{
    AcknowledgeBody, ChannelClosedBody, Flags, HandshakeComplete, Message, MessageType,
    PayloadType, SessionFlag,
};
use tokio::io::DuplexStream;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};
use url::Url;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::control_plane::{
    ControlError, ControlPlane, DataKeyReply, Resumed, SessionId, StartRequest, Ticket, Token,
};
use crate::engine::{Engine, EngineConfig};
use crate::state::SessionState;
use crate::transport::{Dial, DialError, Transport, Wire, websocket_config};

/// Longer than any timer of the engine: with stopped time a deadline costs nothing.
pub(crate) const DEADLINE: Duration = Duration::from_secs(120);

/// Waits, but not for ever.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(DEADLINE, what).await.expect("something the test waits for never happened")
}

/// Waits until a state is as wanted.
pub(crate) async fn reach(
    states: &mut watch::Receiver<SessionState>,
    wanted: impl Fn(&SessionState) -> bool,
) -> SessionState {
    soon(states.wait_for(wanted)).await.expect("the session's state").clone()
}

/// An engine over pipes, its account, and the door new websockets arrive at.
pub(crate) fn bench() -> (Engine, Arc<Account>, Door) {
    bench_with(EngineConfig { frames_per_second: None, ..EngineConfig::default() })
}

pub(crate) fn bench_with(config: EngineConfig) -> (Engine, Arc<Account>, Door) {
    let (sender, sockets) = mpsc::channel(16);
    let dialer = Arc::new(Pipes { sender, failures: Mutex::default() });
    let engine = Engine::with_dialer(config, Arc::clone(&dialer) as Arc<dyn Dial>);
    (engine, Arc::new(Account::default()), Door { sockets, dialer })
}

/// A control plane that counts calls and answers from lists; an empty list means success.
#[derive(Default)]
pub(crate) struct Account {
    calls: Mutex<Calls>,
    changed: tokio::sync::Notify,
}

#[derive(Default)]
pub(crate) struct Calls {
    /// The hosts dialled.
    pub(crate) dialled: Vec<String>,
    /// Where the next resume leads; as before when absent.
    pub(crate) moves_to: Option<Url>,
    pub(crate) started: Vec<StartRequest>,
    pub(crate) resumed: usize,
    pub(crate) terminated: Vec<String>,
    pub(crate) data_keys: Vec<BTreeMap<String, String>>,
    pub(crate) start_answers: VecDeque<ControlError>,
    pub(crate) resume_answers: VecDeque<ControlError>,
    pub(crate) data_key_answers: VecDeque<ControlError>,
    pub(crate) terminate_answers: VecDeque<ControlError>,
    /// Whether a start is answered only once this is false again.
    pub(crate) hangs_on_start: bool,
}

impl Account {
    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut Calls) -> T) -> T {
        let outcome = look(&mut self.calls.lock().unwrap());
        self.changed.notify_waiters();
        outcome
    }

    /// Waits until the calls are as wanted.
    pub(crate) async fn until(&self, wanted: impl Fn(&Calls) -> bool) {
        soon(async {
            loop {
                let changed = self.changed.notified();
                if wanted(&self.calls.lock().unwrap()) {
                    return;
                }
                changed.await;
            }
        })
        .await;
    }

    pub(crate) fn plane(self: &Arc<Self>) -> Arc<dyn ControlPlane> {
        Arc::clone(self) as Arc<dyn ControlPlane>
    }
}

fn stream_url() -> Url {
    Url::parse("wss://ssmmessages.test/v1/data-channel/s?role=publish_subscribe").unwrap()
}

impl ControlPlane for Account {
    fn start_session<'a>(
        &'a self,
        request: &'a StartRequest,
    ) -> BoxFuture<'a, Result<Ticket, ControlError>> {
        let number = self.with(|calls| {
            calls.started.push(request.clone());
            calls.started.len()
        });
        let refusal = self.with(|calls| calls.start_answers.pop_front());
        Box::pin(async move {
            self.until(|calls| !calls.hangs_on_start).await;
            refusal.map_or(
                Ok(Ticket {
                    session_id: SessionId::new(format!("session-{number}")),
                    stream_url: stream_url(),
                    token: Token::new("first"),
                }),
                Err,
            )
        })
    }

    fn resume_session<'a>(
        &'a self,
        _session: &'a SessionId,
    ) -> BoxFuture<'a, Result<Resumed, ControlError>> {
        let refusal = self.with(|calls| {
            calls.resumed += 1;
            calls.resume_answers.pop_front()
        });
        let stream_url = self.with(|calls| calls.moves_to.take());
        let resumed = Resumed { token: Token::new("again"), stream_url };
        Box::pin(async move { refusal.map_or(Ok(resumed), Err) })
    }

    fn terminate_session<'a>(
        &'a self,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<(), ControlError>> {
        let refusal = self.with(|calls| {
            calls.terminated.push(session.to_string());
            calls.terminate_answers.pop_front()
        });
        Box::pin(async move { refusal.map_or(Ok(()), Err) })
    }

    fn data_key<'a>(
        &'a self,
        _key_id: &'a str,
        context: &'a BTreeMap<String, String>,
    ) -> BoxFuture<'a, Result<DataKeyReply, ControlError>> {
        let refusal = self.with(|calls| {
            calls.data_keys.push(context.clone());
            calls.data_key_answers.pop_front()
        });
        let plaintext = Zeroizing::new((0..64).collect());
        let reply = DataKeyReply { plaintext, ciphertext: b"sealed".to_vec() };
        Box::pin(async move { refusal.map_or(Ok(reply), Err) })
    }

    fn sign_upgrade<'a>(
        &'a self,
        url: &'a Url,
    ) -> BoxFuture<'a, Result<Vec<(HeaderName, HeaderValue)>, ControlError>> {
        self.with(|calls| calls.dialled.push(url.host_str().unwrap_or_default().to_owned()));
        Box::pin(async { Ok(Vec::new()) })
    }
}

struct Pipes {
    sender: mpsc::Sender<WebSocketStream<DuplexStream>>,
    failures: Mutex<VecDeque<DialError>>,
}

impl Dial for Pipes {
    fn dial<'a>(
        &'a self,
        _url: &'a Url,
        _headers: Vec<(HeaderName, HeaderValue)>,
    ) -> BoxFuture<'a, Result<Transport, DialError>> {
        let failure = self.failures.lock().unwrap().pop_front();
        Box::pin(async move {
            if let Some(failure) = failure {
                return Err(failure);
            }
            let (near, far) = tokio::io::duplex(1024 * 1024);
            let far = WebSocketStream::from_raw_socket(far, Role::Server, None).await;
            let gone = DialError::TimedOut { host: "bench".into(), waited: Duration::ZERO };
            self.sender.send(far).await.map_err(|_| gone)?;
            let near: Box<dyn Wire> = Box::new(near);
            let config = Some(websocket_config());
            let near = WebSocketStream::from_raw_socket(near, Role::Client, config).await;
            Ok(Transport::new(near))
        })
    }
}

/// Where the far end meets new websockets.
pub(crate) struct Door {
    sockets: mpsc::Receiver<WebSocketStream<DuplexStream>>,
    dialer: Arc<Pipes>,
}

impl Door {
    /// Lets the next dials fail.
    pub(crate) fn fail(&self, failures: impl IntoIterator<Item = DialError>) {
        self.dialer.failures.lock().unwrap().extend(failures);
    }

    /// Takes a new session's first websocket.
    pub(crate) async fn agent(&mut self) -> Agent {
        let mut agent = Agent {
            socket: None,
            opening: String::new(),
            next_output: 0,
            next_input: 0,
            unacknowledged: BTreeMap::new(),
            inputs: VecDeque::new(),
            is_acknowledging: true,
        };
        agent.rejoin(self).await;
        agent
    }
}

/// An agent with just enough of a memory to survive its websockets.
pub(crate) struct Agent {
    socket: Option<WebSocketStream<DuplexStream>>,
    pub(crate) opening: String,
    next_output: i64,
    next_input: i64,
    unacknowledged: BTreeMap<i64, Bytes>,
    inputs: VecDeque<Message>,
    pub(crate) is_acknowledging: bool,
}

impl Agent {
    /// Takes the session's next websocket and sends what was never acknowledged.
    pub(crate) async fn rejoin(&mut self, door: &mut Door) {
        let mut socket = soon(door.sockets.recv()).await.expect("a websocket");
        let opening = soon(socket.next()).await.expect("an opening").expect("a message");
        self.opening = opening.to_text().expect("text").to_owned();
        for frame in self.unacknowledged.values() {
            socket.send(tungstenite::Message::Binary(frame.clone())).await.expect("a pipe");
        }
        self.socket = Some(socket);
    }

    /// Breaks the websocket without a word.
    pub(crate) fn cut(&mut self) {
        self.socket = None;
    }

    /// Closes the websocket in good order.
    pub(crate) async fn close(&mut self, code: u16, reason: &str) {
        if let Some(mut socket) = self.socket.take() {
            let frame = CloseFrame { code: code.into(), reason: reason.into() };
            let _ = socket.close(Some(frame)).await;
        }
    }

    pub(crate) async fn send(&mut self, payload_type: PayloadType, payload: impl Into<Bytes>) {
        let message = self.number(payload_type, payload.into());
        let frame = message.encode();
        self.unacknowledged.insert(message.sequence, frame.clone());
        self.transmit(frame).await;
    }

    fn number(&mut self, payload_type: PayloadType, payload: Bytes) -> Message {
        let sequence = self.next_output;
        self.next_output += 1;
        Message {
            message_type: MessageType::OutputStreamData,
            created_ms: 1_700_000_000_000,
            sequence,
            flags: if sequence == 0 { Flags::SYN } else { Flags::NONE },
            id: Uuid::new_v4(),
            payload_type,
            payload,
        }
    }

    /// Prints on the terminal.
    pub(crate) async fn print(&mut self, text: impl Into<Bytes>) {
        self.send(PayloadType::Output, text).await;
    }

    /// Prints while no websocket is there to take it.
    pub(crate) fn print_into_the_void(&mut self, text: impl Into<Bytes>) {
        let message = self.number(PayloadType::Output, text.into());
        self.unacknowledged.insert(message.sequence, message.encode());
    }

    /// Runs a handshake without encryption to its end.
    pub(crate) async fn shake(&mut self, session_type: &str, properties: &str) {
        let request = format!(
            r#"{{"AgentVersion":"3.3.1142.0","RequestedClientActions":[{{"ActionType":"SessionType","ActionParameters":{{"SessionType":"{session_type}","Properties":{properties}}}}}]}}"#
        );
        self.send(PayloadType::HandshakeRequest, request).await;
        let response = self.input().await;
        assert_eq!(response.payload_type, PayloadType::HandshakeResponse);
        self.complete("").await;
    }

    pub(crate) async fn complete(&mut self, customer_message: &str) {
        let text = format!(
            r#"{{"HandshakeTimeToComplete":1000000,"CustomerMessage":"{customer_message}"}}"#
        );
        assert!(HandshakeComplete::parse(text.as_bytes()).is_ok());
        self.send(PayloadType::HandshakeComplete, text).await;
    }

    /// Ends the session as the gateway does.
    pub(crate) async fn end(&mut self, output: &str) {
        let body = format!(
            r#"{{"MessageId":"{}","CreatedDate":"now","DestinationId":"d","SessionId":"s","MessageType":"channel_closed","SchemaVersion":1,"Output":"{output}"}}"#,
            Uuid::new_v4()
        );
        assert!(ChannelClosedBody::parse(body.as_bytes()).is_ok());
        self.say(MessageType::ChannelClosed, body.into()).await;
    }

    /// Sends a message that is no part of the stream.
    pub(crate) async fn say(&mut self, message_type: MessageType, payload: Bytes) {
        let message = Message {
            message_type,
            created_ms: 1_700_000_000_000,
            sequence: 0,
            flags: Flags::SYN_FIN,
            id: Uuid::new_v4(),
            payload_type: PayloadType::Undefined,
            payload,
        };
        self.transmit(message.encode()).await;
    }

    pub(crate) async fn transmit(&mut self, frame: Bytes) {
        let socket = self.socket.as_mut().expect("a websocket");
        // The client may have dropped it already; what is lost is sent again.
        let _ = soon(socket.send(tungstenite::Message::Binary(frame))).await;
    }

    /// Waits for the next new input, other than sizes, in order.
    pub(crate) async fn input(&mut self) -> Message {
        loop {
            let message = self.any_input().await;
            if message.payload_type != PayloadType::Size {
                return message;
            }
        }
    }

    /// Waits for the next new input of any kind, in order.
    pub(crate) async fn any_input(&mut self) -> Message {
        loop {
            if let Some(message) = self.inputs.pop_front() {
                return message;
            }
            assert!(soon(self.listen()).await, "the websocket ended while input was awaited");
        }
    }

    /// Waits for typed bytes, as many as were typed.
    pub(crate) async fn typed(&mut self, count: usize) -> Vec<u8> {
        let mut typed = Vec::new();
        while typed.len() < count {
            let message = self.input().await;
            assert_eq!(message.payload_type, PayloadType::Output);
            typed.extend_from_slice(&message.payload);
        }
        typed
    }

    /// Waits for a flag.
    pub(crate) async fn flag(&mut self) -> Option<SessionFlag> {
        let message = self.input().await;
        (message.payload_type == PayloadType::Flag)
            .then(|| SessionFlag::decode(&message.payload))
            .flatten()
    }

    /// Waits until everything sent was acknowledged.
    pub(crate) async fn drain(&mut self) {
        while !self.unacknowledged.is_empty() {
            assert!(soon(self.listen()).await, "the websocket ended before the acknowledgements");
        }
    }

    /// Takes one websocket message; false at its end.
    pub(crate) async fn listen(&mut self) -> bool {
        let Some(socket) = &mut self.socket else { return false };
        let frame = match socket.next().await {
            Some(Ok(tungstenite::Message::Binary(frame))) => frame,
            Some(Ok(tungstenite::Message::Close(_)) | Err(_)) | None => return false,
            Some(Ok(_)) => return true,
        };
        let message = Message::decode(frame).expect("a message");
        if message.message_type == MessageType::InputStreamData {
            self.take(message).await;
        } else {
            assert_eq!(message.message_type, MessageType::Acknowledge);
            let body = AcknowledgeBody::parse(&message.payload).expect("a body");
            self.unacknowledged.remove(&body.acknowledged_message_sequence_number);
        }
        true
    }

    async fn take(&mut self, message: Message) {
        if !self.is_acknowledging {
            return;
        }
        let ack = AcknowledgeBody::of(&message.message_type, message.id, message.sequence);
        self.say(MessageType::Acknowledge, ack.encode()).await;
        if message.sequence >= self.next_input {
            assert_eq!(message.sequence, self.next_input, "pipes do not reorder");
            self.next_input += 1;
            self.inputs.push_back(message);
        }
    }
}
