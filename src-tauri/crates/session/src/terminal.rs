//! A shell or command on a terminal at the far side: keys in, screen bytes out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use protocol::{DataChannel, Event, PeerError, SessionKind};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::control_plane::{ControlPlane, StartRequest};
use crate::driver::{self, Role, Setting, Wish};
use crate::engine::Engine;
use crate::outflow::{Meter, Outflow, OutputFlow, Piece, Stream};
use crate::state::{SessionEnd, SessionState};

/// A window being dragged sends dozens of sizes; the far side redraws for each it hears of.
const RESIZE_SETTLE: Duration = Duration::from_millis(50);
/// Writes that may wait; the next one waits for room.
const WRITES_WAITING: usize = 64;
/// Input held back while a program does not read. More of it stays with the writers.
const HELD_BYTES: usize = 64 * 1024;
/// What Ctrl-C sends. It overtakes and discards whatever has not been sent yet, here as in the
/// channel: a paste that is in its way is what it is meant to stop.
const INTERRUPT: &[u8] = b"\x03";

/// A terminal's size in character cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalSize {
    /// Columns.
    pub cols: u16,
    /// Rows.
    pub rows: u16,
}

/// What to open a terminal with.
#[derive(Clone, Debug, Default)]
pub struct TerminalSpec {
    /// The session to start. Its document must open a terminal.
    pub request: StartRequest,
    /// The terminal's size, so that the first prompt fits.
    pub size: Option<TerminalSize>,
    /// How output is handed over.
    pub flow: OutputFlow,
}

/// A terminal's session, for whoever types. Clones speak for the same session, which ends when
/// the last of them is dropped.
#[derive(Clone, Debug)]
pub struct TerminalHandle {
    input: mpsc::Sender<Bytes>,
    size: Arc<SharedSize>,
    state: watch::Receiver<SessionState>,
    is_interrupted: Arc<AtomicBool>,
    meter: Arc<Meter>,
    stop: CancellationToken,
    guard: Arc<DropGuard>,
}

/// A terminal's output, for whoever draws.
#[derive(Debug)]
pub struct TerminalOutput {
    pieces: mpsc::Receiver<Piece>,
}

impl Engine {
    /// Opens a terminal. Answers at once; the state tells how it goes.
    pub fn terminal(
        &self,
        control: Arc<dyn ControlPlane>,
        spec: TerminalSpec,
    ) -> (TerminalHandle, TerminalOutput) {
        let stop = self.shared.stop.child_token();
        let (sender, state) = watch::channel(SessionState::Starting);
        let (mut role, handle, pieces) =
            TerminalRole::new(Expected::Terminal, spec.size, spec.flow, state, stop.clone());
        // A shell always prompts; a command may have nothing to say.
        role.may_stay_silent = spec.request.document.is_some();
        let target = spec.request.target.clone();
        let setting = Setting { shared: Arc::clone(&self.shared), control, target };
        driver::spawn(setting, spec.request, role, sender, stop);
        (handle, TerminalOutput::new(pieces))
    }
}

impl TerminalHandle {
    /// Sends keys. Waits while the far side takes none; what is written before the session is
    /// ready, or while it resumes, is kept and sent then.
    ///
    /// Cancel safe: a dropped future has written nothing. Answers false when the session is
    /// over.
    pub async fn write(&self, bytes: Bytes) -> bool {
        if bytes.is_empty() {
            return true;
        }
        if *bytes == *INTERRUPT {
            self.is_interrupted.store(true, Ordering::Release);
            self.meter.wake();
        }
        self.input.send(bytes).await.is_ok()
    }

    /// Tells the far side the terminal's new size, once it has stayed so for a moment.
    pub fn resize(&self, size: TerminalSize) {
        self.size.set(size);
        self.meter.wake();
    }

    /// Says that this many bytes of output have been drawn, which lets as many follow.
    pub fn acknowledge(&self, bytes: usize) {
        self.meter.acknowledge(bytes);
    }

    /// Ends the session, at the service too.
    pub fn end(&self) {
        self.stop.cancel();
    }

    /// Gives up its say over the session's life.
    pub(crate) fn disarm(self) {
        if let Some(guard) = Arc::into_inner(self.guard) {
            guard.disarm();
        }
    }

