//! A shared AWS config file from any bytes.

use std::path::Path;

use crate::config_file::{ConfigFile, FileKind, Section};

/// Reads the bytes as both kinds of file; what is said to be sound must be read again without a
/// fault, and say the same.
pub(crate) fn run(data: &[u8]) {
    let path = Path::new("config");
    for kind in [FileKind::Config, FileKind::Credentials] {
        let file = ConfigFile::parse(path, kind, data);
        let again = ConfigFile::parse(path, kind, file.sound_text().as_bytes());
        assert!(again.problems.is_empty(), "{:?}", again.problems);
        let sound: Vec<String> = file.sections.iter().filter(is_sound).map(shown).collect();
        let seen: Vec<String> = again.sections.iter().map(shown).collect();
        assert_eq!(seen, sound);
        for problem in file.problems.iter().chain(file.sections.iter().flat_map(of)) {
            let lines = data.split(|byte| *byte == b'\n').count();
            assert!(problem.line.is_some_and(|line| (1..=lines).contains(&line)), "{problem}");
        }
    }
}

fn is_sound(section: &&Section) -> bool {
    section.problems.is_empty()
}

fn of(section: &Section) -> &[crate::config_file::Problem] {
    &section.problems
}

fn shown(section: &Section) -> String {
    let Section { kind, name, prefixed, properties, problems, .. } = section;
    format!("{kind:?} {name} {prefixed} {properties:?} {problems:?}")
}
