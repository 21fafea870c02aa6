//! How the agent splits a command line into words: a shell's quotes, none of its expansions.

/// Why a command line has no words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum WordsError {
    #[error("EOF found when expecting closing quote")]
    OpenQuote,
    #[error("EOF found after escape character")]
    OpenEscape,
}

/// Splits a command line.
pub(super) fn split(line: &str) -> Result<Vec<String>, WordsError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '#' if word.is_none() => {
                characters.by_ref().find(|character| *character == '\n');
            }
            '\\' => {
                let escaped = characters.next().ok_or(WordsError::OpenEscape)?;
                word.get_or_insert_default().push(escaped);
            }
            '\'' => loop {
                match characters.next().ok_or(WordsError::OpenQuote)? {
                    '\'' => {
                        word.get_or_insert_default();
                        break;
                    }
                    quoted => word.get_or_insert_default().push(quoted),
                }
            },
            '"' => loop {
                match characters.next().ok_or(WordsError::OpenQuote)? {
                    '"' => {
                        word.get_or_insert_default();
                        break;
                    }
                    '\\' => {
                        let escaped = characters.next().ok_or(WordsError::OpenQuote)?;
                        word.get_or_insert_default().push(escaped);
                    }
                    quoted => word.get_or_insert_default().push(quoted),
                }
            },
            plain => word.get_or_insert_default().push(plain),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_escapes_and_comments() {
        let split = |line| split(line).unwrap();
        assert_eq!(split("sh -c 'echo out; exit 3'"), ["sh", "-c", "echo out; exit 3"]);
        assert_eq!(split(r#"a "b \"c\"" d\ e '' # rest"#), ["a", "b \"c\"", "d e", ""]);
        assert_eq!(split("a#b"), ["a#b"]);
        assert!(split("  ").is_empty());
    }

    #[test]
    fn what_stays_open_is_an_error() {
        assert_eq!(split("echo 'x"), Err(WordsError::OpenQuote));
        assert_eq!(split("echo \"x\\"), Err(WordsError::OpenQuote));
        assert_eq!(split("echo \\"), Err(WordsError::OpenEscape));
    }
}