    /// Answers the session's state, now and as it changes.
    pub fn state(&self) -> watch::Receiver<SessionState> {
        self.state.clone()
    }
}

impl TerminalOutput {
    pub(crate) fn new(pieces: mpsc::Receiver<Piece>) -> Self {
        Self { pieces }
    }

    /// Waits for the next output; none after the session's end. Cancel safe.
    pub async fn next(&mut self) -> Option<Bytes> {
        self.pieces.recv().await.map(|piece| piece.bytes)
    }
}

/// What kind of session a document must turn out to open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// With a terminal.
    Terminal,
    /// Without.
    Command,
    /// One or the other.
    Either,
}

/// A terminal or command, seen from its driver: bytes in, bytes out.
pub(crate) struct TerminalRole {
    expected: Expected,
    input: mpsc::Receiver<Bytes>,
    held: VecDeque<Bytes>,
    held_bytes: usize,
    is_interrupted: Arc<AtomicBool>,
    sizes: Sizes,
    outflow: Outflow,
    may_stay_silent: bool,
}

impl TerminalRole {
    pub(crate) fn new(
        expected: Expected,
        size: Option<TerminalSize>,
        flow: OutputFlow,
        state: watch::Receiver<SessionState>,
        stop: CancellationToken,
    ) -> (Self, TerminalHandle, mpsc::Receiver<Piece>) {
        let (input, keys) = mpsc::channel(WRITES_WAITING);
        let shared_size = Arc::new(SharedSize::default());
        if let Some(size) = size {
            shared_size.set(size);
        }
        let (outflow, pieces, meter) = Outflow::new(flow);
        let is_interrupted = Arc::new(AtomicBool::new(false));
        let handle = TerminalHandle {
            input,
            size: Arc::clone(&shared_size),
            state,
            is_interrupted: Arc::clone(&is_interrupted),
            meter,
            stop: stop.clone(),
            guard: Arc::new(stop.drop_guard()),
        };
        let role = Self {
            expected,
            input: keys,
            held: VecDeque::new(),
            held_bytes: 0,
            is_interrupted,
            sizes: Sizes::new(shared_size),
            outflow,
            may_stay_silent: true,
        };
        (role, handle, pieces)
    }

    /// Takes writes in as far as they may be held, and an interrupt past all of them.
    fn poll_input(&mut self, cx: &mut Context<'_>) {
        let is_interrupted = self.is_interrupted.swap(false, Ordering::AcqRel);
        while is_interrupted || self.held_bytes < HELD_BYTES {
            match self.input.poll_recv(cx) {
                Poll::Ready(Some(bytes)) => {
                    if *bytes == *INTERRUPT {
                        self.held.clear();
                        self.held_bytes = 0;
                    }
                    self.held_bytes += bytes.len();
                    self.held.push_back(bytes);
                }
                Poll::Ready(None) | Poll::Pending => return,
            }
        }
    }
}

impl Role for TerminalRole {
    fn handle_ready(&mut self, ready: &protocol::Ready, _now: Instant) -> Result<(), &'static str> {
        match (&ready.kind, self.expected) {
            (
                SessionKind::Shell | SessionKind::InteractiveCommand,
                Expected::Terminal | Expected::Either,
            )
            | (SessionKind::NonInteractiveCommand, Expected::Command | Expected::Either) => Ok(()),
            (_, Expected::Terminal | Expected::Either) => Err("terminal"),
            (_, Expected::Command) => Err("command without a terminal"),
        }
    }

    fn handle_event(
        &mut self,
        event: Event,
        _channel: &mut DataChannel,
        _now: Instant,
    ) -> Result<(), PeerError> {
        if let Event::Output(bytes) = event {
            self.outflow.push(Stream::Output, bytes);
        } else if let Event::StdErr(bytes) = event {
            self.outflow.push(Stream::Error, bytes);
        }
        Ok(())
    }

    fn poll_local(
        &mut self,
        cx: &mut Context<'_>,
        channel: &mut DataChannel,
        now: Instant,
    ) -> Poll<Wish> {
        self.sizes.look(channel, now);
        self.poll_input(cx);
        self.outflow.poll_flush(cx, now);
        Poll::Pending
    }

    fn feed(&mut self, channel: &mut DataChannel) -> bool {
        let capacity = channel.input_capacity();
        let Some(front) = self.held.front_mut() else { return false };
        if capacity == 0 {
            return false;
        }
        let piece = front.split_to(front.len().min(capacity));
        if front.is_empty() {
            self.held.pop_front();
        }
        self.held_bytes -= piece.len();
        if let Err(error) = channel.send_input(piece.clone()) {
            tracing::debug!(%error, "input waits");
            self.held_bytes += piece.len();
            self.held.push_front(piece);
            return false;
        }
        true
    }

    fn takes_output(&self) -> bool {
        self.outflow.has_room()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        [self.sizes.due, self.outflow.poll_timeout()].into_iter().flatten().min()
    }

    fn handle_timeout(&mut self, channel: &mut DataChannel, now: Instant) {
        self.sizes.handle_timeout(channel, now);
    }

    fn may_stay_silent(&self) -> bool {
        self.may_stay_silent
    }

    fn may_finish(&self) -> bool {
        true
    }

    fn ends_by_flag(&self) -> bool {
        false
    }

    fn handle_end(&mut self, _end: &SessionEnd) -> BoxFuture<'static, ()> {
        self.input.close();
        Box::pin(self.outflow.close().deliver())
    }
}

