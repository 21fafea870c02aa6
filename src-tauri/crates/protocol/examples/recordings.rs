//! Prints how many captured sessions of the official client ours follows.

#[path = "../tests/recordings/recording.rs"]
mod recording;
#[path = "../tests/recordings/replay.rs"]
mod replay;

use std::io::Write as _;

use recording::Recording;

fn main() -> std::io::Result<()> {
    let mut followed = 0;
    for path in recording::all() {
        let recording = Recording::read(&path);
        match replay::follow(&recording) {
            Ok(()) => followed += 1,
            Err(error) => writeln!(std::io::stderr(), "{}: {error}", recording.name)?,
        }
    }
    writeln!(std::io::stdout(), "recordings_followed {followed} count")
}
