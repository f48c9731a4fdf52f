//! The `subscribe` example as a command: what it prints and where, and how it exits.

mod common;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

use common::{Run, Running};
use restless_emulator::{Emulator, Fault, Upstream};

/// Each rule is a test of each adapter's example.
macro_rules! rules {
    (@ $adapter:ident $example:literal $($rule:ident)*) => {
        mod $adapter {
            $(#[test] fn $rule() { super::$rule($example); })*
        }
    };
    ($($rule:ident)*) => {
        rules! { @ tokio "subscribe-tokio" $($rule)* }
        rules! { @ smol "subscribe-smol" $($rule)* }
        rules! { @ async_std "subscribe-async-std" $($rule)* }
        rules! { @ blocking "subscribe-blocking" $($rule)* }
    };
}

rules! {
    an_event_is_one_line_with_its_data_byte_for_byte
    a_line_end_within_data_does_not_end_the_line
    only_events_go_to_stdout
    what_is_not_signed_is_told_on_stderr
    the_limit_counts_events
    cursor_and_since_are_where_it_starts
    a_url_takes_the_place_of_the_base
    a_direct_stream_is_asked_as_its_options_say
    both_transports_print_the_same
    help_is_asked_for_and_goes_to_stdout
    the_version_is_asked_for_and_goes_to_stdout
    a_full_disk_is_an_error
    a_url_without_a_scheme_may_be_a_stream
    bad_arguments_exit_with_2_and_say_why
    a_bad_environment_exits_with_2
    the_end_of_the_stream_exits_with_0
    a_refusal_exits_with_3_and_names_the_status
    a_wrong_content_type_exits_with_3
    a_proxy_of_the_environment_is_taken
    giving_up_exits_with_4
    a_busy_server_is_given_up_with_4
}

/// An emulator with a stream that polls nothing.
struct Stage {
    example: &'static str,
    emulator: Emulator,
    id: String,
}

impl Stage {
    fn new(example: &'static str) -> Self {
        let emulator = Emulator::start().expect("an emulator");
        let id = emulator
            .add_stream(r#"{"name":"Orders","url":"http://127.0.0.1:9/","status":"INACTIVE"}"#)
            .expect("a stream");
        Self { example, emulator, id }
    }

    /// Follows the stream with these further arguments.
    fn run(&self, arguments: &[&str]) -> Run {
        let stream = ["--stream", &self.id, "--retry-seconds", "0"];
        self.run_plain(&[&stream, arguments].concat())
    }

    fn run_plain(&self, arguments: &[&str]) -> Run {
        let run = common::run(
            self.example,
            arguments,
            &[
                ("RESTLESS_API_KEY", self.emulator.api_key()),
                ("RESTLESS_STREAM_BASE_URL", &self.emulator.stream_base_url()),
            ],
        );
        let key = self.emulator.api_key();
        assert!(!run.out.contains(key) && !run.err.contains(key), "the key was printed: {run:?}");
        run
    }

    fn log(&self) -> Vec<String> {
        self.emulator.log(&self.id).into_iter().map(|event| event.id).collect()
    }
}

// What is printed

/// An event is one line of JSON, with its data byte for byte as it came.
fn an_event_is_one_line_with_its_data_byte_for_byte(example: &'static str) {
    let stage = Stage::new(example);
    let script = concat!(
        "id: 7\ndata: {\"type\":\"update\",\"data\":{\"b\" : 1.0, \"a\":1e5,\"é\":\"\\u00e9\\/\"},",
        "\"meta\":{\"timestamp\":\"2026-06-07T00:49:36.562Z\",\"status\":200,\"new\":[1.0]}}\n\n",
        "id: 8\ndata: {\"type\":\"error\",\"error\":{\"message\":\"m\",\"code\":\"C\"},\n",
        "data: \"meta\":{\"timestamp\":\"2026-06-07T00:49:37Z\"}}\n\n",
    );
    stage.emulator.inject(dated(Fault::raw([script])));
    let run = stage.run(&["--limit", "2"]);
    let due = [
        concat!(
            r#"{"type":"update","event_id":"7","cursor":"7","continuity":"replayed","#,
            r#""meta":{"timestamp":"2026-06-07T00:49:36.562Z","attempt_id":null,"status":200,"#,
            r#""latency_ms":null,"payload_mode_fallback":null,"new":[1.0]},"#,
            r#""data":{"b" : 1.0, "a":1e5,"é":"\u00e9\/"}}"#,
        ),
        concat!(
            r#"{"type":"error","event_id":"8","cursor":"8","continuity":"replayed","#,
            r#""meta":{"timestamp":"2026-06-07T00:49:37Z","attempt_id":null,"status":null,"#,
            r#""latency_ms":null,"payload_mode_fallback":null},"#,
            r#""error":{"code":"C","message":"m"}}"#,
        ),
    ];
    assert_eq!(run.lines(), due);
    assert_eq!(run.status, Some(0));
}

/// Line ends within the data, which JSON allows between tokens, become spaces.
fn a_line_end_within_data_does_not_end_the_line(example: &'static str) {
    let stage = Stage::new(example);
    stage.emulator.publish(&stage.id, "{\n  \"a\": [\r\n 1.0 ]\n}").expect("an event");
    let run = stage.run(&["--since", "0", "--limit", "1"]);
    let [line] = run.lines()[..] else { panic!("{run:?}") };
    assert!(line.ends_with(r#""data":{   "a": [  1.0 ] }}"#), "{line}");
}

/// Only events go to stdout; that a connection stands or was lost goes to stderr.
fn only_events_go_to_stdout(example: &'static str) {
    let stage = Stage::new(example);
    for n in 0..4 {
        stage.emulator.publish(&stage.id, &n.to_string()).expect("an event");
    }
    stage.emulator.inject(Fault::cut_after_events(2));
    let run = stage.run(&["--since", "0", "--limit", "4"]);
    assert_eq!(run.ids(), stage.log());
    assert!(run.lines().iter().all(|line| line.starts_with('{') && line.ends_with('}')));
    let said: Vec<_> = run.err.lines().collect();
    let [first, lost, again] = said[..] else { panic!("{said:?}") };
    assert_eq!(first, "connected");
    assert!(lost.starts_with("lost: the connection broke"), "{lost}");
    assert_eq!(again, format!("connected, resuming after {}", stage.log()[1]));
}

/// What is rejected for want of a signature goes to stderr, and is not counted.
fn what_is_not_signed_is_told_on_stderr(example: &'static str) {
    let stage = Stage::new(example);
    stage.emulator.publish(&stage.id, "1").expect("an event");
    stage.emulator.publish_error(&stage.id, "CODE", "message").expect("an event");
    let run = stage.run(&["--since", "0", "--verify", "secret", "--limit", "1"]);
    assert_eq!(run.ids(), stage.log()[1..]);
    assert!(run.err.contains("rejected"), "{}", run.err);
}

// What it takes

/// `--limit` counts events, from 0 on.
fn the_limit_counts_events(example: &'static str) {
    let stage = Stage::new(example);
    for n in 0..3 {
        stage.emulator.publish(&stage.id, &n.to_string()).expect("an event");
    }
    for limit in 0..=3 {
        let run = stage.run(&["--since", "0", "--limit", &limit.to_string()]);
        assert_eq!((run.ids().len(), run.status), (limit, Some(0)));
    }
}

/// `--cursor` and `--since` are where it starts.
fn cursor_and_since_are_where_it_starts(example: &'static str) {
    let stage = Stage::new(example);
    for n in 0..4 {
        stage.emulator.publish(&stage.id, &n.to_string()).expect("an event");
    }
    let log = stage.log();
    assert_eq!(stage.run(&["--cursor", &log[1], "--limit", "2"]).ids(), log[2..]);
    assert_eq!(stage.run(&["--since", &log[0], "--limit", "3"]).ids(), log[1..]);
}

/// A runtime URL leads to a stream by itself.
fn a_url_takes_the_place_of_the_base(example: &'static str) {
    let stage = Stage::new(example);
    stage.emulator.publish(&stage.id, "1").expect("an event");
    let url = stage.emulator.sse_url(&stage.id);
    let key = [("RESTLESS_API_KEY", stage.emulator.api_key())];
    let run = common::run(example, &[&url, "--since", "0", "--limit", "1"], &key);
    assert_eq!(run.ids(), stage.log());
}

/// `--direct` follows a REST API, asked as its options say.
fn a_direct_stream_is_asked_as_its_options_say(example: &'static str) {
    let stage = Stage::new(example);
    let upstream = Upstream::start(r#"{"items":[1.0]}"#).expect("an upstream");
    let run = stage.run_plain(&[
        "--direct",
        &upstream.url(),
        "--method",
        "post",
        "--polling-interval",
        "3600",
        "--payload-mode",
        "JSON_PATCH",
        "--jq",
        ".items",
        "--since",
        "0",
        "--limit",
        "1",
    ]);
    let [line] = run.lines()[..] else { panic!("{run:?}") };
    assert!(line.ends_with(r#""data":[1.0]}"#), "{line}");
    assert_eq!(upstream.requests()[0].method, "POST");
    let request = stage.emulator.requests().pop().expect("a request");
    for due in ["method=POST", "payloadMode=JSON_PATCH", "pollingInterval=3600", "jq=.items"] {
        assert!(request.uri.contains(due), "{due} is not in {}", request.uri);
    }
}

// How it exits

/// `--ws` prints of a stream, and of a REST API, what is printed without it, after as many faults.
fn both_transports_print_the_same(example: &'static str) {
    let stage = Stage::new(example);
    for n in 0..4 {
        stage.emulator.publish(&stage.id, &n.to_string()).expect("an event");
    }
    let upstream = Upstream::start("[0]").expect("an upstream");
    let direct = upstream.url();
    for source in [["--stream", &stage.id], ["--direct", &direct]] {
        let due = if source[0] == "--stream" { 4 } else { 1 };
        let limit = due.to_string();
        let [plain, over_websocket] = [&[][..], &["--ws"]].map(|transport| {
            // Of the same second, for what is replayed is told by the date of the answer.
            stage.emulator.inject(dated(Fault::cut_after_events(2)));
            stage.emulator.inject(Fault::refuse());
            stage.emulator.inject(dated(Fault::none()));
            let common = ["--since", "0", "--retry-seconds", "0", "--limit", &limit];
            let run = stage.run_plain(&[&source, &common[..], transport].concat());
            assert_eq!((run.ids().len(), run.status), (due, Some(0)), "{}", run.err);
            stage.emulator.clear_faults();
            run
        });
        assert_eq!(plain.ids(), over_websocket.ids());
        assert_eq!(plain.out, over_websocket.out);
    }
    let paths: Vec<_> = stage.emulator.requests().into_iter().map(|request| request.uri).collect();
    assert!(paths.iter().any(|uri| uri.starts_with("/ws?streamId=")), "{paths:?}");
    assert!(paths.iter().any(|uri| uri.starts_with("/ws?") && uri.contains("url=")), "{paths:?}");
}

/// `--help` goes to stdout, and is a success.
fn help_is_asked_for_and_goes_to_stdout(example: &'static str) {
    for help in ["--help", "-h"] {
        let run = common::run(example, &[help], &[]);
        assert_eq!((run.status, &*run.err), (Some(0), ""));
        assert!(run.out.starts_with(&format!("usage: {example} [")), "{}", run.out);
    }
}

/// `--version` goes to stdout, and is a success.
fn the_version_is_asked_for_and_goes_to_stdout(example: &'static str) {
    for version in ["--version", "-V"] {
        let run = common::run(example, &[version], &[]);
        assert_eq!((run.status, &*run.err), (Some(0), ""));
        assert_eq!(run.out, format!("{example} {}\n", env!("CARGO_PKG_VERSION")));
    }
}

/// Where stdout is full, it exits with 1 and says so: events, `--help` and `--version`. Where
/// nobody reads it any more, that is no error.
fn a_full_disk_is_an_error(example: &'static str) {
    let stage = Stage::new(example);
    stage.emulator.publish(&stage.id, "1").expect("an event");
    let base = stage.emulator.stream_base_url();
    let environment =
        [("RESTLESS_API_KEY", stage.emulator.api_key()), ("RESTLESS_STREAM_BASE_URL", &base)];
    for arguments in [&["--help"][..], &["--version"], &["--stream", &stage.id, "--since", "0"]] {
        if let Ok(full) = std::fs::File::options().write(true).open("/dev/full") {
            let run = Running::start_into(example, arguments, &environment, full.into()).end();
            assert_eq!(run.status, Some(1), "{arguments:?}: {}", run.err);
            assert!(run.err.contains("stdout can't be written"), "{}", run.err);
        } else {
            println!("there is no /dev/full here: not checked");
        }
        let nobody = common::nobody();
        let run = Running::start_into(example, arguments, &environment, nobody).end();
        assert_eq!(run.status, Some(0), "{arguments:?}: {}", run.err);
    }
}

/// A stream's id in the place of a URL is asked about.
fn a_url_without_a_scheme_may_be_a_stream(example: &'static str) {
    let run = common::run(example, &["stream_123"], &[]);
    assert_eq!((run.status, &*run.out), (Some(2), ""));
    assert!(run.err.starts_with("the URL has no scheme; did you mean --stream?\n"), "{}", run.err);
}

/// Bad arguments exit with 2, print nothing to stdout, and are named.
fn bad_arguments_exit_with_2_and_say_why(example: &'static str) {
    for arguments in [
        &[][..],
        &["http://127.0.0.1:9/", "--stream", "a"],
        &["--stream", "a", "--direct", "http://127.0.0.1:9/"],
        &["http://127.0.0.1:9/", "http://127.0.0.1:9/"],
        &["--stream"],
        &["--stream", ""],
        &["--nonsense"],
        &["--stream", "a", "--limit", "many"],
        &["--stream", "a", "--limit", "-1"],
        &["--stream", "a", "--max-reconnects", "1.5"],
        &["--stream", "a", "--retry-seconds", "soon"],
        &["--stream", "a", "--retry-seconds", "-1"],
        &["--stream", "a", "--verify", ""],
        &["--stream", "a", "--method", "POST"],
        &["--stream", "a", "--polling-interval", "5"],
        &["--direct", "http://127.0.0.1:9/", "--payload-mode", "HALF"],
        &["ftp://127.0.0.1/"],
        &["not a url"],
    ] {
        let run = common::run(example, arguments, &[]);
        assert_eq!((run.status, &*run.out), (Some(2), ""), "{arguments:?}: {}", run.err);
        assert!(!run.err.trim().is_empty(), "{arguments:?}");
        if let [_, _, option, value] = arguments {
            let why = run.err.lines().next().unwrap_or_default();
            assert!(why.contains(option) || why.contains(value), "{arguments:?}: {why}");
        }
    }
}

/// A URL in the environment that can't be one exits with 2, and is not printed.
fn a_bad_environment_exits_with_2(example: &'static str) {
    for name in ["RESTLESS_API_BASE_URL", "RESTLESS_STREAM_BASE_URL"] {
        let run =
            common::run(example, &["--stream", "a"], &[(name, "ftp://user:secret@127.0.0.1/")]);
        assert_eq!((run.status, &*run.out), (Some(2), ""), "{name}: {}", run.err);
        assert!(!run.err.contains("secret"), "{}", run.err);
    }
}

/// The end of the stream, and 204, exit with 0.
fn the_end_of_the_stream_exits_with_0(example: &'static str) {
    let stage = Stage::new(example);
    stage.emulator.publish(&stage.id, "1").expect("an event");
    stage.emulator.inject(Fault::end_after_events(1));
    let run = stage.run(&["--since", "0", "--no-reconnect"]);
    assert_eq!((run.ids(), run.status), (vec![&*stage.log()[0]], Some(0)));
    stage.emulator.inject(Fault::status(204));
    let run = stage.run(&[]);
    assert_eq!((&*run.out, run.status), ("", Some(0)));
    assert!(run.err.contains("204"), "{}", run.err);
}

/// A refusal exits with 3, and names the status and what the server says; never the key.
fn a_refusal_exits_with_3_and_names_the_status(example: &'static str) {
    let stage = Stage::new(example);
    for status in [400, 401, 403, 404] {
        stage.emulator.inject(Fault::status(status).body(r#"{"message":"not for you"}"#));
        let run = stage.run(&[]);
        assert_eq!((&*run.out, run.status), ("", Some(3)));
        assert!(run.err.contains(&status.to_string()), "{}", run.err);
        assert!(run.err.contains("not for you"), "{}", run.err);
    }
    let stream = ["--stream", &stage.id];
    let base = stage.emulator.stream_base_url();
    for key in ["", "rs_wrong"] {
        let environment = [("RESTLESS_API_KEY", key), ("RESTLESS_STREAM_BASE_URL", &base)];
        let run = common::run(example, &stream, &environment);
        assert_eq!((&*run.out, run.status), ("", Some(3)));
        assert!(run.err.contains("401") && !run.err.contains("rs_wrong"), "{}", run.err);
    }
}

/// What is no event stream exits with 3, and is named.
fn a_wrong_content_type_exits_with_3(example: &'static str) {
    let stage = Stage::new(example);
    stage.emulator.inject(Fault::content_type("text/html"));
    let run = stage.run(&[]);
    assert_eq!((&*run.out, run.status), ("", Some(3)));
    assert!(run.err.contains("text/html"), "{}", run.err);
}

/// A server that is not there is given up, with 4.
fn giving_up_exits_with_4(example: &'static str) {
    let stage = Stage::new(example);
    stage.emulator.stop_listening().expect("the emulator stands");
    let run = stage.run(&["--max-reconnects", "1"]);
    assert_eq!((&*run.out, run.status), ("", Some(4)));
    assert!(run.err.contains("gave up after 1 reconnect without"), "{}", run.err);
    let run = stage.run(&["--no-reconnect"]);
    assert_eq!((&*run.out, run.status), ("", Some(4)));
    // One that ends each connection in good order, too.
    let stage = Stage::new(example);
    stage.emulator.inject(Fault::end_after_events(0).times(2));
    let run = stage.run(&["--max-reconnects", "1"]);
    assert_eq!((&*run.out, run.status), ("", Some(4)));
    assert!(run.err.contains("gave up: 1 reconnect brought no event"), "{}", run.err);
}

/// A server that stays busy is given up, with 4.
fn a_busy_server_is_given_up_with_4(example: &'static str) {
    let stage = Stage::new(example);
    stage.emulator.inject(Fault::status(503).times(2));
    let run = stage.run(&["--max-reconnects", "1"]);
    assert_eq!((&*run.out, run.status), ("", Some(4)));
    assert!(run.err.contains("503"), "{}", run.err);
}

/// The proxy is that of the environment, as everywhere; its refusal is told, and its password is
/// not.
fn a_proxy_of_the_environment_is_taken(example: &'static str) {
    let proxy = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = proxy.local_addr().expect("an address").to_string();
    let asked = std::thread::spawn(move || {
        let (mut client, _) = proxy.accept().expect("a client");
        let mut line = String::new();
        BufReader::new(&client).read_line(&mut line).expect("a line");
        client.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").expect("it listens");
        line
    });
    let environment = [
        ("HTTPS_PROXY", &*format!("http://user:secret@{address}")),
        ("RESTLESS_STREAM_BASE_URL", "https://streams.test"),
    ];
    let run = common::run(example, &["--stream", "any"], &environment);
    assert_eq!(asked.join().expect("no panic"), "CONNECT streams.test:443 HTTP/1.1\r\n");
    assert_eq!((&*run.out, run.status), ("", Some(4)));
    assert!(run.err.contains(&format!("the proxy http://{address}")), "{}", run.err);
    assert!(run.err.contains("403") && !run.err.contains("secret"), "{}", run.err);
}

/// So does the quickstart; and its `--help` and `--version` are a success.
#[test]
fn the_quickstart_says_that_a_disk_is_full() {
    for (argument, due) in [("--help", "usage: quickstart "), ("--version", "quickstart ")] {
        let run = common::run("quickstart", &[argument], &[]);
        assert_eq!((run.status, &*run.err), (Some(0), ""));
        assert!(run.out.starts_with(due), "{}", run.out);
    }
    let Ok(full) = std::fs::File::options().write(true).open("/dev/full") else {
        println!("there is no /dev/full here: not checked");
        return;
    };
    for arguments in [&["--help"][..], &["--version"], &[]] {
        let full = full.try_clone().expect("a handle").into();
        let run = Running::start_into("quickstart", arguments, &[], full).end();
        assert_eq!(run.status, Some(1), "{arguments:?}: {}", run.err);
        assert!(run.err.contains("space"), "{}", run.err);
    }
}

/// With an answer that is later than any event.
fn dated(fault: Fault) -> Fault {
    fault.header("date", "Fri, 31 Dec 2100 00:00:00 GMT")
}
