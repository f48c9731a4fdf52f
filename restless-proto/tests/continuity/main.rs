//! Nothing lost, nothing twice: a server with a log, a wire that is cut, and no clock.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod coded;
mod document;
mod websocket;

use std::sync::LazyLock;

use bytes::Bytes;
use proptest::prelude::*;
use restless_proto::machine::{End, ExchangeId, Input, Machine, Output};
use restless_proto::subscription::{Event, Item, SubscriptionMachine};
use restless_proto::{Entropy, Instant, Service, Subscription, TransportErrorKind};

/// Each shape of a block six times: cut at every byte, the work grows with the square.
const EVENTS: usize = 24;

/// What the server has sent since ever, in order: ids and whole SSE blocks of several shapes.
fn log() -> &'static [(String, String)] {
    static LOG: LazyLock<Vec<(String, String)>> = LazyLock::new(write_log);
    &LOG
}

fn write_log() -> Vec<(String, String)> {
    (1..=EVENTS)
        .map(|n| {
            let id = (1_700_000_000_000_u64 + n as u64).to_string();
            let json = format!(
                r#"{{"type":"update","meta":{{"timestamp":"2026-03-24T00:00:00Z"}},"data":{{"n":{n},"text":"é2028"}}}}"#
            );
            let block = match n % 4 {
                0 => format!("id: {id}\r\ndata: {json}\r\n\r\n"),
                1 => format!(": beat\nid: {id}\ndata: {json}\n\n"),
                2 => format!("data: {json}\rid: {id}\r\r"),
                _ => {
                    let (head, tail) = json.split_once(',').unwrap();
                    format!("retry: 10\ndata: {head},\ndata: {tail}\nid: {id}\n\n")
                }
            };
            (id, block)
        })
        .collect()
}

/// What a server answers: the head, and the content from the request's cursor on.
type Server = fn(&http::Request<Bytes>) -> (http::Response<()>, Vec<u8>);

/// The events after the request's cursor.
fn after_cursor(request: &http::Request<Bytes>) -> &'static [(String, String)] {
    let query = request.uri().query().unwrap_or_default();
    let cursor = query.split('&').find_map(|pair| pair.strip_prefix("cursor="));
    let log = log();
    let from = cursor.map_or(0, |cursor| log.iter().position(|(id, _)| id == cursor).unwrap() + 1);
    &log[from..]
}

/// A server of event streams.
fn event_stream(request: &http::Request<Bytes>) -> (http::Response<()>, Vec<u8>) {
    let head = http::Response::builder().header("content-type", "text/event-stream");
    let content = after_cursor(request).iter().flat_map(|(_, block)| block.bytes()).collect();
    (head.body(()).unwrap(), content)
}

/// A wire to a server that ends after `cuts[n]` bytes on the n-th connection, in the way that
/// `end` says, in pieces of `piece` bytes.
struct Wire<'a> {
    url: &'static str,
    server: Server,
    cuts: &'a [usize],
    piece: usize,
    end: End,
}

/// Runs a subscription until it has seen the whole log, and gives the ids in the order they came.
fn run(wire: &Wire<'_>) -> (Vec<String>, usize) {
    let mut machine = machine(wire.url);
    let mut now = Instant::ORIGIN;
    let mut connections = 0;
    let mut arriving: std::collections::VecDeque<Input> = std::collections::VecDeque::new();
    let mut ids = Vec::new();
    while ids.len() < EVENTS {
        match machine.poll() {
            Output::Open { exchange, request } => {
                arriving = answer(exchange, &request, wire, connections);
                connections += 1;
                assert!(connections <= wire.cuts.len() + 2, "no progress");
            }
            Output::Hangup => arriving.clear(),
            // Pongs: the server does not care.
            Output::Send(_) => {}
            Output::Event(Event::Item(Item::Event(event))) => {
                let id = event.event_id().unwrap().to_owned();
                assert_eq!(machine.cursor(), Some(id.as_str()), "the cursor moves with the event");
                ids.push(id);
            }
            Output::Event(Event::Item(Item::Rejected(rejected))) => panic!("{rejected:?}"),
            Output::Event(_) => {}
            Output::Wait(deadline) => match arriving.pop_front() {
                Some(input) => machine.handle(input, now),
                None => {
                    now = deadline.expect("something to wait for");
                    machine.handle(Input::Elapsed, now);
                }
            },
            other => panic!("{other:?}"),
        }
    }
    (ids, connections)
}

