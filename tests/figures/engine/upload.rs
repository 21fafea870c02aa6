//! Uploads: beside the official client's pace, a plain relay, and another client.

use std::time::{Duration, Instant};

use serde_json::json;
use session::{Engine, EngineConfig, PayloadSize};
use tokio::net::TcpStream;

use super::bridge::Bridge;
use super::plain::Plain;
use super::relay::{Care, Relay};
use super::sink::{self, Sink, mib_a_second};
use crate::ground::{Ground, median};
use crate::{Measured, tell};

const MIB: usize = 1024 * 1024;
/// What the official client sleeps after each of its messages of 1 KiB.
const OFFICIAL_PAUSE: Duration = Duration::from_millis(1);
/// Takes turns so many times.
const ROUNDS: usize = 3;

/// How many times as fast as the official client's pace.
pub(crate) struct Ratios {
    /// With default settings.
    pub(crate) default: f64,
    /// With its own size of messages and no limit on their number.
    pub(crate) one_kib_unlimited: f64,
}

/// The official client is played: its sizes, its pauses, and no other cost than sending.
pub(crate) async fn beside_official() -> Measured<Ratios> {
    let ground = Ground::start().await?;
    let _sink = Sink::on(&ground).await?;
    let default = Engine::new(EngineConfig::default());
    let ours = rate(&ground, &default, 128 * MIB).await?;
    let official = official_rate(&ground, 6 * MIB).await?;
    // More than a thousand messages a second is more than the service is said to take.
    without_limit(&ground)?;
    let config = EngineConfig {
        frames_per_second: None,
        payload_size: PayloadSize::AtMost(1024),
        ..EngineConfig::default()
    };
    let small = Engine::new(config);
    let small_rate = rate(&ground, &small, 64 * MIB).await?;
    tell(&format!(
        "MiB/s: official pace {official:.2}, default {ours:.2}, 1 KiB unlimited {small_rate:.2}"
    ));
    end(ground, [default, small]).await;
    Ok(Ratios { default: ours / official, one_kib_unlimited: small_rate / official })
}

async fn official_rate(ground: &Ground, length: usize) -> Measured<f64> {
    let mut client = Plain::open(ground, sink::PORT).await?;
    let start = Instant::now();
    client.write(&sink::head(length), Duration::ZERO).await?;
    client.write(&vec![7; length], OFFICIAL_PAUSE).await?;
    client.read(1).await?;
    let rate = mib_a_second(length, start.elapsed());
    client.close().await?;
    Ok(rate)
}

/// How much of what a relay carries the engine does, without a limit on messages.
pub(crate) struct Shares {
    /// Of a plain relay over the same websocket library.
    pub(crate) plain: f64,
    /// Of one that also takes the digest the protocol asks for.
    pub(crate) digesting: f64,
}

/// Without a limit on messages, beside relays over the same websocket library.
pub(crate) async fn beside_relay() -> Measured<Shares> {
    let length = 256 * MIB;
    let ground = Ground::start().await?;
    let sink = Sink::on(&ground).await?;
    without_limit(&ground)?;
    let engine = unlimited();
    let tunnel = ground.tunnel_by(&engine, ground.spec(sink::PORT))?;
    // The size of messages is found out once and known from then on.
    sink::rate(&tunnel, 16 * MIB).await?;
    let plain_relay = Relay::to(sink.address, Care::None).await?;
    let digesting_relay = Relay::to(sink.address, Care::Digest).await?;
    let (mut ours, mut plain, mut digesting) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(sink::rate(&tunnel, length).await?);
        plain.push(relayed(&plain_relay, length).await?);
        digesting.push(relayed(&digesting_relay, length).await?);
    }
    let [ours, plain, digesting] = [&mut ours, &mut plain, &mut digesting].map(|all| median(all));
    tell(&format!("MiB/s: ours {ours:.0}, a relay {plain:.0}, with digests {digesting:.0}"));
    drop(tunnel);
    end(ground, [engine]).await;
    Ok(Shares { plain: ours / plain, digesting: ours / digesting })
}

async fn relayed(relay: &Relay, length: usize) -> Measured<f64> {
    let mut stream = TcpStream::connect(relay.address).await?;
    stream.set_nodelay(true)?;
    sink::fill(&mut stream, 1).await?;
    Ok(mib_a_second(length, sink::fill(&mut stream, length).await?))
}

/// Without a limit on messages, which aws-ssm-bridge does not know and a gateway that has one would
/// cut it off for, and without being told when the agent is there, which ends it too.
pub(crate) async fn beside_bridge() -> Measured<f64> {
    let ground = Ground::start().await?;
    let _sink = Sink::on(&ground).await?;
    let rules = json!({"max_frames_per_second": null, "publications": false});
    ground.play(json!({"fault": "gateway", "rules": rules}))?;
    let engine = unlimited();
    let tunnel = ground.tunnel_by(&engine, ground.spec(sink::PORT))?;
    let bridge = Bridge::open(&ground, sink::PORT).await?;
    let mut stream = bridge.connect().await?;
    sink::fill(&mut stream, 1).await?;
    // The size of messages is found out once and known from then on.
    sink::rate(&tunnel, 16 * MIB).await?;
    let length = 64 * MIB;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(sink::rate(&tunnel, length).await?);
        theirs.push(mib_a_second(length, sink::fill(&mut stream, length).await?));
    }
    let (ours, theirs) = (median(&mut ours), median(&mut theirs));
    tell(&format!("MiB/s: ours {ours:.0}, aws-ssm-bridge {theirs:.0}"));
    drop(tunnel);
    end(ground, [engine]).await;
    Ok(ours / theirs)
}

/// MiB a second through a tunnel opened for it.
async fn rate(ground: &Ground, engine: &Engine, length: usize) -> Measured<f64> {
    let tunnel = ground.tunnel_by(engine, ground.spec(sink::PORT))?;
    sink::rate(&tunnel, length).await
}

pub(crate) fn unlimited() -> Engine {
    Engine::new(EngineConfig { frames_per_second: None, ..EngineConfig::default() })
}

pub(crate) fn without_limit(ground: &Ground) -> Measured<()> {
    ground.play(json!({"fault": "gateway", "rules": {"max_frames_per_second": null}}))
}

pub(crate) async fn end<const COUNT: usize>(ground: Ground, engines: [Engine; COUNT]) {
    for engine in engines {
        engine.shutdown(Duration::from_secs(5)).await;
    }
    ground.stop().await;
}
