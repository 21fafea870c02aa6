//! What is worth a notification. Pure: events go in, messages come out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use app::view::{
    ErrorCode, ProfileId, ProfilesView, SettingsView, SignInState, TerminalState, TunnelId,
    TunnelState, TunnelView,
};
use app::{AppError, Event};

/// A tunnel that is back by then was hardly gone.
pub(crate) const LOST_AFTER: Duration = Duration::from_secs(10);

/// What a person is told outside the window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) about: About,
    pub(crate) title: String,
    pub(crate) text: String,
}

/// What a message is about, and so what its button does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// A tunnel was lost.
    Lost(TunnelId),
    /// A tunnel is back.
    Regained(TunnelId),
    /// An account wants its user to sign in.
    SignIn(ProfileId),
    /// The program goes on in the tray.
    Tray,
}

impl Message {
    /// Whether the settings let it through.
    pub(crate) fn is_wanted(&self, settings: Option<&SettingsView>) -> bool {
        settings.is_none_or(|settings| match self.about {
            About::Lost(_) | About::Regained(_) => settings.notify_tunnels,
            About::SignIn(_) => settings.notify_sign_in,
            About::Tray => true,
        })
    }
}

/// What is to be done about an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    Tell(Message),
    /// Ask [`Attention::still_lost`] again after [`LOST_AFTER`].
    Wait(TunnelId, u64),
}

/// What has been told, so that nothing is told twice.
#[derive(Debug, Default)]
pub(crate) struct Attention {
    tunnels: BTreeMap<TunnelId, Watch>,
    /// Accounts whose user was asked to sign in.
    asked: BTreeSet<ProfileId>,
    losses: u64,
}

#[derive(Debug)]
struct Watch {
    name: String,
    stage: Stage,
}

#[derive(Debug, PartialEq, Eq)]
enum Stage {
    /// Never up since it was switched on.
    New,
    Up,
    /// Down for a moment, with the number of this loss and its cause.
    Shaky(u64, String),
    /// Down, and it was told.
    Lost,
}

impl Attention {
    /// Takes an event in.
    pub(crate) fn heed(&mut self, event: &Event) -> Vec<Deed> {
        match event {
            Event::Tunnel(tunnel) => self.tunnel(tunnel).into_iter().collect(),
            Event::Terminal(terminal) => {
                let TerminalState::Waiting { error } = &terminal.state else { return Vec::new() };
                self.sign_in(&terminal.target.profile_id, error).into_iter().collect()
            }
            Event::Profiles(profiles) => {
                self.profiles(profiles);
                Vec::new()
            }
            Event::Inventory(_)
            | Event::TunnelTraffic(_)
            | Event::TunnelLog(_)
            | Event::Bookmarks(_)
            | Event::Settings(_)
            | Event::Notice(_) => Vec::new(),
        }
    }

    /// Asks whether a loss that [`Deed::Wait`] spoke of has lasted.
    pub(crate) fn still_lost(&mut self, id: &TunnelId, loss: u64) -> Option<Deed> {
        let watch = self.tunnels.get_mut(id)?;
        let Stage::Shaky(number, cause) = &watch.stage else { return None };
        if *number != loss {
            return None;
        }
        let told = lost(id, &watch.name, cause);
        watch.stage = Stage::Lost;
        Some(told)
    }

    fn tunnel(&mut self, tunnel: &TunnelView) -> Option<Deed> {
        let id = &tunnel.id;
        let name = tunnel.spec.name.clone();
        let watch = self.tunnels.entry(id.clone()).or_insert(Watch { name, stage: Stage::New });
        watch.name.clone_from(&tunnel.spec.name);
        match &tunnel.state {
            TunnelState::Stopped => {
                self.tunnels.remove(id);
                None
            }
            TunnelState::Starting { .. } => None,
            TunnelState::Ready | TunnelState::Listening { .. } => {
                let was_lost = watch.stage == Stage::Lost;
                watch.stage = Stage::Up;
                was_lost.then(|| regained(tunnel))
            }
            TunnelState::Reconnecting { cause, .. } => {
                if watch.stage != Stage::Up {
                    return None;
                }
                self.losses += 1;
                watch.stage = Stage::Shaky(self.losses, cause.clone());
                Some(Deed::Wait(id.clone(), self.losses))
            }
            TunnelState::Waiting { error } => {
                watch.stage = Stage::Lost;
                self.sign_in(&tunnel.spec.profile_id, error)
            }
            TunnelState::Failed { error, .. } => {
                let was_up = matches!(watch.stage, Stage::Up | Stage::Shaky(..));
                watch.stage = Stage::Lost;
                was_up.then(|| lost(id, &tunnel.spec.name, &error.message))
            }
        }
    }

