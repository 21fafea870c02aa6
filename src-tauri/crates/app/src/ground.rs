//! What terminals and tunnels stand on alike.

use session::Engine;

use crate::accounts::Accounts;
use crate::event::Outbox;
use crate::inventories::Inventories;
use crate::tasks::Tasks;

/// The parts of a desktop that every session needs. Clones speak for the same ones.
#[derive(Clone)]
pub(crate) struct Ground {
    /// Runs the sessions.
    pub(crate) engine: Engine,
    /// Whose sessions they are.
    pub(crate) accounts: Accounts,
    /// What the nodes are called.
    pub(crate) inventories: Inventories,
    /// Hears what becomes of them.
    pub(crate) outbox: Outbox,
    /// Ends with the desktop.
    pub(crate) tasks: Tasks,
}
