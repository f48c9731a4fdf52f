//! Subscriptions over WebSocket where all goes well: where they start, what goes out, what comes.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use async_tungstenite::tungstenite::handshake::derive_accept_key;
use http::HeaderValue;
use http::header::AUTHORIZATION;
use restless_emulator::{Fault, Upstream};
use restless_hyper::proto::event::Kind;
use restless_hyper::proto::signature::{self, Signer};
use restless_hyper::proto::subscription::{Event, RejectReason};
use restless_hyper::proto::{ConfigError, Entropy, Subscription, direct, websocket, ws};
use restless_hyper::{ClientBuilder, Runtime};
use url::Url;

use super::front::{Front, trusting_nobody};
use super::support::{
    Stage, all_of, builder, data, ended, envelope, event, failure, ids, opened, rejected, take,
    take_ids, web, ws_frame,
};

// Where it leads

/// By stream id, by session id and by URL, which may be the server's `ws:` one.
pub async fn a_stream_is_followed_over_websocket<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 3);
    let by_url = Subscription::url(stage.emulator.websocket_url(&id)).since("0").websocket();
    for subscription in [web(&id), by_url] {
        let mut events = stage.subscribe(subscription);
        assert_eq!(take_ids(&mut events, 3).await, stage.log(&id));
    }
}

/// A REST API is followed directly, with its options in the URL.
pub async fn a_rest_api_is_followed_directly_over_websocket<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let upstream = Upstream::start(r#"{"items":[1]}"#).expect("an upstream");
    let target = direct::target(upstream.url()).polling_interval(1).jq_filter(".items");
    let mut events = stage.subscribe(Subscription::direct(target).since("0").websocket());
    assert_eq!(data(&event(&mut events).await), "[1]");
    upstream.set(r#"{"items":[1,2]}"#);
    assert_eq!(data(&event(&mut events).await), "[1,2]");
}

/// The same events come over both transports, with the same ids, data and cursor.
pub async fn both_transports_give_the_same_events<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 5);
    stage.emulator.publish_error(&id, "UPSTREAM_TIMEOUT", "no answer").expect("an event");
    let mut seen = Vec::new();
    for subscription in [all_of(&id), web(&id)] {
        let mut events = stage.subscribe(subscription);
        let mut of_one = Vec::new();
        for event in take(&mut events, 6).await {
            let data = event.data().map(|data| data.get().to_owned());
            let error = event.error().map(|error| (error.code().into_owned(), error.to_string()));
            of_one.push((event.cursor().map(|id| id.into_owned()), event.kind(), data, error));
        }
        assert_eq!(events.cursor(), stage.log(&id).last().map(String::as_str));
        seen.push(of_one);
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0].iter().filter(|event| event.1 == Kind::Error).count(), 1);
}

// What goes out

/// The opening handshake is that of RFC 6455 §4.1: GET, the fields of the upgrade, version 13, a
/// key of 16 bytes that is another one each time, and compression is offered.
pub async fn the_handshake_is_a_websocket_s<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 2);
    stage.emulator.inject(Fault::cut_after_events(1));
    let mut events = stage.subscribe(web(&id));
    take(&mut events, 2).await;
    let asked = stage.emulator.requests();
    assert_eq!(asked.len(), 2);
    for request in &asked {
        assert_eq!(request.method, "GET");
        let field = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok());
        assert_eq!(field("upgrade").map(str::to_ascii_lowercase).as_deref(), Some("websocket"));
        assert_eq!(field("connection").map(str::to_ascii_lowercase).as_deref(), Some("upgrade"));
        assert_eq!(field("sec-websocket-version"), Some("13"));
        let offer = field("sec-websocket-extensions").unwrap_or_default();
        assert!(offer.starts_with("permessage-deflate"), "{offer:?}");
    }
    let keys = stage.sent("sec-websocket-key");
    assert_ne!(keys[0], keys[1]);
    for key in keys {
        use base64::Engine as _;
        let key = base64::engine::general_purpose::STANDARD.decode(key.expect("a key"));
        assert_eq!(key.map(|key| key.len()), Ok(16));
    }
}

