//! A response before it is sent.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Serialize;

use crate::body::Source;
use crate::coding::{Coder, Coding};
use crate::feed::Subscription;
use crate::fields::{self, Invalid};
use crate::websocket;

/// What a filter is warned of: a field for each, over every transport.
pub(crate) const WARNING: HeaderName = HeaderName::from_static("x-emulator-warning");

/// Status, header fields, and where the content comes from.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) content: Source,
    /// What follows on the same connection after a 101.
    pub(crate) upgrade: Option<websocket::Source>,
}

impl Reply {
    pub(crate) fn new(status: StatusCode, content: Source) -> Self {
        Self { status, headers: HeaderMap::new(), content, upgrade: None }
    }

    pub(crate) fn json(status: StatusCode, model: &impl Serialize) -> Self {
        Self::new(status, Source::Bytes(Bytes::from(fields::to_json(model))))
            .with(CONTENT_TYPE, HeaderValue::from_static("application/json"))
    }

    /// The service's error object.
    pub(crate) fn error(status: StatusCode, message: &str) -> Self {
        Self::json(
            status,
            &serde_json::json!({
                "statusCode": status.as_u16(),
                "message": message,
                "error": status.canonical_reason(),
            }),
        )
    }

    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Adds a field for each of `warnings`, which are visible ASCII.
    pub(crate) fn warning_of(mut self, warnings: &[String]) -> Self {
        for value in warnings.iter().filter_map(|text| HeaderValue::from_str(text).ok()) {
            self.headers.append(WARNING, value);
        }
        self
    }

    /// Puts the content into a coding, where the reply has one.
    pub(crate) fn coded(mut self, coding: Coding) -> Self {
        self.content = match self.content {
            Source::Bytes(bytes) if !bytes.is_empty() => Source::Bytes(coding.code(&bytes)),
            Source::Feed(live) => Source::Coded(live, Some(Box::new(Coder::new(coding)))),
            empty => {
                self.content = empty;
                return self;
            }
        };
        self.with(CONTENT_ENCODING, coding.field())
            .with(VARY, HeaderValue::from_static("accept-encoding"))
    }

    /// Returns the subscription that the content is, over either transport.
    pub(crate) fn subscription(&mut self) -> Option<&mut Subscription> {
        match (&mut self.content, &mut self.upgrade) {
            (_, Some(websocket::Source::Feed(subscription))) => Some(subscription),
            (Source::Feed(live), _) => Some(live.subscription()),
            _ => None,
        }
    }

    pub(crate) fn upgrading(mut self, to: websocket::Source) -> Self {
        self.upgrade = Some(to);
        self
    }
}

/// A request that is not granted: a status and a message.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    pub(crate) message: Cow<'static, str>,
}

impl Refused {
    pub(crate) fn new(status: StatusCode, message: &'static str) -> Self {
        Self { status, message: message.into() }
    }
}

impl From<Invalid> for Refused {
    fn from(invalid: Invalid) -> Self {
        Self { status: StatusCode::BAD_REQUEST, message: invalid.0.into() }
    }
}

impl From<Refused> for Reply {
    fn from(refused: Refused) -> Self {
        Self::error(refused.status, &refused.message)
    }
}
