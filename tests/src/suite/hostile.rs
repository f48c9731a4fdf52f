//! Peers that mean harm, where a socket is needed to see what they do: endless heads, lengths that
//! no number holds, and floods beside which others have to get their turn. What an adapter adds
//! nothing to is in `restless-proto/tests/hostile`, with memory and work counted.

use std::cell::Cell;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::{Duration, Instant};

use restless_emulator::{Emulator, Fault};
use restless_hyper::proto::subscription::{Event, Item, LossReason, RejectReason};
use restless_hyper::proto::{Error, TransportErrorKind, streams};
use restless_hyper::{Client, ClientBuilder, Events, Runtime};

use super::probe::Probe;
use super::relay::{read_head, say_for_ever, serving};
use super::support::{
    Either, Stage, all_of, builder, data, envelope, event, failure, frame, lost, opened, race,
    rejected, take_ids, web, ws_frame,
};
use crate::causes;

/// A client of a server that stands there.
fn at<R: Runtime>(rt: &R, server: SocketAddr) -> Client<R> {
    let url = format!("http://{server}");
    let client = ClientBuilder::new(rt.clone()).no_proxy().base_url(&url).stream_base_url(&url);
    client.max_retries(0).build().expect("a client")
}

/// A server that says this to each request, and then that for as long as anybody listens, in pieces
/// of so many bytes.
fn saying(begin: &'static str, again: &'static [u8], piece: usize) -> SocketAddr {
    serving(move |_, mut stream| {
        read_head(&mut stream, Vec::new())?;
        say_for_ever(&mut stream, begin.as_bytes(), again, piece)
    })
}

/// The error of a call, and those of a subscription over each transport.
async fn errors<R: Runtime>(client: &Client<R>) -> Vec<Error> {
    let mut errors = vec![client.send(streams::list()).await.expect_err("a failure")];
    for subscription in [all_of("any"), all_of("any").websocket()] {
        let subscription = subscription.reconnect(false);
        errors.push(failure(&mut client.subscribe(subscription).expect("one")).await);
    }
    errors
}

fn kind(error: &Error) -> Option<TransportErrorKind> {
    match error {
        Error::Transport(error) => Some(error.kind()),
        _ => None,
    }
}

fn is_http(error: &Error) -> bool {
    let kinds = [TransportErrorKind::Protocol, TransportErrorKind::Unsupported];
    kind(error).is_some_and(|kind| kinds.contains(&kind))
}

/// A head without end, of one field or of many, is an error that names HTTP, over each transport,
/// in pieces of one byte and of 4 KiB, after one connect.
pub async fn a_head_without_end_is_an_error<R: Runtime>(rt: R) {
    for (begin, again) in [
        ("HTTP/1.1 200 O", &b"K"[..]),
        ("HTTP/1.1 200 OK\r\nX-A: ", b"a"),
        ("HTTP/1.1 200 OK\r\n", b"x-a: bc\r\n"),
    ] {
        for piece in [1, 4096] {
            let probe = Probe::new(rt.clone());
            let client = at(&probe, saying(begin, again, piece));
            for error in errors(&client).await {
                assert!(is_http(&error), "{begin:?} by {piece}: {error:?}");
            }
            assert_eq!(probe.connects(), 3, "{begin:?} by {piece}");
        }
    }
}

/// A length of content, or a chunk's size, over 63 bits is an error of HTTP over server-sent
/// events, and over WebSocket where it is in the head: in front of chunks, the status of 200 is
/// what is wrong. To a call it is one over 64 bits, which is where hyper ends, with two numbers
/// before that; what is less comes to the limit of the content. Of 62 bits it is believed when it
/// has come, and not before.
pub async fn a_length_over_63_bits_is_an_error<R: Runtime>(rt: R) {
    use TransportErrorKind::{Broken, Protocol, Unsupported};
    const OK: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n";
    for (length, due_of_length, due_of_size) in [
        (1_u128 << 63, None, None),
        (u128::from(u64::MAX), Some(Unsupported), None),
        // hyper calls a chunk's size a fault of the content.
        (1_u128 << 64, Some(Protocol), Some(Broken)),
    ] {
        let in_head = format!("{OK}content-length: {length}\r\n\r\n");
        let in_chunks = format!("{OK}transfer-encoding: chunked\r\n\r\n{length:x}\r\n");
        for (head, due, is_in_head) in
            [(in_head, due_of_length, true), (in_chunks, due_of_size, false)]
        {
            let client = at(&rt, saying(head.clone().leak(), b" ", 4096));
            let errors = errors(&client).await;
            let [call, stream, websocket] = &errors[..] else { panic!("{errors:?}") };
            assert_eq!(kind(call), due, "{head:?}: {call:?}");
            assert_eq!(matches!(call, Error::Limit(_)), due.is_none(), "{head:?}: {call:?}");
            let is_named = due != Some(Unsupported) || causes(call).contains("content-length");
            assert!(is_named, "{head:?}: {}", causes(call));
            assert_eq!(kind(stream), Some(Protocol), "{head:?}: {stream:?}");
            assert_eq!(kind(websocket), is_in_head.then_some(Protocol), "{head:?}: {websocket:?}");
            let is_refused = matches!(websocket, Error::Refused(it) if it.status() == 200);
            assert_eq!(is_refused, !is_in_head, "{head:?}: {websocket:?}");
        }
    }
    for length in [
        "content-length: 4611686018427387904\r\n\r\n",
        "transfer-encoding: chunked\r\n\r\n4000000000000000\r\n",
    ] {
        let head = format!("{OK}{length}");
        let error = at(&rt, saying(head.clone().leak(), b" ", 4096)).send(streams::list()).await;
        assert!(matches!(error, Err(Error::Limit(_))), "{error:?}");
        let block = format!("{head}data: {}\n\n", envelope("7"));
        let client = at(&rt, saying(block.leak(), b":\n", 4096));
        let mut events = client.subscribe(all_of("any")).expect("a subscription");
        assert_eq!(data(&event(&mut events).await), "7");
    }
}

