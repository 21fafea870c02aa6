//! What source files may look like and call.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{read, report, shown, sources};

/// The most lines a file may have; its tests at the foot count for themselves.
const CEILINGS: &[(&str, usize)] =
    &[("rs", 600), ("mjs", 600), ("py", 600), ("ts", 600), ("svelte", 250)];

/// Files that may be longer, and why.
const LONG: &[(&str, &str)] =
    &[("ui/src/bindings.ts", "generated from the shell's commands and events, read by nobody")];

/// Calls product code must not make, the one kind of file that may, and why.
const BANNED: &[Ban] = &[
    Ban {
        calls: &["Instant::now", "SystemTime::now"],
        allowed_in: Some("clock.rs"),
        why: "time comes from the clock, so that tests can move it",
    },
    Ban {
        calls: &["unbounded_channel", "mpsc::unbounded", "channel::unbounded"],
        allowed_in: None,
        why: "every queue is bounded and says what happens when it is full",
    },
    Ban {
        calls: &["tokio::spawn(", "task::spawn(", "task::spawn_local(", "thread::spawn("],
        allowed_in: None,
        why: "a task lives in its owner's JoinSet or TaskTracker and ends with it",
    },
    Ban {
        calls: &["thread::sleep"],
        allowed_in: None,
        why: "nothing polls; timers come from poll_timeout and backoff",
    },
    Ban {
        calls: &["#[allow(", "#![allow("],
        allowed_in: None,
        why: "an exception from a lint is #[expect(…, reason = \"…\")]",
    },
    Ban {
        calls: &["anyhow::"],
        allowed_in: None,
        why: "a crate names its errors, one variant for each thing a caller treats differently",
    },
];

/// Where a banned call stands all the same: file under `src-tauri/crates`, call, reason.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("app/src/ledger.rs", "SystemTime::now", "sessions of earlier processes are aged by the date"),
    ("aws/src/control_plane.rs", "SystemTime::now", "a signature carries the date of its making"),
    ("aws/src/credentials.rs", "SystemTime::now", "credentials expire by the date on their label"),
    ("cli/src/run.rs", "Instant::now", "it only decides when a person is told something"),
    ("cli/src/shell.rs", "Instant::now", "it only decides when a person is told something"),
    ("cli/src/tty.rs", "thread::spawn(", "a read from the terminal blocks and cannot be cancelled"),
    (
        "cli/src/tty.rs",
        "tokio::spawn(",
        "its listener for size changes lives as long as the process",
    ),
];

struct Ban {
    calls: &'static [&'static str],
    allowed_in: Option<&'static str>,
    why: &'static str,
}

#[test]
fn no_file_is_too_long() {
    let mut wrong = Vec::new();
    for path in sources(&["src-tauri", "ui", "tests"]) {
        let Some(extension) = path.extension().and_then(|extension| extension.to_str()) else {
            continue;
        };
        let Some((_, ceiling)) = CEILINGS.iter().find(|(known, _)| *known == extension) else {
            continue;
        };
        let whole = read(&path);
        let product = without_tests(&whole).lines().count();
        let lines = product.max(whole.lines().count() - product);
        let may = LONG.iter().any(|(long, _)| *long == shown(&path));
        if lines > *ceiling && !may {
            wrong.push(format!("{} has {lines} lines of at most {ceiling}", shown(&path)));
        }
    }
    report("a file holds one noun: split it", &wrong);
}

#[test]
fn product_code_makes_no_banned_call() {
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    for path in product_sources() {
        let file = shown(&path);
        let whole = read(&path);
        for (number, line) in without_tests(&whole).lines().enumerate() {
            let code = line.trim_start();
            if code.starts_with("//") {
                continue;
            }
            for (ban, call) in banned_in(code, &path) {
                match exception(&file, call) {
                    Some(index) => drop(used.insert(index)),
                    None => wrong.push(format!("{file}:{}: {call}: {}", number + 1, ban.why)),
                }
            }
        }
    }
    for (index, (file, call, _)) in EXCEPTIONS.iter().enumerate() {
        if !used.contains(&index) {
            wrong.push(format!("the exception for {call} in {file} is no longer used"));
        }
    }
    report("product code keeps the rules of the rooms", &wrong);
}

#[test]
fn every_exception_says_why() {
    let long = LONG.iter().map(|(_, why)| why);
    for why in EXCEPTIONS.iter().map(|(_, _, why)| why).chain(long) {
        assert!(why.split_whitespace().count() > 3, "too short a reason: {why}");
    }
}

/// The bans that `code`, one line of the file at `path`, breaks.
fn banned_in<'a>(
    code: &'a str,
    path: &'a Path,
) -> impl Iterator<Item = (&'static Ban, &'static str)> + 'a {
    let name = path.file_name().and_then(|name| name.to_str());
    BANNED
        .iter()
        .filter(move |ban| ban.allowed_in.is_none() || ban.allowed_in != name)
        .flat_map(|ban| ban.calls.iter().map(move |call| (ban, *call)))
        .filter(move |(_, call)| code.contains(call))
}

fn exception(file: &str, call: &str) -> Option<usize> {
    EXCEPTIONS.iter().position(|(known, allowed, _)| {
        file.strip_prefix("src-tauri/crates/") == Some(known) && *allowed == call
    })
}

/// A file without the test module at its foot; whole test files are empty.
fn without_tests(whole: &str) -> &str {
    if whole.starts_with("#![cfg(test)]") {
        return "";
    }
    let foot = whole.match_indices("#[cfg(test)]").find(|(at, mark)| {
        whole.get(at + mark.len()..).is_some_and(|rest| {
            let next = rest.lines().find(|line| !matches!(line.trim(), "" | ")]"));
            next.is_some_and(|line| line.starts_with("mod ") && line.ends_with('{'))
        })
    });
    foot.and_then(|(at, _)| whole.get(..at)).unwrap_or(whole)
}

/// The Rust files of the crates, tests and examples left out.
fn product_sources() -> Vec<PathBuf> {
    sources(&["src-tauri"])
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .filter(|path| !is_test(path))
        .collect()
}

/// Whether a file of a crate holds nothing but tests, examples or measurements.
fn is_test(path: &Path) -> bool {
    let path = shown(path);
    let Some(path) = path.strip_prefix("src-tauri/") else { return false };
    let is_test = |part: &str| {
        matches!(part, "tests" | "tests.rs" | "testing" | "testing.rs" | "examples" | "fuzz")
            || part.ends_with("_tests.rs")
            || part == "build.rs"
    };
    path.split('/').any(is_test)
}
