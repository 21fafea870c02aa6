//! What happens to a frame from the websocket.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{DataChannel, Phase, ReadyKind};
use crate::error::PeerError;
use crate::event::{Event, Ready, SessionKind};
use crate::handshake::{Handshake, Step};
use crate::inbox::{Arrival, Piece};
use crate::message::{Message, MessageType};
use crate::payload::{
    AcknowledgeBody, ChallengeBody, ChannelClosedBody, HandshakeComplete, HandshakeRequest,
    PayloadType, SessionFlag, parse_exit_code,
};
use crate::seal::Seal;

/// The longest websocket message accepted. Agents send 1 KiB at a time; only a handshake is
/// longer.
const MAX_FRAME_LEN: usize = 1024 * 1024;

/// Bytes of events the owner has not taken, from which on nothing more is accepted. The agent
/// sends it again.
const EVENT_BYTES: usize = 4 * 1024 * 1024;

/// The agent says that the handshake is complete a moment before it takes it to be so itself, and
/// what reaches it in between it acknowledges and forgets. Measured: a millisecond on a busy node.
const SETTLE: Duration = Duration::from_millis(50);

/// An agent can fall over a control byte that reaches it before it has started the command.
const HOLD_COMMAND_INPUT: Duration = Duration::from_secs(1);

impl DataChannel {
    /// Takes one binary (or text) message from the websocket.
    ///
    /// # Errors
    /// What the peer did wrong. The session is over then; further frames are ignored.
    pub fn handle_received(&mut self, frame: Bytes, now: Instant) -> Result<(), PeerError> {
        if self.is_over() {
            return Ok(());
        }
        self.received_frames += 1;
        let result = self.receive(frame, now);
        if let Err(error) = &result {
            tracing::warn!(%error, phase = self.phase.name(), "the peer broke the protocol");
            self.phase = Phase::Over;
        }
        self.note_outbox();
        result
    }

    fn receive(&mut self, frame: Bytes, now: Instant) -> Result<(), PeerError> {
        if frame.len() > MAX_FRAME_LEN {
            return Err(PeerError::Oversized { len: frame.len(), limit: MAX_FRAME_LEN });
        }
        let message = Message::decode(frame)?;
        tracing::trace!(
            message_type = %message.message_type,
            sequence = message.sequence,
            payload_type = ?message.payload_type,
            len = message.payload.len(),
            "received"
        );
        match message.message_type {
            MessageType::OutputStreamData => {
                self.heard(now);
                self.receive_stream(message, now)
            }
            MessageType::Acknowledge => {
                self.heard(now);
                let sequence = AcknowledgeBody::parse_sequence(&message.payload)?;
                self.outbox.acknowledged(sequence, now);
                Ok(())
            }
            MessageType::ChannelClosed => self.receive_closed(&message.payload),
            MessageType::StartPublication => {
                self.unpause(now);
                Ok(())
            }
            MessageType::PausePublication => {
                if self.pause.begin(now) {
                    tracing::info!("the far end is away");
                    self.push_event(Event::Paused);
                }
                Ok(())
            }
            MessageType::InputStreamData
            | MessageType::AgentSessionState
            | MessageType::Other(_) => {
                tracing::debug!(message_type = %message.message_type, "ignored");
                Ok(())
            }
        }
    }

    /// The agent gave a sign of itself.
    fn heard(&mut self, now: Instant) {
        self.patience.heard();
        self.nudge.heard(now);
        self.unpause(now);
    }

    fn unpause(&mut self, now: Instant) {
        if self.pause.end() {
            tracing::info!("the far end is back");
            // What was in flight when it went away may never have reached it.
            self.outbox.connected();
            // It may have been told to pause itself, and to go on, or not.
            self.nudge.begin(now);
            self.push_event(Event::Unpaused);
        }
    }

    fn receive_closed(&mut self, payload: &[u8]) -> Result<(), PeerError> {
        let output = if payload.is_empty() {
            String::new()
        } else {
            ChannelClosedBody::parse(payload)?.output
        };
        tracing::info!(has_output = !output.is_empty(), "the gateway closed the channel");
        self.phase = Phase::Over;
        self.push_event(Event::Closed { output });
        Ok(())
    }

    fn receive_stream(&mut self, message: Message, now: Instant) -> Result<(), PeerError> {
        let Message { sequence, payload_type, payload, id, .. } = message;
        if sequence < 0 {
            return Err(PeerError::NegativeSequence { sequence });
        }
        let is_full = self.event_bytes >= EVENT_BYTES;
        match self.inbox.accept(Piece { sequence, payload_type, payload }, is_full) {
            Arrival::Refused => {
                tracing::debug!(sequence, "no room: the agent will send this again");
            }
            Arrival::Held => self.acknowledgements.push(id, sequence),
            Arrival::Duplicate => self.acknowledgements.push_again(id, sequence),
            Arrival::Next(piece) => {
                self.acknowledgements.push(id, sequence);
                self.handle_piece(piece, now)?;
                while let Some(piece) = self.inbox.next_held() {
                    self.handle_piece(piece, now)?;
                }
            }
        }
        Ok(())
    }

