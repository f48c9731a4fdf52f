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
        // Behind the options stand texts of our own, which have to fit into a manual page, too.
        let notes = text.split("on a line of its own\n").nth(1).unwrap_or_default();
        let wide = notes.lines().find(|line| line.chars().count() > 72);
        assert_eq!(wide, None, "{command:?}");
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

/// Each command that the READMEs and the helps show is one that there is, with options that there
/// are.
#[test]
fn each_command_that_is_shown_is_one() {
    let stage = Stage::new();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut shown = vec![here.join("README.md"), here.join("../README.md")];
    let helps = std::fs::read_dir(here.join("tests/help")).expect("the folder");
    shown.extend(helps.map(|file| file.expect("a file").path()));
    let mut count = 0;
    for path in shown {
        let text = std::fs::read_to_string(&path).expect("a text");
        for line in text.lines() {
            let start = if path.ends_with("README.md") { "$ restless " } else { "  restless " };
            let Some(command) = line.strip_prefix(start) else { continue };
            // The shell's part, and what the line says of it.
            let command = command
                .split([' ', '\t'])
                .take_while(|word| !["#", "|", ">", ">>", "<", "&", "\\"].contains(word));
            let words: Vec<_> = command.filter(|word| !word.is_empty()).collect();
            let run = program(&stage.path("")).args(words).arg("--help").output().expect("help");
            let err = String::from_utf8_lossy(&run.stderr);
            assert!(run.status.success(), "{}: {line}: {err}", path.display());
            count += 1;
        }
    }
    assert!(count > 15, "{count} commands were found");
}
