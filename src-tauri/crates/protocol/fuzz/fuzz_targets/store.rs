#![no_main]

#[path = "../bodies/store.rs"]
mod body;
#[expect(dead_code, reason = "only its reader is fuzzed")]
#[path = "../../../app/src/bookmarks.rs"]
mod bookmarks;
#[path = "../../../app/src/migrate.rs"]
mod migrate;
#[path = "../../../app/src/settings.rs"]
mod settings;
#[expect(dead_code, reason = "only its reader is fuzzed")]
#[path = "../../../app/src/store.rs"]
mod store;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
