//! What stands between the bytes of a connection and its items: event stream, frames, or messages.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;
use http::HeaderMap;

use super::cursor::MOST_CURSOR_BYTES;
use super::event::{Item, RejectReason, Rejected};
use crate::chunks::give_back;
use crate::error::{ContentError, Error};
use crate::event::{self, SseId, StreamEvent};
use crate::kinds::LimitError;
use crate::limits::Limits;
use crate::machine::End;
use crate::semantics::coding::{self, CodingError};
use crate::signature::Signer;
use crate::sse::{self, Block};
use crate::timing::Instant;
use crate::ws::{self, CloseCode, Message};

/// The content of one connection, on its way to items.
pub(super) enum Feed {
    /// Server-sent events.
    EventStream(Box<EventStream>),
    /// WebSocket, bytes in and out.
    Frames(Box<ws::Connection>),
    /// WebSocket, spoken by the driver: whole messages in.
    Messages(Messages),
}

/// What a feed has next.
pub(super) enum Fed {
    /// An item.
    Item(Item),
    /// No item, but the cursor moves.
    Moved(String),
    /// Bytes that the protocol owes the peer.
    Send(Bytes),
    /// The feed is empty until more comes, or until a deadline of the protocol's.
    Starved(Option<Instant>),
    /// An error behind which the content can't be read on.
    Broken(Error),
    /// The protocol's end.
    Closed(ws::Closed),
}

impl Feed {
    pub(super) fn data(&mut self, bytes: Bytes, now: Instant) {
        match self {
            Self::EventStream(stream) => stream.feed(bytes, now),
            Self::Frames(connection) => connection.handle_data(bytes, now),
            Self::Messages(_) => {}
        }
    }

    pub(super) fn message(&mut self, message: Bytes) {
        if let Self::Messages(messages) = self {
            messages.push(message);
        }
    }

    pub(super) fn elapsed(&mut self, now: Instant) {
        if let Self::Frames(connection) = self {
            connection.elapsed(now);
        }
    }

    /// Takes note that no more comes; `why` says whether the end was in good order.
    pub(super) fn ended(&mut self, why: &End, now: Instant) {
        match self {
            Self::EventStream(stream) if matches!(why, End::Complete) => stream.end(),
            Self::Frames(connection) => connection.ended(now),
            Self::EventStream(_) | Self::Messages(_) => {}
        }
    }

    /// Begins the protocol's own closing. Returns false for a protocol that has none.
    pub(super) fn close(&mut self, now: Instant) -> bool {
        match self {
            // The connection can't be closing yet, and the code is one that may be sent.
            Self::Frames(connection) => connection.close(CloseCode::NORMAL, "", now).is_ok(),
            Self::EventStream(_) | Self::Messages(_) => false,
        }
    }

    /// Returns what the closing still asks for, with nobody left to give messages to; `None` once
    /// the closing is over.
    pub(super) fn next_of_close(&mut self) -> Option<Fed> {
        let Self::Frames(connection) = self else { return None };
        loop {
            match connection.poll() {
                ws::Output::Message(_)
                | ws::Output::TooLarge(_)
                | ws::Output::Ping(_)
                | ws::Output::Pong(_) => {}
                ws::Output::Send(bytes) => return Some(Fed::Send(bytes)),
                ws::Output::Wait(deadline) => {
                    // Once the peer has answered, and everything is sent, the peer's end needs no
                    // waiting for.
                    let waits = connection.closing().is_none();
                    return waits.then_some(Fed::Starved(deadline));
                }
                ws::Output::Closed(_) => return None,
            }
        }
    }

    /// The user got something of what was fed. A cursor that only moves is nothing to the user.
    pub(super) fn was_of_use(&mut self) {
        if let Self::EventStream(stream) = self {
            (stream.in_vain, stream.repeated) = (0, 0);
        }
    }

    /// What came last was dropped, because it is repeated: a server may repeat more than anybody
    /// may send in vain, but not without end.
    pub(super) fn was_repeated(&mut self) {
        if let Self::EventStream(stream) = self {
            stream.repeated = stream.repeated.saturating_add(stream.in_vain);
            stream.in_vain = 0;
        }
    }

    /// Whether the peer has said that the connection is over.
    pub(super) fn is_closing(&self) -> bool {
        matches!(self, Self::Frames(connection) if connection.closing().is_some())
    }

    /// Whether the feed tells of its end itself.
    pub(super) fn tells_its_end(&self) -> bool {
        matches!(self, Self::Frames(_))
    }

    /// The reconnection time that the server has set on this connection.
    pub(super) fn reconnection_time(&self) -> Option<Duration> {
        match self {
            Self::EventStream(stream) => stream.events.reconnection_time(),
            Self::Frames(_) | Self::Messages(_) => None,
        }
    }

