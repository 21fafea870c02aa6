//! A captured data channel, read from its file.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use flate2::read::GzDecoder;
use protocol::{Message, OpenDataChannel};
use serde_json::Value;

/// What concerns the client of one captured session, in order.
pub(crate) struct Recording {
    pub(crate) name: String,
    pub(crate) events: Vec<(Duration, Captured)>,
}

/// One captured event.
pub(crate) enum Captured {
    /// The client opened its channel.
    Opening(OpenDataChannel, String),
    /// The client sent this.
    FromClient(Message),
    /// The client got this, as bytes.
    ToClient(Bytes),
}

/// Every recording there is.
pub(crate) fn all() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/vectors/recordings");
    let mut paths: Vec<PathBuf> = folder
        .read_dir()
        .expect("the recordings are part of the repository")
        .map(|entry| entry.expect("the folder is readable").path())
        .collect();
    paths.sort();
    paths
}

impl Recording {
    pub(crate) fn read(path: &Path) -> Self {
        let file = File::open(path).expect("the recording is readable");
        let is_packed = path.extension().is_some_and(|extension| extension == "gz");
        let content: Box<dyn Read> =
            if is_packed { Box::new(GzDecoder::new(file)) } else { Box::new(file) };
        let events = BufReader::new(content)
            .lines()
            .filter_map(|line| {
                let line = line.expect("the recording is text");
                event(&serde_json::from_str(&line).expect("every line is JSON"))
            })
            .collect();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.expect("a recording is a file");
        Self { name: name.split('.').next().unwrap_or_default().to_owned(), events }
    }
}

/// `None` for what does not concern the client: meta, control channel, pings, the agent's side.
fn event(line: &Value) -> Option<(Duration, Captured)> {
    let text = |key: &str| line.get(key).and_then(Value::as_str).unwrap_or_default();
    if text("ch") != "data" {
        return None;
    }
    let at = Duration::from_secs_f64(line.get("t")?.as_f64()?);
    let captured = match (text("op"), text("src"), text("dst")) {
        ("text", "client", _) => {
            let opening = text("text");
            let parsed = OpenDataChannel::parse(opening).expect("the official client's opening");
            Captured::Opening(parsed, opening.to_owned())
        }
        ("bin", "client", _) => {
            let message = Message::decode(unhex(text("hex")));
            Captured::FromClient(message.expect("the official client sends messages"))
        }
        ("bin", _, "client") => Captured::ToClient(unhex(text("hex"))),
        _ => return None,
    };
    Some((at, captured))
}

fn unhex(text: &str) -> Bytes {
    text.as_bytes()
        .chunks(2)
        .map(|pair| {
            let digits = std::str::from_utf8(pair).expect("hexadecimal is ASCII");
            u8::from_str_radix(digits, 16).expect("two hexadecimal digits")
        })
        .collect()
}
