//! Tunnels.
mod holder;
pub(crate) mod listener;
