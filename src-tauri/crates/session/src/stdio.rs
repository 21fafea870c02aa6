//! A port session as a pair of byte streams, for a program that speaks through our standard
//! input and output, as OpenSSH does.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::clock;
use crate::connection::{Delivery, Key, Seat, ToPort};
use crate::control_plane::{ControlPlane, StartRequest};
use crate::driver::{self, Setting};
use crate::engine::Engine;
use crate::load::{Load, Totals};
use crate::port_session::{PortRole, PortSettings};
use crate::state::SessionState;

/// Largest piece one write hands over; larger ones are cut.
const WRITE_BYTES: usize = 64 * 1024;
/// The only connection there is.
const KEY: Key = Key(0);

/// What to connect to.
#[derive(Clone, Debug)]
pub struct StdioSpec {
    /// The session to start. Its document must forward to a port.
    pub request: StartRequest,
    /// How long the far side has for its last words once our input has ended, counted from the
    /// last byte from there.
    pub linger: Duration,
}

impl StdioSpec {
    /// A session with half a minute for the last words.
    pub fn new(request: StartRequest) -> Self {
        Self { request, linger: Duration::from_secs(30) }
    }
}

/// The sending half. The session ends when all clones and the receiving half are dropped.
#[derive(Clone, Debug)]
pub struct StdioHandle {
    to_port: mpsc::Sender<ToPort>,
    credit: Arc<Semaphore>,
    state: watch::Receiver<SessionState>,
    stop: CancellationToken,
    _guard: Arc<DropGuard>,
}

/// The receiving half.
#[derive(Debug)]
pub struct StdioOutput {
    to_port: mpsc::Sender<ToPort>,
    deliveries: mpsc::Receiver<Delivery>,
    /// Bytes given out and not yet told as consumed.
    given: usize,
    _guard: Arc<DropGuard>,
}

impl Engine {
    /// Connects. Answers at once; the state tells how it goes. What is written before the
    /// session is ready waits.
    pub fn stdio(
        &self,
        control: Arc<dyn ControlPlane>,
        spec: StdioSpec,
    ) -> (StdioHandle, StdioOutput) {
        let stop = self.shared.stop.child_token();
        let (sender, state) = watch::channel(SessionState::Starting);
        let settings = PortSettings { linger: spec.linger, keep_alive: None, is_for_one: true };
        let now = clock::now();
        let (role, to_port) = PortRole::new(
            settings,
            &self.shared.client_version,
            Arc::new(Load::new(now)),
            Arc::new(Totals::default()),
            now,
        );
        let halves = halves(to_port, state, stop.clone());
        let target = spec.request.target.clone();
        let setting = Setting { shared: Arc::clone(&self.shared), control, target };
        driver::spawn(setting, spec.request, role, sender, stop);
        halves
    }
}

/// Takes the one seat of a port session.
pub(crate) fn halves(
    to_port: mpsc::Sender<ToPort>,
    state: watch::Receiver<SessionState>,
    stop: CancellationToken,
) -> (StdioHandle, StdioOutput) {
    let (seat, place) = Seat::new(KEY, to_port);
    let Seat { to_port, deliveries, credit, .. } = seat;
    // The queue is empty: nobody else has a way in yet.
    if to_port.try_send(ToPort::Open { key: KEY, place, first: None }).is_err() {
        stop.cancel();
    }
    let guard = Arc::new(stop.clone().drop_guard());
    let handle =
        StdioHandle { to_port: to_port.clone(), credit, state, stop, _guard: Arc::clone(&guard) };
    (handle, StdioOutput { to_port, deliveries, given: 0, _guard: guard })
}

impl StdioHandle {
    /// Sends bytes. Waits while the far side takes none. Answers false when the session is over.
    ///
    /// Not cancel safe: a dropped future may have sent a part.
    pub async fn write(&self, mut bytes: Bytes) -> bool {
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(WRITE_BYTES));
            let len = u32::try_from(piece.len()).unwrap_or(u32::MAX);
            let Ok(permits) = self.credit.acquire_many(len).await else { return false };
            permits.forget();
            let message = ToPort::Data { key: KEY, bytes: piece.into() };
            if self.to_port.send(message).await.is_err() {
                return false;
            }
        }
        true
    }

    /// Says that no more input comes. The far side cannot be told without being cut off, so its
    /// last words are waited for, and then the session ends.
    pub async fn finish(&self) {
        // An error means that the session is over, which is what was wanted.
        let _ = self.to_port.send(ToPort::Finish { key: KEY }).await;
    }

    /// Ends the session now, at the service too.
    pub fn end(&self) {
        self.stop.cancel();
    }

    /// Answers the session's state, now and as it changes.
    pub fn state(&self) -> watch::Receiver<SessionState> {
        self.state.clone()
    }
}

