//! The relay of one session.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep};
use tokio_tungstenite::tungstenite::Message;

use super::client::{self, Client, Happening};
use super::link::{Item, Link, Parcel};
use super::{Ends, POLICY, Socket, frames};
use crate::clock;
use crate::faults::{Act, ActKind, Faults, GatewayRules, Side, Unattended};
use crate::sessions::{Ending, Entry};

/// Messages of a client that an agent may be behind.
const UP_FRAMES: usize = 8_192;
/// Messages of an agent in the relay's queue: its data, which takes up room of its own, and its
/// acknowledgements, which do not.
const DOWN_FRAMES: usize = 8_192;
/// Messages kept for a client that is not there, if any are.
const QUEUED_FRAMES: usize = 4_096;
/// Messages taken at a time before the next look around.
const BATCH: usize = 64;
/// How long an agent that is behind holds up its client; then its messages are dropped.
const STALL_PATIENCE: Duration = Duration::from_secs(1);
/// How long a websocket stays open behind `channel_closed`.
const LINGER: Duration = Duration::from_secs(5);

/// Close code of the service's own hourly goodbye.
const NORMAL: u16 = 1000;
/// Close code for a message over the limit.
const TOO_BIG: u16 = 1009;

const IDLE_TEXT: &str = "Session timed out due to inactivity.";
const DURATION_TEXT: &str = "Session reached its maximum duration.";

/// Passes messages between the two ends of one session until it is over.
pub(crate) struct Relay {
    entry: Arc<Entry>,
    session: String,
    node: String,
    faults: Faults,
    rules: GatewayRules,
    changes: watch::Receiver<u64>,
    acts: broadcast::Receiver<Act>,
    sockets: mpsc::Receiver<Socket>,
    ending: watch::Receiver<Option<Ending>>,
    up: mpsc::Sender<Parcel>,
    down: Link,
    client: Option<Client>,
    client_seen: watch::Sender<bool>,
    client_frozen: Option<Instant>,
    agent_frozen: watch::Sender<Option<Instant>>,
    agent_joined: bool,
    agent_away: Option<Instant>,
    born: Instant,
    last_activity: Instant,
    stall: Stall,
    unattended: VecDeque<Bytes>,
    goodbyes: JoinSet<()>,
}

/// What a full queue to the agent does.
enum Stall {
    /// It is not full.
    None,
    /// This message waits for room until then, and the client's next ones with it.
    Waiting(Bytes, Instant),
    /// The wait was in vain; messages are dropped until there is room again.
    Dropping,
}

enum Event {
    Ended,
    Act(Act),
    RulesChanged,
    Socket(Box<Socket>),
    Client(Happening),
    Agent(Option<Parcel>),
    Room,
    Deadline,
}

impl Relay {
    /// The relay and the agent's ends of it.
    pub(crate) fn new(
        entry: Arc<Entry>,
        faults: Faults,
        sockets: mpsc::Receiver<Socket>,
    ) -> (Self, Ends) {
        let record = entry.record();
        let (up, up_queue) = mpsc::channel(UP_FRAMES);
        let (down, down_queue) = mpsc::channel(DOWN_FRAMES);
        let (agent_frozen, frozen) = watch::channel(None);
        let client_seen = watch::Sender::new(false);
        let ends = Ends {
            up: Link::new(up_queue, &faults, &record.id, true, frozen.clone()),
            down,
            ending: entry.ending(),
            client_seen: client_seen.subscribe(),
        };
        let now = clock::now();
        let relay = Self {
            rules: faults.gateway_rules(&record.id),
            changes: faults.subscribe_changes(),
            acts: faults.subscribe_acts(),
            sockets,
            ending: entry.ending(),
            up,
            down: Link::new(down_queue, &faults, &record.id, false, frozen),
            client: None,
            client_seen,
            client_frozen: None,
            agent_frozen,
            agent_joined: false,
            agent_away: None,
            born: now,
            last_activity: now,
            stall: Stall::None,
            unattended: VecDeque::new(),
            goodbyes: JoinSet::new(),
            session: record.id,
            node: record.target,
            entry,
            faults,
        };
        (relay, ends)
    }