    /// Handles stream data whose turn it is.
    fn handle_piece(&mut self, piece: Piece, now: Instant) -> Result<(), PeerError> {
        match piece.payload_type {
            PayloadType::HandshakeRequest => self.begin_handshake(&piece),
            PayloadType::EncChallengeRequest => self.answer_challenge(&piece),
            PayloadType::HandshakeComplete => self.complete_handshake(&piece, now),
            PayloadType::Output
            | PayloadType::Undefined
            | PayloadType::StdErr
            | PayloadType::ExitCode => self.handle_output(piece, now),
            PayloadType::Flag => self.handle_flag(&piece),
            PayloadType::Size
            | PayloadType::HandshakeResponse
            | PayloadType::EncChallengeResponse => Err(self.out_of_state(&piece)),
            PayloadType::Error | PayloadType::Parameter | PayloadType::Other(_) => {
                tracing::debug!(payload_type = ?piece.payload_type, "ignored");
                Ok(())
            }
        }
    }

    fn out_of_state(&self, piece: &Piece) -> PeerError {
        PeerError::OutOfState { payload_type: piece.payload_type, phase: self.phase.name() }
    }

    fn begin_handshake(&mut self, piece: &Piece) -> Result<(), PeerError> {
        if !matches!(self.phase, Phase::Opening) {
            return Err(self.out_of_state(piece));
        }
        let request = HandshakeRequest::parse(&piece.payload)?;
        let (handshake, step) = Handshake::begin(request, &self.client_version)?;
        tracing::debug!(agent_version = %handshake.agent_version(), "handshake");
        self.outbox.agent_reacks(handshake.agent_version().reacks_duplicates());
        // From here on the agent takes nothing but the answer. A size sent before it was there
        // comes first in the sequence, so the answer would wait for its resend.
        self.size.is_pending = false;
        self.outbox.send_all_again();
        self.phase = Phase::Handshake(Box::new(handshake));
        match step {
            Step::Respond(response) => self.respond(&response),
            Step::WantDataKey { key_id, challenge } => {
                self.push_event(Event::DataKeyWanted { key_id, challenge });
            }
        }
        Ok(())
    }

    fn answer_challenge(&mut self, piece: &Piece) -> Result<(), PeerError> {
        let Phase::Handshake(handshake) = &mut self.phase else {
            return Err(self.out_of_state(piece));
        };
        let body = ChallengeBody::parse(&piece.payload)?;
        let answer = handshake.challenge(piece.sequence, &body)?;
        self.outbox.push_urgent(PayloadType::EncChallengeResponse, answer.encode());
        Ok(())
    }

    fn complete_handshake(&mut self, piece: &Piece, now: Instant) -> Result<(), PeerError> {
        let body = HandshakeComplete::parse(&piece.payload)?;
        let Phase::Handshake(handshake) = &mut self.phase else {
            return Err(self.out_of_state(piece));
        };
        let (ready, seal) = handshake.complete(body)?;
        self.input_held_until = Some(now + SETTLE);
        self.become_ready(ready, seal, now);
        Ok(())
    }

    fn become_ready(&mut self, ready: Ready, seal: Option<Box<Seal>>, now: Instant) {
        let kind = ReadyKind::of(&ready.kind);
        tracing::info!(?kind, encrypted = ready.encrypted, "ready");
        self.patience.done();
        match kind {
            ReadyKind::Terminal => {}
            ReadyKind::NonInteractiveCommand => {
                self.input_held_until = Some(now + HOLD_COMMAND_INPUT);
            }
            ReadyKind::Port => self.outbox.become_bulk(),
        }
        self.size.is_pending = self.size.wanted.is_some() && kind != ReadyKind::Port;
        self.phase = Phase::Ready { kind, seal };
        self.push_event(Event::Ready(ready));
    }

    fn handle_output(&mut self, piece: Piece, now: Instant) -> Result<(), PeerError> {
        if matches!(self.phase, Phase::Opening) {
            let ready = Ready {
                agent_version: None,
                kind: SessionKind::Shell,
                customer_message: String::new(),
                encrypted: false,
            };
            self.become_ready(ready, None, now);
        }
        let Phase::Ready { seal, .. } = &self.phase else {
            return Err(self.out_of_state(&piece));
        };
        let Piece { payload_type, payload, sequence } = piece;
        let plain = match seal {
            Some(seal) if payload_type.is_sealed_when_encrypted() => seal
                .open(&payload)
                .map_err(|source| PeerError::Seal { payload_type, sequence, source })?,
            // Type 0 is never sealed, so in an encrypted session nobody vouches for it.
            Some(_) => {
                return Err(PeerError::OutOfState { payload_type, phase: "encrypted" });
            }
            None => payload,
        };
        self.input_held_until = None;
        if payload_type == PayloadType::ExitCode {
            let status = parse_exit_code(&plain).ok_or(PeerError::ExitCode)?;
            self.push_event(Event::ExitCode(status));
        } else if plain.is_empty() {
            tracing::debug!("an empty payload is ignored");
        } else if payload_type == PayloadType::StdErr {
            self.push_event(Event::StdErr(plain));
        } else {
            self.push_event(Event::Output(plain));
        }
        Ok(())
    }

    fn handle_flag(&mut self, piece: &Piece) -> Result<(), PeerError> {
        if !matches!(self.phase, Phase::Ready { .. }) {
            return Err(self.out_of_state(piece));
        }
        match SessionFlag::decode(&piece.payload) {
            Some(flag) => self.push_event(Event::Flag(flag)),
            None => tracing::debug!("an unknown flag is ignored"),
        }
        Ok(())
    }
}
