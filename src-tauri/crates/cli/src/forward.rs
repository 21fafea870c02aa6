//! `adit forward`: a local port for as long as the command runs.

use std::net::IpAddr;

use app::{Account, App};
use session::{LocalSpec, TunnelEvent, TunnelHandle, TunnelSpec, TunnelState};
use tokio::sync::broadcast::error::RecvError;

use crate::failure::{Failure, say};
use crate::forwarding::Forwarding;
use crate::signals::asked_to_stop;

/// What a forward is to be.
pub(crate) struct Wanted {
    pub(crate) node: String,
    pub(crate) to: Forwarding,
    pub(crate) local_port: Option<u16>,
    pub(crate) bind: Vec<IpAddr>,
    pub(crate) lanes: u8,
    pub(crate) reason: Option<String>,
}

/// Opens the forward and keeps it until the process is asked to stop, or an error ends it.
///
/// # Errors
/// Whatever kept the port or the session from being had.
pub(crate) async fn open(app: &App, account: &Account, wanted: Wanted) -> Result<(), Failure> {
    let node = account.find(&wanted.node).await?;
    let name = node.label().to_owned();
    let mut spec = TunnelSpec::new(node.id.to_string(), wanted.to.port);
    spec.host.clone_from(&wanted.to.host);
    spec.lanes = wanted.lanes;
    spec.reason.clone_from(&wanted.reason);
    let tunnel = listen(app, account, &mut spec, &wanted)?;
    let destination = match &wanted.to.host {
        Some(host) => format!("{host}:{} via {name}", wanted.to.port),
        None => format!("{name}:{}", wanted.to.port),
    };
    say(&format!("Listening on {} for {destination}. Ctrl-C stops it.", tunnel.local()));
    let failed = watch(&tunnel, &destination).await;
    tunnel.stop().await;
    match failed {
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}

/// Without a wish, the same port as over there if it can be had here, else any.
fn listen(
    app: &App,
    account: &Account,
    spec: &mut TunnelSpec,
    wanted: &Wanted,
) -> Result<TunnelHandle, session::Error> {
    let local = |port| match wanted.bind.as_slice() {
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
async fn watch(tunnel: &TunnelHandle, destination: &str) -> Option<std::sync::Arc<session::Error>> {
    let mut state = tunnel.state();
    let mut events = tunnel.events();
    let stop = asked_to_stop();
    tokio::pin!(stop);
    let mut told = Told::Starting;
    loop {
        tokio::select! {
            () = &mut stop => return None,
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
                    return Some(std::sync::Arc::clone(error));
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
}

fn tell(told: Told, state: &TunnelState, destination: &str) -> Told {
    match state {
        TunnelState::Listening { .. } => {
            match told {
                Told::Starting => say(&format!("Connected to {destination}.")),
                Told::Trouble => say("Connected again."),
                Told::Ready => {}
            }
            Told::Ready
        }
        TunnelState::Restarting { error, .. } if told != Told::Trouble => {
            say(&format!("{error}.\n{} The port stays open; it is tried again.", error.advice()));
            Told::Trouble
        }
        TunnelState::Resuming { resuming, .. } if resuming.attempt > 1 && told != Told::Trouble => {
            let cause = match &resuming.error {
                Some(error) => error.to_string(),
                None => resuming.interruption.to_string(),
            };
            say(&format!("{cause}. Reconnecting; open connections wait."));
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
