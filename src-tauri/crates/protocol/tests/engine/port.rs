//! Connections over a port session, against bytes made by hand.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use protocol::mux::frame::{Command, Frame, FrameDecoder, StreamId};
use protocol::{
    AgentVersion, PeerError, Port, PortConfig, PortError, PortEvent, PortKind, PortTransmit,
    Segment, SessionFlag,
};

struct Far {
    port: Port,
    now: Instant,
    decoder: FrameDecoder,
}

impl Far {
    fn new(kind: PortKind, change: impl FnOnce(&mut PortConfig)) -> Self {
        let now = Instant::now();
        let version = AgentVersion::from("3.3.1142.0");
        let mut config = PortConfig::new(kind, Some(&version), "1.2.764.0");
        change(&mut config);
        Self { port: Port::new(config, now), now, decoder: FrameDecoder::new() }
    }

    fn mux() -> Self {
        Self::new(PortKind::Mux, |_| {})
    }

    /// The frames of the next message.
    fn message(&mut self, max: usize) -> Vec<Frame> {
        match self.port.poll_transmit(max) {
            Some(PortTransmit::Input(input)) => {
                assert!(!input.is_empty() && input.len() <= max);
                self.decoder.push(input.into_bytes());
                std::iter::from_fn(|| self.decoder.next().expect("smux")).collect()
            }
            Some(PortTransmit::Flag(flag)) => panic!("a mux sends no {flag:?}"),
            None => Vec::new(),
        }
    }

    fn says(&mut self, frames: &[Frame]) {
        let mut bytes = BytesMut::new();
        for frame in frames {
            frame.encode(&mut bytes);
        }
        self.port.handle_output(bytes.freeze(), self.now).expect("smux");
    }

    fn events(&mut self) -> Vec<PortEvent> {
        std::iter::from_fn(|| self.port.poll_event()).collect()
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.port.handle_timeout(self.now);
    }

    /// A stream whose SYN was sent.
    fn opened(&mut self) -> StreamId {
        let id = self.port.open().expect("a mux has ids");
        assert_eq!(self.message(1024), [Frame::bare(Command::Syn, id)]);
        id
    }
}

fn psh(id: StreamId, payload: impl Into<Bytes>) -> Frame {
    Frame { command: Command::Psh, stream: id, payload: payload.into() }
}

fn fin(id: StreamId) -> Frame {
    Frame::bare(Command::Fin, id)
}

#[test]
fn ids_count_from_three_and_the_first_bytes_travel_with_the_opening() {
    let mut far = Far::mux();
    let id = far.port.open().unwrap();
    far.port.send(id, Bytes::from_static(b"GET")).unwrap();
    assert_eq!(far.message(1024), [Frame::bare(Command::Syn, StreamId(3)), psh(id, "GET")]);
    assert_eq!(far.port.open(), Ok(StreamId(5)));
    assert_eq!(far.message(1024), [Frame::bare(Command::Syn, StreamId(5))]);
    assert!(far.message(1024).is_empty());
}

#[test]
fn output_reaches_its_stream_and_the_far_end_closes_it() {
    let mut far = Far::mux();
    let (one, two) = (far.opened(), far.opened());
    far.says(&[psh(one, "a"), psh(two, "b"), psh(StreamId(99), "nobody"), psh(one, "c")]);
    far.says(&[fin(one), psh(one, "late"), fin(one)]);
    let data = |id, text: &'static str| PortEvent::Data(id, Bytes::from_static(text.as_bytes()));
    assert_eq!(
        far.events(),
        [data(one, "a"), data(two, "b"), data(one, "c"), PortEvent::Finished(one)]
    );
    assert_eq!(far.message(1024), [fin(one)], "answered once");
    assert_eq!(far.port.send(one, Bytes::from_static(b"x")), Err(PortError::Unknown { id: one }));
    assert_eq!(far.port.stream_count(), 1);
}

#[test]
fn the_end_of_input_is_held_back_while_the_far_end_answers() {
    let mut far = Far::mux();
    let id = far.opened();
    far.port.send(id, Bytes::from_static(b"request")).unwrap();
    far.port.finish(id, far.now);
    assert_eq!(far.message(1024), [psh(id, "request")]);
    assert_eq!(far.port.capacity(id), 0);
    for _ in 0..5 {
        far.pass(Duration::from_secs(20));
        assert!(far.message(1024).is_empty());
        far.says(&[psh(id, "part of the answer")]);
    }
    let (at, why) = far.port.poll_timeout().unwrap();
    assert_eq!((at, why), (far.now + Duration::from_secs(30), "linger"));
    far.pass(Duration::from_secs(30));
    assert_eq!(far.message(1024), [fin(id)]);
    assert_eq!(far.events().last(), Some(&PortEvent::Finished(id)));
    assert_eq!(far.port.poll_timeout(), None);
}

