//! How long something small takes, alone and beside something large.

use std::time::{Duration, Instant};

use session::{Engine, EngineConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::sink::{self, Sink};
use super::upload::{end, without_limit};
use crate::Measured;
use crate::ground::{Ground, Tunnel, median, percentile};
use crate::throughput::{PAGE, get};

/// Echoes in one measurement.
const ROUND_TRIPS: usize = 500;
/// The pace of what is measured: slow enough that the agent does not still pause after the last
/// answer, as it does after everything it sends.
const BETWEEN: Duration = Duration::from_millis(5);
const REQUESTS: usize = 60;
/// A transfer is under way after this long at the most.
const GROWING: Duration = Duration::from_secs(120);

pub(crate) struct Echo {
    pub(crate) idle_p50: f64,
    pub(crate) idle_p99: f64,
    pub(crate) bulk_p99: f64,
}

/// Milliseconds from a byte to its answer on one connection of a tunnel, while another one
/// uploads or not.
pub(crate) async fn echo(frames_per_second: Option<u32>) -> Measured<Echo> {
    let ground = Ground::start().await?;
    let _sink = Sink::on(&ground).await?;
    if frames_per_second.is_none() {
        without_limit(&ground)?;
    }
    let engine = Engine::new(EngineConfig { frames_per_second, ..EngineConfig::default() });
    let tunnel = ground.tunnel_by(&engine, ground.spec(sink::PORT))?;
    let mut keys = tunnel.connect().await?;
    let mut idle = round_trips(&mut keys).await?;
    let mut bulk = tunnel.connect().await?;
    let (tell, is_under_way) = oneshot::channel();
    let mut upload = JoinSet::new();
    upload.spawn(async move {
        // Until the window and the messages have grown.
        if sink::fill(&mut bulk, 32 * 1024 * 1024).await.is_ok() && tell.send(()).is_ok() {
            while sink::fill(&mut bulk, 64 * 1024 * 1024).await.is_ok() {}
        }
    });
    timeout(GROWING, is_under_way).await??;
    let mut beside = round_trips(&mut keys).await?;
    if upload.try_join_next().is_some() {
        return Err("the upload ended too early".into());
    }
    upload.shutdown().await;
    drop(tunnel);
    end(ground, [engine]).await;
    Ok(Echo {
        idle_p50: percentile(&mut idle, 50.0),
        idle_p99: percentile(&mut idle, 99.0),
        bulk_p99: percentile(&mut beside, 99.0),
    })
}

/// The sink answers a length of one and one byte with one byte.
async fn round_trips(stream: &mut TcpStream) -> Measured<Vec<f64>> {
    let mut message = sink::head(1).to_vec();
    message.push(7);
    let mut times = Vec::with_capacity(ROUND_TRIPS);
    for _ in 0..ROUND_TRIPS {
        tokio::time::sleep(BETWEEN).await;
        let start = Instant::now();
        stream.write_all(&message).await?;
        stream.read_u8().await?;
        times.push(milliseconds(start));
    }
    Ok(times)
}

/// Milliseconds that a small request on a connection of its own takes longer beside a download
/// than alone, in a tunnel with two lanes.
pub(crate) async fn small_beside_bulk() -> Measured<f64> {
    let ground = Ground::start().await?;
    let mut spec = ground.spec(PAGE);
    spec.lanes = 2;
    let tunnel = ground.tunnel_by(ground.app.engine(), spec)?;
    get(&tunnel, "/health").await?;
    let mut idle = requests(&tunnel).await?;
    let mut bulk = tunnel.connect().await?;
    bulk.write_all(b"GET /bytes/1000000000 HTTP/1.1\r\nhost: node\r\n\r\n").await?;
    let mut download = JoinSet::new();
    let (tell, is_under_way) = oneshot::channel();
    download.spawn(async move {
        let mut piece = vec![0; 64 * 1024];
        // As much as an agent sends in a second or two.
        let mut begun = vec![0; 1024 * 1024];
        if bulk.read_exact(&mut begun).await.is_ok() && tell.send(()).is_ok() {
            while bulk.read(&mut piece).await.is_ok_and(|count| count > 0) {}
        }
    });
    timeout(GROWING, is_under_way).await??;
    // The second lane is started for the first request that finds one busy.
    get(&tunnel, "/health").await?;
    let mut beside = requests(&tunnel).await?;
    if download.try_join_next().is_some() {
        return Err("the download ended too early".into());
    }
    download.shutdown().await;
    drop(tunnel);
    ground.stop().await;
    Ok(median(&mut beside) - median(&mut idle))
}

async fn requests(tunnel: &Tunnel) -> Measured<Vec<f64>> {
    let mut times = Vec::with_capacity(REQUESTS);
    for _ in 0..REQUESTS {
        tokio::time::sleep(BETWEEN).await;
        let start = Instant::now();
        get(tunnel, "/health").await?;
        times.push(milliseconds(start));
    }
    Ok(times)
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}
