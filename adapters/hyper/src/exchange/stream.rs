//! A stream, of events or of a WebSocket: by `http1`, on a connection of its own.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, StatusCode, header};
use restless_proto::http1::{self, StreamEnd, TargetForm, request_bytes};
use restless_proto::machine::{End, ExchangeId, Input};
use restless_proto::{TransportError, TransportErrorKind};

use super::{accept, user_agent};
use crate::connect::{Connector, Origin, Route, Wants};
use crate::duplex::{Duplex, Sender};
use crate::{Runtime, tls};

pub(super) struct Stream<R> {
    id: ExchangeId,
    connector: Arc<Connector<R>>,
    stage: Stage,
}

enum Stage {
    Connect(Pin<Box<dyn Future<Output = Result<Open, End>> + Send>>),
    /// The request goes out, and its response comes.
    Http(Box<Open>),
    /// 101 has come: the connection speaks another protocol (RFC 9110 §7.8).
    Upgraded(Box<Duplex>),
    Over,
}

struct Open {
    duplex: Duplex,
    wire: http1::Exchange,
    /// Where the connection leads, until the head has come: an error before the head names the
    /// proxy that is on the way.
    to: Option<Target>,
}

struct Target {
    origin: Origin,
    wants: Wants,
}

impl<R: Runtime> Stream<R> {
    pub(super) fn new(
        id: ExchangeId,
        connector: Arc<Connector<R>>,
        request: Request<Bytes>,
    ) -> Self {
        let stage = Stage::Connect(Box::pin(open(id, Arc::clone(&connector), request)));
        Self { id, connector, stage }
    }

    pub(super) fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Input> {
        let exchange = self.id;
        let input = match &mut self.stage {
            Stage::Connect(opening) => match ready!(opening.as_mut().poll(cx)) {
                Ok(open) => {
                    self.stage = Stage::Http(Box::new(open));
                    Input::Connected { exchange }
                }
                Err(why) => Input::Ended { exchange, why },
            },
            Stage::Http(open) => {
                let input = ready!(open.poll_input(cx));
                self.check(input)
            }
            Stage::Upgraded(duplex) => match ready!(duplex.poll_read(cx)) {
                Ok(bytes) if !bytes.is_empty() => Input::Data { exchange, bytes },
                Ok(_) => Input::Ended { exchange, why: End::Complete },
                Err(error) => Input::Ended { exchange, why: End::Failed(broken(error)) },
            },
            Stage::Over => return Poll::Pending,
        };
        if matches!(input, Input::Ended { .. }) {
            self.stage = Stage::Over;
        }
        Poll::Ready(input)
    }

    pub(super) fn send(&mut self, bytes: Bytes, sender: Sender) -> Result<(), TransportError> {
        match &mut self.stage {
            Stage::Upgraded(duplex) => duplex.send(bytes, sender),
            // The machine will be told of the end that has come meanwhile.
            Stage::Over => {}
            Stage::Connect(_) | Stage::Http(_) => return Err(not_upgraded()),
        }
        Ok(())
    }

    pub(super) fn unsent_bytes(&self) -> usize {
        match &self.stage {
            Stage::Upgraded(duplex) => duplex.unsent_bytes(),
            Stage::Connect(_) | Stage::Http(_) | Stage::Over => 0,
        }
    }

    pub(super) fn flush(&mut self, cx: &mut Context<'_>) {
        if let Stage::Upgraded(duplex) = &mut self.stage {
            duplex.flush(cx);
        }
    }

    /// Takes from an input what the driver has to know, before the machine gets the input.
    fn check(&mut self, input: Input) -> Input {
        let Stage::Http(open) = &mut self.stage else { return input };
        let Some(Target { origin, wants }) = &open.to else { return input };
        // The way was found before, and the proxies have not changed since.
        let route = self.connector.route(origin, *wants).unwrap_or(Route::Direct);
        match input {
            Input::Response { exchange, mut head } => {
                open.to = None;
                if let Err(why) = accept(&mut head, route) {
                    return Input::Ended { exchange, why };
                }
                if head.status == StatusCode::SWITCHING_PROTOCOLS {
                    self.upgrade();
                }
                Input::Response { exchange, head }
            }
            Input::Ended { exchange, why: End::Failed(error) } => {
                Input::Ended { exchange, why: End::Failed(route.name(error)) }
            }
            other => other,
        }
    }

    fn upgrade(&mut self) {
        if let Stage::Http(mut open) = std::mem::replace(&mut self.stage, Stage::Over) {
            // What has come behind the head is read once more, so that the ends of frames are
            // known.
            let rest = match open.wire.poll() {
                Some(Input::Data { bytes, .. }) => bytes,
                _ => Bytes::new(),
            };
            open.duplex.upgrade(rest);
            self.stage = Stage::Upgraded(Box::new(open.duplex));
        }
    }
}

impl Open {
    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Input> {
        loop {
            if let Some(input) = self.wire.poll() {
                return Poll::Ready(input);
            }
            match ready!(self.duplex.poll_read(cx)) {
                Ok(bytes) if bytes.is_empty() => self.wire.handle_end(StreamEnd::Closed),
                Ok(bytes) => self.wire.handle_data(bytes),
                // A TLS connection that ends without `close_notify` is one of these.
                Err(error) => self.wire.handle_end(StreamEnd::Failed(broken(error))),
            }
        }
    }
}

async fn open<R: Runtime>(
    id: ExchangeId,
    connector: Arc<Connector<R>>,
    mut request: Request<Bytes>,
) -> Result<Open, End> {
    let origin = Origin::of(request.uri()).map_err(End::Failed)?;
    let wants = Wants::of(&request);
    let route = connector.route(&origin, wants).map_err(End::Failed)?;
    let form = match route {
        Route::Forward(proxy) => {
            if let Some(value) = proxy.authorization() {
                request.headers_mut().insert(header::PROXY_AUTHORIZATION, value);
            }
            TargetForm::Absolute
        }
        Route::Direct | Route::Tunnel(_) => TargetForm::Origin,
    };
    let to_write = request_bytes(&request, form).map_err(|error| End::Failed(error.into()))?;
    let socket = connector.open(&origin, route, &user_agent(&request)).await?;
    let wire = http1::Exchange::new(id, &request);
    Ok(Open { duplex: Duplex::new(socket, to_write), wire, to: Some(Target { origin, wants }) })
}

/// In TLS 1.3 a server refuses a client's certificate, or the lack of one, only when the handshake
/// is over for the client (RFC 8446 §4.4.2.4).
fn broken(error: std::io::Error) -> TransportError {
    TransportError::new(tls::kind(&error), error)
}

/// The error for bytes on a connection that no response has turned over.
pub(super) fn not_upgraded() -> TransportError {
    let why = "bytes can't follow the request of an exchange that is not upgraded";
    TransportError::new(TransportErrorKind::Request, why)
}
