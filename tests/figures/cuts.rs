//! A tunnel whose websocket is cut every second.

use serde_json::json;

use crate::ground::Ground;
use crate::throughput::{BYTES, PAGE, get, hex, noise, post};
use crate::{Measured, tell};

/// Whether 64 MiB each way, at once, arrive unchanged and without an error at either program. The
/// agent is a real one, so the download alone lives through some 90 cuts.
pub(crate) async fn tunnel() -> Measured<bool> {
    let ground = Ground::start().await?;
    ground.play(json!({"fault": "gateway", "rules": {"cut_every_ms": 1000}}))?;
    let tunnel = ground.tunnel(PAGE)?;
    let sent = noise(BYTES);
    let path = format!("/bytes/{BYTES}");
    let (up, down) = tokio::join!(post(&tunnel, &sent), get(&tunnel, &path));
    let expected = get(&tunnel, &format!("/sha256/{BYTES}")).await?;
    let up = up.map(|answer| answer.contains(&hex(&sent)));
    let down = down.map(|body| hex(&body).as_bytes() == expected.trim_ascii());
    let upgrades: u64 = ground.emulator.counts().upgrades.values().copied().sum();
    tell(&format!("up {up:?}, down {down:?}, {upgrades} websockets"));
    ground.stop().await;
    Ok(matches!((up, down), (Ok(true), Ok(true))))
}
