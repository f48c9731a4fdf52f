//! `sse_streams.json`: one response, and what a reconnect would send.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use restless_proto::subscription::SubscriptionMachine;
use restless_proto::{Entropy, Instant, Service, Subscription};
use serde_json::{Value, json};
use url::Url;

use crate::harness::{Case, Checked};
use crate::script::{Happened, Options, Outcome, Run, Step, play};

/// `sse_streams.json`: one response, then what a reconnect would send.
pub(crate) fn run_stream(case: &Case) -> Checked {
    let chunks: Vec<String> = case.input("chunks_b64").unwrap_or_default();
    let options: Options = case.input("options").unwrap_or_default();
    let content_type: Option<String> = case.input("content_type");
    let step = Step {
        content_type: content_type.map(Some),
        chunks: Some(chunks.iter().map(|chunk| STANDARD.decode(chunk).expect("base64")).collect()),
        ..Step::default()
    };
    let url = "https://stream.test/?streamId=s1";
    // The second connection ends it, so that its request can be seen.
    let stop = Step { status: Some(204), content_type: Some(None), ..Step::default() };
    let machine = match start(options.apply(Subscription::url(url)), Some("rs_test")) {
        Ok(machine) => machine,
        Err(error) => return Checked::Failed(error),
    };
    let run = play(machine, &[step, stop], None);
    let seen = Stream::of(&run);
    let due = Stream::due(case);
    if !case.better() {
        return match seen.as_the_sdk(&due) {
            Ok(()) => Checked::Ok,
            Err(why) => Checked::Failed(why),
        };
    }
    let at = |cursor: &str| Some(cursor.to_owned());
    let better = match case.name.as_str() {
        "id-stays-over-json-id" => {
            let mut due = due;
            due.events[1]["event_id"] = json!("6");
            Stream { cursor: at("6"), ..due }
        }
        "id-only-frame-last" | "id-only" => Stream { cursor: at("7"), ..due },
        "bom" => Stream { events: vec![event(Some("1"), 1)], cursor: at("1"), ..due },
        "bom-before-only-data" | "bom-split" => {
            Stream { events: vec![event(None, 1)], cursor: at("1774310401000"), ..due }
        }
        "content-type-latin1" => {
            let mut due = due;
            due.events[0]["data"] = json!("é");
            due
        }
        "content-type-upper-case" => Stream {
            events: vec![event(None, 1)],
            error: false,
            reconnected: true,
            cursor: at("1774310401000"),
            ..due
        },
        // A type that only contains the right one is a wrong one.
        "event-name-ping-not-json" => Stream {
            events: vec![event(None, 1), event(None, 2)],
            error: false,
            reconnected: true,
            cursor: at("1774310402000"),
            ..due
        },
        "cursor-empty-option" => Stream { cursor: None, ..due },
        "retry-ignored" => due,
        _ => return Checked::Unknown(format!("{seen:?}")),
    };
    Checked::equal("the stream", &seen, &better)
}

fn event(id: Option<&str>, n: u32) -> Value {
    let timestamp = format!("2026-03-24T00:00:0{n}Z");
    json!({"type": "update", "event_id": id, "timestamp": timestamp, "data": n})
}

/// What `sse_streams.json` records of a run.
#[derive(Clone, Debug, PartialEq)]
struct Stream {
    events: Vec<Value>,
    error: bool,
    reconnected: bool,
    cursor: Option<String>,
    since: Option<String>,
    rejected: usize,
}

impl Stream {
    fn of(run: &Run) -> Self {
        let again = run.requests.get(1);
        let query = |name: &str| {
            let url = Url::parse(&again?.uri().to_string()).ok()?;
            url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        Self {
            events: run
                .trace
                .iter()
                .filter_map(|happened| match happened {
                    Happened::Event(event) => Some(event.clone()),
                    _ => None,
                })
                .collect(),
            error: matches!(run.outcome, Outcome::Error(_)),
            reconnected: again.is_some(),
            cursor: query("cursor"),
            since: query("since"),
            rejected: run.trace.iter().filter(|h| matches!(h, Happened::Rejected)).count(),
        }
    }

    fn due(case: &Case) -> Self {
        let outcome: Value = case.expect("outcome").unwrap_or_default();
        Self {
            events: case.expect("events").unwrap_or_default(),
            error: outcome.get("error").is_some(),
            reconnected: case.expect("reconnected").unwrap_or_default(),
            cursor: case.expect("cursor_on_reconnect"),
            since: case.expect("since_on_reconnect"),
            rejected: 0,
        }
    }

    /// As the SDK, with two differences that the contract asks for: where it ends with a parse
    /// error, we give the bad event out and go on; and a content type that only contains the right
    /// one is a wrong one (WHATWG HTML §9.2.3).
    fn as_the_sdk(&self, due: &Self) -> Result<(), String> {
        let fail = || Err(format!("expected {due:?}, got {self:?}"));
        if due.error && self.rejected > 0 {
            let same = self.events.get(..due.events.len()) == Some(&due.events[..]);
            return if same && self.reconnected && !self.error { Ok(()) } else { fail() };
        }
        if self == due { Ok(()) } else { fail() }
    }
}

/// `content-type-longer` is not marked, and the standard's reading is another.
pub(crate) fn run_stream_by_the_standard(case: &Case) -> Checked {
    let content_type: Option<String> = case.input("content_type");
    let essence = content_type
        .as_deref()
        .map(|text| text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    let wrong = essence.is_some_and(|essence| essence != "text/event-stream");
    let accepted_by_the_sdk = case.expect::<bool>("reconnected").unwrap_or_default();
    if wrong && accepted_by_the_sdk && !case.better() {
        let step = Step { content_type: Some(content_type), ..Step::default() };
        let machine = start(Subscription::url("https://s.test/"), None).expect("a plain URL");
        let outcome = play(machine, &[step], None).outcome;
        return Checked::equal("outcome", &outcome, &Outcome::Error("content-type".to_owned()));
    }
    run_stream(case)
}

fn start(subscription: Subscription, key: Option<&str>) -> Result<SubscriptionMachine, String> {
    let service = key.map_or_else(Service::default, Service::new);
    subscription
        .start(&service, Entropy::from_seed(5), Instant::ORIGIN)
        .map_err(|error| error.to_string())
}
