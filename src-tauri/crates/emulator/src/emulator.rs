//! The emulator as its users hold it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::destinations::Destinations;
use crate::http::{Front, state};
use crate::keyring::{Credential, Identity, Keyring, Secret};
use crate::scenario::{Account, User};
use crate::services::World;
use crate::services::kms::Kms;
use crate::services::sign_in::SignIns;
use crate::tally::{Counts, Tally};
use crate::{Faults, Scenario, Sessions, clock, profiles};

/// How an emulator is to be.
#[derive(Clone)]
pub struct EmulatorConfig {
    /// The port on 127.0.0.1; a free one when 0.
    pub port: u16,
    /// What it contains.
    pub scenario: Scenario,
    /// What it does wrong on purpose; also steerable while it runs.
    pub faults: Faults,
    /// What clients find it as when something stands before it, such as `https://aws.test`; its
    /// own address when none.
    pub front: Option<String>,
    /// Whether a node's own ports lead to this machine's when the scenario has nothing there.
    pub pass_through: bool,
}

impl Default for EmulatorConfig {
    /// The sandbox on a free port, with nothing wrong and nothing passed through.
    fn default() -> Self {
        Self {
            port: 0,
            scenario: Scenario::sandbox(),
            faults: Faults::new(),
            front: None,
            pass_through: false,
        }
    }
}

/// The access key of a made-up user.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// `AKIA…`.
    pub access_key: String,
    /// The secret of that key.
    pub secret: Secret,
}

impl Credentials {
    fn of(user: &User) -> Self {
        Self { access_key: user.access_key.clone(), secret: user.secret.clone() }
    }
}

/// A running emulator. Dropping it stops it; [`Emulator::stop`] also waits until it has.
pub struct Emulator {
    address: SocketAddr,
    world: Arc<World>,
    faults: Faults,
    tally: Tally,
    tasks: TaskTracker,
    stop: CancellationToken,
    _stop_on_drop: DropGuard,
}

impl Emulator {
    /// Opens the address and begins to answer. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// When the port on 127.0.0.1 cannot be had.
    pub async fn start(config: EmulatorConfig) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, config.port)).await?;
        let address = listener.local_addr()?;
        let scenario = Arc::new(config.scenario);
        let kms = Kms::new(scenario.keys().to_vec());
        let world = Arc::new(World {
            sessions: Sessions::new(config.faults.clone(), kms.clone()),
            kms,
            keyring: keyring(&scenario),
            sign_ins: SignIns::default(),
            destinations: Destinations::new(Arc::clone(&scenario), config.pass_through)?,
            url: config.front.unwrap_or_else(|| format!("http://{address}")),
            started: OffsetDateTime::from(clock::date()),
            scenario,
        });
        let tasks = TaskTracker::new();
        let stop = CancellationToken::new();
        let tally = Tally::default();
        let front = Front {
            world: Arc::clone(&world),
            faults: config.faults.clone(),
            tally: tally.clone(),
            tasks: tasks.clone(),
            stop: stop.clone(),
        };
        tasks.spawn(front.serve(listener));
        tracing::info!(%address, "the emulator answers");
        Ok(Self {
            address,
            world,
            faults: config.faults,
            tally,
            tasks,
            _stop_on_drop: stop.clone().drop_guard(),
            stop,
        })
    }

    /// The address it answers on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What `AWS_ENDPOINT_URL` has to be.
    #[must_use]
    pub fn url(&self) -> String {
        self.world.url.clone()
    }

    /// What it contains.
    #[must_use]
    pub fn scenario(&self) -> &Scenario {
        &self.world.scenario
    }

    /// The switches of what goes wrong.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The sessions.
    #[must_use]
    pub fn sessions(&self) -> &Sessions {
        &self.world.sessions
    }

    /// What has been asked so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.tally.counts()
    }

    /// What `GET /_sandbox/state` tells.
    #[must_use]
    pub fn state(&self) -> serde_json::Value {
        state(&self.world, &self.tally.counts())
    }

    /// The credentials of the first user of an account (by id or name), who may do everything.
    #[must_use]
    pub fn credentials(&self, account: &str) -> Option<Credentials> {
        self.world.scenario.account(account)?.users.first().map(Credentials::of)
    }

    /// The credentials of any user, by name.
    #[must_use]
    pub fn user_credentials(&self, user: &str) -> Option<Credentials> {
        let accounts = self.world.scenario.accounts().iter();
        let found = accounts.flat_map(|account| &account.users).find(|known| known.name == user);
        found.map(Credentials::of)
    }

    /// Makes `host:port`, as one node (or any, with `None`) sees it, lead to `to`.
    pub fn map_port(&self, node: Option<&str>, host: &str, port: u16, to: SocketAddr) {
        self.world.destinations.map(node, host, port, to);
    }

    /// Writes `config` and `credentials` for the made-up accounts into `dir` and returns their
    /// paths, which `AWS_CONFIG_FILE` and `AWS_SHARED_CREDENTIALS_FILE` take.
    ///
    /// # Errors
    ///
    /// When the folder or a file cannot be written.
    pub fn write_profiles(&self, dir: &Path) -> io::Result<(PathBuf, PathBuf)> {
        profiles::write(dir, &self.world.scenario, &self.world.url)
    }

    /// Ends every session and connection, and waits until they are gone.
    pub async fn stop(self) {
        self.stop.cancel();
        self.world.sessions.stop().await;
        self.tasks.close();
        self.tasks.wait().await;
    }
}

fn keyring(scenario: &Scenario) -> Keyring {
    let keyring = Keyring::default();
    for account in scenario.accounts() {
        for user in &account.users {
            keyring.add(credential(account, user));
        }
    }
    keyring
}

fn credential(account: &Account, user: &User) -> Credential {
    Credential {
        access_key: user.access_key.clone(),
        secret: user.secret.clone(),
        session_token: None,
        expires: None,
        identity: Identity {
            account: account.id.clone(),
            arn: account.user_arn(user),
            user_id: user.id.clone(),
            policy: Arc::clone(&user.policy),
        },
    }
}
