//! The files' texts: one frozen file per version, and the way from each to what is used today.
//!
//! A new version gets a file of its own here and a conversion from the one before; the files of
//! earlier versions never change again.

use serde::de::DeserializeOwned;
use toml::Table;

use crate::bookmarks::Bookmarks;
use crate::settings::Settings;

mod v1;
mod v2;

/// The version that is written.
const NEWEST: i64 = 2;

/// Reads the settings' text.
pub(crate) fn settings(text: &str) -> Result<Settings, String> {
    match version(text)? {
        Some(1) => parse::<v1::Settings>(text).map(Settings::from),
        Some(2) => parse::<v2::Settings>(text).map(Settings::from),
        None => Ok(Settings::default()),
        Some(version) => Err(unknown(version)),
    }
}

/// Writes the settings' text.
pub(crate) fn settings_text(settings: &Settings) -> Result<String, String> {
    render(&v2::Settings::from(settings))
}

/// Reads the bookmarks' text.
pub(crate) fn bookmarks(text: &str) -> Result<Bookmarks, String> {
    match version(text)? {
        Some(1) => parse::<v1::Bookmarks>(text)?.try_into(),
        Some(2) => parse::<v2::Bookmarks>(text)?.try_into(),
        None => Ok(Bookmarks::default()),
        Some(version) => Err(unknown(version)),
    }
}

/// Writes the bookmarks' text.
pub(crate) fn bookmarks_text(bookmarks: &Bookmarks) -> Result<String, String> {
    render(&v2::Bookmarks::from(bookmarks))
}

/// Tells the version of a text; none for an empty one. A text that does not say, because it was
/// written by hand, is of the newest version.
fn version(text: &str) -> Result<Option<i64>, String> {
    let table: Table = parse(text)?;
    if table.is_empty() {
        return Ok(None);
    }
    match table.get("version") {
        None => Ok(Some(NEWEST)),
        Some(version) => version
            .as_integer()
            .map(Some)
            .ok_or_else(|| format!("version is {version}, expected a number")),
    }
}

fn unknown(version: i64) -> String {
    if version > NEWEST {
        format!("it was written by a newer release (version {version}, known up to {NEWEST})")
    } else {
        format!("there is no version {version}")
    }
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| {
            let before = text.get(..span.start).unwrap_or(text);
            format!("line {}: ", before.matches('\n').count() + 1)
        });
        format!("{}{}", line.unwrap_or_default(), error.message().replace('\n', ", "))
    })
}

fn render<T: serde::Serialize>(value: &T) -> Result<String, String> {
    let text = toml::to_string_pretty(value).map_err(|error| error.to_string())?;
    Ok(format!(
        "# Adit reads this file when it changes and writes it whole: edit it freely; comments are\n\
         # not kept.\n\n{text}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_and_one_without_a_version_are_read() {
        assert_eq!(settings("# nothing yet\n"), Ok(Settings::default()));
        let read = settings("theme = \"dark\"\n").expect("read");
        assert_eq!(read.window.0.theme, crate::view::Theme::Dark);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let error = settings("version = 2\ntheme = dark\n").expect_err("no string");
        assert!(error.starts_with("line 2: "), "{error}");
        let error = settings("version = 2\n\nthem = \"dark\"\n").expect_err("no such key");
        assert!(error.starts_with("line 3: unknown field `them`"), "{error}");
        let error = bookmarks("[[node]]\nname = \"x\"\n").expect_err("no node");
        assert!(error.contains("missing field"), "{error}");
    }

    #[test]
    fn a_text_of_a_newer_release_is_left_alone() {
        let error = bookmarks("version = 3\n").expect_err("newer");
        assert!(error.contains("newer release"), "{error}");
        assert!(settings("version = \"one\"\n").is_err());
    }
}
