//! Takes in the page, the icons and the capabilities.

fn main() {
    tauri_build::build();
}
