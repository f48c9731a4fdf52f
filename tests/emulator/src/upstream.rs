//! An upstream REST API on loopback, whose answer a test can change.

use std::convert::Infallible;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::emulator::StartError;
use crate::fault::final_status;
use crate::listener::Listener;
use crate::log::{RecordedRequest, Requests};
use crate::signal::{Signal, Until};

/// An endpoint that answers every request with the same JSON, until another answer is set.
///
/// An upstream runs on a thread of its own on 127.0.0.1; dropping the upstream stops it.
///
/// ```
/// use restless_emulator::{Emulator, Upstream};
///
/// let orders = Upstream::start(r#"{"total":1}"#)?;
/// let emulator = Emulator::builder().seconds_are(std::time::Duration::from_millis(5)).start()?;
/// let id = emulator.add_stream(&format!(
///     r#"{{"name":"Orders","url":"{}","pollingInterval":1}}"#,
///     orders.url(),
/// ))?;
/// emulator.until_logged(&id, 1).wait()?;
/// orders.set(r#"{"total":2}"#);
/// emulator.until_logged(&id, 2).wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Upstream {
    address: SocketAddr,
    state: Arc<State>,
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    answer: Mutex<(StatusCode, Bytes)>,
    requests: Mutex<Requests>,
    signal: Signal,
}

impl Upstream {
    /// Starts an upstream that answers 200 with `body`.
    ///
    /// # Errors
    /// [`StartError`], if a port can't be bound, or the thread can't be started.
    pub fn start(body: impl Into<Bytes>) -> Result<Self, StartError> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (runtime, listener) =
            crate::listen(address, tokio::runtime::Builder::new_current_thread().enable_all())?;
        let address = listener.address();
        let state = Arc::new(State::default());
        let (stop, stopped) = oneshot::channel();
        let serving = serve(Arc::clone(&state), listener, stopped);
        let thread = std::thread::Builder::new()
            .name("restless-upstream".to_owned())
            .spawn(move || runtime.block_on(serving))
            .map_err(StartError::Thread)?;
        let upstream = Self { address, state, stop: Some(stop), thread: Some(thread) };
        upstream.set(body);
        Ok(upstream)
    }

    /// Sets the answer to 200 with `body`, from now on.
    pub fn set(&self, body: impl Into<Bytes>) {
        self.answer(200, body);
    }

    /// Sets the answer, from now on.
    ///
    /// # Panics
    /// If `status` is not between 200 and 999: an interim response (1xx) is no answer.
    pub fn answer(&self, status: u16, body: impl Into<Bytes>) {
        let status = final_status(status).expect("a status is between 200 and 999");
        *lock(&self.state.answer) = (status, body.into());
    }

    /// Returns the endpoint's URL. Any other path and query answers the same.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Returns how often the upstream was asked.
    pub fn hits(&self) -> usize {
        lock(&self.state.requests).count()
    }

    /// Returns the last requests, oldest first: at most 10,000, and at most 64 MiB together.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        lock(&self.state.requests).kept()
    }

    /// Waits until the upstream was asked at least `count` times.
    pub fn until_hits(&self, count: usize) -> Until<'_> {
        Until::new(&self.state.signal, format!("{count} upstream requests"), move || {
            self.hits() >= count
        })
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic over there has been reported over there; a second one in a drop would abort.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream").field("address", &self.address).finish_non_exhaustive()
    }
}

async fn serve(state: Arc<State>, listener: Listener, mut stop: oneshot::Receiver<Infallible>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stop => return,
            stream = listener.accept() => {
                let state = Arc::clone(&state);
                let service = service_fn(move |request| answer(Arc::clone(&state), request));
                connections.spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn answer(
    state: Arc<State>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Box<dyn std::error::Error + Send + Sync>> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, 1024 * 1024).collect().await?.to_bytes();
    lock(&state.requests).push(RecordedRequest::new(&parts, &body));
    let (status, body) = lock(&state.answer).clone();
    state.signal.tell();
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
