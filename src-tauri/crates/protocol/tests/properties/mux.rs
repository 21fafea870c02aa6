//! Whatever the order of calls: a stream's bytes leave once, in order and in one piece each.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use protocol::mux::frame::{Command, Frame, FrameDecoder, StreamId};
use protocol::{Port, PortConfig, PortEvent, PortKind, PortTransmit};

#[derive(Clone, Debug)]
enum Step {
    Open,
    Send(usize, usize),
    Finish(usize),
    Close(usize),
    Transmit(usize),
    FarSays(usize, usize),
    FarCloses(usize),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let stream = 0..8_usize;
    prop_oneof![
        2 => Just(Step::Open),
        6 => (stream.clone(), 0..5000_usize).prop_map(|(stream, len)| Step::Send(stream, len)),
        1 => stream.clone().prop_map(Step::Finish),
        1 => stream.clone().prop_map(Step::Close),
        8 => (0..3000_usize).prop_map(Step::Transmit),
        4 => (stream.clone(), 0..3000_usize).prop_map(|(stream, len)| Step::FarSays(stream, len)),
        1 => stream.prop_map(Step::FarCloses),
        1 => (0..40_u64).prop_map(Step::Wait),
    ]
}

/// What one stream has said and what is known of it at the other end.
#[derive(Default)]
struct Lane {
    sent: Vec<u8>,
    arrived: Vec<u8>,
    said_back: Vec<u8>,
    got_back: Vec<u8>,
    is_announced: bool,
    is_closed: bool,
    is_far_closed: bool,
    is_forgotten: bool,
}

struct Model {
    port: Port,
    now: Instant,
    decoder: FrameDecoder,
    lanes: BTreeMap<StreamId, Lane>,
    counter: u8,
}

impl Model {
    fn new() -> Self {
        let now = Instant::now();
        let config = PortConfig::new(PortKind::Mux, Some(&"3.3.1142.0".into()), "1.2.764.0");
        Self {
            port: Port::new(config, now),
            now,
            decoder: FrameDecoder::new(),
            lanes: BTreeMap::new(),
            counter: 0,
        }
    }

    fn pick(&self, index: usize) -> Option<StreamId> {
        let count = self.lanes.len().max(1);
        self.lanes.keys().nth(index % count).copied()
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len)
            .map(|_| {
                self.counter = self.counter.wrapping_add(1);
                self.counter
            })
            .collect()
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Open => {
                let id = self.port.open().expect("a mux has ids");
                assert!(self.lanes.insert(id, Lane::default()).is_none(), "an id comes once");
            }
            Step::Send(index, len) => {
                let Some(id) = self.pick(index) else { return };
                let bytes = self.bytes(len);
                let capacity = self.port.capacity(id);
                let result = self.port.send(id, Bytes::from(bytes.clone()));
                assert_eq!(result.is_ok(), len <= capacity && !self.lanes[&id].is_forgotten);
                if result.is_ok() {
                    self.lane(id).sent.extend(bytes);
                }
            }
            Step::Finish(index) => {
                if let Some(id) = self.pick(index) {
                    self.port.finish(id, self.now);
                }
            }
            Step::Close(index) => {
                if let Some(id) = self.pick(index) {
                    self.port.close(id);
                    self.lane(id).is_forgotten = true;
                }
            }
            Step::Transmit(max) => {
                self.transmit(max);
            }
            Step::FarSays(index, len) => {
                let Some(id) = self.pick(index) else { return };
                let bytes = self.bytes(len);
                let lane = self.lane(id);
                if lane.is_announced && !lane.is_far_closed && !lane.is_forgotten {
                    lane.said_back.extend(&bytes);
                }
                self.far_says(&Frame { command: Command::Psh, stream: id, payload: bytes.into() });
            }
            Step::FarCloses(index) => {
                let Some(id) = self.pick(index) else { return };
                let lane = self.lane(id);
                lane.is_far_closed |= lane.is_announced;
                self.far_says(&Frame::bare(Command::Fin, id));
            }
            Step::Wait(seconds) => {
                self.now += Duration::from_secs(seconds);
                self.port.handle_timeout(self.now);
            }
        }
        self.take_events();
    }

    fn lane(&mut self, id: StreamId) -> &mut Lane {
        self.lanes.get_mut(&id).expect("ids are picked from the lanes")
    }

    fn far_says(&mut self, frame: &Frame) {
        let mut bytes = BytesMut::new();
        frame.encode(&mut bytes);
        self.port.handle_output(bytes.freeze(), self.now).expect("smux");
    }

    fn take_events(&mut self) {
        while let Some(event) = self.port.poll_event() {
            match event {
                PortEvent::Data(id, bytes) => {
                    self.port.consumed(id, bytes.len());
                    self.lane(id).got_back.extend(&bytes);
                }
                PortEvent::Finished(id) => self.lane(id).is_forgotten = true,
                PortEvent::Refused(id) | PortEvent::Overrun(id) => {
                    panic!("nothing was refused and all was consumed: {id}")
                }
            }
        }
    }

    /// Takes one message; false if there was none.
    fn transmit(&mut self, max: usize) -> bool {
        let Some(PortTransmit::Input(input)) = self.port.poll_transmit(max) else { return false };
        assert!(!input.is_empty() && input.len() <= max);
        self.decoder.push(input.into_bytes());
        while let Some(frame) = self.decoder.next().expect("smux") {
            let lane = self.lanes.get_mut(&frame.stream).expect("a stream that was opened");
            match frame.command {
                Command::Syn => assert!(!std::mem::replace(&mut lane.is_announced, true)),
                Command::Fin => {
                    assert!(lane.is_announced && !std::mem::replace(&mut lane.is_closed, true))
                }
                Command::Psh => {
                    assert!(lane.is_announced && !lane.is_closed && !frame.payload.is_empty());
                    lane.arrived.extend(&frame.payload);
                }
                Command::Nop => panic!("no keep-alive was asked for"),
            }
        }
        true
    }
}

proptest! {
    #[test]
    fn streams_keep_their_bytes(steps in proptest::collection::vec(step(), 0..120)) {
        let mut model = Model::new();
        for step in &steps {
            model.take(step);
        }
        while model.transmit(1024) {}
        model.take_events();
        for lane in model.lanes.values() {
            prop_assert!(lane.sent.starts_with(&lane.arrived));
            prop_assert!(lane.is_forgotten || lane.arrived == lane.sent);
            prop_assert_eq!(&lane.got_back, &lane.said_back);
            prop_assert!(!lane.is_far_closed || lane.is_closed, "a FIN is answered");
        }
    }

    #[test]
    fn any_output_is_taken_or_refused(
        parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..20),
    ) {
        let mut model = Model::new();
        for _ in 0..4 {
            model.take(&Step::Open);
        }
        model.transmit(1024);
        for part in parts {
            if model.port.handle_output(part.into(), model.now).is_err() {
                break;
            }
        }
        while model.port.poll_event().is_some() {}
        while model.transmit(100) {}
    }
}
