//! The programs of `how-to`, each against the emulator, for what it promises.

mod common;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read};
use std::time::Duration;

use common::Running;
use restless_emulator::{Emulator, Fault};

struct Stage {
    emulator: Emulator,
    id: String,
    base: String,
}

impl Stage {
    fn new() -> Self {
        Self::of(STREAM)
    }

    fn of(stream: &str) -> Self {
        let emulator = Emulator::start().expect("an emulator");
        let id = emulator.add_stream(stream).expect("a stream");
        let base = emulator.api_base_url();
        Self { emulator, id, base }
    }

    fn environment(&self) -> [(&str, &str); 3] {
        [
            ("RESTLESS_API_KEY", self.emulator.api_key()),
            ("RESTLESS_API_BASE_URL", &self.base),
            ("RESTLESS_STREAM_BASE_URL", &self.base),
        ]
    }

    fn start(&self, program: &str, arguments: &[&str]) -> Running {
        Running::start(program, arguments, &self.environment())
    }

    fn publish(&self, count: usize) {
        for n in 0..count {
            self.emulator.publish(&self.id, &n.to_string()).expect("an event");
        }
    }

    fn log(&self) -> Vec<String> {
        self.emulator.log(&self.id).into_iter().map(|event| event.id).collect()
    }
}

const STREAM: &str = r#"{"name":"Orders","url":"http://127.0.0.1:9/","status":"INACTIVE"}"#;

/// `one-transaction`: killed again and again, and cut, it has each event once and in order.
#[test]
fn no_event_is_missing_in_the_database_and_none_is_there_twice() {
    let stage = Stage::new();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("events.db");
    let database = path.to_str().expect("a text");
    for _ in 0..8 {
        stage.emulator.inject(Fault::cut_after_events(2));
        let running = stage.start("how-to-one-transaction", &[database, &stage.id]);
        stage.publish(3);
        stage.emulator.until_subscribers(1).wait().expect("a subscriber");
        stage.publish(3);
        // Wherever it stands now, this kills it.
        drop(running);
    }
    let stored = || {
        let database = rusqlite::Connection::open(&path).expect("a database");
        let mut query = database.prepare("SELECT cursor FROM events ORDER BY rowid").expect("SQL");
        let rows = query.query_map([], |row| row.get(0)).expect("rows");
        rows.collect::<Result<Vec<String>, _>>().expect("texts")
    };
    stage.emulator.clear_faults();
    stage.publish(1);
    let left = (stage.log().len() - stored().len()).to_string();
    let run = stage.start("how-to-one-transaction", &[database, &stage.id, &left]).end();
    assert_eq!((run.status, &*run.err), (Some(0), ""));
    assert_eq!(stored(), stage.log());
}

/// `one-transaction`: what was rejected before anything had an id leaves no position, and the next
/// start begins where the first one did.
#[test]
fn what_is_rejected_first_and_has_no_id_leaves_no_position() {
    let stage = Stage::new();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("events.db");
    let arguments = [path.to_str().expect("a text"), &stage.id, "1"];
    stage.emulator.inject(Fault::raw(["data: no event\n\n"]));
    let running = stage.start("how-to-one-transaction", &arguments);
    // It asks again once the transaction is over.
    stage.emulator.until_requests(2).wait().expect("a second request");
    drop(running);
    stage.publish(1);
    let run = stage.start("how-to-one-transaction", &arguments).end();
    assert_eq!((run.status, &*run.err), (Some(0), ""));
}

/// The ids of the next events that a browser gets.
fn ids(events: &mut impl Iterator<Item = String>, count: usize) -> Vec<String> {
    let ids = events.filter_map(|line| line.strip_prefix("id: ").map(str::to_owned));
    ids.take(count).collect()
}

/// The lines of an event stream, as a browser with this last event gets them.
fn browser(url: &str, last: Option<&str>) -> impl Iterator<Item = String> + use<> {
    let agent = ureq::Agent::config_builder().proxy(None);
    let agent = agent.timeout_global(Some(PATIENCE)).build().new_agent();
    let request = agent.get(url);
    let request = match last {
        Some(id) => request.header("last-event-id", id),
        None => request,
    };
    let body = request.call().expect("an answer").into_body();
    let reader: Box<dyn Read> = Box::new(body.into_reader());
    BufReader::new(reader).lines().map(|line| line.expect("a line"))
}

/// No test takes nearly as long; one that does waits for what never comes.
const PATIENCE: Duration = Duration::from_secs(60);

/// `serve-on`: a browser gets the latest event and what comes; one that was away, what came
/// meanwhile.
#[test]
fn a_browser_that_was_away_gets_what_came_meanwhile() {
    let stage = Stage::new();
    stage.publish(3);
    let running = stage.start("how-to-serve-on", &[&stage.id]);
    let url = running.line();
    let url = url.trim();
    let log = stage.log();
    // It gets all that is kept: from then on, the three are.
    let mut first = browser(url, Some("unknown"));
    assert_eq!(ids(&mut first, 3), log);
    let mut late = browser(url, None);
    assert_eq!(ids(&mut late, 1), log[2..]);
    stage.publish(2);
    let log = stage.log();
    for browser in [&mut first, &mut late] {
        assert_eq!(ids(browser, 2), log[3..]);
    }
    assert_eq!(ids(&mut browser(url, Some(&log[1])), 3), log[2..]);
}