impl StdioOutput {
    /// Waits for the next output; none when the far side has ended, or the session. Asking for
    /// the next says that the last has been dealt with.
    ///
    /// Cancel safe.
    pub async fn next(&mut self) -> Option<Bytes> {
        if self.given > 0 {
            let consumed = ToPort::Consumed { key: KEY, bytes: self.given };
            // An error means that the session is over; what arrived before is still here.
            let _ = self.to_port.send(consumed).await;
            self.given = 0;
        }
        if let Some(Delivery::Data(bytes)) = self.deliveries.recv().await {
            self.given = bytes.len();
            return Some(bytes);
        }
        let _ = self.to_port.send(ToPort::Close { key: KEY }).await;
        None
    }
}

#[cfg(test)]
mod tests {
    use protocol::SessionFlag;

    use super::*;
    use crate::state::SessionEnd;
    use crate::testing::{bench, reach, soon};

    const SSH: &str = r#"{"portNumber":"22"}"#;

    #[tokio::test(start_paused = true)]
    async fn bytes_pass_both_ways_and_the_far_end_ends_it() {
        let (engine, account, mut door) = bench();
        let (handle, mut output) =
            engine.stdio(account.plane(), StdioSpec::new(StartRequest::default()));
        assert!(handle.write(Bytes::from_static(b"SSH-2.0-near\n")).await);
        let mut agent = door.agent().await;
        agent.shake("Port", SSH).await;
        assert_eq!(agent.typed(13).await, b"SSH-2.0-near\n");
        // A lone line feed is data like any other.
        assert!(handle.write(Bytes::from_static(b"\n")).await);
        assert_eq!(agent.typed(1).await, b"\n");
        let printing = tokio::spawn(async move {
            for _ in 0..2000 {
                agent.print(Bytes::from_static(&[7; 1000])).await;
            }
            agent.end("").await;
            agent
        });
        let mut total = 0;
        while let Some(bytes) = soon(output.next()).await {
            total += bytes.len();
        }
        assert_eq!(total, 2_000_000);
        soon(printing).await.expect("an agent");
        let mut states = handle.state();
        let is_over = |state: &SessionState| matches!(state, SessionState::Ended(_));
        let SessionState::Ended(end) = reach(&mut states, is_over).await else { unreachable!() };
        assert!(matches!(end, SessionEnd::Finished { .. }), "{end:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn over_a_mux_the_session_ends_with_its_connection() {
        let (engine, account, mut door) = bench();
        let (handle, mut output) =
            engine.stdio(account.plane(), StdioSpec::new(StartRequest::default()));
        let mut agent = door.agent().await;
        agent.shake("Port", r#"{"portNumber":"22","type":"LocalPortForwarding"}"#).await;
        assert!(handle.write(Bytes::from_static(b"hi")).await);
        // SYN of stream 3, then its first bytes, in one message or two.
        let opening = agent.typed(8 + 8 + 2).await;
        assert!(opening.ends_with(b"hi"), "{opening:?}");
        // FIN of stream 3.
        agent.print(Bytes::from_static(b"\x01\x01\x00\x00\x03\x00\x00\x00")).await;
        let silence = tokio::spawn(async move { soon(output.next()).await });
        loop {
            let message = agent.input().await;
            if message.payload_type == protocol::PayloadType::Flag {
                let flag = SessionFlag::decode(&message.payload);
                assert_eq!(flag, Some(SessionFlag::TerminateSession));
                break;
            }
        }
        assert_eq!(soon(silence).await.expect("a result"), None);
        account.until(|calls| calls.terminated == ["session-1"]).await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_words_are_heard_after_the_input_has_ended() {
        let (engine, account, mut door) = bench();
        let (handle, mut output) =
            engine.stdio(account.plane(), StdioSpec::new(StartRequest::default()));
        let mut agent = door.agent().await;
        agent.shake("Port", SSH).await;
        assert!(handle.write(Bytes::from_static(b"bye")).await);
        handle.finish().await;
        assert_eq!(agent.typed(3).await, b"bye");
        agent.print("last words").await;
        assert_eq!(soon(output.next()).await.expect("output"), "last words");
        let silence = tokio::spawn(async move { soon(output.next()).await });
        assert_eq!(agent.flag().await, Some(SessionFlag::TerminateSession));
        assert_eq!(soon(silence).await.expect("a result"), None);
        account.until(|calls| calls.terminated == ["session-1"]).await;
    }
}
