//! Every captured session of the official client is followed by ours.

mod recording;
mod replay;

use recording::Recording;

#[test]
fn every_recording_is_followed() {
    let failures: Vec<String> = recording::all()
        .iter()
        .map(|path| Recording::read(path))
        .filter_map(|recording| {
            let error = replay::follow(&recording).err()?;
            Some(format!("{}: {error}", recording.name))
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert_eq!(recording::all().len(), 17);
}
