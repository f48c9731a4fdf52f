//! A driver of any language, as a program.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json, value::RawValue};

use crate::driver::{
    Answer, Call, Driver, Ending, Endpoint, Event, Failure, Follow, Following, How, Skills, Told,
    Transport,
};

/// A driver that is a program, which is run once for each call and each subscription.
///
/// **What to do** comes by the program's command line, behind the program's own arguments, as that
/// of the `subscribe` examples: `--stream ID`, `--since T` or `--cursor C`, `--ws` for WebSocket,
/// `--limit N` for the events after which the program is to close and exit, and, where a rule needs
/// it, `--retry-seconds S`, `--idle-seconds S` and `--max-reconnects N`. The service is in the
/// environment: `RESTLESS_API_KEY`, `RESTLESS_API_BASE_URL`, `RESTLESS_STREAM_BASE_URL`. With
/// [`by_stdin`](Self::by_stdin) all of that comes as one line of JSON on standard input instead.
///
/// **What happens** goes to the program's standard output, one JSON object a line:
///
/// | line | what it says |
/// | --- | --- |
/// | `{"type":"update","event_id":"7","cursor":"7","data":…}` | an event; `cursor` may be missing |
/// | `{"type":"error","event_id":"8","error":{"code":…,"message":…}}` | an event of that kind |
/// | `{"ended":"refused","text":"403: not for you"}` | the end: `complete`, `refused`, `gave-up` or `failed` |
/// | `{"answer":{"id":"stream_1"}}` | a call's answer |
/// | `{"failed":"403: not for you"}` | a call's error |
///
/// Other lines are passed over. Where no line tells the end, the exit status does: 0 for
/// `complete`, 3 for `refused`, 4 for `gave-up`, any other for `failed`; standard error is then
/// what the user is told.
#[derive(Clone, Debug)]
pub struct Program {
    path: String,
    arguments: Vec<String>,
    skills: Skills,
    by_stdin: bool,
}

impl Program {
    /// Takes the program at this path, or of this name in `PATH`. By default the program follows
    /// streams over both transports and runs no call.
    pub fn new(path: impl Into<String>) -> Self {
        let skills = Skills { events: true, websocket: true, ..Skills::NONE };
        Self { path: path.into(), arguments: Vec::new(), skills, by_stdin: false }
    }

    /// Adds an argument that stands before those of the trial.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// States that the program makes a stream of the REST API whose URL is its argument, in place
    /// of `--stream ID`, and follows that stream.
    #[must_use]
    pub fn creates_first(mut self) -> Self {
        self.skills.creates = true;
        self.skills.creates_first = true;
        self
    }

    /// States that the program lacks WebSocket.
    #[must_use]
    pub fn without_websocket(mut self) -> Self {
        self.skills.websocket = false;
        self
    }

    /// States that the program lacks server-sent events. A program over WebSocket alone is told
    /// `--ws` all the same.
    #[must_use]
    pub fn without_events(mut self) -> Self {
        self.skills.events = false;
        self
    }

    /// Tells the program what to do by one line on standard input, which then stays open: the end
    /// of standard input asks for the subscription to be closed. A program can then run calls too.
    ///
    /// ```json
    /// {"service":{"api_key":"rs_…","api_base_url":"http://…","stream_base_url":"http://…"},
    ///  "follow":{"stream":"stream_1","transport":"sse","cursor":null,"since":"0","limit":3,
    ///            "retry_seconds":0,"idle_seconds":null,"max_reconnects":null}}
    /// ```
    ///
    /// `transport` is `sse` or `websocket`. In place of `follow` stands `"get":{"id":"stream_1"}`
    /// or `"create":{"name":"A trial","url":"http://…"}`.
    #[must_use]
    pub fn by_stdin(mut self) -> Self {
        self.by_stdin = true;
        self.skills.creates = true;
        self.skills.gets = true;
        self
    }

