//! Sessions from the client's side, frame by frame.

mod commands;
mod encryption;
mod ports;
mod shells;
