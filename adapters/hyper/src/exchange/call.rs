//! A call: by hyper, on a connection that another call may have left.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::response::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use restless_proto::machine::{End, ExchangeId, Input};
use restless_proto::{TransportError, TransportErrorKind, http1};

use super::{accept, user_agent};
use crate::Runtime;
use crate::connect::{Connection, Connector, Origin, Route, Wants, failure};

pub(super) struct Call<R> {
    id: ExchangeId,
    connector: Arc<Connector<R>>,
    stage: Stage,
}

enum Stage {
    /// The exchange connects, sends, and waits for the head.
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
    Over,
}

/// Whether a connection has come to stand, which is told once. A call has one timer over all of it,
/// so a connection that is used again need not be told of.
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
    head: Parts,
    content: Incoming,
    connection: Connection,
    origin: Origin,
}

impl<R: Runtime> Call<R> {
    pub(super) fn new(
        id: ExchangeId,
        connector: Arc<Connector<R>>,
        request: Request<Bytes>,
    ) -> Self {
        let connected = Connected::default();
        let answer = Box::pin(send(Arc::clone(&connector), request, connected.clone()));
        Self { id, connector, stage: Stage::Request { answer, connected } }
    }

    pub(super) fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Input> {
        let exchange = self.id;
        match &mut self.stage {
            Stage::Request { answer, connected } => match answer.as_mut().poll(cx) {
                Poll::Pending if connected.take() => Poll::Ready(Input::Connected { exchange }),
                Poll::Pending => Poll::Pending,
                Poll::Ready(Ok(Answer { head, content, connection, origin })) => {
                    self.stage = Stage::Content { content, connection, origin };
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
                if let (End::Complete, Stage::Content { connection, origin, .. }) = (&why, stage) {
                    self.connector.keep(origin, connection, cx);
                }
                return Poll::Ready(Input::Ended { exchange, why });
            },
            Stage::Over => Poll::Pending,
        }
    }
}

async fn send<R: Runtime>(
    connector: Arc<Connector<R>>,
    request: Request<Bytes>,
    connected: Connected,
) -> Result<Answer, End> {
    let origin = Origin::of(request.uri()).map_err(End::Failed)?;
    let route = connector.route(&origin, Wants::Response).map_err(End::Failed)?;
    let user_agent = user_agent(&request);
    let mut request = wire_form(request, route).map_err(End::Failed)?;
    let method = request.method().clone();
    while let Some(connection) = connector.reuse(&origin).await {
        let again = request.method().is_idempotent().then(|| request.clone());
        let (error, unsent) = match answer(connection, request).await {
            Ok((response, connection)) => match again {
                // The answer says that nobody asked for too long, and says nothing of this request
                // (RFC 9110 §15.5.9): the request goes out once more, on a new connection.
                Some(again) if response.status() == StatusCode::REQUEST_TIMEOUT => {
                    request = again;
                    break;
                }
                _ => return answered(response, &method, connection, origin, route),
            },
            Err(unanswered) => unanswered,
        };
        match unsent {
            // The peer closed the connection as we took it, and all of the request is still here.
            Some(unsent) => request = unsent,
            None => {
                let error = failure(error);
                match again.filter(|_| error.kind() == TransportErrorKind::Broken) {
                    // The peer most likely closed the connection in the same moment (RFC 9112
                    // §9.3.1): the request goes out once more, on a new one.
                    Some(again) => {
                        request = again;
                        break;
                    }
                    None => return Err(End::Failed(route.name(error))),
                }
            }
        }
    }
    let connection = connector.connect(&origin, route, &user_agent).await?;
    connected.set();
    match answer(connection, request).await {
        Ok((response, connection)) => answered(response, &method, connection, origin, route),
        Err((error, _)) => Err(End::Failed(route.name(failure(error)))),
    }
}

fn answered(
    response: Response<Incoming>,
    method: &Method,
    mut connection: Connection,
    origin: Origin,
    route: Route<'_>,
) -> Result<Answer, End> {
    let (mut head, content) = response.into_parts();
    connection.persists &= http1::persists(&head, method);
    accept(&mut head, route)?;
    Ok(Answer { head, content, connection, origin })
}

/// The error, and the request if all of it is unsent.
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

/// Makes the request what goes over the wire: in origin form, with a `Host` (RFC 9112 §3.2), and
/// without the user information that a URI may hold. For a proxy that forwards, in absolute form,
/// with the proxy's credentials.
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
