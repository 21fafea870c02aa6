//! The drop-in for the official client: started under its name, with its arguments, saying its
//! words, over this product's engine.

mod arguments;
mod granted;
mod words;

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use app::{App, AppConfig};
use arguments::{Asked, Started};
use granted::Granted;
use session::{
    AttachSpec, Attached, CommandHandle, CommandOutput, ControlError, Error, PortSession,
    SessionEnd, SessionId, SessionState, StartRequest, Ticket, Token, TunnelEvent, TunnelHandle,
    TunnelState,
};
use tokio::sync::watch;

use crate::proxy::{self, Joined, LINGER};
use crate::screen::{self, Errors};
use crate::shell::{self, Manners};
use crate::signals::{Signal, Signals};

/// The release whose words and arguments these are.
const VERSION: &str = "1.2.764.0";
/// How long the session may take to be ended at the service.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(5);

/// Does what the official client would. Its exit status is 0 in every case.
pub(crate) async fn run(arguments: &[String]) -> ExitCode {
    match arguments::read(arguments, |name| std::env::var(name).ok()) {
        Asked::Installed => show(words::INSTALLED),
        Asked::Version => show(&format!("{VERSION}\n")),
        Asked::Unknown(operation) => show(&words::unknown_operation(&operation)),
        Asked::InvalidOperation => show(words::INVALID_OPERATION),
        Asked::Malformed(reason) => show(&words::cannot_start(&reason)),
        Asked::StartSession(started) => carry_out(*started).await,
    }
    ExitCode::SUCCESS
}

/// Where words go: the screen, unless it carries a program's data.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Screen {
    Output,
    Error,
}

impl Screen {
    fn show(self, text: &str) {
        match self {
            Self::Output => show(text),
            // Nobody is left to tell if this fails.
            Self::Error => drop(std::io::stderr().write_all(text.as_bytes())),
        }
    }
}

fn show(text: &str) {
    let mut screen = std::io::stdout().lock();
    // Nobody is left to tell if this fails.
    let _ = screen.write_all(text.as_bytes()).and_then(|()| screen.flush());
}

async fn carry_out(started: Started) {
    let id = started.response.session_id.clone();
    // OpenSSH reads our standard output: whether words may go there is known with the session's
    // kind, unless a person is looking.
    let is_watched = std::io::stdout().is_terminal();
    if is_watched {
        show(&words::starting(&id));
    }
    let app = App::open(AppConfig::user());
    app.leave_leftovers();
    session(&app, started, is_watched).await;
    app.shutdown(SHUTDOWN_LIMIT).await;
}

async fn session(app: &App, started: Started, is_watched: bool) {
    let id = started.response.session_id.clone();
    let stream_url = match url::Url::parse(&started.response.stream_url) {
        Ok(url) => url,
        Err(error) => return show(&words::cannot_start(&format!("StreamUrl: {error}"))),
    };
    let (profile, region) = (started.profile.as_deref(), Some(started.region.as_str()));
    let account = match &started.endpoint {
        Some(endpoint) => app.account_at(profile, region, endpoint),
        None => app.account(profile, region),
    };
    let account = account.map(|account| account.control()).map_err(|error| error.to_string());
    let ticket = Ticket {
        session_id: SessionId::new(&id),
        stream_url,
        token: Token::new(started.response.token),
    };
    let control = Arc::new(Granted::new(ticket, account, started.target.is_some()));
    let spec = AttachSpec {
        request: StartRequest {
            target: started.target.unwrap_or_default(),
            document: None,
            parameters: BTreeMap::new(),
            reason: None,
        },
        size: Some(shell::size()),
        flow: shell::flow(),
        linger: LINGER,
    };
    let mut signals = Signals::listen();
    let attached = tokio::select! {
        attached = app.engine().attach(control, spec) => Some(attached),
        _ = signals.next() => None,
    };
    // OpenSSH shows what goes to standard error, and wants to hear of failures only.
    if !is_watched && !matches!(attached, Some(Ok(Attached::Stdio(..)))) {
        show(&words::starting(&id));
    }
    match attached {
        None => show(words::TERMINATE_SIGNAL),
        Some(Err(error)) => {
            let end = SessionEnd::Failed(error);
            // Whoever reads standard output may be a program that makes nothing of words.
            if !is_watched {
                tell_end(Screen::Error, &id, &end);
            }
            tell_end(Screen::Output, &id, &end);
        }
        Some(Ok(Attached::Terminal(terminal, output))) => {
            tell_message(&terminal.state());
            match shell::join(&terminal, output, Manners::Official).await {
                Ok(end) => tell_end(Screen::Output, &id, &end),
                Err(failure) => show(&words::cannot_start(&failure.to_string())),
            }
        }
        Some(Ok(Attached::Command(command, output))) => {
            tell_message(&command.state());
            let end = run_command(&command, output, signals).await;
            if let SessionEnd::Finished { exit_status: Some(status) } = end {
                show(&words::exit_status(status));
            }
            tell_end(Screen::Output, &id, &end);
        }
        Some(Ok(Attached::Stdio(handle, output))) => {
            match proxy::join(&handle, output, signals).await {
                Ok(Joined::Over(end)) if is_watched || end.error().is_some() => {
                    tell_end(Screen::Error, &id, &end);
                }
                Ok(Joined::Over(_) | Joined::Stopped(_)) | Err(_) => {}
            }
        }
        Some(Ok(Attached::Port(port))) => {
            tell_message(&port.state());
            forward(port, &id, signals).await;
        }
    }
}

