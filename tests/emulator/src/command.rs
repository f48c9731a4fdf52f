//! The emulator as a command: serves until it is interrupted.
//!
//! [`run`] takes what stands behind the program's name, so that the emulator can be a program of
//! its own, and a subcommand of another:
//!
//! ```
//! use restless_emulator::command;
//!
//! // Prints the usage on standard output, as `restless emulator --help` does.
//! command::run("restless emulator", ["--help"])?;
//!
//! let error = command::run("restless emulator", ["--nonsense"]).unwrap_err();
//! assert_eq!(error.exit_code(), 2);
//! assert!(error.to_string().contains(&command::usage("restless emulator")));
//! # Ok::<(), command::Error>(())
//! ```

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use lexopt::prelude::*;

use crate::filter::differences;
use crate::{
    AddStreamError, Builder, DEFAULT_API_KEY, DEFAULT_HMAC_SECRET, Emulator, Fault, Recording,
    RecordingError, StartError, Upstream,
};

/// Does what `args` ask for: serves until SIGINT or SIGTERM, or prints the usage or the version.
/// The name of the program is no argument; `program` is its name in what is printed.
///
/// What a shell can paste goes to standard output, a line for each request to standard error. The
/// function blocks, on a runtime of its own: within an async program the function wants a thread of
/// its own.
///
/// # Errors
///
/// [`Error`] says which, and [`Error::exit_code`] what a process ends with.
///
/// # Panics
///
/// Within an async runtime, as nothing may block there.
pub fn run<I>(program: &str, args: I) -> Result<(), Error>
where
    I: IntoIterator<Item: Into<OsString>>,
{
    let asked = parse(lexopt::Parser::from_args(args))
        .map_err(|why| Error::Arguments { why: why.to_string(), usage: usage(program) })?;
    match asked {
        Asked::Serve(args) => serve(args),
        Asked::Usage => say(&usage(program)),
        Asked::Version => say(&format!("{program} {}\n", env!("CARGO_PKG_VERSION"))),
    }
}

/// Returns what `--help` prints, for a program of that name.
#[must_use]
pub fn usage(program: &str) -> String {
    let differences = differences::plain();
    format!("Usage: {program} [OPTIONS]\n\n{OPTIONS}\n{ENGINES}\n{differences}")
}

/// Why the command failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An argument is unknown, or has a value that can't be one.
    #[error("{why}\n\n{usage}")]
    Arguments {
        /// What is wrong with which argument.
        why: String,
        /// The text of [`usage`].
        usage: String,
    },
    /// The stream of `--demo` or `--replay` could not be added.
    #[error("the stream cannot be added")]
    Demo(#[from] AddStreamError),
    /// Standard output is broken; a reader that is gone is no error.
    #[error("standard output: {0}")]
    Output(io::Error),
    /// The file of `--replay` can't be read as a recording.
    #[error("cannot replay {}", file.display())]
    Replay {
        /// The file's path.
        file: PathBuf,
        /// What is wrong with the file.
        source: RecordingError,
    },
    /// The system lacks a runtime, or signals.
    #[error("cannot wait for a signal")]
    Signals(#[source] io::Error),
    /// The emulator, or the upstream of `--demo`, did not start.
    #[error(transparent)]
    Start(#[from] StartError),
}

impl Error {
    /// Returns 2 for arguments, else 1.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Arguments { .. } => 2,
            Self::Demo(_)
            | Self::Output(_)
            | Self::Replay { .. }
            | Self::Signals(_)
            | Self::Start(_) => 1,
        }
    }
}

const OPTIONS: &str = "\
Serves a Restless Stream service on 127.0.0.1 until it is interrupted. Its streams poll http://
upstreams; of an https:// one comes an error event that says so.

Options:
  --port PORT              port to listen on; 0 lets the system choose [default: 8787]
  --api-key KEY            the API key to accept [default: rs_0123456789abcdef]
  --hmac-secret SECRET     the secret to sign with [default: emulator-secret]
  --heartbeat-seconds S    silence before a heartbeat comment [default: 15]
  --jq PROGRAM             the jq to run filters in, a path or a name [default: $RESTLESS_JQ, else
                           none: filters run in jaq]
  --replay FILE            serve a recording to everybody who opens an event stream, over SSE or
                           WebSocket, from its beginning or where a cursor says, then silence: a
                           JSON object a line, of pause_ms and content
  --speed X                how many times as fast as it was recorded [default: 1]
  --demo                   also start an upstream with orders that change, and a stream of it
  --help                   print this
  --version                print the version
