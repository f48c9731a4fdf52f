//! Where an event's parts stand in its text, found in one reading.

use super::error::Error;
use super::fields::{EVENT_LEVELS, Field};
use super::kind::Kind;
use crate::json::error::Stop;
use crate::json::span::Span;
use crate::json::string::decode;
use crate::json::token::Key;
use crate::json::value::{Member, blank, end, first_member, next_member, start, value};

/// Where an event's parts stand in its text. A string is what stands between its quotes.
#[derive(Clone, Copy)]
pub(super) struct Parts {
    pub(super) kind: Kind,
    pub(super) meta: MetaParts,
    pub(super) data: Option<Span>,
    pub(super) error: Option<ErrorParts>,
    pub(super) signature: Option<Span>,
    pub(super) event_id: Option<Span>,
}

#[derive(Clone, Copy)]
pub(super) struct MetaParts {
    pub(super) object: Span,
    pub(super) timestamp: Span,
    pub(super) attempt_id: Option<Span>,
    pub(super) status: Option<i64>,
    pub(super) latency_ms: Option<i64>,
    pub(super) payload_mode_fallback: Option<Span>,
}

#[derive(Clone, Copy)]
pub(super) struct ErrorParts {
    pub(super) object: Span,
    pub(super) code: Span,
    pub(super) message: Span,
}

pub(super) const EVENT_KEYS: &[&str] =
    &["type", "meta", "data", "error", "signature", "event_id", "eventId"];
pub(super) const META_KEYS: &[&str] = &[
    "timestamp",
    "attempt_id",
    "attemptId",
    "status",
    "latency_ms",
    "latencyMs",
    "payload_mode_fallback",
    "payloadModeFallback",
];
pub(super) const ERROR_KEYS: &[&str] = &["code", "message"];

impl Parts {
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let mut event = EventFields::default();
        let whole = blank(start(text)?);
        let read = event.read(text, whole);
        let rest = read.and_then(|rest| end(rest).map(|()| rest));
        let rest = rest.map_err(|stop| stop.in_text(text))?;
        let whole = Some(Span::between(text, whole, rest));
        Field { text, path: "value", value: whole }.required_object()?;
        event.parse(text)
    }
}

/// The values that came, whatever their types. Of equal keys the last one is kept.
#[derive(Default)]
struct EventFields {
    kind: Option<Span>,
    meta: MetaFields,
    data: Option<Span>,
    error: ErrorFields,
    signature: Option<Span>,
    event_id: Option<Span>,
    event_id_camel: Option<Span>,
}

