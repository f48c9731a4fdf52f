//! An example as a process: how it is found, run, and read.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

/// No run takes nearly as long; one that does hangs.
const LIMIT: Duration = Duration::from_secs(20);

/// The example, which `cargo test` builds beside this test.
fn example(name: &str) -> PathBuf {
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

/// Kills a run that is left behind.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only if it is over.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn run(name: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Run {
    let mut command = Command::new(example(name));
    for name in ["RESTLESS_API_KEY", "RESTLESS_API_BASE_URL", "RESTLESS_STREAM_BASE_URL"] {
        command.env_remove(name);
    }
    // Some stacks look for a proxy there, and none leads to the emulator.
    command.env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
    let child = command
        .args(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut running = Running(child);
    let out = whole(running.0.stdout.take().expect("a pipe"));
    let err = whole(running.0.stderr.take().expect("a pipe"));
    let text = |receiver: std::sync::mpsc::Receiver<String>| {
        receiver.recv_timeout(LIMIT).unwrap_or_else(|_| panic!("{name} {arguments:?} hangs"))
    };
    let (out, err) = (text(out), text(err));
    Run { status: running.0.wait().expect("it is over").code(), out, err }
}

/// Reads a pipe to its end, on a thread of its own.
fn whole(mut pipe: impl Read + Send + 'static) -> std::sync::mpsc::Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        pipe.read_to_string(&mut text).expect("UTF-8");
        // Nobody waits any more where it was too late.
        let _ = sender.send(text);
    });
    receiver
}

fn value<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(&format!("\"{name}\":\""))?;
    Some(rest.split_once('"')?.0)
}