/// A frame of 2⁶² bytes is too large, which is told as soon as its length is there, and is passed
/// over; one of 2⁶³ is a violation (RFC 6455 §5.2), and ends the connection. Behind either, the
/// next connection goes on.
pub async fn a_frame_of_2_to_the_63_is_a_violation<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 2);
    for (length, is_allowed) in
        [(1 << 62, true), (u64::MAX >> 1, true), (1 << 63, false), (u64::MAX, false)]
    {
        let head = [&[0x82, 127][..], &length.to_be_bytes()].concat();
        let fault = Fault::raw([head, vec![0; 4 << 10]]).on_websocket();
        if is_allowed {
            // The rest of it does not come, and nobody waits for the rest.
            stage.emulator.inject(fault.clone().then_stall());
            let told = rejected(&mut stage.subscribe(web(&id))).await;
            assert!(matches!(told.reason, RejectReason::TooLarge(_)), "{length}: {told:?}");
        }
        let fault = if is_allowed { fault.then_cut() } else { fault.then_stall() };
        stage.emulator.inject(fault);
        let mut events = stage.subscribe(web(&id));
        opened(&mut events).await;
        if is_allowed {
            match events.next_event().await {
                Some(Event::Item(Item::Rejected(_))) => {}
                other => panic!("{length}: expected a rejected event, got {other:?}"),
            }
        }
        let lost = lost(&mut events).await;
        let is_violation = matches!(lost.reason, LossReason::Error(Error::Protocol(_)));
        assert_eq!(is_violation, !is_allowed, "{length}: {lost:?}");
        assert_eq!(take_ids(&mut events, 2).await, stage.log(&id), "{length}");
    }
}

/// Bytes of a flood that are to be read, at the least, while others are waiting for their turn.
const ENOUGH: usize = 256 << 10;

/// How long a call may take beside a flood, or it fails: it would take for ever where others get no
/// turn, and a busy machine takes its time.
const MOST_WAIT: Duration = Duration::from_secs(60);

/// Floods as fast as a socket takes them: of comments, blank lines, ids, pings, pongs, empty
/// messages, empty fragments, and of events over each transport. Each is read and followed, and
/// beside it, on the same thread, each of several calls is answered in time.
pub async fn a_flood_starves_nobody<R: Runtime>(rt: R) {
    let calm = Emulator::start().expect("an emulator");
    let client = builder(&rt, &calm).timeout(MOST_WAIT).build().expect("a client");
    let probe = Probe::new(rt);
    let stage = Stage::new(probe.clone());
    let pieces = |once: &[u8]| {
        let piece = bytes::Bytes::from(once.repeat((4 << 10) / once.len()));
        // More than there is time to read.
        Fault::raw(std::iter::repeat_n(piece, 100_000))
    };
    let block = frame("7", "7");
    let over_sse: [(&str, &[u8]); 5] = [
        ("comments", b":\n"),
        ("blank lines", b"\n"),
        ("ids", b"id: 7\n\n"),
        ("events of another name", b"event: other\ndata: x\n\n"),
        ("events", block.as_bytes()),
    ];
    let over_websocket = [
        ("pings", ws_frame(0x89, b"there?")),
        ("pongs", ws_frame(0x8A, b"")),
        ("empty messages", ws_frame(0x81, b"")),
        // A message of three fragments, none of which has anything in it.
        ("empty fragments", vec![1, 0, 0, 0, 0x80, 0]),
        ("events", ws_frame(0x81, envelope("7").as_bytes())),
    ];
    let floods = over_sse
        .map(|(name, once)| (name, pieces(once), all_of("any")))
        .into_iter()
        .chain(over_websocket.map(|(name, once)| (name, pieces(&once).on_websocket(), web("any"))));
    for (name, flood, subscription) in floods {
        stage.emulator.inject(flood);
        let mut events = stage.subscribe(subscription.retry(Duration::from_secs(60)));
        opened(&mut events).await;
        let (before, told) = (probe.read(), Cell::new(0));
        let due = if name == "events" { 100 } else { 0 };
        let calls = async {
            let (mut count, mut slowest) = (0, Duration::ZERO);
            while count < 5 || probe.read() - before < ENOUGH || told.get() < due {
                let start = Instant::now();
                client
                    .send(streams::list())
                    .await
                    .unwrap_or_else(|error| panic!("{name}: {error}"));
                slowest = slowest.max(start.elapsed());
                count += 1;
            }
            (count, slowest)
        };
        match race(pin!(calls), until_over(&mut events, &told)).await {
            Either::First((count, slowest)) => {
                println!("beside a flood of {name}: the slowest of {count} calls took {slowest:?}");
            }
            Either::Second(()) => panic!("the flood of {name} was over, or ended it"),
        }
    }
}

/// Takes whatever comes, as long as something may, and counts the events.
async fn until_over<R: Runtime>(events: &mut Events<R>, told: &Cell<usize>) {
    while let Some(event) = events.next_event().await {
        if let Event::Item(Item::Event(event)) = event {
            assert_eq!(data(&event), "7");
            told.set(told.get() + 1);
        }
    }
}
