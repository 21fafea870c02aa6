//! The session engine, beside the official client's pace, a peer, and what path and agent allow.
//!
//! A ratio is of two measurements of one run, taken in turns.

mod bridge;
mod cost;
mod cut;
mod download;
mod idle;
mod latency;
mod plain;
mod process;
mod relay;
mod sink;
mod upload;

use crate::{Figure, Measured, tell};

pub(crate) use idle::hold;

/// Prints every figure; with words, only those of the parts they name.
pub(crate) async fn measure(only: &[&str]) -> Measured<()> {
    let wants = |part: &str| only.is_empty() || only.contains(&part);
    if wants("official") {
        tell("uploads at the official client's pace and at ours");
        let ratios = upload::beside_official().await?;
        print("upload_vs_official_ratio", ratios.default, "ratio")?;
        print("upload_1kib_unlimited_vs_official_ratio", ratios.one_kib_unlimited, "ratio")?;
    }
    if wants("relay") {
        tell("256 MiB up without a limit, and through plain relays, in turns");
        let shares = upload::beside_relay().await?;
        print("upload_unpaced_vs_relay_ratio", shares.plain, "ratio")?;
        print("upload_unpaced_vs_digesting_relay_ratio", shares.digesting, "ratio")?;
    }
    if wants("bridge") {
        tell("64 MiB up without a limit, and with aws-ssm-bridge, in turns");
        print("upload_vs_aws_ssm_bridge_ratio", upload::beside_bridge().await?, "ratio")?;
    }
    if wants("download") {
        downloads().await?;
    }
    if wants("latency") {
        latencies().await?;
    }
    if wants("cost") {
        tell("what 256 MiB up and 12 MiB down cost `adit forward`, as a process of its own");
        print("cpu_ms_per_mib_up", cost::up().await?, "ms/MiB")?;
        print("cpu_ms_per_mib_down", cost::down().await?, "ms/MiB")?;
    }
    if wants("idle") {
        tell("500 idle tunnels in one process, looked at for a minute");
        let idle = idle::tunnels().await?;
        print("idle_tunnel_kib_each", idle.kib_each, "KiB")?;
        print("idle_500_tunnels_cpu_percent", idle.cpu_percent, "%")?;
    }
    if wants("cut") {
        tell("256 MiB up and down at once, the websocket cut 100 times");
        let equal = cut::transfer().await?;
        print("cut_transfer_256mib_sha_equal", f64::from(u8::from(equal)), "bool")?;
    }
    Ok(())
}

async fn downloads() -> Measured<()> {
    tell("downloads from an agent at its own pace, ours and a bare client's, in turns");
    print("download_one_lane_vs_offered_ratio", download::beside_offered().await?, "ratio")?;
    tell("eight downloads at once, over four lanes and over one");
    print("download_four_lanes_vs_one_ratio", download::lanes().await?, "ratio")
}

async fn latencies() -> Measured<()> {
    tell("echo through a tunnel, idle and beside an upload in the same tunnel");
    let echo = latency::echo(Some(800)).await?;
    print("echo_p50_ms", echo.idle_p50, "ms")?;
    print("echo_p99_ms", echo.idle_p99, "ms")?;
    print("echo_p99_under_bulk_minus_idle_ms", echo.bulk_p99 - echo.idle_p99, "ms")?;
    tell("the same without a limit on frames");
    let echo = latency::echo(None).await?;
    let name = "echo_p99_under_unlimited_bulk_minus_idle_ms";
    print(name, echo.bulk_p99 - echo.idle_p99, "ms")?;
    tell("a small request beside a download, two lanes");
    let small = latency::small_beside_bulk().await?;
    print("small_beside_bulk_two_lanes_minus_idle_ms", small, "ms")
}

fn print(name: &'static str, value: f64, unit: &'static str) -> Measured<()> {
    Ok(Figure::new(name, value, unit).print()?)
}