";

const ENGINES: &str = "\
Filters: with a jq, each run of a filter is a process of its own, with no environment, at most 5
seconds and 512 MiB. Without one, filters run in jaq 3.1, which differs from jq in the following; a
filter that uses one of these is warned of it, in a field x-emulator-warning of the reply and on
standard error.
";

#[derive(Debug)]
struct Args {
    port: u16,
    api_key: String,
    hmac_secret: String,
    heartbeat: Duration,
    jq: Option<PathBuf>,
    replay: Option<PathBuf>,
    speed: f64,
    demo: bool,
}

/// What the arguments ask for.
#[derive(Debug)]
enum Asked {
    Serve(Args),
    Usage,
    Version,
}

/// The stream of `--demo`: the same in every run, so that a client goes on after a restart.
const DEMO_ID: &str = "stream_demo";

/// The stream of `--replay`: a name for what every id gets.
const REPLAY_ID: &str = "stream_replay";
const REPLAY: &str = r#"{"name":"Replay","url":"http://127.0.0.1:9/","status":"INACTIVE"}"#;

/// Prints on standard output. A reader that is gone is no error; a disk that is full is one.
fn say(text: &str) -> Result<(), Error> {
    let mut stdout = io::stdout();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Error::Output(error)),
        Err(_) | Ok(()) => Ok(()),
    }
}

fn parse(mut parser: lexopt::Parser) -> Result<Asked, lexopt::Error> {
    let mut args = Args {
        port: 8787,
        api_key: DEFAULT_API_KEY.to_owned(),
        hmac_secret: DEFAULT_HMAC_SECRET.to_owned(),
        heartbeat: Duration::from_secs(15),
        // A variable that is empty counts as missing.
        jq: std::env::var_os("RESTLESS_JQ").filter(|jq| !jq.is_empty()).map(PathBuf::from),
        replay: None,
        speed: 1.0,
        demo: false,
    };
    while let Some(arg) = parser.next()? {
        match arg {
            Long("port") => args.port = parser.value()?.parse()?,
            Long("api-key") => {
                args.api_key = parser.value()?.parse_with(|key| {
                    // The key has to fit in a header field.
                    if !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic()) {
                        Ok(key.to_owned())
                    } else {
                        Err("a key is visible ASCII without spaces")
                    }
                })?;
            }
            Long("hmac-secret") => args.hmac_secret = parser.value()?.string()?,
            Long("heartbeat-seconds") => {
                args.heartbeat = parser.value()?.parse_with(|seconds| {
                    let seconds = seconds.parse::<f64>().map_err(|error| error.to_string())?;
                    Duration::try_from_secs_f64(seconds)
                        .ok()
                        .filter(|heartbeat| !heartbeat.is_zero())
                        .ok_or_else(|| "a heartbeat is more than 0 seconds".to_owned())
                })?;
            }
            Long("jq") => args.jq = Some(parser.value()?.into()),
            Long("replay") => args.replay = Some(parser.value()?.into()),
            Long("speed") => {
                args.speed = parser.value()?.parse_with(|speed| {
                    let speed = speed.parse::<f64>().map_err(|error| error.to_string())?;
                    (speed > 0.0)
                        .then_some(speed)
                        .ok_or_else(|| "a speed is more than 0".to_owned())
                })?;
            }
            Long("demo") => args.demo = true,
            Short('h') | Long("help") => return Ok(Asked::Usage),
            Short('V') | Long("version") => return Ok(Asked::Version),
            arg => return Err(arg.unexpected()),
        }
    }
    Ok(Asked::Serve(args))
}

