//! The agent's reader: one message after the other, each handled before it is acknowledged.
//!
//! A program that takes no input therefore stops everything the client sends to that session, as
//! it does at the real agent.

use bytes::Bytes;
use protocol::{AcknowledgeBody, DecodeError, Message, MessageType, PayloadType};
use tokio::sync::oneshot;

use super::handshake::{Handshake, Heard};
use super::input::{Handled, Input};
use super::line::Line;
use crate::data_channel::Place;
use crate::gateway::{Item, Link};

/// Shorter sealed input kills the real agent's reader.
const NONCE_LEN: usize = 12;

/// Reads what the client sends.
pub(super) struct Reader {
    up: Link,
    line: Line,
    handshake: Handshake,
    input: Option<Input>,
    /// Where the program's input comes from once it is ready.
    inputs: oneshot::Receiver<Input>,
    ack_when_not_ready: bool,
}

/// The reader is dead: the session goes on without hearing anything.
struct Dead;

impl Reader {
    pub(super) fn new(
        up: Link,
        line: Line,
        handshake: Handshake,
        inputs: oneshot::Receiver<Input>,
        ack_when_not_ready: bool,
    ) -> Self {
        Self { up, line, handshake, input: None, inputs, ack_when_not_ready }
    }

    /// Reads until the gateway is gone.
    pub(super) async fn run(mut self) {
        while let Some(parcel) = self.up.recv().await {
            let Item::Frame(frame) = parcel.item else { continue };
            if let Err(Dead) = self.read(frame).await {
                tracing::warn!("what a client sent has stopped its agent's reader");
                while self.up.recv().await.is_some() {}
            }
        }
    }

    async fn read(&mut self, frame: Bytes) -> Result<(), Dead> {
        let message = match Message::decode_as_agent(frame) {
            Ok(message) => message,
            Err(DecodeError::HeaderLength { .. } | DecodeError::TooShort { .. }) => {
                return Err(Dead);
            }
            Err(error) => {
                tracing::debug!(%error, "message ignored");
                return Ok(());
            }
        };
        match message.message_type {
            MessageType::InputStreamData => {
                self.line.set_paused(false);
                return self.stream_data(message).await;
            }
            MessageType::Acknowledge => {
                self.line.set_paused(false);
                match AcknowledgeBody::parse(&message.payload) {
                    Ok(body) => self.line.acknowledged(body.acknowledged_message_sequence_number),
                    Err(error) => tracing::debug!(%error, "acknowledgement ignored"),
                }
            }
            MessageType::PausePublication => self.line.set_paused(true),
            MessageType::StartPublication => self.line.set_paused(false),
            MessageType::OutputStreamData
            | MessageType::ChannelClosed
            | MessageType::AgentSessionState
            | MessageType::Other(_) => {}
        }
        Ok(())
    }

    async fn stream_data(&mut self, message: Message) -> Result<(), Dead> {
        match self.line.place(&message) {
            Place::Early { acknowledge } | Place::Behind { acknowledge } => {
                if acknowledge {
                    self.line.acknowledge(&message);
                }
                return Ok(());
            }
            Place::Next => {}
        }
        let (handled, wake) = self.handle(&message).await?;
        if handled != Handled::Done {
            return Ok(());
        }
        self.line.acknowledge(&message);
        if wake {
            self.handshake.wake();
        }
        self.line.advance();
        // Each of these was acknowledged when it came, so one that fails now is never sent again:
        // it stops the session's input for good, here as at the real agent.
        while let Some(early) = self.line.next_early() {
            let (handled, wake) = self.handle(&early).await?;
            if handled != Handled::Done {
                break;
            }
            if wake {
                self.handshake.wake();
            }
            self.line.advance();
        }
        Ok(())
    }

    /// Handles one message; true beside it if the handshake is to be woken.
    async fn handle(&mut self, message: &Message) -> Result<(Handled, bool), Dead> {
        let mut payload = message.payload.clone();
        if self.handshake.is_encrypted() && message.payload_type == PayloadType::Output {
            if payload.len() < NONCE_LEN {
                return Err(Dead);
            }
            let opened = self.line.channel().open(&payload).ok_or(Dead)?;
            let Ok(opened) = opened else { return Ok((Handled::Failed, false)) };
            payload = opened;
        }
        let kind = message.payload_type;
        let heard = if kind == PayloadType::HandshakeResponse {
            self.handshake.response(&self.line, &payload)
        } else if kind == PayloadType::EncChallengeResponse {
            self.handshake.challenge(&self.line, &payload)
        } else if self.handshake.is_ready() {
            return Ok((self.program(kind, payload).await?, false));
        } else {
            return Ok((Handled::Done, false));
        };
        match heard {
            Heard::Taken => Ok((Handled::Done, true)),
            Heard::Wrong => Ok((Handled::Failed, false)),
            Heard::Unwanted => Err(Dead),
        }
    }

    async fn program(&mut self, kind: PayloadType, payload: Bytes) -> Result<Handled, Dead> {
        if self.input.is_none() {
            self.input = self.inputs.try_recv().ok();
        }
        let handled = match &mut self.input {
            Some(input) => input.handle(kind, payload).await,
            None => Handled::NotReady,
        };
        match handled {
            Handled::NotReady if self.ack_when_not_ready => Ok(Handled::Done),
            Handled::Dead => Err(Dead),
            Handled::Done | Handled::NotReady | Handled::Failed => Ok(handled),
        }
    }
}