    pub(super) fn next(&mut self, signer: Option<&Signer>) -> Fed {
        match self {
            Self::EventStream(stream) => stream.next(signer),
            Self::Frames(connection) => loop {
                match connection.poll_shared() {
                    ws::Output::Send(bytes) => return Fed::Send(bytes),
                    ws::Output::Message(message) => {
                        if let Some(fed) = from_message(message, signer) {
                            return fed;
                        }
                    }
                    // The id stands in the message's text, which is unread: the cursor stays before
                    // the message, and moves past it with the next event.
                    ws::Output::TooLarge(error) => return Fed::Item(too_large(error)),
                    // The connection has answered it, or noted it.
                    ws::Output::Ping(_) | ws::Output::Pong(_) => {}
                    ws::Output::Wait(deadline) => return Fed::Starved(deadline),
                    ws::Output::Closed(closed) => return Fed::Closed(closed),
                }
            },
            Self::Messages(messages) => loop {
                match messages.next() {
                    Ok(Some(message)) => {
                        let message = Message::Binary(message.into());
                        if let Some(fed) = from_message(message, signer) {
                            return fed;
                        }
                    }
                    Ok(None) => return Fed::Starved(None),
                    Err(error) => return Fed::Broken(error.into()),
                }
            },
        }
    }
}

/// Whole messages that were handed in and not yet polled for.
pub(super) struct Messages {
    waiting: VecDeque<Bytes>,
    bytes: usize,
    most: usize,
    over: Option<LimitError>,
}

impl Messages {
    pub(super) fn new(options: &ws::Options) -> Self {
        let most = options.unread_bytes;
        Self { waiting: VecDeque::new(), bytes: 0, most, over: None }
    }

    fn push(&mut self, message: Bytes) {
        // Behind one that was dropped none may come out, or the cursor would pass it by.
        if self.over.is_some() {
            return;
        }
        // An empty message takes room, too.
        if self.bytes.saturating_add(self.waiting.len()) > self.most {
            let seen = self.bytes.saturating_add(self.waiting.len());
            self.over = Some(LimitError::new(ws::UNREAD, self.most, seen));
            return;
        }
        self.bytes = self.bytes.saturating_add(message.len());
        self.waiting.push_back(message);
    }

    /// Returns the next message. Messages from before the limit was passed come before the error.
    fn next(&mut self) -> Result<Option<Bytes>, LimitError> {
        match (self.waiting.pop_front(), &self.over) {
            (Some(message), _) => {
                self.bytes -= message.len();
                give_back(&mut self.waiting);
                Ok(Some(message))
            }
            (None, Some(over)) => Err(over.clone()),
            (None, None) => Ok(None),
        }
    }
}

/// Server-sent events, their content coding taken off.
pub(super) struct EventStream {
    coding: Option<coding::Decoder>,
    events: sse::Decoder,
    /// The most bytes that may be decoded within [`COUNTED`] and bring no event.
    most_in_vain: usize,
    /// The bytes that were decoded since `counted_since` and brought no event.
    in_vain: usize,
    /// The bytes among these, or before, that brought repeated events alone.
    repeated: usize,
    /// The bytes that were decoded of the event that is being passed over.
    passed_over: usize,
    /// The beginning of the span that is counted now.
    counted_since: Instant,
}

/// The span over which bytes that decode to no event are counted together.
///
/// A few bytes can be coded to comments without end, and a program would notice that only by its
/// standstill. Time tells such a bomb from heartbeats: heartbeats are coded as well, but come at
/// intervals, for months.
const COUNTED: Duration = Duration::from_secs(60);

/// The least that may be decoded in that span and bring no event, however low the limits are:
/// heartbeats stay below.
const LEAST_IN_VAIN: usize = 32 << 20;

/// How many times as much may be decoded of one event that is over the limit, and is passed over to
/// its end, or of events that are repeated and dropped: the next event counts again, but may never
/// come.
const PASSED_OVER: usize = 8;

impl EventStream {
    pub(super) fn new(fields: &HeaderMap, limits: Limits) -> Result<Self, CodingError> {
        Ok(Self {
            coding: coding::Decoder::of(fields)?,
            events: sse::Decoder::new(limits),
            most_in_vain: limits.line_bytes.saturating_add(limits.event_bytes).max(LEAST_IN_VAIN),
            in_vain: 0,
            repeated: 0,
            passed_over: 0,
            counted_since: Instant::ORIGIN,
        })
    }

    fn feed(&mut self, bytes: Bytes, now: Instant) {
        match &mut self.coding {
            Some(coding) => {
                if now.saturating_duration_since(self.counted_since) >= COUNTED {
                    self.counted_since = now;
                    (self.in_vain, self.repeated) = (0, 0);
                }
                coding.feed(bytes);
            }
            None => self.events.feed(bytes),
        }
    }

    fn end(&mut self) {
        if let Some(coding) = &mut self.coding {
            coding.end();
        }
    }

    fn next(&mut self, signer: Option<&Signer>) -> Fed {
        loop {
            if let Some(fed) = next_block(&mut self.events, signer) {
                return fed;
            }
            let Some(coding) = &mut self.coding else { return Fed::Starved(None) };
            match coding.poll() {
                Ok(Some(piece)) => {
                    if let Err(error) = self.count(piece.len()) {
                        return Fed::Broken(error.into());
                    }
                    self.events.feed(piece);
                }
                Ok(None) => return Fed::Starved(None),
                Err(error) => return Fed::Broken(Box::new(ContentError::from(error)).into()),
            }
        }
    }

