//! Small files of our own: readable and editable by hand, written whole or not at all.
//!
//! A file that cannot be read is never overwritten. It stays where it is until something has to
//! be written in its place; then it is set aside under its own name with `.set-aside-1` behind it.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// Names a set-aside file may try before giving up.
const MOST_SET_ASIDE: u32 = 1000;

/// A value that has a file.
pub(crate) trait Stored: Default {
    /// The file's name.
    const FILE: &'static str;

    /// Reads the file's text, of this version or an earlier one.
    fn from_text(text: &str) -> Result<Self, String>;

    /// Writes the file's text, of the newest version.
    fn to_text(&self) -> Result<String, String>;
}

/// A value as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded<T> {
    /// The value; the default when the file is absent or cannot be read.
    pub value: T,
    /// Why the file could not be read.
    pub malformed: Option<Malformed>,
}

/// A value as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept<T> {
    /// The value.
    pub value: T,
    /// Where the file that could not be read is now.
    pub set_aside: Option<PathBuf>,
}

/// A file of ours that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} cannot be read: {reason}", file.display())]
pub struct Malformed {
    /// The file.
    pub file: PathBuf,
    /// What is wrong and where.
    pub reason: String,
}

impl Malformed {
    /// Says what the user can do about it, as one sentence.
    pub fn advice(&self) -> &'static str {
        "Correct it, or go on with the defaults: the first change sets it aside, unharmed."
    }
}

/// A file of ours could not be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused.
    #[error("{} cannot be written: {reason}", file.display())]
    Unwritable {
        /// The file.
        file: PathBuf,
        /// What the operating system said.
        reason: String,
    },
    /// This process keeps nothing.
    #[error("nothing is kept here")]
    Nowhere,
}

impl StoreError {
    /// Says what the user can do about it, as one sentence.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Unwritable { .. } => "Check the folder's permissions and the free space.",
            Self::Nowhere => "Start the program without the sandbox to keep changes.",
        }
    }
}

/// The folder of our files.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    folder: Option<PathBuf>,
}

impl Store {
    /// Keeps files in `folder`, which is made with the first of them; without one, nothing.
    pub(crate) fn new(folder: Option<PathBuf>) -> Self {
        Self { folder }
    }

    /// Reads a value.
    pub(crate) fn load<T: Stored>(&self) -> Loaded<T> {
        match &self.folder {
            Some(folder) => read(&folder.join(T::FILE)),
            None => Loaded { value: T::default(), malformed: None },
        }
    }

    /// Reads a value; a file that cannot be read is moved out of the way, unharmed. Answers where
    /// it is now beside the reason.
    pub(crate) fn load_or_set_aside<T: Stored>(&self) -> (T, Option<(Malformed, PathBuf)>) {
        let Loaded { value, malformed } = self.load::<T>();
        let aside = malformed.map(|malformed| match set_aside(&malformed.file) {
            Ok(aside) => (malformed, aside),
            Err(error) => {
                tracing::warn!(%error, %malformed, "the file stays where it is");
                let file = malformed.file.clone();
                (malformed, file)
            }
        });
        (value, aside)
    }

    /// Names the file of a value; none when nothing is kept.
    pub(crate) fn file<T: Stored>(&self) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.join(T::FILE))
    }

    /// Reads a value, changes it and writes it, while no other process does the same: what was
    /// changed by hand or by another process meanwhile is kept.
    pub(crate) fn update<T: Stored>(
        &self,
        change: impl FnOnce(&mut T),
    ) -> Result<Kept<T>, StoreError> {
        let folder = self.folder.as_ref().ok_or(StoreError::Nowhere)?;
        let file = folder.join(T::FILE);
        let unwritable = |reason: String| StoreError::Unwritable { file: file.clone(), reason };
        let failed = |error: io::Error| unwritable(error.to_string());
        fs::create_dir_all(folder).map_err(failed)?;
        let lock = File::create(folder.join(format!(".{}.lock", T::FILE))).map_err(failed)?;
        lock.lock().map_err(failed)?;
        let Loaded { mut value, malformed } = read::<T>(&file);
        change(&mut value);
        let text = value.to_text().map_err(unwritable)?;
        let set_aside = malformed.map(|_| set_aside(&file)).transpose().map_err(failed)?;
        write(folder, &file, &text).map_err(failed)?;
        Ok(Kept { value, set_aside })
    }
}

