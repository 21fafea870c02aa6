//! Reads the shared config files line by line, keeping what is well formed.
//!
//! The rules are those of the AWS SDKs. Where an SDK gives up on the whole file at the first bad
//! line, this reader notes a [`Problem`] with its line and goes on, and it renders what it kept so
//! that the SDK's own parser, fed with that, sees only sections without a fault.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// What is wrong with a shared config file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// The line, counted from 1; none when the whole file is meant.
    pub line: Option<usize>,
    /// What is wrong with it and how it should look.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(formatter, ", line {line}")?;
        }
        write!(formatter, ": {}", self.what)
    }
}

/// Tells the two shared files apart; they spell profile headers differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// `[default]`, `[profile x]`, `[sso-session x]`, `[services x]`.
    Config,
    /// `[x]`, profiles only.
    Credentials,
}

/// Tells what a section describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SectionKind {
    Profile,
    SsoSession,
    Services,
    Other,
}

/// One section of one file, with the faults found inside it.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    pub(crate) kind: SectionKind,
    pub(crate) name: String,
    /// The header was `[profile default]`, which beats `[default]` in a config file.
    pub(crate) prefixed: bool,
    pub(crate) properties: BTreeMap<String, Property>,
    pub(crate) problems: Vec<Problem>,
    text: String,
}

/// A value and the lines nested below it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Property {
    pub(crate) value: String,
    pub(crate) nested: BTreeMap<String, String>,
}

/// One file, read.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConfigFile {
    pub(crate) sections: Vec<Section>,
    /// Faults outside any section that was kept.
    pub(crate) problems: Vec<Problem>,
}

const BLANK: &[char] = &[' ', '\t'];
const COMMENT: &[char] = &['#', ';'];

impl ConfigFile {
    /// Reads `path`; a file that is not there is an empty one.
    pub(crate) fn read(path: &Path, kind: FileKind) -> Self {
        match std::fs::read(path) {
            Ok(bytes) => Self::parse(path, kind, &bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Self::default(),
            Err(error) => {
                let what = format!("cannot be read: {error}");
                let problem = Problem { file: path.to_owned(), line: None, what };
                Self { sections: Vec::new(), problems: vec![problem] }
            }
        }
    }

    /// Reads `bytes` as the contents of `path`.
    pub(crate) fn parse(path: &Path, kind: FileKind, bytes: &[u8]) -> Self {
        let mut reader = Reader { path, kind, file: Self::default(), place: Place::Start };
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            // All of them: what is rendered must be read again as it was.
            let end = line.iter().rposition(|byte| *byte != b'\r').map_or(0, |last| last + 1);
            reader.line(index + 1, line.get(..end).unwrap_or_default());
        }
        reader.file
    }

    /// Renders the sections that have no fault, in the file's own words.
    pub(crate) fn sound_text(&self) -> String {
        let sound = self.sections.iter().filter(|section| section.problems.is_empty());
        sound.map(|section| section.text.as_str()).collect()
    }
}

/// Where the reader stands between two lines.
enum Place {
    /// Before the first header.
    Start,
    /// Below a header that was not understood: its lines belong to nobody.
    Skipping,
    /// In the last section, below `property` if one was read.
    Section { property: Option<String> },
}

struct Reader<'a> {
    path: &'a Path,
    kind: FileKind,
    file: ConfigFile,
    place: Place,
}

