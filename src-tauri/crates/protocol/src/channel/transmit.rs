//! What goes to the websocket next.

use std::time::Instant;

use bytes::Bytes;

use super::{DataChannel, Phase};
use crate::payload::{PayloadType, SessionFlag};

impl DataChannel {
    /// The next frame to send as one binary websocket message; `None` when there is nothing to
    /// send now. Acknowledgements come first and are not counted by the rate limit, then what
    /// is due again, then what is new.
    ///
    /// A frame taken counts as sent. If the websocket fails, nothing is lost.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Bytes> {
        if self.is_over() || !self.is_connected {
            return None;
        }
        if let Some(frame) = self.acknowledgements.pop(&mut self.stamp, now) {
            return Some(frame);
        }
        let frame = if self.pause.is_away() { self.probe(now) } else { self.send(now) };
        if frame.is_some() {
            self.rate.spend(now);
            self.note_outbox();
        }
        frame
    }

    /// One message, now and then, to see if the far end is back: one in flight, and, since an old
    /// agent may have that and not say so, in turn something new. If there is nothing to
    /// say, something is said again: it may be the agent that is waiting for us.
    fn probe(&mut self, now: Instant) -> Option<Bytes> {
        if !self.pause.is_probe_due(now) {
            return None;
        }
        let prefers_new = self.pause.probed(now);
        if prefers_new && let Some(frame) = self.send_new(now) {
            return Some(frame);
        }
        if self.outbox.hasten() {
            return self.outbox.resend(now);
        }
        if let Some(frame) = self.send_new(now) {
            return Some(frame);
        }
        self.repeat_something();
        self.acknowledgements.pop(&mut self.stamp, now).or_else(|| self.send_new(now))
    }

    fn send(&mut self, now: Instant) -> Option<Bytes> {
        self.outbox.promote(now);
        self.rate_until = None;
        if !self.outbox.has_due() && !self.has_new(now) {
            return None;
        }
        if let Some(until) = self.rate.blocked_until(now) {
            self.rate_until = Some(until);
            return None;
        }
        self.outbox.resend(now).or_else(|| self.send_new(now))
    }

    fn has_new(&self, now: Instant) -> bool {
        if self.outbox.has_urgent() || self.may_send_size(now) {
            return true;
        }
        let Phase::Ready { .. } = self.phase else { return false };
        self.is_ending || (!self.is_input_held(now) && self.outbox.has_sendable())
    }

    fn may_send_size(&self, now: Instant) -> bool {
        self.size.is_pending && self.outbox.admits_control() && !self.is_input_held(now)
    }

    fn is_input_held(&self, now: Instant) -> bool {
        self.input_held_until.is_some_and(|until| now < until)
    }

    fn send_new(&mut self, now: Instant) -> Option<Bytes> {
        if let Some(frame) = self.outbox.send_urgent(&mut self.stamp, now) {
            return Some(frame);
        }
        if self.may_send_size(now)
            && let Some(size) = self.size.wanted
        {
            self.size.is_pending = false;
            let (stamp, size) = (&mut self.stamp, size.encode());
            return Some(self.outbox.send_control(PayloadType::Size, &size, stamp, now));
        }
        let is_held = self.is_input_held(now);
        let Phase::Ready { seal, .. } = &mut self.phase else { return None };
        if std::mem::take(&mut self.is_ending) {
            let flag = SessionFlag::TerminateSession;
            return Some(self.outbox.send_flag(flag, &mut self.stamp, now));
        }
        if is_held || !self.outbox.has_sendable() {
            return None;
        }
        self.outbox.send(seal.as_deref_mut(), &mut self.stamp, now)
    }
}
