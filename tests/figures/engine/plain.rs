//! A client that does what it must and nothing else: no window, no resend, no engine. It stands
//! for what the far end offers, and, with pauses, for the official client.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use protocol::mux::frame::{Command, Frame, FrameDecoder, StreamId};
use protocol::{
    AcknowledgeBody, Flags, HandshakeResponse, Message, MessageType, OpenDataChannel, PayloadType,
    ProcessedAction,
};
use session::{SessionId, StartRequest};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message as Frames;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use uuid::Uuid;

use crate::Measured;
use crate::ground::{Ground, PATIENCE};

const CLIENT_VERSION: &str = "1.2.764.0";
const STREAM: StreamId = StreamId(3);

/// One muxed port session with one stream.
pub(crate) struct Plain<'a> {
    ground: &'a Ground,
    session: SessionId,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    next_sequence: i64,
    expected: i64,
    decoder: FrameDecoder,
    /// What the far side has sent and nobody has taken.
    received: BytesMut,
    is_ready: bool,
}

impl<'a> Plain<'a> {
    /// Starts a session to a port of the node and opens its stream.
    pub(crate) async fn open(ground: &'a Ground, port: u16) -> Measured<Self> {
        let text = |text: &str| vec![text.to_owned()];
        let request = StartRequest {
            target: ground.node.clone(),
            document: Some("AWS-StartPortForwardingSession".to_owned()),
            parameters: BTreeMap::from([
                ("portNumber".to_owned(), text(&port.to_string())),
                ("localPortNumber".to_owned(), text("0")),
            ]),
            reason: None,
        };
        let ticket = ground.account.control().start_session(&request).await?;
        let (mut socket, _) = tokio_tungstenite::connect_async(ticket.stream_url.as_str()).await?;
        if let MaybeTlsStream::Plain(stream) = socket.get_ref() {
            stream.set_nodelay(true)?;
        }
        let opening = OpenDataChannel {
            message_schema_version: OpenDataChannel::MESSAGE_SCHEMA_VERSION.to_owned(),
            request_id: Uuid::new_v4().to_string(),
            token_value: ticket.token.expose().to_owned(),
            client_instance_id: None,
            client_id: Uuid::new_v4().to_string(),
            client_version: Some(CLIENT_VERSION.to_owned()),
        };
        socket.send(Frames::text(opening.encode())).await?;
        let mut client = Self {
            ground,
            session: ticket.session_id,
            socket,
            next_sequence: 0,
            expected: 0,
            decoder: FrameDecoder::new(),
            received: BytesMut::new(),
            is_ready: false,
        };
        while !client.is_ready {
            client.receive().await?;
        }
        let mut opened = BytesMut::new();
        Frame::bare(Command::Syn, STREAM).encode(&mut opened);
        client.send(PayloadType::Output, opened.freeze()).await?;
        Ok(client)
    }

    pub(crate) async fn close(self) -> Measured<()> {
        Ok(self.ground.account.control().terminate_session(&self.session).await?)
    }

    /// Sends bytes on the stream as the official client does: cut into messages of 1 KiB, mux
    /// headers and all, with a pause after each.
    pub(crate) async fn write(&mut self, bytes: &[u8], pause: Duration) -> Measured<()> {
        for part in bytes.chunks(32 * 1024) {
            let mut framed = BytesMut::new();
            let payload = Bytes::copy_from_slice(part);
            Frame { command: Command::Psh, stream: STREAM, payload }.encode(&mut framed);
            for piece in framed.chunks(1024) {
                self.send(PayloadType::Output, Bytes::copy_from_slice(piece)).await?;
                if !pause.is_zero() {
                    // The official client sleeps here, and that is what is played. A timer of the
                    // runtime would be late by up to a millisecond.
                    tokio::task::block_in_place(|| std::thread::sleep(pause));
                }
                self.receive_waiting().await?;
            }
        }
        Ok(())
    }

    /// Waits for so many bytes of the stream.
    pub(crate) async fn read(&mut self, length: usize) -> Measured<Bytes> {
        while self.received.len() < length {
            self.receive().await?;
        }
        Ok(self.received.split_to(length).freeze())
    }

    async fn send(&mut self, payload_type: PayloadType, payload: Bytes) -> Measured<()> {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        self.put(MessageType::InputStreamData, sequence, Flags::NONE, payload_type, payload).await
    }

    async fn put(
        &mut self,
        message_type: MessageType,
        sequence: i64,
        flags: Flags,
        payload_type: PayloadType,
        payload: Bytes,
    ) -> Measured<()> {
        let id = Uuid::new_v4();
        let created_ms = 1_700_000_000_000;
        let message =
            Message { message_type, created_ms, sequence, flags, id, payload_type, payload };
        Ok(self.socket.send(Frames::Binary(message.encode())).await?)
    }

    async fn receive(&mut self) -> Measured<()> {
        let next = tokio::time::timeout(PATIENCE, self.socket.next()).await?;
        self.handle(next.ok_or("the websocket ended")??).await
    }

    async fn receive_waiting(&mut self) -> Measured<()> {
        while let Some(next) = self.socket.next().now_or_never() {
            self.handle(next.ok_or("the websocket ended")??).await?;
        }
        Ok(())
    }

    async fn handle(&mut self, received: Frames) -> Measured<()> {
        let Frames::Binary(frame) = received else { return Ok(()) };
        let message = Message::decode(frame)?;
        if message.message_type != MessageType::OutputStreamData {
            return Ok(());
        }
        let kind = MessageType::OutputStreamData;
        let body = AcknowledgeBody::of(&kind, message.id, message.sequence).encode();
        let flags = Flags::SYN_FIN;
        self.put(MessageType::Acknowledge, 0, flags, PayloadType::Undefined, body).await?;
        if message.sequence != self.expected {
            return Ok(());
        }
        self.expected += 1;
        if message.payload_type == PayloadType::HandshakeRequest {
            return self.answer().await;
        }
        self.is_ready |= message.payload_type == PayloadType::HandshakeComplete;
        if message.payload_type == PayloadType::Output {
            self.decoder.push(message.payload);
            while let Some(frame) = self.decoder.next()? {
                self.received.extend_from_slice(&frame.payload);
            }
        }
        Ok(())
    }

    async fn answer(&mut self) -> Measured<()> {
        let response = HandshakeResponse {
            client_version: CLIENT_VERSION.to_owned(),
            processed_client_actions: vec![ProcessedAction::session_type_accepted()],
            errors: None,
        };
        self.send(PayloadType::HandshakeResponse, response.encode()).await
    }
}
