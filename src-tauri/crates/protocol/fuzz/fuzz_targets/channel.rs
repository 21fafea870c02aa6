#![no_main]

#[path = "../bodies/channel.rs"]
mod channel;

libfuzzer_sys::fuzz_target!(|data: &[u8]| channel::run(data));
