//! The websocket of the moment: got, lost, got again. Nothing here ends a session but a resume
//! that is refused.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use protocol::PeerError;

use super::link::{Link, LinkError, Opened};
use super::{Driver, Outage, Role};
use crate::clock;
use crate::error::{Error, Remedy};
use crate::state::{Interruption, SessionEnd};
use crate::transport::Fault;

/// Frames read before anything is written: acknowledgements then share a flush.
const READ_BATCH: usize = 64;
/// An endpoint nobody can reach is reported after this, while no session was ever ready.
const FIRST_DIAL_LIMIT: Duration = Duration::from_secs(10);
/// The close code for a message that is too big.
const TOO_BIG: u16 = 1009;
/// A session that never got ready is given up after this, whatever keeps it from it.
const READY_LIMIT: Duration = Duration::from_secs(40);
/// A websocket that lived this long was a good one, as is one that got anything across: after
/// either the next attempt is made at once.
const PROVEN_AFTER: Duration = Duration::from_secs(5);

impl<R: Role> Driver<R> {
    pub(super) fn poll_link(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
    ) -> Result<bool, SessionEnd> {
        match &mut self.link {
            Link::Waiting(_) => Ok(false),
            Link::Opening(attempt) => match attempt.as_mut().poll(cx) {
                Poll::Pending => Ok(false),
                Poll::Ready(Ok(opened)) => {
                    self.handle_opened(opened, now);
                    Ok(true)
                }
                Poll::Ready(Err(error)) => {
                    self.handle_link_error(error, now)?;
                    Ok(true)
                }
            },
            Link::Open(_) => self.poll_receive(cx, now),
        }
    }

    fn handle_opened(&mut self, opened: Opened, now: Instant) {
        let Opened { mut transport, token, url } = opened;
        let opening = self.channel.opening(token.expose());
        self.url = url;
        self.opened_at = now;
        self.lull.stop();
        self.across_before = self.across();
        if let Err(interruption) = transport.send_text(opening) {
            self.handle_interruption(interruption, now);
            return;
        }
        self.channel.handle_connected(now);
        self.link = Link::Open(Box::new(transport));
        if self.ready.is_some() {
            self.set_payload_limit(now);
        }
        match self.outage.take() {
            None => tracing::debug!(session_id = %self.session_id, "data channel opened"),
            Some(outage) => {
                let away = now.saturating_duration_since(outage.since);
                tracing::info!(session_id = %self.session_id, ?away, "session resumed");
                self.show();
            }
        }
    }

    fn handle_link_error(&mut self, error: LinkError, now: Instant) -> Result<(), SessionEnd> {
        let is_first = self.ready.is_none();
        let error = Arc::new(self.explain(error));
        tracing::debug!(session_id = %self.session_id, %error, "no websocket");
        let age = now.saturating_duration_since(self.born);
        let is_final = match error.remedy() {
            Remedy::Resume | Remedy::SignIn => is_first && age >= READY_LIMIT,
            Remedy::Restart if matches!(*error, Error::Dial { .. }) => {
                is_first && age >= FIRST_DIAL_LIMIT
            }
            Remedy::Restart => true,
            // A refused upgrade may be the service's bad moment; a session that was ready is
            // given up only by ResumeSession.
            Remedy::GiveUp => is_first || !matches!(*error, Error::Dial { .. }),
        };
        if is_final {
            return Err(SessionEnd::Failed(error));
        }
        let delay = self.backoff.next_delay();
        self.link = Link::Waiting(now + delay);
        let outage = self.outage.get_or_insert(Outage {
            since: now,
            interruption: Interruption::Undialled,
            error: None,
        });
        outage.error = Some(error);
        self.show();
        Ok(())
    }