/// The terminal's size as the handle last told it; all zero while there is none.
#[derive(Debug, Default)]
struct SharedSize(AtomicU32);

impl SharedSize {
    fn set(&self, size: TerminalSize) {
        let packed = u32::from(size.cols) << 16 | u32::from(size.rows);
        self.0.store(packed, Ordering::Release);
    }

    fn get(&self) -> Option<TerminalSize> {
        let packed = self.0.load(Ordering::Acquire);
        let [high, low] = [packed >> 16, packed & 0xffff].map(|half| half as u16);
        (packed != 0).then_some(TerminalSize { cols: high, rows: low })
    }
}

/// Sends the first size as early as may be, later ones once they have settled.
#[derive(Debug)]
struct Sizes {
    wanted: Arc<SharedSize>,
    seen: Option<TerminalSize>,
    sent: Option<TerminalSize>,
    due: Option<Instant>,
}

impl Sizes {
    fn new(wanted: Arc<SharedSize>) -> Self {
        Self { wanted, seen: None, sent: None, due: None }
    }

    fn look(&mut self, channel: &mut DataChannel, now: Instant) {
        let wanted = self.wanted.get();
        if wanted == self.seen {
            return;
        }
        self.seen = wanted;
        if self.sent.is_none() {
            self.send(channel);
        } else {
            self.due = Some(now + RESIZE_SETTLE);
        }
    }

    fn handle_timeout(&mut self, channel: &mut DataChannel, now: Instant) {
        if self.due.is_some_and(|due| due <= now) {
            self.send(channel);
        }
    }