impl Reader<'_> {
    fn line(&mut self, number: usize, bytes: &[u8]) {
        let Ok(line) = std::str::from_utf8(bytes) else {
            // A comment in an old encoding harms nobody.
            if !bytes.first().is_some_and(|byte| matches!(byte, b'#' | b';')) {
                self.fault(number, "is not UTF-8 text".to_owned());
            }
            return;
        };
        if line.trim_matches(BLANK).is_empty() || line.starts_with(COMMENT) {
            return;
        }
        if line.starts_with('[') {
            self.header(number, line);
        } else if line.starts_with(BLANK) {
            self.continuation(number, line);
        } else {
            self.property(number, line);
        }
    }

    fn header(&mut self, number: usize, line: &str) {
        let Some(inner) =
            without_comment(line, false).strip_prefix('[').and_then(|rest| rest.strip_suffix(']'))
        else {
            self.place = Place::Skipping;
            self.note(number, format!("the section header {line} must end with ]"));
            return;
        };
        match self.name(inner.trim_matches(BLANK)) {
            Ok((kind, name, prefixed)) => {
                self.file.sections.push(Section {
                    kind,
                    name,
                    prefixed,
                    properties: BTreeMap::new(),
                    problems: Vec::new(),
                    text: format!("[{inner}]\n"),
                });
                self.place = Place::Section { property: None };
            }
            Err(what) => {
                self.place = Place::Skipping;
                self.note(number, what);
            }
        }
    }

    fn name(&self, inner: &str) -> Result<(SectionKind, String, bool), String> {
        let (prefix, name) = match inner.split_once(BLANK) {
            Some((prefix, name)) => (Some(prefix), name.trim_matches(BLANK)),
            None => (None, inner),
        };
        if !is_identifier(name) {
            return Err(format!("[{inner}] is ignored: {name} is not a usable name"));
        }
        let kind = match (self.kind, prefix) {
            (FileKind::Config, Some("profile")) => SectionKind::Profile,
            (FileKind::Config, Some("sso-session")) => SectionKind::SsoSession,
            (FileKind::Config, Some("services")) => SectionKind::Services,
            (FileKind::Config, Some(_)) => SectionKind::Other,
            (FileKind::Config, None) if name == "default" => SectionKind::Profile,
            // The AWS CLI keeps its own settings in bare sections of this file.
            (FileKind::Config, None) if matches!(name, "preview" | "plugins") => SectionKind::Other,
            (FileKind::Config, None) => {
                return Err(format!("[{name}] is ignored: write [profile {name}]"));
            }
            (FileKind::Credentials, None) => SectionKind::Profile,
            (FileKind::Credentials, Some("profile")) => {
                return Err(format!("[{inner}] is ignored: write [{name}] in this file"));
            }
            (FileKind::Credentials, Some(_)) => {
                return Err(format!("[{inner}] is ignored: it belongs in the config file"));
            }
        };
        Ok((kind, name.to_owned(), prefix.is_some()))
    }

    fn property(&mut self, number: usize, line: &str) {
        let section = match (&mut self.place, self.file.sections.last_mut()) {
            (Place::Section { .. }, Some(section)) => section,
            (Place::Skipping, _) => return,
            _ => {
                self.place = Place::Skipping;
                self.note(number, "a line stands before the first [section]".to_owned());
                return;
            }
        };
        match key_and_value(line) {
            Ok((key, value)) => {
                section.text.push_str(line);
                section.text.push('\n');
                let nested = BTreeMap::new();
                let property = Property { value: value.to_owned(), nested };
                section.properties.insert(key.clone(), property);
                self.place = Place::Section { property: Some(key) };
            }
            Err(what) => self.fault(number, what.to_owned()),
        }
    }

    fn continuation(&mut self, number: usize, line: &str) {
        let section = match (&self.place, self.file.sections.last_mut()) {
            (Place::Section { property: Some(key) }, Some(section)) => {
                section.properties.get_mut(key).map(|property| (&mut section.text, property))
            }
            (Place::Skipping, _) => return,
            _ => None,
        };
        let Some((text, property)) = section else {
            self.fault(number, "an indented line must follow a key = value line".to_owned());
            return;
        };
        let trimmed = line.trim_matches(BLANK);
        if property.value.is_empty() {
            match key_and_value(line) {
                Ok((key, value)) => property.nested.insert(key, value.to_owned()),
                Err(what) => {
                    self.fault(number, what.to_owned());
                    return;
                }
            };
        } else {
            property.value.push('\n');
            property.value.push_str(trimmed);
        }
        text.push_str(line);
        text.push('\n');
    }

    /// Notes a fault against the section it stands in, so that this section is not used.
    fn fault(&mut self, number: usize, what: String) {
        let problem = Problem { file: self.path.to_owned(), line: Some(number), what };
        match (&self.place, self.file.sections.last_mut()) {
            (Place::Section { .. }, Some(section)) => section.problems.push(problem),
            _ => self.file.problems.push(problem),
        }
    }

    fn note(&mut self, number: usize, what: String) {
        let problem = Problem { file: self.path.to_owned(), line: Some(number), what };
        self.file.problems.push(problem);
    }
}

/// Splits `key = value`; keys are case-blind.
fn key_and_value(line: &str) -> Result<(String, &str), &'static str> {
    let line = without_comment(line, true);
    let (key, value) = line.split_once('=').ok_or("expected key = value, found no =")?;
    let key = key.trim_matches(BLANK);
    if key.is_empty() {
        return Err("expected key = value, found no key");
    }
    Ok((key.to_ascii_lowercase(), value.trim_matches(BLANK)))
}

