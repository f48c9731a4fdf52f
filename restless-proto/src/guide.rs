//! Writing a driver: how to run the machines of this crate over any I/O, without reading an adapter.
//!
//! A *machine* ([`CallMachine`], [`SubscriptionMachine`]) knows the protocol: what to send, when to
//! reconnect, where to resume. A *driver* knows the world: sockets, time. The two meet in
//! [`Machine`], [`Input`] and [`Output`](crate::machine::Output), and in nothing else.
//!
//! # The loop
//!
//! ```text
//!          ┌────────────────────────────────────────────────────┐
//!          ▼                                                    │
//!      poll() ──► Open, Send, Hangup, Authorize ──► do it ──────┤
//!          │                                                    │
//!          ├────► Event ──► give it to the user ────────────────┤
//!          │                                                    │
//!          ├────► Wait(deadline) ──► wait for bytes or time ──► handle(input, now)
//!          │
//!          └────► Done
//! ```
//!
//! # What each output asks for
//!
//! | output | the driver | inputs that follow |
//! | --- | --- | --- |
//! | [`Open`](crate::machine::Output::Open) | drops what is left of an earlier exchange, connects, sends the request | `Response`, `Data`…, `Ended`, each with this exchange's id |
//! | [`Send`](crate::machine::Output::Send) | writes the bytes to the open exchange's connection, in order | none, or `Ended` if it can't |
//! | [`Hangup`](crate::machine::Output::Hangup) | drops the open exchange and closes its connection | none |
//! | [`Authorize`](crate::machine::Output::Authorize) | asks the user for a key, a fresh one where the last was rejected | `Credentials` |
//! | [`Event`](crate::machine::Output::Event) | hands it to the user, now: the cursor has moved | none |
//! | [`Wait`](crate::machine::Output::Wait) | waits for the network, or until the deadline | whatever came, or `Elapsed` |
//! | [`Done`](crate::machine::Output::Done) | stops | none |
//!
//! # The rules
//!
//! 1. **Poll until `Wait` or `Done`** before reading more. Bytes that were handed in sit inside as
//!    one chunk, and come out as events one by one. A driver that reads only at `Wait` has
//!    back-pressure for free: a slow user slows the peer down.
//! 2. **Bytes before time.** Where both are there, hand in the bytes: they may be what the deadline
//!    was about. After a long pause let your reactor look at the sockets before you say `Elapsed`:
//!    to wait some 20 ms more for bytes, once the deadline has passed, is enough.
//! 3. **Whatever fails is an [`End`]**: a name that can't be resolved, a refused connection, a bad
//!    certificate, a reset. Say which with [`TransportErrorKind`], and put the cause into the
//!    [`TransportError`]. The machine decides whether to try again.
//! 4. **Never retry, redirect or time a request yourself**, save for the time that connecting takes
//!    ([`Timer::Connect`], [`Timer::TlsHandshake`]), which a machine can't see. Switch these off in the HTTP client below.
//! 5. **Time only moves forward.** Take an origin once, and pass the time since then. If a while has
//!    gone by since the machine was made, say `Elapsed` before the first poll.
//! 6. **The request is whole** but for `Host`, `Content-Length` and `Connection`. Send its fields as
//!    they are. `Data` is content without the transfer coding, but with the content coding that
//!    `Content-Encoding` names: switch an HTTP client's own decoding off, or see to it that the
//!    field goes with the coding. Interim responses are not reported.
//!    A response without `Date` gets the time of its receipt as one (RFC 9110 §6.6.1): a date in
//!    `Retry-After` is read against it, and a machine has no clock to ask.
//!    One that says `Connection: Upgrade` must go out over HTTP/1.1; after the head of a 101 the
//!    connection is the machine's: `Data` is whatever comes, and `Send` whatever goes.
//! 7. **A question is open until something else comes out.** After `Authorize` comes `Wait`: wait for
//!    the user's answer and for the deadline. Any other output but `Wait` takes the question back; an
//!    answer that comes later does no harm. A service with a fixed key, or none, never asks.
//! 8. **Dropping is closing.** A machine that is dropped in the middle leaves nothing behind.
//!
//! A late input of an older exchange does no harm, nor does `Elapsed` too early, nor an input that
//! the state does not want: no order of calls is an error.
//!
//! # A driver
//!
//! This one runs any machine to its end over a function that plays the network, in time that it
//! makes up. A real one differs in `fetch` and in how it waits; it needs no other case.
//!
//! ```
//! use std::time::Duration;
//! use bytes::Bytes;
//! use restless_proto::machine::{End, Input, Machine, Output};
//! use restless_proto::subscription::{Event, Ended};
//! use restless_proto::{Entropy, Instant, Service, Subscription};
//!
//! /// Status, content type and content for a request: the part that a driver has I/O for.
//! type Fetch<'a> = &'a mut dyn FnMut(&http::Request<Bytes>) -> http::Response<Bytes>;
//!
//! fn drive<M: Machine>(machine: &mut M, fetch: Fetch<'_>) -> Vec<M::Event> {
//!     let mut events = Vec::new();
//!     let mut now = Instant::ORIGIN;
//!     // What "the network" has for us, in order.
//!     let mut arriving = std::collections::VecDeque::new();
//!     loop {
//!         match machine.poll() {
//!             Output::Open { exchange, request } => {
//!                 arriving.clear();
//!                 let (head, content) = fetch(&request).into_parts();
//!                 arriving.push_back(Input::Response { exchange, head: Box::new(head) });
//!                 arriving.push_back(Input::Data { exchange, bytes: content });
//!                 arriving.push_back(Input::Ended { exchange, why: End::Complete });
//!             }
//!             Output::Send(_) => unreachable!("only on upgraded connections"),
//!             Output::Hangup => arriving.clear(),
//!             Output::Authorize { .. } => machine.handle(Input::Credentials(Ok(None)), now),
//!             Output::Event(event) => events.push(event),
//!             Output::Wait(deadline) => match (arriving.pop_front(), deadline) {
//!                 (Some(input), _) => machine.handle(input, now),
//!                 (None, Some(deadline)) => {
//!                     now = deadline; // here a real driver sleeps
//!                     machine.handle(Input::Elapsed, now);
//!                 }
//!                 (None, None) => panic!("nothing to wait for"),
//!             },
//!             Output::Done => return events,
//!         }
//!     }
//! }
//!
//! // A server that cuts the stream after each event, and says 204 in the end.
//! let mut served = 0;
//! let mut server = |request: &http::Request<Bytes>| {
//!     let response = http::Response::builder().header("content-type", "text/event-stream");
//!     served += 1;
//!     if served > 3 {
//!         assert!(request.uri().query().unwrap().contains("cursor=3"));
//!         return response.status(204).body(Bytes::new()).unwrap();
//!     }
//!     let event = r#"{"type":"update","meta":{"timestamp":"2026-03-24T00:00:00Z"},"data":1}"#;
//!     response.body(format!("id: {served}\ndata: {event}\n\n").into()).unwrap()
//! };
//!
//! let mut machine = Subscription::url("https://stream.example.com/?streamId=s")
//!     .start(&Service::default(), Entropy::from_seed(1), Instant::ORIGIN)?;
//! let events = drive(&mut machine, &mut server);
//!
//! let items = events.iter().filter(|event| matches!(event, Event::Item(_))).count();
//! assert_eq!(items, 3);
//! assert_eq!(machine.cursor(), Some("3"));
//! assert!(matches!(events.last(), Some(Event::Ended(Ended::NoContent))));
//! # Ok::<(), restless_proto::ConfigError>(())
//! ```
//!
//! A call runs by the same loop. It tries again by itself, as [`CallMachine`] says, so the HTTP
//! client below must not:
//!
//! ```
//! # use restless_proto::{CallOptions, Entropy, Instant, Service, streams};
//! let machine = streams::get("stream_1").start(
//!     &Service::new("rs_0123456789abcdef"),
//!     CallOptions::default(),
//!     Entropy::from_seed(7),
//!     Instant::ORIGIN, // in life: Instant::from_origin(clock.elapsed())
//! )?;
//! # let _ = machine;
//! # Ok::<(), restless_proto::ConfigError>(())
//! ```
//!
//! Whole drivers, over reqwest, ureq, async-tungstenite, a bare `TcpStream` and on an executor of one
//! thread, stand in the repository's `examples/bring-your-own`.
//!
//! In life, seed [`Entropy`](crate::Entropy) with 32 bytes from the operating system, and wait for
//! `deadline.saturating_duration_since(now)`. A read that times out in the middle of something must
//! keep the bytes that it has.
//!
//! # WebSocket
//!
//! A subscription over WebSocket opens an exchange whose request says `Connection: Upgrade`. Its
//! response's head, 101, turns the connection over: from then on every byte that comes is `Data`,
//! and every [`Send`](crate::machine::Output::Send) is written as it is. Who has a socket and no
//! HTTP stack makes these inputs with [`UpgradeExchange`](crate::ws::UpgradeExchange), which copies
//! what was read: simple, and fast enough for most.
//!
//! A driver whose HTTP stack turns the connection over reads into a
//! [`ReadBuffer::for_websocket`](crate::ReadBuffer::for_websocket), and gives the machine slices of
//! it: of a read that is not small, neither messages nor events are copied.
//!
//! Who has a WebSocket stack already asks for
//! [`whole_messages`](crate::Subscription::whole_messages) instead, and tells of
//! [`Message`](crate::machine::Input::Message), of pings and pongs as empty `Data`, since they are
//! sound, and of [`End::Closed`](crate::machine::End::Closed).
//!
//! A driver for an async runtime keeps the machine and the open exchange in one struct, and does
//! the same in its `poll` function: `Wait` becomes "poll the exchange, then the alarm, else
//! `Pending`". Since all state is in the struct, its futures are safe to cancel.
//!
//! [`CallMachine`]: crate::CallMachine
//! [`SubscriptionMachine`]: crate::subscription::SubscriptionMachine
//! [`Machine`]: crate::machine::Machine
//! [`Input`]: crate::machine::Input
//! [`End`]: crate::machine::End
//! [`TransportError`]: crate::TransportError
//! [`TransportErrorKind`]: crate::TransportErrorKind
//! [`Timer::Connect`]: crate::Timer::Connect
//! [`Timer::TlsHandshake`]: crate::Timer::TlsHandshake
