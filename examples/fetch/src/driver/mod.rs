//! A driver over what a browser has: `fetch` for calls and server-sent events, and `WebSocket`.
//!
//! It has taken the trial in a page of Chromium 156; a worker has the same functions. A browser
//! keeps to itself what other stacks tell, or leave to the machine:
//!
//! - **A redirect** ends a call or a subscription. `fetch` does not tell where one leads, and where
//!   a browser follows by itself, `x-api-key` goes along to whatever origin is named.
//! - **Fields of an answer** are there as far as `Access-Control-Expose-Headers` names them: the
//!   service should name `Date`, `Retry-After` and `X-Request-Id`. Without `Date` nothing says
//!   where to resume before the first event, unless the caller gives a `cursor` or a `since`.
//! - **Why there is no answer** is not told: nobody there, a name that is unknown, a certificate
//!   that is not trusted, and a service that does not let the page in (CORS). All are tried again;
//!   `max_reconnects` bounds that.
//! - **A `POST` may come twice.** Where a connection that was kept breaks before an answer,
//!   Chromium sends the request again by itself, whatever its method, and tells nobody
//!   (`findings/chromium-post-again.sh`). The preflight of each call leaves such a connection.
//! - **What comes right before a break** may be lost with it: a `ReadableStream` that fails forgets
//!   what was not read (WHATWG Streams §4.5.4). It comes again, as the cursor has not moved.
//! - **A WebSocket's request** has no field of ours, and so no key. It takes a direct URL with the
//!   key in it, or a server of one's own in between, which adds `Authorization`.
//! - **A WebSocket that is refused** looks like one that nobody answers, and is tried again.
//! - **Pings** are answered, and not told: a WebSocket on which no event comes is silent here.
//!   `idle_timeout` has to be longer than the stream is ever quiet.
//! - **Six connections** to a host are all that there are over HTTP/1.1, for all pages together: a
//!   seventh event stream waits. Over HTTP/2, and of WebSockets, there may be more.
//!
//! Whoever opens a page can read a key that is in it.

mod fetch;
mod websocket;

use std::ops::ControlFlow;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_channel::oneshot;
use futures_util::future::{self, Either, FutureExt as _};
use futures_util::stream::{self, LocalBoxStream, StreamExt};
use restless_proto::machine::{End, ExchangeId, Input, Machine, Output};
use restless_proto::{Entropy, Instant};
use wasm_bindgen::prelude::*;
use web_sys::WorkerGlobalScope;

/// Runs a machine until it is done, or `each` has enough. Dropping the future closes the
/// connection.
pub(crate) async fn drive<M: Machine, B>(
    machine: &mut M,
    mut each: impl FnMut(M::Event, &M) -> ControlFlow<B>,
) -> Option<B> {
    let mut inputs: LocalBoxStream<'static, Input> = stream::pending().boxed_local();
    loop {
        match machine.poll() {
            Output::Open { exchange, request } => inputs = open(exchange, *request),
            Output::Send(_) => unreachable!("what is sent is the browser's"),
            Output::Hangup => inputs = stream::pending().boxed_local(),
            Output::Authorize { .. } => unreachable!("the service has a fixed key"),
            Output::Event(event) => {
                if let ControlFlow::Break(value) = each(event, machine) {
                    return Some(value);
                }
            }
            Output::Wait(deadline) => {
                let left = deadline.map_or(Duration::MAX, |at| at.saturating_duration_since(now()));
                let timer = pin!(Timer::after(left).elapsed());
                let input = match future::select(inputs.next(), timer).await {
                    Either::Left((input, _)) => input.unwrap_or(Input::Elapsed),
                    Either::Right(_) => Input::Elapsed,
                };
                machine.handle(input, now());
            }
            Output::Done => return None,
        }
    }
}

/// What comes of a request, which goes out when this is polled. Dropping it hangs up.
fn open(exchange: ExchangeId, request: http::Request<Bytes>) -> LocalBoxStream<'static, Input> {
    let inputs = async move {
        let inputs = match request.uri().scheme_str() {
            Some("ws" | "wss") => {
                websocket::connect(exchange, &request).map(StreamExt::boxed_local)
            }
            _ => fetch::fetch(exchange, &request).await.map(StreamExt::boxed_local),
        };
        inputs.unwrap_or_else(|error| {
            let why = End::Failed(error);
            stream::iter([Input::Ended { exchange, why }]).boxed_local()
        })
    };
    inputs.flatten_stream().chain(stream::pending()).boxed_local()
}

/// What a page and a worker both have: what is used here has the same names in a `Window`.
fn world() -> WorkerGlobalScope {
    js_sys::global().unchecked_into()
}

/// The time, since the page was opened.
pub(crate) fn now() -> Instant {
    let milliseconds = world().performance().map_or(0.0, |clock| clock.now());
    Instant::from_origin(Duration::from_secs_f64(milliseconds / 1000.0))
}

/// What a machine draws its jitter from.
pub(crate) fn entropy() -> Entropy {
    let mut seed = [0; 32];
    let drawn = world().crypto().and_then(|it| it.get_random_values_with_u8_array(&mut seed));
    drawn.expect("the browser's randomness");
    Entropy::from_bytes(seed)
}

/// A timer, which is taken back where it is dropped.
struct Timer {
    id: Option<i32>,
    elapsed: oneshot::Receiver<()>,
    _ring: Closure<dyn FnMut()>,
}

impl Timer {
    fn after(left: Duration) -> Self {
        let (sender, elapsed) = oneshot::channel();
        let mut sender = Some(sender);
        let ring = Closure::new(move || {
            // Fails where the timer is gone, so that nobody waits.
            let _ = sender.take().map(|sender| sender.send(()));
        });
        // A longer one would ring at once (WHATWG HTML §8.7 takes 32 bits), and one that rings too
        // early does no harm. What is left of a millisecond is waited for, too.
        let left = i32::try_from(left.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX);
        let function = ring.as_ref().unchecked_ref();
        let id = world().set_timeout_with_callback_and_timeout_and_arguments_0(function, left);
        Self { id: id.ok(), elapsed, _ring: ring }
    }

    async fn elapsed(mut self) {
        // The sender is there for as long as this is.
        let _ = (&mut self.elapsed).await;
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            world().clear_timeout_with_handle(id);
        }
    }
}
