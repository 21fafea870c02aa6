#![no_main]

#[path = "../bodies/store.rs"]
mod body;

/// The readers, without the rest of their room.
#[expect(dead_code, unused_imports, reason = "only reading and writing is fuzzed")]
#[path = "../../../app/src"]
mod app {
    pub(crate) mod bookmarks;
    pub(crate) mod migrate;
    pub(crate) mod settings;
    pub(crate) mod store;
    pub(crate) mod view;
}

use app::{bookmarks, migrate, settings, store, view};

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
