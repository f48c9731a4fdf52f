//! An exchange over `fetch` (WHATWG Fetch).

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt as _};
use http::StatusCode;
use http::header::{self, HeaderName, HeaderValue};
use http::response::Parts;
use js_sys::{Array, Uint8Array};
use restless_proto::machine::{End, ExchangeId, Input};
use restless_proto::{TransportError, TransportErrorKind as Kind};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortController, Headers, ReadableStreamDefaultReader, ReadableStreamReadResult,
    ReferrerPolicy, Request, RequestCache, RequestCredentials, RequestInit, RequestRedirect,
    Response, ResponseType,
};

use super::world;

/// Fields that stay behind: the first and the last are the browser's, and it is told the second by
/// `RequestCache`. Every other one has to be in the service's `Access-Control-Allow-Headers`.
const LEFT_OUT: [HeaderName; 3] =
    [header::ACCEPT_ENCODING, header::CACHE_CONTROL, header::USER_AGENT];

/// Ends a request, and all that belongs to it, where it is dropped.
struct Abort(AbortController);

impl Drop for Abort {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Sends a request, and returns the answer: its head, then its content, piece by piece as that is
/// asked for.
pub(super) async fn fetch(
    exchange: ExchangeId,
    request: &http::Request<Bytes>,
) -> Result<impl Stream<Item = Input> + use<>, TransportError> {
    // Without the browser's words, which hold the URL, which may hold a key.
    let wrong = |_| TransportError::from(Kind::Request);
    let abort = Abort(AbortController::new().map_err(wrong)?);
    let to_send = to_send(request, &abort).map_err(wrong)?;
    // Whether the request went out is not told. One that is safe may go out again.
    let kind = if request.method().is_safe() { Kind::Connect } else { Kind::Broken };
    let answer = JsFuture::from(world().fetch_with_request(&to_send)).await;
    let response: Response = answer.map_err(|error| failed(kind, &error))?.unchecked_into();
    if response.type_() == ResponseType::Opaqueredirect {
        let error = "a redirect, and a browser does not tell where it leads";
        return Err(TransportError::new(Kind::Unsupported, error));
    }
    let head = Input::Response { exchange, head: Box::new(head_of(&response)?) };
    let reader = response.body().map(|body| body.get_reader().unchecked_into());
    Ok(stream::iter([head]).chain(content(exchange, reader, abort)))
}

fn to_send(request: &http::Request<Bytes>, abort: &Abort) -> Result<Request, JsValue> {
    let fields = Headers::new()?;
    for (name, value) in request.headers() {
        if !LEFT_OUT.contains(name) {
            // A character for each byte (WHATWG Infra §4.7).
            let value: String = value.as_bytes().iter().map(|byte| char::from(*byte)).collect();
            fields.append(name.as_str(), &value)?;
        }
    }
    let init = RequestInit::new();
    init.set_method(request.method().as_str());
    init.set_headers_headers(&fields);
    if !request.body().is_empty() {
        init.set_body_opt_u8_array(Some(&Uint8Array::from(&request.body()[..])));
    }
    init.set_cache(RequestCache::NoStore);
    init.set_credentials(RequestCredentials::Omit);
    init.set_redirect(RequestRedirect::Manual);
    init.set_referrer_policy(ReferrerPolicy::NoReferrer);
    init.set_signal(Some(&abort.0.signal()));
    Request::new_with_str_and_init(&request.uri().to_string(), &init)
}

fn head_of(response: &Response) -> Result<Parts, TransportError> {
    let (mut head, ()) = http::Response::new(()).into_parts();
    let status = StatusCode::from_u16(response.status());
    head.status = status.map_err(|error| TransportError::new(Kind::Protocol, error))?;
    for field in &response.headers().entries() {
        let field: Array = field.map_err(|error| failed(Kind::Protocol, &error))?.unchecked_into();
        let text = |at| field.get(at).as_string().unwrap_or_default();
        let value: Vec<u8> = text(1).chars().map(|byte| byte as u8).collect();
        let name = HeaderName::try_from(text(0));
        if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
            head.headers.append(name, value);
        }
    }
    // The browser has taken the coding off, and the length is that of the coded content.
    head.headers.remove(header::CONTENT_ENCODING);
    head.headers.remove(header::CONTENT_LENGTH);
    if head.headers.contains_key(header::RETRY_AFTER) && !head.headers.contains_key(header::DATE) {
        let received = String::from(js_sys::Date::new_0().to_utc_string());
        head.headers.extend(HeaderValue::try_from(received).map(|date| (header::DATE, date)));
    }
    Ok(head)
}

/// The content, and its end. Dropping it aborts the request.
fn content(
    exchange: ExchangeId,
    reader: Option<ReadableStreamDefaultReader>,
    abort: Abort,
) -> impl Stream<Item = Input> {
    stream::unfold(Some((reader, abort)), move |open| async move {
        let (reader, abort) = open?;
        let why = match next(reader.as_ref()).await {
            Ok(Some(bytes)) => {
                return Some((Input::Data { exchange, bytes }, Some((reader, abort))));
            }
            Ok(None) => End::Complete,
            Err(error) => End::Failed(failed(Kind::Broken, &error)),
        };
        Some((Input::Ended { exchange, why }, None))
    })
}

/// Reads on; `None` at the end. An answer such as a 204 has nothing to read.
async fn next(reader: Option<&ReadableStreamDefaultReader>) -> Result<Option<Bytes>, JsValue> {
    let Some(reader) = reader else { return Ok(None) };
    let read: ReadableStreamReadResult = JsFuture::from(reader.read()).await?.unchecked_into();
    let is_over = read.get_done() == Some(true);
    Ok((!is_over).then(|| Uint8Array::from(read.get_value()).to_vec().into()))
}

fn failed(kind: Kind, error: &JsValue) -> TransportError {
    match error.dyn_ref::<js_sys::Error>() {
        Some(error) => TransportError::new(kind, String::from(error.message())),
        None => kind.into(),
    }
}
