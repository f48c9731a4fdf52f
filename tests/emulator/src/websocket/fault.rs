//! The faults that only a WebSocket can have.

use bytes::Bytes;

use super::frame::Opcode;
use crate::fault::Fault;

/// What a fault orders of a WebSocket, beside its plan.
#[derive(Debug, Clone, Default)]
pub(crate) struct Order {
    /// How many events are served as usual before it begins.
    pub(crate) after: u64,
    /// Happens once.
    pub(crate) strike: Option<Strike>,
    /// How events look from there on.
    pub(crate) form: Form,
    /// Nothing that the client sends is heard.
    pub(crate) is_deaf: bool,
}

#[derive(Debug, Clone)]
pub(crate) enum Strike {
    Close(Option<(u16, String)>),
    Cut(Place),
    Message(Opcode, Bytes),
    Pings(usize),
}

/// Where in the next event.
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
    /// The message is at least this long.
    pub(crate) padded_to: usize,
    pub(crate) reserved: u8,
}

/// Faults of WebSockets. They wait for a request of `/ws`. What they say of events holds from the
/// first event on, or from the one after [`after_events`](Self::after_events).
impl Fault {
    /// A Close frame with this code and reason, whatever they are: codes that must not be sent
    /// too, and reasons that are too long for a control frame. The connection closes when the
    /// client has answered, or has not for two seconds;
    /// [`then_cut`](Self::then_cut), [`then_reset`](Self::then_reset) and
    /// [`then_stall`](Self::then_stall) don't wait for the answer.
    pub fn close(code: u16, reason: impl Into<String>) -> Self {
        Self::strike(Strike::Close(Some((code, reason.into()))))
    }

    /// A Close frame without a code; else as [`close`](Self::close).
    pub fn close_without_code() -> Self {
        Self::strike(Strike::Close(None))
    }

    /// The connection closes when all but the last byte of an event's frame header are sent.
    pub fn cut_in_header() -> Self {
        Self::strike(Strike::Cut(Place::Header)).then_cut()
    }

    /// The connection closes when half of an event's payload is sent.
    pub fn cut_in_payload() -> Self {
        Self::strike(Strike::Cut(Place::Payload)).then_cut()
    }

    /// The connection closes when the first of an event's fragments is sent; of two, or of
    /// [`in_fragments`](Self::in_fragments).
    pub fn cut_between_fragments() -> Self {
        Self::strike(Strike::Cut(Place::BetweenFragments)).then_cut()
    }

    /// Nothing that the client sends is heard: no Ping is answered, no Close either. Events and
    /// heartbeats go on.
    pub fn deaf() -> Self {
        let mut fault = Self::none().on_websocket();
        fault.order.is_deaf = true;
        fault
    }

    /// This many Pings at once, each with its number in decimal, from 0 on.
    pub fn pings(count: usize) -> Self {
        Self::strike(Strike::Pings(count))
    }

    /// A text message that is no event; an empty one too.
    pub fn text(content: impl Into<String>) -> Self {
        Self::strike(Strike::Message(Opcode::Text, content.into().into()))
    }

    /// A binary message that is no event.
    pub fn binary(content: impl Into<Bytes>) -> Self {
        Self::strike(Strike::Message(Opcode::Binary, content.into()))
    }

    /// Events come in masked frames, which no server may send (RFC 6455 §5.1).
    pub fn masked() -> Self {
        let mut fault = Self::none().on_websocket();
        fault.order.form.is_masked = true;
        fault
    }

    /// Events come in frames with these reserved bits, which no extension was agreed on for: RSV1
    /// is 4, RSV2 is 2, RSV3 is 1.
    pub fn reserved_bits(bits: u8) -> Self {
        let mut fault = Self::none().on_websocket();
        fault.order.form.reserved = bits & 0x7;
        fault
    }

    /// The opening handshake is answered with the `Sec-WebSocket-Accept` of another key.
    pub fn wrong_accept() -> Self {
        // The example of RFC 6455 §1.3, whose key no client draws.
        Self::none().header("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=").on_websocket()
    }

    /// Only for WebSockets; a fault that only they can have is so by itself.
    pub fn on_websocket(mut self) -> Self {
        self.websocket_only = true;
        self
    }

    /// Begins after this many events, which are served as usual. Default 0. Of faults that are not
    /// for WebSockets only, those of a service that loses its place have it too, over SSE as well.
    pub fn after_events(mut self, events: u64) -> Self {
        self.order.after = events;
        self
    }

    /// Events come in this many fragments, cut anywhere, also within a character; at least 1.
    pub fn in_fragments(mut self, count: usize) -> Self {
        self.order.form.fragments = Some(count.max(1));
        self.on_websocket()
    }

    /// Events come as binary messages.
    pub fn as_binary(mut self) -> Self {
        self.order.form.is_binary = true;
        self.on_websocket()
    }

    /// Events are filled up with white space after the JSON, to at least this many bytes.
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
    /// What strikes after this many events, unless it takes the next event to strike.
    pub(crate) fn strike_now(&mut self, events: u64) -> Option<Strike> {
        self.strike.take_if(|strike| self.after <= events && !matches!(strike, Strike::Cut(_)))
    }

    /// Where the event after this many is cut.
    pub(crate) fn cut(&self, events: u64) -> Option<Place> {
        match self.strike {
            Some(Strike::Cut(place)) if self.after <= events => Some(place),
            _ => None,
        }
    }

    /// How the event after this many looks.
    pub(crate) fn form(&self, events: u64) -> Form {
        if self.after <= events { self.form } else { Form::default() }
    }
}
