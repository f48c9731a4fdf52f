//! Accepting connections, and serving a request: record it, meet a fault, answer.

use std::convert::Infallible;
use std::future::Future;
use std::io::Write as _;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, DATE};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::body::{Content, Source};
use crate::coding::Coding;
use crate::fault::{Fault, Head, Plan};
use crate::feed::Transport;
use crate::hub::Hub;
use crate::listener::Listener;
use crate::log::RecordedRequest;
use crate::origin;
use crate::remote;
use crate::reply::{Reply, WARNING};
use crate::rest;
use crate::runtime::{self, Subject, WEBSOCKET_PATH};
use crate::script::Script;
use crate::socket::{Control, Socket};
use crate::treatment::Treatment;
use crate::{time, websocket};

/// Most bytes of a request's content.
const MAX_BODY_BYTES: usize = 1024 * 1024;
/// Longest time for a request's head, and for its content.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest time for WebSockets to be closed in when the emulator stops.
const GOODBYE: Duration = Duration::from_millis(100);

/// What the accept loop can be told.
pub(crate) enum Command {
    /// To stop or to begin again, and whom to tell when that is done.
    Listen(bool, std::sync::mpsc::Sender<std::io::Result<()>>),
}

/// Serves until `stop` says so or is dropped.
pub(crate) async fn serve(
    hub: Arc<Hub>,
    mut listener: Listener,
    mut commands: mpsc::UnboundedReceiver<Command>,
    mut stop: oneshot::Receiver<Infallible>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stop => break,
            Some(Command::Listen(on, done)) = commands.recv() => {
                let result = if on {
                    listener.listen_again()
                } else {
                    listener.stop();
                    Ok(())
                };
                hub.listening.store(listener.is_listening(), Ordering::Release);
                // Whoever asked may be gone; the listener is as it was told to be.
                let _ = done.send(result);
            }
            stream = listener.accept() => {
                connections.spawn(connection(Arc::clone(&hub), stream));
            }
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    hub.stopping.send_replace(true);
    // A peer that has not taken leave by then is cut.
    let _ = tokio::time::timeout(GOODBYE, hub.stopping.closed()).await;
}

/// Counts a connection until it is dropped.
struct Open(Arc<Hub>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::AcqRel);
        self.0.signal.tell();
    }
}

/// What follows on a connection after its last response, if anything does.
type Sequel = Arc<Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>>;

async fn connection(hub: Arc<Hub>, stream: TcpStream) {
    hub.connections.fetch_add(1, Ordering::AcqRel);
    // Declared before the socket lives in this frame, so dropped after it.
    let _open = Open(Arc::clone(&hub));
    hub.signal.tell();
    let mut hang_up = hub.hang_up.subscribe();
    // Events are small and due at once. Without the option they are late, not wrong.
    let _ = stream.set_nodelay(true);
    let (socket, control) = Socket::new(stream);
    let sequel = Sequel::default();
    let serving = {
        let (hub, sequel) = (Arc::clone(&hub), Arc::clone(&sequel));
        hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(READ_TIMEOUT)
            // It is among the fields that a fault can change.
            .auto_date_header(false)
            .serve_connection(
                socket,
                service_fn(move |request| {
                    let (hub, control) = (Arc::clone(&hub), Arc::clone(&control));
                    exchange(hub, control, Arc::clone(&sequel), request)
                }),
            )
            .with_upgrades()
    };
    let all = async {
        // A connection's failure is its peer's or a fault's doing, and nobody else's concern.
        let _ = serving.await;
        let next = sequel.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(next) = next {
            next.await;
        }
    };
    tokio::select! {
        () = all => {}
        _ = hang_up.changed() => {}
    }
}

/// The connection closes without a response.
#[derive(Debug, thiserror::Error)]
#[error("closed on purpose")]
struct Hangup;

