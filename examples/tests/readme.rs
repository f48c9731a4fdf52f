//! The programs of the project's README: its blocks as they are printed, each a file of `readme`
//! which is compiled, and run against the emulator; the quickstart; and the `subscribe` examples.

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::Running;
use restless_emulator::{Emulator, Fault};

mod bring_your_own {
    include!("../readme/bring-your-own.rs");

    /// The block that brings its own stack takes any function that sends.
    #[test]
    fn a_call_is_made_by_any_stack() {
        let stream = get(|request| {
            assert_eq!(request.uri().path(), "/streams/stream_123");
            let stream = r#"{"id":"stream_123","name":"Orders","status":"ACTIVE","method":"GET",
                "url":"https://api.example.com/orders","payloadMode":"FULL_DATA","pollingInterval":30}"#;
            http::Response::new(bytes::Bytes::from_static(stream.as_bytes()))
        });
        assert_eq!(stream.expect("a stream").name, "Orders");
    }
}

/// The files of `readme`, in the order of the README's blocks.
const FILES: [(&str, &str); 4] = [
    ("create", include_str!("../readme/create.rs")),
    ("follow", include_str!("../readme/follow.rs")),
    ("typed", include_str!("../readme/typed.rs")),
    ("bring-your-own", include_str!("../readme/bring-your-own.rs")),
];

/// The contents of the blocks in this language.
fn blocks(language: &str) -> Vec<String> {
    let readme = std::fs::read_to_string(workspace().join("README.md")).expect("the README");
    let (mut blocks, mut block) = (Vec::new(), None::<String>);
    for line in readme.lines() {
        match (line.strip_prefix("```"), &mut block) {
            (Some(_), Some(_)) => blocks.extend(block.take()),
            (Some(info), None) if info.split(',').next() == Some(language) => {
                block = Some(String::new());
            }
            (None, Some(block)) => {
                block.push_str(line);
                block.push('\n');
            }
            _ => {}
        }
    }
    blocks
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").to_owned()
}

/// Each block of Rust is the file that is compiled, byte for byte.
#[test]
fn each_block_of_rust_is_a_file_byte_for_byte() {
    let blocks = blocks("rust");
    assert_eq!(blocks.len(), FILES.len());
    for (block, (name, file)) in blocks.iter().zip(FILES) {
        assert!(block == file, "the README's block differs from readme/{name}.rs:\n{block}");
    }
}

