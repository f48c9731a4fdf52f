//! `restless record` and `restless replay`: what was recorded is served again.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::time::Duration;

use restless_emulator::{Fault, Recording};

use crate::stage::{Run, Stage};

/// The recording `feed.ndjson` of a stage, served until it is dropped.
pub(crate) struct Replay {
    child: Child,
    pub(crate) address: String,
}

impl Replay {
    pub(crate) fn start(stage: &Stage, arguments: &[&str]) -> Self {
        let path = stage.path("feed.ndjson");
        let mut command = stage.command(&["replay"]);
        command.arg(path).args(arguments);
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the program");
        let mut line = String::new();
        let out = child.stdout.take().expect("its output");
        BufReader::new(out).read_line(&mut line).expect("its first line");
        let address = line.trim().rsplit_once("//").expect("a URL").1.to_owned();
        Self { child, address }
    }

    /// What a client of the replay prints.
    fn tail(&self, stage: &Stage, arguments: &[&str]) -> Run {
        let mut command = stage.command(&["tail", "Replay", "--quiet"]);
        let base = format!("http://{}", self.address);
        command.env("RESTLESS_API_BASE_URL", &base).env("RESTLESS_STREAM_BASE_URL", &base);
        command.args(arguments);
        stage.finish(command, b"")
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A stage whose feed has five events and is recorded, over the transport of `flags`.
fn recorded(flags: &[&str]) -> (Stage, Vec<String>) {
    let stage = Stage::new();
    let publish = |number| stage.emulator.publish(&stage.id, &format!("{{\"total\":{number}}}"));
    let ids = (0..5).map(|number| publish(number).expect("an event")).collect();
    stage.emulator.inject(Fault::end_after_events(5));
    let path = stage.path("feed.ndjson");
    let mut command = stage.command(&["record"]);
    command.arg(path).args(["Orders", "--since", "0"]).args(flags);
    let run = stage.finish(command, b"");
    assert_eq!((run.status, &*run.out), (Some(0), ""), "{run:?}");
    (stage, ids)
}

#[test]
fn a_recording_of_either_transport_is_served_over_both() {
    for record in [&[][..], &["--ws"]] {
        let (stage, ids) = recorded(record);
        let replay = Replay::start(&stage, &["--port", "0"]);
        for tail in [&["-n", "5"][..], &["-n", "5", "--ws"]] {
            let run = replay.tail(&stage, tail);
            assert_eq!(run.ids(), ids, "{record:?} {tail:?}: {run:?}");
            let totals: Vec<_> =
                run.lines().iter().map(|line| line["data"]["total"].clone()).collect();
            assert_eq!(totals, [0, 1, 2, 3, 4], "{record:?} {tail:?}: {run:?}");
        }
    }
}

#[test]
fn a_client_that_is_cut_goes_on_behind_its_last_event() {
    let (stage, ids) = recorded(&[]);
    let replay = Replay::start(&stage, &["--port", "0"]);
    let cursor = stage.path("cursor");
    for flags in [&[][..], &["--ws"]] {
        let mut all = Vec::new();
        for count in ["2", "1", "2"] {
            let position = ["-n", count, "--resume", "--save-cursor", cursor.to_str().unwrap()];
            all.extend(replay.tail(&stage, &[&position[..], flags].concat()).ids());
        }
        assert_eq!(all, ids, "{flags:?}");
        std::fs::remove_file(&cursor).expect("removed");
        let since = replay.tail(&stage, &[&["-n", "3", "--since", &ids[1]][..], flags].concat());
        assert_eq!(since.ids(), ids[2..], "{flags:?}");
    }
}

#[test]
fn a_recording_has_the_bytes_and_no_key() {
    const PIECES: [&str; 3] = ["id: 1\ndata: \"rs_012345", "6789abcdef\"\n\n", ": heartbeat\n\n"];
    let stage = Stage::new();
    stage.emulator.inject(Fault::recording(PIECES.map(|piece| (Duration::from_millis(50), piece))));
    let path = stage.path("feed.ndjson");
    let mut command = stage.command(&["record"]);
    command.arg(&path).arg(stage.emulator.sse_url("s"));
    let run = stage.finish(command, b"");
    assert_eq!((run.status, &*run.err), (Some(0), "the server ended the stream\n"), "{run:?}");
    let text = std::fs::read_to_string(&path).expect("a file");
    assert!(!text.contains("rs_01") && !text.contains("6789abcdef"), "{text}");
    let recording = Recording::read(text.as_bytes()).expect("a recording");
    assert!(recording.duration() >= Duration::from_millis(100), "{text}");
    let content: Vec<_> = recording.into_iter().flat_map(|(_, piece)| piece).collect();
    let content = String::from_utf8(content).expect("UTF-8");
    assert!(content.starts_with("id: 1\ndata: \""), "{content}");
    assert!(content.ends_with("\"\n\n: heartbeat\n\n"), "{content}");
}

/// A path that is cut without a word looks like a quiet feed.
#[test]
fn a_recording_of_a_silent_connection_ends_and_says_so() {
    let stage = Stage::new();
    stage.emulator.publish(&stage.id, "1").expect("an event");
    stage.emulator.inject(Fault::stall_after_events(1));
    let path = stage.path("feed.ndjson");
    let mut command = stage.command(&["record"]);
    command.arg(&path).args(["Orders", "--since", "0", "--idle-seconds", "0.2"]);
    let run = stage.finish(command, b"");
    assert_eq!((run.status, &*run.err), (Some(0), "nothing came for 0.2 s\n"), "{run:?}");
    let text = std::fs::read_to_string(&path).expect("a file");
    assert!(text.contains("update"), "what came is kept: {text}");
}

#[test]
fn what_is_refused_or_cannot_be_written_is_told() {
    let stage = Stage::new();
    for flags in [&[][..], &["--ws"]] {
        let path = stage.path("feed.ndjson");
        std::fs::write(&path, "a recording").expect("written");
        let mut command = stage.command(&["record"]);
        command.arg(&path).arg(stage.emulator.sse_url("none")).args(flags);
        let run = stage.finish(command, b"");
        assert_eq!(std::fs::read_to_string(&path).expect("a file"), "a recording", "{run:?}");
        assert_eq!(run.status, Some(3), "{run:?}");
        assert!(run.err.contains("404"), "{run:?}");
    }
    let run = stage.run(&["record", "unused.ndjson", "No such stream"]);
    assert_eq!(run.status, Some(3), "{run:?}");
    let mut command = stage.command(&["record", "unused.ndjson", "Orders"]);
    let run = stage.finish(
        {
            command.env_remove("RESTLESS_API_KEY");
            command
        },
        b"",
    );
    assert_eq!(run.status, Some(2), "{run:?}");
    stage.emulator.publish(&stage.id, "1").expect("an event");
    stage.emulator.inject(Fault::end_after_events(1));
    let run = stage.run(&["record", "/dev/full", "Orders"]);
    assert_eq!(run.status, Some(1), "{run:?}");
    assert!(run.err.starts_with("restless: /dev/full: "), "{run:?}");
}
