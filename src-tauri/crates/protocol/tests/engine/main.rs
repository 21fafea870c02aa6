//! The engine against a scripted far end, rule by rule.

mod channel;
mod hostile;
mod port;
mod script;
