//! `sse_streams.json` and `reconnect_traces.json`: whole subscriptions against a scripted server,
//! in time that the script makes up.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use restless_proto::machine::{End, Input, Machine, Output};
use restless_proto::subscription::{Event, Item, SubscriptionMachine};
use restless_proto::{
    Entropy, Error, Instant, Service, Subscription, TimeoutError, Timer, TransportErrorKind,
};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use crate::direct;
use crate::harness::{Case, Checked};

/// One connection's worth of the script.
#[derive(Clone, Debug, Default, Deserialize)]
struct Step {
    fail: Option<String>,
    status: Option<u16>,
    /// Absent: an event stream. Null: none.
    #[serde(default, deserialize_with = "given")]
    content_type: Option<Option<String>>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: String,
    #[serde(skip)]
    chunks: Option<Vec<Vec<u8>>>,
    /// On WebSocket: texts, and binary messages in base64.
    messages: Option<Vec<Value>>,
    then: Option<String>,
}

fn given<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(from).map(Some)
}

#[derive(Debug, Default, Deserialize)]
struct Options {
    cursor: Option<String>,
    since: Option<String>,
    reconnect: Option<bool>,
    max_reconnects: Option<u32>,
    retry_seconds: Option<f64>,
}

impl Options {
    fn apply(&self, mut subscription: Subscription) -> Subscription {
        if let Some(cursor) = &self.cursor {
            subscription = subscription.cursor(cursor);
        }
        if let Some(since) = &self.since {
            subscription = subscription.since(since);
        }
        if let Some(reconnect) = self.reconnect {
            subscription = subscription.reconnect(reconnect);
        }
        if let Some(most) = self.max_reconnects {
            subscription = subscription.max_reconnects(most);
        }
        if let Some(seconds) = self.retry_seconds {
            subscription = subscription.retry(Duration::from_secs_f64(seconds));
        }
        subscription
    }
}

/// What a run looked like, in the vectors' own words.
#[derive(Clone, Debug, PartialEq)]
enum Happened {
    Connect(String),
    Sleep(f64),
    Event(Value),
    Rejected,
}

#[derive(Clone, Debug, PartialEq)]
enum Outcome {
    Ended,
    Error(String),
    ConsumerStopped,
    WouldConnectAgain,
}

struct Run {
    trace: Vec<Happened>,
    outcome: Outcome,
    requests: Vec<http::Request<Bytes>>,
}

/// Plays the script to a machine; over when the machine is, when the consumer has enough, or when
/// it would connect once more than there are steps.
fn play(mut machine: SubscriptionMachine, steps: &[Step], take: Option<usize>) -> Run {
    let mut run = Run { trace: Vec::new(), outcome: Outcome::Ended, requests: Vec::new() };
    let mut now = Instant::ORIGIN;
    let mut arriving = VecDeque::new();
    let mut events = 0;
    loop {
        match machine.poll() {
            Output::Open { exchange, request } => {
                let Some(step) = steps.get(run.requests.len()) else {
                    run.outcome = Outcome::WouldConnectAgain;
                    return run;
                };
                run.trace.push(Happened::Connect(request.uri().to_string()));
                run.requests.push(*request);
                arriving = inputs(exchange, step);
            }
            Output::Hangup => arriving.clear(),
            Output::Event(Event::Item(Item::Event(event))) => {
                let data: Value = match event.data() {
                    Some(data) => data.parse().expect("data is JSON"),
                    None => Value::Null,
                };
                run.trace.push(Happened::Event(json!({
                    "type": event.kind().as_str(),
                    "event_id": event.event_id(),
                    "timestamp": event.meta().timestamp(),
                    "data": data,
                })));
                events += 1;
                if take == Some(events) {
                    run.outcome = Outcome::ConsumerStopped;
                    return run;
                }
            }
            Output::Event(Event::Item(_)) => run.trace.push(Happened::Rejected),
            Output::Event(Event::Lost(lost)) => {
                let span = lost.retry_at.saturating_duration_since(now).as_secs_f64();
                if span > 0.0 {
                    run.trace.push(Happened::Sleep(span));
                }
            }
            Output::Event(Event::Ended(ended)) => {
                run.outcome = match ended.into_error() {
                    Some(error) => Outcome::Error(kind(&error)),
                    None => Outcome::Ended,
                };
            }
            Output::Event(_) => {}
            Output::Wait(deadline) => match arriving.pop_front() {
                Some(input) => machine.handle(input, now),
                None => {
                    now = deadline.expect("a deadline, where nothing comes");
                    machine.handle(Input::Elapsed, now);
                }
            },
            Output::Done => return run,
            Output::Send(_) | Output::Authorize { .. } => panic!("not over event streams"),
        }
    }
}

