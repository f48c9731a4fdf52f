//! Responses that are odd: those that are fine are read, and those that are not are named and asked
//! for once.

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use restless_emulator::{Emulator, Fault};
use restless_hyper::proto::subscription::Ended;
use restless_hyper::proto::{Error, Subscription, TransportErrorKind, streams};
use restless_hyper::{Client, Runtime};

use super::probe::Probe;
use super::relay::{editing, read_head, serving};
use super::support::{all_of, builder, ended, envelope, lost, take_ids};
use crate::causes;

const STREAM: &str = r#"{"name":"Orders","url":"http://127.0.0.1:9/","status":"INACTIVE"}"#;

fn with_an_event() -> (Emulator, String) {
    let emulator = Emulator::start().expect("an emulator");
    let id = emulator.add_stream(STREAM).expect("a stream");
    emulator.publish(&id, "1").expect("an event");
    (emulator, id)
}

/// A client of an emulator that is reached by way of there.
fn at<R: Runtime>(rt: &R, emulator: &Emulator, address: SocketAddr) -> Client<R> {
    let url = format!("http://{address}");
    let client = builder(rt, emulator).base_url(&url).stream_base_url(&url);
    client.max_retries(0).build().expect("a client")
}

/// A call, and the stream's one event over both transports.
async fn use_each_transport<R: Runtime>(client: &Client<R>, id: &str) {
    client.send(streams::list()).await.expect("a page");
    for subscription in [all_of(id), all_of(id).websocket()] {
        let mut events = client.subscribe(subscription).expect("a subscription");
        take_ids(&mut events, 1).await;
    }
}

/// What a subscription ends with.
async fn end<R: Runtime>(client: &Client<R>, subscription: Subscription) -> Error {
    let mut events = client.subscribe(subscription).expect("a subscription");
    match ended(&mut events).await {
        Ended::Failed(error) => error,
        ended => panic!("{ended:?}"),
    }
}

fn kind(error: &Error) -> TransportErrorKind {
    match error {
        Error::Transport(error) => error.kind(),
        error => panic!("expected a failure of the transport, got {error:?}"),
    }
}

/// A head with these lines behind its first.
fn with_lines(head: &str, lines: &str) -> String {
    head.replacen("\r\n", &format!("\r\n{lines}"), 1)
}

/// Many fields in a head, some 2,000, are read over each transport.
pub async fn a_head_of_many_fields_is_read<R: Runtime>(rt: R) {
    let (emulator, id) = with_an_event();
    let door = editing(emulator.address(), |head| with_lines(head, &"X-A: 1\r\n".repeat(1980)));
    use_each_transport(&at(&rt, &emulator, door), &id).await;
}

/// More than 2,000 would come again in a call's reply: an error that says so, after one connect.
/// Over both transports they are read.
pub async fn a_head_of_too_many_fields_is_named<R: Runtime>(rt: R) {
    let (emulator, id) = with_an_event();
    let probe = Probe::new(rt);
    let door = editing(emulator.address(), |head| with_lines(head, &"X-A: 1\r\n".repeat(2001)));
    let client = at(&probe, &emulator, door);
    let error = client.send(streams::list()).await.expect_err("a failure");
    assert_eq!(kind(&error), TransportErrorKind::Unsupported);
    let text = causes(&error);
    assert!(text.contains("2000 fields") && text.contains("known_limits"), "{text}");
    assert_eq!(probe.connects(), 1);
    for subscription in [all_of(&id), all_of(&id).websocket()] {
        take_ids(&mut client.subscribe(subscription).expect("a subscription"), 1).await;
    }
}

/// A head over 64 KiB would come again: an error that says so, after one connect of each transport.
pub async fn a_head_that_is_too_large_is_named<R: Runtime>(rt: R) {
    let (emulator, id) = with_an_event();
    let probe = Probe::new(rt);
    let line = format!("X-A: {}\r\n", "a".repeat(64 << 10));
    let door = editing(emulator.address(), move |head| with_lines(head, &line));
    let client = at(&probe, &emulator, door);
    for subscription in [all_of(&id), all_of(&id).websocket()] {
        let error = end(&client, subscription).await;
        assert_eq!(kind(&error), TransportErrorKind::Unsupported);
        let text = causes(&error);
        assert!(text.contains("the head of a response") && text.contains("65536"), "{text}");
    }
    assert_eq!(probe.connects(), 2);
}

/// A field that is folded over several lines must be read (RFC 9112 §5.2): one that means nothing
/// here, and the content's type, over each transport.
pub async fn folded_fields_are_read<R: Runtime>(rt: R) {
    let (emulator, id) = with_an_event();
    let door = editing(emulator.address(), |head| {
        let folded = head.replace("content-type: ", "content-type:\r\n  ");
        with_lines(&folded, "X-Folded: a\r\n b\r\n\tc\r\n")
    });
    use_each_transport(&at(&rt, &emulator, door), &id).await;
}

/// A higher minor version is read as 1.1 (RFC 9110 §2.5), over each transport.
pub async fn a_higher_minor_version_is_read<R: Runtime>(rt: R) {
    let (emulator, id) = with_an_event();
    let door = editing(emulator.address(), |head| head.replacen("HTTP/1.1", "HTTP/1.2", 1));
    use_each_transport(&at(&rt, &emulator, door), &id).await;
}

