//! What holds for any input.

mod channel;
mod codec;
mod mux;
