#![no_main]

#[path = "../bodies/mux.rs"]
mod mux;

libfuzzer_sys::fuzz_target!(|data: &[u8]| mux::run(data));
