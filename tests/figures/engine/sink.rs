//! A destination that takes what is sent and says when it has it all.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::Measured;
use crate::ground::{Ground, Tunnel};

/// Where the sink is, as the node sees it.
pub(crate) const PORT: u16 = 9;
const PIECE: usize = 256 * 1024;

/// It is there for as long as this lives.
pub(crate) struct Sink {
    pub(crate) address: SocketAddr,
    _task: JoinSet<()>,
}

impl Sink {
    /// Opens a sink, and makes it a port of the ground's node.
    pub(crate) async fn on(ground: &Ground) -> Measured<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        ground.emulator.map_port(Some(&ground.node), "localhost", PORT, address);
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut served = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                served.spawn(swallow(stream));
                while served.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, _task: task })
    }
}

/// A length, and so many bytes, again and again; one byte in answer to each.
async fn swallow(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut piece = vec![0; PIECE];
    loop {
        let mut left = stream.read_u64().await?;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            let count = stream.read(piece.get_mut(..most).unwrap_or_default()).await?;
            if count == 0 {
                return Ok(());
            }
            left -= count as u64;
        }
        stream.write_u8(1).await?;
    }
}

/// What precedes so many bytes.
pub(crate) fn head(length: usize) -> [u8; 8] {
    (length as u64).to_be_bytes()
}

/// How long so many bytes take to be all there.
pub(crate) async fn fill(stream: &mut TcpStream, length: usize) -> Measured<Duration> {
    let piece = vec![7; PIECE.min(length)];
    let start = Instant::now();
    stream.write_all(&head(length)).await?;
    let mut left = length;
    while left > 0 {
        let count = left.min(piece.len());
        stream.write_all(piece.get(..count).unwrap_or_default()).await?;
        left -= count;
    }
    stream.read_u8().await?;
    Ok(start.elapsed())
}

/// MiB a second through a tunnel, on a connection that is open already.
pub(crate) async fn rate(tunnel: &Tunnel, length: usize) -> Measured<f64> {
    let mut stream = tunnel.connect().await?;
    fill(&mut stream, 1).await?;
    Ok(mib_a_second(length, fill(&mut stream, length).await?))
}

pub(crate) fn mib_a_second(length: usize, took: Duration) -> f64 {
    length as f64 / 1_048_576.0 / took.as_secs_f64()
}