/// The error's kind: a status in digits, or a word.
fn kind(error: &Error) -> String {
    match error {
        Error::Refused(refused) => refused.status().as_str().to_owned(),
        Error::Content(_) => "content-type".to_owned(),
        Error::GaveUp(gave_up) => kind(gave_up.last()),
        Error::Transport(_) | Error::Timeout(_) => "transport".to_owned(),
        Error::Redirect(_) => "redirect".to_owned(),
        Error::Closed(closed) => closed.code().get().to_string(),
        other => format!("{other:?}"),
    }
}

fn inputs(exchange: restless_proto::machine::ExchangeId, step: &Step) -> VecDeque<Input> {
    let failed = |kind: TransportErrorKind| {
        VecDeque::from([Input::Ended { exchange, why: End::Failed(kind.into()) }])
    };
    match step.fail.as_deref() {
        None => {}
        Some("dns") => return failed(TransportErrorKind::Resolve),
        Some("tls") => return failed(TransportErrorKind::Certificate),
        Some("reset") => return failed(TransportErrorKind::Broken),
        Some("invalid_uri") => return failed(TransportErrorKind::Request),
        Some(refused) if refused.starts_with("handshake_") => {
            let status: u16 = refused["handshake_".len()..].parse().expect("a status");
            let head = http::Response::builder().status(status).body(()).expect("a head");
            let head = Box::new(head.into_parts().0);
            let end = Input::Ended { exchange, why: End::Complete };
            return VecDeque::from([Input::Response { exchange, head }, end]);
        }
        Some(timeout) if timeout.contains("timeout") => {
            let why = TimeoutError::new(Timer::Connect, Duration::from_secs(10));
            return VecDeque::from([Input::Ended { exchange, why: End::TimedOut(why) }]);
        }
        Some(_) => return failed(TransportErrorKind::Connect),
    }
    if let Some(messages) = &step.messages {
        return websocket_inputs(exchange, messages, step.then.as_deref());
    }
    let mut response = http::Response::builder().status(step.status.unwrap_or(200));
    let event_stream = || Some("text/event-stream".to_owned());
    if let Some(value) = step.content_type.clone().unwrap_or_else(event_stream) {
        response = response.header("content-type", value);
    }
    for (name, value) in &step.headers {
        response = response.header(name, value);
    }
    let head = Box::new(response.body(()).expect("a head").into_parts().0);
    let mut inputs = VecDeque::from([Input::Response { exchange, head }]);
    let whole = || vec![step.body.clone().into_bytes()];
    for chunk in step.chunks.clone().unwrap_or_else(whole) {
        inputs.push_back(Input::Data { exchange, bytes: chunk.into() });
    }
    match step.then.as_deref() {
        None | Some("eof") => inputs.push_back(Input::Ended { exchange, why: End::Complete }),
        // Silence: the idle timer finds it.
        Some("read_timeout") => {}
        Some(_) => {
            let why = End::Failed(TransportErrorKind::Broken.into());
            inputs.push_back(Input::Ended { exchange, why });
        }
    }
    inputs
}

/// The driver speaks WebSocket here, and the machine gets whole messages.
fn websocket_inputs(
    exchange: restless_proto::machine::ExchangeId,
    messages: &[Value],
    then: Option<&str>,
) -> VecDeque<Input> {
    let head = http::Response::builder().status(101).body(()).expect("a head");
    let head = Box::new(head.into_parts().0);
    let mut inputs = VecDeque::from([Input::Response { exchange, head }]);
    for message in messages {
        let message = match message.get("binary_b64").and_then(Value::as_str) {
            Some(base64) => STANDARD.decode(base64).expect("base64").into(),
            None => Bytes::from(message.as_str().unwrap_or_default().to_owned()),
        };
        inputs.push_back(Input::Message { exchange, message });
    }
    let why = match then {
        None => End::Closed { code: 1000.into(), reason: String::new() },
        Some(close) if close.starts_with("close_") => {
            let code: u16 = close["close_".len()..].parse().expect("a code");
            End::Closed { code: code.into(), reason: String::new() }
        }
        Some("eof") => End::Complete,
        Some(_) => End::Failed(TransportErrorKind::Broken.into()),
    };
    inputs.push_back(Input::Ended { exchange, why });
    inputs
}

