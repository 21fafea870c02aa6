//! What a seed stands for: a session, an agent, a path and its faults.

use std::time::Duration;

use crate::dice::Dice;

/// Everything that is decided before a run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) work: Work,
    pub(crate) agent: AgentPlan,
    pub(crate) path: PathPlan,
    pub(crate) payload_limit: usize,
    /// Messages a second.
    pub(crate) rate: Option<u32>,
    /// No fault happens after this.
    pub(crate) calm_after: Duration,
}

/// What the session is for.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    /// Lines typed into a terminal, each echoed.
    Shell {
        lines: Vec<usize>,
        is_interactive_command: bool,
    },
    /// Bytes of standard output and standard error.
    Command {
        chunks: Vec<(bool, usize)>,
    },
    Mux {
        streams: Vec<StreamPlan>,
    },
    /// Connections one after the other, each echoed.
    Single {
        connections: Vec<usize>,
    },
    /// One connection, echoed.
    Stdio {
        bytes: usize,
    },
}

/// What one local connection does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamPlan {
    pub(crate) at: Duration,
    pub(crate) mode: StreamMode,
    pub(crate) bytes: usize,
    pub(crate) ending: StreamEnding,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamMode {
    /// The far side sends back what it gets.
    Echo,
    /// The far side sends.
    Source,
    /// The far side takes everything and answers with a count.
    Sink,
    /// Nobody listens at the destination.
    Refused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamEnding {
    /// The far side ends it.
    Far,
    /// The local side stops sending early and goes on listening.
    HalfClosed,
    /// The local side goes away in the middle.
    Abandoned,
}

#[derive(Clone, Debug)]
pub(crate) struct AgentPlan {
    pub(crate) version: &'static str,
    pub(crate) joins_at: Duration,
    /// From its word that the handshake is complete until it thinks so itself.
    pub(crate) settles_after: Duration,
    /// From the end of the handshake until it takes input.
    pub(crate) ready_after: Duration,
    pub(crate) encryption: Option<EncryptionPlan>,
    /// When its websocket breaks, and for how long.
    pub(crate) cuts: Vec<(Duration, Duration)>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct EncryptionPlan {
    /// How long the client needs for its data key.
    pub(crate) key_after: Duration,
    pub(crate) is_refused: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct PathPlan {
    pub(crate) latency: Duration,
    pub(crate) jitter: Duration,
    /// Whether jitter may change the order.
    pub(crate) is_reordering: bool,
    /// Per mille, client to agent and agent to client.
    pub(crate) loss: (u64, u64),
    pub(crate) repeats: u64,
    pub(crate) cuts: Vec<Cut>,
    /// `pause_publication` out of nowhere, and `start_publication` after a while, or never.
    pub(crate) pauses: Vec<(Duration, Option<Duration>)>,
    /// Whether either end is told when the other is away.
    pub(crate) tells_absence: bool,
    pub(crate) limit: Option<(usize, Refusal)>,
}

/// The client's websocket breaks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    pub(crate) at: Duration,
    pub(crate) away: Duration,
    /// Times the new token is refused after that.
    pub(crate) expired_tokens: u64,
}

/// What the gateway does with a message that is too long.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Refusal {
    /// Closes with code 1009.
    TooBig,
    /// Breaks the websocket.
    Break,
    /// Nothing at all.
    Drop,
}

/// Agents on either side of every gate.
const VERSIONS: [&str; 11] = [
    "3.3.1142.0",
    "3.3.987.0",
    "3.3.700.0",
    "3.2.1041.0",
    "3.2.500.0",
    "3.1.1511.0",
    "3.1.1446.0",
    "3.0.655.0",
    "3.0.500.0",
    "3.0.196.0",
    "2.3.760.0",
];

impl AgentPlan {
    /// Older ones stay silent on a message they have.
    pub(crate) fn reacks(&self) -> bool {
        version(self.version) >= [3, 2, 1041, 0]
    }

    /// Older ones acknowledge and forget what they cannot take yet.
    pub(crate) fn rejects_when_not_ready(&self) -> bool {
        version(self.version) >= [3, 0, 655, 0]
    }

    pub(crate) fn muxes(&self) -> bool {
        version(self.version) > [3, 0, 196, 0]
    }

    /// Whether it closes a mux that is silent for long.
    pub(crate) fn keeps_alive(&self) -> bool {
        version(self.version) <= [3, 1, 1511, 0] && self.version != "3.1.1446.0"
    }

    pub(crate) fn challenges(&self) -> bool {
        version(self.version) >= [3, 3, 808, 0]
    }
}

fn version(text: &str) -> [u64; 4] {
    let mut parts = text.split('.').map(|part| part.parse().expect("a number"));
    std::array::from_fn(|_| parts.next().expect("four parts"))
}

impl Plan {
    pub(crate) fn draw(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let calm_after = dice.millis(2_000, 15_000);
        let mut agent = AgentPlan {
            version: dice.pick(&VERSIONS),
            joins_at: dice.millis(0, 300),
            settles_after: dice.millis(0, 40),
            ready_after: dice.millis(0, 400),
            encryption: None,
            cuts: Vec::new(),
        };
        let work = Work::draw(&mut dice, &agent);
        if matches!(work, Work::Shell { .. } | Work::Command { .. }) && dice.chance(300) {
            agent.encryption = Some(EncryptionPlan {
                key_after: dice.millis(0, 2000),
                is_refused: dice.chance(100),
            });
        }
        if !agent.rejects_when_not_ready() {
            agent.ready_after = Duration::ZERO;
        }
        let mut path = PathPlan::draw(&mut dice, calm_after);
        if dice.chance(400) {
            agent.cuts = (0..dice.between(1, 4))
                .map(|_| (instant(&mut dice, calm_after), dice.millis(5, 2000)))
                .collect();
        }
        // Without being told, a client cannot know that an agent's acknowledgements are lost.
        path.tells_absence |= !agent.reacks();
        Self {
            seed,
            work,
            agent,
            path,
            payload_limit: dice.pick(&[1024, 1024, 2048, 8192]),
            rate: dice.pick(&[None, Some(800), Some(100)]),
            calm_after,
        }
    }
}

impl Work {
    fn draw(dice: &mut Dice, agent: &AgentPlan) -> Self {
        match dice.below(10) {
            0..3 => Self::Shell {
                lines: (0..dice.between(1, 12)).map(|_| dice.size(1, 2500)).collect(),
                is_interactive_command: dice.chance(300),
            },
            3..5 => Self::Command {
                chunks: (0..dice.between(1, 12))
                    .map(|_| (dice.chance(400), dice.size(1, 3000)))
                    .collect(),
            },
            5 => Self::Stdio { bytes: dice.size(1, 30_000) },
            _ if agent.muxes() => {
                let mut streams: Vec<_> =
                    (0..dice.between(1, 6)).map(|_| StreamPlan::draw(dice)).collect();
                streams.sort_by_key(|stream| stream.at);
                Self::Mux { streams }
            }
            _ => Self::Single {
                connections: (0..dice.between(1, 4)).map(|_| dice.size(1, 8000)).collect(),
            },
        }
    }
}

impl StreamPlan {
    fn draw(dice: &mut Dice) -> Self {
        use {StreamEnding as Ending, StreamMode as Mode};
        Self {
            at: dice.millis(0, 3000),
            mode: dice.pick(&[Mode::Echo, Mode::Echo, Mode::Source, Mode::Sink, Mode::Refused]),
            // At least one: a stream that ends without a byte is not told from a refused one.
            bytes: dice.size(1, 12_000),
            ending: dice.pick(&[
                Ending::Far,
                Ending::HalfClosed,
                Ending::HalfClosed,
                Ending::Abandoned,
            ]),
        }
    }
}

impl PathPlan {
    fn draw(dice: &mut Dice, calm_after: Duration) -> Self {
        let is_lossy = dice.chance(600);
        let is_cut = dice.chance(600);
        let is_paused = dice.chance(300);
        Self {
            latency: dice.millis(0, 150),
            jitter: dice.millis(0, 60),
            is_reordering: dice.chance(400),
            loss: if is_lossy { (dice.below(200), dice.below(200)) } else { (0, 0) },
            repeats: if dice.chance(500) { dice.below(200) } else { 0 },
            cuts: (0..if is_cut { dice.between(1, 10) } else { 0 })
                .map(|_| Cut {
                    at: instant(dice, calm_after),
                    away: dice.millis(0, 3000),
                    expired_tokens: if dice.chance(250) { dice.between(1, 3) } else { 0 },
                })
                .collect(),
            pauses: (0..if is_paused { dice.between(1, 3) } else { 0 })
                .map(|_| {
                    let length = dice.millis(10, 3000);
                    (instant(dice, calm_after), dice.chance(700).then_some(length))
                })
                .collect(),
            tells_absence: dice.chance(600),
            limit: dice.chance(500).then(|| {
                let refusal = dice.pick(&[Refusal::TooBig, Refusal::Break, Refusal::Drop]);
                (dice.pick(&[1100, 4096]), refusal)
            }),
        }
    }
}

fn instant(dice: &mut Dice, before: Duration) -> Duration {
    before.mul_f64(dice.below(1000) as f64 / 1000.0)
}
