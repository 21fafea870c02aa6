//! From a keystroke to its echo.

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::Measured;
use crate::ground::{Ground, Reading, percentile};

pub(crate) struct Echo {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// Types one key at a time into a raw `cat` and waits for it to come back.
pub(crate) async fn round_trips(keys: usize) -> Measured<Echo> {
    // The pace of what is measured: faster than anybody types, and slow enough that the agent does
    // not still pause after the last echo, as it does after everything it sends.
    const BETWEEN: Duration = Duration::from_millis(5);
    let ground = Ground::start().await?;
    let (terminal, output) = ground.shell();
    let mut reading = Reading::new(terminal.clone(), output);
    reading.until("$ ").await?;
    terminal.write(Bytes::from_static(b"stty raw -echo; echo re''ady; exec cat\r")).await;
    reading.until("ready").await?;
    let mut times = Vec::with_capacity(keys);
    for number in 0..=keys {
        tokio::time::sleep(BETWEEN).await;
        let key = [b'a' + (number % 26) as u8];
        reading.said.clear();
        let start = Instant::now();
        terminal.write(Bytes::copy_from_slice(&key)).await;
        if !reading.more().await? || reading.said != key {
            return Err(format!("typed {key:?}, got {:?}", reading.said).into());
        }
        // The first one also waits until `cat` runs.
        if number > 0 {
            times.push(start.elapsed().as_secs_f64() * 1000.0);
        }
    }
    terminal.end();
    ground.stop().await;
    Ok(Echo { p50: percentile(&mut times, 50.0), p99: percentile(&mut times, 99.0) })
}