/// The client's key goes out as a bearer token, and nowhere else.
pub async fn the_key_goes_out_with_the_handshake<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 1);
    event(&mut stage.subscribe(web(&id))).await;
    let key = stage.emulator.api_key();
    assert_eq!(stage.sent("authorization"), [Some(format!("Bearer {key}"))]);
    assert_eq!(stage.sent("x-api-key"), [None]);
    assert!(stage.emulator.requests().iter().all(|request| !request.uri.contains(key)));
}

/// The caller's own fields and subprotocols go with each handshake; an `Authorization` of theirs
/// beside the client's key, and the fields of the handshake itself, are errors before anything is
/// sent.
pub async fn the_caller_s_fields_go_with_each_handshake<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 2);
    stage.emulator.inject(Fault::cut_after_events(1));
    let mut events = stage.subscribe(web(&id).header("x-trace", "t1"));
    take(&mut events, 2).await;
    assert_eq!(stage.sent("x-trace"), vec![Some("t1".to_owned()); 2]);
    stage.emulator.clear_requests();
    for (name, value) in [("authorization", "Bearer mine"), ("sec-websocket-key", "mine")] {
        let refused: Result<_, ConfigError> = stage.client.subscribe(web(&id).header(name, value));
        assert!(refused.is_err(), "{name} was taken");
    }
    assert!(stage.emulator.requests().is_empty());
}

/// A subprotocol is offered; a server that leaves it out of its answer leaves the connection
/// without.
pub async fn subprotocols_are_offered<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 1);
    let mut events = stage.subscribe(web(&id).subprotocol("orders.v2").subprotocol("orders.v1"));
    event(&mut events).await;
    let offered = stage.sent("sec-websocket-protocol");
    assert_eq!(offered, [Some("orders.v2, orders.v1".to_owned())]);
}

/// Compression can be left out.
pub async fn compression_is_offered_or_not<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 1);
    event(&mut stage.subscribe(web(&id).deflate(None))).await;
    assert_eq!(stage.sent("sec-websocket-extensions"), [None]);
}

/// A server that compresses, with one window for a connection's messages.
struct Deflating(flate2::Compress);

impl Deflating {
    fn new() -> Self {
        Self(flate2::Compress::new(flate2::Compression::default(), false))
    }

    /// A message's payload (RFC 7692 §7.2.1).
    fn payload(&mut self, text: &str) -> Vec<u8> {
        let mut payload = Vec::with_capacity(text.len() + 64);
        let flush = flate2::FlushCompress::Sync;
        self.0.compress_vec(text.as_bytes(), &mut payload, flush).expect("there is room");
        payload.strip_suffix(b"\x00\x00\xff\xff").expect("a flush ends so").to_vec()
    }
}

