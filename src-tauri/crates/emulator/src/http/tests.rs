//! The whole emulator, asked over a socket by a client that is none of ours.

mod calls;
mod refusals;
mod upgrades;
mod wire;
