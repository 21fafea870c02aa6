//! What a driver does for its kind of session: the seam between the one loop and terminals,
//! commands and port sessions.

use std::task::{Context, Poll};
use std::time::Instant;

use futures_util::future::BoxFuture;
use protocol::{DataChannel, Event, PeerError, Ready};

use crate::state::SessionEnd;

/// What a role wants of its driver after it has looked at its own side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Something moved; look at everything once more.
    Again,
    /// The user is done with the session.
    End,
}

/// One kind of session, seen from the driver. Nothing here waits: `poll_*` registers the task's
/// waker, the rest is plain calls.
pub(crate) trait Role: Send + 'static {
    /// The opening talk is over. Refuses a kind of session it cannot serve by naming what it
    /// wanted.
    fn handle_ready(&mut self, ready: &Ready, now: Instant) -> Result<(), &'static str>;

    /// The channel has something to tell; only what only the role understands:
    /// output, flags and room for input.
    fn handle_event(
        &mut self,
        event: Event,
        channel: &mut DataChannel,
        now: Instant,
    ) -> Result<(), PeerError>;

    /// Looks at what local programs and handles want. Pending means that the waker is
    /// registered with all of them.
    fn poll_local(
        &mut self,
        cx: &mut Context<'_>,
        channel: &mut DataChannel,
        now: Instant,
    ) -> Poll<Wish>;

    /// Hands the channel its next piece of input, and says whether there was one. Called when
    /// the channel has nothing else to send, so that what waits here can still be reordered.
    fn feed(&mut self, channel: &mut DataChannel) -> bool;

    /// Says whether more output may arrive; if not, the socket is left unread.
    fn takes_output(&self) -> bool;

    /// Answers when [`Self::handle_timeout`] wants to be called.
    fn poll_timeout(&self) -> Option<Instant>;

    /// Does what is due.
    fn handle_timeout(&mut self, channel: &mut DataChannel, now: Instant);

    /// Says whether a session may stay without a word for as long as it likes, as a command may
    /// that prints nothing.
    fn may_stay_silent(&self) -> bool;

    /// Says whether the far side may end it in good order, as a shell does that exits.
    fn may_finish(&self) -> bool;

    /// Says whether the agent ends this kind of session when it is sent the flag for it.
    fn ends_by_flag(&self) -> bool;

    /// The session is over; local programs and handles must learn it. What takes time is
    /// answered as a future, for when the service knows that the session is over.
    fn handle_end(&mut self, end: &SessionEnd) -> BoxFuture<'static, ()>;
}
