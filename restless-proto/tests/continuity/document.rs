//! Documents and continuity beside a service that loses its place: what is held is what the service
//! had, or says that it is stale; and no gap is silent.

use std::collections::VecDeque;

use bytes::Bytes;
use proptest::prelude::*;
use restless_proto::machine::{End, ExchangeId, Input, Machine, Output};
use restless_proto::model::PayloadMode;
use restless_proto::subscription::{Continuity, Document, Event, Item};
use restless_proto::{Entropy, Instant, Service, Subscription, TransportErrorKind};

use super::websocket::{accepted, message};

/// What the service does with one connection.
#[derive(Clone, Debug)]
struct Plan {
    fault: Fault,
    /// After how many of its events that happens.
    after: usize,
    /// After how many events the connection breaks.
    cut: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    /// The service takes the position for absent.
    Forget,
    /// The service begins with the first event.
    StartOver,
    /// The service answers 410 to a request that names a position.
    Refuse,
    /// The service sends the last two events again.
    Repeat,
    /// The service leaves one event out.
    Skip,
    /// The service sends one broken event.
    Corrupt,
}

/// The documents of a service, each with the id of its event. Each patch counts up one number, and
/// wants the one before it: a skipped one is noticed.
const DOCUMENTS: usize = 30;

fn id(n: usize) -> u64 {
    1_700_000_000_000 + n as u64
}

fn document(n: usize) -> String {
    format!("{{\"n\":{n}}}")
}

/// An event, in full for who has no base.
fn envelope(n: usize, full: bool) -> String {
    let (mode, data) = if full {
        ("\"FULL_DATA\"", document(n))
    } else {
        let was = n.wrapping_sub(1);
        let patch = format!(
            "[{{\"op\":\"test\",\"path\":\"/n\",\"value\":{was}}},\
              {{\"op\":\"replace\",\"path\":\"/n\",\"value\":{n}}}]"
        );
        ("null", patch)
    };
    format!(
        "{{\"type\":\"update\",\"meta\":{{\"timestamp\":\"2026-03-24T00:00:00Z\",\
         \"payload_mode_fallback\":{mode}}},\"event_id\":\"{}\",\"data\":{data}}}",
        id(n)
    )
}

/// Where the request wants to begin.
#[derive(Clone, Copy)]
enum Start {
    /// The request names no position.
    Latest,
    /// The request asks for all events.
    First,
    Behind(usize),
}

impl Start {
    fn of(request: &http::Request<Bytes>) -> Self {
        let query = request.uri().query().unwrap_or_default();
        let cursor = query.split('&').find_map(|pair| pair.strip_prefix("cursor="));
        match cursor.map(|cursor| cursor.parse::<u64>().unwrap() - id(0)) {
            Some(n) => Self::Behind(usize::try_from(n).unwrap()),
            None if query.contains("since=") => Self::First,
            None => Self::Latest,
        }
    }
}

/// What goes over the wire on one connection: the events with their numbers, full or not; `None`
/// for a broken one.
fn sent(plan: &Plan, start: Start) -> Vec<Option<(usize, bool)>> {
    let (mut next, mut has_base) = match (plan.fault, start) {
        (Fault::StartOver, _) | (_, Start::First) => (0, false),
        (Fault::Forget, _) | (_, Start::Latest) => (DOCUMENTS - 1, false),
        (_, Start::Behind(seen)) => (seen + 1, true),
    };
    let mut events = Vec::new();
    while next < DOCUMENTS {
        if events.len() == plan.after {
            match plan.fault {
                Fault::Repeat => {
                    events.extend((next.saturating_sub(2)..next).map(|n| Some((n, !has_base))));
                }
                Fault::Skip => next += 1,
                Fault::Corrupt => {
                    events.push(None);
                    next += 1;
                }
                Fault::None | Fault::Forget | Fault::StartOver | Fault::Refuse => {}
            }
        }
        if next < DOCUMENTS {
            events.push(Some((next, !has_base)));
            has_base = true;
            next += 1;
        }
    }
    events.truncate(plan.cut);
    events
}