    fn send(&mut self, channel: &mut DataChannel) {
        self.due = None;
        if let Some(size) = self.seen
            && self.sent != Some(size)
        {
            self.sent = Some(size);
            channel.send_size(u32::from(size.cols), u32::from(size.rows));
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::PayloadType;

    use super::*;
    use crate::clock;
    use crate::state::SessionEnd;
    use crate::testing::{Agent, Door, bench, reach, soon};

    const SMALL: TerminalSize = TerminalSize { cols: 80, rows: 24 };

    fn spec() -> TerminalSpec {
        let request = StartRequest { target: "i-1".into(), ..StartRequest::default() };
        TerminalSpec { request, size: Some(SMALL), ..TerminalSpec::default() }
    }

    async fn open(spec: TerminalSpec) -> (Engine, Door, Agent, TerminalHandle, TerminalOutput) {
        let (engine, account, mut door) = bench();
        let (handle, output) = engine.terminal(account.plane(), spec);
        let agent = door.agent().await;
        (engine, door, agent, handle, output)
    }

    async fn size(agent: &mut Agent) -> String {
        let message = agent.any_input().await;
        assert_eq!(message.payload_type, PayloadType::Size);
        String::from_utf8(message.payload.to_vec()).expect("JSON")
    }

    #[tokio::test(start_paused = true)]
    async fn the_size_is_there_before_the_prompt() {
        let (_engine, _door, mut agent, _handle, _output) = open(spec()).await;
        assert_eq!(size(&mut agent).await, r#"{"cols":80,"rows":24}"#);
    }

    #[tokio::test(start_paused = true)]
    async fn keys_typed_early_wait_for_the_prompt_and_sizes_settle() {
        let (_engine, _door, mut agent, handle, _output) = open(spec()).await;
        assert!(handle.write(Bytes::from_static(b"ls\r")).await);
        assert_eq!(size(&mut agent).await, r#"{"cols":80,"rows":24}"#);
        agent.print("$ ").await;
        // An agent that was not ready has forgotten the size: it is told again.
        assert_eq!(size(&mut agent).await, r#"{"cols":80,"rows":24}"#);
        assert_eq!(agent.typed(3).await, b"ls\r");
        let before = clock::now();
        for cols in 81..=120 {
            handle.resize(TerminalSize { cols, rows: 30 });
            tokio::task::yield_now().await;
        }
        assert_eq!(size(&mut agent).await, r#"{"cols":120,"rows":30}"#);
        assert!(clock::now() - before >= RESIZE_SETTLE);
    }

    #[tokio::test(start_paused = true)]
    async fn output_waits_for_a_reader_that_does_not_acknowledge() {
        let flow = OutputFlow { window_bytes: 64 * 1024, ..OutputFlow::default() };
        let (_engine, _door, mut agent, handle, mut output) =
            open(TerminalSpec { flow, ..spec() }).await;
        const LINES: usize = 4096;
        let printing = tokio::spawn(async move {
            for _ in 0..LINES {
                agent.print(Bytes::from_static(&[b'x'; 1000])).await;
            }
            agent.drain().await;
            agent
        });
        let mut unacknowledged = 0;
        let mut total = 0;
        while total < LINES * 1000 {
            let piece = soon(output.next()).await.expect("output");
            total += piece.len();
            unacknowledged += piece.len();
            // One read batch may follow after the window has filled.
            assert!(unacknowledged <= flow.window_bytes + 64 * 1000, "{unacknowledged}");
            if unacknowledged > flow.window_bytes / 2 {
                handle.acknowledge(std::mem::take(&mut unacknowledged));
            }
        }
        soon(printing).await.expect("all acknowledged");
    }

    #[tokio::test(start_paused = true)]
    async fn an_interrupt_overtakes_a_paste() {
        let (_engine, _door, mut agent, handle, _output) = open(spec()).await;
        agent.print("$ ").await;
        agent.is_acknowledging = false;
        let paste = Bytes::from(vec![b'p'; 100_000]);
        assert!(handle.write(paste).await);
        assert!(handle.write(Bytes::from_static(INTERRUPT)).await);
        // What is on its way cannot be taken back: a window of it, no more.
        agent.is_acknowledging = true;
        let mut before = 0;
        loop {
            let typed = agent.typed(1).await;
            if typed.ends_with(INTERRUPT) {
                break;
            }
            before += typed.len();
        }
        assert!(before <= 16 * 1024, "{before}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_shell_that_exits_ends_in_good_order() {
        let (_engine, _door, mut agent, handle, mut output) = open(spec()).await;
        agent.print("$ exit\r\n").await;
        agent.end("").await;
        let mut states = handle.state();
        let is_over = |state: &SessionState| matches!(state, SessionState::Ended(_));
        let SessionState::Ended(end) = reach(&mut states, is_over).await else { unreachable!() };
        assert!(matches!(end, SessionEnd::Finished { exit_status: None }), "{end:?}");
        assert_eq!(soon(output.next()).await.expect("the last output"), "$ exit\r\n");
        assert_eq!(soon(output.next()).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_port_session_is_no_terminal() {
        let (_engine, _door, mut agent, handle, _output) = open(spec()).await;
        agent.shake("Port", r#"{"portNumber":"80"}"#).await;
        let mut states = handle.state();
        let is_over = |state: &SessionState| matches!(state, SessionState::Ended(_));
        let SessionState::Ended(end) = reach(&mut states, is_over).await else { unreachable!() };
        let text = end.error().expect("an error").to_string();
        assert!(text.contains("opens a port session, not a terminal"), "{text}");
    }
}
