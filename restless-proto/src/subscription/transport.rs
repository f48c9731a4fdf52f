//! The ways in which events come: as server-sent events, in frames that are read here, or in whole
//! messages that the driver reads. A transport says what to send, what to accept, and what reads
//! it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, header};
use url::Url;

use super::feed::{EventStream, Feed, Messages};
use super::standing::Standing;
use crate::entropy::Entropy;
use crate::error::{ContentError, Error};
use crate::fields;
use crate::kinds::ConfigError;
use crate::limits::Limits;
use crate::road::{Answer, HEAD_WAIT, HeadTimer};
use crate::secret::ApiKey;
use crate::semantics::auth::bearer;
use crate::semantics::coding;
use crate::semantics::media_type;
use crate::semantics::redirect::{self, Hop};
use crate::timing::Instant;
use crate::ws::{self, Handshake};

/// One transport, with what each of its requests has.
pub(super) struct Transport {
    pub(super) kind: Kind,
    /// The caller's own fields.
    pub(super) fields: HeaderMap,
    /// The service's fields, which give way to any other.
    pub(super) defaults: Arc<HeaderMap>,
    pub(super) limits: Limits,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) entropy: Entropy,
    /// The handshake that the response to the present request is checked against, where that is
    /// one.
    pub(super) handshake: Option<Box<Handshake>>,
}

pub(super) enum Kind {
    /// Server-sent events.
    EventStream {
        /// Whether a content coding is asked for.
        coded: bool,
    },
    /// WebSocket, with the handshake and the frames made here.
    WebSocket { subprotocols: Vec<String>, deflate: Option<ws::Deflate>, options: ws::Options },
    /// WebSocket, spoken by the driver.
    Messages { subprotocols: Vec<String>, options: ws::Options },
}

impl Transport {
    pub(super) fn is_websocket(&self) -> bool {
        !matches!(self.kind, Kind::EventStream { .. })
    }

    /// The first request of a connect.
    pub(super) fn open(&mut self, url: Url, key: Option<&ApiKey>) -> Result<Hop, ConfigError> {
        self.handshake = self.shake(&url)?;
        let mut request = match &self.handshake {
            Some(handshake) => {
                let mut request = handshake.request().map(|()| Bytes::new());
                // The HTTP stack sets this field, from wherever a redirect leads.
                request.headers_mut().remove(header::HOST);
                request
            }
            None => Request::new(Bytes::new()),
        };
        *request.method_mut() = Method::GET;
        *request.uri_mut() = redirect::uri(&url);
        let fields = request.headers_mut();
        match &self.kind {
            Kind::EventStream { coded } => {
                fields.insert(header::ACCEPT, HeaderValue::from_static("text/event-stream"));
                fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
                // The caller's own field says it better.
                if *coded && !self.fields.contains_key(header::ACCEPT_ENCODING) {
                    fields.insert(header::ACCEPT_ENCODING, coding::accepted());
                }
            }
            Kind::Messages { subprotocols, .. } => {
                // The names are tokens, each of them checked.
                if let Ok(names) = HeaderValue::try_from(subprotocols.join(", ")) {
                    if !names.is_empty() {
                        fields.insert(header::SEC_WEBSOCKET_PROTOCOL, names);
                    }
                }
            }
            Kind::WebSocket { .. } => {}
        }
        if let Some(key) = key {
            fields.insert(header::AUTHORIZATION, bearer(key)?);
        }
        for (name, value) in &self.fields {
            fields.append(name.clone(), value.clone());
        }
        fields::fill(fields, &self.defaults);
        let hop = Hop::new(request, url);
        Ok(if self.is_websocket() { hop.for_websocket() } else { hop })
    }

    fn shake(&mut self, url: &Url) -> Result<Option<Box<Handshake>>, ConfigError> {
        let Kind::WebSocket { subprotocols, deflate, .. } = &self.kind else { return Ok(None) };
        let mut handshake = Handshake::new(url, &mut self.entropy)?.deflate(deflate.clone());
        for name in subprotocols {
            handshake = handshake.subprotocol(name)?;
        }
        Ok(Some(Box::new(handshake)))
    }

    /// Makes a redirected request what this transport sends: a handshake is a new one.
    pub(super) fn redirect(&mut self, hop: &mut Hop) {
        if let Some(handshake) = &mut self.handshake {
            handshake.redirect(&mut self.entropy, hop);
            hop.renew(handshake.request().headers());
        }
    }

    /// Makes a request what goes to the driver: for a stack that speaks whole messages, a
    /// WebSocket's. Until then, where redirects and credentials are judged, the request is HTTP's.
    pub(super) fn hand_over(&self, request: &mut Request<Bytes>) {
        if matches!(self.kind, Kind::Messages { .. }) {
            *request.uri_mut() = ws::websocket_uri(request.uri());
        }
    }

    /// Says which status is good: 200, and 204, which is the server's way to tell a client to stay
    /// away (WHATWG HTML §9.2.3); over WebSocket 101 (RFC 6455 §4.1).
    pub(super) fn wants(&self) -> Answer {
        if self.is_websocket() { Answer::WebSocket } else { Answer::EventStream }
    }

    /// Says how long the head is waited for; `caller` is the span that the caller has set.
    pub(super) fn head_timer(&self, caller: Option<Duration>) -> HeadTimer {
        if self.is_websocket() {
            HeadTimer::Within(caller.unwrap_or(HEAD_WAIT))
        } else {
            HeadTimer::Stream { caller, idle: self.idle_timeout }
        }
    }

    /// Makes the connection of a good answer; `None` where the content is of the wrong type.
    pub(super) fn accept(&mut self, head: &Parts, now: Instant) -> Result<Option<Standing>, Error> {
        // The handshake is of no use to the connection, which may be there for months.
        let handshake = self.handshake.take();
        let feed = match (&self.kind, handshake) {
            (Kind::EventStream { .. }, _) if !media_type::is_event_stream(&head.headers) => {
                return Ok(None);
            }
            (Kind::EventStream { .. }, _) => {
                let stream = EventStream::new(&head.headers, self.limits);
                let stream = stream.map_err(ContentError::from).map_err(Box::new)?;
                Feed::EventStream(Box::new(stream))
            }
            (Kind::WebSocket { options, .. }, Some(handshake)) => {
                let accepted = handshake.check(head.status, &head.headers).map_err(Box::new)?;
                let entropy = self.entropy.fork();
                let connection = ws::Connection::new(&accepted, *options, entropy, now);
                Feed::Frames(Box::new(connection))
            }
            (Kind::Messages { options, .. } | Kind::WebSocket { options, .. }, _) => {
                Feed::Messages(Messages::new(options))
            }
        };
        Ok(Some(Standing::new(feed, self.idle_timeout, now)))
    }

    /// Returns the subprotocol that a WebSocket's server chose.
    pub(super) fn subprotocol(&self, head: &Parts) -> Option<String> {
        let name = head.headers.get(header::SEC_WEBSOCKET_PROTOCOL);
        let name = name.filter(|_| self.is_websocket())?;
        name.to_str().ok().map(str::to_owned)
    }
}