/// What the server compresses is read: a message that leans on the one before it, fragments with a
/// ping between them, and one that was left as it is. Another connection has another window.
pub async fn compressed_messages_are_read<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let data = format!("\"{}\"", (0..100).map(|n| n.to_string()).collect::<String>());
    let text = |id: usize| envelope(&data).replacen('{', &format!(r#"{{"event_id":"{id}","#), 1);
    for connection in 0..2 {
        let mut deflating = Deflating::new();
        let alone = deflating.payload(&text(connection * 4));
        let leaning = deflating.payload(&text(connection * 4 + 1));
        assert!(leaning.len() < alone.len() / 2, "the window did not help");
        let parts = deflating.payload(&text(connection * 4 + 2));
        let (first, rest) = parts.split_at(parts.len() / 2);
        let frames = [
            ws_frame(0xC1, &alone),
            ws_frame(0xC1, &leaning),
            ws_frame(0x41, first),
            ws_frame(0x89, b"there?"),
            ws_frame(0x80, rest),
            ws_frame(0x81, text(connection * 4 + 3).as_bytes()),
        ];
        let script = Fault::raw(frames).header("sec-websocket-extensions", "permessage-deflate");
        stage.emulator.inject(script.on_websocket());
    }
    let received = take(&mut stage.subscribe(web("any")), 8).await;
    assert_eq!(ids(&received), ["0", "1", "2", "3", "4", "5", "6", "7"]);
    assert!(received.iter().all(|event| super::support::data(event) == data));
    for offered in stage.sent("sec-websocket-extensions") {
        assert!(offered.expect("an offer").starts_with("permessage-deflate"));
    }
}

// Where it starts

/// Without a position it starts with what is the latest now; `since` replays; and a stored cursor
/// is where another subscription goes on, over the same transport or the other one.
pub async fn a_position_means_the_same_over_websocket<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 6);
    let log = stage.log(&id);
    let mut events = stage.subscribe(Subscription::stream(&id).since(&log[1]).websocket());
    assert_eq!(take_ids(&mut events, 4).await, log[2..]);
    for stop in 0..=6 {
        let mut first = stage.subscribe(web(&id));
        let mut received = take_ids(&mut first, stop).await;
        let stored = first.cursor().unwrap_or_default().to_owned();
        drop(first);
        let second = all_of(&id).cursor(&stored);
        let second = if stop % 2 == 0 { second.websocket() } else { second };
        received.extend(take_ids(&mut stage.subscribe(second), 6 - stop).await);
        assert_eq!(received, log, "stopped after {stop}");
    }
    let mut events = stage.subscribe(Subscription::stream(&id).websocket());
    assert_eq!(opened(&mut events).await.cursor, None);
    stage.emulator.publish(&id, "7").expect("an event");
    assert_eq!(take_ids(&mut events, 2).await, stage.log(&id)[5..]);
}

/// The cursor is that of the last event handed out, whatever has arrived behind it.
pub async fn the_cursor_moves_with_each_message<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 5);
    let mut events = stage.subscribe(web(&id));
    for due in stage.log(&id) {
        assert_ne!(events.cursor(), Some(&*due));
        event(&mut events).await;
        assert_eq!(events.cursor(), Some(&*due));
    }
}

// What comes

/// Text, binary that is UTF-8, fragments with pings between them, and large messages are the same
/// events; an empty message is none.
pub async fn an_event_is_one_message_in_any_form<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 4);
    for form in [
        Fault::none().as_binary(),
        Fault::none().in_fragments(7),
        Fault::none().in_fragments(100).as_binary(),
        Fault::none().in_pieces_of(1).on_websocket(),
        Fault::none().in_fragments(3).in_pieces_of(5),
        Fault::none().padded_to(300_000).in_fragments(5),
        Fault::text("").after_events(2),
        Fault::binary("").after_events(2),
        Fault::pings(100).after_events(1),
    ] {
        let name = format!("{form:?}");
        stage.emulator.inject(form);
        let mut events = stage.subscribe(web(&id));
        assert_eq!(take_ids(&mut events, 4).await, stage.log(&id), "{name}");
        assert_eq!(stage.emulator.pending_faults(), 0, "{name}");
    }
}

/// A message that is no event comes out with its bytes, and the stream goes on.
pub async fn a_message_that_is_no_event_is_handed_out_and_passed<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 2);
    for (fault, due) in [
        (Fault::text("{\"type\":"), &b"{\"type\":"[..]),
        (Fault::text("hello"), b"hello"),
        (Fault::binary(&b"\xFF\xFE"[..]), b"\xFF\xFE"),
    ] {
        stage.emulator.inject(fault.after_events(1));
        let mut events = stage.subscribe(web(&id));
        let mut received = take_ids(&mut events, 1).await;
        let cursor = events.cursor().map(str::to_owned);
        let bad = rejected(&mut events).await;
        assert_eq!(bad.data, due);
        assert!(matches!(bad.reason, RejectReason::Malformed(_)), "{bad:?}");
        assert_eq!(events.cursor(), cursor.as_deref(), "it has no id that could move the cursor");
        received.extend(take_ids(&mut events, 1).await);
        assert_eq!(received, stage.log(&id));
    }
}

