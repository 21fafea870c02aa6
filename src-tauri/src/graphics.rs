//! How the page is drawn on a computer without a graphics card.
//!
//! WebKit paints with the graphics card. Where there is none, a library plays one on the processor:
//! that takes most of a second before the first frame, and longer for each frame than painting on
//! the processor in the first place.

use std::fs;
use std::path::Path;

/// WebKit's own switch for painting on the processor. Doing without its compositing too would be
/// faster still, but the page then stands still for seconds after the window was resized.
const SWITCH: &str = "WEBKIT_SKIA_ENABLE_CPU_RENDERING";

/// Devices of drivers that do without the kernel's render nodes: NVIDIA's own, Windows' for its
/// Linux, Arm's own.
const OTHERS: [&str; 3] = ["nvidiactl", "dxg", "mali0"];

/// Has WebKit paint by itself where no graphics card would do it. What the user has set stays.
pub(crate) fn suit() {
    if has_card(Path::new("/dev")) {
        return;
    }
    tracing::debug!("no graphics card: the page is painted without");
    if let Err(error) = gtk::glib::setenv(SWITCH, "1", false) {
        tracing::debug!(%error, "the page is painted as if there were one");
    }
}

/// Whether one of the devices draws.
fn has_card(devices: &Path) -> bool {
    let draws = |name: &str| name.starts_with("renderD");
    let nodes = fs::read_dir(devices.join("dri")).into_iter().flatten().flatten();
    nodes.into_iter().any(|node| node.file_name().to_str().is_some_and(draws))
        || OTHERS.iter().any(|name| devices.join(name).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_a_card_by_its_device() {
        let devices = tempfile::tempdir().unwrap();
        let make = |name: &str| fs::write(devices.path().join(name), "").unwrap();
        assert!(!has_card(devices.path()));
        fs::create_dir(devices.path().join("dri")).unwrap();
        // A screen alone draws nothing.
        make("dri/card0");
        assert!(!has_card(devices.path()));
        make("dri/renderD128");
        assert!(has_card(devices.path()));
    }

    #[test]
    fn knows_drivers_that_go_their_own_way() {
        let devices = tempfile::tempdir().unwrap();
        fs::write(devices.path().join("nvidiactl"), "").unwrap();
        assert!(has_card(devices.path()));
    }
}
