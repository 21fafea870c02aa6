//! Downloads from an agent at its own pace.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::plain::Plain;
use super::sink::mib_a_second;
use crate::ground::{Ground, Tunnel, median};
use crate::throughput::{PAGE, get};
use crate::{Measured, tell};

const MIB: usize = 1024 * 1024;
const ROUNDS: usize = 3;

/// What one lane brings of what a client that only acknowledges gets.
pub(crate) async fn beside_offered() -> Measured<f64> {
    let length = 4 * MIB;
    let ground = Ground::start().await?;
    let tunnel = ground.tunnel(PAGE)?;
    get(&tunnel, "/health").await?;
    let (mut ours, mut offered) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        offered.push(plain_rate(&ground, length).await?);
        ours.push(rate(&tunnel, length).await?);
    }
    let (ours, offered) = (median(&mut ours), median(&mut offered));
    tell(&format!("MiB/s: ours {ours:.3}, offered {offered:.3}"));
    drop(tunnel);
    ground.stop().await;
    Ok(ours / offered)
}

async fn plain_rate(ground: &Ground, length: usize) -> Measured<f64> {
    let mut client = Plain::open(ground, PAGE).await?;
    let request = format!("GET /bytes/{length} HTTP/1.1\r\nhost: node\r\n\r\n");
    let start = Instant::now();
    client.write(request.as_bytes(), Duration::ZERO).await?;
    // The answer's head makes no difference to the rate.
    client.read(length).await?;
    let rate = mib_a_second(length, start.elapsed());
    client.close().await?;
    Ok(rate)
}

async fn rate(tunnel: &Tunnel, length: usize) -> Measured<f64> {
    let start = Instant::now();
    get(tunnel, &format!("/bytes/{length}")).await?;
    Ok(mib_a_second(length, start.elapsed()))
}

/// Eight at once over four lanes, as a multiple of eight at once over one.
pub(crate) async fn lanes() -> Measured<f64> {
    let ground = Ground::start().await?;
    let one = eight(&ground, 1, MIB).await?;
    let four = eight(&ground, 4, 3 * MIB).await?;
    tell(&format!("MiB/s: one lane {one:.2}, four lanes {four:.2}"));
    ground.stop().await;
    Ok(four / one)
}

async fn eight(ground: &Ground, lanes: u8, length: usize) -> Measured<f64> {
    let mut spec = ground.spec(PAGE);
    spec.lanes = lanes;
    let tunnel = std::sync::Arc::new(ground.tunnel_by(ground.app.engine(), spec)?);
    get(&tunnel, "/health").await?;
    let start = Instant::now();
    let mut downloads = JoinSet::new();
    for _ in 0..8 {
        let tunnel = std::sync::Arc::clone(&tunnel);
        downloads.spawn(async move { get(&tunnel, &format!("/bytes/{length}")).await });
    }
    while let Some(done) = downloads.join_next().await {
        done??;
    }
    Ok(mib_a_second(8 * length, start.elapsed()))
}
