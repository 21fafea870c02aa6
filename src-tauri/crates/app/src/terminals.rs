//! Terminals: sessions that outlive their websockets, and tabs that outlive their sessions.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws::Platform;
use bytes::Bytes;
use session::{Disturbance, TerminalHandle};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::desktop::OutputSink;
use crate::event::Event;
use crate::ground::Ground;
use crate::view::{
    AppError, ErrorCode, InputEncoding, NodePlatform, StartStep, TargetView, TerminalId,
    TerminalSize, TerminalState, TerminalStateView,
};

mod preferences;
mod run;
mod state;

/// Every terminal of a desktop. Clones speak for the same ones.
#[derive(Clone)]
pub(crate) struct Terminals(Arc<Inner>);

struct Inner {
    ground: Ground,
    preferences: preferences::Preferences,
    terminals: Mutex<BTreeMap<TerminalId, Terminal>>,
}

/// The way to a terminal's session.
#[derive(Clone)]
enum Line {
    /// There will be one.
    Coming,
    /// Here it is.
    Open(TerminalHandle),
    /// The session is over.
    Over,
}

/// One terminal, over or not.
struct Terminal {
    view: TerminalStateView,
    size: TerminalSize,
    /// Its session, for whoever types before there is one too.
    line: watch::Sender<Line>,
    /// Ends its task, and so its session.
    stop: CancellationToken,
    /// Wakes its task from waiting.
    retry: Arc<tokio::sync::Notify>,
}

impl Terminals {
    pub(crate) fn new(ground: Ground) -> Self {
        Self(Arc::new(Inner {
            ground,
            preferences: preferences::Preferences::default(),
            terminals: Mutex::default(),
        }))
    }

