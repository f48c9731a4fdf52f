//! One exchange: a request out, the head of its response, its content.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::upgrade::OnUpgrade;
use restless_proto::machine::{End, ExchangeId, ForwardedBy, Input};
use restless_proto::{TransportError, TransportErrorKind, USER_AGENT, http1};

use crate::connect::{Connection, Connector, Origin, Route, failure};
use crate::trace::Span;
use crate::upgraded::Upgraded;
use crate::{Runtime, date};

/// Polled for the inputs that it yields; dropping it closes its connection.
pub(crate) struct Exchange<R> {
    id: ExchangeId,
    connector: Arc<Connector<R>>,
    reuse: bool,
    stage: Stage,
    span: Span,
}

enum Stage {
    /// Connecting, sending, waiting for the head.
    Request {
        answer: Pin<Box<dyn Future<Output = Result<Answer, End>> + Send>>,
        connected: Connected,
    },
    /// The content comes.
    Content {
        content: Incoming,
        connection: Connection,
        origin: Origin,
    },
    /// 101 has come, and hyper gives its connection away (RFC 9110 §7.8).
    Upgrade {
        upgrade: OnUpgrade,
        connection: Connection,
        unsent: Vec<Bytes>,
    },
    /// The connection speaks another protocol.
    Upgraded(Box<Upgraded>),
    /// It was not given away, and that is to be told.
    Broken(TransportError),
    Over,
}

/// Whether a connection has come to stand, which is told once. A call has one timer over all of it,
/// so one that is used again need not be told of.
#[derive(Clone, Default)]
struct Connected(Arc<AtomicBool>);

impl Connected {
    fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

struct Answer {
    response: Response<Incoming>,
    connection: Connection,
    origin: Origin,
}

impl<R: Runtime> Exchange<R> {
    /// Starts with the first poll. `reuse`: whether an idle connection will do, and this one is
    /// kept for the next exchange; a subscription wants one of its own.
    pub(crate) fn new(
        id: ExchangeId,
        connector: Arc<Connector<R>>,
        request: Request<Bytes>,
        reuse: bool,
    ) -> Self {
        let span = Span::exchange(id, &request);
        let connected = Connected::default();
        let answer = Box::pin(send(Arc::clone(&connector), request, reuse, connected.clone()));
        let stage = Stage::Request { answer, connected };
        Self { id, connector, reuse, stage, span }
    }

    /// The next input; pending for ever once it has ended.
    pub(crate) fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Input> {
        let span = self.span.clone();
        let _entered = span.enter();
        let polled = self.poll_stage(cx);
        match &polled {
            Poll::Ready(Input::Response { head, .. }) => span.answered(head.status),
            Poll::Ready(Input::Ended { why, .. }) => span.ended(why),
            _ => {}
        }
        polled
    }