#[test]
fn without_linger_the_end_follows_the_data() {
    let mut far = Far::new(PortKind::Mux, |config| config.linger = Duration::ZERO);
    let id = far.opened();
    far.port.send(id, Bytes::from(vec![7; 1500])).unwrap();
    far.port.finish(id, far.now);
    assert_eq!(far.message(1024), [psh(id, vec![7; 1016])]);
    assert_eq!(far.message(1024), [psh(id, vec![7; 484]), fin(id)]);
    assert_eq!(far.events(), [PortEvent::Finished(id)]);
}

#[test]
fn a_closed_connection_discards_what_it_queued() {
    let mut far = Far::mux();
    let id = far.opened();
    far.port.send(id, Bytes::from(vec![7; 100_000])).unwrap();
    far.message(1024);
    far.port.close(id);
    assert_eq!(far.message(1024), [fin(id)]);
    far.says(&[psh(id, "late"), fin(id)]);
    assert!(far.events().is_empty());
    let never_announced = far.port.open().unwrap();
    far.port.close(never_announced);
    assert!(far.message(1024).is_empty(), "the far end never heard of it");
}

#[test]
fn a_refused_destination_is_found_by_the_stream_that_never_answered() {
    let mut far = Far::mux();
    let (answering, refused, other) = (far.opened(), far.opened(), far.opened());
    far.says(&[psh(answering, "hello")]);
    far.port.handle_flag(SessionFlag::ConnectToPortError);
    far.says(&[fin(answering), fin(refused), fin(other)]);
    let ends: Vec<_> = far.events().into_iter().skip(1).collect();
    assert_eq!(
        ends,
        [PortEvent::Finished(answering), PortEvent::Refused(refused), PortEvent::Finished(other)]
    );
    far.message(1024);
    far.port.handle_flag(SessionFlag::ConnectToPortError);
    let next = far.opened();
    far.says(&[fin(next)]);
    assert_eq!(far.events(), [PortEvent::Finished(next)], "a flag with no candidate is forgotten");
}

#[test]
fn small_requests_pass_bulk_and_bulk_streams_share() {
    let mut far = Far::mux();
    let (one, two) = (far.opened(), far.opened());
    let mut sent = [0, 0];
    for round in 0..400 {
        for id in [one, two] {
            let room = far.port.capacity(id);
            far.port.send(id, Bytes::from(vec![7; room])).unwrap();
        }
        if round > 20 && round % 10 == 0 {
            let id = far.port.open().unwrap();
            far.port.send(id, Bytes::from_static(b"GET / HTTP/1.1\r\n\r\n")).unwrap();
            let frames = far.message(1024);
            assert_eq!(frames[0], Frame::bare(Command::Syn, id));
            assert_eq!(frames[1].stream, id);
            continue;
        }
        for frame in far.message(1024) {
            sent[usize::from(frame.stream == two)] += frame.payload.len();
        }
    }
    assert!(sent[0].abs_diff(sent[1]) <= 10 * 1024, "{sent:?}");
    assert!(sent[0] > 150 * 1024);
}

#[test]
fn a_message_is_filled_from_several_streams() {
    let mut far = Far::mux();
    let (one, two) = (far.opened(), far.opened());
    far.port.send(one, Bytes::from_static(b"small")).unwrap();
    far.port.send(two, Bytes::from(vec![7; 5000])).unwrap();
    assert_eq!(far.message(1024), [psh(one, "small"), psh(two, vec![7; 1024 - 13 - 8])]);
}

#[test]
fn a_slow_local_side_is_given_up_only_if_there_are_others() {
    let mut far = Far::new(PortKind::Mux, |config| config.stream_budget = 10_000);
    let slow = far.opened();
    let chunk = || psh(slow, vec![7; 1000]);
    for _ in 0..12 {
        far.says(&[chunk()]);
    }
    assert!(far.port.is_congested(), "alone, it may stop the websocket");
    assert!(far.events().iter().all(|event| matches!(event, PortEvent::Data(..))));
    far.port.consumed(slow, 5000);
    assert!(!far.port.is_congested());
    let other = far.opened();
    for _ in 0..4 {
        far.says(&[chunk()]);
    }
    assert_eq!(far.events().last(), Some(&PortEvent::Overrun(slow)));
    assert_eq!(far.message(1024), [fin(slow)]);
    far.says(&[psh(other, "unharmed")]);
    assert_eq!(far.events().len(), 1);
    far.port.consumed(slow, 5000);
    assert!(!far.port.is_congested());
}