    fn sign_in(&mut self, profile: &ProfileId, error: &AppError) -> Option<Deed> {
        let asks = error.code == ErrorCode::SignInExpired && self.asked.insert(profile.clone());
        asks.then(|| {
            Deed::Tell(Message {
                about: About::SignIn(profile.clone()),
                title: "Sign-in needed".to_owned(),
                text: error.message.clone(),
            })
        })
    }

    /// Who has signed in may be asked again another time.
    fn profiles(&mut self, profiles: &ProfilesView) {
        for profile in &profiles.profiles {
            if matches!(profile.sign_in, SignInState::Ready { .. }) {
                self.asked.remove(&profile.id);
            }
        }
    }
}

fn lost(id: &TunnelId, name: &str, cause: &str) -> Deed {
    Deed::Tell(Message {
        about: About::Lost(id.clone()),
        title: format!("Tunnel lost: {name}"),
        text: if cause.ends_with('.') { cause.to_owned() } else { format!("{cause}.") },
    })
}

fn regained(tunnel: &TunnelView) -> Deed {
    let text = match tunnel.listening.first() {
        Some(address) => format!("Listening on {address} again."),
        None => "It forwards again.".to_owned(),
    };
    Deed::Tell(Message {
        about: About::Regained(tunnel.id.clone()),
        title: format!("Tunnel regained: {}", tunnel.spec.name),
        text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn a_short_loss_is_not_worth_a_word() {
        let mut attention = Attention::default();
        assert_eq!(attention.heed(&up()), []);
        let deeds = attention.heed(&down());
        let [Deed::Wait(id, loss)] = deeds.as_slice() else {
            panic!("it is not waited: {deeds:?}")
        };
        assert_eq!(attention.heed(&up()), []);
        assert_eq!(attention.still_lost(id, *loss), None);
    }

    #[test]
    fn a_lasting_loss_is_told_once_and_so_is_its_end() {
        let mut attention = Attention::default();
        attention.heed(&up());
        let deeds = attention.heed(&down());
        assert_eq!(attention.heed(&down()), []);
        let [Deed::Wait(id, loss)] = deeds.as_slice() else {
            panic!("it is not waited: {deeds:?}")
        };
        let told = attention.still_lost(id, *loss).expect("it is told");
        assert_eq!(titles(&[told]), ["Tunnel lost: orders"]);
        assert_eq!(attention.still_lost(id, *loss), None);
        assert_eq!(titles(&attention.heed(&up())), ["Tunnel regained: orders"]);
        assert_eq!(attention.heed(&up()), []);
    }

    #[test]
    fn a_tunnel_that_never_was_up_is_no_loss() {
        let mut attention = Attention::default();
        assert_eq!(attention.heed(&down()), []);
        assert_eq!(attention.heed(&failed()), []);
    }

    #[test]
    fn a_failure_is_told_at_once_and_a_stop_is_the_users_own() {
        let mut attention = Attention::default();
        attention.heed(&up());
        assert_eq!(titles(&attention.heed(&failed())), ["Tunnel lost: orders"]);
        attention.heed(&up());
        assert_eq!(attention.heed(&tunnel(TunnelState::Stopped)), []);
        assert_eq!(attention.heed(&up()), []);
    }

    #[test]
    fn signing_in_is_asked_for_once_an_account() {
        let mut attention = Attention::default();
        let waiting = tunnel(TunnelState::Waiting { error: error(ErrorCode::SignInExpired) });
        assert_eq!(titles(&attention.heed(&waiting)), ["Sign-in needed"]);
        assert_eq!(attention.heed(&waiting), []);
    }

    fn titles(deeds: &[Deed]) -> Vec<&str> {
        let titles = deeds.iter().map(|deed| match deed {
            Deed::Tell(message) => message.title.as_str(),
            Deed::Wait(..) => "wait",
        });
        titles.collect()
    }

    fn up() -> Event {
        tunnel(TunnelState::Listening { since_ms: 0 })
    }

    fn down() -> Event {
        tunnel(TunnelState::Reconnecting {
            attempt: 1,
            retry_ms: None,
            cause: "Network changed".to_owned(),
        })
    }

    fn failed() -> Event {
        tunnel(TunnelState::Failed { error: error(ErrorCode::AccessDenied), free_port: None })
    }

    fn error(code: ErrorCode) -> AppError {
        AppError { code, message: "It does not go on.".to_owned(), detail: None }
    }

    fn tunnel(state: TunnelState) -> Event {
        Event::Tunnel(testing::tunnel("t", "orders", state))
    }
}