/// A message over the limit is rejected, whatever its form, and the stream goes on behind it, as
/// behind an event of an event stream. The message's id is in the text, which stays unread: the
/// cursor moves past it with the next event.
pub async fn a_message_over_the_limit_is_rejected_and_passed<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    let large = format!("\"{}\"", (0..2_000).map(|n| n.to_string()).collect::<String>());
    let log = ["1", &large, "2"].map(|data| stage.emulator.publish(&id, data).expect("an event"));
    let mut faults = vec![Fault::none(), Fault::none().in_fragments(50)];
    // Compressed, where the message behind leans on it.
    let text = |n: usize, data: &str| {
        envelope(data).replacen('{', &format!(r#"{{"event_id":"{}","#, log[n]), 1)
    };
    for fragments in [1, 2] {
        let mut deflating = Deflating::new();
        let mut frames = vec![ws_frame(0xC1, &deflating.payload(&text(0, "1")))];
        let payload = deflating.payload(&text(1, &large));
        let (first, rest) = payload.split_at(payload.len() / fragments);
        if fragments == 1 {
            frames.push(ws_frame(0xC1, first));
        } else {
            frames.extend([ws_frame(0x41, first), ws_frame(0x89, b""), ws_frame(0x80, rest)]);
        }
        frames.push(ws_frame(0xC1, &deflating.payload(&text(2, "2"))));
        faults.push(Fault::raw(frames).header("sec-websocket-extensions", "permessage-deflate"));
    }
    for fault in faults {
        stage.emulator.inject(fault.on_websocket());
        let options = ws::Options::default().message_bytes(4096);
        let mut events = stage.subscribe(web(&id).websocket_options(options));
        assert_eq!(take_ids(&mut events, 1).await, log[..1]);
        let bad = rejected(&mut events).await;
        let RejectReason::TooLarge(limit) = &bad.reason else { panic!("{bad:?}") };
        assert_eq!(limit.maximum(), 4096);
        assert_eq!((bad.data.len(), &bad.id), (0, &None));
        assert_eq!(events.cursor(), Some(&*log[0]));
        assert_eq!(take_ids(&mut events, 1).await, log[2..]);
        assert_eq!(events.cursor(), Some(&*log[2]));
    }
    assert_eq!(take_ids(&mut stage.subscribe(web(&id)), 3).await, log);
}

/// With the secret, signed updates are events; with another one, or none, what comes is rejected.
pub async fn signatures_are_verified_over_websocket<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let (signed, unsigned) = (stage.signed_stream(), stage.stream());
    stage.publish(&signed, 2);
    stage.publish(&unsigned, 1);
    let right = Signer::new(stage.emulator.hmac_secret());
    let mut events = stage.subscribe(web(&signed).verify(right.clone()));
    assert_eq!(take_ids(&mut events, 2).await, stage.log(&signed));
    for (id, signer, due) in [
        (&signed, Signer::new("another"), signature::Error::Mismatch),
        (&unsigned, right, signature::Error::Missing),
    ] {
        let bad = rejected(&mut stage.subscribe(web(id).verify(signer))).await;
        match bad.reason {
            RejectReason::Signature(error) => assert_eq!(error, due),
            reason => panic!("{reason:?}"),
        }
    }
}

// Any other WebSocket