#[test]
fn all_streams_together_have_a_budget_and_the_slowest_pays() {
    let mut far = Far::new(PortKind::Mux, |config| config.total_budget = 10_000);
    let ids: Vec<_> = (0..10).map(|_| far.opened()).collect();
    for (index, id) in ids.iter().enumerate() {
        far.says(&[psh(*id, vec![7; 500 * (index + 1)])]);
    }
    let overrun: Vec<_> = far
        .events()
        .into_iter()
        .filter_map(|event| match event {
            PortEvent::Overrun(id) => Some(id),
            PortEvent::Data(..) | PortEvent::Finished(_) | PortEvent::Refused(_) => None,
        })
        .collect();
    assert_eq!(overrun, ids[5..], "each had most when it broke the budget");
}

#[test]
fn keep_alive_is_sent_only_when_asked_for_and_idle() {
    let mut far = Far::mux();
    assert_eq!(far.port.poll_timeout(), None);
    far.pass(Duration::from_secs(3600));
    assert!(far.message(1024).is_empty());

    let old = AgentVersion::from("3.1.1511.0");
    let config = PortConfig::new(PortKind::Mux, Some(&old), "1.2.764.0");
    assert_eq!(config.keep_alive, Some(Duration::from_secs(10)));
    let now = Instant::now();
    let mut far = Far { port: Port::new(config, now), now, decoder: FrameDecoder::new() };
    assert_eq!(far.port.poll_timeout(), Some((now + Duration::from_secs(10), "keep-alive")));
    far.pass(Duration::from_secs(10));
    assert_eq!(far.message(1024), [Frame::bare(Command::Nop, StreamId(0))]);
    let id = far.opened();
    far.port.send(id, Bytes::from_static(b"x")).unwrap();
    far.message(1024);
    far.pass(Duration::from_secs(10));
    assert!(far.message(1024).is_empty(), "something else was sent");
    far.pass(Duration::from_secs(10));
    assert_eq!(far.message(1024).len(), 1);
}

#[test]
fn a_broken_byte_stream_is_named() {
    let mut far = Far::mux();
    let error = far.port.handle_output(Bytes::from_static(&[1, 9, 0, 0]), far.now).unwrap_err();
    assert!(matches!(error, PeerError::Mux(_)));
    assert_eq!(error.to_string(), "a mux frame has the unknown command 9");
}

#[test]
fn the_far_end_cannot_open_streams_or_speak_before_it_was_asked() {
    let mut far = Far::mux();
    let id = far.port.open().unwrap();
    far.says(&[psh(id, "early"), fin(id), Frame::bare(Command::Syn, StreamId(2))]);
    far.says(&[psh(StreamId(2), "hello"), Frame::bare(Command::Nop, StreamId(0))]);
    assert!(far.events().is_empty());
    assert_eq!(far.message(1024), [Frame::bare(Command::Syn, id)]);
}

#[test]
fn a_full_stream_takes_no_more() {
    let mut far = Far::mux();
    let id = far.opened();
    let room = far.port.capacity(id);
    assert_eq!(room, 256 * 1024);
    far.port.send(id, Bytes::from(vec![7; room])).unwrap();
    let full = PortError::Full { len: 1, capacity: 0 };
    assert_eq!(far.port.send(id, Bytes::from_static(b"x")), Err(full));
    assert!(far.message(32 * 1024).len() >= 2, "long messages hold several frames");
    assert!(far.port.capacity(id) > 0);
}

/// Everything a single port has to send.
fn drain(port: &mut Port) -> Vec<String> {
    std::iter::from_fn(|| port.poll_transmit(4))
        .map(|transmit| match transmit {
            PortTransmit::Input(input) => String::from_utf8_lossy(&input.into_bytes()).into_owned(),
            PortTransmit::Flag(flag) => format!("{flag:?}"),
        })
        .collect()
}

#[test]
fn single_forwarding_has_one_connection_and_says_when_it_is_gone() {
    let mut far = Far::new(PortKind::Single, |_| {});
    let (port, now) = (&mut far.port, far.now);
    let first = port.open().unwrap();
    assert_eq!(port.open(), Err(PortError::Busy));
    port.send(first, Bytes::from_static(b"request")).unwrap();
    port.finish(first, now);
    assert_eq!(drain(port), ["requ", "est"]);
    port.handle_output(Bytes::from_static(b"answer"), now).unwrap();
    port.handle_timeout(now + Duration::from_secs(30));
    assert_eq!(drain(port), ["DisconnectToPort"]);
    assert_eq!(port.poll_event(), Some(PortEvent::Data(first, Bytes::from_static(b"answer"))));
    assert_eq!(port.poll_event(), Some(PortEvent::Finished(first)));
}

