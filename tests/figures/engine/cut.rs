//! A large transfer both ways over a websocket that is cut again and again.

use std::time::Duration;

use serde_json::json;
use session::TunnelState;
use tokio::time::timeout;

use super::upload::{end, unlimited, without_limit};
use crate::ground::{Ground, PATIENCE, Tunnel};
use crate::throughput::{PAGE, get, hex, noise, post};
use crate::{Measured, tell};

const BYTES: usize = 256 * 1024 * 1024;
const CUTS: usize = 100;
/// A cut is heard of sooner.
const AGAIN: Duration = Duration::from_millis(50);

/// Whether 256 MiB each way, at once, arrive unchanged and without an error at either program,
/// with 100 cuts at random places of the transfer.
pub(crate) async fn transfer() -> Measured<bool> {
    let ground = Ground::start().await?;
    without_limit(&ground)?;
    ground.play(json!({"fault": "agent", "rules": {"pacing": "none"}}))?;
    let engine = unlimited();
    let tunnel = ground.tunnel_by(&engine, ground.spec(PAGE))?;
    get(&tunnel, "/health").await?;
    let sent = noise(BYTES);
    let path = format!("/bytes/{BYTES}");
    let transfers = async { tokio::join!(post(&tunnel, &sent), get(&tunnel, &path)) };
    let (up, down) = tokio::select! {
        done = transfers => done,
        Err(failed) = cut_at_random(&ground, &tunnel) => return Err(failed),
    };
    let websockets: u64 = ground.emulator.counts().upgrades.values().copied().sum();
    let expected = get(&tunnel, &format!("/sha256/{BYTES}")).await?;
    let up = up.map(|answer| answer.contains(&hex(&sent)));
    let down = down.map(|body| hex(&body).as_bytes() == expected.trim_ascii());
    tell(&format!("up {up:?}, down {down:?}, {websockets} websockets"));
    drop(tunnel);
    end(ground, [engine]).await;
    Ok(matches!((up, down), (Ok(true), Ok(true))) && websockets > CUTS as u64)
}

/// Ends before the transfers do, unless something fails.
async fn cut_at_random(ground: &Ground, tunnel: &Tunnel) -> Measured<()> {
    // Where in the sum of both directions; what is left after the last is enough for cuts that
    // came late.
    let mut places: Vec<u64> = noise(8 * CUTS)
        .chunks_exact(8)
        .map(|word| word.iter().fold(0, |sum: u64, byte| sum << 8 | u64::from(*byte)))
        .map(|number| number % (2 * BYTES as u64 * 3 / 4))
        .collect();
    places.sort_unstable();
    let mut states = tunnel.state();
    for place in places {
        timeout(PATIENCE, passed(tunnel, place)).await?;
        let is_up = |state: &TunnelState| matches!(state, TunnelState::Listening { .. });
        timeout(PATIENCE, states.wait_for(is_up)).await??;
        // A websocket that is not quite open is not cut: then once more.
        ground.play(json!({"fault": "cut"}))?;
        while timeout(AGAIN, states.changed()).await.is_err() {
            ground.play(json!({"fault": "cut"}))?;
        }
    }
    Ok(())
}

/// Waits until so many bytes have passed, both directions together.
async fn passed(tunnel: &Tunnel, bytes: u64) {
    // A tunnel counts and tells nobody: how often it is looked at is how exact the place is.
    let mut looks = tokio::time::interval(Duration::from_millis(1));
    while tunnel.stats().up_bytes + tunnel.stats().down_bytes < bytes {
        looks.tick().await;
    }
}
