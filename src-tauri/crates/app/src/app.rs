//! The verbs a user has.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws::{Clients, ControlPlane, Environment, Profiles, Region, SignIns};
use directories::ProjectDirs;
use session::{Engine, EngineConfig, Ledger, LiveSession, Network, NoLedger, SessionId};

use crate::account::Account;
use crate::bookmarks::Bookmarks;
use crate::error::Error;
use crate::kept::Memory;
use crate::ledger::{FileLedger, Leftover, Leftovers};
use crate::secrets::{FleetingSecrets, Secrets, SystemKeyring};
use crate::settings::Settings;
use crate::store::{Kept, Loaded, Store, StoreError};

/// Ends one session of an earlier process; it may take as long as any call.
const LEFTOVER_LIMIT: Duration = Duration::from_secs(10);

/// What an [`App`] stands on.
#[derive(Clone)]
pub struct AppConfig {
    environment: Environment,
    /// Settings and bookmarks; nothing is kept without it.
    config_folder: Option<PathBuf>,
    /// Access keys and sign-ins.
    secrets: Arc<dyn Secrets>,
    /// Live sessions; without it a killed process leaves no trace.
    state_folder: Option<PathBuf>,
}

impl fmt::Debug for AppConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("AppConfig")
            .field("environment", &self.environment)
            .field("config_folder", &self.config_folder)
            .field("state_folder", &self.state_folder)
            .finish_non_exhaustive()
    }
}

impl AppConfig {
    /// Stands on this user's own files, environment and network.
    pub fn user() -> Self {
        let folders = ProjectDirs::from("dev", "Adit", "adit");
        let config_folder = folders.as_ref().map(|folders| folders.config_dir().to_owned());
        let state_folder = folders.as_ref().map(|folders| {
            folders.state_dir().unwrap_or_else(|| folders.data_local_dir()).to_owned()
        });
        Self {
            environment: Environment::process(),
            config_folder,
            secrets: Arc::new(SystemKeyring),
            state_folder,
        }
    }

    /// Stands on these variables alone and keeps nothing: for the sandbox, and for tests.
    pub fn given<K: Into<String>, V: Into<String>>(
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        Self {
            environment: Environment::given(variables),
            config_folder: None,
            secrets: Arc::new(FleetingSecrets::default()),
            state_folder: None,
        }
    }

    /// Keeps secrets elsewhere than in the system keyring.
    #[must_use]
    pub fn with_secrets(self, secrets: Arc<dyn Secrets>) -> Self {
        Self { secrets, ..self }
    }

    pub(crate) fn secrets(&self) -> &Arc<dyn Secrets> {
        &self.secrets
    }

    /// Keeps everything below `folder`.
    #[must_use]
    pub fn kept_in(mut self, folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        self.state_folder = Some(folder.join("state"));
        self.config_folder = Some(folder);
        self
    }
}

/// The product. One per process.
///
/// [`App::shutdown`] must have returned before the process ends, or sessions are left to the
/// service's idle timeout, and to the next start.
pub struct App {
    clients: Arc<Clients>,
    engine: Engine,
    store: Store,
    memory: Memory,
    leftovers: Mutex<Leftovers>,
}