fn serve(args: Args) -> Result<(), Error> {
    // A recording may come out of a pipe, whose writer takes its time. Until all of it is here, a
    // signal ends the process as it ends any other.
    let replay = args.replay.map(recorded).transpose()?;
    // The runtime comes before anything is said: a reader of the first line may send a signal right
    // away.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(Error::Signals)?;
    let interrupted = runtime.block_on(async { interrupted() }).map_err(Error::Signals)?;

    let mut builder = Builder::default();
    if let Some(jq) = args.jq {
        builder = builder.jq(jq);
    }
    let emulator = builder
        .port(args.port)
        .api_key(args.api_key)
        .hmac_secret(args.hmac_secret)
        .heartbeat(args.heartbeat)
        .log_requests(true)
        .start()?;
    let is_replay = replay.is_some();
    if let Some(recording) = replay {
        let recording = recording.at_speed(args.speed);
        emulator.add_stream_as(REPLAY_ID, REPLAY)?;
        emulator.inject(Fault::replay(recording).then_stall().times(usize::MAX));
    }
    // What is printed can be pasted into a shell.
    let mut lines = format!(
        "export RESTLESS_API_BASE_URL={}\nexport RESTLESS_STREAM_BASE_URL={}\n\
         export RESTLESS_API_KEY={}\nexport RESTLESS_HMAC_SECRET={}\n",
        emulator.api_base_url(),
        emulator.stream_base_url(),
        quoted(emulator.api_key()),
        quoted(emulator.hmac_secret()),
    );
    if is_replay {
        lines.push_str(&format!("# the id of a stream: {REPLAY_ID}\n"));
    }
    let demo = args.demo.then(|| Demo::start(&emulator)).transpose()?;
    if let Some(demo) = &demo {
        lines.push_str(&format!("# the id of a stream: {DEMO_ID}\n"));
        lines.push_str(&format!("# its upstream: {}\n", demo.orders.url()));
        lines.push_str("# orders that change every two seconds:\n");
        lines.push_str(&demo.command);
        lines.push('\n');
    }
    lines.push_str(&format!("# filters run in {}\n", emulator.filters_run_in()));
    say(&lines)?;

    runtime.block_on(async {
        tokio::select! {
            () = interrupted => {}
            () = async {
                match &demo {
                    Some(demo) => demo.run().await,
                    None => std::future::pending().await,
                }
            } => {}
        }
    });
    Ok(())
}

fn recorded(file: PathBuf) -> Result<Recording, Error> {
    let read = File::open(&file).map_err(RecordingError::from);
    read.and_then(|open| Recording::read(BufReader::new(open)))
        .map_err(|source| Error::Replay { file, source })
}

/// Completes on SIGINT or SIGTERM; the signals are caught from the moment when the function
/// returns.
#[cfg(unix)]
fn interrupted() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Completes on Ctrl-C.
#[cfg(not(unix))]
fn interrupted() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        // Without the handler the system's own ends the process.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}

/// An upstream with orders that change, and a signed stream of it.
struct Demo {
    orders: Upstream,
    command: String,
}

impl Demo {
    fn start(emulator: &Emulator) -> Result<Self, Error> {
        let orders = Upstream::start(Self::orders(0))?;
        let stream = format!(
            r#"{{"name":"Orders","url":"{}","pollingInterval":1,"hmacSignatureEnabled":true}}"#,
            orders.url(),
        );
        emulator.add_stream_as(DEMO_ID, &stream)?;
        let command = format!(
            "curl -N -H \"Authorization: Bearer $RESTLESS_API_KEY\" '{}&since=0'",
            emulator.sse_url(DEMO_ID),
        );
        Ok(Self { orders, command })
    }

    async fn run(&self) {
        for round in 1_u32.. {
            tokio::time::sleep(Duration::from_secs(2)).await;
            self.orders.set(Self::orders(round));
        }
    }

    /// Three orders; each round one of them moves on.
    fn orders(round: u32) -> String {
        let orders: Vec<_> = (0..3_u32)
            .map(|n| {
                let steps = (round + 2 - n) / 3;
                let status = ["placed", "paid", "packed", "sent"][(steps % 4) as usize];
                let total = 19.5 + f64::from(n) * 10.25;
                format!(r#"{{"id":{},"status":"{status}","total":{total}}}"#, 1001 + n)
            })
            .collect();
        format!(r#"{{"orders":[{}]}}"#, orders.join(","))
    }
}

/// `text` as one word of a shell.
fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/@%+=,".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::jaq;

    #[test]
    fn quoted_text_is_one_word() {
        assert_eq!(quoted("rs_01"), "rs_01");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn usage_names_the_defaults_and_what_runs_filters() {
        let usage = usage("restless");
        assert!(usage.contains(DEFAULT_API_KEY) && usage.contains(DEFAULT_HMAC_SECRET));
        assert!(usage.contains(jaq::NAME) && usage.contains("null is an empty text"), "{usage}");
        assert!(usage.lines().all(|line| line.len() <= 100), "{usage}");
    }

    #[test]
    fn each_round_changes_the_orders() {
        assert_ne!(Demo::orders(0), Demo::orders(1));
        assert_ne!(Demo::orders(1), Demo::orders(2));
    }
}
