//! A file of the product's own from any text.

use crate::bookmarks::Bookmarks;
use crate::settings::Settings;
use crate::store::Stored;

/// Reads the bytes as every file there is; what is read must survive being written.
pub(crate) fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    survives::<Settings>(&text);
    survives::<Bookmarks>(&text);
}

fn survives<T: Stored>(text: &str) {
    let Ok(value) = T::from_text(text) else { return };
    let written = value.to_text().expect("what was read can be written");
    let again = T::from_text(&written).expect("what was written can be read");
    assert_eq!(again.to_text().expect("the same as before"), written);
}
