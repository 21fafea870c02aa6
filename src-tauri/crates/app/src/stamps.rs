//! Whether files have changed since they were read, told from their dates and sizes.

use std::path::PathBuf;
use std::time::SystemTime;

/// When a file was last written, and its size; none while it is not there.
type Stamp = Option<(SystemTime, u64)>;

/// How some files stood when they were last read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Stamps {
    read: Vec<Stamp>,
    /// How they stood at the last look, if that was otherwise.
    changing: Option<Vec<Stamp>>,
}

/// How long to wait for whoever writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Haste {
    /// Read now.
    AtOnce,
    /// Read what stands as it stood at the look before: nobody is in the middle of writing it.
    WhenSettled,
}

impl Stamps {
    /// Begins with files that are about to be read. May block.
    pub(crate) fn of(files: &[PathBuf]) -> Self {
        Self { read: look(files), changing: None }
    }

    /// Looks at the files and says whether they have to be read again; they count as read then.
    /// May block.
    pub(crate) fn are_due(&mut self, files: &[PathBuf], haste: Haste) -> bool {
        let now = look(files);
        if now == self.read {
            self.changing = None;
            return false;
        }
        if haste == Haste::WhenSettled && self.changing.as_ref() != Some(&now) {
            self.changing = Some(now);
            return false;
        }
        *self = Self { read: now, changing: None };
        true
    }
}

fn look(files: &[PathBuf]) -> Vec<Stamp> {
    let stamp = |file: &PathBuf| {
        let found = std::fs::metadata(file).ok()?;
        Some((found.modified().ok()?, found.len()))
    };
    files.iter().map(stamp).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_once_nobody_writes_it_any_more() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = [folder.path().join("one"), folder.path().join("two")];
        let mut stamps = Stamps::of(&files);
        assert!(!stamps.are_due(&files, Haste::AtOnce));
        std::fs::write(&files[1], "half").expect("written");
        assert!(!stamps.are_due(&files, Haste::WhenSettled));
        std::fs::write(&files[1], "all of it").expect("written");
        assert!(!stamps.are_due(&files, Haste::WhenSettled));
        assert!(stamps.are_due(&files, Haste::WhenSettled));
        assert!(!stamps.are_due(&files, Haste::WhenSettled));
        std::fs::remove_file(&files[1]).expect("removed");
        assert!(stamps.are_due(&files, Haste::AtOnce));
        assert!(!stamps.are_due(&files, Haste::AtOnce));
    }
}