/// A WebSocket without a subscription: it opens, messages come, a ping is answered, and closing it
/// is answered too.
pub async fn any_websocket_is_opened_used_and_closed<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 2);
    let url = format!("{}&since=0", stage.emulator.websocket_url(&id).replacen("ws", "http", 1));
    let url = Url::parse(&url).expect("a URL");
    let handshake = ws::Handshake::new(&url, &mut Entropy::from_seed(7)).expect("a handshake");
    let key = HeaderValue::try_from(format!("Bearer {}", stage.emulator.api_key()));
    let handshake = handshake.header(AUTHORIZATION, key.expect("a value")).expect("a field");
    let socket = stage.client.websocket(handshake, ws::Options::default());
    let mut socket = socket.expect("a WebSocket");
    let first = socket.next().await;
    assert!(matches!(first, Some(websocket::Event::Open(_))), "{first:?}");
    for due in stage.log(&id) {
        match socket.next().await {
            Some(websocket::Event::Message(ws::Message::Text(text))) => {
                assert!(text.as_str().contains(&due), "{text}");
            }
            other => panic!("{other:?}"),
        }
    }
    socket.ping(b"there?").expect("it is open");
    let pong = socket.next().await;
    assert!(
        matches!(&pong, Some(websocket::Event::Pong(payload)) if payload == "there?"),
        "{pong:?}"
    );
    socket.close(ws::CloseCode::NORMAL, "enough").expect("it is open");
    let end = socket.next().await;
    let Some(websocket::Event::Closed(ws::Closed::Clean { close, .. })) = &end else {
        panic!("{end:?}")
    };
    assert_eq!(close.code(), ws::CloseCode::NORMAL);
    assert!(socket.next().await.is_none());
    stage.emulator.until_connections(0).await;
}

/// What is sent goes out at once, before the user asks what comes. The client reads on meanwhile,
/// however much the peer has to say before it listens.
pub async fn what_is_sent_goes_out_at_once<R: Runtime>(rt: R) {
    const MESSAGES: usize = 512;
    const LARGE: usize = 8 << 20;
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("ws://{}", listener.local_addr().expect("an address"));
    let (heard, hear) = mpsc::channel();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        accept(&mut stream);
        for _ in 0..3 {
            heard.send(read_frame(&mut stream)).expect("the scenario goes on");
        }
        // More than the sockets between us hold.
        for _ in 0..MESSAGES {
            stream.write_all(&ws_frame(0x82, &[0; 50_000])).expect("it is read");
        }
        assert_eq!((read_frame(&mut stream), read_frame(&mut stream)), (1, LARGE));
    });
    let url = Url::parse(&url).expect("a URL");
    let handshake = ws::Handshake::new(&url, &mut Entropy::from_seed(7)).expect("a handshake");
    let client = ClientBuilder::new(rt).no_proxy().build().expect("a client");
    let options = ws::Options::default();
    let mut socket = client.websocket(handshake.deflate(None), options).expect("a WebSocket");
    let first = socket.next().await;
    assert!(matches!(first, Some(websocket::Event::Open(_))), "{first:?}");
    for text in ["a", "bb", "ccc"] {
        socket.send_text(text).expect("it is open");
    }
    for length in 1..=3 {
        let heard = hear.recv_timeout(Duration::from_secs(10));
        assert_eq!(heard, Ok(length), "it waits for somebody to ask");
    }
    socket.send_text("d").expect("it is open");
    socket.send_binary(&vec![0; LARGE]).expect("it is open");
    for _ in 0..MESSAGES {
        let next = socket.next().await;
        assert!(matches!(next, Some(websocket::Event::Message(_))), "{next:?}");
    }
    // Its end is the server's, who has read all of it.
    let end = socket.next().await;
    assert!(matches!(end, Some(websocket::Event::Closed(_))), "{end:?}");
    server.join().expect("the server got what was sent");
}

/// Reads the head of a handshake, and answers it (RFC 6455 §4.2.2).
fn accept(stream: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a head");
        head.extend(byte);
    }
    let head = String::from_utf8(head).expect("a head");
    let key = head.lines().find_map(|line| line.strip_prefix("sec-websocket-key: "));
    let accept = derive_accept_key(key.expect("a key").as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Go\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
         sec-websocket-accept: {accept}\r\n\r\n",
    );
    stream.write_all(answer.as_bytes()).expect("it is read");
}

