//! What the fuzzers have found interesting, played again.

use std::path::Path;

/// Plays every file of a corpus; there must be some.
pub(crate) fn replay(corpus: &Path, run: fn(&[u8])) {
    let mut played = 0;
    for entry in corpus.read_dir().expect("the corpus is part of the repository") {
        let path = entry.expect("the folder is readable").path();
        run(&std::fs::read(&path).expect("the file is readable"));
        played += 1;
    }
    assert!(played > 10, "{played} files in {}", corpus.display());
}
