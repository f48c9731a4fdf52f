//! An example as a process: how it is found, run, and read.

#![allow(dead_code, reason = "each test that has this module uses a part of it")]

use std::io::{BufRead as _, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// No run takes nearly as long; one that does hangs.
const LIMIT: Duration = Duration::from_secs(20);

/// The example, which `cargo test` builds beside this test.
pub(crate) fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("this test's own path");
    let profile = test.ancestors().nth(2).expect("target/PROFILE/deps/this");
    let path = profile.join("examples").join(name).with_extension(std::env::consts::EXE_EXTENSION);
    assert!(path.exists(), "{} is missing: run `cargo test -p restless-examples`", path.display());
    path
}

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) status: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    pub(crate) fn lines(&self) -> Vec<&str> {
        self.out.lines().collect()
    }

    /// The ids of the events that were printed, in order.
    pub(crate) fn ids(&self) -> Vec<&str> {
        self.lines().into_iter().map(|line| value(line, "event_id").expect("an id")).collect()
    }
}

/// A run that goes on; killed where it is left behind.
pub(crate) struct Running {
    what: String,
    child: Child,
    out: Receiver<String>,
    err: Receiver<String>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only if it is over.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    pub(crate) fn start(name: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::start_into(name, arguments, environment, Stdio::piped())
    }

    /// With its stdout somewhere else: nothing of it is read.
    pub(crate) fn start_into(
        name: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
        stdout: Stdio,
    ) -> Self {
        let mut command = Command::new(example(name));
        for name in ["RESTLESS_API_KEY", "RESTLESS_API_BASE_URL", "RESTLESS_STREAM_BASE_URL"] {
            command.env_remove(name);
        }
        // Some stacks look for a proxy there, and none leads to the emulator.
        command.env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
        let mut child = command
            .args(arguments)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let out = child.stdout.take().map_or_else(|| channel().1, lines);
        let err = lines(child.stderr.take().expect("a pipe"));
        Self { what: format!("{name} {arguments:?}"), child, out, err }
    }

    /// The next line of stdout, with its end.
    pub(crate) fn line(&self) -> String {
        self.out.recv_timeout(LIMIT).unwrap_or_else(|_| panic!("no line of {}", self.what))
    }

    /// The next line of stderr, with its end.
    pub(crate) fn note(&self) -> String {
        self.err.recv_timeout(LIMIT).unwrap_or_else(|_| panic!("no word of {}", self.what))
    }

    /// Asks it to end, as a service manager does.
    #[cfg(unix)]
    pub(crate) fn terminate(&self) {
        let mut kill = Command::new("kill");
        let killed = kill.args(["-TERM", &self.child.id().to_string()]).status();
        assert!(killed.expect("kill").success(), "{} is gone", self.what);
    }

    /// Waits for its end; what was read of it by then is not in it.
    pub(crate) fn end(mut self) -> Run {
        let (out, err) = (self.rest(&self.out), self.rest(&self.err));
        Run { status: self.child.wait().expect("it is over").code(), out, err }
    }

    fn rest(&self, pipe: &Receiver<String>) -> String {
        let mut text = String::new();
        loop {
            match pipe.recv_timeout(LIMIT) {
                Ok(line) => text.push_str(&line),
                Err(RecvTimeoutError::Disconnected) => return text,
                Err(RecvTimeoutError::Timeout) => panic!("{} hangs: {text}", self.what),
            }
        }
    }
}

pub(crate) fn run(name: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Run {
    Running::start(name, arguments, environment).end()
}

/// A pipe that nobody reads any more: to a process that is over.
pub(crate) fn nobody() -> Stdio {
    let mut command = Command::new(example("subscribe-blocking"));
    let command = command.arg("--help").stdin(Stdio::piped()).stdout(Stdio::null());
    let mut over = command.spawn().expect("it starts");
    let pipe = over.stdin.take().expect("a pipe");
    over.wait().expect("it ends");
    pipe.into()
}

/// Reads a pipe line by line, on a thread of its own.
fn lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        loop {
            let mut line = String::new();
            let read = pipe.read_line(&mut line).expect("UTF-8");
            // Nobody waits any more where it was too late.
            if read == 0 || sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

fn value<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(&format!("\"{name}\":\""))?;
    Some(rest.split_once('"')?.0)
}