/// Cuts a trailing comment; in a property it must stand after a blank.
fn without_comment(line: &str, after_blank: bool) -> &str {
    let line = line.trim_matches(BLANK);
    let mut blank_before = false;
    for (index, character) in line.char_indices() {
        if COMMENT.contains(&character) && (blank_before || !after_blank) {
            return line.split_at(index).0.trim_matches(BLANK);
        }
        blank_before = character.is_whitespace();
    }
    line
}

fn is_identifier(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || "_-/.%@:+".contains(character))
}

#[cfg(test)]
#[path = "../../protocol/fuzz/bodies"]
mod fuzz {
    pub(super) mod config;
    pub(super) mod corpus;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_corpus_has_no_finding() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol/fuzz/corpus/config");
        fuzz::corpus::replay(&corpus, fuzz::config::run);
    }

    fn config(text: &str) -> ConfigFile {
        ConfigFile::parse(Path::new("config"), FileKind::Config, text.as_bytes())
    }

    fn names(file: &ConfigFile) -> Vec<&str> {
        file.sections.iter().map(|section| section.name.as_str()).collect()
    }

    #[test]
    fn sections_values_and_comments_are_read() {
        let file = config(
            "# first\n[default]\nregion = eu-west-1 # home\n\n[profile prod] ; live\r\n\
             Region=us-east-1\r\nnote = a#b\n",
        );
        assert!(file.problems.is_empty());
        assert_eq!(names(&file), ["default", "prod"]);
        assert_eq!(file.sections[0].properties["region"].value, "eu-west-1");
        assert_eq!(file.sections[1].properties["region"].value, "us-east-1");
        assert_eq!(file.sections[1].properties["note"].value, "a#b");
    }

    #[test]
    fn nested_lines_belong_to_the_empty_value_above() {
        let file = config("[services dev]\nssm =\n  endpoint_url = http://localhost:1\n");
        let property = &file.sections[0].properties["ssm"];
        assert_eq!(property.nested["endpoint_url"], "http://localhost:1");
    }

    #[test]
    fn a_bad_line_spoils_its_own_section_only() {
        let file = config("[profile a]\nregion eu-west-1\n[profile b]\nregion = eu-west-1\n");
        assert_eq!(names(&file), ["a", "b"]);
        assert_eq!(
            file.sections[0].problems[0].to_string(),
            "config, line 2: expected key = value, found no ="
        );
        assert!(file.sections[1].problems.is_empty());
        assert_eq!(file.sound_text(), "[profile b]\nregion = eu-west-1\n");
    }

    #[test]
    fn a_broken_header_takes_its_lines_with_it() {
        let file = config("[profile a\nregion = x\n  more\n[profile b]\nregion = y\n");
        assert_eq!(names(&file), ["b"]);
        assert_eq!(file.problems.len(), 1);
        assert_eq!(file.problems[0].line, Some(1));
    }

    #[test]
    fn misspelled_headers_say_how_to_write_them() {
        let file = config("[prod]\nregion = x\n");
        assert!(file.problems[0].what.contains("write [profile prod]"));
        let text = b"[profile prod]\naws_access_key_id = A\n";
        let file = ConfigFile::parse(Path::new("c"), FileKind::Credentials, text);
        assert!(file.problems[0].what.contains("write [prod]"));
    }

    #[test]
    fn bytes_that_are_not_text_are_named_by_line() {
        let text = b"# caf\xe9\n[default]\nregion = \xff\n[profile b]\n";
        let file = ConfigFile::parse(Path::new("c"), FileKind::Config, text);
        assert_eq!(file.sections[0].problems[0].line, Some(3));
        assert!(file.sections[1].problems.is_empty());
    }

    #[test]
    fn a_file_that_starts_with_a_value_is_reported_once() {
        let file = config("region = x\noutput = json\n[default]\n");
        assert_eq!(file.problems.len(), 1);
        assert_eq!(names(&file), ["default"]);
    }

    #[test]
    fn no_bytes_make_it_panic() {
        for byte in 0..=255u8 {
            let text = [b'[', byte, b']', b'\n', byte, b'=', byte, b'\n', b' ', byte];
            let _ = ConfigFile::parse(Path::new("c"), FileKind::Config, &text);
        }
    }
}