    fn run(&self, arguments: &[String], endpoint: &Endpoint, line: Option<&Value>) -> Running {
        let mut command = Command::new(&self.path);
        command
            .args(&self.arguments)
            .args(arguments)
            .env("RESTLESS_API_KEY", &endpoint.api_key)
            .env("RESTLESS_API_BASE_URL", &endpoint.api_base_url)
            .env("RESTLESS_STREAM_BASE_URL", &endpoint.stream_base_url)
            // No proxy leads to this machine.
            .env("NO_PROXY", "127.0.0.1")
            .env("no_proxy", "127.0.0.1")
            .stdin(if line.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        match command.spawn() {
            Ok(mut child) => {
                if let (Some(stdin), Some(line)) = (&mut child.stdin, line) {
                    // A program that does not listen says nothing either, and that is judged.
                    let _ = writeln!(stdin, "{line}");
                }
                let out = child.stdout.take().map(lines);
                let err = child.stderr.take().map(lines);
                Running {
                    key: endpoint.api_key.clone(),
                    child: Some(child),
                    out,
                    err,
                    failed: None,
                }
            }
            Err(error) => {
                let failed = Some(format!("{} can't be run: {error}", self.path));
                Running { key: String::new(), child: None, out: None, err: None, failed }
            }
        }
    }
}

impl Driver for Program {
    fn skills(&self) -> Skills {
        self.skills
    }

    fn call(&self, call: &Call) -> Result<Answer, Failure> {
        let (endpoint, what) = match call {
            Call::Create { endpoint, name, url } => {
                (endpoint, json!({"create": {"name": name, "url": url}}))
            }
            Call::Get { endpoint, id } => (endpoint, json!({"get": {"id": id}})),
        };
        let mut running = if self.by_stdin {
            self.run(&[], endpoint, Some(&with_service(what, endpoint)))
        } else if let Call::Create { url, .. } = call {
            let arguments = ["--since", "0", "--limit", "1"].map(str::to_owned);
            self.run(&[std::slice::from_ref(url), &arguments[..]].concat(), endpoint, None)
        } else {
            return Err(Failure::new("a program is asked for a stream by standard input only"));
        };
        running.answer()
    }

    fn follow(&self, follow: &Follow) -> Box<dyn Following> {
        let Follow { endpoint, cursor, since, retry, idle, max_reconnects, limit, .. } = follow;
        let websocket = follow.transport == Transport::WebSocket;
        let (retry, idle) =
            (retry.map(|span| span.as_secs_f64()), idle.map(|span| span.as_secs_f64()));
        if self.by_stdin {
            let transport = if websocket { "websocket" } else { "sse" };
            let what = json!({"follow": {
                "stream": follow.stream, "transport": transport, "cursor": cursor, "since": since,
                "limit": limit, "retry_seconds": retry, "idle_seconds": idle,
                "max_reconnects": max_reconnects,
            }});
            return Box::new(self.run(&[], endpoint, Some(&with_service(what, endpoint))));
        }
        let mut arguments = if self.skills.creates_first {
            vec!["http://127.0.0.1:9/".to_owned()]
        } else {
            vec!["--stream".to_owned(), follow.stream.clone()]
        };
        let mut option = |name: &str, value: Option<String>| {
            arguments.extend(value.into_iter().flat_map(|value| [name.to_owned(), value]));
        };
        option("--cursor", cursor.clone());
        option("--since", since.clone());
        option("--retry-seconds", retry.map(|seconds| seconds.to_string()));
        option("--idle-seconds", idle.map(|seconds| seconds.to_string()));
        option("--max-reconnects", max_reconnects.map(|most| most.to_string()));
        option("--limit", Some(limit.to_string()));
        if websocket {
            arguments.push("--ws".to_owned());
        }
        Box::new(self.run(&arguments, endpoint, None))
    }
}

fn with_service(mut what: Value, endpoint: &Endpoint) -> Value {
    what["service"] = json!({
        "api_key": endpoint.api_key,
        "api_base_url": endpoint.api_base_url,
        "stream_base_url": endpoint.stream_base_url,
    });
    what
}

/// A program that runs. A program that is left behind is killed.
struct Running {
    key: String,
    child: Option<Child>,
    out: Option<Receiver<String>>,
    err: Option<Receiver<String>>,
    /// Why the program does not run.
    failed: Option<String>,
}

impl Running {
    /// Returns what standard output says next; `None` at its end.
    fn line(&self) -> Option<String> {
        self.out.as_ref()?.recv().ok()
    }

