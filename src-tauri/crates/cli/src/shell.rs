//! `adit shell`: the person's terminal joined to one on a node.

use std::collections::VecDeque;
use std::future::pending;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use app::{Account, App};
use bytes::Bytes;
use session::{
    OutputFlow, SessionEnd, SessionState, StartRequest, TerminalHandle, TerminalOutput,
    TerminalSize, TerminalSpec,
};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::arguments::Start;
use crate::escape::{Escapes, Typed};
use crate::failure::{Failure, say};
use crate::screen::{ended, message};
use crate::signals::{Signal, Signals};
use crate::tty::{self, RawMode, TtyEvent};

/// Connections that come back within this are nobody's business.
const WORTH_TELLING: Duration = Duration::from_millis(1500);
/// After this long a person wants to know what is going on.
const PATIENCE: Duration = Duration::from_secs(4);
/// What a terminal sends at the end of its input.
const END_OF_INPUT: Bytes = Bytes::from_static(b"\x04");
/// That is said again until it is heard: while a command runs, the node's terminal keeps it for
/// that command, and a shell that reads on later never sees it.
const SAID_AGAIN: Duration = Duration::from_secs(1);
/// What Ctrl-C sends.
const INTERRUPT: &[u8] = b"\x03";
/// What Ctrl-\ sends.
const QUIT: &[u8] = b"\x1c";
/// Pieces of input that wait here; the next ones wait in the terminal.
const MOST_WAITING: usize = 16;
const HELP: &str =
    "~.  leave the session\n~~  send a tilde\n~?  show this (each at the start of a line)";

/// Opens a shell on the node that is meant and stays until it ends.
///
/// # Errors
/// Whatever kept the session from starting or ended it before its shell did.
pub(crate) async fn open(
    app: &App,
    account: &Account,
    wanted: &str,
    start: Start,
) -> Result<ExitCode, Failure> {
    let mut signals = Signals::listen();
    let node = tokio::select! {
        node = account.find(wanted) => node?,
        signal = signals.next() => return Ok(signal.exit_status().into()),
    };
    drop(signals);
    let parameters = start.parameters();
    let Start { document, reason, .. } = start;
    let request = StartRequest { target: node.id.to_string(), document, parameters, reason };
    let spec = TerminalSpec { request, size: Some(size()), flow: flow() };
    let (terminal, output) = app.engine().terminal(account.control(), spec);
    let end = join(&terminal, output, Manners::Ours).await?;
    match end {
        SessionEnd::Failed(error) => Err(error.into()),
        SessionEnd::Asked | SessionEnd::Finished { .. } => Ok(ExitCode::SUCCESS),
    }
}

/// Nothing is gathered: a terminal takes bytes as they come.
pub(crate) fn flow() -> OutputFlow {
    OutputFlow { gather: Duration::ZERO, ..OutputFlow::default() }
}

/// The person's terminal's size, as the engine takes it.
pub(crate) fn size() -> TerminalSize {
    let (cols, rows) = tty::size();
    TerminalSize { cols, rows }
}

/// Whose manners the terminal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manners {
    /// Escapes are looked for if a person types; an interrupt from outside ends the session.
    Ours,
    /// No escapes; an interrupt from outside is typed.
    Official,
}

/// Joins the person's terminal to a session until that ends.
///
/// # Errors
/// [`Failure::Terminal`] or [`Failure::Output`].
pub(crate) async fn join(
    terminal: &TerminalHandle,
    mut output: TerminalOutput,
    manners: Manners,
) -> Result<SessionEnd, Failure> {
    let raw = RawMode::enter().map_err(Failure::Terminal)?;
    let escapes = (manners == Manners::Ours && std::io::stdin().is_terminal()).then(Escapes::new);
    let mut keyboard = JoinSet::new();
    keyboard.spawn(Keyboard::new(terminal.clone(), escapes).run());
    let mut state = terminal.state();
    let mut outage = Outage::default();
    let mut signals = Signals::listen();
    let mut is_greeted = false;
    let patience = sleep(PATIENCE);
    tokio::pin!(patience);
    let mut has_waited = false;
    loop {
        tokio::select! {
            biased;
            Ok(()) = state.changed() => {
                outage.note(&state.borrow_and_update());
                // The drop-in has said it already.
                if manners == Manners::Ours && !is_greeted && let Some(message) = message(&state) {
                    is_greeted = true;
                    say(&message);
                }
            }
            () = outage.due() => outage.tell(),
            () = &mut patience, if !has_waited && manners == Manners::Ours => {
                has_waited = true;
                if is_awaited(terminal) {
                    say("[adit: still waiting for the service and the agent. Ctrl-C gives up]");
                }
            }
            signal = signals.next() => match (signal, manners) {
                (Signal::Interrupt, Manners::Official) => {
                    terminal.write(Bytes::from_static(INTERRUPT)).await;
                }
                (Signal::Quit, Manners::Official) => {
                    terminal.write(Bytes::from_static(QUIT)).await;
                }
                _ => terminal.end(),
            },
            piece = output.next() => match piece {
                Some(piece) => {
                    draw(&piece)?;
                    terminal.acknowledge(piece.len());
                }
                None => break,
            },
        }
    }
    drop(raw);
    Ok(ended(terminal.state()).await)
}