    fn explain(&self, error: LinkError) -> Error {
        let (target, session_id) = (self.setting.target.clone(), self.session_id.clone());
        match error {
            LinkError::Resume(source) => {
                Error::Resume { target, session_id, source: Box::new(source) }
            }
            LinkError::Sign(source) => Error::Sign { session_id, source: Box::new(source) },
            LinkError::Dial(source) => Error::Dial { target, session_id, source },
        }
    }

    /// A websocket was lost: the session is not.
    pub(super) fn handle_interruption(&mut self, interruption: Interruption, now: Instant) {
        let is_proven = matches!(self.link, Link::Open(_))
            && (self.across() > self.across_before
                || now.saturating_duration_since(self.opened_at) >= PROVEN_AFTER);
        tracing::info!(session_id = %self.session_id, %interruption, "resuming");
        self.is_too_big = matches!(interruption, Interruption::Closed { code: Some(TOO_BIG), .. });
        if self.is_too_big {
            self.channel.handle_payload_refused();
        }
        self.channel.handle_disconnected();
        if is_proven {
            self.backoff.reset();
        }
        self.outage = Some(Outage { since: now, interruption, error: None });
        let delay = self.backoff.next_delay();
        if delay.is_zero() {
            self.resume()
        } else {
            self.link = Link::Waiting(now + delay)
        }
        self.show();
    }

    /// Counts messages that have got across, either way.
    fn across(&self) -> u64 {
        let stats = self.channel.stats();
        let unacknowledged = u64::try_from(stats.unacknowledged_frames).unwrap_or(u64::MAX);
        stats.delivered_frames + stats.sent_frames.saturating_sub(unacknowledged)
    }

    pub(super) fn resume(&mut self) {
        self.link = self.ways.again(self.session_id.clone(), self.url.clone());
    }

    /// The computer slept or its network changed: doubt what is open, hurry what is not.
    pub(super) fn handle_disturbance(&mut self) {
        let now = clock::now();
        match &mut self.link {
            Link::Open(transport) => transport.probe(now),
            Link::Opening(_) | Link::Waiting(_) => {
                self.backoff.reset();
                if self.outage.is_some() {
                    self.resume();
                    self.show();
                }
            }
        }
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<bool, SessionEnd> {
        if self.lull.is_on(self.said(), now) {
            return Ok(false);
        }
        for count in 0..READ_BATCH {
            let takes_output = self.role.takes_output();
            let Link::Open(transport) = &mut self.link else { return Ok(true) };
            transport.suspend(!takes_output, now);
            if !takes_output {
                return Ok(count > 0);
            }
            match transport.poll_receive(cx) {
                Poll::Pending => {
                    self.lull.note_read(count, self.said(), now);
                    return Ok(count > 0);
                }
                Poll::Ready(Err(Fault::Interruption(interruption))) => {
                    self.handle_interruption(interruption, now);
                    return Ok(true);
                }
                Poll::Ready(Err(Fault::Oversized { len, limit })) => {
                    return Err(self.peer_failed(&PeerError::Oversized { len, limit }));
                }
                Poll::Ready(Ok(frame)) => {
                    if let Err(error) = self.channel.handle_received(frame, now) {
                        return Err(self.peer_failed(&error));
                    }
                    self.handle_events(now)?;
                }
            }
        }
        Ok(true)
    }

    /// Counts what we have said, new and again, acknowledgements left out.
    fn said(&self) -> u64 {
        let stats = self.channel.stats();
        stats.sent_frames + stats.resent_frames
    }

    /// Sends what the channel has, then what the role can add, as far as the websocket takes it.
    pub(super) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
    ) -> Result<(), Interruption> {
        let Link::Open(transport) = &mut self.link else { return Ok(()) };
        while transport.poll_ready(cx)?.is_ready() {
            if let Some(frame) = self.channel.poll_transmit(now) {
                transport.send_frame(frame)?;
            } else if !self.role.feed(&mut self.channel) {
                break;
            }
        }
        let _ = transport.poll_flush(cx)?;
        Ok(())
    }
}
