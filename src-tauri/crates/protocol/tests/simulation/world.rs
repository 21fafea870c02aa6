//! One run: client, path and agent, moved from event to event.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::{Duration, Instant};

use bytes::Bytes;
use protocol::{
    AcknowledgeBody, ChannelClosedBody, ChannelConfig, DataChannel, DataKey, Event, Message,
    MessageType, RateConfig,
};
use uuid::Uuid;

use crate::CLIENT_VERSION;
use crate::agent::{Agent, DATA_KEY};
use crate::mutation::{Inward, Mutant, Mutation};
use crate::path::{Fate, Parcel, Path, gateway_message};
use crate::plan::{Plan, Refusal};
use crate::user::User;

/// Everything must be done this long after the last fault.
const PATIENCE: Duration = Duration::from_secs(600);

/// More steps than any run needs.
const STEPS: usize = 400_000;

enum Happening {
    Parcel(Parcel),
    AgentJoins,
    ClientCut {
        away: Duration,
        expired_tokens: u64,
    },
    ClientBack {
        expired_tokens: u64,
    },
    AgentCut {
        away: Duration,
    },
    AgentBack,
    Pause,
    Start,
    DataKey,
    /// The gateway says that the session is over, on whatever websocket there is.
    Close,
    /// Nothing but the time.
    Wake,
}

pub(crate) struct World {
    plan: Plan,
    epoch: Instant,
    now: Duration,
    channel: DataChannel,
    user: User,
    agent: Agent,
    path: Path,
    mutant: Mutant,
    agenda: BTreeMap<(Duration, u64), Happening>,
    count: u64,
    next_wake: Option<Duration>,
    is_closing: bool,
    /// Tells every frame on standard error.
    is_traced: bool,
}

impl World {
    pub(crate) fn new(plan: Plan, mutation: Mutation) -> Self {
        let epoch = Instant::now();
        let seed: [u8; 32] = std::array::from_fn(|at| plan.seed.to_le_bytes()[at % 8]);
        let mut config =
            ChannelConfig::new(CLIENT_VERSION, Uuid::nil(), seed, (epoch, 1_700_000_000_000));
        config.payload_limit = plan.payload_limit;
        config.rate = RateConfig { frames_per_second: plan.rate, ..RateConfig::default() };
        let mut world = Self {
            epoch,
            now: Duration::ZERO,
            channel: DataChannel::new(config),
            user: User::new(&plan),
            agent: Agent::new(&plan),
            path: Path::new(&plan),
            mutant: Mutant::new(mutation),
            agenda: BTreeMap::new(),
            count: 0,
            next_wake: None,
            is_closing: false,
            is_traced: std::env::var_os("ADIT_SIM_TRACE").is_some(),
            plan,
        };
        world.schedule_faults();
        world.channel.handle_connected(epoch);
        world.channel.send_size(80, 24);
        world
    }

    fn schedule_faults(&mut self) {
        self.at(self.plan.agent.joins_at, Happening::AgentJoins);
        for cut in self.plan.path.cuts.clone() {
            let (away, expired_tokens) = (cut.away, cut.expired_tokens);
            self.at(cut.at, Happening::ClientCut { away, expired_tokens });
        }
        for (at, away) in self.plan.agent.cuts.clone() {
            self.at(at.max(self.plan.agent.joins_at), Happening::AgentCut { away });
        }
        for (at, length) in self.plan.path.pauses.clone() {
            self.at(at, Happening::Pause);
            if let Some(length) = length {
                self.at(at + length, Happening::Start);
            }
        }
    }

    fn at(&mut self, at: Duration, happening: Happening) {
        self.count += 1;
        self.agenda.insert((at, self.count), happening);
    }

    fn instant(&self) -> Instant {
        self.epoch + self.now
    }

    /// Runs to the end of the session and answers when that was, or to what went wrong.
    pub(crate) fn run(mut self) -> Result<Duration, String> {
        let deadline = self.plan.calm_after + PATIENCE;
        for _ in 0..STEPS {
            self.settle()?;
            if self.is_over()? {
                return Ok(self.now);
            }
            let Some(((at, _), happening)) = self.agenda.pop_first() else {
                return Err(format!("nothing happens any more: {}", self.describe()));
            };
            if at > deadline {
                return Err(format!("stalled: {}", self.describe()));
            }
            self.now = at;
            self.happen(happening)?;
        }
        Err(format!("no end of steps: {}", self.describe()))
    }

