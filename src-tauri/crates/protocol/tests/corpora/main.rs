//! What the fuzzers have found interesting, played again.

#[path = "../../fuzz/bodies/channel.rs"]
mod channel;
#[path = "../../fuzz/bodies/corpus.rs"]
mod corpus;
#[path = "../../fuzz/bodies/decode.rs"]
mod decode;
#[path = "../../fuzz/bodies/mux.rs"]
mod mux;

use std::path::Path;

fn replay(name: &str, run: fn(&[u8])) {
    corpus::replay(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name), run);
}

#[test]
fn the_decode_corpus_has_no_finding() {
    replay("decode", decode::run);
}

#[test]
fn the_channel_corpus_has_no_finding() {
    replay("channel", channel::run);
}

#[test]
fn the_mux_corpus_has_no_finding() {
    replay("mux", mux::run);
}
