//! A shell that says 100 MB while it is typed into, resized and cut.

use std::fmt::Write as _;

use bytes::Bytes;
use serde_json::json;
use session::TerminalSize;

use crate::ground::{Ground, Reading};
use crate::{Measured, tell};

/// `seq 1 LAST` says a little more than 100 MB.
const LAST: usize = 12_400_000;
/// Lines typed meanwhile.
const TYPED: usize = 20;

/// How many bytes of output and input are missing or changed.
pub(crate) async fn lost_bytes() -> Measured<usize> {
    let ground = Ground::start().await?;
    ground.play(json!({"fault": "agent", "rules": {"pacing": "none"}}))?;
    let (terminal, output) = ground.shell();
    let mut reading = Reading::new(terminal.clone(), output);
    reading.until("$ ").await?;
    let command = format!("stty -echo -opost; i=0; echo be''gin; seq 1 {LAST}; echo e''nd\r");
    ground.play(json!({"fault": "gateway", "rules": {"cut_every_ms": 250}}))?;
    ground.play(json!({"fault": "cut"}))?;
    terminal.write(command.into()).await;
    let begin = reading.until("begin\n").await?;

    let expected = expected();
    let mut typed = 0;
    while reading.said.len() < begin + expected.len() {
        if !reading.more().await? {
            break;
        }
        let due = (reading.said.len() - begin) * (TYPED + 1) / expected.len();
        while typed < due.min(TYPED) {
            typed += 1;
            terminal.resize(TerminalSize { cols: 80 + typed as u16, rows: 24 });
            terminal.write(Bytes::from_static(b"i=$((i+1))\r")).await;
        }
    }
    let said = reading.said.get(begin..).unwrap_or_default();
    let same = said.iter().zip(&expected).filter(|(one, other)| one == other).count();
    let mut lost = expected.len() - same;
    if lost == 0 {
        let asked = "until [ \"$(stty size)\" = '24 100' ]; do :; done; echo counted=$i=\r";
        terminal.write(Bytes::from_static(asked.as_bytes())).await;
        let end = reading.until("counted=").await?;
        reading.until(&format!("{TYPED}=")).await.map_err(|error| {
            let rest = reading.said.get(end..).unwrap_or_default();
            format!("{error}; of what was typed, {:?} came", String::from_utf8_lossy(rest))
        })?;
    } else {
        lost = lost.max(1);
    }
    let upgrades: u64 = ground.emulator.counts().upgrades.values().copied().sum();
    tell(&format!("{} bytes, {upgrades} websockets", expected.len()));
    terminal.end();
    ground.stop().await;
    Ok(lost)
}

fn expected() -> Vec<u8> {
    let mut text = String::with_capacity(112_000_000);
    for number in 1..=LAST {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{number}");
    }
    text.into_bytes()
}
