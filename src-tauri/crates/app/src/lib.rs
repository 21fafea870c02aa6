//! The product without a window: profiles, nodes, sessions and what is remembered of them.
//!
//! [`App`] is the entry: the verbs a user has, over one engine and one set of AWS clients. It
//! decides and remembers; it draws nothing and prints nothing. Files of its own it reads with
//! forgiveness and writes whole; the shared AWS files it only reads.

mod account;
mod accounts;
mod app;
mod bookmarks;
mod clock;
mod desktop;
mod error;
mod event;
mod filter;
mod ground;
mod inventories;
mod kept;
mod ledger;
mod migrate;
mod nodes;
mod notices;
mod saved;
mod secrets;
mod settings;
mod stamps;
mod store;
mod tasks;
mod terminals;
mod tunnels;
pub mod view;

pub use account::Account;
pub use app::{App, AppConfig};
pub use bookmarks::{Bookmarks, SavedTunnel};
pub use desktop::{
    Browser, Desktop, DesktopOptions, OutputSink, Program, SandboxAccount, SandboxOffer,
    SandboxStarter,
};
pub use error::Error;
pub use event::{Event, Events};
pub use filter::{BadFilter, NodeFilter};
pub use ledger::Leftover;
pub use secrets::{FleetingSecrets, Secrets, SecretsError, SystemKeyring};
pub use settings::{AccountLook, AddedAccount, Settings, SsoRole, WindowSettings};
pub use store::{Kept, Loaded, Malformed, StoreError};
pub use view::{AppError, ErrorCode};
