//! One exchange: a request out, the head of its response, its content.
//!
//! Two kinds of exchange stand on connections that are made the same way.
//!
//! - A *call* goes by hyper. A call is short, and shares connections with the calls before and
//!   after: which connection still stands, whose request is unsent, and what else happens between
//!   two requests on one connection are cases that hyper knows from many users.
//! - A *stream*, of events or of a WebSocket, goes by [`restless_proto::http1`]. A stream has a
//!   connection for itself, for months: the buffers and channels of a client that does everything
//!   would be most of a stream's memory, and of each event's time. `http1` also reads what hyper
//!   refuses and browsers read, such as chunk extensions without end.

mod call;
mod stream;

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use restless_proto::machine::{End, ExchangeId, ForwardedBy, Input};
use restless_proto::{TransportError, USER_AGENT};

use crate::connect::{Connector, Route};
use crate::duplex::Sender;
use crate::trace::Span;
use crate::{Runtime, date};
use call::Call;
use stream::Stream;

/// An exchange on its way, polled for its inputs. Dropping the exchange closes its connection.
pub(crate) struct Exchange<R> {
    kind: Kind<R>,
    span: Span,
}

/// What an exchange is for.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    /// A call: an idle connection will do, and is kept for the next call.
    Call,
    /// A subscription or a WebSocket, which has a connection of its own.
    Stream,
}

enum Kind<R> {
    Call(Box<Call<R>>),
    Stream(Stream<R>),
}

impl<R: Runtime> Exchange<R> {
    /// Makes an exchange, which starts with the first poll.
    pub(crate) fn new(
        id: ExchangeId,
        connector: Arc<Connector<R>>,
        request: Request<Bytes>,
        purpose: Purpose,
    ) -> Self {
        let span = Span::exchange(id, &request);
        let kind = match purpose {
            Purpose::Call => Kind::Call(Box::new(Call::new(id, connector, request))),
            Purpose::Stream => Kind::Stream(Stream::new(id, connector, request)),
        };
        Self { kind, span }
    }

    /// Returns the next input; pending for ever once the exchange has ended.
    pub(crate) fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Input> {
        let span = self.span.clone();
        let _entered = span.enter();
        let polled = match &mut self.kind {
            Kind::Call(call) => call.poll_input(cx),
            Kind::Stream(stream) => stream.poll_input(cx),
        };
        match &polled {
            Poll::Ready(Input::Response { head, .. }) => span.answered(head.status),
            Poll::Ready(Input::Ended { why, .. }) => span.ended(why),
            _ => {}
        }
        polled
    }

    /// Queues bytes for a connection that was upgraded; they go out as [`poll_input`] is polled.
    ///
    /// # Errors
    ///
    /// Where the connection was not upgraded, or is over.
    ///
    /// [`poll_input`]: Self::poll_input
    pub(crate) fn send(&mut self, bytes: Bytes, sender: Sender) -> Result<(), TransportError> {
        match &mut self.kind {
            Kind::Call(_) => Err(stream::not_upgraded()),
            Kind::Stream(stream) => stream.send(bytes, sender),
        }
    }

    /// Returns the number of bytes that an upgraded connection has not taken yet.
    pub(crate) fn unsent_bytes(&self) -> usize {
        match &self.kind {
            Kind::Call(_) => 0,
            Kind::Stream(stream) => stream.unsent_bytes(),
        }
    }

    /// Writes what is queued, as far as the connection takes it at once.
    pub(crate) fn flush(&mut self, cx: &mut Context<'_>) {
        if let Kind::Stream(stream) = &mut self.kind {
            stream.flush(cx);
        }
    }
}

/// Returns what a proxy on the way is told of who asks.
fn user_agent(request: &Request<Bytes>) -> HeaderValue {
    let user_agent = request.headers().get(header::USER_AGENT);
    user_agent.cloned().unwrap_or(HeaderValue::from_static(USER_AGENT))
}

/// Takes the head of an answer of the origin's, or of a proxy that was given the request whole. 407
/// is only ever the proxy's (RFC 9110 §15.5.8).
fn accept(head: &mut http::response::Parts, route: Route<'_>) -> Result<(), End> {
    date::add(&mut head.headers);
    if let Route::Forward(proxy) = route {
        head.extensions.insert(ForwardedBy::new(proxy.to_string()));
        if head.status == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            return Err(End::Failed(proxy.refused(head)));
        }
    }
    Ok(())
}
