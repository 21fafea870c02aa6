//! `adit forward`: local ports for as long as the command runs.

use std::io::IsTerminal as _;
use std::net::IpAddr;
use std::sync::Arc;

use app::{Account, App};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use session::{LocalEnd, LocalSpec, Remedy, TunnelEvent, TunnelHandle, TunnelSpec, TunnelState};
use tokio::sync::broadcast::error::RecvError;

use crate::failure::{Failure, say};
use crate::forwarding::Another;
use crate::print;
use crate::signals::Signals;

/// What is to be forwarded, through which node.
pub(crate) struct Wanted {
    pub(crate) node: String,
    pub(crate) forwards: Vec<Another>,
    pub(crate) bind: Vec<IpAddr>,
    pub(crate) lanes: u8,
    pub(crate) reason: Option<String>,
}

/// A forward that listens.
struct Open {
    tunnel: TunnelHandle,
    /// As a person knows it.
    destination: String,
}

/// Opens the forwards and keeps them until the process is asked to stop, or an error ends one.
///
/// # Errors
/// Whatever kept a port or a session from being had.
pub(crate) async fn open(app: &App, account: &Account, wanted: Wanted) -> Result<(), Failure> {
    let mut signals = Signals::listen();
    let node = tokio::select! {
        node = account.find(&wanted.node) => node?,
        _ = signals.next() => return Ok(()),
    };
    let mut open = Vec::new();
    for forward in &wanted.forwards {
        let mut spec = TunnelSpec::new(node.id.to_string(), forward.to.port);
        spec.host.clone_from(&forward.to.host);
        spec.lanes = wanted.lanes;
        spec.reason.clone_from(&wanted.reason);
        let tunnel = listen(app, account, &mut spec, &wanted.bind, forward)?;
        let destination = match &forward.to.host {
            Some(host) => format!("{host}:{} via {}", forward.to.port, node.label()),
            None => format!("{}:{}", node.label(), forward.to.port),
        };
        open.push(Open { tunnel, destination });
    }
    let result = serve(&open, signals).await;
    let stopping: Vec<_> = open.iter().map(|open| open.tunnel.stop()).collect();
    for stopped in stopping {
        stopped.await;
    }
    result
}

async fn serve(open: &[Open], mut signals: Signals) -> Result<(), Failure> {
    let mut told = String::new();
    for Open { tunnel, destination } in open {
        let addresses = addresses(tunnel.local());
        say(&format!(
            "Listening on {} for {destination}. Ctrl-C stops it.",
            addresses.join(" and ")
        ));
        told.extend(addresses.iter().flat_map(|address| [address, "\n"]));
    }
    // A person has been told. Who reads this may well go on without us.
    if !std::io::stdout().is_terminal() {
        drop(print(&told));
    }
    let mut watching: FuturesUnordered<_> = open.iter().map(watch).collect();
    tokio::select! {
        _ = signals.next() => Ok(()),
        Some(Some(error)) = watching.next() => Err(error.into()),
        else => Ok(()),
    }
}

/// Every address it listens on.
fn addresses(local: &LocalEnd) -> Vec<String> {
    match local {
        LocalEnd::Tcp { addresses } => addresses.iter().map(ToString::to_string).collect(),
        LocalEnd::Unix { path } => vec![path.display().to_string()],
    }
}

/// Without a wish, the same port as over there if it can be had here, else any.
fn listen(
    app: &App,
    account: &Account,
    spec: &mut TunnelSpec,
    bind: &[IpAddr],
    wanted: &Another,
) -> Result<TunnelHandle, session::Error> {
    let local = |port| match bind {
        [] => LocalSpec::loopback(port),
        addresses => LocalSpec::Tcp { addresses: addresses.to_vec(), port },
    };
    spec.local = local(wanted.local_port.unwrap_or(wanted.to.port));
    match app.engine().tunnel(account.control(), spec.clone()) {
        Err(session::Error::Bind { .. }) if wanted.local_port.is_none() => {
            spec.local = local(0);
            app.engine().tunnel(account.control(), spec.clone())
        }
        other => other,
    }
}

/// Tells what happens until it is over; answers the error that ended it, if one did.
async fn watch(open: &Open) -> Option<Arc<session::Error>> {
    let Open { tunnel, destination } = open;
    let mut state = tunnel.state();
    let mut events = tunnel.events();
    let mut told = Told::Starting;
    loop {
        tokio::select! {
            changed = state.changed() => {
                let now = state.borrow_and_update().clone();
                if let TunnelState::Failed { error } = now {
                    return Some(error);
                }
                if changed.is_err() || matches!(now, TunnelState::Stopped) {
                    return None;
                }
                // Nobody relies on the port yet: what waiting does not mend is told at once.
                if let TunnelState::Restarting { error, .. } = &now
                    && told == Told::Starting
                    && !is_transient(error)
                {
                    return Some(Arc::clone(error));
                }
                told = tell(told, &now, destination);
            }
            event = events.recv() => match event {
                Ok(event) => {
                    if let Some(words) = words(&event, destination) {
                        say(&words);
                    }
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            },
        }
    }
}

fn is_transient(error: &session::Error) -> bool {
    matches!(error, session::Error::Start { source, .. } if source.is_transient())
}

/// What was told last, so that nothing is told twice.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    Starting,
    Ready,
    Trouble,
    SignIn,
}

fn tell(told: Told, state: &TunnelState, destination: &str) -> Told {
    match state {
        TunnelState::Listening { .. } => {
            match told {
                Told::Starting => say(&format!("Connected to {destination}.")),
                Told::Trouble | Told::SignIn => {
                    say(&format!("Connected to {destination} again."));
                }
                Told::Ready => {}
            }
            Told::Ready
        }
        // Whatever else is wrong, this one only the person can mend.
        TunnelState::Restarting { error, .. }
            if told != Told::SignIn && error.remedy() == Remedy::SignIn =>
        {
            say(&format!("{error}.\n{} The port stays open; it is tried again.", error.advice()));
            Told::SignIn
        }
        TunnelState::Restarting { error, .. } if matches!(told, Told::Starting | Told::Ready) => {
            say(&format!("{error}.\nThe port stays open; a new session is started."));
            Told::Trouble
        }
        TunnelState::Resuming { resuming, .. }
            if resuming.attempt > 1 && matches!(told, Told::Starting | Told::Ready) =>
        {
            say(&format!("{}. Reconnecting; open connections wait.", resuming.cause()));
            Told::Trouble
        }
        TunnelState::Stopped
        | TunnelState::Starting { .. }
        | TunnelState::Resuming { .. }
        | TunnelState::Restarting { .. }
        | TunnelState::Failed { .. } => told,
    }
}

fn words(event: &TunnelEvent, destination: &str) -> Option<String> {
    Some(match event {
        TunnelEvent::Accepted { .. } => return None,
        TunnelEvent::Refused { .. } => format!(
            "The node could not connect to {destination}; the connection was reset. \
             Check that something listens there and that the node may reach it."
        ),
        TunnelEvent::ReaderTooSlow { .. } => {
            "A connection was reset: its program did not read what arrived.".to_owned()
        }
        TunnelEvent::ConnectionLost { .. } => {
            "A connection was reset: its session ended.".to_owned()
        }
        TunnelEvent::NoSession { .. } => {
            "A connection was reset: no session came up for it.".to_owned()
        }
        TunnelEvent::CustomerMessage { text } => text.clone(),
        TunnelEvent::PacedByAgent { connections } => format!(
            "{connections} connections share one session, which the agent slows to under 1 MB/s; \
             --lanes would spread them."
        ),
    })
}