fn start(subscription: Subscription, key: Option<&str>) -> Result<SubscriptionMachine, String> {
    let service = key.map_or_else(Service::default, Service::new);
    subscription
        .start(&service, Entropy::from_seed(5), Instant::ORIGIN)
        .map_err(|error| error.to_string())
}

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

/// `reconnect_traces.json`: every connect, sleep and event in order.
pub(crate) fn run_trace(case: &Case) -> Checked {
    let websocket = match case.input::<String>("transport").as_deref() {
        Some("sse") => false,
        Some("websocket") => true,
        other => return Checked::Failed(format!("unknown transport {other:?}")),
    };
    let options: Options = case.input("options").unwrap_or_default();
    let take: Option<usize> = case.input("take");
    let key = match case.raw_input("api_key") {
        None => Some("rs_test".to_owned()),
        Some(_) => case.input::<String>("api_key"),
    };
    let steps: Vec<Step> = case.input("server").unwrap_or_default();
    let mut service = key.as_deref().map_or_else(Service::default, Service::new);
    let subscription = match case.raw_input("direct") {
        Some(raw) => match direct::subscription(raw, &mut service) {
            Ok(subscription) => subscription,
            Err(error) => return Checked::Failed(error),
        },
        None => Subscription::url(case.input::<String>("url").unwrap_or_default()),
    };
    let subscription = if websocket { subscription.whole_messages() } else { subscription };
    let machine =
        match options.apply(subscription).start(&service, Entropy::from_seed(5), Instant::ORIGIN) {
            Ok(machine) => machine,
            Err(error) => return Checked::Failed(error.to_string()),
        };
    let run = play(machine, &steps, take);
    let due = Trace::due(case.expect("trace").unwrap_or_default(), case.expect("outcome"));
    let documented = case.more.get("documented").map(|documented| {
        let part = |name: &str| documented.get(name).cloned().unwrap_or_default();
        Trace::due(part("trace"), Some(part("outcome")))
    });
    judge(case, &run, &due, documented.as_ref())
}

/// An expected trace, in our words.
#[derive(Debug)]
struct Trace {
    steps: Vec<Happened>,
    outcome: Value,
}

impl Trace {
    fn due(trace: Value, outcome: Option<Value>) -> Self {
        let steps = trace
            .as_array()
            .into_iter()
            .flatten()
            .map(|step| {
                if let Some(url) = step.get("connect") {
                    Happened::Connect(url.as_str().unwrap_or_default().to_owned())
                } else if let Some(seconds) = step.get("sleep") {
                    Happened::Sleep(seconds.as_f64().unwrap_or_default())
                } else {
                    Happened::Event(step["event"].clone())
                }
            })
            .collect();
        Self { steps, outcome: outcome.unwrap_or_default() }
    }

    fn is_error(&self) -> bool {
        self.outcome.get("error").is_some()
    }