fn tell_message(state: &watch::Receiver<SessionState>) {
    if let Some(message) = screen::message(state) {
        show(&format!("{message}\n"));
    }
}

fn tell_end(screen: Screen, id: &str, end: &SessionEnd) {
    let text = match end {
        SessionEnd::Asked | SessionEnd::Finished { .. } => words::ended(id, ""),
        SessionEnd::Failed(error) => failure_words(id, error),
    };
    screen.show(&text);
}

fn failure_words(id: &str, error: &Error) -> String {
    if let Error::Reported { text, .. } = error {
        return words::ended(id, text);
    }
    if matches!(error, Error::Ended { .. }) {
        return words::ended(id, "");
    }
    if let Error::Resume { source, .. } = error
        && **source == ControlError::SessionGone
    {
        return words::timed_out(id);
    }
    words::cannot_start(&format!("{error}. {}", error.advice()))
}

/// Shows both outputs on one, as callers who set the outputs' prefixes count on. Control keys
/// go to the command; a signal that ends the official client ends the session.
async fn run_command(
    command: &CommandHandle,
    mut output: CommandOutput,
    mut signals: Signals,
) -> SessionEnd {
    let showing = screen::show(command, &mut output, Errors::Mixed);
    tokio::pin!(showing);
    loop {
        let is_heard = tokio::select! {
            shown = &mut showing => {
                if shown.is_err() {
                    command.end();
                }
                break;
            }
            signal = signals.next() => match signal {
                Signal::Interrupt => command.interrupt().await,
                Signal::Quit => command.quit().await,
                Signal::HangUp | Signal::Terminate => false,
            },
        };
        if !is_heard {
            command.end();
            break;
        }
    }
    screen::ended(command.state()).await
}

async fn forward(port: PortSession, id: &str, mut signals: Signals) {
    let local = port.local().clone();
    let tunnel = match port.listen(&local) {
        Ok(tunnel) => tunnel,
        Err(error) => {
            return show(&words::cannot_start(&format!("{error}. {}", error.advice())));
        }
    };
    let opened = match tunnel.local() {
        session::LocalEnd::Tcp { .. } => {
            words::port_opened(tunnel.local().port().unwrap_or_default(), id)
        }
        session::LocalEnd::Unix { path } => {
            words::unix_socket_opened(&path.display().to_string(), id)
        }
    };
    show(&format!("{opened}{}", words::WAITING_FOR_CONNECTIONS));
    let over = tokio::select! {
        error = watch_tunnel(&tunnel, id) => error,
        _ = signals.next() => {
            show(words::TERMINATE_SIGNAL);
            None
        }
    };
    tunnel.stop().await;
    match over {
        Some(error) => tell_end(Screen::Output, id, &SessionEnd::Failed(error)),
        None => show(&words::ended(id, "")),
    }
}

/// Tells what the official client tells, until the session is over.
async fn watch_tunnel(tunnel: &TunnelHandle, id: &str) -> Option<Arc<Error>> {
    let mut state = tunnel.state();
    let mut events = tunnel.events();
    let mut is_accepted = false;
    loop {
        tokio::select! {
            changed = state.changed() => {
                let now = state.borrow_and_update().clone();
                match now {
                    TunnelState::Failed { error } => return Some(error),
                    TunnelState::Stopped => return None,
                    TunnelState::Starting { .. }
                    | TunnelState::Listening { .. }
                    | TunnelState::Resuming { .. }
                    | TunnelState::Restarting { .. } if changed.is_err() => return None,
                    TunnelState::Starting { .. }
                    | TunnelState::Listening { .. }
                    | TunnelState::Resuming { .. }
                    | TunnelState::Restarting { .. } => {}
                }
            }
            Ok(event) = events.recv() => match event {
                TunnelEvent::Accepted { .. } if !is_accepted => {
                    is_accepted = true;
                    show(&words::connection_accepted(id));
                }
                TunnelEvent::Refused { .. } => show(words::DESTINATION_FAILED),
                TunnelEvent::Accepted { .. }
                | TunnelEvent::ReaderTooSlow { .. }
                | TunnelEvent::ConnectionLost { .. }
                | TunnelEvent::NoSession { .. }
                | TunnelEvent::CustomerMessage { .. }
                | TunnelEvent::PacedByAgent { .. } => {}
            },
        }
    }
}