    fn poll_stage(&mut self, cx: &mut Context<'_>) -> Poll<Input> {
        let exchange = self.id;
        match &mut self.stage {
            Stage::Request { answer, connected } => match answer.as_mut().poll(cx) {
                Poll::Pending if connected.take() => Poll::Ready(Input::Connected { exchange }),
                Poll::Pending => Poll::Pending,
                Poll::Ready(Ok(Answer { mut response, connection, origin })) => {
                    let upgrade = (response.status() == StatusCode::SWITCHING_PROTOCOLS)
                        .then(|| hyper::upgrade::on(&mut response));
                    let (head, content) = response.into_parts();
                    self.stage = match upgrade {
                        Some(upgrade) => Stage::Upgrade { upgrade, connection, unsent: Vec::new() },
                        None => Stage::Content { content, connection, origin },
                    };
                    Poll::Ready(Input::Response { exchange, head: Box::new(head) })
                }
                Poll::Ready(Err(why)) => {
                    self.stage = Stage::Over;
                    Poll::Ready(Input::Ended { exchange, why })
                }
            },
            Stage::Content { content, connection, .. } => loop {
                connection.drive(cx);
                let why = match ready!(Pin::new(&mut *content).poll_frame(cx)) {
                    Some(Ok(frame)) => match frame.into_data() {
                        Ok(bytes) => return Poll::Ready(Input::Data { exchange, bytes }),
                        // Trailers say nothing that the protocol knows.
                        Err(_) => continue,
                    },
                    Some(Err(error)) => End::Failed(failure(error)),
                    None => End::Complete,
                };
                let stage = std::mem::replace(&mut self.stage, Stage::Over);
                if let (End::Complete, true, Stage::Content { connection, origin, .. }) =
                    (&why, self.reuse, stage)
                {
                    self.connector.keep(origin, connection, cx);
                }
                return Poll::Ready(Input::Ended { exchange, why });
            },
            Stage::Upgrade { .. } => {
                ready!(self.poll_upgrade(cx));
                self.poll_stage(cx)
            }
            Stage::Upgraded(upgraded) => Poll::Ready(match ready!(upgraded.poll_read(cx)) {
                Ok(bytes) if !bytes.is_empty() => Input::Data { exchange, bytes },
                end => {
                    self.stage = Stage::Over;
                    let broken = |error| TransportError::new(TransportErrorKind::Broken, error);
                    let why = end.map_or_else(|e| End::Failed(broken(e)), |_| End::Complete);
                    Input::Ended { exchange, why }
                }
            }),
            Stage::Broken(error) => {
                let why = End::Failed(error.clone());
                self.stage = Stage::Over;
                Poll::Ready(Input::Ended { exchange, why })
            }
            Stage::Over => Poll::Pending,
        }
    }

    /// Queues bytes for a connection that was upgraded; they go out as [`poll_input`] is polled.
    ///
    /// # Errors
    ///
    /// Where it was not, or is over.
    ///
    /// [`poll_input`]: Self::poll_input
    pub(crate) fn send(&mut self, bytes: Bytes, owed: bool) -> Result<(), TransportError> {
        match &mut self.stage {
            Stage::Upgrade { unsent, .. } => unsent.push(bytes),
            Stage::Upgraded(upgraded) => upgraded.send(bytes, owed),
            // The machine will be told of the end that has come meanwhile.
            Stage::Broken(_) | Stage::Over => {}
            Stage::Request { .. } | Stage::Content { .. } => {
                let why = "bytes can't follow the request of an exchange that is not upgraded";
                return Err(TransportError::new(TransportErrorKind::Request, why));
            }
        }
        Ok(())
    }

    /// Bytes that an upgraded connection has not taken yet.
    pub(crate) fn unsent_bytes(&self) -> usize {
        match &self.stage {
            Stage::Upgrade { unsent, .. } => unsent.iter().map(Bytes::len).sum(),
            Stage::Upgraded(upgraded) => upgraded.unsent_bytes(),
            Stage::Request { .. } | Stage::Content { .. } | Stage::Broken(_) | Stage::Over => 0,
        }
    }

    /// Leaves `Stage::Upgrade` for what comes of it, once that is known.
    fn poll_upgrade(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Stage::Upgrade { upgrade, connection, unsent } = &mut self.stage {
            connection.drive(cx);
            self.stage = match ready!(Pin::new(upgrade).poll(cx)) {
                // Dropping hyper's connection here drops an empty shell.
                Ok(io) => Stage::Upgraded(Box::new(Upgraded::new(io, std::mem::take(unsent)))),
                Err(error) => Stage::Broken(failure(error)),
            };
        }
        Poll::Ready(())
    }