fn answer(
    exchange: ExchangeId,
    request: &http::Request<Bytes>,
    plan: &Plan,
    is_websocket: bool,
) -> VecDeque<Input> {
    let start = Start::of(request);
    let is_refused = plan.fault == Fault::Refuse && !matches!(start, Start::Latest);
    let head = if is_refused {
        http::Response::builder().status(410).body(()).unwrap()
    } else if is_websocket {
        accepted(request, "")
    } else {
        http::Response::builder().header("content-type", "text/event-stream").body(()).unwrap()
    };
    let mut inputs = VecDeque::new();
    inputs.push_back(Input::Response { exchange, head: Box::new(head.into_parts().0) });
    if is_refused {
        inputs.push_back(Input::Ended { exchange, why: End::Complete });
        return inputs;
    }
    let mut content = Vec::new();
    for event in sent(plan, start) {
        let text = event.map_or_else(|| "broken".to_owned(), |(n, full)| envelope(n, full));
        if is_websocket {
            message(&mut content, &text);
        } else {
            let id = event.map(|(n, _)| format!("id: {}\n", id(n))).unwrap_or_default();
            content.extend(format!("{id}data: {text}\n\n").bytes());
        }
    }
    for piece in content.chunks(700) {
        inputs.push_back(Input::Data { exchange, bytes: Bytes::copy_from_slice(piece) });
    }
    let why = End::Failed(TransportErrorKind::Broken.into());
    inputs.push_back(Input::Ended { exchange, why });
    inputs
}

/// Follows until the document is the last one, and is not stale.
fn follow(url: &str, plans: &[Plan], dedupe: Option<usize>) {
    let mut subscription = Subscription::url(url).since("0").continuity();
    if let Some(window) = dedupe {
        subscription = subscription.dedupe(window);
    }
    let start =
        subscription.start(&Service::new("rs_test"), Entropy::from_seed(1), Instant::ORIGIN);
    let mut machine = start.unwrap();
    let mut held = Document::new(PayloadMode::JsonPatch);
    let (mut now, mut connections) = (Instant::ORIGIN, 0);
    let mut arriving = VecDeque::new();
    let whole = Plan { fault: Fault::None, after: 0, cut: usize::MAX };
    let mut gap = false;
    let mut last: Option<u64> = None;
    let mut seen = Vec::new();
    let last_document = document(DOCUMENTS - 1);
    while held.stale().is_some() || held.text().as_deref() != Some(&last_document) {
        match machine.poll() {
            Output::Open { exchange, request } => {
                let plan = plans.get(connections).unwrap_or(&whole);
                arriving = answer(exchange, &request, plan, url.starts_with("ws"));
                connections += 1;
                assert!(connections <= plans.len() * 2 + 5, "no progress");
            }
            Output::Hangup => arriving.clear(),
            Output::Event(event) => {
                held.take_event(&event);
                match &event {
                    Event::Continuity(Continuity::Gap { .. }) => gap = true,
                    Event::Item(Item::Event(event)) => {
                        let id: u64 = event.event_id().unwrap().parse().unwrap();
                        let repeated = machine.continuity() == Some(&Continuity::Repeated);
                        // What is held is what the service had at some event that came, or is
                        // said to be stale.
                        if held.stale().is_none() && !repeated {
                            let n = usize::try_from(id - super::document::id(0)).unwrap();
                            assert_eq!(held.text(), Some(document(n)));
                        }
                        // Ids that fall are told to be repeated, or to come after a gap.
                        if last.is_some_and(|last| id <= last) {
                            assert!(repeated || gap, "silent: {last:?} and then {id}");
                        }
                        if dedupe.is_some() && !gap {
                            assert!(!seen.contains(&id), "{id} came twice");
                        }
                        if gap {
                            seen.clear();
                        }
                        seen.push(id);
                        gap = false;
                        if !repeated {
                            last = Some(id);
                        }
                    }
                    _ => {}
                }
                if held.wants_snapshot() {
                    machine.ask_for_snapshot(now);
                }
            }
            Output::Wait(deadline) => match arriving.pop_front() {
                Some(input) => machine.handle(input, now),
                None => {
                    now = deadline.expect("something to wait for");
                    machine.handle(Input::Elapsed, now);
                }
            },
            Output::Send(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

fn plan() -> impl Strategy<Value = Plan> {
    let fault = prop_oneof![
        Just(Fault::None),
        Just(Fault::Forget),
        Just(Fault::StartOver),
        Just(Fault::Refuse),
        Just(Fault::Repeat),
        Just(Fault::Skip),
        Just(Fault::Corrupt),
    ];
    (fault, 0..8_usize, 0..12_usize).prop_map(|(fault, after, cut)| Plan { fault, after, cut })
}

proptest! {
    #[test]
    fn a_document_is_right_or_says_that_it_is_stale(
        plans in proptest::collection::vec(plan(), 0..8),
        dedupe in proptest::option::of(1..40_usize),
    ) {
        for url in ["https://s/?streamId=a", "wss://s/ws?streamId=a"] {
            follow(url, &plans, dedupe);
        }
    }
}