/// Chunks in HTTP/1.0 are read, and the connection is not used again (RFC 9112 §6.1): an event
/// stream, and two calls.
pub async fn chunks_in_http_1_0_are_read<R: Runtime>(rt: R) {
    let (emulator, id) = with_an_event();
    let door = editing(emulator.address(), |head| head.replacen("HTTP/1.1", "HTTP/1.0", 1));
    let probe = Probe::new(rt.clone());
    let client = at(&probe, &emulator, door);
    take_ids(&mut client.subscribe(all_of(&id)).expect("a subscription"), 1).await;

    let page = r#"{"streams":[],"paginationInfo":{"hasNextPage":false}}"#;
    let chunked = serving(move |_, mut stream| {
        read_head(&mut stream, Vec::new())?;
        let head =
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n";
        write!(stream, "{head}{:x}\r\n{page}\r\n0\r\n\r\n", page.len())?;
        // The connection stands, and yet nothing more may come by it.
        let more = read_head(&mut stream, Vec::new());
        assert!(more.is_err(), "a connection of HTTP/1.0 was used again");
        Ok(())
    });
    let probe = Probe::new(rt);
    let client = at(&probe, &emulator, chunked);
    for _ in 0..2 {
        client.send(streams::list()).await.expect("a page");
    }
    assert_eq!(probe.connects(), 2);
}

/// Chunk extensions (RFC 9112 §7.1.1), 80 bytes a chunk, over a stream of 300 events: all of them
/// come over one connection. In hyper they end it after 16 KiB.
pub async fn chunk_extensions_lose_nothing<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let extension = "x".repeat(80);
    let service = serving(move |_, mut stream| {
        let head = read_head(&mut stream, Vec::new())?;
        let cursor = head.split_once("cursor=").map(|(_, cursor)| cursor);
        let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>();
        let from: usize = cursor.map(digits).and_then(|text| text.parse().ok()).unwrap_or(0);
        let fields = "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n";
        write!(stream, "HTTP/1.1 200 OK\r\n{fields}\r\n")?;
        for n in from + 1..=300 {
            let event = format!("id: {n}\ndata: {}\n\n", envelope("1"));
            write!(stream, "{:x};a={extension}\r\n{event}\r\n", event.len())?;
        }
        // It stands until the client has gone.
        read_head(&mut stream, Vec::new()).map(drop)
    });
    let client = at(&rt, &emulator, service);
    let mut events = client.subscribe(all_of("any").reconnect(false)).expect("a subscription");
    let due: Vec<_> = (1..=300).map(|n: usize| n.to_string()).collect();
    assert_eq!(take_ids(&mut events, 300).await, due);
}

/// A response whose `Date` is missing or no date gets the time of its receipt (RFC 9110 §6.6.1), so
/// that a date in `Retry-After` says how long to wait, over each transport.
pub async fn a_date_in_retry_after_needs_no_date_beside_it<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    for date in ["", "date: soon\r\n"] {
        let door = editing(emulator.address(), move |head| {
            let lines = head.split_inclusive("\r\n").filter(|line| !line.starts_with("date:"));
            with_lines(&lines.collect::<String>(), date)
        });
        let until = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3600));
        let busy = || Fault::status(503).header("retry-after", &*until);
        let client = at(&rt, &emulator, door);
        emulator.inject(busy().on_rest());
        let error = client.send(streams::list()).await.expect_err("busy");
        let Error::Refused(refused) = &error else { panic!("{error:?}") };
        let wait = refused.retry_after().expect("a wait");
        assert!(wait > Duration::from_secs(3000) && wait < Duration::from_secs(4000), "{wait:?}");
        for subscription in [all_of("any"), all_of("any").websocket()] {
            emulator.inject(busy());
            let mut events = client.subscribe(subscription).expect("a subscription");
            let lost = lost(&mut events).await;
            let wait = events.watch().time(lost.retry_at).duration_since(Instant::now());
            assert!(wait > Duration::from_secs(3000), "{wait:?}");
        }
    }
}

/// A 408 on a connection that an earlier call has left is no answer: the server gave up waiting for
/// a request before it saw one (RFC 9110 §15.5.9). An idempotent call goes once more, on a new
/// connection; any other is told, as it is on a new one.
pub async fn a_408_on_a_kept_connection_is_no_answer<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let probe = Probe::new(rt);
    let client = at(&probe, &emulator, emulator.address());
    client.send(streams::list()).await.expect("a page");
    emulator.inject(Fault::status(408).on_rest());
    client.send(streams::list()).await.expect("a page");
    assert_eq!(probe.connects(), 2);

    let create = || streams::create("Orders", "http://127.0.0.1:9/").status("INACTIVE");
    emulator.inject(Fault::status(408).on_rest());
    let error = client.send(create()).await.expect_err("408");
    assert_eq!(error.status().map(|status| status.as_u16()), Some(408));

    emulator.inject(Fault::status(408).on_rest().times(2));
    let error = client.send(streams::list()).await.expect_err("408 on a new one");
    assert_eq!(error.status().map(|status| status.as_u16()), Some(408));
}