    fn happen(&mut self, happening: Happening) -> Result<(), String> {
        match happening {
            Happening::Wake => self.next_wake = None,
            Happening::Parcel(Parcel::ToAgent { websocket, frame }) => {
                let is_lost = websocket != self.path.client_websocket && !self.path.survives();
                if self.path.is_agent_there && !is_lost {
                    self.trace("agent gets", &frame);
                    self.agent.receive(frame);
                }
            }
            Happening::Parcel(Parcel::ToClient { websocket, frame }) => {
                if self.path.is_client_there && websocket == self.path.client_websocket {
                    self.deliver(frame)?;
                }
            }
            Happening::AgentJoins => self.agent.join(&self.plan.work.clone()),
            Happening::ClientCut { away, expired_tokens } => self.cut_client(away, expired_tokens),
            Happening::ClientBack { expired_tokens } => self.client_back(expired_tokens),
            Happening::AgentCut { away } => {
                if self.path.is_agent_there {
                    self.path.is_agent_there = false;
                    self.path.agent_websocket += 1;
                    self.agent.connected(false);
                    self.at(self.now + away, Happening::AgentBack);
                    if self.plan.path.tells_absence {
                        self.tell_client(MessageType::PausePublication);
                    }
                }
            }
            Happening::AgentBack => {
                self.path.is_agent_there = true;
                self.agent.connected(true);
                if self.plan.path.tells_absence {
                    self.tell_client(MessageType::StartPublication);
                }
            }
            Happening::Pause => {
                self.tell_client(MessageType::PausePublication);
                self.tell_agent(MessageType::PausePublication);
            }
            Happening::Start => {
                self.tell_client(MessageType::StartPublication);
                self.tell_agent(MessageType::StartPublication);
            }
            Happening::Close if self.path.is_client_there => {
                let body = ChannelClosedBody::default().encode();
                self.deliver(gateway_message(MessageType::ChannelClosed, body))?;
            }
            Happening::Close => self.at(self.now + Duration::from_secs(1), Happening::Close),
            Happening::DataKey => {
                let key = DataKey::from_bytes(DATA_KEY).expect("64 bytes");
                match self.plan.agent.encryption {
                    Some(plan) if plan.is_refused => {
                        self.channel.refuse_data_key("access denied");
                    }
                    Some(_) | None => self.channel.provide_data_key(&key, b"blob"),
                }
            }
        }
        Ok(())
    }

    fn cut_client(&mut self, away: Duration, expired_tokens: u64) {
        if !self.path.is_client_there {
            return;
        }
        self.path.is_client_there = false;
        self.path.client_websocket += 1;
        self.channel.handle_disconnected();
        self.at(self.now + away, Happening::ClientBack { expired_tokens });
        if self.plan.path.tells_absence {
            self.tell_agent(MessageType::PausePublication);
        }
    }

    fn client_back(&mut self, expired_tokens: u64) {
        let token = format!("token-{expired_tokens}");
        let opening = self.channel.opening(&token);
        assert!(opening.contains(&token), "the opening has the token");
        let instant = self.instant();
        self.channel.handle_connected(instant);
        self.mutant.resumed();
        if expired_tokens > 0 {
            // The gateway takes the websocket, sees the token and closes it. What was sent on
            // it is gone.
            while let Some(frame) = self.channel.poll_transmit(instant) {
                self.mutant.lets_out(&frame);
            }
            self.channel.handle_disconnected();
            let away = self.path.millis(100, 500);
            let expired_tokens = expired_tokens - 1;
            self.at(self.now + away, Happening::ClientBack { expired_tokens });
            return;
        }
        self.path.is_client_there = true;
        if self.plan.path.tells_absence {
            self.tell_agent(MessageType::StartPublication);
        }
    }

    fn tell_client(&mut self, message_type: MessageType) {
        let frame = gateway_message(message_type, Bytes::new());
        let websocket = self.path.client_websocket;
        let at = self.now + self.plan.path.latency;
        self.at(at, Happening::Parcel(Parcel::ToClient { websocket, frame }));
    }

    fn tell_agent(&mut self, message_type: MessageType) {
        let frame = gateway_message(message_type, Bytes::new());
        let websocket = self.path.client_websocket;
        let at = self.now + self.plan.path.latency;
        self.at(at, Happening::Parcel(Parcel::ToAgent { websocket, frame }));
    }

    fn deliver(&mut self, frame: Bytes) -> Result<(), String> {
        self.trace("client gets", &frame);
        match self.mutant.lets_in(&frame) {
            Inward::Pass => {}
            Inward::AcknowledgeOnly(body) => {
                let frame = gateway_message(MessageType::Acknowledge, body);
                self.send_up(frame);
                return Ok(());
            }
        }
        self.channel
            .handle_received(frame, self.instant())
            .map_err(|error| format!("the client blames the agent: {error}"))
    }

    /// Lets everyone do what can be done without time passing.
    fn settle(&mut self) -> Result<(), String> {
        let instant = self.instant();
        self.channel.handle_timeout(instant);
        self.user.handle_timeout(instant);
        self.agent.advance(self.now);
        loop {
            while let Some(event) = self.channel.poll_event() {
                if let Event::DataKeyWanted { challenge, .. } = &event {
                    let encryption = self.plan.agent.encryption.ok_or("a key nobody wanted")?;
                    if challenge.is_some() != self.plan.agent.challenges() {
                        return Err("the challenge was lost".to_owned());
                    }
                    self.at(self.now + encryption.key_after, Happening::DataKey);
                }
                self.user
                    .handle(event, &self.plan, instant)
                    .map_err(|error| format!("the port blames the agent: {error}"))?;
            }
            self.user.act(&mut self.channel, self.now, instant);
            let Some(frame) = self.channel.poll_transmit(instant) else { break };
            if self.mutant.lets_out(&frame) {
                self.send_up(frame);
            }
        }
        for frame in std::mem::take(&mut self.agent.out) {
            self.send_down(frame);
        }
        self.check()?;
        self.schedule_wake();
        Ok(())
    }

