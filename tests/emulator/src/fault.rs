//! Faults that a test orders: what goes wrong, for whom, and how often.

mod continuity;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;

use crate::feed::{Lapse, Transport};
use crate::recording::Recording;
use crate::replay::Replay;
use crate::treatment::Treatment;
use crate::websocket::Order;

/// One thing that goes wrong, once, on the next request that the fault fits.
///
/// A fault is ordered with [`Emulator::inject`](crate::Emulator::inject). Faults wait in a queue;
/// each request takes the first one that fits it. By default a fault fits runtime requests (event
/// streams) of any stream, over SSE and over WebSocket; [`for_stream`](Self::for_stream),
/// [`on_websocket`](Self::on_websocket) and [`on_rest`](Self::on_rest) say otherwise. Faults come
/// before everything else, authorisation included, so a 401 can be ordered too.
///
/// Counts of bytes are counts of the content, with its content coding; the head and the bytes of
/// the chunked coding are left out. For a WebSocket, all frames after the opening handshake count.
/// The parts combine: `Fault::content_type("text/plain").header("x-a", "b").times(2)`.
///
/// ```
/// use restless_emulator::Fault;
///
/// let cut_the_second = [Fault::none(), Fault::cut_after(100)];
/// let busy = Fault::status(503).header("retry-after", "2").body("busy").times(3);
/// let odd = Fault::raw(["id: 1\nda", "ta: {}\n\n"]).then_stall();
/// let restarts = Fault::close(1012, "restarting").after_events(3);
/// # let _ = (cut_the_second, busy, odd, restarts);
/// ```
#[derive(Debug, Clone)]
#[must_use = "a fault does nothing before it is injected"]
pub struct Fault {
    pub(crate) target: Target,
    pub(crate) head: Head,
    pub(crate) headers: Vec<(String, String)>,
    /// How many header fields more there are, which say nothing.
    fillers: usize,
    pub(crate) plan: Plan,
    pub(crate) order: Order,
    pub(crate) websocket_only: bool,
    /// Whether the fault is only for a request that says where to resume.
    resumes_only: bool,
    /// What becomes of the subscriber's place.
    pub(crate) lapse: Option<Lapse>,
    /// Whether the head waits for the first event.
    pub(crate) is_late: bool,
    /// What becomes of the response's bytes on the connection.
    pub(crate) treatment: Treatment,
    times: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Rest,
    Runtime,
    Stream(String),
}

/// What becomes of the response's head.
#[derive(Debug, Clone)]
pub(crate) enum Head {
    /// The connection closes before any byte of a response.
    Close,
    /// The connection is reset by TCP before any byte of a response.
    Reset,
    /// The service's own response.
    Serve,
    /// A recorded feed.
    Replay(Arc<Replay>),
    /// A scripted event stream: each piece, and how long after the beginning it is due.
    Script(Vec<(Duration, Bytes)>),
    /// The response never comes.
    Silence,
    /// A response of its own.
    Status(StatusCode, Bytes),
}