    /// Runs until the session is over and its last websocket closed.
    pub(crate) async fn run(mut self) {
        let timer = tokio::time::sleep_until(self.born);
        tokio::pin!(timer);
        while !self.entry.is_over() {
            // One that has moved away is only looked at when the old one has passed.
            if let Some(deadline) = self.deadline()
                && (deadline < timer.deadline() || timer.is_elapsed())
            {
                timer.as_mut().reset(deadline);
            }
            let event = self.next_event(timer.as_mut()).await;
            self.handle(event);
            while self.goodbyes.try_join_next().is_some() {}
        }
        self.finish().await;
    }

    /// What is asked of the relay comes first; traffic takes turns.
    async fn next_event(&mut self, timer: Pin<&mut Sleep>) -> Event {
        let has_deadline = self.deadline().is_some();
        let frozen = self.client_frozen.is_some();
        let read = !matches!(self.stall, Stall::Waiting(..));
        let take = !frozen && self.client.as_ref().is_none_or(Client::has_room);
        let client = self.client.as_mut().filter(|_| !frozen);
        let traffic = async {
            tokio::select! {
                happening = next_happening(client, read) => Event::Client(happening),
                parcel = self.down.recv(), if take => Event::Agent(parcel),
                _ = self.up.reserve(), if !read => Event::Room,
                () = timer, if has_deadline => Event::Deadline,
                else => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = self.ending.changed() => Event::Ended,
            act = next_act(&mut self.acts) => Event::Act(act),
            Ok(()) = self.changes.changed() => Event::RulesChanged,
            Some(socket) = self.sockets.recv() => Event::Socket(socket.into()),
            event = traffic => event,
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            // The loop looks at the entry.
            Event::Ended => {}
            Event::Act(act) => {
                if act.session.is_none_or(|session| session == self.session) {
                    self.act(act.kind);
                }
            }
            Event::RulesChanged => self.rules = self.faults.gateway_rules(&self.session),
            Event::Socket(socket) => self.attach(*socket),
            Event::Client(happening) => self.client_did(happening),
            Event::Agent(Some(parcel)) => {
                self.agent_sent(parcel.item);
                for _ in 1..BATCH {
                    if !self.client.as_ref().is_none_or(Client::has_room) {
                        break;
                    }
                    let Some(parcel) = self.down.try_recv() else { break };
                    self.agent_sent(parcel.item);
                }
            }
            // Its result came before, unless it broke.
            Event::Agent(None) => {
                self.entry.end(Ending::failed("The agent stopped unexpectedly."));
            }
            Event::Room => {
                if let Stall::Waiting(frame, _) = std::mem::replace(&mut self.stall, Stall::None) {
                    self.pass_up(frame);
                }
            }
            Event::Deadline => self.deadline_passed(),
        }
    }

    fn act(&mut self, kind: ActKind) {
        match kind {
            ActKind::Cut(None) => self.drop_client("cut on request"),
            ActKind::Cut(Some((code, reason))) => self.close_client(code, &reason),
            ActKind::Freeze(Side::Client, time) => self.client_frozen = Some(clock::now() + time),
            ActKind::Freeze(Side::Agent, time) => {
                self.agent_frozen.send_replace(Some(clock::now() + time));
            }
            ActKind::Pause(side) => self.publish(side, true),
            ActKind::Start(side) => self.publish(side, false),
            ActKind::AgentAway(time) => {
                self.agent_away = Some(clock::now() + time);
                self.publish(Side::Client, true);
            }
            ActKind::Close(output) => self.entry.end(Ending::terminated(output)),
            ActKind::Inject(bytes) => self.write(Message::Binary(bytes)),
            ActKind::InjectText(text) => self.write(Message::Text(text.into())),
        }
    }

    fn attach(&mut self, socket: Socket) {
        let replaced = self.client.take();
        let is_first = replaced.is_none();
        if let Some(old) = replaced {
            self.say_goodbye(old, NORMAL, "Bye".to_owned());
        }
        tracing::debug!(session = self.session, replaced = !is_first, "client joined");
        self.client = Some(Client::new(socket, clock::now()));
        self.entry.set_connected(true);
        self.client_seen.send_replace(true);
        if self.rules.publications {
            self.publish(Side::Agent, false);
        }
        for frame in std::mem::take(&mut self.unattended) {
            self.pass_down(frame);
        }
    }

    fn client_did(&mut self, happening: Happening) {
        let mut happening = happening;
        for taken in 1.. {
            match happening {
                Happening::Written => return,
                Happening::Gone { too_long: true } => {
                    return self.close_client(TOO_BIG, "message too big");
                }
                Happening::Gone { too_long: false } => return self.drop_client("websocket gone"),
                Happening::Received(message) => self.received(message),
            }
            if taken == BATCH || matches!(self.stall, Stall::Waiting(..)) {
                return;
            }
            let Some(next) = self.client.as_mut().and_then(Client::try_read) else { return };
            happening = next;
        }
    }

    fn received(&mut self, message: Message) {
        match message {
            Message::Binary(frame) => self.client_sent(frame),
            Message::Close(_) => self.drop_client("closed by the client"),
            // Pings are answered by the websocket itself; text after the first message is nothing.
            Message::Text(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
    }

    fn client_sent(&mut self, frame: Bytes) {
        if frame.len() > self.rules.max_frame_bytes {
            tracing::debug!(session = self.session, bytes = frame.len(), "message too big");
            return self.close_client(TOO_BIG, "message too big");
        }
        let now = clock::now();
        if frames::is_stream_data(&frame) {
            self.last_activity = now;
            if let (Some(limit), Some(client)) =
                (self.rules.max_frames_per_second, &mut self.client)
                && client.meter.count(limit, now)
            {
                tracing::debug!(session = self.session, limit, "client sends too fast");
                return self.close_client(POLICY, "too many messages");
            }
        }
        self.pass_up(frame);
        self.count_frame();
    }

    fn pass_up(&mut self, frame: Bytes) {
        use mpsc::error::TrySendError::{Closed, Full};
        if !self.agent_joined || self.agent_away.is_some() {
            return;
        }
        match self.up.try_send(Item::Frame(frame).into()) {
            Ok(()) => self.stall = Stall::None,
            Err(Closed(_)) => {}
            Err(Full(parcel)) => {
                if let (Stall::None, Item::Frame(frame)) = (&self.stall, parcel.item) {
                    self.stall = Stall::Waiting(frame, clock::now() + STALL_PATIENCE);
                }
            }
        }
    }

    fn agent_sent(&mut self, item: Item) {
        match item {
            Item::Frame(_) if self.agent_away.is_some() => {}
            Item::Frame(frame) => {
                if frames::is_stream_data(&frame) {
                    self.last_activity = clock::now();
                }
                self.pass_down(frame);
            }
            Item::State { terminating: true } => self.entry.end(Ending::terminated("")),
            Item::State { terminating: false } => {
                self.agent_joined = true;
                if self.rules.publications {
                    self.publish(Side::Client, false);
                }
            }
            Item::Done(result) if result.failed => self.entry.end(Ending::failed(result.output)),
            Item::Done(result) => self.entry.end(Ending::terminated(result.output)),
        }
    }

    fn pass_down(&mut self, frame: Bytes) {
        if self.client.is_some() {
            self.write(Message::Binary(frame));
            self.count_frame();
        } else if self.rules.unattended == Unattended::Queue
            && self.unattended.len() < QUEUED_FRAMES
        {
            self.unattended.push_back(frame);
        }
    }

    fn write(&mut self, message: Message) {
        let Some(client) = &mut self.client else { return };
        client.push(if let Message::Binary(frame) = message {
            Message::Binary(frames::padded(frame, self.rules.padding))
        } else {
            message
        });
    }

    fn publish(&mut self, side: Side, paused: bool) {
        let frame = frames::publication(paused, self.rules.junk_headers);
        match side {
            Side::Client => self.write(Message::Binary(frame)),
            // An agent so far behind that there is no room is paused already.
            Side::Agent if self.agent_joined => drop(self.up.try_send(Item::Frame(frame).into())),
            Side::Agent => {}
        }
    }

    fn count_frame(&mut self) {
        let limit = self.rules.cut_after_frames;
        let Some(client) = &mut self.client else { return };
        client.frames += 1;
        if limit.is_some_and(|limit| client.frames >= limit) {
            self.drop_client("cut after so many messages");
        }
    }

    fn drop_client(&mut self, why: &str) {
        if self.client.take().is_some() {
            self.client_left(why);
        }
    }

    fn close_client(&mut self, code: u16, reason: &str) {
        if let Some(client) = self.client.take() {
            self.say_goodbye(client, code, reason.to_owned());
            self.client_left(reason);
        }
    }

    fn say_goodbye(&mut self, client: Client, code: u16, reason: String) {
        self.goodbyes.spawn(async move {
            client::close(client.into_socket(), code, &reason).await;
        });
    }

    fn client_left(&mut self, why: &str) {
        tracing::debug!(session = self.session, why, "client left");
        self.client_frozen = None;
        self.stall = Stall::None;
        self.entry.set_connected(false);
        if self.rules.publications {
            self.publish(Side::Agent, true);
        }
    }

    /// The next moment at which something is due by itself.
    fn deadline(&self) -> Option<Instant> {
        let client = self.client.as_ref().map(|client| client.since);
        let after = |start: Option<Instant>, time: Option<Duration>| Some(start? + time?);
        let stalled = match &self.stall {
            Stall::Waiting(_, until) => Some(*until),
            Stall::None | Stall::Dropping => None,
        };
        [
            after(Some(self.last_activity), self.rules.idle_timeout),
            after(Some(self.born), self.rules.max_duration),
            after(client, self.rules.recycle_after),
            after(client, self.rules.cut_every),
            self.client_frozen,
            self.agent_away,
            stalled,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn deadline_passed(&mut self) {
        let now = clock::now();
        let is_past = |start: Instant, time: Option<Duration>| {
            time.is_some_and(|time| now.saturating_duration_since(start) >= time)
        };
        if self.client_frozen.is_some_and(|thaw| thaw <= now) {
            self.client_frozen = None;
        }
        if self.agent_away.is_some_and(|back| back <= now) {
            self.agent_away = None;
            self.publish(Side::Client, false);
        }
        if matches!(&self.stall, Stall::Waiting(_, until) if *until <= now) {
            tracing::debug!(session = self.session, "agent is behind, dropping");
            self.stall = Stall::Dropping;
        }
        if is_past(self.last_activity, self.rules.idle_timeout) {
            return self.entry.end(Ending::terminated(IDLE_TEXT));
        }
        if is_past(self.born, self.rules.max_duration) {
            return self.entry.end(Ending::terminated(DURATION_TEXT));
        }
        let Some(since) = self.client.as_ref().map(|client| client.since) else { return };
        if is_past(since, self.rules.cut_every) {
            self.drop_client("cut on schedule");
        } else if is_past(since, self.rules.recycle_after) {
            self.close_client(NORMAL, "Bye");
        }
    }

    /// Tells the client how it ended, and lets it go.
    async fn finish(mut self) {
        let Ending { output, .. } =
            self.entry.ending().borrow().clone().unwrap_or(Ending::failed(""));
        tracing::debug!(session = self.session, output, "telling the end");
        self.faults.forget(&self.session);
        // Nobody reads what the agent still has to say.
        drop(self.down);
        self.sockets.close();
        while let Ok(socket) = self.sockets.try_recv() {
            self.client = Some(Client::new(socket, clock::now()));
        }
        if let Some(thaw) = self.client_frozen {
            tokio::time::sleep_until(thaw).await;
        }
        if let Some(mut client) = self.client {
            let closed = frames::channel_closed(&self.session, &self.node, &output);
            client.push(Message::Binary(frames::padded(closed, self.rules.padding)));
            let linger = async {
                while !matches!(
                    client.next(true).await,
                    Happening::Gone { .. } | Happening::Received(Message::Close(_))
                ) {}
            };
            if tokio::time::timeout(LINGER, linger).await.is_err() {
                client::close(client.into_socket(), NORMAL, "session ended").await;
            }
        }
        while self.goodbyes.join_next().await.is_some() {}
    }
}

/// What the websocket does next, if there is one to look at.
async fn next_happening(client: Option<&mut Client>, read: bool) -> Happening {
    match client {
        Some(client) => client.next(read).await,
        None => std::future::pending().await,
    }
}

/// The next act; one that was missed under load is a fault of its own.
async fn next_act(acts: &mut broadcast::Receiver<Act>) -> Act {
    loop {
        match acts.recv().await {
            Ok(act) => return act,
            Err(broadcast::error::RecvError::Lagged(missed)) => {
                tracing::warn!(missed, "acts came faster than a session could follow");
            }
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}
