//! What a desktop needs of whoever opens it.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::app::AppConfig;

/// What a desktop stands on.
pub struct DesktopOptions {
    /// Version of the product, for the About line.
    pub version: String,
    /// Files, environment and network.
    pub config: AppConfig,
    /// The sandbox, if it can be had.
    pub sandbox: Option<SandboxOffer>,
    /// Opens in the sandbox although there are profiles.
    pub opens_in_sandbox: bool,
    /// Opens pages for the user.
    pub browser: Arc<dyn Browser>,
}

/// Opens pages for the user; the shell knows how.
pub trait Browser: Send + Sync + 'static {
    /// Opens an `http` or `https` address. What fails is nobody's business: the address is shown
    /// beside, to be opened by hand.
    fn open(&self, url: &str);
}

/// The made-up accounts, and the way to have them served.
pub struct SandboxOffer {
    /// The accounts, in the order to show. Known before anything is started.
    pub accounts: Vec<SandboxAccount>,
    /// Starts serving them. Asked for when one of the accounts is first needed, and again only
    /// after a failure.
    pub starter: Arc<dyn SandboxStarter>,
}

/// A made-up account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxAccount {
    /// The profile's name in the files the sandbox writes.
    pub profile: String,
    /// Twelve digits.
    pub account_id: String,
    /// The regions it has nodes in, the main one first.
    pub regions: Vec<String>,
}

/// Starts the sandbox.
pub trait SandboxStarter: Send + Sync + 'static {
    /// Serves the accounts until the program ends, and answers the variables that lead an AWS
    /// program there: `AWS_CONFIG_FILE` and `AWS_SHARED_CREDENTIALS_FILE`. An error says why not,
    /// in words.
    fn start(&self) -> BoxFuture<'static, Result<Vec<(String, String)>, String>>;
}

/// Takes the output of a terminal, in order, in pieces of at most 64 KiB. Answers false when
/// there is nobody to take it any more. Must not block.
pub type OutputSink = Box<dyn FnMut(Bytes) -> bool + Send>;

/// What to open for a tunnel that listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// The browser, on this address.
    Browser {
        /// `http://127.0.0.1:8080/`.
        url: String,
    },
    /// The system's remote desktop program.
    RemoteDesktop {
        /// Host and port: `127.0.0.1:3389`.
        address: String,
    },
}