/// What becomes of the response's content.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    /// Bytes that are sent before everything else.
    pub(crate) prelude: Option<Bytes>,
    pub(crate) limit: Option<Limit>,
    /// What happens at the limit, or after the last byte of a script.
    pub(crate) end: End,
    /// The one byte that is changed.
    pub(crate) corrupt: Option<u64>,
    /// The most bytes in one piece, each flushed before the next.
    pub(crate) piece: Option<usize>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Limit {
    Bytes(u64),
    Events(u64),
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum End {
    /// The content ends as it should.
    #[default]
    Clean,
    /// The connection closes in the middle of the content.
    Cut,
    /// The connection is reset by TCP in the middle of the content.
    Reset,
    /// Nothing more comes, and the connection stays open.
    Stall,
}

impl Fault {
    /// Serves the request as usual, without a fault, and holds a place in the queue: a test can say
    /// "the first is fine, the second is cut".
    pub fn none() -> Self {
        Self::new(Head::Serve)
    }

    /// Closes the connection without a byte of a response.
    ///
    /// A connection that TCP refuses has no request to choose by; see
    /// [`Emulator::stop_listening`](crate::Emulator::stop_listening) for that.
    pub fn refuse() -> Self {
        Self::new(Head::Close)
    }

    /// Resets the connection (TCP RST) without a byte of a response.
    pub fn reset() -> Self {
        Self::new(Head::Reset)
    }

    /// Holds the response back for ever; the connection stays open.
    pub fn stall_head() -> Self {
        Self::new(Head::Silence)
    }

    /// Answers with this status, with [`header`](Self::header)s and a [`body`](Self::body) if they
    /// are set.
    ///
    /// # Panics
    /// If `status` is not between 200 and 999: an interim response (1xx) is no answer.
    pub fn status(status: u16) -> Self {
        let status = final_status(status).expect("a status is between 200 and 999");
        Self::new(Head::Status(status, Bytes::new()))
    }

    /// Redirects to `location`.
    ///
    /// # Panics
    /// As [`status`](Self::status).
    pub fn redirect(status: u16, location: impl Into<String>) -> Self {
        Self::status(status).header("location", location)
    }

    /// Answers as the service does, with another content type. An empty text takes the type away.
    pub fn content_type(value: impl Into<String>) -> Self {
        Self::none().header("content-type", value)
    }

    /// Closes the connection after `bytes` of the content, without the content's end: an error to
    /// any HTTP client.
    pub fn cut_after(bytes: u64) -> Self {
        Self::none().limit(Limit::Bytes(bytes), End::Cut)
    }

    /// Does what [`cut_after`](Self::cut_after) does, after this many events (heartbeats don't
    /// count).
    pub fn cut_after_events(events: u64) -> Self {
        Self::none().limit(Limit::Events(events), End::Cut)
    }

    /// Resets the connection (TCP RST) after `bytes` of the content. The reset may overtake bytes
    /// that the client has not read yet.
    pub fn reset_after(bytes: u64) -> Self {
        Self::none().limit(Limit::Bytes(bytes), End::Reset)
    }

    /// Falls silent after `bytes` of the content, heartbeats included; the connection stays open.
    pub fn stall_after(bytes: u64) -> Self {
        Self::none().limit(Limit::Bytes(bytes), End::Stall)
    }

    /// Does what [`stall_after`](Self::stall_after) does, after this many events.
    pub fn stall_after_events(events: u64) -> Self {
        Self::none().limit(Limit::Events(events), End::Stall)
    }

    /// Ends the content after `bytes`, as it should end; a WebSocket ends without a Close frame, as
    /// if it were cut.
    pub fn end_after(bytes: u64) -> Self {
        Self::none().limit(Limit::Bytes(bytes), End::Clean)
    }

    /// Ends the content after this many events, as it should end; a WebSocket ends with Close 1000.
    pub fn end_after_events(events: u64) -> Self {
        Self::none().limit(Limit::Events(events), End::Clean)
    }

    /// Changes all bits of one byte of the content. In a coded content that breaks the coding, or
    /// what the coding says. Without effect on a WebSocket.
    pub fn corrupt_at(byte: u64) -> Self {
        let mut fault = Self::none();
        fault.plan.corrupt = Some(byte);
        fault
    }

    /// Begins the stream with a `retry:` field, in whole milliseconds. Without effect on a
    /// WebSocket.
    pub fn retry(after: Duration) -> Self {
        Self::none().and_retry(after)
    }

    /// Answers with an event stream of exactly these chunks. After the last one comes the stream's
    /// end, or what [`then_cut`](Self::then_cut), [`then_reset`](Self::then_reset) or
    /// [`then_stall`](Self::then_stall) say. Each chunk is flushed before the next. On a WebSocket
    /// the chunks are the bytes after the opening handshake: frames, or other bytes.
    pub fn raw<C: Into<Bytes>>(chunks: impl IntoIterator<Item = C>) -> Self {
        Self::recording(chunks.into_iter().map(|chunk| (Duration::ZERO, chunk)))
    }

    /// Does what [`raw`](Self::raw) does, with a pause before each piece.
    pub fn recording<C: Into<Bytes>>(pieces: impl IntoIterator<Item = (Duration, C)>) -> Self {
        let mut due = Duration::ZERO;
        let pieces = pieces.into_iter().map(|(pause, piece)| {
            due = due.saturating_add(pause);
            (due, piece.into())
        });
        Self::new(Head::Script(pieces.collect()))
    }

    /// Serves a feed as it was recorded, over either transport: an event stream in its pieces, or
    /// each event as a message of a WebSocket. With `.times(usize::MAX)` everybody gets that feed.
    ///
    /// A request that says where to resume gets what stands behind the event of that id. Where the
    /// recording has no such id, the request gets what is later than that time, as from the
    /// service. The pauses between pieces stay. The response lacks a `Date`: a client that was cut
    /// before the first event would resume at the date, and miss all that is older.
    pub fn replay(recording: Recording) -> Self {
        Self::new(Head::Replay(Arc::new(Replay::new(recording)))).header("date", "")
    }

    /// Limits the fault to this stream, session or direct stream, by its id.
    pub fn for_stream(mut self, id: impl Into<String>) -> Self {
        self.target = Target::Stream(id.into());
        self
    }

    /// Limits the fault to a request that says where to resume: by `Last-Event-ID`, `cursor` or
    /// `since`.
    pub fn on_resume(mut self) -> Self {
        self.resumes_only = true;
        self
    }

    /// Meets REST calls instead of runtime requests.
    pub fn on_rest(mut self) -> Self {
        self.target = Target::Rest;
        self
    }

    /// Happens this many times instead of once.
    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    /// Adds a header field to the response, in place of the service's own of that name; an empty
    /// value takes the service's field away.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds so many header fields that say nothing.
    pub fn many_fields(mut self, count: usize) -> Self {
        self.fillers = count;
        self
    }

    /// Sets the content of a [`status`](Self::status) or [`redirect`](Self::redirect); without
    /// effect on other faults.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        if let Head::Status(_, content) = &mut self.head {
            *content = body.into();
        }
        self
    }

    /// Begins the stream with a `retry:` field, too.
    pub fn and_retry(mut self, after: Duration) -> Self {
        self.plan.prelude = Some(crate::sse::retry(after));
        self
    }

    /// Cuts the content into pieces of at most `bytes`, each flushed before the next.
    pub fn in_pieces_of(mut self, bytes: usize) -> Self {
        self.plan.piece = Some(bytes.max(1));
        self
    }

    /// Holds the head of an event stream's response back until the first event, as a box does that
    /// holds responses back; the opening handshake of a WebSocket too.
    pub fn late_head(mut self) -> Self {
        self.is_late = true;
        self
    }

    /// Writes every byte of the response by itself, those of the head included.
    pub fn trickled(mut self) -> Self {
        self.treatment.piece = Some(1);
        self
    }

    /// Adds an extension of so many bytes behind each chunk's size (RFC 9112 §7.1.1), at least 3.
    /// Only a chunked response has such sizes; a WebSocket, for one, stays as it is.
    pub fn chunk_extensions(mut self, bytes: usize) -> Self {
        self.treatment.extension = Some(bytes.max(3));
        self
    }

    /// Closes the connection after the last byte, without the content's end.
    pub fn then_cut(self) -> Self {
        self.then(End::Cut)
    }

    /// Resets the connection after the last byte.
    pub fn then_reset(self) -> Self {
        self.then(End::Reset)
    }

    /// Falls silent after the last byte; the connection stays open.
    pub fn then_stall(self) -> Self {
        self.then(End::Stall)
    }

    /// Makes the header fields that say nothing: only where they are sent, as many faults may wait.
    pub(crate) fn filled(mut self) -> Self {
        let field = |number: usize| (format!("x-filler-{number}"), number.to_string());
        self.headers.extend((0..self.fillers).map(field));
        self
    }

    fn new(head: Head) -> Self {
        Self {
            target: Target::Runtime,
            head,
            headers: Vec::new(),
            fillers: 0,
            plan: Plan::default(),
            order: Order::default(),
            websocket_only: false,
            resumes_only: false,
            lapse: None,
            is_late: false,
            treatment: Treatment::default(),
            times: 1,
        }
    }

    fn limit(mut self, limit: Limit, end: End) -> Self {
        self.plan.limit = Some(limit);
        self.plan.end = end;
        self
    }

    fn then(mut self, end: End) -> Self {
        self.plan.end = end;
        self
    }
}

