#![no_main]

#[path = "../bodies/config.rs"]
mod config;
#[expect(dead_code, reason = "only its reader is fuzzed")]
#[path = "../../../aws/src/config_file.rs"]
mod config_file;

libfuzzer_sys::fuzz_target!(|data: &[u8]| config::run(data));