impl App {
    /// Opens the product without sending anything and without writing a file.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn open(config: AppConfig) -> Self {
        Self::open_with(config, None)
    }

    /// Opens the product as [`App::open`] does, with sign-ins of its own.
    pub(crate) fn open_with(config: AppConfig, sign_ins: Option<Arc<dyn SignIns>>) -> Self {
        let network = Network::from_environment(|name| config.environment.variable(name));
        let clients = Clients::new(config.environment);
        let clients = match sign_ins {
            Some(sign_ins) => clients.with_sign_ins(sign_ins),
            None => clients,
        };
        let memory = Memory::new(config.state_folder.clone());
        let leftovers = match &config.state_folder {
            Some(folder) => Leftovers::find(folder),
            None => Leftovers::default(),
        };
        let ledger: Arc<dyn Ledger> = match config.state_folder {
            Some(folder) => Arc::new(FileLedger::new(folder)),
            None => Arc::new(NoLedger),
        };
        Self {
            clients: Arc::new(clients),
            engine: Engine::new(EngineConfig { network, ledger, ..EngineConfig::default() }),
            store: Store::new(config.config_folder),
            memory,
            leftovers: Mutex::new(leftovers),
        }
    }

    /// Reads the profiles of the shared AWS files, as they are now.
    pub fn profiles(&self) -> Profiles {
        Profiles::read(self.clients.environment())
    }

    /// Opens a profile in a region; nothing is sent. Without `profile` or `region`, those the
    /// AWS command line would take.
    ///
    /// # Errors
    ///
    /// [`Error::Setup`] when the profile or its region cannot be used.
    pub fn account(&self, profile: Option<&str>, region: Option<&str>) -> Result<Account, Error> {
        let region = region.map(Region::new);
        Ok(Account::new(self.clients.open(profile, region.as_ref())?))
    }

    /// Opens a profile in a region as [`App::account`] does, but speaks to Systems Manager at
    /// `endpoint`.
    ///
    /// # Errors
    ///
    /// [`Error::Setup`] when the profile, its region or the endpoint cannot be used.
    pub fn account_at(
        &self,
        profile: Option<&str>,
        region: Option<&str>,
        endpoint: &str,
    ) -> Result<Account, Error> {
        let region = region.map(Region::new);
        Ok(Account::new(self.clients.open_at(profile, region.as_ref(), endpoint)?))
    }

    /// Shows the engine, from which terminals, commands and tunnels are opened over an account's
    /// [`Account::control`].
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn clients(&self) -> &Arc<Clients> {
        &self.clients
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Reads the settings. What cannot be read is told beside the defaults, and left alone.
    pub fn settings(&self) -> Loaded<Settings> {
        self.store.load()
    }

    /// Changes the settings and answers them as they are kept now.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the file cannot be written; the change is not kept then.
    pub fn change_settings(
        &self,
        change: impl FnOnce(&mut Settings),
    ) -> Result<Kept<Settings>, StoreError> {
        self.store.update(change)
    }

    /// Reads the bookmarks. What cannot be read is told beside an empty list, and left alone.
    pub fn bookmarks(&self) -> Loaded<Bookmarks> {
        self.store.load()
    }

    /// Changes the bookmarks and answers them as they are kept now.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the file cannot be written; the change is not kept then.
    pub fn change_bookmarks(
        &self,
        change: impl FnOnce(&mut Bookmarks),
    ) -> Result<Kept<Bookmarks>, StoreError> {
        self.store.update(change)
    }

    /// Names the sessions that a killed process of ours left at the service, as found when this
    /// one was opened.
    pub fn leftovers(&self) -> Vec<LiveSession> {
        self.leftovers.lock().unwrap_or_else(PoisonError::into_inner).sessions()
    }

    /// Forgets what was left behind, so that another process finds it.
    pub fn leave_leftovers(&self) {
        drop(std::mem::take(&mut *self.leftovers.lock().unwrap_or_else(PoisonError::into_inner)));
    }

    /// Ends what a killed process left behind, and tells how each went. What could not be ended
    /// is found again at the next start.
    pub async fn end_leftovers(&self) -> Vec<Leftover> {
        let mut told = Vec::new();
        for session in self.leftovers() {
            let error = match ControlPlane::of_label(&self.clients, &session.label) {
                Ok(control) => self.end_leftover(&session, Arc::new(control)).await.err(),
                Err(error) => Some(error.into()),
            };
            told.push(Leftover { session, error });
        }
        told
    }

    /// Ends one session that a killed process left behind, through its account.
    pub(crate) async fn end_leftover(
        &self,
        session: &LiveSession,
        control: Arc<dyn session::ControlPlane>,
    ) -> Result<(), Error> {
        let ending = self.engine.end_leftover(&control, &session.session_id);
        match tokio::time::timeout(LEFTOVER_LIMIT, ending).await {
            Ok(Ok(())) => self.forget_leftover(&session.session_id),
            Ok(Err(source)) => return Err(Error::Leftover { source }),
            Err(_) => return Err(Error::LeftoverTimedOut),
        }
        Ok(())
    }

    /// Strikes out a session that is over anyway.
    pub(crate) fn forget_leftover(&self, session_id: &SessionId) {
        self.leftovers.lock().unwrap_or_else(PoisonError::into_inner).ended(session_id);
    }

    /// Ends every session and waits, at most `limit`, until the service knows. Answers those
    /// that still live; the next start finds them.
    pub async fn shutdown(&self, limit: Duration) -> Vec<LiveSession> {
        self.engine.shutdown(limit).await
    }
}

impl fmt::Debug for App {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("App").finish_non_exhaustive()
    }
}