    fn trace(&self, what: &str, frame: &Bytes) {
        if !self.is_traced {
            return;
        }
        let message = Message::decode(frame.clone()).expect("everything sent is a message");
        let body = AcknowledgeBody::parse(&message.payload).ok();
        let acknowledged = body.map(|body| body.acknowledged_message_sequence_number);
        writeln!(
            std::io::stderr(),
            "{:10.3?} {what} {} {} {:?} {:?} {}",
            self.now,
            message.message_type,
            message.sequence,
            message.payload_type,
            acknowledged,
            message.payload.len()
        )
        .expect("standard error is open");
    }

    fn send_up(&mut self, frame: Bytes) {
        self.trace("client sends", &frame);
        if !self.path.is_client_there {
            return;
        }
        let websocket = self.path.client_websocket;
        match self.path.take_up(&frame, self.now) {
            Fate::Arrives(times) => {
                for at in times {
                    let frame = frame.clone();
                    self.at(at, Happening::Parcel(Parcel::ToAgent { websocket, frame }));
                }
            }
            Fate::Refused(Refusal::Drop) => {}
            Fate::Refused(Refusal::Break) => self.cut_client(Duration::from_millis(300), 0),
            Fate::Refused(Refusal::TooBig) => {
                self.channel.handle_payload_refused();
                self.cut_client(Duration::from_millis(300), 0);
            }
        }
    }

    fn send_down(&mut self, frame: Bytes) {
        self.trace("agent sends", &frame);
        if !self.path.is_client_there || !self.path.is_agent_there {
            return;
        }
        let websocket = self.path.client_websocket;
        for at in self.path.take_down(&frame, self.now) {
            let frame = frame.clone();
            self.at(at, Happening::Parcel(Parcel::ToClient { websocket, frame }));
        }
    }

    /// What must hold at any time.
    fn check(&self) -> Result<(), String> {
        if let Some(violation) = self.agent.violations.first() {
            return Err(format!("the agent was mistreated: {violation}"));
        }
        let stats = self.channel.stats();
        if stats.held_frames > 10_000 || stats.in_flight_bytes > stats.window_bytes + 16 * 1024 {
            return Err(format!("unbounded: {stats:?}"));
        }
        if stats.queued_bytes > 64 * 1024 {
            return Err(format!("too much queued: {stats:?}"));
        }
        if self.agent.plugin.is_silent_too_long(self.now) {
            return Err(format!("the agent closes a mux that says nothing: {}", self.describe()));
        }
        Ok(())
    }

    fn schedule_wake(&mut self) {
        let channel = self.channel.poll_timeout().map(|(at, _)| at);
        let instants = channel.into_iter().chain(self.user.port_wakes_at());
        let wakes = instants.map(|at| at.saturating_duration_since(self.epoch));
        let wakes = wakes.chain(self.agent.wakes_at()).chain(self.user.wakes_at(self.now));
        let Some(wake) = wakes.min().map(|at| at.max(self.now + Duration::from_micros(1))) else {
            return;
        };
        if self.next_wake.is_none_or(|planned| wake < planned) {
            self.next_wake = Some(wake);
            self.at(wake, Happening::Wake);
        }
    }

    /// Ends the session once all is done, and says when it has ended.
    fn is_over(&mut self) -> Result<bool, String> {
        let is_refused = self.plan.agent.encryption.is_some_and(|plan| plan.is_refused);
        if is_refused {
            if self.agent.is_failed() {
                self.close();
            }
            return Ok(self.user.is_closed);
        }
        let is_satisfied = self.user.is_satisfied(&self.agent.plugin.received)?;
        if self.user.is_closed {
            return if is_satisfied { Ok(true) } else { Err("closed too early".to_owned()) };
        }
        if is_satisfied {
            self.user.end(&mut self.channel);
            if self.agent.plugin.is_terminated || (self.user.has_ended() && self.agent.is_drained())
            {
                self.close();
            }
        }
        Ok(false)
    }

    fn close(&mut self) {
        if std::mem::replace(&mut self.is_closing, true) {
            return;
        }
        self.at(self.now + self.plan.path.latency, Happening::Close);
    }

    fn describe(&self) -> String {
        format!(
            "at {:?}: {:?}; {}; agent drained {}; {:?}",
            self.now,
            self.channel.stats(),
            self.user.describe(None),
            self.agent.is_drained(),
            self.plan
        )
    }
}