/// `serve-document`: a browser gets the present document whole, and again after each change, which
/// came as a patch; one that has it already, after the next change. Where a patch does not fit, the
/// browser hears that the document is stale, and gets the one that takes its place.
#[test]
fn a_browser_gets_the_present_document_whole_or_hears_that_it_is_stale() {
    let patches = STREAM.replace('}', r#","payloadMode":"JSON_PATCH"}"#);
    let stage = Stage::of(&patches);
    let publish = |value: &str| stage.emulator.publish(&stage.id, value).expect("an event");
    stage.emulator.inject(Fault::skip_events(1).after_events(3));
    publish(r#"{"a":1,"n":1}"#);
    let running = stage.start("how-to-serve-document", &[&stage.id]);
    let url = running.line();
    let url = url.trim();
    let mut first = browser(url, None);
    assert_eq!(data(&mut first), r#"{"a":1,"n":1}"#);
    publish(r#"{"a":1,"n":2}"#);
    assert_eq!(data(&mut first), r#"{"a":1,"n":2}"#);
    let has = stage.log().pop().expect("an event");
    let (mut knows, mut new) = (browser(url, Some(&has)), browser(url, None));
    assert_eq!(data(&mut new), r#"{"a":1,"n":2}"#);
    publish(r#"{"a":1,"n":3}"#);
    for browser in [&mut first, &mut knows, &mut new] {
        assert_eq!(data(browser), r#"{"a":1,"n":3}"#);
    }
    // The patch that adds `b` is left out, so that the next one has nothing to change.
    publish(r#"{"a":1,"b":1,"n":3}"#);
    publish(r#"{"a":1,"b":2,"n":3}"#);
    assert_eq!(data(&mut first), "a patch does not fit the document");
    let last = r#"{"a":1,"b":2,"n":3}"#;
    assert_eq!(data(&mut first), last);
    // What takes its place may be what it was; the word of it being stale may be overtaken.
    stage.emulator.inject(Fault::refuse_position(410));
    stage.emulator.disconnect_all();
    while data(&mut first) != last {}
}

/// The data of the next event that a browser gets.
fn data(events: &mut impl Iterator<Item = String>) -> String {
    let mut data = events.filter_map(|line| line.strip_prefix("data: ").map(str::to_owned));
    data.next().expect("an event")
}

/// `many-subscriptions`: a thousand streams on one client, and an event of each comes.
#[test]
fn a_thousand_subscriptions_on_one_client_all_bring_events() {
    let stage = Stage::new();
    let mut due = BTreeSet::from([stage.id.clone()]);
    due.extend((1..1_000).map(|_| stage.emulator.add_stream(STREAM).expect("a stream")));
    for id in &due {
        stage.emulator.publish(id, "1").expect("an event");
    }
    let run = stage.start("how-to-many-subscriptions", &["1000"]).end();
    assert_eq!((run.status, &*run.err), (Some(0), ""));
    let seen = run.lines().into_iter().filter_map(|line| line.split_once(' '));
    assert_eq!(seen.map(|(id, _)| id.to_owned()).collect::<BTreeSet<_>>(), due);
}

/// `graceful-shutdown`: told to end, it ends well, and the next start goes on where it was.
#[cfg(unix)]
#[test]
fn told_to_end_it_leaves_a_position_to_go_on_from() {
    let stage = Stage::new();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("position");
    let arguments = [&*stage.id, file.to_str().expect("a text")];
    let mut seen = 0;
    for count in [3, 2] {
        let running = stage.start("how-to-graceful-shutdown", &arguments);
        stage.publish(count);
        let lines: Vec<_> = (0..count).map(|_| running.line()).collect();
        running.terminate();
        let run = running.end();
        assert_eq!((run.status, &*run.out, &*run.err), (Some(0), "", ""));
        let log = stage.log();
        for (line, id) in lines.iter().zip(&log[seen..]) {
            assert!(line.contains(id.as_str()), "{id} is not in {line}");
        }
        seen += count;
        assert_eq!(std::fs::read_to_string(&file).expect("a position"), log[seen - 1]);
    }
}

/// `graceful-shutdown`: refused in the middle, it ends with the error, and its position is that of
/// what was printed.
#[test]
fn refused_in_the_middle_it_leaves_a_position_too() {
    let stage = Stage::new();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("position");
    let arguments = [&*stage.id, file.to_str().expect("a text")];
    let running = stage.start("how-to-graceful-shutdown", &arguments);
    stage.publish(3);
    (0..3).for_each(|_| drop(running.line()));
    stage.emulator.inject(Fault::status(403));
    stage.emulator.disconnect_all();
    let run = running.end();
    assert_eq!((run.status, &*run.out), (Some(1), ""));
    assert!(run.err.contains("403"), "{}", run.err);
    assert_eq!(std::fs::read_to_string(&file).expect("a position"), stage.log()[2]);
}

/// What the docs' page `how_to` shows of a program is in it, line by line.
#[test]
fn each_excerpt_in_the_docs_is_of_a_program() {
    let lines = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
    };
    let page = include_str!("../../adapters/hyper/src/how_to.rs");
    let page = page.replace("//! ", "").replace("//!", "");
    let mut compared = 0;
    let parts: Vec<_> = page.split("```").collect();
    // A block, and the rest of its section.
    for (excerpt, rest) in parts[1..].chunks_exact(2).map(|two| (two[0], two[1])) {
        let rest = rest.split("\n# ").next().unwrap_or_default();
        let name = rest.split_once("`examples/how-to/").and_then(|(_, rest)| rest.split_once('`'));
        let Some((name, _)) = name else { continue };
        let program = std::fs::read_to_string(format!("how-to/{name}")).expect("the program");
        let program = lines(&program);
        let shown = excerpt.lines().filter(|line| *line != "#" && !line.starts_with("# "));
        let shown = lines(&shown.collect::<Vec<_>>().join("\n"));
        let found = program.windows(shown.len()).any(|window| window == shown);
        assert!(found, "{name} has no such lines: {shown:#?}");
        compared += 1;
    }
    assert_eq!(compared, 4);
}