#[test]
fn a_lingering_connection_makes_room_when_another_waits() {
    let mut far = Far::new(PortKind::Single, |_| {});
    let (port, now) = (&mut far.port, far.now);
    let first = port.open().unwrap();
    port.send(first, Bytes::from_static(b"ask")).unwrap();
    port.finish(first, now);
    assert_eq!(drain(port), ["ask"]);
    assert_eq!(port.open(), Err(PortError::Busy));
    port.handle_wanted(now);
    let part_way = now + Duration::from_millis(900);
    port.handle_output(Bytes::from_static(b"late"), part_way).unwrap();
    let (until, _) = port.poll_timeout().unwrap();
    assert_eq!(until, part_way + Duration::from_secs(1), "an answer on its way is waited for");
    port.handle_timeout(until);
    assert_eq!(drain(port), ["DisconnectToPort"]);
    port.handle_flag_acknowledged(SessionFlag::DisconnectToPort);
    let second = port.open().unwrap();
    port.finish(second, until);
    assert_eq!(port.poll_timeout().unwrap().0, until + Duration::from_secs(30), "nobody waits");
}

#[test]
fn bytes_of_a_connection_that_is_gone_never_reach_the_next() {
    let mut far = Far::new(PortKind::Single, |_| {});
    let (port, now) = (&mut far.port, far.now);
    let first = port.open().unwrap();
    port.send(first, Bytes::from_static(b"a")).unwrap();
    assert_eq!(drain(port), ["a"]);
    port.close(first);
    assert_eq!(drain(port), ["DisconnectToPort"]);
    let second = port.open().unwrap();
    port.send(second, Bytes::from_static(b"b")).unwrap();
    port.handle_output(Bytes::from_static(b"stale"), now).unwrap();
    assert!(drain(port).is_empty(), "the agent has not closed the first yet");
    port.handle_flag_acknowledged(SessionFlag::DisconnectToPort);
    port.handle_output(Bytes::from_static(b"stale"), now).unwrap();
    assert_eq!(drain(port), ["b"]);
    port.handle_output(Bytes::from_static(b"fresh"), now).unwrap();
    assert_eq!(port.poll_event(), Some(PortEvent::Data(second, Bytes::from_static(b"fresh"))));
    assert_eq!(port.poll_event(), None);
}

#[test]
fn what_a_server_says_first_waits_for_the_first_connection() {
    let mut far = Far::new(PortKind::Stdio, |_| {});
    let (port, now) = (&mut far.port, far.now);
    port.handle_output(Bytes::from_static(b"SSH-2.0-x"), now).unwrap();
    let id = port.open().unwrap();
    assert_eq!(port.poll_event(), Some(PortEvent::Data(id, Bytes::from_static(b"SSH-2.0-x"))));
    port.finish(id, now);
    assert!(drain(port).is_empty(), "the end of input cannot be told");
    port.handle_timeout(now + Duration::from_secs(30));
    assert_eq!(drain(port), ["TerminateSession"]);
    assert_eq!(port.open(), Err(PortError::Exhausted));
}

#[test]
fn a_single_slow_reader_stops_the_websocket() {
    let mut far = Far::new(PortKind::Single, |config| config.stream_budget = 1000);
    let (port, now) = (&mut far.port, far.now);
    port.handle_output(vec![7; 1000].into(), now).unwrap();
    assert!(port.is_congested());
    let id = port.open().unwrap();
    assert!(port.is_congested());
    port.consumed(id, 1000);
    assert!(!port.is_congested());
}

#[test]
fn a_segment_travels_as_it_was_framed_and_among_others_all_the_same() {
    let mut far = Far::mux();
    let [one, two] = [far.opened(), far.opened()];
    let segment = |byte: u8, count: usize, id| {
        let mut segment = Segment::with_capacity(count);
        segment.tail().extend_from_slice(&vec![byte; count]);
        segment.frame_for(id);
        segment
    };
    let whole = Segment::longest(1024);
    // As long as a message, shorter than one, framed for another stream, too long for one.
    let sent = [(1, whole, one), (2, 10, one), (3, whole, two), (4, 5000, one)];
    for (byte, count, framed_for) in sent {
        far.port.send(one, segment(byte, count, framed_for)).unwrap();
    }
    far.port.send(two, segment(5, whole, two)).unwrap();
    assert_eq!(far.message(1024), [psh(one, vec![1; whole])]);
    let mut received = [Vec::new(), Vec::new()];
    loop {
        let frames = far.message(1024);
        if frames.is_empty() {
            break;
        }
        for frame in frames {
            received[usize::from(frame.stream == two)].extend_from_slice(&frame.payload);
        }
    }
    let expected: Vec<u8> =
        sent.iter().skip(1).flat_map(|(byte, count, _)| vec![*byte; *count]).collect();
    assert_eq!(received, [expected, vec![5; whole]]);
}