/// With the repository's address replaced by a path to here, cargo finds each crate and feature.
#[test]
fn what_goes_into_cargo_toml_is_there() {
    let [manifest] = &blocks("toml")[..] else { panic!("there is one block") };
    let repository = format!("git = {:?}", env!("CARGO_PKG_REPOSITORY"));
    assert!(manifest.contains(&repository), "{manifest}");
    let root = workspace();
    let path = format!("path = {:?}", root.join("adapters/tokio"));
    let folder = std::env::temp_dir().join(format!("restless-readme-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("src")).expect("a folder");
    let package = "[package]\nname = \"readme\"\nedition = \"2024\"\n[workspace]\n";
    let manifest = format!("{package}{}", manifest.replace(&repository, &path));
    std::fs::write(folder.join("Cargo.toml"), manifest).expect("a manifest");
    std::fs::write(folder.join("src/main.rs"), "fn main() {}").expect("a program");
    std::fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).expect("the versions");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--format-version=1", "--offline", "--manifest-path"]);
    let output = cargo.arg(folder.join("Cargo.toml")).output().expect("cargo");
    std::fs::remove_dir_all(folder).expect("it is ours");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

struct Stage {
    emulator: Emulator,
    id: String,
    base: String,
}

impl Stage {
    fn new() -> Self {
        let emulator = Emulator::start().expect("an emulator");
        let stream = r#"{"name":"Orders","url":"http://127.0.0.1:9/","status":"INACTIVE"}"#;
        let id = emulator.add_stream(stream).expect("a stream");
        let base = emulator.api_base_url();
        Self { emulator, id, base }
    }

    fn start(&self, program: &str, arguments: &[&str]) -> Running {
        self.start_into(program, arguments, Stdio::piped())
    }

    fn start_into(&self, program: &str, arguments: &[&str], stdout: Stdio) -> Running {
        let environment = [
            ("RESTLESS_API_KEY", self.emulator.api_key()),
            ("RESTLESS_API_BASE_URL", &self.base),
            ("RESTLESS_STREAM_BASE_URL", &self.base),
        ];
        Running::start_into(program, arguments, &environment, stdout)
    }
}

/// The block that makes a stream makes one, and prints what it is.
#[test]
fn the_block_that_makes_a_stream_makes_one() {
    let stage = Stage::new();
    let run = stage.start("readme-create", &[]).end();
    assert_eq!((run.status, &*run.err), (Some(0), ""));
    assert!(run.out.starts_with("stream_") && run.out.ends_with(" is ACTIVE\n"), "{}", run.out);
}

/// The block that follows a stream prints its events, and each loss on the way.
#[test]
fn the_block_that_follows_a_stream_prints_events_and_losses() {
    let stage = Stage::new();
    for n in 0..3 {
        stage.emulator.publish(&stage.id, &n.to_string()).expect("an event");
    }
    stage.emulator.inject(Fault::cut_after_events(2));
    let running = stage.start("readme-follow", &[&stage.id]);
    assert_eq!(running.note(), "connected\n");
    for n in 0..3 {
        let line = running.line();
        assert!(line.contains(&format!(r#""data":{n}"#)), "{line}");
    }
    let notes: Vec<_> = std::iter::repeat_with(|| running.note()).take(6).collect();
    assert!(notes.iter().any(|note| note.starts_with("lost: the connection broke")), "{notes:?}");
}

/// A host that can't be reached is told.
#[test]
fn the_block_that_follows_a_stream_says_that_the_host_can_t_be_reached() {
    let stage = Stage::new();
    stage.emulator.stop_listening().expect("the emulator stands");
    let running = stage.start("readme-follow", &[&stage.id]);
    assert_eq!(running.note(), "lost: no connection to the host; reconnect 1 follows\n");
}

/// The block that reads typed data prints it, and ends with an error where the data has another
/// form.
#[test]
fn the_block_that_reads_typed_data_prints_it() {
    let stage = Stage::new();
    let orders = r#"{"orders":[{"id":1001,"status":"placed","total":19.5,"more":null}]}"#;
    stage.emulator.publish(&stage.id, orders).expect("an event");
    let running = stage.start("readme-typed", &[&stage.id]);
    assert_eq!(running.line(), "order 1001 over 19.50 is placed\n");
    stage.emulator.publish(&stage.id, "[]").expect("an event");
    let run = running.end();
    assert_eq!(run.status, Some(1));
    assert!(run.err.starts_with("Error: "), "{}", run.err);
}

/// A missing key is told, and nothing is sent.
#[test]
fn a_missing_key_is_told_before_the_network_is_asked() {
    for block in ["readme-create", "readme-follow", "readme-typed"] {
        let run = common::run(block, &["stream_1"], &[]);
        assert_eq!((run.status, &*run.out), (Some(1), ""));
        assert!(run.err.contains("RESTLESS_API_KEY"), "{}", run.err);
    }
}

// The other programs

/// The `subscribe` examples, which take the trial besides: `trial.rs`.
const SUBSCRIBE: [&str; 4] =
    ["subscribe-tokio", "subscribe-smol", "subscribe-async-std", "subscribe-blocking"];

/// Each `subscribe` example follows a stream by its id, and by its URL, and prints an event as a
/// line of JSON, its data byte for byte as it came.
#[test]
fn each_subscribe_example_follows_a_stream_or_a_url() {
    let stage = Stage::new();
    let id = stage.emulator.publish(&stage.id, r#"{"b" : 1.0, "a":1e5}"#).expect("an event");
    let error = stage.emulator.publish_error(&stage.id, "C", "m").expect("an event");
    let due = [
        format!(
            r#"{{"type":"update","event_id":"{id}","cursor":"{id}","data":{{"b" : 1.0, "a":1e5}}}}"#
        ),
        format!(
            r#"{{"type":"error","event_id":"{error}","cursor":"{error}","error":{{"code":"C","message":"m"}}}}"#
        ),
    ];
    let url = stage.emulator.sse_url(&stage.id);
    for source in [&["--stream", &*stage.id][..], &[&*url]] {
        for example in SUBSCRIBE {
            let arguments = [source, &["--since", "0", "--limit", "2"]].concat();
            let run = stage.start(example, &arguments).end();
            assert_eq!((run.lines(), run.status), (due.iter().map(|s| &**s).collect(), Some(0)));
            assert_eq!(run.err, "connected\n");
        }
    }
}

/// Bad arguments exit with 2 and print nothing to stdout; a key that is missing does, too.
#[test]
fn a_subscribe_example_that_is_called_wrongly_exits_with_2() {
    for arguments in [
        &[][..],
        &["http://127.0.0.1:9/", "--stream", "a"],
        &["--stream", "a", "--limit", "many"],
        &["--stream", "a", "--subscriptions", "2"],
        &["--stream", "a"],
    ] {
        let run = common::run(SUBSCRIBE[0], arguments, &[]);
        assert_eq!((run.status, &*run.out), (Some(2), ""), "{arguments:?}: {}", run.err);
        assert_eq!(run.err.lines().count(), 1, "{}", run.err);
    }
}

/// Where stdout is full, they exit with 1 and say so, and the quickstart too. Where nobody reads it
/// any more, that is no error.
#[test]
fn a_full_disk_is_an_error() {
    let stage = Stage::new();
    stage.emulator.publish(&stage.id, "1").expect("an event");
    let follow = ["--stream", &stage.id, "--since", "0"];
    let programs = [
        (SUBSCRIBE[3], &["--help"][..], "stdout can't be written"),
        (SUBSCRIBE[3], &follow, "stdout can't be written"),
        ("quickstart", &["--help"], "space"),
        ("quickstart", &["--version"], "space"),
        ("quickstart", &[], "space"),
    ];
    for (program, arguments, due) in programs {
        let Ok(full) = std::fs::File::options().write(true).open("/dev/full") else {
            println!("there is no /dev/full here: not checked");
            return;
        };
        let run = stage.start_into(program, arguments, full.into()).end();
        assert_eq!(run.status, Some(1), "{program} {arguments:?}: {}", run.err);
        assert!(run.err.contains(due), "{}", run.err);
    }
    let run = stage.start_into(SUBSCRIBE[3], &follow, common::nobody()).end();
    assert_eq!(run.status, Some(0), "{}", run.err);
}

/// Help that is asked for goes to stdout, and is a success; so does the quickstart's version.
#[test]
fn help_is_asked_for_and_goes_to_stdout() {
    for (program, argument, due) in [
        ("quickstart", "--help", "usage: quickstart"),
        ("quickstart", "--version", "quickstart "),
        (SUBSCRIBE[0], "--help", "usage: "),
    ] {
        let run = common::run(program, &[argument], &[]);
        assert_eq!((run.status, &*run.err), (Some(0), ""));
        assert!(run.out.starts_with(due), "{}", run.out);
    }
}