impl EventFields {
    #[inline(always)]
    fn read<'a>(&mut self, text: &str, whole: &'a [u8]) -> Result<&'a [u8], Stop> {
        let [b'{', inside @ ..] = whole else { return value(whole, 1, EVENT_LEVELS) };
        let mut escapes = String::new();
        let mut member = match self.read_usual(text, inside)? {
            Some(rest) => next_member(rest)?,
            None => first_member(inside)?,
        };
        loop {
            let key = match &member {
                Member::Key(key) => key,
                Member::End(rest) => return Ok(rest),
            };
            let name = bytes(key, &mut escapes);
            let rest = if name == b"type" {
                set(&mut self.kind, text, key.rest, 2)?
            } else if name == b"meta" {
                self.meta.read(text, blank(key.rest))?
            } else if name == b"data" {
                set(&mut self.data, text, key.rest, 2)?
            } else if name == b"error" {
                self.error.read(text, blank(key.rest))?
            } else {
                let field = if name == b"signature" {
                    &mut self.signature
                } else if name == b"event_id" {
                    &mut self.event_id
                } else if name == b"eventId" {
                    &mut self.event_id_camel
                } else {
                    &mut None
                };
                set(field, text, key.rest, 2)?
            };
            member = next_member(rest)?;
        }
    }

    /// Reads members as long as they come in the service's own order, from the first one on. What
    /// is left is behind a value. A key that is foreseen takes six instructions; to find out which
    /// key it is takes forty.
    #[inline(always)]
    fn read_usual<'a>(&mut self, text: &str, inside: &'a [u8]) -> Result<Option<&'a [u8]>, Stop> {
        let Some(kind) = inside.strip_prefix(br#""type":"#) else { return Ok(None) };
        let mut rest = set(&mut self.kind, text, kind, 2)?;
        if let Some(meta) = rest.strip_prefix(br#","meta":"#) {
            rest = self.meta.read(text, blank(meta))?;
        }
        rest = usual(&mut self.data, text, rest, br#","data":"#, 2)?;
        if let Some(error) = rest.strip_prefix(br#","error":"#) {
            rest = self.error.read(text, blank(error))?;
        }
        rest = usual(&mut self.signature, text, rest, br#","signature":"#, 2)?;
        Ok(Some(rest))
    }

    #[inline(always)]
    fn parse(&self, text: &str) -> Result<Parts, Error> {
        let field = |path, value| Field { text, path, value };
        Ok(Parts {
            kind: Kind::parse(field("type", self.kind).required_string()?.of(text))?,
            meta: self.meta.parse(text)?,
            data: field("data", self.data).non_null(),
            error: self.error.parse(text)?,
            signature: field("signature", self.signature).string()?,
            event_id: field("eventId", self.event_id_camel)
                .or_twin("event_id", self.event_id)
                .string()?,
        })
    }
}

/// The values of `meta` that came.
#[derive(Default)]
struct MetaFields {
    meta: Option<Span>,
    timestamp: Option<Span>,
    attempt_id: Option<Span>,
    attempt_id_camel: Option<Span>,
    status: Option<Span>,
    latency_ms: Option<Span>,
    latency_ms_camel: Option<Span>,
    fallback: Option<Span>,
    fallback_camel: Option<Span>,
}

impl MetaFields {
    #[inline(always)]
    fn read<'a>(&mut self, text: &str, whole: &'a [u8]) -> Result<&'a [u8], Stop> {
        *self = Self::default();
        let rest = match whole {
            [b'{', inside @ ..] => self.read_members(text, inside)?,
            _ => value(whole, 2, EVENT_LEVELS)?,
        };
        self.meta = Some(Span::between(text, whole, rest));
        Ok(rest)
    }

    #[inline(always)]
    fn read_members<'a>(&mut self, text: &str, inside: &'a [u8]) -> Result<&'a [u8], Stop> {
        let mut escapes = String::new();
        let mut member = match self.read_usual(text, inside)? {
            Some(rest) => next_member(rest)?,
            None => first_member(inside)?,
        };
        loop {
            let key = match &member {
                Member::Key(key) => key,
                Member::End(rest) => return Ok(rest),
            };
            let name = bytes(key, &mut escapes);
            let field = if name == b"timestamp" {
                &mut self.timestamp
            } else if name == b"attempt_id" {
                &mut self.attempt_id
            } else if name == b"status" {
                &mut self.status
            } else if name == b"latency_ms" {
                &mut self.latency_ms
            } else if name == b"payload_mode_fallback" {
                &mut self.fallback
            } else if name == b"attemptId" {
                &mut self.attempt_id_camel
            } else if name == b"latencyMs" {
                &mut self.latency_ms_camel
            } else if name == b"payloadModeFallback" {
                &mut self.fallback_camel
            } else {
                &mut None
            };
            member = next_member(set(field, text, key.rest, 3)?)?;
        }
    }

    /// Reads the members of `meta` likewise.
    #[inline(always)]
    fn read_usual<'a>(&mut self, text: &str, inside: &'a [u8]) -> Result<Option<&'a [u8]>, Stop> {
        let Some(time) = inside.strip_prefix(br#""timestamp":"#) else { return Ok(None) };
        let mut rest = set(&mut self.timestamp, text, time, 3)?;
        rest = usual(&mut self.attempt_id, text, rest, br#","attempt_id":"#, 3)?;
        rest = usual(&mut self.status, text, rest, br#","status":"#, 3)?;
        rest = usual(&mut self.latency_ms, text, rest, br#","latency_ms":"#, 3)?;
        rest = usual(&mut self.fallback, text, rest, br#","payload_mode_fallback":"#, 3)?;
        Ok(Some(rest))
    }

    #[inline(always)]
    fn parse(&self, text: &str) -> Result<MetaParts, Error> {
        let field = |path, value| Field { text, path, value };
        Ok(MetaParts {
            object: field("meta", self.meta).required_object()?,
            timestamp: field("meta.timestamp", self.timestamp).required_string()?,
            attempt_id: field("meta.attemptId", self.attempt_id_camel)
                .or_twin("meta.attempt_id", self.attempt_id)
                .string()?,
            status: field("meta.status", self.status).integer()?,
            latency_ms: field("meta.latencyMs", self.latency_ms_camel)
                .or_twin("meta.latency_ms", self.latency_ms)
                .integer()?,
            payload_mode_fallback: field("meta.payloadModeFallback", self.fallback_camel)
                .or_twin("meta.payload_mode_fallback", self.fallback)
                .string()?,
        })
    }
}

/// The values of `error` that came.
#[derive(Default)]
struct ErrorFields {
    error: Option<Span>,
    code: Option<Span>,
    message: Option<Span>,
}

impl ErrorFields {
    #[inline(always)]
    fn read<'a>(&mut self, text: &str, whole: &'a [u8]) -> Result<&'a [u8], Stop> {
        *self = Self::default();
        let rest = match whole {
            [b'{', inside @ ..] => self.read_members(text, inside)?,
            _ => value(whole, 2, EVENT_LEVELS)?,
        };
        self.error = Some(Span::between(text, whole, rest));
        Ok(rest)
    }

    /// The function is out of line: most events have no such field.
    #[inline(never)]
    fn read_members<'a>(&mut self, text: &str, inside: &'a [u8]) -> Result<&'a [u8], Stop> {
        let mut escapes = String::new();
        let mut member = first_member(inside)?;
        loop {
            let key = match &member {
                Member::Key(key) => key,
                Member::End(rest) => return Ok(rest),
            };
            let name = bytes(key, &mut escapes);
            let field = if name == b"code" {
                &mut self.code
            } else if name == b"message" {
                &mut self.message
            } else {
                &mut None
            };
            member = next_member(set(field, text, key.rest, 3)?)?;
        }
    }

    fn parse(&self, text: &str) -> Result<Option<ErrorParts>, Error> {
        let field = |path, value| Field { text, path, value };
        let Some(object) = field("error", self.error).object()? else { return Ok(None) };
        Ok(Some(ErrorParts {
            object,
            code: field("error.code", self.code).required_string()?,
            message: field("error.message", self.message).required_string()?,
        }))
    }
}

/// Returns the key's bytes, decoded only where the key has escapes. Keys are compared as bytes.
#[inline(always)]
fn bytes<'k>(key: &Key<'k>, escapes: &'k mut String) -> &'k [u8] {
    if !key.escaped {
        return key.raw;
    }
    *escapes = decode(key.raw);
    escapes.as_bytes()
}

/// Reads the next member, if it has this key.
#[inline(always)]
fn usual<'a>(
    field: &mut Option<Span>,
    text: &str,
    rest: &'a [u8],
    key: &'static [u8],
    level: u32,
) -> Result<&'a [u8], Stop> {
    match rest.strip_prefix(key) {
        Some(value) => set(field, text, value, level),
        None => Ok(rest),
    }
}

/// Reads a value, and notes where the value stands.
#[inline(always)]
fn set<'a>(
    field: &mut Option<Span>,
    text: &str,
    rest: &'a [u8],
    level: u32,
) -> Result<&'a [u8], Stop> {
    let start = blank(rest);
    let rest = value(start, level, EVENT_LEVELS)?;
    *field = Some(Span::between(text, start, rest));
    Ok(rest)
}
