//! smux version 1: many connections in one byte stream.

pub mod frame;