    /// Waits for the program's end, which standard error tells its user of.
    fn end(&mut self) -> (Option<ExitStatus>, String) {
        let told = |lines: Receiver<String>| lines.iter().collect::<Vec<_>>().join("\n");
        let text = self.err.take().map(told).unwrap_or_default();
        let status = self.child.take().and_then(|mut child| child.wait().ok());
        (status, text)
    }

    fn answer(&mut self) -> Result<Answer, Failure> {
        if let Some(why) = self.failed.take() {
            return Err(Failure::new(why));
        }
        let mut answer = Answer::default();
        while let Some(line) = self.line() {
            let Ok(line) = serde_json::from_str::<Value>(&line) else { continue };
            if let Some(told) = line.get("answer") {
                answer.id = told.get("id").and_then(Value::as_str).map(str::to_owned);
            }
            if let Some(why) = line.get("failed") {
                return Err(Failure::new(why.as_str().unwrap_or_default()));
            }
        }
        match self.end() {
            (Some(status), _) if status.success() => Ok(answer),
            (_, text) => Err(Failure::new(text)),
        }
    }

    /// Returns the end as exit status and standard error say it.
    fn exit(&mut self) -> Ending {
        if let Some(why) = self.failed.take() {
            return Ending::new(How::Failed, why);
        }
        let (status, text) = self.end();
        let how = match status.and_then(|status| status.code()) {
            Some(0) => How::Complete,
            Some(3) => How::Refused,
            Some(4) => How::GaveUp,
            _ => How::Failed,
        };
        Ending::new(how, text)
    }
}

impl Following for Running {
    fn next(&mut self) -> Told {
        while let Some(line) = self.line() {
            if !self.key.is_empty() && line.contains(&self.key) {
                return Told::Ended(Ending::new(How::Failed, "it prints the key"));
            }
            if let Some(told) = told(&line) {
                return told;
            }
        }
        Told::Ended(self.exit())
    }

    /// Closes a program: one with a limit ends by itself, another one when its standard input ends.
    fn close(&mut self) {
        let Some(child) = &mut self.child else { return };
        drop(child.stdin.take());
        // Nobody reads on, and a full pipe must not keep the program.
        drop(self.out.take());
        let asked = Instant::now();
        while asked.elapsed() < PATIENCE && !matches!(child.try_wait(), Ok(Some(_)) | Err(_)) {
            thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // Both fail only for a program that is over.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Reads what a line of standard output says.
fn told(line: &str) -> Option<Told> {
    let object: std::collections::HashMap<String, Box<RawValue>> =
        serde_json::from_str(line).ok()?;
    let text = |name: &str| -> Option<String> {
        object.get(name).and_then(|value| serde_json::from_str(value.get()).ok())
    };
    let raw = |name: &str| object.get(name).map(|value| value.get().to_owned());
    if let Some(how) = text("ended") {
        let how = match how.as_str() {
            "complete" => How::Complete,
            "refused" => How::Refused,
            "gave-up" => How::GaveUp,
            _ => How::Failed,
        };
        return Some(Told::Ended(Ending::new(how, text("text").unwrap_or_default())));
    }
    text("type")?;
    Some(Told::Event(Event {
        id: text("event_id"),
        cursor: text("cursor"),
        data: raw("data"),
        error: raw("error"),
    }))
}

/// Reads a pipe line by line, on a thread of its own.
fn lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            // Where the line was too late, nobody waits for it.
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

/// The time for a program to end that has no more to do.
const PATIENCE: Duration = Duration::from_secs(5);
