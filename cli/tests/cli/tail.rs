//! `restless tail`: what it prints and where, what it takes, and how it exits.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::process::Stdio;

use restless_emulator::{Fault, Upstream};

use crate::stage::{Run, Stage, program};

/// With what a run without a pause between two connections is told.
fn tail(stage: &Stage, arguments: &[&str]) -> Run {
    let begin = ["tail", "--stream", &stage.id, "--retry-seconds", "0"];
    stage.run(&[&begin, arguments].concat())
}

/// With an answer that is later than any event.
fn dated(fault: Fault) -> Fault {
    fault.header("date", "Fri, 31 Dec 2100 00:00:00 GMT")
}

fn three_events() -> (Stage, Vec<String>) {
    let stage = Stage::new();
    let ids = (1..=3)
        .map(|n| {
            stage.emulator.publish(&stage.id, &format!(r#"{{"total":{n}.0}}"#)).expect("an event")
        })
        .collect();
    (stage, ids)
}

/// A stream of patches, with four events: all data first.
fn patches() -> (Stage, String, Vec<String>) {
    let stage = Stage::new();
    let stream = r#"{"name":"Patches","url":"http://127.0.0.1:9/","status":"INACTIVE",
        "payloadMode":"JSON_PATCH"}"#;
    let id = stage.emulator.add_stream(stream).expect("a stream");
    let publish = |n| stage.emulator.publish(&id, &format!(r#"{{"total":{n}.0}}"#));
    let ids = (1..=4).map(|n| publish(n).expect("an event")).collect();
    (stage, id, ids)
}

// What is printed

/// An event is one line of JSON, with its data byte for byte as it came.
#[test]
fn an_event_is_one_line_with_its_data_byte_for_byte() {
    let stage = Stage::new();
    let script = concat!(
        "id: 7\ndata: {\"type\":\"update\",\"data\":{\"b\" : 1.0, \"a\":1e5,\"é\":\"\\u00e9\\/\"},",
        "\"meta\":{\"timestamp\":\"2026-06-07T00:49:36.562Z\",\"status\":200,\"new\":[1.0]}}\n\n",
        "id: 8\ndata: {\"type\":\"error\",\"error\":{\"message\":\"m\",\"code\":\"C\"},\n",
        "data: \"meta\":{\"timestamp\":\"2026-06-07T00:49:37Z\"}}\n\n",
    );
    stage.emulator.inject(dated(Fault::raw([script])));
    let run = tail(&stage, &["-n", "2"]);
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
    assert_eq!(run.out.lines().collect::<Vec<_>>(), due);
    assert_eq!(run.status, Some(0));
}

/// Line ends within the data, which JSON allows between tokens, become spaces.
#[test]
fn a_line_end_within_data_does_not_end_the_line() {
    let stage = Stage::new();
    stage.emulator.publish(&stage.id, "{\n  \"a\": [\r\n 1.0 ]\n}").expect("an event");
    let run = tail(&stage, &["--since", "0", "--limit", "1"]);
    assert_eq!(run.out.lines().count(), 1, "{run:?}");
    assert!(run.out.ends_with("\"data\":{   \"a\": [  1.0 ] }}\n"), "{run:?}");
}

/// Only events go to stdout; that a connection stands or was lost goes to stderr, and with `-q`
/// nowhere.
#[test]
fn only_events_go_to_stdout() {
    let (stage, ids) = three_events();
    stage.emulator.inject(Fault::cut_after_events(2));
    let run = tail(&stage, &["--since", "0", "--limit", "3"]);
    assert_eq!(run.ids(), ids);
    let said: Vec<_> = run.err.lines().collect();
    let [first, lost, again] = said[..] else { panic!("{said:?}") };
    assert_eq!(first, "connected");
    assert!(lost.starts_with("lost: the connection broke"), "{lost}");
    assert_eq!(again, format!("connected, resuming after {}", ids[1]));
    stage.emulator.inject(Fault::cut_after_events(2));
    let run = tail(&stage, &["--since", "0", "--limit", "3", "-q"]);
    assert_eq!((run.ids(), run.err), (ids, String::new()));
}

/// Each form of output has the same events; none is coloured on a pipe.
#[test]
fn each_form_has_the_same_events() {
    let (stage, ids) = three_events();
    let tail = |output| {
        let limit = ["tail", "--stream", &stage.id, "--since", "0", "-n", "3", "-q", "-o", output];
        let run = stage.run(&limit);
        assert_eq!(run.status, Some(0), "{output}: {run:?}");
        run.out
    };
    assert_eq!(tail("raw"), "{\"total\":1.0}\n{\"total\":2.0}\n{\"total\":3.0}\n");
    let csv = tail("csv");
    let lines: Vec<&str> = csv.lines().collect();
    assert!(lines[0].starts_with("type,event_id,cursor,"), "{csv}");
    assert!(lines[3].starts_with(&format!("update,{},", ids[2])), "{csv}");
    assert!(lines[3].ends_with(r#","{""total"":3.0}""#), "{csv}");
    assert!(tail("json").contains("\n  \"data\": {\n    \"total\": 1.0\n  }\n}\n{\n"));
    let pretty = tail("pretty");
    assert!(pretty.contains("- /total: 1.0\n+ /total: 2.0\n"), "{pretty}");
    assert!(!pretty.contains('\u{1b}'), "no colour on a pipe: {pretty}");
}

/// `--document` prints the present document with each event, and what has changed in it.
#[test]
fn the_document_is_followed_with_what_has_changed_in_it() {
    let (stage, _) = three_events();
    let run = stage.run(&["tail", "Orders", "--since", "0", "-n", "2", "-q", "--document"]);
    let lines = run.lines();
    assert_eq!(lines[0]["changed"][0], "", "{run:?}");
    assert_eq!(lines[1]["changed"][0], "/total", "{run:?}");
    assert_eq!(lines[1]["document"]["total"], 2.0, "{run:?}");
    assert!(lines[1]["stale"].is_null(), "{run:?}");
}

/// Events that wait behind a position are printed whole in each form, patches too, and the position
/// that is saved is that of the last one.
#[test]
fn patches_that_wait_are_all_printed_on_a_terminal_s_form() {
    let (stage, id, ids) = patches();
    let path = stage.path("patches.cursor");
    let file = path.to_str().expect("a path");
    for output in ["pretty", "ndjson"] {
        std::fs::write(&path, &ids[0]).expect("a cursor");
        stage.emulator.inject(Fault::end_after_events(3));
        // Whoever asks for a snapshot gets none.
        stage.emulator.inject(Fault::status(204));
        let begin = ["tail", &id, "-o", output, "--no-reconnect", "--save-cursor", file];
        let run = stage.run(&[&begin[..], &["--resume"]].concat());
        stage.emulator.clear_faults();
        assert_eq!(run.status, Some(0), "{run:?}");
        assert!(ids[1..].iter().all(|id| run.out.contains(id)), "{run:?}");
        assert_eq!(run.out.matches("/total").count(), 3, "{run:?}");
        assert_eq!(std::fs::read_to_string(&path).expect("a cursor"), format!("{}\n", ids[3]));
    }
}

/// A document that is made of patches and has no beginning jumps to the present, and a position
/// that would skip the events in between is not saved.
#[test]
fn a_document_of_patches_jumps_to_the_present_and_saves_no_position() {
    let (stage, id, ids) = patches();
    let begin = ["tail", &id, "--document", "-q", "--cursor", &ids[0], "--retry-seconds", "0"];
    let run = stage.run(&[&begin[..], &["-n", "2"]].concat());
    let lines = run.lines();
    assert!(!lines[0]["stale"].is_null(), "{run:?}");
    assert_eq!(lines[1]["document"]["total"], 4.0, "{run:?}");
    let path = stage.path("patches.cursor");
    let file = path.to_str().expect("a path");
    let run = stage.run(&["tail", &id, "--document", "--save-cursor", file]);
    assert_eq!((run.status, &*run.out), (Some(2), ""), "{run:?}");
    assert!(run.err.contains("--save-cursor does not go with --document"), "{run:?}");
    assert!(!path.exists(), "{run:?}");
    // Full data skips nothing.
    let begin = ["tail", "Orders", "--document", "-q", "--since", "0", "-n", "1"];
    stage.emulator.publish(&stage.id, "1").expect("an event");
    let run = stage.run(&[&begin[..], &["--save-cursor", file]].concat());
    assert!(run.status == Some(0) && path.exists(), "{run:?}");
}

/// The document of a stream's URL is made of patches where the stream's is; one of another service
/// is told by a flag, and never asked for.
#[test]
fn the_document_of_a_url_is_made_as_its_stream_says_or_a_flag() {
    let (stage, id, _) = patches();
    for url in [stage.emulator.sse_url(&id), stage.emulator.websocket_url(&id)] {
        let run = stage.run(&["tail", &url, "--since", "0", "-n", "4", "-q", "--document"]);
        let lines = run.lines();
        assert_eq!(lines[3]["document"]["total"], 4.0, "{run:?}");
        assert_eq!(lines[3]["changed"][0], "/total", "{run:?}");
    }
    let url = stage.emulator.sse_url(&id);
    let elsewhere = [("RESTLESS_STREAM_BASE_URL", "https://streams.test")];
    let begin = ["tail", &url, "--since", "0", "-n", "4", "-q"];
    stage.emulator.clear_requests();
    let run = stage.run_with(&[&begin[..], &["--document"]].concat(), &elsewhere);
    assert_eq!((run.status, &*run.out), (Some(2), ""), "{run:?}");
    assert!(run.err.contains("--payload-mode"), "{run:?}");
    assert!(stage.emulator.requests().is_empty(), "nothing is guessed, and nobody is asked");
    let flags = ["--document", "--payload-mode", "JSON_PATCH"];
    let run = stage.run_with(&[&begin[..], &flags].concat(), &elsewhere);
    assert_eq!(run.lines()[3]["document"]["total"], 4.0, "{run:?}");
    // Each event stands alone there: two patches are no two states of a document.
    let run = stage.run_with(&[&begin[..], &["-o", "pretty"]].concat(), &elsewhere);
    assert_eq!(run.out.matches("\"path\": \"/total\"").count(), 3, "{run:?}");
    assert!(!run.out.contains("\n+ /"), "{run:?}");
}

/// A direct URL says its mode itself.
#[test]
fn the_document_of_a_direct_url_is_made_as_the_url_says() {
    let stage = Stage::new();
    let upstream = Upstream::start(r#"{"total":1.0}"#).expect("an upstream");
    let polled = [&*upstream.url(), "--payload-mode", "JSON_PATCH", "--polling-interval", "3600"];
    let url = stage.run(&[&["direct", "url"][..], &polled].concat()).out;
    let begin = ["tail", url.trim(), "--document", "-q", "-n", "1", "--since", "0"];
    let file = stage.path("direct.cursor");
    let save = ["--save-cursor", file.to_str().expect("a path")];
    let run = stage.run(&[&begin[..], &save].concat());
    assert!(run.status == Some(2) && run.err.contains("patches"), "{run:?}");
    let run = stage.run(&begin);
    assert_eq!(run.lines()[0]["document"]["total"], 1.0, "{run:?}");
    let run = stage.run(&[&begin[..], &["--payload-mode", "FULL_DATA"]].concat());
    assert!(run.status == Some(2) && run.err.contains("--payload-mode"), "{run:?}");
}

/// What is rejected for want of a signature goes to stderr, and is not counted.
#[test]
fn what_is_not_signed_is_told_on_stderr() {
    let stage = Stage::new();
    stage.emulator.publish(&stage.id, "1").expect("an event");
    let error = stage.emulator.publish_error(&stage.id, "CODE", "message").expect("an event");
    let run = tail(&stage, &["--since", "0", "--verify", "secret", "--limit", "1"]);
    assert_eq!(run.ids(), [error]);
    assert!(run.err.contains("rejected"), "{run:?}");
}

/// The secret may be in a file; without one asked for, nothing is verified.
#[test]
fn what_is_not_signed_with_the_secret_of_a_file_is_told_on_stderr() {
    let (stage, _) = three_events();
    let path = stage.path("secret");
    std::fs::write(&path, "another\n").unwrap();
    let file = path.to_str().expect("a path");
    let begin = ["tail", "--stream", &stage.id, "--since", "0", "--no-reconnect"];
    stage.emulator.inject(Fault::end_after_events(3));
    let run = stage.run(&[&begin[..], &["--secret-file", file]].concat());
    assert_eq!((run.status, run.out.as_str()), (Some(0), ""), "{run:?}");
    assert_eq!(run.err.matches("signature").count(), 3, "{run:?}");
    let variables = [("RESTLESS_HMAC_SECRET", "another")];
    let run = stage.run_with(&[&begin[..], &["-n", "3", "-q"]].concat(), &variables);
    assert_eq!(run.out.lines().count(), 3, "nothing is verified unasked: {run:?}");
}

// What it takes

/// A word that is no URL is a stream's id or its name; one that is neither is refused.
#[test]
fn a_word_that_is_no_url_is_a_stream_s_id_or_its_name() {
    let (stage, ids) = three_events();
    for what in [stage.id.as_str(), "Orders"] {
        let run = stage.run(&["tail", what, "--since", "0", "-n", "3", "-q", "--ws"]);
        assert_eq!((run.status, run.err.as_str()), (Some(0), ""), "{what}: {run:?}");
        assert_eq!(run.lines()[2]["event_id"], ids[2].as_str(), "{what}");
    }
    let run = stage.run(&["tail", "Nobody"]);
    assert_eq!(run.status, Some(3), "{run:?}");
    assert!(run.err.contains("no stream has the id or the name \"Nobody\""), "{run:?}");
}

/// `--limit` counts events, from 0 on.
#[test]
fn the_limit_counts_events() {
    let (stage, ids) = three_events();
    for limit in 0..=3 {
        let run = tail(&stage, &["--since", "0", "--limit", &limit.to_string()]);
        assert_eq!((run.ids(), run.status), (ids[..limit].to_vec(), Some(0)));
    }
}

/// `--cursor` and `--since` are where it starts.
#[test]
fn cursor_and_since_are_where_it_starts() {
    let (stage, ids) = three_events();
    assert_eq!(tail(&stage, &["--cursor", &ids[1], "--limit", "1"]).ids(), ids[2..]);
    assert_eq!(tail(&stage, &["--since", &ids[0], "--limit", "2"]).ids(), ids[1..]);
}

/// A runtime URL leads to a stream by itself.
#[test]
fn a_url_takes_the_place_of_the_base() {
    let (stage, ids) = three_events();
    let mut command = program(&stage.path(""));
    command.args(["tail", &stage.emulator.sse_url(&stage.id), "--since", "0", "-n", "3"]);
    command.env("RESTLESS_API_KEY", stage.emulator.api_key());
    assert_eq!(stage.finish(command, b"").ids(), ids);
}

/// `--direct` follows a REST API, asked as its options say.
#[test]
fn a_direct_stream_is_asked_as_its_options_say() {
    let stage = Stage::new();
    let upstream = Upstream::start(r#"{"items":[1.0]}"#).expect("an upstream");
    let url = upstream.url();
    let options = [
        ["--direct", &url],
        ["--method", "post"],
        ["--polling-interval", "3600"],
        ["--payload-mode", "JSON_PATCH"],
        ["--jq", ".items"],
        ["--since", "0"],
        ["--limit", "1"],
    ];
    let run = stage.run(&[&["tail"][..], options.as_flattened()].concat());
    assert!(run.out.ends_with("\"data\":[1.0]}\n"), "{run:?}");
    assert_eq!(upstream.requests()[0].method, "POST");
    let request = stage.emulator.requests().pop().expect("a request");
    for due in ["method=POST", "payloadMode=JSON_PATCH", "pollingInterval=3600", "jq=.items"] {
        assert!(request.uri.contains(due), "{due} is not in {}", request.uri);
    }
}

/// `--ws` prints of a stream, and of a REST API, what is printed without it, after as many faults.
#[test]
fn both_transports_print_the_same() {
    let (stage, _) = three_events();
    let upstream = Upstream::start("[0]").expect("an upstream");
    let direct = upstream.url();
    for (source, count) in [(["--stream", &stage.id], 3), (["--direct", &direct], 1)] {
        let limit = count.to_string();
        let [plain, over_websocket] = [&[][..], &["--ws"]].map(|transport| {
            // Of the same second, for what is replayed is told by the date of the answer.
            stage.emulator.inject(dated(Fault::cut_after_events(2)));
            stage.emulator.inject(Fault::refuse());
            stage.emulator.inject(dated(Fault::none()));
            let common = ["--since", "0", "--retry-seconds", "0", "--limit", &limit];
            let run = stage.run(&[&["tail"], &source[..], &common, transport].concat());
            assert_eq!((run.ids().len(), run.status), (count, Some(0)), "{run:?}");
            stage.emulator.clear_faults();
            run
        });
        assert_eq!(plain.out, over_websocket.out);
    }
    let paths: Vec<_> = stage.emulator.requests().into_iter().map(|request| request.uri).collect();
    assert!(paths.iter().any(|uri| uri.starts_with("/ws?streamId=")), "{paths:?}");
    assert!(paths.iter().any(|uri| uri.starts_with("/ws?") && uri.contains("url=")), "{paths:?}");
}

/// The proxy is that of the environment, as everywhere; its refusal is told, and its password is
/// not.
#[test]
fn a_proxy_of_the_environment_is_taken() {
    let stage = Stage::new();
    let proxy = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = proxy.local_addr().expect("an address").to_string();
    let asked = std::thread::spawn(move || {
        let (mut client, _) = proxy.accept().expect("a client");
        let mut line = String::new();
        BufReader::new(&client).read_line(&mut line).expect("a line");
        client.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").expect("it listens");
        line
    });
    let mut command = program(&stage.path(""));
    command.args(["tail", "--stream", "any"]);
    command.env("HTTPS_PROXY", format!("http://user:secret@{address}"));
    command.env("RESTLESS_STREAM_BASE_URL", "https://streams.test");
    let run = stage.finish(command, b"");
    assert_eq!(asked.join().expect("no panic"), "CONNECT streams.test:443 HTTP/1.1\r\n");
    assert_eq!((&*run.out, run.status), ("", Some(4)), "{run:?}");
    assert!(run.err.contains(&format!("the proxy http://{address}")), "{run:?}");
    assert!(run.err.contains("403") && !run.err.contains("secret"), "{run:?}");
}

/// `--resume` goes on behind what `--save-cursor` has saved, so that a file gets each event once.
#[test]
fn a_saved_cursor_is_where_the_next_run_goes_on() {
    let (stage, ids) = three_events();
    let (path, out) = (stage.path("orders.cursor"), stage.path("orders.ndjson"));
    let file = path.to_str().expect("a path");
    let begin = ["tail", "--stream", &stage.id, "--since", "0", "-q", "--save-cursor", file];
    let append = |more: &[&str]| {
        let out = std::fs::File::options().create(true).append(true).open(&out).expect("a file");
        let mut command = stage.command(&[&begin, more].concat());
        let run = command.stdout(out).output().expect("the program");
        assert!(run.status.success(), "{run:?}");
        std::fs::read_to_string(&path).expect("a cursor")
    };
    assert_eq!(append(&["-n", "1"]), format!("{}\n", ids[0]));
    assert_eq!(append(&["-n", "2", "--resume"]), format!("{}\n", ids[2]));
    let text = std::fs::read_to_string(&out).expect("the output");
    assert_eq!(Run { status: None, out: text, err: String::new() }.ids(), ids);
}

/// What a crash or a power cut leaves of a line is a line of its own, and the event comes again.
#[test]
fn after_a_torn_line_the_event_comes_again_on_a_line_of_its_own() {
    let (stage, ids) = three_events();
    let (path, out) = (stage.path("orders.cursor"), stage.path("orders.ndjson"));
    let file = path.to_str().expect("a path");
    let begin = ["tail", "--stream", &stage.id, "-q", "--save-cursor", file, "--resume"];
    for (left, due) in [("{\"type\":\"update\",\"ev", 3), ("{}\n", 3), ("", 2)] {
        std::fs::write(&path, &ids[0]).expect("a cursor");
        std::fs::write(&out, left).expect("the output");
        let out_again = std::fs::File::options().append(true).open(&out).expect("a file");
        let mut command = stage.command(&[&begin[..], &["-n", "2"]].concat());
        let run = command.stdout(out_again).output().expect("the program");
        assert!(run.status.success(), "{run:?}");
        let text = std::fs::read_to_string(&out).expect("the output");
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), due, "{text}");
        let text = lines[due - 2..].join("\n");
        assert_eq!(Run { status: None, out: text, err: String::new() }.ids(), ids[1..]);
    }
}

/// A disk that is full in the middle of an event keeps no part of the event.
#[test]
fn an_event_that_the_disk_has_no_room_for_leaves_no_part_behind() {
    let stage = Stage::new();
    let large = format!("\"{}\"", "x".repeat(9_000));
    let ids = ["1", &large].map(|data| stage.emulator.publish(&stage.id, data).expect("an event"));
    let (path, out) = (stage.path("orders.cursor"), stage.path("orders.ndjson"));
    let run = |begin: &str| {
        let command = stage.command(&[]);
        // A limit of a file's size stands for the disk's: 8 blocks, of half a KiB or of one.
        let script = format!("{begin} exec \"$0\" \"$@\" >> \"$OUT\"");
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &script]).arg(command.get_program()).env_clear();
        for (name, value) in command.get_envs() {
            shell.envs(value.map(|value| (name, value)));
        }
        shell.env("OUT", &out).args(["tail", "Orders", "--since", "0", "-q", "--resume"]);
        shell.args(["-n", "2", "--save-cursor"]).arg(&path).output().expect("the program")
    };
    let full = run("trap '' XFSZ; ulimit -f 8;");
    let said = String::from_utf8_lossy(&full.stderr);
    assert_eq!(full.status.code(), Some(1), "{said}");
    let told = |text| Run { status: None, out: text, err: String::new() }.ids();
    let text = std::fs::read_to_string(&out).expect("the output");
    assert!(text.ends_with('\n'), "a part is left: {text}");
    assert_eq!(told(text), ids[..1]);
    stage.emulator.publish(&stage.id, "3").expect("an event");
    assert!(run("").status.success());
    let all = told(std::fs::read_to_string(&out).expect("the output"));
    assert_eq!((all.len(), &all[..2]), (3, &ids[..]));
}

/// An interrupt ends it in good order, and what was printed is saved.
#[test]
fn an_interrupt_closes_and_saves_where_it_was() {
    let (stage, ids) = three_events();
    let path = stage.path("orders.cursor");
    let file = path.to_str().expect("a path");
    let mut command = stage.command(&["tail", "Orders", "--since", "0", "--save-cursor", file]);
    let pipes = command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = pipes.spawn().expect("the program");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    for _ in 0..3 {
        lines.next().expect("a line").expect("UTF-8");
    }
    let pid = child.id().to_string();
    let sent = std::process::Command::new("kill").args(["-INT", &pid]).status();
    assert!(sent.expect("kill").success());
    assert_eq!(child.wait().expect("its end").code(), Some(0));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{}\n", ids[2]));
}

// How it exits

/// Bad arguments exit with 2, print nothing to stdout, and are named.
#[test]
fn bad_arguments_exit_with_2_and_say_why() {
    let stage = Stage::new();
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
        &["--stream", "a", "--resume"],
        &["--stream", "a", "--payload-mode", "JSON_PATCH"],
        &["a", "--document", "--output", "csv"],
        &["--direct", "http://127.0.0.1:9/", "--payload-mode", "HALF"],
        &["ftp://127.0.0.1/"],
    ] {
        let run = stage.run(&[&["tail"], arguments].concat());
        assert_eq!((run.status, &*run.out), (Some(2), ""), "{arguments:?}: {run:?}");
        assert!(!run.err.trim().is_empty(), "{arguments:?}");
        if let [_, _, option, value] = arguments {
            let why = run.err.lines().next().unwrap_or_default();
            let is_named = why.contains(option) || why.contains(value) || why.contains("secret");
            assert!(is_named, "{arguments:?}: {why}");
        }
    }
    assert!(stage.emulator.requests().is_empty());
}

/// A URL in the environment that can't be one exits with 2, and is not printed.
#[test]
fn a_bad_environment_exits_with_2() {
    let stage = Stage::new();
    for name in ["RESTLESS_API_BASE_URL", "RESTLESS_STREAM_BASE_URL"] {
        let wrong = [(name, "ftp://user:secret@127.0.0.1/")];
        let run = stage.run_with(&["tail", "--stream", "a"], &wrong);
        assert_eq!((run.status, &*run.out), (Some(2), ""), "{name}: {run:?}");
        assert!(!run.err.contains("secret"), "{run:?}");
    }
}

/// The end of the stream, and 204, exit with 0.
#[test]
fn the_end_of_the_stream_exits_with_0() {
    let (stage, ids) = three_events();
    stage.emulator.inject(Fault::end_after_events(1));
    let run = tail(&stage, &["--since", "0", "--no-reconnect"]);
    assert_eq!((run.ids(), run.status), (ids[..1].to_vec(), Some(0)));
    stage.emulator.inject(Fault::status(204));
    let run = tail(&stage, &[]);
    assert_eq!((&*run.out, run.status), ("", Some(0)));
    assert!(run.err.contains("204"), "{run:?}");
}

/// A refusal exits with 3, and names the status and what the server says; never the key.
#[test]
fn a_refusal_exits_with_3_and_names_the_status() {
    let stage = Stage::new();
    for status in [400, 401, 403, 404] {
        stage.emulator.inject(Fault::status(status).body(r#"{"message":"not for you"}"#));
        let run = tail(&stage, &[]);
        assert_eq!((&*run.out, run.status), ("", Some(3)));
        assert!(run.err.contains(&status.to_string()), "{run:?}");
        assert!(run.err.contains("not for you"), "{run:?}");
    }
    for key in ["", "rs_wrong"] {
        let arguments = ["tail", "--stream", &stage.id];
        let run = stage.run_with(&arguments, &[("RESTLESS_API_KEY", key)]);
        assert_eq!((&*run.out, run.status), ("", Some(3)));
        assert!(run.err.contains("401") && !run.err.contains("rs_wrong"), "{run:?}");
    }
}

/// What is no event stream exits with 3, and is named.
#[test]
fn a_wrong_content_type_exits_with_3() {
    let stage = Stage::new();
    stage.emulator.inject(Fault::content_type("text/html"));
    let run = tail(&stage, &[]);
    assert_eq!((&*run.out, run.status), ("", Some(3)));
    assert!(run.err.contains("text/html"), "{run:?}");
}

/// A server that is not there is given up, with 4; one that ends each connection in good order,
/// too.
#[test]
fn giving_up_exits_with_4() {
    let stage = Stage::new();
    stage.emulator.inject(Fault::end_after_events(0).times(2));
    let run = tail(&stage, &["--max-reconnects", "1"]);
    assert_eq!((&*run.out, run.status), ("", Some(4)));
    assert!(run.err.contains("gave up: 1 reconnect brought no event"), "{run:?}");
    stage.emulator.stop_listening().expect("the emulator stands");
    let run = tail(&stage, &["--max-reconnects", "1"]);
    assert_eq!((&*run.out, run.status), ("", Some(4)));
    assert!(run.err.contains("gave up after 1 reconnect without"), "{run:?}");
    let run = tail(&stage, &["--no-reconnect"]);
    assert_eq!((&*run.out, run.status), ("", Some(4)));
}

/// A server that stays busy is given up, with 4.
#[test]
fn a_busy_server_is_given_up_with_4() {
    let stage = Stage::new();
    stage.emulator.inject(Fault::status(503).times(2));
    let run = tail(&stage, &["--max-reconnects", "1"]);
    assert_eq!((&*run.out, run.status), ("", Some(4)));
    assert!(run.err.contains("503"), "{run:?}");
}

/// What went wrong is one line; with `--verbose` each of its causes has one of its own.
#[test]
fn each_cause_of_an_error_is_told() {
    let stage = Stage::new();
    let arguments = ["tail", "http://127.0.0.1:9/", "--max-reconnects", "0", "-q"];
    let run = stage.run(&arguments);
    assert_eq!((run.status, run.err.lines().count()), (Some(4), 1), "{run:?}");
    let verbose = stage.run(&[&arguments[..], &["--verbose"]].concat());
    assert!(verbose.err.contains("\n  because: "), "{verbose:?}");
}
