//! One direction between the gateway's two sides, and what goes wrong on it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::time::Instant;

use super::frames;
use crate::clock;
use crate::faults::{Faults, Impairment};

/// How long a message waits for the next one to change places with.
const REORDER_WAIT: Duration = Duration::from_millis(20);

/// How many messages may be under way; past it the sender waits.
const UNDER_WAY: usize = 8_192;

/// What travels on a link.
#[derive(Debug)]
pub(crate) enum Item {
    /// A message for the other end.
    Frame(Bytes),
    /// `agent_session_state`, for the gateway. Nothing disturbs it, and it overtakes nothing.
    State {
        /// Whether the session is about to end.
        terminating: bool,
    },
    /// The agent's task is done. As undisturbed as a state: it goes another way in truth.
    Done(TaskResult),
}

/// What an agent reports of its task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TaskResult {
    pub(crate) failed: bool,
    /// Text for the user.
    pub(crate) output: String,
}

/// An item and the room it takes up in its sender's queue.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(crate) item: Item,
    #[expect(dead_code, reason = "given back when the parcel is dropped")]
    pub(crate) room: Option<OwnedSemaphorePermit>,
}

impl From<Item> for Parcel {
    fn from(item: Item) -> Self {
        Self { item, room: None }
    }
}

/// The receiving end of one direction. Whoever reads it reads what is left after the faults.
pub(crate) struct Link {
    queue: mpsc::Receiver<Parcel>,
    faults: Faults,
    session: String,
    up: bool,
    changes: watch::Receiver<u64>,
    frozen: watch::Receiver<Option<Instant>>,
    rules: Vec<Rule>,
    /// What is under way, by the time it arrives; the number keeps the order of equals.
    under_way: BTreeMap<(Instant, u64), Parcel>,
    admitted: u64,
    /// The message that waits to change places.
    swapping: Option<(Instant, u64)>,
    /// When the last byte of a rate-limited line has left.
    line_free: Instant,
}

struct Rule {
    impairment: Impairment,
    left: Option<u32>,
    dice: ChaCha8Rng,
}

impl Rule {
    fn new(impairment: Impairment, up: bool) -> Self {
        let seed = impairment.seed.wrapping_mul(2).wrapping_add(u64::from(up));
        Self { left: impairment.times, dice: ChaCha8Rng::seed_from_u64(seed), impairment }
    }

    fn fits(&self, frame: &[u8]) -> bool {
        let wanted = &self.impairment;
        self.left != Some(0)
            && wanted.message_type.as_deref().is_none_or(|kind| frames::is_type(frame, kind))
            && wanted.payload_type.is_none_or(|kind| frames::payload_type(frame) == Some(kind))
    }

    fn roll(&mut self, chance: f64) -> bool {
        chance > 0.0 && self.fraction() < chance
    }

    fn fraction(&mut self) -> f64 {
        f64::from(self.dice.next_u32()) / (f64::from(u32::MAX) + 1.0)
    }
}

impl Link {
    pub(crate) fn new(
        queue: mpsc::Receiver<Parcel>,
        faults: &Faults,
        session: &str,
        up: bool,
        frozen: watch::Receiver<Option<Instant>>,
    ) -> Self {
        let mut link = Self {
            queue,
            faults: faults.clone(),
            session: session.to_owned(),
            up,
            changes: faults.subscribe_changes(),
            frozen,
            rules: Vec::new(),
            under_way: BTreeMap::new(),
            admitted: 0,
            swapping: None,
            line_free: clock::now(),
        };
        link.read_rules();
        link
    }

    /// The next item to arrive; none when the sender is gone and everything has arrived. Dropping
    /// the future loses nothing.
    pub(crate) async fn recv(&mut self) -> Option<Parcel> {
        loop {
            let next = self.under_way.first_key_value().map(|(key, _)| *key);
            match next {
                None => {
                    let parcel = self.queue.recv().await?;
                    if let Some(parcel) = self.admit(parcel) {
                        return Some(parcel);
                    }
                }
                Some(key) if key.0 <= clock::now() => return self.under_way.remove(&key),
                Some((due, _)) => tokio::select! {
                    Some(parcel) = self.queue.recv(), if self.under_way.len() < UNDER_WAY => {
                        if let Some(parcel) = self.admit(parcel) {
                            return Some(parcel);
                        }
                    }
                    () = tokio::time::sleep_until(due) => {}
                },
            }
        }
    }

