//! The `bring-your-own` examples as commands: each is a whole driver, so each has to get through
//! what the adapters get through.

mod common;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use ::async_tungstenite::tungstenite::{self, Message};
use common::Run;
use restless_emulator::{Emulator, Fault, Upstream};

/// Events that are published; a stream that was made over REST has its upstream's answer, too.
const PUBLISHED: usize = 4;

/// What an example talks to.
struct Stage {
    name: &'static str,
    emulator: Emulator,
    upstream: Upstream,
    /// The stream, if it stands before the example runs.
    id: Option<String>,
    /// What it is told beside what to follow.
    options: &'static [&'static str],
}

impl Stage {
    /// For an example that makes a stream over REST and follows it over server-sent events.
    fn rest(name: &'static str) -> Self {
        let emulator = Emulator::start().expect("an emulator");
        let upstream = Upstream::start("[0]").expect("an upstream");
        Self { name, emulator, upstream, id: None, options: &[] }
    }

    /// For one that follows it over WebSocket.
    fn rest_and_websocket(name: &'static str) -> Self {
        Self { options: &["--ws"], ..Self::rest(name) }
    }

    /// For an example that follows a stream over server-sent events.
    fn events(name: &'static str) -> Self {
        let stage = Self::rest(name);
        let body = r#"{"name":"Orders","url":"http://127.0.0.1:9/","status":"INACTIVE"}"#;
        let id = stage.emulator.add_stream(body).expect("a stream");
        Self { id: Some(id), ..stage }
    }

    /// For an example that follows a stream over WebSocket, which is all that it can.
    fn websocket(name: &'static str) -> Self {
        Self::events(name)
    }

    /// Runs it while events are published, until it has printed them all.
    fn follow(&self, arguments: &[&str]) -> Run {
        self.follow_times(1, arguments)
    }

    /// The same, for one that prints each of them so many times.
    fn follow_times(&self, times: usize, arguments: &[&str]) -> Run {
        let events = if self.id.is_some() { PUBLISHED } else { PUBLISHED + 1 };
        let limit = (events * times).to_string();
        thread::scope(|scope| {
            scope.spawn(|| {
                self.emulator
                    .until(|emulator| !emulator.ids().is_empty())
                    .wait()
                    .expect("a stream");
                for n in 0..PUBLISHED {
                    self.emulator.publish(&self.stream(), &n.to_string()).expect("an event");
                }
            });
            self.run(
                &[&["--since", "0", "--retry-seconds", "0", "--limit", &limit], arguments].concat(),
            )
        })
    }

    fn run(&self, arguments: &[&str]) -> Run {
        self.run_as(self.emulator.api_key(), arguments)
    }

    fn run_as(&self, key: &str, arguments: &[&str]) -> Run {
        self.run_at(&self.emulator.api_base_url(), key, arguments)
    }

    fn run_at(&self, base: &str, key: &str, arguments: &[&str]) -> Run {
        let upstream = self.upstream.url();
        let source = match &self.id {
            Some(id) => vec!["--stream", id],
            None => vec![&*upstream],
        };
        let environment = [
            ("RESTLESS_API_KEY", key),
            ("RESTLESS_API_BASE_URL", base),
            ("RESTLESS_STREAM_BASE_URL", base),
        ];
        let arguments = [&source, self.options, arguments].concat();
        let run = common::run(self.name, &arguments, &environment);
        assert!(!run.out.contains(key) && !run.err.contains(key), "the key was printed: {run:?}");
        run
    }

    fn stream(&self) -> String {
        self.emulator.ids().pop().expect("a stream")
    }

    /// What the server has sent, in order.
    fn log(&self) -> Vec<String> {
        self.emulator.log(&self.stream()).into_iter().map(|event| event.id).collect()
    }
}

/// Cut between two events, and within one: each event comes, and comes once.
fn cuts_lose_nothing(stage: &Stage) {
    stage.emulator.inject(Fault::cut_after_events(1));
    stage.emulator.inject(Fault::cut_after(400));
    let run = stage.follow(&[]);
    assert_eq!((run.ids(), run.status), (stage.log().iter().map(|id| &**id).collect(), Some(0)));
    assert_eq!(stage.emulator.pending_faults(), 0);
    assert_eq!(run.err.matches("lost: the connection broke").count(), 2, "{}", run.err);
    assert!(run.err.contains(&format!("resuming after {}", stage.log()[0])), "{}", run.err);
}

/// The deadline passes while a read is on its way.
fn silence_is_a_loss(stage: &Stage) {
    stage.emulator.inject(Fault::stall_after_events(1));
    let run = stage.follow(&["--idle-seconds", "0.3"]);
    assert_eq!((run.ids(), run.status), (stage.log().iter().map(|id| &**id).collect(), Some(0)));
    assert!(run.err.contains("lost: nothing was heard within 300ms"), "{}", run.err);
}

/// The stack below follows no redirect: these are too many for a stack that does, or stay unseen.
fn redirects_are_the_machine_s(stage: &Stage) {
    stage.emulator.inject(Fault::redirect(307, "/?streamId=elsewhere").times(11));
    let run = stage.run(&[]);
    assert_eq!((&*run.out, run.status), ("", Some(3)), "{}", run.err);
    assert!(run.err.contains("more than 10 redirects in a row"), "{}", run.err);
}

