//! The faults that only a WebSocket can have.

use bytes::Bytes;

use super::frame::Opcode;
use crate::fault::Fault;

/// What a fault orders of a WebSocket, beside its plan.
#[derive(Debug, Clone, Default)]
pub(crate) struct Order {
    /// How many events are served as usual before the fault begins.
    pub(crate) after: u64,
    /// What happens once.
    pub(crate) strike: Option<Strike>,
    /// The form of events from there on.
    pub(crate) form: Form,
    /// Whether the emulator ignores all that the client sends.
    pub(crate) is_deaf: bool,
}

#[derive(Debug, Clone)]
pub(crate) enum Strike {
    Close(Option<(u16, String)>),
    Cut(Place),
    Message(Opcode, Bytes),
    Pings(usize),
}

/// A place in the next event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Header,
    Payload,
    BetweenFragments,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) fragments: Option<usize>,
    pub(crate) is_binary: bool,
    pub(crate) is_masked: bool,
    /// The least length of the message.
    pub(crate) padded_to: usize,
    pub(crate) reserved: u8,
}

/// Faults of WebSockets, which wait for a request of `/ws`. What such a fault says of events holds
/// from the first event on, or from the event after [`after_events`](Self::after_events).
impl Fault {
    /// Sends a Close frame with this code and reason, whatever they are: codes that must not be
    /// sent too, and reasons that are too long for a control frame. The connection closes when the
    /// client has answered, or after two seconds; [`then_cut`](Self::then_cut),
    /// [`then_reset`](Self::then_reset) and [`then_stall`](Self::then_stall) don't wait for the
    /// answer.
    pub fn close(code: u16, reason: impl Into<String>) -> Self {
        Self::strike(Strike::Close(Some((code, reason.into()))))
    }

    /// Sends a Close frame without a code; else does as [`close`](Self::close).
    pub fn close_without_code() -> Self {
        Self::strike(Strike::Close(None))
    }

    /// Closes the connection when all but the last byte of an event's frame header are sent.
    pub fn cut_in_header() -> Self {
        Self::strike(Strike::Cut(Place::Header)).then_cut()
    }

    /// Closes the connection when half of an event's payload is sent.
    pub fn cut_in_payload() -> Self {
        Self::strike(Strike::Cut(Place::Payload)).then_cut()
    }

    /// Closes the connection when the first of an event's fragments is sent; of two, or of
    /// [`in_fragments`](Self::in_fragments).
    pub fn cut_between_fragments() -> Self {
        Self::strike(Strike::Cut(Place::BetweenFragments)).then_cut()
    }

    /// Ignores all that the client sends: Pings and Close frames stay unanswered. Events and
    /// heartbeats go on.
    pub fn deaf() -> Self {
        let mut fault = Self::none().on_websocket();
        fault.order.is_deaf = true;
        fault
    }

    /// Sends this many Pings at once, each with its number in decimal, from 0 on.
    pub fn pings(count: usize) -> Self {
        Self::strike(Strike::Pings(count))
    }

    /// Sends a text message that is no event; an empty one too.
    pub fn text(content: impl Into<String>) -> Self {
        Self::strike(Strike::Message(Opcode::Text, content.into().into()))
    }

    /// Sends a binary message that is no event.
    pub fn binary(content: impl Into<Bytes>) -> Self {
        Self::strike(Strike::Message(Opcode::Binary, content.into()))
    }

    /// Sends events in masked frames, which no server may send (RFC 6455 §5.1).
    pub fn masked() -> Self {
        let mut fault = Self::none().on_websocket();
        fault.order.form.is_masked = true;
        fault
    }

    /// Sends events in frames with these reserved bits, for which no extension was agreed on: RSV1
    /// is 4, RSV2 is 2, RSV3 is 1.
    pub fn reserved_bits(bits: u8) -> Self {
        let mut fault = Self::none().on_websocket();
        fault.order.form.reserved = bits & 0x7;
        fault
    }

    /// Answers the opening handshake with the `Sec-WebSocket-Accept` of another key.
    pub fn wrong_accept() -> Self {
        // The example of RFC 6455 §1.3, whose key no client draws.
        Self::none().header("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=").on_websocket()
    }

    /// Limits the fault to WebSockets. A fault that only WebSockets can have is so limited by
    /// itself.
    pub fn on_websocket(mut self) -> Self {
        self.websocket_only = true;
        self
    }

    /// Begins after this many events, which are served as usual. Default: 0. Most faults with this
    /// setting are for WebSockets only; those of a service that loses its place have it over SSE as
    /// well.
    pub fn after_events(mut self, events: u64) -> Self {
        self.order.after = events;
        self
    }

    /// Sends events in this many fragments, cut anywhere, also within a character; at least 1.
    pub fn in_fragments(mut self, count: usize) -> Self {
        self.order.form.fragments = Some(count.max(1));
        self.on_websocket()
    }

    /// Sends events as binary messages.
    pub fn as_binary(mut self) -> Self {
        self.order.form.is_binary = true;
        self.on_websocket()
    }

    /// Fills events up with white space after the JSON, to at least this many bytes.
    pub fn padded_to(mut self, bytes: usize) -> Self {
        self.order.form.padded_to = bytes;
        self.on_websocket()
    }

    fn strike(strike: Strike) -> Self {
        let mut fault = Self::none().on_websocket();
        fault.order.strike = Some(strike);
        fault
    }
}

impl Order {
    /// Returns what strikes after this many events, unless it takes the next event to strike.
    pub(crate) fn strike_now(&mut self, events: u64) -> Option<Strike> {
        self.strike.take_if(|strike| self.after <= events && !matches!(strike, Strike::Cut(_)))
    }

    /// Returns where the event after this many is cut.
    pub(crate) fn cut(&self, events: u64) -> Option<Place> {
        match self.strike {
            Some(Strike::Cut(place)) if self.after <= events => Some(place),
            _ => None,
        }
    }

    /// Returns the form of the event after this many.
    pub(crate) fn form(&self, events: u64) -> Form {
        if self.after <= events { self.form } else { Form::default() }
    }
}