    /// The next item if it has arrived already.
    pub(crate) fn try_recv(&mut self) -> Option<Parcel> {
        loop {
            if let Some(first) = self.under_way.first_entry() {
                return (first.key().0 <= clock::now()).then(|| first.remove());
            }
            let parcel = self.queue.try_recv().ok()?;
            if let Some(parcel) = self.admit(parcel) {
                return Some(parcel);
            }
        }
    }

    /// Puts one item through the faults. Comes back at once if nothing holds it up.
    fn admit(&mut self, parcel: Parcel) -> Option<Parcel> {
        if self.changes.has_changed().unwrap_or(false) {
            self.read_rules();
        }
        let thaw = *self.frozen.borrow();
        let now = clock::now();
        let thaw = thaw.filter(|thaw| *thaw > now);
        if self.rules.is_empty() && self.under_way.is_empty() && thaw.is_none() {
            return Some(parcel);
        }
        let start = thaw.unwrap_or(now);
        let Item::Frame(frame) = &parcel.item else {
            let last = self.under_way.last_key_value().map_or(start, |(key, _)| key.0);
            self.put(last.max(start), parcel);
            return None;
        };
        let Some(rule) = self.rules.iter_mut().find(|rule| rule.fits(frame)) else {
            self.put(start, parcel);
            return None;
        };
        rule.left = rule.left.map(|left| left - 1);
        let Impairment { drop, repeat, reorder, delay, jitter, bytes_per_second, .. } =
            rule.impairment;
        if rule.roll(drop) {
            return None;
        }
        let twice = rule.roll(repeat);
        let swap = rule.roll(reorder);
        let late = jitter.mul_f64(rule.fraction());
        let mut due = start + delay + late;
        if let Some(rate) = bytes_per_second.filter(|rate| *rate > 0) {
            let time = Duration::from_secs_f64(frame.len() as f64 / rate as f64);
            self.line_free = self.line_free.max(start) + time;
            due = due.max(self.line_free + delay + late);
        }
        let again = twice.then(|| Parcel::from(Item::Frame(frame.clone())));
        if swap && self.swapping.is_none() {
            self.swapping = Some(self.put(due + REORDER_WAIT, parcel));
        } else {
            self.put(due, parcel);
            self.release_swapped(due);
        }
        if let Some(again) = again {
            self.put(due, again);
        }
        None
    }

    /// Lets the message that waited for this one follow it.
    fn release_swapped(&mut self, due: Instant) {
        if let Some(parcel) = self.swapping.take().and_then(|key| self.under_way.remove(&key)) {
            self.put(due, parcel);
        }
    }

    fn put(&mut self, due: Instant, parcel: Parcel) -> (Instant, u64) {
        let key = (due, self.admitted);
        self.admitted += 1;
        self.under_way.insert(key, parcel);
        key
    }

