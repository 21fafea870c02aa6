//! The engine against a scripted far end, rule by rule.

mod delivery;
mod encryption;
mod ending;
mod hostile;
mod opening;
mod pause;
mod payload_size;
mod port;
mod script;
mod window;