fn read<T: Stored>(file: &Path) -> Loaded<T> {
    let read = match fs::read_to_string(file) {
        Ok(text) => T::from_text(&text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(T::default()),
        Err(error) => Err(error.to_string()),
    };
    match read {
        Ok(value) => Loaded { value, malformed: None },
        Err(reason) => {
            let malformed = Malformed { file: file.to_owned(), reason };
            tracing::warn!(%malformed, "the defaults are used");
            Loaded { value: T::default(), malformed: Some(malformed) }
        }
    }
}

/// Moves a file out of the way without touching what is in it, nor any file set aside before.
fn set_aside(file: &Path) -> io::Result<PathBuf> {
    for number in 1..=MOST_SET_ASIDE {
        let mut name = file.as_os_str().to_owned();
        name.push(format!(".set-aside-{number}"));
        let aside = PathBuf::from(name);
        if !aside.exists() {
            fs::rename(file, &aside)?;
            return Ok(aside);
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "too many files are set aside already"))
}

/// Writes beside the file and renames: a reader sees the old text or the new, never a part.
pub(crate) fn write(folder: &Path, file: &Path, text: &str) -> io::Result<()> {
    let mut beside = NamedTempFile::with_prefix_in(".adit-", folder)?;
    beside.write_all(text.as_bytes())?;
    beside.as_file().sync_all()?;
    beside.persist(file).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
#[path = "../../protocol/fuzz/bodies"]
mod fuzz {
    #[path = "store.rs"]
    pub(super) mod body;
    pub(super) mod corpus;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_corpus_has_no_finding() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol/fuzz/corpus/store");
        fuzz::corpus::replay(&corpus, fuzz::body::run);
    }

    /// A number on a line.
    #[derive(Debug, Default, PartialEq, Eq)]
    struct Number(u32);

    impl Stored for Number {
        const FILE: &'static str = "number";

        fn from_text(text: &str) -> Result<Self, String> {
            text.trim().parse().map(Self).map_err(|_| format!("{text} is no number"))
        }

        fn to_text(&self) -> Result<String, String> {
            Ok(self.0.to_string())
        }
    }

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::new(Some(folder.path().join("deep/below")));
        (folder, store)
    }

    #[test]
    fn what_is_written_is_read_again() {
        let (_folder, store) = store();
        assert_eq!(store.load::<Number>().value, Number(0));
        store.update::<Number>(|number| number.0 += 7).expect("written");
        let kept = store.update::<Number>(|number| number.0 += 1).expect("written");
        assert_eq!((kept.value, kept.set_aside), (Number(8), None));
        assert_eq!(store.load::<Number>(), Loaded { value: Number(8), malformed: None });
    }

    #[test]
    fn a_file_that_cannot_be_read_is_told_and_set_aside_only_when_written() {
        let (_folder, store) = store();
        let folder = store.folder.clone().expect("a folder");
        fs::create_dir_all(&folder).expect("made");
        for (round, text) in ["seven", "eight"].iter().enumerate() {
            fs::write(folder.join("number"), text).expect("written");
            let loaded = store.load::<Number>();
            assert_eq!(loaded.value, Number(0));
            let malformed = loaded.malformed.expect("told");
            assert!(
                malformed
                    .to_string()
                    .ends_with(&format!("number cannot be read: {text} is no number"))
            );
            assert_eq!(fs::read_to_string(folder.join("number")).expect("there"), *text);

            let kept = store.update::<Number>(|number| number.0 = 1).expect("written");
            let aside = kept.set_aside.expect("set aside");
            assert!(aside.ends_with(format!("number.set-aside-{}", round + 1)));
            assert_eq!(fs::read_to_string(aside).expect("there"), *text);
        }
    }

    #[test]
    fn changes_from_two_sides_are_both_kept() {
        let (_folder, store) = store();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| store.update::<Number>(|number| number.0 += 1).expect("written"));
            }
        });
        assert_eq!(store.load::<Number>().value, Number(8));
    }

    #[test]
    fn no_part_of_a_write_is_left_behind() {
        let (folder, store) = store();
        store.update::<Number>(|number| number.0 = 1).expect("written");
        let folder = folder.path().join("deep/below");
        let mut names: Vec<_> = fs::read_dir(folder)
            .expect("a folder")
            .map(|entry| entry.expect("an entry").file_name())
            .collect();
        names.sort();
        assert_eq!(names, [".number.lock", "number"]);
    }

    #[test]
    fn without_a_folder_nothing_is_kept() {
        let store = Store::new(None);
        assert_eq!(store.load::<Number>().value, Number(0));
        assert_eq!(store.update::<Number>(|_| {}), Err(StoreError::Nowhere));
    }
}