    /// Rules that did not change keep their dice and their count.
    fn read_rules(&mut self) {
        self.changes.mark_unchanged();
        let mut old: VecDeque<Rule> = std::mem::take(&mut self.rules).into();
        for impairment in self.faults.impairments(&self.session, self.up) {
            let known = old.pop_front().filter(|rule| rule.impairment == impairment);
            self.rules.push(known.unwrap_or_else(|| Rule::new(impairment, self.up)));
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::{Flags, Message, MessageType, PayloadType};
    use uuid::Uuid;

    use super::*;
    use crate::faults::Direction;

    struct Bench {
        faults: Faults,
        send: mpsc::Sender<Parcel>,
        link: Link,
        freeze: watch::Sender<Option<Instant>>,
    }

    fn bench() -> Bench {
        let faults = Faults::new();
        let (send, queue) = mpsc::channel(1024);
        let (freeze, frozen) = watch::channel(None);
        let link = Link::new(queue, &faults, "one", true, frozen);
        Bench { faults, send, link, freeze }
    }

    fn frame(message_type: MessageType, sequence: i64) -> Parcel {
        let message = Message {
            message_type,
            created_ms: 1,
            sequence,
            flags: Flags::NONE,
            id: Uuid::nil(),
            payload_type: PayloadType::Output,
            payload: Bytes::from_static(b"x"),
        };
        Item::Frame(message.encode()).into()
    }

    fn sequence(parcel: &Parcel) -> i64 {
        let Item::Frame(frame) = &parcel.item else { panic!("a frame was expected") };
        Message::decode(frame.clone()).unwrap().sequence
    }

    async fn pass(bench: &mut Bench, count: i64) -> Vec<i64> {
        for number in 0..count {
            bench.send.send(frame(MessageType::InputStreamData, number)).await.unwrap();
        }
        let mut seen = Vec::new();
        let idle = Duration::from_secs(3600);
        while let Ok(Some(parcel)) = tokio::time::timeout(idle, bench.link.recv()).await {
            seen.push(sequence(&parcel));
        }
        seen
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_wrong_by_itself() {
        assert_eq!(pass(&mut bench(), 100).await, (0..100).collect::<Vec<_>>());
    }

    #[tokio::test(start_paused = true)]
    async fn losses_wear_off_and_repeat_with_their_seed() {
        let mut bench = bench();
        let rule = Impairment { drop: 1.0, times: Some(3), ..Impairment::default() };
        bench.faults.impair(None, Direction::Up, rule);
        assert_eq!(pass(&mut bench, 5).await, [3, 4]);

        let rule = Impairment { drop: 0.3, seed: 7, ..Impairment::default() };
        let mut runs = Vec::new();
        for _ in 0..2 {
            let mut bench = self::bench();
            bench.faults.impair(None, Direction::Up, rule.clone());
            runs.push(pass(&mut bench, 100).await);
        }
        assert_eq!(runs[0], runs[1]);
        assert!((50..90).contains(&runs[0].len()), "{} of 100", runs[0].len());
    }

    #[tokio::test(start_paused = true)]
    async fn neighbours_change_places_and_twins_appear() {
        let mut bench = bench();
        let swap = Impairment { reorder: 1.0, times: Some(1), ..Impairment::default() };
        let twin = Impairment { repeat: 1.0, times: Some(1), ..Impairment::default() };
        bench.faults.impair(Some("one"), Direction::Up, swap);
        bench.faults.impair(Some("one"), Direction::Up, twin);
        assert_eq!(pass(&mut bench, 3).await, [1, 0, 1, 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rule_for_one_type_leaves_the_others_alone() {
        let mut bench = bench();
        let late = Impairment {
            message_type: Some("acknowledge".into()),
            delay: Duration::from_millis(50),
            ..Impairment::default()
        };
        bench.faults.impair(None, Direction::Both, late);
        let start = clock::now();
        bench.send.send(frame(MessageType::Acknowledge, 0)).await.unwrap();
        bench.send.send(frame(MessageType::InputStreamData, 1)).await.unwrap();
        assert_eq!(sequence(&bench.link.recv().await.unwrap()), 1);
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!(sequence(&bench.link.recv().await.unwrap()), 0);
        assert!(start.elapsed() >= Duration::from_millis(50));
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_spaces_messages_and_the_end_comes_last() {
        let mut bench = bench();
        let slow = Impairment { bytes_per_second: Some(121), ..Impairment::default() };
        bench.faults.impair(None, Direction::Up, slow);
        let start = clock::now();
        bench.send.send(frame(MessageType::InputStreamData, 0)).await.unwrap();
        bench.send.send(frame(MessageType::InputStreamData, 1)).await.unwrap();
        let done = TaskResult { failed: false, output: String::new() };
        bench.send.send(Item::Done(done).into()).await.unwrap();
        assert_eq!(sequence(&bench.link.recv().await.unwrap()), 0);
        assert_eq!(sequence(&bench.link.recv().await.unwrap()), 1);
        assert!(start.elapsed() >= Duration::from_secs(2));
        assert!(matches!(bench.link.recv().await.unwrap().item, Item::Done(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_frozen_side_gets_everything_when_it_thaws() {
        let mut bench = bench();
        let start = clock::now();
        bench.freeze.send_replace(Some(start + Duration::from_secs(5)));
        let seen = pass(&mut bench, 3).await;
        assert_eq!(seen, [0, 1, 2]);
        assert!(start.elapsed() >= Duration::from_secs(5));
    }
}