/// Says whether the session has yet to become one.
fn is_awaited(terminal: &TerminalHandle) -> bool {
    matches!(*terminal.state().borrow(), SessionState::Starting | SessionState::Opening { .. })
}

fn draw(piece: &[u8]) -> Result<(), Failure> {
    let mut screen = std::io::stdout().lock();
    screen.write_all(piece).and_then(|()| screen.flush()).map_err(Failure::Output)
}

/// What is typed, on its way to the session. A program that does not read holds input up; an
/// interrupt must not wait behind it.
struct Keyboard {
    terminal: TerminalHandle,
    escapes: Option<Escapes>,
    waiting: VecDeque<Bytes>,
    has_ended: bool,
}

impl Keyboard {
    fn new(terminal: TerminalHandle, escapes: Option<Escapes>) -> Self {
        Self { terminal, escapes, waiting: VecDeque::new(), has_ended: false }
    }

    async fn run(mut self) {
        let mut events = tty::events();
        let mut is_open = true;
        loop {
            let first = self.waiting.front().cloned();
            let has_room = is_open && self.waiting.len() < MOST_WAITING;
            tokio::select! {
                biased;
                event = events.recv(), if has_room => match event {
                    Some(event) => self.take(event),
                    None => is_open = false,
                },
                is_alive = self.terminal.write(first.clone().unwrap_or_default()), if first.is_some() => {
                    self.waiting.pop_front();
                    if !is_alive {
                        return;
                    }
                }
                () = sleep(SAID_AGAIN), if self.has_ended && self.waiting.is_empty() => {
                    self.waiting.push_back(END_OF_INPUT);
                }
                else => return,
            }
        }
    }

    fn take(&mut self, event: TtyEvent) {
        match event {
            TtyEvent::Resized(cols, rows) => self.terminal.resize(TerminalSize { cols, rows }),
            TtyEvent::EndOfInput => {
                self.has_ended = true;
                self.waiting.push_back(END_OF_INPUT);
            }
            // Nothing is there to be interrupted but the wait for it.
            TtyEvent::Typed(bytes) if bytes == INTERRUPT && is_awaited(&self.terminal) => {
                self.terminal.end();
            }
            TtyEvent::Typed(bytes) if bytes == INTERRUPT => {
                self.waiting.clear();
                self.waiting.push_back(bytes.into());
            }
            TtyEvent::Typed(bytes) => self.typed(bytes),
        }
    }

    fn typed(&mut self, mut bytes: Vec<u8>) {
        loop {
            let typed = match &mut self.escapes {
                Some(escapes) => escapes.feed(&bytes),
                None => Typed::Forward(bytes),
            };
            match typed {
                Typed::Forward(forward) => return self.forward(forward),
                Typed::Leave(before) => {
                    self.forward(before);
                    return self.terminal.end();
                }
                Typed::Help { before, rest } => {
                    self.forward(before);
                    say(HELP);
                    bytes = rest;
                }
            }
        }
    }

    fn forward(&mut self, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.waiting.push_back(bytes.into());
        }
    }
}

/// A lost connection, told only when it is not back at once.
#[derive(Default)]
struct Outage {
    since: Option<(Instant, String)>,
    is_told: bool,
}

impl Outage {
    fn note(&mut self, state: &SessionState) {
        match state {
            SessionState::Resuming(resuming) => {
                let cause = resuming.cause();
                match &mut self.since {
                    Some((_, known)) => *known = cause,
                    None => self.since = Some((Instant::now(), cause)),
                }
            }
            SessionState::Ready(_) => {
                if self.is_told {
                    say("[adit: connected again]");
                }
                *self = Self::default();
            }
            SessionState::Starting | SessionState::Opening { .. } | SessionState::Ended(_) => {
                *self = Self::default();
            }
        }
    }

    async fn due(&self) {
        match &self.since {
            Some((since, _)) if !self.is_told => sleep_until(*since + WORTH_TELLING).await,
            Some(_) | None => pending().await,
        }
    }

    fn tell(&mut self) {
        self.is_told = true;
        if let Some((_, cause)) = &self.since {
            say(&format!(
                "[adit: {cause}. Reconnecting; what you type is kept. ~. leaves the session]"
            ));
        }
    }
}
