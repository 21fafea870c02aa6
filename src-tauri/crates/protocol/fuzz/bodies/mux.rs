//! A mux's byte stream, cut anywhere, into a port with open streams.

use std::time::Instant;

use bytes::Bytes;
use protocol::mux::frame::FrameDecoder;
use protocol::{Port, PortConfig, PortEvent, PortKind};

/// The first byte says where to cut, the rest is the stream.
pub(crate) fn run(data: &[u8]) {
    let Some((cut, stream)) = data.split_first() else { return };
    let cut = usize::from(*cut) + 1;

    let mut whole = FrameDecoder::new();
    whole.push(Bytes::copy_from_slice(stream));
    let mut expected = Vec::new();
    let end = loop {
        match whole.next() {
            Ok(Some(frame)) => expected.push(frame),
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };

    let mut parts = FrameDecoder::new();
    let mut seen = Vec::new();
    let mut failure = None;
    for part in stream.chunks(cut) {
        parts.push(Bytes::copy_from_slice(part));
        while failure.is_none() {
            match parts.next() {
                Ok(Some(frame)) => seen.push(frame),
                Ok(None) => break,
                Err(error) => failure = Some(error),
            }
        }
    }
    assert_eq!((seen, failure), (expected, end), "cutting changes nothing");

    let now = Instant::now();
    let mut config = PortConfig::new(PortKind::Mux, None, "1.2.764.0");
    config.stream_budget = 1000;
    config.total_budget = 2000;
    let mut port = Port::new(config, now);
    for _ in 0..4 {
        port.open().expect("a mux has ids");
    }
    while port.poll_transmit(1024).is_some() {}
    let mut held = 0;
    for part in stream.chunks(cut) {
        if port.handle_output(Bytes::copy_from_slice(part), now).is_err() {
            break;
        }
        while let Some(event) = port.poll_event() {
            if let PortEvent::Data(id, bytes) = event {
                held += bytes.len();
                if bytes.len() % 2 == 0 {
                    port.consumed(id, bytes.len());
                    held -= bytes.len();
                }
            }
        }
    }
    assert!(held <= stream.len());
    while port.poll_transmit(64).is_some() {}
    assert!(port.stream_count() <= 4);
}