/// A refusal ends it, and is told with the status and what the server says.
fn a_refusal_is_told_with_its_reason(stage: &Stage) {
    stage.emulator.inject(Fault::status(403).body(r#"{"message":"not for you"}"#));
    let run = stage.run(&[]);
    assert_eq!((&*run.out, run.status), ("", Some(3)), "{}", run.err);
    assert!(run.err.contains("403") && run.err.contains("not for you"), "{}", run.err);
}

/// A wrong key ends it, with 401.
fn a_wrong_key_is_refused(stage: &Stage) {
    let run = stage.run_as("rs_wrong", &[]);
    assert_eq!((&*run.out, run.status), ("", Some(3)), "{}", run.err);
    assert!(run.err.contains("401"), "{}", run.err);
}

/// A server that is not there is given up after as many reconnects as are allowed.
fn nobody_there_is_given_up(stage: &Stage) {
    stage.emulator.stop_listening().expect("the emulator stands");
    let run = stage.run(&["--max-reconnects", "1", "--retry-seconds", "0"]);
    assert_eq!((&*run.out, run.status), ("", Some(4)), "{}", run.err);
    assert!(run.err.contains("no connection to the host"), "{}", run.err);
}

/// Over WebSocket, the last of a flood of pings is answered while no event comes (RFC 6455 §5.5.3),
/// and the event after it comes through.
fn a_flood_of_pings_is_answered(stage: &Stage) {
    const EVENT: &str =
        r#"{"type":"update","event_id":"7","meta":{"timestamp":"2026-06-07T00:49:36Z"},"data":1}"#;
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let makes_a_stream = stage.id.is_none();
    let answered = thread::spawn(move || {
        if makes_a_stream {
            answer_the_call(&listener);
        }
        let (stream, _) = listener.accept().expect("a client");
        let mut socket = tungstenite::accept(stream).expect("a handshake");
        for n in 0..1000 {
            socket.send(Message::Ping(n.to_string().into())).expect("it reads");
        }
        while socket.read().expect("it answers") != Message::Pong("999".into()) {}
        socket.send(Message::text(EVENT)).expect("it reads");
    });
    let run = stage.run_at(&base, stage.emulator.api_key(), &["--limit", "1"]);
    assert_eq!((run.ids(), run.status), (vec!["7"], Some(0)), "{}", run.err);
    answered.join().expect("no panic");
}

/// A service that makes any stream.
fn answer_the_call(listener: &TcpListener) {
    const STREAM: &str = r#"{"id":"s","name":"n","status":"ACTIVE","method":"GET","url":"u",
        "payloadMode":"FULL_DATA","hmacSignatureEnabled":false,"pollingInterval":30}"#;
    let (mut stream, _) = listener.accept().expect("a client");
    let mut request = Vec::new();
    // The request's content is JSON, and no other brace ends what was read.
    while !request.ends_with(b"}") {
        let mut buffer = [0; 4096];
        let length = stream.read(&mut buffer).expect("a request");
        request.extend_from_slice(&buffer[..length]);
    }
    let length = STREAM.len();
    write!(stream, "HTTP/1.1 201 Created\r\ncontent-length: {length}\r\n\r\n{STREAM}")
        .expect("it reads");
}

/// Over WebSocket, a Close frame's code decides whether it goes on, and is told with its reason.
fn a_close_is_judged_by_its_code(stage: &Stage) {
    stage.emulator.inject(Fault::close(1011, "restarting").after_events(1));
    let run = stage.follow(&[]);
    assert_eq!((run.ids(), run.status), (stage.log().iter().map(|id| &**id).collect(), Some(0)));
    assert!(run.err.contains("1011") && run.err.contains("restarting"), "{}", run.err);
    stage.emulator.inject(Fault::close(1008, "not for you"));
    let run = stage.run(&[]);
    assert_eq!((&*run.out, run.status), ("", Some(3)), "{}", run.err);
    assert!(run.err.contains("1008") && run.err.contains("not for you"), "{}", run.err);
}

/// Each example has each rule as a test of its own.
macro_rules! examples {
    ($($module:ident: $name:literal over $transport:ident;)*) => {$(
        mod $module {
            use super::*;
            examples!(@ Stage::$transport($name); cuts_lose_nothing, silence_is_a_loss,
                redirects_are_the_machine_s, a_refusal_is_told_with_its_reason,
                a_wrong_key_is_refused, nobody_there_is_given_up);
            examples!($transport $name);
        }
    )*};
    (rest $name:literal) => {};
    (events $name:literal) => {};
    ($websocket:ident $name:literal) => {
        examples!(@ Stage::$websocket($name); a_flood_of_pings_is_answered,
            a_close_is_judged_by_its_code);
    };
    (@ $stage:expr; $($rule:ident),*) => {$(
        #[test]
        fn $rule() {
            super::$rule(&$stage);
        }
    )*};
}

examples! {
    reqwest: "byo-reqwest" over rest;
    ureq: "byo-ureq" over rest;
    async_tungstenite: "byo-async-tungstenite" over websocket;
    tcp_stream: "byo-tcp-stream" over rest;
    tcp_stream_websocket: "byo-tcp-stream" over rest_and_websocket;
    single_threaded: "byo-single-threaded" over rest;
    single_threaded_websocket: "byo-single-threaded" over rest_and_websocket;
    compio: "byo-compio" over rest;
    compio_websocket: "byo-compio" over rest_and_websocket;
    mio: "byo-mio" over rest;
    mio_websocket: "byo-mio" over rest_and_websocket;
}

/// Many subscriptions on one thread each get all events.
#[test]
fn many_subscriptions_share_a_thread() {
    const MANY: usize = 50;
    for stage in [Stage::rest("byo-mio"), Stage::rest_and_websocket("byo-mio")] {
        let run = stage.follow_times(MANY, &["--subscriptions", &MANY.to_string()]);
        assert_eq!(run.status, Some(0), "{}", run.err);
        let ids = run.ids();
        for id in stage.log() {
            assert_eq!(ids.iter().filter(|seen| **seen == id).count(), MANY);
        }
    }
}
