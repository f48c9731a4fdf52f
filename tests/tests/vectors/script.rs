//! Plays a scripted server to a subscription, in time that the script makes up.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use restless_proto::machine::{End, ExchangeId, Input, Machine, Output};
use restless_proto::subscription::{Event, Item, SubscriptionMachine};
use restless_proto::{Error, Instant, Subscription, TimeoutError, Timer, TransportErrorKind};
use serde::Deserialize;
use serde_json::{Value, json};

/// One connection's worth of the script.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Step {
    pub(crate) fail: Option<String>,
    pub(crate) status: Option<u16>,
    /// Absent: an event stream. Null: none.
    #[serde(default, deserialize_with = "given")]
    pub(crate) content_type: Option<Option<String>>,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) body: String,
    #[serde(skip)]
    pub(crate) chunks: Option<Vec<Vec<u8>>>,
    /// On WebSocket: texts, and binary messages in base64.
    pub(crate) messages: Option<Vec<Value>>,
    pub(crate) then: Option<String>,
}

fn given<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(from).map(Some)
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Options {
    pub(crate) cursor: Option<String>,
    pub(crate) since: Option<String>,
    pub(crate) reconnect: Option<bool>,
    pub(crate) max_reconnects: Option<u32>,
    pub(crate) retry_seconds: Option<f64>,
}

impl Options {
    pub(crate) fn apply(&self, mut subscription: Subscription) -> Subscription {
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
pub(crate) enum Happened {
    Connect(String),
    Sleep(f64),
    Event(Value),
    Rejected,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    Ended,
    Error(String),
    ConsumerStopped,
    WouldConnectAgain,
}

pub(crate) struct Run {
    pub(crate) trace: Vec<Happened>,
    pub(crate) outcome: Outcome,
    pub(crate) requests: Vec<http::Request<Bytes>>,
}

/// Plays the script to a machine; over when the machine is, when the consumer has enough, or when
/// it would connect once more than there are steps.
pub(crate) fn play(mut machine: SubscriptionMachine, steps: &[Step], take: Option<usize>) -> Run {
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
pub(crate) fn kind(error: &Error) -> String {
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

fn inputs(exchange: ExchangeId, step: &Step) -> VecDeque<Input> {
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
    exchange: ExchangeId,
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
