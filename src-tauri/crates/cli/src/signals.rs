//! Being asked to stop by the system.

/// What the system, or the person at the terminal, asks of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Ctrl-C that comes as a signal, not as a key.
    Interrupt,
    /// Ctrl-\.
    Quit,
    /// A closed terminal.
    HangUp,
    /// A plain `kill`, or the end of the day.
    Terminate,
}

impl Signal {
    /// The exit status by which a shell tells that this signal ended a program.
    pub(crate) fn exit_status(self) -> u8 {
        match self {
            Self::HangUp => 129,
            Self::Interrupt => 130,
            Self::Quit => 131,
            Self::Terminate => 143,
        }
    }
}

/// Hears signals from its making on; none of those ends the process by itself any more.
#[derive(Debug)]
pub(crate) struct Signals(platform::Listeners);

impl Signals {
    pub(crate) fn listen() -> Self {
        Self(platform::Listeners::new())
    }

    /// Waits for the next. Cancel safe.
    pub(crate) async fn next(&mut self) -> Signal {
        self.0.next().await
    }
}

/// Waits until this process is asked to stop, in whatever way.
pub(crate) async fn asked_to_stop() -> Signal {
    Signals::listen().next().await
}

#[cfg(unix)]
mod platform {
    use std::task::{Context, Poll};

    use tokio::signal::unix::{Signal as Listener, SignalKind, signal};

    use super::Signal;

    #[derive(Debug)]
    pub(super) struct Listeners(Vec<(Signal, Listener)>);

    impl Listeners {
        pub(super) fn new() -> Self {
            let kinds = [
                (Signal::Interrupt, SignalKind::interrupt()),
                (Signal::Quit, SignalKind::quit()),
                (Signal::HangUp, SignalKind::hangup()),
                (Signal::Terminate, SignalKind::terminate()),
            ];
            // One without a handler ends the process as the system has it.
            let listener = |(kind, number)| Some((kind, signal(number).ok()?));
            Self(kinds.into_iter().filter_map(listener).collect())
        }

        pub(super) async fn next(&mut self) -> Signal {
            std::future::poll_fn(|cx| self.poll(cx)).await
        }

        fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Signal> {
            for (kind, listener) in &mut self.0 {
                if let Poll::Ready(Some(())) = listener.poll_recv(cx) {
                    return Poll::Ready(*kind);
                }
            }
            Poll::Pending
        }
    }
}

#[cfg(windows)]
mod platform {
    use tokio::signal::windows::{
        CtrlBreak, CtrlC, CtrlClose, CtrlShutdown, ctrl_break, ctrl_c, ctrl_close, ctrl_shutdown,
    };

    use super::Signal;

    #[derive(Debug)]
    pub(super) struct Listeners(Option<(CtrlC, CtrlBreak, CtrlClose, CtrlShutdown)>);

    impl Listeners {
        pub(super) fn new() -> Self {
            let all = || {
                Some((
                    ctrl_c().ok()?,
                    ctrl_break().ok()?,
                    ctrl_close().ok()?,
                    ctrl_shutdown().ok()?,
                ))
            };
            Self(all())
        }

        pub(super) async fn next(&mut self) -> Signal {
            let Some((interrupt, quit, close, shutdown)) = &mut self.0 else {
                return std::future::pending().await;
            };
            tokio::select! {
                _ = interrupt.recv() => Signal::Interrupt,
                _ = quit.recv() => Signal::Quit,
                _ = close.recv() => Signal::HangUp,
                _ = shutdown.recv() => Signal::Terminate,
            }
        }
    }
}
