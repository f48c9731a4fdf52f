//! Runs each target's body over what is kept in its corpus: small inputs that reach what is
//! particular about a format, and each finding of the fuzzer under its own name.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use restless_fuzz::TARGETS;

#[test]
fn every_kept_input_passes() {
    for (name, body) in TARGETS {
        let folder = corpus().join(name);
        let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .map(|entry| entry.expect("a corpus that can be read").path())
            .collect();
        files.sort();
        assert!(!files.is_empty(), "{}: empty", folder.display());
        for file in &files {
            // Printed where the body panics.
            println!("{}", file.display());
            body(&std::fs::read(file).expect("a file that can be read"));
        }
    }
}

#[test]
fn every_corpus_has_a_target() {
    for entry in std::fs::read_dir(corpus()).expect("a folder of corpora") {
        let name: OsString = entry.expect("a folder that can be read").file_name();
        assert!(TARGETS.iter().any(|(target, _)| name == *target), "{name:?} has no target");
    }
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}
