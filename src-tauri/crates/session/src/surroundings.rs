//! What happens to the computer that makes every open socket doubtful: it slept, or its network
//! changed. Drivers hear of it at once and probe, rather than wait for a timer.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::{self, Reading};

#[cfg(target_os = "linux")]
mod linux;

/// How often to look where the system tells nothing by itself.
const LOOK_INTERVAL: Duration = Duration::from_secs(3);

/// Something that may have broken every socket without closing any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disturbance {
    /// The computer slept and is awake again.
    Woke,
    /// Traffic now leaves by another address, or by none, or by one again.
    NetworkChanged,
}

/// Tells every driver of an engine about disturbances.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    latest: watch::Sender<Option<Disturbance>>,
}

impl Surroundings {
    pub(crate) fn new() -> Self {
        Self { latest: watch::Sender::new(None) }
    }

    /// Makes it known that something happened, also when it is what happened last.
    pub(crate) fn report(&self, disturbance: Disturbance) {
        tracing::info!(?disturbance, "every socket is doubtful");
        self.latest.send_replace(Some(disturbance));
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Option<Disturbance>> {
        self.latest.subscribe()
    }

    /// Watches the operating system on tasks of `tracker` until `stop`.
    pub(crate) fn watch(&self, tracker: &TaskTracker, stop: &CancellationToken) {
        let (sleep, network) = (self.clone(), self.clone());
        tracker.spawn(stop.clone().run_until_cancelled_owned(sleep.watch_sleep()));
        tracker.spawn(stop.clone().run_until_cancelled_owned(network.watch_network()));
    }

    async fn watch_sleep(self) {
        #[cfg(target_os = "linux")]
        if let Err(error) = linux::watch_sleep(&self).await {
            tracing::debug!(%error, "no sleep events; looking instead");
        }
        self.look_for_sleep().await;
    }

    async fn watch_network(self) {
        #[cfg(target_os = "linux")]
        if let Err(error) = linux::watch_network(&self).await {
            tracing::debug!(%error, "no network events; looking instead");
        }
        self.look_for_network().await;
    }

    async fn look_for_sleep(self) {
        let mut before = Reading::take();
        loop {
            let asleep_at = clock::now();
            tokio::time::sleep(LOOK_INTERVAL).await;
            // Where every clock counts sleep, being this late is the sign of it.
            if clock::now().saturating_duration_since(asleep_at) > 4 * LOOK_INTERVAL {
                self.report(Disturbance::Woke);
                before = Reading::take();
            } else {
                self.compare_sleep(&mut before);
            }
        }
    }

    async fn look_for_network(self) {
        let mut before = Routes::look();
        loop {
            tokio::time::sleep(LOOK_INTERVAL).await;
            self.compare_network(&mut before);
        }
    }

    fn compare_sleep(&self, before: &mut Reading) {
        let after = Reading::take();
        if after.slept_since(*before).is_some() {
            self.report(Disturbance::Woke);
        }
        *before = after;
    }

    fn compare_network(&self, before: &mut Routes) {
        let after = Routes::look();
        if after != *before {
            self.report(Disturbance::NetworkChanged);
        }
        *before = after;
    }
}

/// The addresses traffic to the world would leave by.
#[derive(Debug, PartialEq, Eq)]
struct Routes {
    v4: Option<IpAddr>,
    v6: Option<IpAddr>,
}

impl Routes {
    /// Asks the routing table by connecting datagram sockets, which sends nothing. The far
    /// addresses are those set aside for documentation, so they go by the default route.
    fn look() -> Self {
        let leaves_by = |from: &str, to: &str| {
            let socket = UdpSocket::bind(from).ok()?;
            socket.connect(to).ok()?;
            socket.local_addr().as_ref().map(SocketAddr::ip).ok()
        };
        Self {
            v4: leaves_by("0.0.0.0:0", "192.0.2.1:9"),
            v6: leaves_by("[::]:0", "[2001:db8::1]:9"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_same_disturbance_twice_is_told_twice() {
        let surroundings = Surroundings::new();
        let mut told = surroundings.subscribe();
        for _ in 0..2 {
            surroundings.report(Disturbance::Woke);
            assert!(told.has_changed().unwrap());
            assert_eq!(*told.borrow_and_update(), Some(Disturbance::Woke));
        }
    }

    #[test]
    fn only_a_changed_route_is_told() {
        let surroundings = Surroundings::new();
        let told = surroundings.subscribe();
        let mut routes = Routes::look();
        surroundings.compare_network(&mut routes);
        assert!(!told.has_changed().unwrap());
        routes = Routes { v4: Some(IpAddr::from([192, 0, 2, 77])), v6: None };
        surroundings.compare_network(&mut routes);
        assert!(told.has_changed().unwrap());
    }
}
