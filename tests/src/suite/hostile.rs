//! Peers that mean harm, where a socket is needed to see what they do: endless heads, lengths that
//! no number holds, and floods beside which others have to get their turn. What an adapter adds
//! nothing to is in `restless-proto/tests/hostile`, with memory and work counted.

use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpStream};

use restless_emulator::{Emulator, Fault};
use restless_hyper::proto::{Error, TransportErrorKind, streams};
use restless_hyper::{Client, ClientBuilder, Events, Runtime};

use super::probe::Probe;
use super::relay::{read_head, serving};
use super::support::{
    Either, Stage, all_of, builder, envelope, event, failure, frame, opened, race, web, ws_frame,
};

/// A client of a server that stands there.
fn at<R: Runtime>(rt: &R, server: SocketAddr) -> Client<R> {
    let url = format!("http://{server}");
    let client = ClientBuilder::new(rt.clone()).no_proxy().base_url(&url).stream_base_url(&url);
    client.max_retries(0).build().expect("a client")
}

/// A server that says this to each request, and then that for as long as anybody listens, in pieces
/// of so many bytes.
fn saying(begin: &'static str, again: &'static [u8], piece: usize) -> SocketAddr {
    serving(move |_, mut stream: TcpStream| -> io::Result<()> {
        stream.set_nodelay(true)?;
        read_head(&mut stream, Vec::new())?;
        stream.write_all(begin.as_bytes())?;
        let again = again.repeat(piece.div_ceil(again.len()));
        loop {
            stream.write_all(&again[..piece])?;
        }
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

fn is_http(error: &Error) -> bool {
    let kinds = [TransportErrorKind::Protocol, TransportErrorKind::Unsupported];
    matches!(error, Error::Transport(error) if kinds.contains(&error.kind()))
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
            // A line is whole, or it is another fault.
            let piece = if piece > 1 { piece / again.len() * again.len() } else { 1 };
            let again = if piece == 1 { &again[..1] } else { again };
            let probe = Probe::new(rt.clone());
            let client = at(&probe, saying(begin, again, piece));
            for error in errors(&client).await {
                assert!(is_http(&error), "{begin:?} by {piece}: {error:?}");
            }
            assert_eq!(probe.connects(), 3, "{begin:?} by {piece}");
        }
    }
}

/// A length of content, or a chunk's size, over 63 bits is an error of HTTP over each transport; of
/// 62 bits it is believed when it has come, and not before.
pub async fn a_length_over_63_bits_is_an_error<R: Runtime>(rt: R) {
    for head in [
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
         content-length: 18446744073709551616\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
         transfer-encoding: chunked\r\n\r\n10000000000000000\r\n",
    ] {
        let client = at(&rt, saying(head, b" ", 4096));
        let errors = errors(&client).await;
        // Over WebSocket, a status of 200 is what is wrong first.
        // hyper calls a chunk's size a fault of the content.
        assert!(matches!(errors[0], Error::Transport(_)), "{head:?}: {errors:?}");
        assert!(is_http(&errors[1]), "{head:?}: {errors:?}");
    }
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
                content-length: 4611686018427387904\r\n\r\n";
    let error = at(&rt, saying(head, b" ", 4096)).send(streams::list()).await;
    assert!(matches!(error, Err(Error::Limit(_))), "{error:?}");
    let block = format!("{head}data: {}\n\n", envelope("7"));
    let client = at(&rt, saying(block.leak(), b":\n", 4096));
    let mut events = client.subscribe(all_of("any")).expect("a subscription");
    assert_eq!(event(&mut events).await.data().expect("data").get(), "7");
}

/// A frame of 2⁶² bytes and one of 2⁶³ are what they are in the machine: passed over, or a
/// violation; neither is waited for with memory, and the next connection goes on.
pub async fn a_frame_of_2_to_the_63_is_a_violation<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let frame = [&[0x82, 127][..], &(1_u64 << 63).to_be_bytes()].concat();
    stage.emulator.inject(Fault::raw([frame]).on_websocket().then_stall());
    let subscription = all_of("any").websocket().reconnect(false);
    let error = failure(&mut stage.subscribe(subscription)).await;
    assert!(matches!(error, Error::Protocol(_)), "{error:?}");
}

/// Floods as fast as a socket takes them: of comments, blank lines, ids, pings, pongs, empty
/// messages, empty fragments, and of events over each transport. Each is followed, and beside it,
/// on the same thread, a call gets its turn.
pub async fn a_flood_starves_nobody<R: Runtime>(rt: R) {
    let calm = Emulator::start().expect("an emulator");
    let client = builder(&rt, &calm).build().expect("a client");
    let stage = Stage::new(rt);
    let pieces = |once: &[u8]| {
        let piece = bytes::Bytes::from(once.repeat((4 << 10) / once.len()));
        // More than there is time to read.
        Fault::raw(std::iter::repeat_n(piece, 100_000))
    };
    let block = frame("7", "7");
    let over_sse: [&[u8]; 5] =
        [b":\n", b"\n", b"id: 7\n\n", b"event: other\ndata: x\n\n", block.as_bytes()];
    let over_websocket = [
        ws_frame(0x89, b"there?"),
        ws_frame(0x8A, b""),
        ws_frame(0x81, b""),
        // A message of three fragments, none of which has anything in it.
        vec![1, 0, 0, 0, 0x80, 0],
        ws_frame(0x81, envelope("7").as_bytes()),
    ];
    let floods = over_sse
        .map(|once| (pieces(once), all_of("any")))
        .into_iter()
        .chain(over_websocket.map(|once| (pieces(&once).on_websocket(), web("any"))));
    for (number, (flood, subscription)) in floods.enumerate() {
        stage.emulator.inject(flood);
        let mut events = stage.subscribe(subscription.retry(std::time::Duration::from_secs(60)));
        opened(&mut events).await;
        let call = async {
            client.send(streams::list()).await.expect("a page");
        };
        match race(std::pin::pin!(call), until_over(&mut events)).await {
            Either::First(()) => {}
            Either::Second(()) => panic!("flood {number} was over, or ended it"),
        }
    }
}

/// Takes whatever comes, as long as something may.
async fn until_over<R: Runtime>(events: &mut Events<R>) {
    while events.next_event().await.is_some() {}
}
