//! What tunnels move, looked at once a second while connections are open and not at all
//! otherwise.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use session::TunnelStats;

use super::Tunnels;
use crate::clock;
use crate::event::Event;
use crate::view::{TunnelId, TunnelTraffic, TunnelTrafficView};

/// The rate at which traffic is told.
const SECOND: Duration = Duration::from_secs(1);
/// Numbers of connections are told at most this often.
const COUNT_EVERY: Duration = Duration::from_millis(250);

/// Watches for as long as the desktop lives.
pub(super) async fn watch(tunnels: Tunnels) {
    let mut before = BTreeMap::new();
    loop {
        tunnels.0.stirred.notified().await;
        let mut second = tokio::time::interval(SECOND);
        second.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // The first comes at once: the second begins with it.
        second.tick().await;
        let mut was_moving = false;
        while tunnels.count() || was_moving {
            tokio::select! {
                biased;
                _ = second.tick() => {
                    let now = tunnels.stats();
                    let moved = moved(&before, &now);
                    before = now;
                    let is_moving = !moved.is_empty();
                    if is_moving || was_moving {
                        tunnels.tell_traffic(moved);
                    }
                    was_moving = is_moving;
                }
                () = tunnels.0.stirred.notified() => tokio::time::sleep(COUNT_EVERY).await,
            }
        }
    }
}

impl Tunnels {
    fn stats(&self) -> BTreeMap<TunnelId, TunnelStats> {
        let tunnels = self.tunnels();
        let up = tunnels
            .iter()
            .filter_map(|(id, tunnel)| Some((id.clone(), tunnel.handle.as_ref()?.stats())));
        up.collect()
    }

    /// Tells numbers of connections that changed; answers whether any is open.
    fn count(&self) -> bool {
        let tunnels = self.tunnels();
        let mut is_open = false;
        for tunnel in tunnels.values() {
            let Some(handle) = &tunnel.handle else { continue };
            let open = handle.stats().open_connections;
            is_open |= open > 0;
            let open = u32::try_from(open).unwrap_or(u32::MAX);
            self.show(tunnel, |view| view.connections = open);
        }
        is_open
    }

    fn tell_traffic(&self, tunnels: Vec<TunnelTraffic>) {
        if self.0.is_seen.load(Ordering::Relaxed) {
            let view = TunnelTrafficView { at_ms: clock::epoch_ms(), tunnels };
            self.0.ground.outbox.put(Event::TunnelTraffic(view));
        }
    }
}

/// Says what moved between two looks. A tunnel that was started anew begins at nothing.
fn moved(
    before: &BTreeMap<TunnelId, TunnelStats>,
    now: &BTreeMap<TunnelId, TunnelStats>,
) -> Vec<TunnelTraffic> {
    let since = |now: u64, before: u64| now.checked_sub(before).unwrap_or(now);
    let of = |(id, now): (&TunnelId, &TunnelStats)| {
        let before = before.get(id).copied().unwrap_or_default();
        let received = since(now.down_bytes, before.down_bytes);
        let sent = since(now.up_bytes, before.up_bytes);
        (received > 0 || sent > 0).then(|| TunnelTraffic { id: id.clone(), received, sent })
    };
    now.iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(up_bytes: u64, down_bytes: u64) -> TunnelStats {
        TunnelStats { up_bytes, down_bytes, ..TunnelStats::default() }
    }

    #[test]
    fn only_what_moved_is_told() {
        let id = |name: &str| TunnelId(name.to_owned());
        let before = BTreeMap::from([(id("a"), stats(10, 20)), (id("b"), stats(5, 5))]);
        let now = BTreeMap::from([
            (id("a"), stats(11, 20)),
            (id("b"), stats(5, 5)),
            (id("c"), stats(0, 3)),
        ]);
        let moved = moved(&before, &now);
        let told: Vec<_> = moved.iter().map(|t| (t.id.0.as_str(), t.received, t.sent)).collect();
        assert_eq!(told, [("a", 0, 1), ("c", 3, 0)]);
    }

    #[test]
    fn a_tunnel_started_anew_begins_at_nothing() {
        let id = TunnelId("a".to_owned());
        let moved = moved(
            &BTreeMap::from([(id.clone(), stats(100, 100))]),
            &BTreeMap::from([(id, stats(7, 0))]),
        );
        assert_eq!((moved[0].sent, moved[0].received), (7, 0));
    }
}