    /// Writes what is queued, as far as the connection takes it at once.
    pub(crate) fn flush(&mut self, cx: &mut Context<'_>) {
        // Not given away yet, it keeps what is queued.
        let _ = self.poll_upgrade(cx);
        if let Stage::Upgraded(upgraded) = &mut self.stage {
            upgraded.flush(cx);
        }
    }
}

async fn send<R: Runtime>(
    connector: Arc<Connector<R>>,
    request: Request<Bytes>,
    reuse: bool,
    connected: Connected,
) -> Result<Answer, End> {
    let origin = Origin::of(request.uri()).map_err(End::Failed)?;
    let upgrade = request.headers().contains_key(header::UPGRADE);
    let route = connector.route(&origin, upgrade).map_err(End::Failed)?;
    let mut request = wire_form(request, route).map_err(End::Failed)?;
    let user_agent = request.headers().get(header::USER_AGENT);
    let user_agent = user_agent.cloned().unwrap_or(HeaderValue::from_static(USER_AGENT));
    if reuse {
        while let Some(connection) = connector.reuse(&origin).await {
            let again = request.method().is_idempotent().then(|| request.clone());
            let (error, unsent) = match answer(connection, request).await {
                Ok((response, connection)) => match again {
                    // Nobody asked for long enough is what it says, and nothing of this request
                    // (RFC 9110 §15.5.9): once more, on a new one.
                    Some(again) if response.status() == StatusCode::REQUEST_TIMEOUT => {
                        request = again;
                        break;
                    }
                    _ => return accept(response, connection, origin, route),
                },
                Err(unanswered) => unanswered,
            };
            match unsent {
                // The peer closed it as we took it, and not a byte of the request has gone out.
                Some(unsent) => request = unsent,
                None => {
                    let error = failure(error);
                    match again.filter(|_| error.kind() == TransportErrorKind::Broken) {
                        // It closed it in the same moment, most likely (RFC 9112 §9.3.1): once
                        // more, on a new one.
                        Some(again) => {
                            request = again;
                            break;
                        }
                        None => return Err(End::Failed(route.name(error))),
                    }
                }
            }
        }
    }
    let connection = connector.connect(&origin, route, &user_agent).await?;
    connected.set();
    match answer(connection, request).await {
        Ok((response, connection)) => accept(response, connection, origin, route),
        Err((error, _)) => Err(End::Failed(route.name(failure(error)))),
    }
}

/// An answer of the origin's, or of a proxy that was given the request whole. 407 is only ever the
/// proxy's (RFC 9110 §15.5.8).
fn accept(
    mut response: Response<Incoming>,
    connection: Connection,
    origin: Origin,
    route: Route<'_>,
) -> Result<Answer, End> {
    date::add(response.headers_mut());
    if let Route::Forward(proxy) = route {
        response.extensions_mut().insert(ForwardedBy::new(proxy.to_string()));
        if response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            let (head, _) = response.into_parts();
            return Err(End::Failed(proxy.refused(&head)));
        }
    }
    Ok(Answer { response, connection, origin })
}

/// The error, and the request if none of it was sent.
type Unanswered = (hyper::Error, Option<Request<Full<Bytes>>>);

async fn answer(
    mut connection: Connection,
    request: Request<Full<Bytes>>,
) -> Result<(Response<Incoming>, Connection), Unanswered> {
    connection.head.start();
    let mut response = pin!(connection.sender.try_send_request(request));
    let response = poll_fn(|cx| {
        connection.drive(cx);
        response.as_mut().poll(cx)
    })
    .await;
    connection.head.stop();
    match response {
        Ok(response) => Ok((response, connection)),
        Err(mut error) => {
            let unsent = error.take_message();
            Err((error.into_error(), unsent))
        }
    }
}

/// In origin form, with a `Host` (RFC 9112 §3.2), and without the user information that a URI may
/// hold. For a proxy that forwards, in absolute form, with the proxy's credentials.
fn wire_form(
    request: Request<Bytes>,
    route: Route<'_>,
) -> Result<Request<Full<Bytes>>, TransportError> {
    let (mut head, content) = request.into_parts();
    let bad = |error| TransportError::new(TransportErrorKind::Request, error);
    let host = http1::host(&head.uri).unwrap_or_default().to_owned();
    let value = HeaderValue::try_from(&host).map_err(|error| bad(http::Error::from(error)))?;
    head.headers.insert(header::HOST, value);
    let path = http1::origin_form(&head.uri).into_owned();
    let target = match route {
        Route::Forward(proxy) => {
            if let Some(value) = proxy.authorization() {
                head.headers.insert(header::PROXY_AUTHORIZATION, value);
            }
            format!("http://{host}{path}")
        }
        Route::Direct | Route::Tunnel(_) => path,
    };
    head.uri = Uri::try_from(target).map_err(|error| bad(http::Error::from(error)))?;
    Ok(Request::from_parts(head, Full::new(content)))
}
