//! Who may know whom, and what may be in the product at all.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::OnceLock;

use serde_json::Value;

use super::{output, read, report, sources};

/// Who may know whom, and why. A crate of ours may depend on no other one.
const ARROWS: &[(&str, &str, &str)] = &[
    ("app", "aws", "the verbs act on an account"),
    ("app", "session", "the verbs open terminals and tunnels"),
    ("aws", "session", "it implements session's ControlPlane, and knows nothing else of it"),
    ("cli", "app", "the command line is one face of the product"),
    ("cli", "emulator", "--sandbox starts the emulator"),
    ("cli", "session", "it draws the terminals and tunnels that the app hands out"),
    ("emulator", "protocol", "both ends speak one codec; it uses no more of the client's side"),
    ("shell", "app", "a command forwards to a verb, an event is passed on"),
    ("shell", "emulator", "sandbox.rs starts it when the sandbox is first needed"),
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

/// Licences that ask no more than to be named.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// What must not be in the product.
const BANNED: &[(&str, &str)] = &[
    ("openssl-sys", "rustls everywhere: one TLS stack and no system library"),
    ("native-tls", "rustls everywhere: one TLS stack and no system library"),
    ("aws-lc-sys", "ring everywhere: one crypto provider and no second C build"),
];

/// Dependencies that no source file names, and what they are there for.
const UNNAMED: &[(&str, &str, &str)] = &[];

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
fn every_dependency_is_used() {
    let mut wrong = Vec::new();
    for package in packages().iter().filter(|package| is_ours(package)) {
        let name = text(package, "name");
        let folder = Path::new(text(package, "manifest_path")).parent().expect("a folder");
        let whole: String = sources(&[folder])
            .iter()
            .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
            .map(|path| read(path))
            .collect();
        for dependency in list(package, "dependencies") {
            let known = dependency["rename"].as_str().unwrap_or(text(dependency, "name"));
            let excused = UNNAMED.iter().any(|(by, what, _)| (*by, *what) == (name, known));
            if names(&whole, &known.replace('-', "_")) == excused {
                let what = if excused { "is used after all" } else { "is not used" };
                wrong.push(format!("{known} {what} by {name}"));
            }
        }
    }
    report("a dependency nobody uses is only built", &wrong);
}

#[test]
fn the_product_holds_only_what_it_may() {
    let inside = &reachable_from("cli") | &reachable_from("shell");
    let mut wrong = Vec::new();
    for package in packages().iter().filter(|package| !is_ours(package)) {
        let name = text(package, "name");
        if !inside.contains(name) {
            continue;
        }
        if let Some((_, why)) = BANNED.iter().find(|(banned, _)| *banned == name) {
            wrong.push(format!("{name}: {why}"));
        }
        let source = text(package, "source");
        if !source.starts_with("registry+https://github.com/rust-lang/crates.io-index") {
            wrong.push(format!("{name} comes from {source}"));
        }
        let licence = package["license"].as_str().unwrap_or("none");
        if !may_be_used(licence) {
            wrong.push(format!("{name} is licensed under {licence}"));
        }
    }
    report("what is shipped is free of surprises", &wrong);
}

#[test]
fn every_arrow_and_exception_says_why() {
    for (_, _, why) in ARROWS.iter().chain(UNNAMED) {
        assert!(why.split_whitespace().count() > 3, "too short a reason: {why}");
    }
}

/// Whether a name stands somewhere as a whole word.
fn names(whole: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    whole.match_indices(name).any(|(at, _)| {
        let before = whole.get(..at).and_then(|text| text.chars().next_back());
        let after = whole.get(at + name.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

/// Whether an SPDX expression leaves a choice that [`LICENCES`] holds.
fn may_be_used(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    any_of(&mut words) && words.next().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any_of(words: &mut Words<'_>) -> bool {
    let mut fits = all_of(words);
    while words.next_if_eq(&"OR").is_some() {
        fits |= all_of(words);
    }
    fits
}

fn all_of(words: &mut Words<'_>) -> bool {
    let mut fits = one(words);
    while words.next_if_eq(&"AND").is_some() {
        fits &= one(words);
    }
    fits
}

fn one(words: &mut Words<'_>) -> bool {
    if words.next_if_eq(&"(").is_some() {
        let fits = any_of(words);
        return words.next_if_eq(&")").is_some() && fits;
    }
    let mut licence = words.next().unwrap_or_default().to_owned();
    if words.next_if_eq(&"WITH").is_some() {
        licence = format!("{licence} WITH {}", words.next().unwrap_or_default());
    }
    LICENCES.contains(&licence.as_str())
}

#[test]
fn licence_expressions_are_understood() {
    for good in ["MIT", "GPL-3.0 OR MIT", "MIT/Apache-2.0", "(GPL-2.0 OR ISC) AND MIT"] {
        assert!(may_be_used(good), "{good}");
    }
    for bad in ["GPL-3.0", "MIT AND GPL-3.0", "none", "", "(MIT"] {
        assert!(!may_be_used(bad), "{bad}");
    }
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

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no text under {key}"))
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().unwrap_or_else(|| panic!("no list under {key}"))
}