fn machine(url: &str) -> SubscriptionMachine {
    Subscription::url(url)
        .start(&Service::new("rs_test"), Entropy::from_seed(1), Instant::ORIGIN)
        .unwrap()
}

fn answer(
    exchange: ExchangeId,
    request: &http::Request<Bytes>,
    wire: &Wire<'_>,
    connection: usize,
) -> std::collections::VecDeque<Input> {
    let (head, bytes) = (wire.server)(request);
    let cut = wire.cuts.get(connection).copied().unwrap_or(bytes.len()).min(bytes.len());
    let head = head.into_parts().0;
    let mut inputs = std::collections::VecDeque::new();
    inputs.push_back(Input::Response { exchange, head: Box::new(head) });
    for piece in bytes[..cut].chunks(wire.piece.max(1)) {
        inputs.push_back(Input::Data { exchange, bytes: Bytes::copy_from_slice(piece) });
    }
    inputs.push_back(Input::Ended { exchange, why: wire.end.clone() });
    inputs
}

fn all_ids() -> Vec<String> {
    log().iter().map(|(id, _)| id.clone()).collect()
}

const SSE: &str = "https://s/?streamId=a";
const WEBSOCKET: &str = "wss://s/ws?streamId=a";

fn broken() -> End {
    End::Failed(TransportErrorKind::Broken.into())
}

/// The servers of this test, and where they are.
const SERVERS: [(&str, Server); 5] = [
    (SSE, event_stream),
    (SSE, coded::brotli),
    (SSE, coded::deflate),
    (SSE, coded::gzip),
    (WEBSOCKET, websocket::serve),
];

/// Cuts the first connection after each of its bytes in turn.
fn cut_everywhere(url: &'static str, server: Server, end: &End) {
    let (_, whole) = server(&first_request(url));
    let ids = all_ids();
    for cut in 0..=whole.len() {
        let (seen, connections) =
            run(&Wire { url, server, cuts: &[cut], piece: usize::MAX, end: end.clone() });
        assert_eq!(seen, ids, "cut after {cut} bytes");
        assert!(connections <= 2, "cut after {cut} bytes: {connections} connections");
    }
}

fn first_request(url: &str) -> http::Request<Bytes> {
    match machine(url).poll() {
        Output::Open { request, .. } => *request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_event_stream_cut_at_every_byte_loses_nothing_and_repeats_nothing() {
    cut_everywhere(SSE, event_stream, &broken());
}

#[test]
fn a_websocket_cut_at_every_byte_loses_nothing_and_repeats_nothing() {
    cut_everywhere(WEBSOCKET, websocket::serve, &broken());
}

#[test]
fn a_coded_event_stream_cut_at_every_byte_loses_nothing_and_repeats_nothing() {
    for server in [coded::brotli, coded::deflate, coded::gzip] {
        cut_everywhere(SSE, server, &broken());
    }
}

/// In good order as far as HTTP goes, but in the middle of the coding.
#[test]
fn a_coded_event_stream_that_ends_at_every_byte_loses_nothing_and_repeats_nothing() {
    cut_everywhere(SSE, coded::gzip, &End::Complete);
}

#[test]
fn a_wire_that_brings_one_byte_more_each_time_gets_there() {
    // Many reconnects, each with some progress.
    let cuts: Vec<usize> = (1..120).map(|n| 170 + n % 100).collect();
    for (url, server) in SERVERS {
        let (seen, connections) = run(&Wire { url, server, cuts: &cuts, piece: 7, end: broken() });
        assert_eq!(seen, all_ids());
        assert!(connections > 5, "{url}: {connections} connections");
    }
}

proptest! {
    #[test]
    fn any_cuts_and_any_pieces_give_the_log(
        cuts in proptest::collection::vec(0_usize..4000, 0..6),
        piece in 1_usize..300,
    ) {
        for (url, server) in SERVERS {
            let (seen, _) = run(&Wire { url, server, cuts: &cuts, piece, end: broken() });
            prop_assert_eq!(seen, all_ids());
        }
    }
}
