//! `--help` of each command, word for word as it was read last: `tests/help/*.txt`.

use std::collections::BTreeSet;
use std::path::Path;

use crate::stage::{Stage, program};

/// The help of each command is that of the file with its name. `RESTLESS_BLESS=1` writes the files,
/// to be read as a user would before they are committed.
#[test]
fn each_help_is_as_it_was_read() {
    let stage = Stage::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/help");
    let is_blessed = std::env::var_os("RESTLESS_BLESS").is_some();
    let mut due = BTreeSet::new();
    let mut commands = vec![vec![]];
    while let Some(command) = commands.pop() {
        let shown = program(&stage.path("")).args(&command).arg("--help").output().expect("help");
        assert!(shown.status.success() && shown.stderr.is_empty(), "{command:?}");
        let text = String::from_utf8(shown.stdout).expect("UTF-8");
        let below = text.lines().skip_while(|line| *line != "Commands:").skip(1);
        for name in below.map_while(|line| line.split_whitespace().next()) {
            // The emulator has a help of its own, and what `help` says is said here.
            if !["help", "emulator"].contains(&name) {
                commands.push([&command[..], &[name.to_owned()]].concat());
            }
        }
        let name = [&["restless".to_owned()], &command[..]].concat().join("-") + ".txt";
        let path = folder.join(&name);
        if is_blessed {
            std::fs::write(&path, &text).expect("the file");
        }
        let read = std::fs::read_to_string(&path).unwrap_or_default();
        let bless = "RESTLESS_BLESS=1 cargo test -p restless-cli --test cli help";
        assert!(text == read, "{name} is another help than this; {bless} writes it:\n{text}");
        due.insert(name);
    }
    let files = std::fs::read_dir(&folder).expect("the folder");
    let files = files.map(|file| file.expect("a file").file_name().into_string().expect("UTF-8"));
    assert_eq!(files.collect::<BTreeSet<_>>(), due, "files of commands that are no more");
}