async fn exchange(
    hub: Arc<Hub>,
    control: Arc<Control>,
    sequel: Sequel,
    mut request: Request<Incoming>,
) -> Result<Response<Content>, Hangup> {
    let started = Instant::now();
    let upgrade = hyper::upgrade::on(&mut request);
    let (mut parts, body) = request.into_parts();
    hide_credentials(&mut parts);
    let body = read_body(body).await;
    // What is asked beside the service is not a request to it.
    let preflight = origin::preflight(&parts);
    if preflight.is_some() || remote::is_for_us(&parts) {
        let mut reply = match (preflight, body) {
            (Some(answer), _) => answer,
            (None, Ok(body)) => remote::respond(&hub, &parts, &body),
            (None, Err(refused)) => refused,
        };
        sign(&parts, &mut reply);
        control.treat(Treatment::default());
        if hub.config.log {
            log(&parts, &[], &reply, started.elapsed());
        }
        return Ok(response(reply, Plan::default(), control));
    }
    hub.record(RecordedRequest::new(&parts, body.as_deref().unwrap_or_default()));

    let is_runtime = matches!(parts.uri.path(), "/" | WEBSOCKET_PATH);
    let query = runtime::query(&parts);
    let subject =
        if is_runtime { Some(Subject::parse(&hub.config.engine, &query).await) } else { None };
    let transport = runtime::transport(&parts);
    let fault = match &subject {
        Some(subject) => {
            let id = subject.as_ref().ok().map(Subject::id);
            let resumes = runtime::resumes(&parts, &query);
            hub.faults.take_runtime(id.as_deref(), transport, resumes)
        }
        None => hub.faults.take_rest(),
    };
    hub.signal.tell();
    let Fault { head, headers, mut plan, order, lapse, is_late, treatment, .. } =
        fault.unwrap_or_else(Fault::none).filled();
    control.treat(treatment);
    let served = matches!(head, Head::Serve);
    let mut reply = match head {
        Head::Close => return Err(Hangup),
        Head::Reset => {
            control.reset();
            return Err(Hangup);
        }
        Head::Silence => std::future::pending().await,
        Head::Status(status, body) => Reply::new(status, Source::Bytes(body)),
        Head::Replay(feed) => runtime::replay(&feed, &parts, &query),
        Head::Script(chunks) if transport == Transport::WebSocket => websocket::accept(&parts)
            .map(|accepted| accepted.upgrading(websocket::Source::Script(Script::new(chunks))))
            .unwrap_or_else(|refused| *refused),
        Head::Script(chunks) => runtime::event_stream(Source::Script(Script::new(chunks))),
        Head::Serve => match (subject, body) {
            (_, Err(refused)) => refused,
            (Some(subject), Ok(_)) => runtime::respond(&hub, &parts, &query, subject),
            (None, Ok(body)) => rest::respond(&hub, &parts, &query, &body).await,
        },
    };
    if let Some(subscription) = reply.subscription() {
        if let Some(lapse) = lapse {
            subscription.lose(lapse, order.after);
        }
        if is_late {
            subscription.ready().await;
        }
    }
    // A fault that names a coding has coded its content itself, or not as it says.
    let named = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-encoding"));
    if let (true, false, Some(coding)) = (served, named, Coding::asked(&parts.headers)) {
        reply = reply.coded(coding);
    }
    sign(&parts, &mut reply);
    set_headers(&mut reply, &headers);
    if let Some(source) = reply.upgrade.take() {
        let session = websocket::Session {
            // What is planned is planned for what follows the response.
            plan: std::mem::take(&mut plan),
            order,
            control: Arc::clone(&control),
            heartbeat: hub.config.heartbeat,
            stopping: hub.stopping.subscribe(),
        };
        *sequel.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Box::pin(session.serve(upgrade, source)));
    }
    if hub.config.log {
        log(&parts, &query, &reply, started.elapsed());
    }
    Ok(response(reply, plan, control))
}

/// Makes the reply a response that goes out.
fn response(reply: Reply, plan: Plan, control: Arc<Control>) -> Response<Content> {
    let mut response = Response::new(Content::new(reply.content, plan, control));
    *response.status_mut() = reply.status;
    *response.headers_mut() = reply.headers;
    response
}

/// Adds what every response has: its date (RFC 9110 §6.6.1), an id, and whether a page may read it.
fn sign(parts: &Parts, reply: &mut Reply) {
    origin::allow(parts, reply);
    if let Ok(date) = HeaderValue::from_str(&time::http_date(time::now_ms())) {
        reply.headers.insert(DATE, date);
    }
    if let Ok(id) = HeaderValue::from_str(&format!("req_{:016x}", crate::random())) {
        reply.headers.insert("x-request-id", id);
    }
}

/// The whole content, or the reply to one that is too long, too slow, or cut.
async fn read_body(body: Incoming) -> Result<Bytes, Reply> {
    let read = Limited::new(body, MAX_BODY_BYTES).collect();
    match tokio::time::timeout(READ_TIMEOUT, read).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Reply::error(
            StatusCode::PAYLOAD_TOO_LARGE,
            &format!("body must not be longer than {MAX_BODY_BYTES} bytes"),
        )),
        Ok(Err(_)) => Err(Reply::error(StatusCode::BAD_REQUEST, "body could not be read")),
        Err(_) => Err(Reply::error(StatusCode::REQUEST_TIMEOUT, "body took too long")),
    }
}

/// Puts a fault's header fields in place of the service's own; a field that HTTP can't carry is
/// left out.
fn set_headers(reply: &mut Reply, headers: &[(String, String)]) {
    let headers = headers.iter().filter_map(|(name, value)| {
        Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?))
    });
    for (name, _) in headers.clone() {
        reply.headers.remove(name);
    }
    // A false length would be hyper's error, not the client's.
    for (name, value) in headers.filter(|(name, value)| name != CONTENT_LENGTH && !value.is_empty())
    {
        reply.headers.append(name, value);
    }
}

fn hide_credentials(parts: &mut Parts) {
    for name in [AUTHORIZATION, HeaderName::from_static("x-api-key")] {
        if let Some(value) = parts.headers.get_mut(name) {
            value.set_sensitive(true);
        }
    }
}

/// Writes one line for a request, and one for each warning in the reply. Of the request, a line has
/// only the parts of the query that hold no key.
fn log(parts: &Parts, query: &[(String, String)], reply: &Reply, took: Duration) {
    let mut target = parts.uri.path().to_owned();
    let shown = ["streamId", "sessionId", "cursor", "since", "limit", "offset"];
    for (index, (name, value)) in
        query.iter().filter(|(name, _)| shown.contains(&name.as_str())).enumerate()
    {
        let separator = if index == 0 { '?' } else { '&' };
        target.extend([separator.to_string(), name.clone(), "=".to_owned(), value.clone()]);
    }
    // `escape_debug`: a line end in a value must not begin a line of its own.
    let target = target.escape_debug();
    let (status, took) = (reply.status.as_u16(), took.as_millis());
    let mut lines = format!("{} {target} {status} {took} ms\n", parts.method);
    for warning in reply.headers.get_all(WARNING).iter().filter_map(|value| value.to_str().ok()) {
        lines.extend(["warning: ", warning, "\n"]);
    }
    // Where standard error takes no more, nobody is left to tell, and the request is served.
    let _ = std::io::stderr().write_all(lines.as_bytes());
}