    /// The same connects and events in the same order; each sleep no shorter than the SDK's
    /// constant one, and no longer than our growth allows.
    fn matches(&self, run: &Run) -> Result<(), String> {
        let fail = |what: &str| Err(format!("{what}: expected {self:?}, got {:?}", run.trace));
        // We may back off where the SDK does not sleep at all.
        let no_sleep = !self.steps.iter().any(|step| matches!(step, Happened::Sleep(_)));
        let ours: Vec<&Happened> = run
            .trace
            .iter()
            .filter(|step| !(no_sleep && matches!(step, Happened::Sleep(s) if *s <= 60.0)))
            .collect();
        if ours.len() != self.steps.len() {
            return fail("length");
        }
        let mut losses = 0;
        for (ours, due) in ours.iter().zip(&self.steps) {
            let same = match (ours, due) {
                (Happened::Sleep(ours), Happened::Sleep(due)) => {
                    let most =
                        if losses == 0 { due * 1.25 } else { (due * 2_f64.powi(losses)).min(60.0) };
                    losses += 1;
                    (*due..=most + 1e-6).contains(ours)
                }
                (Happened::Connect(ours), Happened::Connect(due)) => same_url(ours, due),
                (Happened::Event(ours), Happened::Event(due)) => {
                    losses = 0;
                    ours == due
                }
                _ => false,
            };
            if !same {
                return fail("step");
            }
        }
        let outcome = match &run.outcome {
            Outcome::Ended => json!({"ended": true}),
            Outcome::ConsumerStopped => json!({"consumer_stopped": true}),
            Outcome::WouldConnectAgain => json!({"would_connect_again": true}),
            Outcome::Error(_) if self.is_error() => return Ok(()),
            Outcome::Error(error) => json!({"error": error}),
        };
        if outcome == self.outcome { Ok(()) } else { fail(&format!("outcome {outcome}")) }
    }
}

fn same_url(ours: &str, due: &str) -> bool {
    let parts = |text: &str| {
        let url = Url::parse(text).ok()?;
        let pairs: Vec<_> =
            url.query_pairs().map(|(k, v)| (k.into_owned(), v.into_owned())).collect();
        Some((url.origin(), url.path().to_owned(), pairs))
    };
    parts(ours).is_some() && parts(ours) == parts(due)
}

