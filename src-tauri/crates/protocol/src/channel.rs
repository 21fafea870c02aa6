//! The reliable, ordered conversation of one session.

pub(crate) mod config;