/// Returns the status that ends an exchange, if this is one.
pub(crate) fn final_status(status: u16) -> Option<StatusCode> {
    StatusCode::from_u16(status).ok().filter(|status| !status.is_informational())
}

/// The faults that wait for their request.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<VecDeque<Fault>>);

impl Faults {
    pub(crate) fn push(&self, fault: Fault) {
        if fault.times > 0 {
            self.lock().push_back(fault);
        }
    }

    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    /// Returns how many requests will still meet a fault.
    pub(crate) fn pending(&self) -> usize {
        self.lock().iter().map(|fault| fault.times).fold(0, usize::saturating_add)
    }

    /// Takes the fault for a REST call.
    pub(crate) fn take_rest(&self) -> Option<Fault> {
        self.take(|fault| fault.target == Target::Rest)
    }

    /// Takes the fault for a runtime request of the stream with this id, if it has one; `resumes`
    /// tells whether the request says where to resume.
    pub(crate) fn take_runtime(
        &self,
        id: Option<&str>,
        transport: Transport,
        resumes: bool,
    ) -> Option<Fault> {
        self.take(|fault| {
            let target = match &fault.target {
                Target::Rest => false,
                Target::Runtime => true,
                Target::Stream(wanted) => id == Some(wanted),
            };
            target
                && (transport == Transport::WebSocket || !fault.websocket_only)
                && (resumes || !fault.resumes_only)
        })
    }

    fn take(&self, fits: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let mut faults = self.lock();
        let at = faults.iter().position(fits)?;
        let fault = faults.get_mut(at)?;
        if fault.times > 1 {
            fault.times -= 1;
            return Some(fault.clone());
        }
        faults.remove(at)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Fault>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