fn judge(case: &Case, run: &Run, due: &Trace, documented: Option<&Trace>) -> Checked {
    if let Err(why) = first_request(case, run) {
        return Checked::Failed(why);
    }
    let matched = |trace: &Trace| match trace.matches(run) {
        Ok(()) => Checked::Ok,
        Err(why) => Checked::Failed(why),
    };
    let outcome = |due: Outcome, connects: usize| {
        Checked::equal("outcome", &run.outcome, &due)
            .and(|| Checked::equal("connects", &run.requests.len(), &connects))
    };
    let error = |kind: &str| Outcome::Error(kind.to_owned());
    let last_query = || {
        run.requests.last().and_then(|request| request.uri().query()).unwrap_or_default().to_owned()
    };
    if !case.better() {
        // A parse error ends the SDK's stream; ours gives it out and goes on, as the issue asks.
        if run.trace.contains(&Happened::Rejected) && due.is_error() {
            let events = |steps: &[Happened]| -> Vec<Happened> {
                steps.iter().filter(|h| matches!(h, Happened::Event(_))).cloned().collect()
            };
            let (ours, theirs) = (events(&run.trace), events(&due.steps));
            return Checked::equal(
                "events before it",
                &ours.get(..theirs.len()).map(<[Happened]>::to_vec),
                &Some(theirs),
            );
        }
        return matched(due);
    }
    match case.name.as_str() {
        // Judged by the status, which the SDK never reads.
        "sse-204" | "sse-204-event-stream" => outcome(Outcome::Ended, 1),
        "sse-401" | "sse-401-event-stream-empty" => outcome(error("401"), 1),
        "sse-404" => outcome(error("404"), 1),
        "sse-500-event-stream" => {
            let event = run.trace.iter().any(|h| matches!(h, Happened::Event(_)));
            Checked::equal("an event of a refusal", &event, &false)
                .and(|| outcome(Outcome::Ended, 2))
        }
        "sse-503" => outcome(error("503"), 2),
        "sse-429" => {
            let slept = run.trace.iter().find_map(|h| match h {
                Happened::Sleep(seconds) => Some(*seconds),
                _ => None,
            });
            Checked::equal("Retry-After kept", &slept.is_some_and(|s| s >= 3.0), &true)
                .and(|| outcome(Outcome::Ended, 3))
        }
        // Followed, which the script has no step for.
        "sse-redirect" => outcome(Outcome::WouldConnectAgain, 1),
        // The server's own delay takes the place of ours.
        "sse-server-retry-ignored" => {
            let slept: Vec<bool> = run
                .trace
                .iter()
                .filter_map(|h| match h {
                    Happened::Sleep(seconds) => Some((0.05..=0.0625).contains(seconds)),
                    _ => None,
                })
                .collect();
            Checked::equal("sleeps", &slept, &vec![true])
        }
        // `since` goes once there is a cursor.
        "sse-url-since-stays" | "direct-sse-since" | "direct-sse-cursor-since" => {
            let query = last_query();
            Checked::equal("since", &query.contains("since="), &false)
                .and(|| Checked::equal("cursor", &query.contains("cursor=a"), &true))
        }
        // One credential is enough.
        "direct-sse-own-key" => {
            let field = run.requests[0].headers().contains_key("authorization");
            Checked::equal("a key beside the URL's", &field, &false)
        }
        // The first reconnect is at once, as asked for; then it backs off.
        "sse-unbounded" => matched(due).and(|| {
            let total: f64 = run
                .trace
                .iter()
                .map(|h| if let Happened::Sleep(seconds) = h { *seconds } else { 0.0 })
                .sum();
            Checked::equal("a tight loop", &(total < 0.5), &false)
        }),
        // Over WebSocket: what would come back the same is not tried again.
        "ws-handshake-401" => outcome(error("401"), 1),
        "ws-close-1008" => outcome(error("1008"), 1),
        "ws-close-4401" => outcome(error("4401"), 1),
        "ws-invalid-uri" | "ws-tls" => outcome(error("transport"), 1),
        // Nothing bounds the number of connects, but the delays grow.
        "ws-unbounded-errors" => matched(due).and(|| {
            let sleeps: Vec<f64> = run
                .trace
                .iter()
                .filter_map(
                    |h| if let Happened::Sleep(seconds) = h { Some(*seconds) } else { None },
                )
                .collect();
            let (early, late) = (sleeps.first(), sleeps.iter().copied().reduce(f64::max));
            Checked::equal("delays that grow", &(early.copied() < late), &true)
        }),
        // An empty message is skipped, and one that is no text is given out; the stream goes on.
        "ws-empty-message" => {
            let events = run.trace.iter().filter(|h| matches!(h, Happened::Event(_))).count();
            let rejected = run.trace.contains(&Happened::Rejected);
            Checked::equal("events, rejected", &(events, rejected), &(1, false))
        }
        "ws-binary-bad-utf8" => {
            let rejected = run.trace.contains(&Happened::Rejected);
            Checked::equal("rejected", &rejected, &true)
        }
        // The SDK raises the transport's error at once; the README's words are the better trace.
        "sse-refused"
        | "sse-refused-always"
        | "sse-connect-timeout"
        | "sse-refused-later"
        | "sse-reset-mid-stream"
        | "sse-reset-mid-event"
        | "sse-read-timeout"
        | "sse-dns"
        | "sse-500"
        | "sse-incomplete-body" => {
            documented.map_or_else(|| Checked::Failed("no documented trace".to_owned()), matched)
        }
        _ => Checked::Unknown(format!("{:?}, {:?}", run.trace, run.outcome)),
    }
}

/// The SDK's fields, save `x-api-key`, which the runtime does not need, and its read timeout,
/// which bounds silence; ours has a timer for that.
fn first_request(case: &Case, run: &Run) -> Result<(), String> {
    let Some(due) = case.expect::<Value>("first_request") else { return Ok(()) };
    let Some(request) = run.requests.first() else { return Err("no request".to_owned()) };
    if due.get("method").is_some_and(|due| due != request.method().as_str()) {
        return Err(format!("method {}", request.method()));
    }
    let url_key = request.uri().query().is_some_and(|query| query.contains("apiKey="));
    for (name, value) in due["headers"].as_object().into_iter().flatten() {
        if name == "x-api-key" || (name == "authorization" && url_key) {
            continue;
        }
        let ours = request.headers().get(name).and_then(|value| value.to_str().ok());
        if ours != value.as_str() {
            return Err(format!("field {name}: expected {value}, got {ours:?}"));
        }
    }
    if request.headers().contains_key("x-api-key") {
        return Err("x-api-key on a runtime request".to_owned());
    }
    let key_due = due["headers"].get("authorization").is_some() && !url_key;
    if request.headers().contains_key("authorization") != key_due {
        return Err("authorization".to_owned());
    }
    Ok(())
}
