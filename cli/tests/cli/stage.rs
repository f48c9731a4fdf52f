//! An emulator with a stream, and the program beside it.

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use restless_emulator::Emulator;

/// An emulator with a stream that polls nothing, and a folder of its own.
pub(crate) struct Stage {
    pub(crate) emulator: Emulator,
    pub(crate) id: String,
    folder: tempfile::TempDir,
}

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) status: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let emulator = Emulator::start().expect("an emulator");
        let id = emulator.add_stream(ORDERS).expect("a stream");
        Self { emulator, id, folder: tempfile::tempdir().expect("a folder") }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        self.finish(self.command(arguments), b"")
    }

    pub(crate) fn run_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Run {
        let mut command = self.command(arguments);
        command.envs(environment.iter().copied());
        self.finish(command, b"")
    }

    pub(crate) fn run_on(&self, arguments: &[&str], input: &[u8]) -> Run {
        self.finish(self.command(arguments), input)
    }

    /// The program, as the emulator's user.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program(self.folder.path());
        command
            .args(arguments)
            .env("RESTLESS_API_KEY", self.emulator.api_key())
            .env("RESTLESS_API_BASE_URL", self.emulator.api_base_url())
            .env("RESTLESS_STREAM_BASE_URL", self.emulator.stream_base_url());
        command
    }

    pub(crate) fn finish(&self, mut command: Command, input: &[u8]) -> Run {
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = pipes.spawn().expect("the program");
        match child.stdin.take().expect("its input").write_all(input) {
            // It may be over without having read.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            written => written.expect("its input takes all"),
        }
        let run = Run::of(child.wait_with_output().expect("its end"));
        let key = self.emulator.api_key();
        assert!(!run.out.contains(key) && !run.err.contains(key), "the key was printed: {run:?}");
        run
    }
}

impl Run {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Self { status: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// The output as one JSON value.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The ids of the events that were printed, in order.
    pub(crate) fn ids(&self) -> Vec<String> {
        let id = |line: serde_json::Value| line["event_id"].as_str().expect("an id").to_owned();
        self.lines().into_iter().map(id).collect()
    }

    /// The output as a JSON value a line.
    pub(crate) fn lines(&self) -> Vec<serde_json::Value> {
        let line = |line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        self.out.lines().map(line).collect()
    }
}

/// Where the program is: another build of it than the tests' own, where RESTLESS_PROGRAM says so.
pub(crate) fn binary() -> String {
    std::env::var("RESTLESS_PROGRAM").unwrap_or_else(|_| env!("CARGO_BIN_EXE_restless").to_owned())
}

/// The program, with none of this machine's settings.
pub(crate) fn program(home: &Path) -> Command {
    let mut command = Command::new(binary());
    command.env_clear().env("HOME", home).env("NO_PROXY", "127.0.0.1");
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

pub(crate) const ORDERS: &str =
    r#"{"name":"Orders","url":"http://127.0.0.1:9/","status":"INACTIVE"}"#;
