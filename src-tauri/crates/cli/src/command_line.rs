//! A command line on its way to a node, whose agent splits it into words.
//!
//! Agents split as a shell does, quotes and backslashes included, and run the words without a
//! shell. So several words are quoted and arrive as they were given here; one that is more than
//! a word is a line for the node's own shell.

/// What the agent runs the command line with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runner {
    /// The words themselves, on Linux and macOS.
    Words,
    /// A shell, which gets the line as it is: commands on a terminal, and PowerShell on Windows.
    Shell,
}

/// Says whether the words are a line that needs a shell.
pub(crate) fn is_line(words: &[String]) -> bool {
    matches!(words, [line] if !is_plain(line))
}

/// Writes the words as one command line, so that the node runs what was asked for here.
pub(crate) fn join(words: &[String], runner: Runner) -> String {
    match (words, runner) {
        ([line], Runner::Shell) => line.clone(),
        ([line], Runner::Words) if !is_plain(line) => format!("sh -c {}", quoted(line)),
        (words, _) => words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "),
    }
}

/// Quotes a word for a shell, if it needs that.
pub(crate) fn quoted(word: &str) -> String {
    if is_plain(word) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

fn is_plain(word: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"%+,-./:=@_".contains(&byte);
    !word.is_empty() && word.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(words: &[&str], runner: Runner) -> String {
        join(&words.iter().map(ToString::to_string).collect::<Vec<_>>(), runner)
    }

    #[test]
    fn several_words_arrive_as_they_are() {
        assert_eq!(joined(&["ls", "-l", "/tmp"], Runner::Words), "ls -l /tmp");
        assert_eq!(
            joined(&["echo", "a  b", "it's", ""], Runner::Words),
            r"echo 'a  b' 'it'\''s' ''"
        );
        assert_eq!(joined(&["echo", "$HOME"], Runner::Shell), "echo '$HOME'");
    }

    #[test]
    fn one_word_that_is_a_line_goes_to_a_shell() {
        assert_eq!(joined(&["uptime"], Runner::Words), "uptime");
        assert_eq!(joined(&["df -h | wc"], Runner::Words), "sh -c 'df -h | wc'");
        assert_eq!(joined(&["df -h | wc"], Runner::Shell), "df -h | wc");
    }
}