    /// Counts what was decoded, before the bytes are read.
    fn count(&mut self, decoded: usize) -> Result<(), LimitError> {
        let (what, most, seen) = if self.events.is_over_limit() {
            self.passed_over = self.passed_over.saturating_add(decoded);
            let most = self.most_in_vain.saturating_mul(PASSED_OVER);
            ("what is decoded of an event over its limit", most, self.passed_over)
        } else {
            self.passed_over = 0;
            self.in_vain = self.in_vain.saturating_add(decoded);
            let seen = self.repeated.saturating_add(self.in_vain);
            let most = self.most_in_vain.saturating_mul(PASSED_OVER);
            if seen > most {
                ("what is decoded in a minute of repeated events", most, seen)
            } else {
                ("what is decoded in a minute without an event", self.most_in_vain, self.in_vain)
            }
        };
        if seen > most { Err(LimitError::new(what, most, seen)) } else { Ok(()) }
    }
}

/// Returns the next thing in what the decoder was fed, if there is one.
fn next_block(decoder: &mut sse::Decoder, signer: Option<&Signer>) -> Option<Fed> {
    loop {
        match decoder.poll() {
            Ok(None) => return None,
            Ok(Some(Block::Id(id))) => return Some(Fed::Moved(id.to_owned())),
            Ok(Some(Block::Event(event))) => match from_sse(&event, signer) {
                Some(fed) => return Some(fed),
                None => {
                    if let Some(id) = event.id().filter(|id| !id.is_empty()) {
                        return Some(Fed::Moved(id.to_owned()));
                    }
                }
            },
            // The event's `id` field comes by itself, at the end of the event.
            Err(error) => return Some(Fed::Item(too_large(error))),
        }
    }
}

/// Makes the item that tells of an event that was passed over.
fn too_large(error: LimitError) -> Item {
    let reason = RejectReason::TooLarge(error);
    Item::Rejected(Rejected { data: Bytes::new(), id: None, reason })
}

/// Makes an item of an SSE event; `None` for an event that is not the service's.
///
/// The service names its events `update` or `error`, or leaves the name out, and sends data with
/// each. An event of another name is taken where its data reads as an event of the service, and is
/// passed over otherwise: proxies send `event: ping`.
fn from_sse(sse: &sse::Event<'_>, signer: Option<&Signer>) -> Option<Fed> {
    if sse.data().is_empty() {
        return None;
    }
    // An id comes once and may be left over to millions of events, each of which holds it: one that
    // is too long for a cursor counts as absent.
    let leftover = || match sse.last_event_id() {
        id if id.len() <= MOST_CURSOR_BYTES => SseId::Leftover(id),
        _ => SseId::None,
    };
    let id = sse.id().map_or_else(leftover, SseId::Own);
    let ours = matches!(sse.event_type(), "message" | "update" | "error");
    let name = if ours { Name::Ours } else { Name::Other };
    item_of(read(sse.text(), id), id, signer, name)
}

/// Whether an event of an event stream bears a name of the service's.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Name {
    Ours,
    Other,
}

/// Makes an item of a message, whose id can only stand in the event; `None` for an empty message.
fn from_message(message: Message<'static>, signer: Option<&Signer>) -> Option<Fed> {
    if message.as_bytes().is_empty() {
        return None;
    }
    let id = SseId::None;
    let event = match message {
        Message::Text(text) => read(text.into_string(), id),
        Message::Binary(payload) => {
            let data = payload.into_bytes();
            StreamEvent::parse(data.clone(), id).map_err(|error| (error, data))
        }
    };
    item_of(event, id, signer, Name::Ours)
}

/// An event, or the bytes that are none.
type Event = Result<StreamEvent, (event::Error, Bytes)>;

fn read(text: ByteString, id: SseId<'_>) -> Event {
    StreamEvent::from_text(text, id).map_err(|(error, text)| (error, text.into_bytes()))
}

/// Makes an item of what was read.
fn item_of(event: Event, id: SseId<'_>, signer: Option<&Signer>, name: Name) -> Option<Fed> {
    let own_id = || match id {
        SseId::Own(id) => Some(id.to_owned()),
        SseId::None | SseId::Leftover(_) => None,
    };
    let event = match event {
        Ok(event) => event,
        Err(_) if name == Name::Other => return None,
        Err((error, data)) => {
            let rejected = Rejected { data, id: own_id(), reason: error.into() };
            return Some(Fed::Item(Item::Rejected(rejected)));
        }
    };
    let admitted = signer.map_or(Ok(()), |signer| signer.admit(&event));
    Some(Fed::Item(match admitted {
        Ok(()) => Item::Event(event),
        Err(error) => {
            // Nothing in the text is to be trusted, the time least of all: a wrong time could skip
            // years.
            let data = event.into_bytes();
            Item::Rejected(Rejected { data, id: own_id(), reason: error.into() })
        }
    }))
}
