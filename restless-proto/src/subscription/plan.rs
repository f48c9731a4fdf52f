//! What a subscription comes down to, and the requests that it makes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, header};
use url::Url;

use super::cursor::Position;
use super::policy::Overrides;
use crate::entropy::Entropy;
use crate::fields;
use crate::http::auth::{Reach, bearer};
use crate::http::coding;
use crate::http::redirect::{self, Hop};
use crate::kinds::{ConfigError, Timer};
use crate::limits::Limits;
use crate::secret::ApiKey;
use crate::service::Credentials;
use crate::signature::Signer;
use crate::timing::Backoff;
use crate::ws::{self, Handshake};

/// What a [`Subscription`](super::Subscription) comes down to, once every value in it is checked.
pub(super) struct Plan {
    pub(super) url: Url,
    /// The caller's own.
    pub(super) fields: HeaderMap,
    /// The service's, which give way to any other.
    pub(super) defaults: Arc<HeaderMap>,
    pub(super) credentials: Credentials,
    pub(super) reach: Reach,
    pub(super) position: Position,
    pub(super) reconnect: bool,
    pub(super) max_reconnects: Option<u32>,
    /// The caller's.
    pub(super) head_timeout: Option<Duration>,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) limits: Limits,
    pub(super) signer: Option<Signer>,
    pub(super) backoff: Backoff,
    pub(super) entropy: Entropy,
    pub(super) overrides: Overrides,
    pub(super) transport: Transport,
}

/// How events come.
pub(super) enum Transport {
    /// As server-sent events.
    EventStream {
        /// Whether a content coding is asked for.
        coded: bool,
    },
    /// Over WebSocket, with the handshake and the frames made here.
    WebSocket { subprotocols: Vec<String>, deflate: Option<ws::Deflate>, options: ws::Options },
    /// Over WebSocket, spoken by the driver.
    Messages { subprotocols: Vec<String>, options: ws::Options },
}

/// How long the head of a response is waited for, over WebSocket and until a connection stands.
const HEAD_WAIT: Duration = Duration::from_secs(30);

/// A request on its way, by as many redirects as it takes.
pub(super) struct Attempt {
    pub(super) hop: Hop,
    /// What the response to a WebSocket's request is checked against.
    pub(super) handshake: Option<Box<Handshake>>,
}

impl Plan {
    /// The first request of a connect, at the caller's URL, from where the subscription stands.
    pub(super) fn attempt(&mut self, key: Option<&ApiKey>) -> Result<Attempt, ConfigError> {
        let url = self.position.place_in(&self.url);
        let handshake = match &self.transport {
            Transport::EventStream { .. } | Transport::Messages { .. } => None,
            Transport::WebSocket { subprotocols, deflate, .. } => {
                let mut handshake =
                    Handshake::new(&url, &mut self.entropy)?.deflate(deflate.clone());
                for name in subprotocols {
                    handshake = handshake.subprotocol(name)?;
                }
                Some(Box::new(handshake))
            }
        };
        let mut request = match &handshake {
            Some(handshake) => {
                let mut request = handshake.request().map(|()| Bytes::new());
                // The HTTP stack's to set, from wherever a redirect leads.
                request.headers_mut().remove(header::HOST);
                request
            }
            None => Request::new(Bytes::new()),
        };
        *request.method_mut() = Method::GET;
        *request.uri_mut() = redirect::uri(&url);
        let fields = request.headers_mut();
        if let Transport::EventStream { coded } = self.transport {
            fields.insert(header::ACCEPT, HeaderValue::from_static("text/event-stream"));
            fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            // The caller's own field says it better.
            if coded && !self.fields.contains_key(header::ACCEPT_ENCODING) {
                fields.insert(header::ACCEPT_ENCODING, coding::accepted());
            }
        }
        if let Transport::Messages { subprotocols, .. } = &self.transport {
            // Tokens, each of them checked.
            if let Ok(names) = HeaderValue::try_from(subprotocols.join(", ")) {
                if !names.is_empty() {
                    fields.insert(header::SEC_WEBSOCKET_PROTOCOL, names);
                }
            }
        }
        if let Some(key) = key {
            fields.insert(header::AUTHORIZATION, bearer(key)?);
        }
        for (name, value) in &self.fields {
            fields.append(name.clone(), value.clone());
        }
        fields::fill(fields, &self.defaults);
        let hop = Hop::new(request, url);
        let hop = if self.is_websocket() { hop.for_websocket() } else { hop };
        Ok(Attempt { hop, handshake })
    }

    /// How long the head of a response is waited for, and by which timer: from the connection on where
    /// it stands, else from the request on. `None` for ever.
    ///
    /// Of an event stream, silence before the head is silence: much in between gives the head on with
    /// the first event only.
    pub(super) fn head_wait(&self, stands: bool) -> Option<(Timer, Duration)> {
        let head = |wait| Some((Timer::ResponseHead, wait));
        match (self.head_timeout, self.idle_timeout) {
            (Some(own), _) => head(own),
            (None, _) if self.is_websocket() => head(HEAD_WAIT),
            (None, Some(idle)) if stands || idle > HEAD_WAIT => Some((Timer::Idle, idle)),
            (None, Some(_)) => head(HEAD_WAIT),
            (None, None) => None,
        }
    }

    pub(super) fn is_websocket(&self) -> bool {
        !matches!(self.transport, Transport::EventStream { .. })
    }
}
