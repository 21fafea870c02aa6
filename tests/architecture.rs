//! The rules of the house that no compiler checks. Each exception stands here with its reason.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

mod dependencies;
mod source;

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

/// All files below `folders`, which are given from the top of the clone, in order.
fn sources(folders: &[impl AsRef<Path>]) -> Vec<PathBuf> {
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
