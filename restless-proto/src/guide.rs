//! Writing a driver: how to run the machines of this crate over any I/O, without reading an
//! adapter.
//!
//! A *machine* ([`CallMachine`], [`SubscriptionMachine`]) knows the protocol: what to send, when to
//! reconnect, where to resume. A *driver* knows the world: sockets and time. Machine and driver
//! meet in [`Machine`], [`Input`] and [`Output`](crate::machine::Output) alone.
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
//! | [`Open`](crate::machine::Output::Open) | drops what is left of an earlier exchange, connects, sends the request | `Connected` where it can tell, `Response`, `Data`…, `Ended`, each with this exchange's id |
//! | [`Send`](crate::machine::Output::Send) | writes the bytes to the open exchange's connection, in order | none, or `Ended` if it can't |
//! | [`Hangup`](crate::machine::Output::Hangup) | drops the open exchange and closes its connection | none |
//! | [`Authorize`](crate::machine::Output::Authorize) | asks the user for a key, a fresh one where the last was rejected | `Credentials` |
//! | [`Event`](crate::machine::Output::Event) | hands it to the user, now: the cursor has moved | none |
//! | [`Wait`](crate::machine::Output::Wait) | waits for the network, or until the deadline | whatever came, or `Elapsed` |
//! | [`Done`](crate::machine::Output::Done) | stops | none |
//!
//! # The rules
//!
//! 1. **Poll until `Wait` or `Done`** before reading more. A machine keeps bytes that were handed
//!    in as one chunk, and gives them out as events one by one. A driver that reads only at `Wait`
//!    has back-pressure for free: a slow user slows the peer down.
//! 2. **Bytes before time.** Where bytes have come and the deadline is reached, hand in the bytes:
//!    the deadline may be about these very bytes. A driver that stood still for a while notices a
//!    deadline late, and the bytes that have come meanwhile are still with the operating system.
//!    Therefore a machine with an open exchange, told of a deadline more than 20 ms late, asks once
//!    to wait 20 ms more. The request for the wait is an ordinary `Wait`.
//! 3. **Whatever fails is an [`End`]**: an unknown name, a refused connection, a bad certificate, a
//!    reset. [`TransportErrorKind`] says which failure it was, and the [`TransportError`] carries
//!    the cause. The machine decides whether to try again.
//! 4. **Leave retries, redirects and timeouts to the machine**, and switch all of them off in the
//!    HTTP client below. The driver keeps only the time that connecting takes ([`Timer::Connect`],
//!    [`Timer::TlsHandshake`]), which a machine can't see.
//! 5. **Time only moves forward.** Take an origin once, and pass the time since the origin. If a
//!    while has gone by since the machine was made, hand in `Elapsed` before the first poll.
//! 6. **The request is whole** but for `Host`, `Content-Length` and `Connection`. Send the
//!    request's fields as they are. `Data` is content without the transfer coding, but with the
//!    content coding that `Content-Encoding` names: switch off the decoding of an HTTP client, or
//!    see to it that the field goes with the coding. Interim responses stay with the driver. A
//!    driver that gets a response with `Retry-After` and without `Date` adds the time of receipt as
//!    `Date` (RFC 9110 §6.6.1): the machine lacks a clock, and reads a date in `Retry-After`
//!    against that field. Any other response stays without: its `Date` would be a position to
//!    resume at, by another clock than the service's. A request that says `Connection: Upgrade`
//!    must go out over HTTP/1.1; after the head of a 101 the connection is the machine's: `Data` is
//!    whatever comes, and `Send` whatever goes. The target that goes over the wire has a path: `/`
//!    where the URL's path is empty (RFC 9112 §3.2.1). A GET or DELETE whose content is empty goes
//!    out without content; an empty POST says `Content-Length: 0` (RFC 9110 §8.6).
//! 7. **A question is open until something else comes out.** After `Authorize` comes `Wait`: wait
//!    for the user's answer and for the deadline. Any output but `Wait` takes the question back; an
//!    answer that comes later does no harm. Only a service with credentials on demand asks.
//! 8. **Dropping is closing.** A machine may be dropped at any point, and leaves nothing behind.
//!
//! # What HTTP clients do by themselves
//!
//! Switch each of these off, or the machine and the client work against each other:
//!
//! | what a client adds or does | why it must not |
//! | --- | --- |
//! | redirects | credentials would go along, and the position would be lost |
//! | tries of its own, HTTP caches | a call may be made twice, and a stream's answer be an old one |
//! | `Accept-Encoding` and decoding | some servers hold events back to code them better; a decoded content with its `Content-Encoding` in place is decoded twice |
//! | a timeout over the whole request, or over each read | a quiet stream is cut; the deadlines are the machine's |
//! | `User-Agent`, `Accept`, `Content-Type` of its own | those of the request are whole, and a second field of the name is no field |
//! | an error for a status of 4xx or 5xx | the status, its fields and its content are the machine's to read |
//! | cookies, `Referer`, `Origin` | nothing here asks for them; `Origin` makes some servers refuse a WebSocket |
//! | HTTP/2 for a request that says `Connection: Upgrade` | it can't be upgraded there |
//!
//! # What the user may do in between
//!
//! [`close`](crate::subscription::SubscriptionMachine::close) and
//! [`ask_for_snapshot`](crate::subscription::SubscriptionMachine::ask_for_snapshot) are called
//! between two polls, with the present time. The next poll says what comes of the call; where a
//! connection is to be dropped, `Hangup` comes first. A driver that waits has to be woken for that
//! poll. [Continuity](crate::subscription::Continuity) is an ordinary `Event`, right before the
//! item that the event is about.
//!
//! # Stacks that call back
//!
//! Some stacks hand over bytes when they like, by calling a function. Rule 1 then needs a queue
//! between the stack and the machine, and the queue needs a bound, or a fast server would fill the
//! memory. Pause the stack once 64 KiB wait (libcurl's `CURL_WRITEFUNC_PAUSE`, Node's `pause()`, a
//! stream's reader that is left unasked), and go on at `Wait`. A driver asks a stack that lacks a
//! pause to hang up instead, and tells the machine `Ended`: the machine resumes at the cursor, and
//! nothing is lost.
//!
//! # In a browser: `fetch`
//!
//! The repository's `examples/fetch` is a driver over `fetch` and `WebSocket`, which takes the
//! trial below in Chromium. The stack of a browser differs from others in these points:
//!
//! - `fetch` follows redirects by itself, `x-api-key` and all, and hides `Location`. `redirect:
//!   "manual"` gives an answer of the type `opaqueredirect`: a driver ends with `Unsupported`.
//! - `fetch` decodes content and leaves `Content-Encoding` in place: take the field away.
//! - `fetch` shows `Date`, `Retry-After`, `X-Request-Id` and most other fields only where
//!   `Access-Control-Expose-Headers` names them.
//! - `fetch` sets `Host`, `Connection`, `Accept-Encoding` and, in some browsers, `User-Agent` by
//!   itself.
//! - `fetch` hides the reason for a failure, and whether the request went out: `Connect` is the
//!   kind for a request whose method is safe. Any other is `Broken`, as a machine makes a call
//!   again that reached nobody.
//! - Chromium sends any request again by itself, a POST too, where a connection that was kept
//!   breaks before an answer. A page can't prevent that.
//! - A `ReadableStream` that fails forgets what was not read: ask for the next piece at once.
//! - `fetch` can't upgrade. Over WebSocket the stack is the browser's `WebSocket`, with
//!   [`whole_messages`](crate::Subscription::whole_messages). The browser's `WebSocket` sends no
//!   `Authorization`: such a subscription needs a direct URL with the key in the URL, or a server
//!   in between that adds the field. A handshake that is refused looks like no connection, and
//!   pings are hidden: the idle timeout has to be longer than the stream is ever quiet.
//!
//! # A driver that is confused
//!
//! Every order of calls is allowed. A late input of an older exchange, an early `Elapsed` and an
//! input at the wrong time all do no harm.
//!
//! # A driver
//!
//! The driver below runs any machine to its end over a bare socket, in one thread.
//! [`http1`](crate::http1) speaks HTTP. In a driver over an HTTP stack, the inputs come from the
//! stack; the cases are the same.
//!
//! ```
//! use std::io::{ErrorKind, Read as _, Write as _};
//! use std::net::TcpStream;
//! use std::thread;
//! use std::time::Duration;
//!
//! use restless_proto::http1::{Exchange, StreamEnd, TargetForm, request_bytes};
//! use restless_proto::machine::{End, Input, Machine, Output};
//! use restless_proto::{Entropy, Instant, ReadBuffer, Service, Subscription};
//! use restless_proto::{TransportError, TransportErrorKind as Kind};
//! # use restless_proto::subscription::{Event, Ended};
//!
//! fn drive<M: Machine>(machine: &mut M, mut each: impl FnMut(M::Event)) {
//!     let clock = std::time::Instant::now();
//!     let now = || Instant::from_origin(clock.elapsed());
//!     let mut open: Option<(TcpStream, Exchange)> = None;
//!     let mut buffer = ReadBuffer::new();
//!     loop {
//!         match machine.poll() {
//!             Output::Open { exchange, request } => {
//!                 open = None;
//!                 match connect(&request) {
//!                     Ok(socket) => {
//!                         let mut wire = Exchange::new(exchange, &request);
//!                         wire.handle_connected();
//!                         open = Some((socket, wire));
//!                     }
//!                     Err(error) => {
//!                         let why = End::Failed(error);
//!                         machine.handle(Input::Ended { exchange, why }, now());
//!                     }
//!                 }
//!             }
//!             Output::Send(bytes) => {
//!                 if let Some((socket, wire)) = &mut open {
//!                     if let Err(error) = socket.write_all(&bytes) {
//!                         wire.handle_end(broken(error));
//!                     }
//!                 }
//!             }
//!             Output::Hangup => open = None,
//!             Output::Authorize { .. } => machine.handle(Input::Credentials(Ok(None)), now()),
//!             Output::Event(event) => each(event),
//!             Output::Wait(deadline) => {
//!                 let left = deadline.map(|at| at.saturating_duration_since(now()));
//!                 let input = match &mut open {
//!                     Some((socket, wire)) => next(socket, wire, &mut buffer, left),
//!                     None => {
//!                         thread::sleep(left.unwrap_or(Duration::MAX));
//!                         Input::Elapsed
//!                     }
//!                 };
//!                 if matches!(input, Input::Ended { .. }) {
//!                     open = None;
//!                 }
//!                 machine.handle(input, now());
//!             }
//!             Output::Done => return,
//!         }
//!     }
//! }
//!
//! fn connect(request: &http::Request<bytes::Bytes>) -> Result<TcpStream, TransportError> {
//!     let to_write = request_bytes(request, TargetForm::Origin)?;
//!     let (host, port) = (request.uri().host(), request.uri().port_u16());
//!     TcpStream::connect((host.unwrap_or_default(), port.unwrap_or(80)))
//!         .and_then(|mut socket| socket.write_all(&to_write).map(|()| socket))
//!         .map_err(|error| TransportError::new(Kind::Connect, error))
//! }
//!
//! /// Reads until there is an input, or time is up.
//! fn next(
//!     socket: &mut TcpStream,
//!     wire: &mut Exchange,
//!     buffer: &mut ReadBuffer,
//!     left: Option<Duration>,
//! ) -> Input {
//!     if let Some(input) = wire.poll() {
//!         return input;
//!     }
//!     // To a socket, no time at all is an error.
//!     let timeout = left.map(|left| left.max(Duration::from_millis(1)));
//!     match socket.set_read_timeout(timeout).and_then(|()| socket.read(buffer.space())) {
//!         Ok(length) => wire.handle_read(length, buffer),
//!         Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
//!         Err(error) => wire.handle_end(broken(error)),
//!     }
//!     // Half a head is no input, and to say `Elapsed` too early does no harm.
//!     wire.poll().unwrap_or(Input::Elapsed)
//! }
//!
//! fn broken(error: std::io::Error) -> StreamEnd {
//!     StreamEnd::Failed(TransportError::new(Kind::Broken, error))
//! }
//!
//! # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
//! # let url = format!("http://{}/?streamId=s", listener.local_addr()?);
//! # let server = thread::spawn(move || -> std::io::Result<()> {
//! #     for served in 1..=4 {
//! #         let mut socket = listener.accept()?.0;
//! #         let mut request = Vec::new();
//! #         while !request.ends_with(b"\r\n\r\n") {
//! #             let mut buffer = [0; 1024];
//! #             let length = socket.read(&mut buffer)?;
//! #             assert!(length > 0);
//! #             request.extend_from_slice(&buffer[..length]);
//! #         }
//! #         if served == 4 {
//! #             assert!(String::from_utf8_lossy(&request).contains("cursor=3"));
//! #             return socket.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
//! #         }
//! #         let time = "2026-03-24T00:00:00Z";
//! #         let meta = format!(r#"{{"timestamp":"{time}"}}"#);
//! #         let event = format!(r#"{{"type":"update","meta":{meta},"data":1}}"#);
//! #         let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream";
//! #         let content = format!("id: {served}\ndata: {event}\n\n");
//! #         socket.write_all(format!("{head}\r\n\r\n{content}").as_bytes())?;
//! #     }
//! #     Ok(())
//! # });
//! // `url` leads to a server that cuts the stream after each event, and says 204 in the end.
//! let mut machine = Subscription::url(url)
//!     .retry(Duration::ZERO)
//!     .start(&Service::default(), Entropy::from_seed(1), Instant::ORIGIN)?;
//! let mut events = Vec::new();
//! drive(&mut machine, |event| events.push(event));
//!
//! let items = events.iter().filter(|event| matches!(event, Event::Item(_))).count();
//! assert_eq!(items, 3);
//! assert_eq!(machine.cursor(), Some("3"));
//! assert!(matches!(events.last(), Some(Event::Ended(Ended::NoContent))));
//! # server.join().expect("no panic")?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A call runs by the same loop. A call tries again by itself, as [`CallMachine`] says, and the
//! HTTP client below must leave that to the call:
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
//! Whole drivers, over reqwest, ureq, async-tungstenite, a bare `TcpStream`, on an executor of one
//! thread, on an event loop of mio's and over io_uring by compio, stand in the repository's
//! `examples/bring-your-own`; the one over a browser's `fetch` and `WebSocket` is `examples/fetch`.
//!
//! In a real program, seed [`Entropy`](crate::Entropy) with 32 bytes from the operating system, and
//! wait for `deadline.saturating_duration_since(now)`. A read that times out in the middle of
//! something must keep the bytes that have come.
//!
//! # Trying a driver
//!
//! The crate `restless-trial` runs a driver through calls, both transports and all that a server
//! and a network do to them, and says rule by rule what held. A driver in Rust is tried by a small
//! trait, and any program by its command line and lines of JSON.
//!
//! ```console
//! $ cargo run -p restless-trial -- PROGRAM ARGUMENTS…
//! ```
//!
//! # WebSocket
//!
//! A subscription over WebSocket opens an exchange whose request says `Connection: Upgrade`. The
//! head of a 101 turns the connection over: from then on every byte that comes is `Data`, and the
//! bytes of every [`Send`](crate::machine::Output::Send) are written unchanged. The driver above
//! can do this already.
//!
//! A driver whose HTTP stack turns the connection over reads into a
//! [`ReadBuffer::for_websocket`](crate::ReadBuffer::for_websocket), and gives the machine slices of
//! the buffer: messages and events of a large read are lent, not copied.
//!
//! A driver with a WebSocket stack asks for [`whole_messages`](crate::Subscription::whole_messages)
//! instead. The driver hands in each message as [`Message`](crate::machine::Input::Message), each
//! ping and pong as empty `Data`, since pings and pongs are sound, and the peer's Close frame as
//! [`End::Closed`](crate::machine::End::Closed).
//!
//! A driver for an async runtime keeps the machine and the open exchange in one struct, and does
//! the same in its `poll` function: `Wait` becomes "poll the exchange, then the alarm, else
//! `Pending`". All state is in the struct, which makes the driver's futures safe to cancel.
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
