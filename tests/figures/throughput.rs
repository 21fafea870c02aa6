//! A large upload and a large download through a tunnel to the web page of a node.

use std::time::Instant;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::Measured;
use crate::ground::{Ground, Tunnel};

/// What is sent in each direction.
pub(crate) const BYTES: usize = 64 * 1024 * 1024;
/// The port of the page.
pub(crate) const PAGE: u16 = 80;

/// MiB a second from here to there. The emulated gateway limits messages as the real one is said
/// to; the size of messages is for the client to find.
pub(crate) async fn upload() -> Measured<f64> {
    let ground = Ground::start().await?;
    let tunnel = ground.tunnel(PAGE)?;
    warm_up(&tunnel).await?;
    let sent = noise(BYTES);
    let digest = hex(&sent);
    let start = Instant::now();
    let answer = post(&tunnel, &sent).await?;
    let took = start.elapsed();
    if !answer.contains(&digest) {
        return Err(format!("the upload arrived changed: {answer}").into());
    }
    ground.stop().await;
    Ok(64.0 / took.as_secs_f64())
}

/// MiB a second from there to here. A real agent sends less than one, whatever the client does;
/// this one does not pause, so that the client is what is measured.
pub(crate) async fn download() -> Measured<f64> {
    let ground = Ground::start().await?;
    ground.play(json!({"fault": "agent", "rules": {"pacing": "none"}}))?;
    let tunnel = ground.tunnel(PAGE)?;
    warm_up(&tunnel).await?;
    let start = Instant::now();
    let body = get(&tunnel, &format!("/bytes/{BYTES}")).await?;
    let took = start.elapsed();
    let expected = get(&tunnel, &format!("/sha256/{BYTES}")).await?;
    if body.len() != BYTES || hex(&body).as_bytes() != expected.trim_ascii() {
        return Err(format!("the download arrived changed: {} bytes", body.len()).into());
    }
    ground.stop().await;
    Ok(64.0 / took.as_secs_f64())
}

/// Waits until the tunnel's session is up and its destination has been started.
async fn warm_up(tunnel: &Tunnel) -> Measured<()> {
    match get(tunnel, "/health").await?.as_slice() {
        b"ok\n" => Ok(()),
        other => Err(format!("the page is not well: {other:?}").into()),
    }
}

pub(crate) async fn get(tunnel: &Tunnel, path: &str) -> Measured<Vec<u8>> {
    get_from(tunnel.connect().await?, path).await
}

/// Asks on a connection that is open already.
pub(crate) async fn get_from(mut stream: TcpStream, path: &str) -> Measured<Vec<u8>> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: node\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    body(stream).await
}

pub(crate) async fn post(tunnel: &Tunnel, sent: &[u8]) -> Measured<String> {
    let mut stream = tunnel.connect().await?;
    let length = sent.len();
    let head = format!(
        "POST /upload HTTP/1.1\r\nhost: node\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(sent).await?;
    Ok(String::from_utf8(body(stream).await?)?)
}

/// Reads one answer; its length must be told.
async fn body(stream: TcpStream) -> Measured<Vec<u8>> {
    let mut stream = BufReader::with_capacity(256 * 1024, stream);
    let mut length = None;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Err("the connection ended within the head of an answer".into());
        }
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = Some(value.trim().parse::<usize>()?);
        }
    }
    let mut body = vec![0; length.ok_or("an answer without a length")?];
    stream.read_exact(&mut body).await?;
    Ok(body)
}

/// Bytes that no compression and no repetition would hide a mistake in.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    ChaCha8Rng::seed_from_u64(0).fill_bytes(&mut bytes);
    bytes
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