/// Reads a frame of a client, to the length of its payload.
fn read_frame(stream: &mut TcpStream) -> usize {
    let mut head = Vec::new();
    loop {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a frame");
        head.extend(byte);
        if let Some((header, _)) = ws::FrameHeader::decode(&head).expect("a frame") {
            let mut payload = vec![0; header.length as usize];
            stream.read_exact(&mut payload).expect("its payload");
            return payload.len();
        }
    }
}

// TLS

/// A WebSocket over TLS stands with what the caller trusts, and is refused otherwise.
pub async fn websockets_work_over_tls<R: Runtime>(rt: R) {
    let stage = Stage::new(rt.clone());
    let id = stage.stream();
    stage.publish(&id, 3);
    let front = Front::start(stage.emulator.address());
    let over = |builder: ClientBuilder<R>| builder.stream_base_url(front.url("localhost"));
    let trusting = over(builder(&rt, &stage.emulator)).tls_config(front.trusted());
    let client = trusting.build().expect("a client");
    for fault in [Fault::cut_in_payload().after_events(1), Fault::none().padded_to(200_000)] {
        stage.emulator.inject(fault);
    }
    let mut events = client.subscribe(web(&id)).expect("a subscription");
    assert_eq!(take_ids(&mut events, 3).await, stage.log(&id));
    let wary = over(builder(&rt, &stage.emulator)).tls_config(trusting_nobody());
    let wary = wary.build().expect("a client");
    let mut events = wary.subscribe(web(&id)).expect("a subscription");
    failure(&mut events).await;
}

// Its end

/// `close()` says 1000 to the server, waits for its answer, and ends with `None`; nothing more
/// comes, and the cursor stays for the next time.
pub async fn close_closes_the_websocket<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 5);
    let mut events = stage.subscribe(web(&id));
    let received = take_ids(&mut events, 2).await;
    events.close();
    assert!(events.next().await.is_none());
    stage.emulator.until_connections(0).await;
    let mut rest = stage.subscribe(web(&id).cursor(events.cursor().expect("a cursor")));
    let rest = take_ids(&mut rest, 3).await;
    assert_eq!([received, rest].concat(), stage.log(&id));
}

/// A server that does not answer the Close frame is left after the time for it.
pub async fn a_close_that_is_not_answered_ends_in_time<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 1);
    stage.emulator.inject(Fault::deaf());
    let options = ws::Options::default().close_within(Duration::from_millis(200));
    let mut events = stage.subscribe(web(&id).websocket_options(options));
    take(&mut events, 1).await;
    let since = std::time::Instant::now();
    events.close();
    ended(&mut events).await;
    assert!(since.elapsed() >= Duration::from_millis(200));
    stage.emulator.until_connections(0).await;
}

/// A subscription that is dropped closes its socket at once, whatever the server says.
pub async fn a_dropped_websocket_closes_its_socket<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 1);
    for fault in [Fault::none(), Fault::deaf(), Fault::pings(5000)] {
        stage.emulator.inject(fault);
        let mut events = stage.subscribe(web(&id));
        event(&mut events).await;
        drop(events);
        stage.emulator.until_connections(0).await;
    }
}

/// With reconnecting off, the end of the stream is the end, and a deleted stream is 404 on the next
/// connect.
pub async fn the_end_of_a_websocket_is_as_that_of_an_event_stream<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 2);
    stage.emulator.inject(Fault::end_after_events(2));
    let mut events = stage.subscribe(web(&id).reconnect(false));
    assert_eq!(take_ids(&mut events, 2).await, stage.log(&id));
    assert!(events.next().await.is_none());
    let mut events = stage.subscribe(web(&id));
    take(&mut events, 2).await;
    stage.client.send(restless_hyper::proto::streams::delete(&id)).await.expect("deleted");
    let status = loop {
        match events.next_event().await {
            Some(Event::Ended(end)) => break end.into_error().and_then(|error| error.status()),
            Some(_) => {}
            None => panic!("no end was told"),
        }
    };
    assert_eq!(status.map(|status| status.as_u16()), Some(404));
}
