//! The rules of the house that no compiler checks. Each exception stands here with its reason.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

/// Who may know whom, and why. A crate of ours may depend on no other one.
const ARROWS: &[(&str, &str, &str)] = &[
    ("app", "aws", "the verbs act on an account"),
    ("app", "session", "the verbs open terminals and tunnels"),
    ("aws", "session", "it implements session's ControlPlane, and knows nothing else of it"),
    ("cli", "app", "the command line is one face of the product"),
    ("cli", "emulator", "--sandbox starts the emulator"),
    ("emulator", "protocol", "both ends speak one codec; it uses no more of the client's side"),
    ("session", "protocol", "engines move what the protocol decides"),
];

/// The package of the stories sees everything but the shell.
const STORIES: &str = "stories";

/// What must never be reachable from `protocol`: it does no IO, reads no clock, awaits nothing.
const NOT_UNDER_PROTOCOL: &[(&str, &str)] = &[
    ("tokio", "a runtime"),
    ("mio", "sockets"),
    ("socket2", "sockets"),
    ("hyper", "sockets"),
    ("tungstenite", "a websocket"),
    ("futures-util", "async code"),
    ("async-io", "a runtime"),
    ("chrono", "a clock"),
    ("time", "a clock"),
    ("web-time", "a clock"),
];

/// The most lines a file may have, its tests at the foot left out.
const CEILINGS: &[(&str, usize)] =
    &[("rs", 600), ("mjs", 600), ("py", 600), ("ts", 600), ("svelte", 250)];

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
    ("aws/src/control_plane.rs", "SystemTime::now", "a signature carries the date of its making"),
    ("aws/src/credentials.rs", "SystemTime::now", "credentials expire by the date on their label"),
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
fn crates_know_only_whom_they_may() {
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for package in packages().iter().filter(|package| is_ours(package)) {
        let name = text(package, "name");
        for dependency in list(package, "dependencies") {
            let target = text(dependency, "name");
            if dependency["path"].is_null() || name == STORIES {
                continue;
            }
            let allowed = ARROWS.iter().any(|(from, to, _)| *from == name && *to == target);
            if !allowed {
                wrong.push(format!("{name} → {target} is no arrow of the house"));
            }
            seen.insert((name, target));
        }
    }
    report("a new edge is a design change: say so in the commit and in ARROWS", &wrong);
    let known: BTreeSet<_> = packages().iter().map(|package| text(package, "name")).collect();
    for (from, to, _) in ARROWS {
        assert!(known.contains(from) && known.contains(to), "no such crate: {from} or {to}");
    }
}

#[test]
fn nothing_under_protocol_touches_the_system() {
    let reachable = reachable_from("protocol");
    assert!(reachable.contains("bytes"), "the walk over the dependencies found nothing");
    let wrong: Vec<_> = NOT_UNDER_PROTOCOL
        .iter()
        .filter(|(name, _)| reachable.contains(*name))
        .map(|(name, what)| format!("protocol reaches {name}, which is {what}"))
        .collect();
    report("protocol takes `now` and bytes as arguments", &wrong);
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
        let lines = without_tests(&whole).lines().count();
        if lines > *ceiling {
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
fn every_exception_and_arrow_says_why() {
    for (_, _, why) in ARROWS.iter().chain(EXCEPTIONS) {
        assert!(why.split_whitespace().count() > 3, "too short a reason: {why}");
    }
}

#[test]
fn the_top_level_holds_only_what_it_may() {
    const ALLOWED: &[&str] = &[
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "README.md",
        "clippy.toml",
        "deny.toml",
        "icons",
        "package-lock.json",
        "package.json",
        "rustfmt.toml",
        "src-tauri",
        "tests",
        "ui",
    ];
    let tracked = output("git", &["ls-tree", "--name-only", "HEAD"]);
    let wrong: Vec<_> = tracked
        .lines()
        .filter(|name| !name.starts_with('.') && !ALLOWED.contains(name))
        .map(str::to_owned)
        .collect();
    report("the top of the repository is for finding one's way", &wrong);
}

#[track_caller]
fn report(rule: &str, wrong: &[String]) {
    assert!(wrong.is_empty(), "{rule}:\n  {}\n", wrong.join("\n  "));
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
    let not_product = ["tests", "examples", "benches", "fuzz"];
    sources(&["src-tauri"])
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .filter(|path| {
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            stem != "tests"
                && stem != "build"
                && !stem.ends_with("_tests")
                && !path.components().any(|part| {
                    part.as_os_str().to_str().is_some_and(|part| not_product.contains(&part))
                })
        })
        .collect()
}

/// All files below `folders` of the clone, in order.
fn sources(folders: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    while let Some(folder) = open.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries.filter_map(Result::ok) {
            let path = entry.path();
            let name = entry.file_name();
            if !path.is_dir() {
                found.push(path);
            } else if !["node_modules", "target", "dist", "vectors"]
                .iter()
                .any(|skip| name == *skip)
            {
                open.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The names of all packages that `start` depends on, directly or not, in a plain build.
fn reachable_from(start: &str) -> BTreeSet<String> {
    let names: BTreeMap<_, _> =
        packages().iter().map(|package| (text(package, "id"), text(package, "name"))).collect();
    let nodes: BTreeMap<_, _> =
        list(&metadata()["resolve"], "nodes").iter().map(|node| (text(node, "id"), node)).collect();
    let mut open: Vec<_> =
        names.iter().filter(|(_, name)| **name == start).map(|(id, _)| *id).collect();
    let mut seen = BTreeSet::new();
    while let Some(id) = open.pop() {
        for dependency in list(nodes[id], "deps") {
            let plain = list(dependency, "dep_kinds").iter().any(|kind| kind["kind"].is_null());
            let next = text(dependency, "pkg");
            if plain && seen.insert(next) {
                open.push(next);
            }
        }
    }
    seen.into_iter().map(|id| names[id].to_owned()).collect()
}

fn packages() -> &'static [Value] {
    list(metadata(), "packages")
}

fn is_ours(package: &Value) -> bool {
    package["source"].is_null()
}

fn metadata() -> &'static Value {
    static METADATA: OnceLock<Value> = OnceLock::new();
    METADATA.get_or_init(|| {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let host = output("rustc", &["-vV"]);
        let host = host.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host");
        let said = output(
            &cargo,
            &["metadata", "--format-version=1", "--offline", "--locked", "--filter-platform", host],
        );
        serde_json::from_str(&said).expect("cargo metadata answers JSON")
    })
}

fn output(program: &str, arguments: &[&str]) -> String {
    let done = Command::new(program).args(arguments).current_dir(root()).output();
    let done = done.unwrap_or_else(|error| panic!("{program} cannot be run: {error}"));
    assert!(
        done.status.success(),
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    String::from_utf8(done.stdout).expect("programs answer text")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the clone")
}

fn read(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A path as seen from the top of the clone, with slashes on every system.
fn shown(path: &Path) -> String {
    let short = path.strip_prefix(root()).unwrap_or(path);
    short.to_string_lossy().replace('\\', "/")
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no text under {key}"))
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().unwrap_or_else(|| panic!("no list under {key}"))
}
