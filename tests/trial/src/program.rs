//! A driver of any language, as a program.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::iter;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
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
/// what the user is told. A call by standard input that ends without an answer has failed, whatever
/// the status. No line, of either kind of output, may have the key in it.
///
/// A program that outlives the trial's patience is killed.
#[derive(Clone, Debug)]
pub struct Program {
    path: String,
    arguments: Vec<String>,
    skills: Skills,
    by_stdin: bool,
    /// The processes that run, of all clones.
    processes: Arc<Mutex<Vec<Weak<Process>>>>,
}

impl Program {
    /// Takes the program at this path, or of this name in `PATH`. By default the program follows
    /// streams over both transports and runs no call.
    pub fn new(path: impl Into<String>) -> Self {
        let skills = Skills { events: true, websocket: true, call_timeout: false, ..Skills::NONE };
        Self {
            path: path.into(),
            arguments: Vec::new(),
            skills,
            by_stdin: false,
            processes: Arc::default(),
        }
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

    /// States that the program decodes no content codings.
    #[must_use]
    pub fn without_codings(mut self) -> Self {
        self.skills.codings = false;
        self
    }

    /// States that the program offers no compression on a WebSocket.
    #[must_use]
    pub fn without_deflate(mut self) -> Self {
        self.skills.websocket_deflate = false;
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
    /// `transport` is `sse` or `websocket`. In place of `follow` stands
    /// `"get":{"id":"stream_1","timeout_seconds":null}` or
    /// `"create":{"name":"A trial","url":"http://…","timeout_seconds":null}`.
    #[must_use]
    pub fn by_stdin(mut self) -> Self {
        self.by_stdin = true;
        self.skills.creates = true;
        self.skills.gets = true;
        self.skills.call_timeout = true;
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
        // Whoever gives up finds a process that is started, or one that is not.
        let mut processes = lock(&self.processes);
        let spawned = command.spawn();
        let key = endpoint.api_key.clone();
        match spawned {
            Ok(mut child) => {
                let (stdin, out, err) =
                    (child.stdin.take(), child.stdout.take(), child.stderr.take());
                let service = endpoint.api_base_url.clone();
                let process = Arc::new(Process { service, child: Mutex::new(child) });
                processes.retain(|process| process.strong_count() > 0);
                processes.push(Arc::downgrade(&process));
                drop(processes);
                let mut running = Running {
                    key,
                    process: Some(process),
                    stdin,
                    out: out.map(lines),
                    err: err.map(lines),
                    told: Vec::new(),
                    failed: None,
                };
                if let (Some(stdin), Some(line)) = (&mut running.stdin, line) {
                    // A program that does not listen says nothing either, and that is judged.
                    let _ = writeln!(stdin, "{line}");
                }
                running
            }
            Err(error) => Running {
                key,
                process: None,
                stdin: None,
                out: None,
                err: None,
                told: Vec::new(),
                failed: Some(format!("{} can't be run: {error}", self.path)),
            },
        }
    }
}

impl Driver for Program {
    fn skills(&self) -> Skills {
        self.skills
    }

    fn call(&self, call: &Call) -> Result<Answer, Failure> {
        let (endpoint, what) = match call {
            Call::Create { endpoint, name, url, timeout } => {
                let timeout = timeout.map(|span| span.as_secs_f64());
                let what = json!({"name": name, "url": url, "timeout_seconds": timeout});
                (endpoint, json!({ "create": what }))
            }
            Call::Get { endpoint, id, timeout } => {
                let timeout = timeout.map(|span| span.as_secs_f64());
                (endpoint, json!({"get": {"id": id, "timeout_seconds": timeout}}))
            }
        };
        let mut running = if self.by_stdin {
            self.run(&[], endpoint, Some(&with_service(what, endpoint)))
        } else if let Call::Create { url, .. } = call {
            let arguments = ["--since", "0", "--limit", "1"].map(str::to_owned);
            self.run(&[std::slice::from_ref(url), &arguments[..]].concat(), endpoint, None)
        } else {
            return Err(Failure::new("a program is asked for a stream by standard input only"));
        };
        running.answer(self.by_stdin)
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

    fn give_up(&self, service: &Endpoint) {
        let processes: Vec<_> = lock(&self.processes).iter().filter_map(Weak::upgrade).collect();
        for process in processes.iter().filter(|one| one.service == service.api_base_url) {
            process.kill();
        }
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

/// A process of a rule.
#[derive(Debug)]
struct Process {
    /// The base of calls' URLs, which no two rules share.
    service: String,
    child: Mutex<Child>,
}

impl Process {
    /// Waits for the end, for at most so long; `None` where the process goes on.
    fn wait(&self, patience: Duration) -> Option<ExitStatus> {
        let asked = Instant::now();
        loop {
            // The lock is free in between, for who gives up.
            match lock(&self.child).try_wait() {
                Ok(None) if asked.elapsed() < patience => {}
                ended => return ended.ok().flatten(),
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn kill(&self) {
        // Fails only for a process that is over.
        let _ = lock(&self.child).kill();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        // Fails only for a process that is waited for already.
        let _ = lock(&self.child).wait();
    }
}

/// A program that runs. A program that is left behind is killed.
struct Running {
    key: String,
    process: Option<Arc<Process>>,
    stdin: Option<ChildStdin>,
    out: Option<Receiver<String>>,
    err: Option<Receiver<String>>,
    /// The lines of standard error so far.
    told: Vec<String>,
    /// Why the program does not run.
    failed: Option<String>,
}

impl Running {
    /// Returns what standard output says next; `None` at its end.
    fn line(&self) -> Option<String> {
        self.out.as_ref()?.recv().ok()
    }

    /// Returns the line with the key in it, if this line of standard output is one, or one that
    /// standard error has said by now.
    fn leak(&mut self, line: &str) -> Option<String> {
        self.told.extend(self.err.iter().flat_map(Receiver::try_iter));
        let lines = self.told.iter().map(String::as_str).chain([line]);
        lines.into_iter().find(|line| line.contains(&self.key)).map(str::to_owned)
    }

    /// Waits for the program's end, which standard error tells its user of.
    fn end(&mut self) -> (Option<ExitStatus>, String) {
        self.told.extend(self.err.take().into_iter().flatten());
        drop(self.stdin.take());
        let process = self.process.take();
        let status = process.and_then(|process| process.wait(Duration::MAX));
        (status, self.told.join("\n"))
    }

    /// Waits for a call's answer, which may be none but an exit where none is `due`.
    fn answer(&mut self, due: bool) -> Result<Answer, Failure> {
        if let Some(why) = self.failed.take() {
            return Err(Failure::new(why));
        }
        let mut answer = None;
        while let Some(line) = self.line() {
            if let Some(line) = self.leak(&line) {
                return Err(Failure::new(line));
            }
            let Ok(line) = serde_json::from_str::<Value>(&line) else { continue };
            if let Some(told) = line.get("answer") {
                let id = told.get("id").and_then(Value::as_str).map(str::to_owned);
                answer = Some(Answer { id });
            }
            if let Some(why) = line.get("failed") {
                return Err(Failure::new(why.as_str().unwrap_or_default()));
            }
        }
        let (status, text) = self.end();
        // A key in the text is seen by who is told the text.
        if !status.is_some_and(|status| status.success()) || text.contains(&self.key) {
            return Err(Failure::new(text));
        }
        match answer {
            Some(answer) => Ok(answer),
            None if due => Err(Failure::new("it ended without an answer")),
            None => Ok(Answer::default()),
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
            if let Some(line) = self.leak(&line) {
                return Told::Ended(Ending::new(How::Failed, line));
            }
            if let Some(told) = told(&line) {
                return told;
            }
        }
        Told::Ended(self.exit())
    }

    /// Closes a program: one with a limit ends by itself, another one when its standard input ends.
    fn close(&mut self) {
        drop(self.stdin.take());
        // Nobody reads on, and a full pipe must not keep the program.
        drop(self.out.take());
        let asked = Instant::now();
        if let Some(process) = &self.process {
            process.wait(PATIENCE);
        }
        // Its end is that of the pipe, unless what it has started still holds that.
        let left = || PATIENCE.saturating_sub(asked.elapsed());
        let err = self.err.take();
        self.told
            .extend(err.iter().flat_map(|err| iter::from_fn(|| err.recv_timeout(left()).ok())));
    }

    fn last_words(&mut self) -> Option<String> {
        Some(self.told.join("\n"))
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
    // Any other kind is none of the service's.
    text("type").filter(|kind| matches!(kind.as_str(), "update" | "error"))?;
    Some(Told::Event(Event {
        id: text("event_id"),
        cursor: text("cursor"),
        data: raw("data"),
        error: raw("error"),
    }))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> Program {
        Program::new("sh").arg("-c").arg(script).by_stdin()
    }

    fn endpoint() -> Endpoint {
        Endpoint {
            api_key: "rs_key".to_owned(),
            api_base_url: "http://127.0.0.1:9".to_owned(),
            stream_base_url: "http://127.0.0.1:9".to_owned(),
        }
    }

    fn follow() -> Follow {
        Follow {
            endpoint: endpoint(),
            stream: "stream_1".to_owned(),
            transport: Transport::Events,
            cursor: None,
            since: None,
            retry: None,
            idle: None,
            max_reconnects: None,
            limit: 1,
        }
    }

    fn call(script: &str) -> Result<Answer, String> {
        let id = "stream_1".to_owned();
        let call = Call::Get { endpoint: endpoint(), id, timeout: None };
        shell(script).call(&call).map_err(|failure| failure.text)
    }

    #[test]
    fn a_call_ends_with_an_answer_or_has_failed() {
        let answer = r#"echo '{"answer":{"id":"stream_1"}}'"#;
        assert_eq!(call(answer), Ok(Answer::new("stream_1")));
        assert_eq!(call("exit 0"), Err("it ended without an answer".to_owned()));
        assert_eq!(call(r#"echo '{"failed":"403"}'"#), Err("403".to_owned()));
        assert_eq!(call("echo why >&2; exit 1"), Err("why".to_owned()));
        // It followed what it made.
        let creates = Program::new("sh").arg("-c").arg("exit 0").creates_first();
        let (name, url) = ("A trial".to_owned(), "http://127.0.0.1:9/".to_owned());
        let timeout = None;
        let made = creates.call(&Call::Create { endpoint: endpoint(), name, url, timeout });
        assert_eq!(made, Ok(Answer::default()));
    }

    #[test]
    fn a_line_with_the_key_is_what_the_user_is_told() {
        let answer = r#"echo '{"answer":{"id":"stream_1"}}'"#;
        for script in [
            format!("echo $RESTLESS_API_KEY; {answer}"),
            format!("{answer}; echo $RESTLESS_API_KEY >&2"),
        ] {
            assert_eq!(call(&script), Err("rs_key".to_owned()), "{script}");
        }
        for script in ["echo $RESTLESS_API_KEY", "echo $RESTLESS_API_KEY >&2"] {
            let Told::Ended(ending) = shell(script).follow(&follow()).next() else {
                panic!("no end of {script}");
            };
            assert_eq!(ending.text, "rs_key", "{script}");
        }
    }

    #[test]
    fn what_a_program_says_when_it_is_closed_is_heard() {
        let event = r#"echo '{"type":"update"}'"#;
        let script = format!("read line; {event}; read line; echo bye $RESTLESS_API_KEY >&2");
        let mut running = shell(&script).follow(&follow());
        assert_eq!(running.next(), Told::Event(Event::default()));
        running.close();
        assert_eq!(running.last_words().as_deref(), Some("bye rs_key"));
    }

    #[test]
    fn only_an_update_and_an_error_are_events() {
        let line = |kind: &str| told(&format!(r#"{{"type":"{kind}","event_id":"7"}}"#));
        let event = Event { id: Some("7".to_owned()), ..Event::default() };
        for kind in ["update", "error"] {
            assert_eq!(line(kind), Some(Told::Event(event.clone())), "{kind}");
        }
        assert_eq!(line("log"), None);
    }

    #[test]
    fn who_gives_up_kills_what_runs_for_the_service() {
        let program = shell(r#"echo '{"type":"update"}'; exec sleep 600"#);
        let mut running = program.follow(&follow());
        assert_eq!(running.next(), Told::Event(Event::default()));
        let elsewhere = Endpoint { api_base_url: "http://127.0.0.1:10".to_owned(), ..endpoint() };
        program.give_up(&elsewhere);
        let process = lock(&program.processes).first().and_then(Weak::upgrade).expect("it runs");
        assert_eq!(process.wait(Duration::ZERO), None);
        program.give_up(&endpoint());
        assert_eq!(running.next(), Told::Ended(Ending::new(How::Failed, "")));
    }
}