    fn terminals(&self) -> MutexGuard<'_, BTreeMap<TerminalId, Terminal>> {
        self.0.terminals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a session for a new or ended terminal.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::Invalid`] for a terminal that lives.
    pub(crate) fn open(
        &self,
        id: TerminalId,
        target: TargetView,
        size: TerminalSize,
        output: OutputSink,
    ) -> Result<(), AppError> {
        let mut terminals = self.terminals();
        if terminals.get(&id).is_some_and(|known| !state::is_over(&known.view.state)) {
            let message = format!("The terminal on {} is open already.", target.node_name);
            return Err(AppError { code: ErrorCode::Invalid, message, detail: None });
        }
        let view = TerminalStateView {
            id: id.clone(),
            target,
            state: TerminalState::Starting { step: StartStep::Session },
            user: None,
            idle_end_ms: None,
            session_id: None,
        };
        let terminal = Terminal {
            view: view.clone(),
            size,
            line: watch::Sender::new(Line::Coming),
            stop: CancellationToken::new(),
            retry: Arc::default(),
        };
        let (stop, retry) = (terminal.stop.clone(), Arc::clone(&terminal.retry));
        let line = terminal.line.clone();
        self.0.ground.outbox.put(Event::Terminal(view));
        terminals.insert(id.clone(), terminal);
        drop(terminals);
        let task = run::Run::new(self.clone(), id, line, output, retry);
        self.0.ground.tasks.start(async move {
            stop.run_until_cancelled_owned(task.run()).await;
        });
        Ok(())
    }

    /// Types. Waits while the far side takes nothing.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NotFound`], or [`ErrorCode::SessionEnded`] once it is over.
    pub(crate) async fn write(
        &self,
        id: &TerminalId,
        data: &str,
        encoding: InputEncoding,
    ) -> Result<(), AppError> {
        let mut line = {
            let terminals = self.terminals();
            terminals.get(id).ok_or_else(no_such)?.line.subscribe()
        };
        let bytes = match encoding {
            InputEncoding::Utf8 => Bytes::copy_from_slice(data.as_bytes()),
            // Each unit stands for one byte; there is nothing beyond them to lose.
            InputEncoding::Binary => {
                data.encode_utf16().map(|unit| unit.to_le_bytes()).map(|[low, _]| low).collect()
            }
        };
        let handle = match line.wait_for(|line| !matches!(line, Line::Coming)).await.as_deref() {
            Ok(Line::Open(handle)) => handle.clone(),
            Ok(Line::Coming | Line::Over) | Err(_) => return Err(over()),
        };
        if handle.write(bytes).await { Ok(()) } else { Err(over()) }
    }

    /// Tells the far side the terminal's size.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NotFound`].
    pub(crate) fn resize(&self, id: &TerminalId, size: TerminalSize) -> Result<(), AppError> {
        let mut terminals = self.terminals();
        let terminal = terminals.get_mut(id).ok_or_else(no_such)?;
        terminal.size = size;
        if let Line::Open(handle) = &*terminal.line.borrow() {
            handle.resize(session::TerminalSize { cols: size.cols, rows: size.rows });
        }
        Ok(())
    }

    /// Says that so much more output was drawn.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NotFound`].
    pub(crate) fn acknowledge(&self, id: &TerminalId, bytes: u32) -> Result<(), AppError> {
        let terminals = self.terminals();
        let terminal = terminals.get(id).ok_or_else(no_such)?;
        if let Line::Open(handle) = &*terminal.line.borrow() {
            handle.acknowledge(usize::try_from(bytes).unwrap_or(usize::MAX));
        }
        Ok(())
    }

    /// Does not wait for the next try.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NotFound`].
    pub(crate) fn retry(&self, id: &TerminalId) -> Result<(), AppError> {
        let terminals = self.terminals();
        let terminal = terminals.get(id).ok_or_else(no_such)?;
        terminal.retry.notify_one();
        if matches!(
            terminal.view.state,
            TerminalState::Reconnecting { .. } | TerminalState::Waiting { .. }
        ) {
            self.0.ground.engine.disturb(Disturbance::NetworkChanged);
        }
        Ok(())
    }

    /// Ends a terminal's session and forgets it; one that is not known is fine.
    pub(crate) fn close(&self, id: &TerminalId) {
        if let Some(terminal) = self.terminals().remove(id) {
            terminal.end();
        }
    }

    /// Ends all, because nobody is there to see them any more.
    pub(crate) fn close_all(&self) {
        let all = std::mem::take(&mut *self.terminals());
        all.into_values().for_each(Terminal::end);
    }

    /// Changes what is shown of a terminal, and tells it if it is any different. A terminal that
    /// was closed, or opened anew by another task, is left alone.
    fn show(
        &self,
        id: &TerminalId,
        line: &watch::Sender<Line>,
        change: impl FnOnce(&mut TerminalStateView),
    ) {
        let mut terminals = self.terminals();
        let Some(terminal) = terminals.get_mut(id).filter(|known| known.line.same_channel(line))
        else {
            return;
        };
        let before = terminal.view.clone();
        change(&mut terminal.view);
        if terminal.view != before {
            let (from, to) = (state::word(&before.state), state::word(&terminal.view.state));
            if from != to {
                tracing::info!(terminal = %id.0, from, to, "terminal");
            }
            self.0.ground.outbox.put(Event::Terminal(terminal.view.clone()));
        }
    }

    /// Tells a node's kind, as far as it is known.
    fn platform(&self, target: &TargetView) -> Platform {
        let inventories = &self.0.ground.inventories;
        let node = inventories.node(&target.profile_id, &target.region, &target.node_id);
        match node.map(|node| node.platform) {
            Some(NodePlatform::Linux) => Platform::Linux,
            Some(NodePlatform::Windows) => Platform::Windows,
            Some(NodePlatform::Macos) => Platform::MacOs,
            Some(NodePlatform::Unknown) | None => Platform::Unknown,
        }
    }

    fn size(&self, id: &TerminalId) -> Option<TerminalSize> {
        self.terminals().get(id).map(|terminal| terminal.size)
    }

    fn target(&self, id: &TerminalId) -> Option<TargetView> {
        self.terminals().get(id).map(|terminal| terminal.view.target.clone())
    }
}

impl Terminal {
    fn end(self) {
        if let Line::Open(handle) = &*self.line.borrow() {
            handle.end();
        }
        self.stop.cancel();
    }
}

fn no_such() -> AppError {
    let message = "There is no such terminal.".to_owned();
    AppError { code: ErrorCode::NotFound, message, detail: None }
}

fn over() -> AppError {
    let message = "The session of this terminal is over.".to_owned();
    AppError { code: ErrorCode::SessionEnded, message, detail: None }
}
