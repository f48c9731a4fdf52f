//! An exchange over the browser's `WebSocket` (WHATWG WebSockets), in whole messages.

use std::cell::Cell;
use std::rc::Rc;

use bytes::Bytes;
use futures_channel::mpsc;
use futures_util::stream::{self, Stream, StreamExt as _};
use http::StatusCode;
use http::header::{self, HeaderValue};
use js_sys::{Array, ArrayBuffer, Uint8Array};
use restless_proto::machine::{End, ExchangeId, Input};
use restless_proto::ws::CloseCode;
use restless_proto::{TransportError, TransportErrorKind as Kind};
use wasm_bindgen::prelude::*;
use web_sys::{BinaryType, CloseEvent, MessageEvent, WebSocket};

/// The messages that may wait to be taken. A page can't have the peer wait: a connection that
/// brings more is given up, and the next one goes on behind what was taken.
const MOST_WAITING: usize = 64;

/// A WebSocket, and what listens to it. Dropping it closes the connection.
struct Socket {
    socket: WebSocket,
    _opened: Closure<dyn FnMut()>,
    _message: Closure<dyn FnMut(MessageEvent)>,
    _closed: Closure<dyn FnMut(CloseEvent)>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.socket.set_onopen(None);
        self.socket.set_onmessage(None);
        self.socket.set_onclose(None);
        // Fails for a code or a reason that can't be, and has neither.
        let _ = self.socket.close();
    }
}

/// Connects, and returns what comes: a head once the connection stands, messages, and the end.
pub(super) fn connect(
    exchange: ExchangeId,
    request: &http::Request<Bytes>,
) -> Result<impl Stream<Item = Input> + use<>, TransportError> {
    let can_be = [header::SEC_WEBSOCKET_PROTOCOL, header::USER_AGENT];
    if let Some(name) = request.headers().keys().find(|name| !can_be.contains(name)) {
        let error = format!("a browser's WebSocket can't send the field {name}");
        return Err(TransportError::new(Kind::Request, error));
    }
    let names = request.headers().get(header::SEC_WEBSOCKET_PROTOCOL);
    let names = names.and_then(|names| names.to_str().ok()).unwrap_or_default();
    let names = names.split(", ").filter(|name| !name.is_empty()).map(JsValue::from);
    let names: JsValue = names.collect::<Array>().into();
    // Without the browser's words, which hold the URL, which may hold a key.
    let socket = WebSocket::new_with_str_sequence(&request.uri().to_string(), &names)
        .map_err(|_| TransportError::from(Kind::Request))?;
    socket.set_binary_type(BinaryType::Arraybuffer);

    let (mut sender, inputs) = mpsc::channel(MOST_WAITING);
    let mut tell = move |input| {
        if sender.try_send(input).is_err() {
            // Whatever comes behind what is lost is lost as well.
            sender.close_channel();
        }
    };
    let (mut of_message, mut of_closed) = (tell.clone(), tell.clone());
    let (chosen, stands) = (socket.clone(), Rc::new(Cell::new(false)));
    let stood = Rc::clone(&stands);
    let opened = Closure::new(move || {
        stands.set(true);
        let (mut head, ()) = http::Response::new(()).into_parts();
        head.status = StatusCode::SWITCHING_PROTOCOLS;
        if let Some(name) = Some(chosen.protocol()).filter(|name| !name.is_empty()) {
            let name = HeaderValue::try_from(name);
            head.headers.extend(name.map(|name| (header::SEC_WEBSOCKET_PROTOCOL, name)));
        }
        tell(Input::Response { exchange, head: Box::new(head) });
    });
    let message = Closure::new(move |event: MessageEvent| {
        let data = event.data();
        let message = match data.as_string() {
            Some(text) => text.into(),
            None => Uint8Array::new(data.unchecked_ref::<ArrayBuffer>()).to_vec().into(),
        };
        of_message(Input::Message { exchange, message });
    });
    let closed = Closure::new(move |event: CloseEvent| {
        let code = CloseCode::new(event.code());
        let why = match (code, stood.get()) {
            (CloseCode::ABNORMAL, true) => End::Failed(Kind::Broken.into()),
            // Or it was refused, which looks the same.
            (CloseCode::ABNORMAL, false) => End::Failed(Kind::Connect.into()),
            _ => End::Closed { code, reason: event.reason() },
        };
        of_closed(Input::Ended { exchange, why });
    });
    socket.set_onopen(Some(opened.as_ref().unchecked_ref()));
    socket.set_onmessage(Some(message.as_ref().unchecked_ref()));
    socket.set_onclose(Some(closed.as_ref().unchecked_ref()));
    let socket = Socket { socket, _opened: opened, _message: message, _closed: closed };

    // Behind the end of its own, which is then the one that counts, or in place of it.
    let why = End::Failed(TransportError::new(Kind::Broken, "messages came faster than taken"));
    let inputs = inputs.chain(stream::iter([Input::Ended { exchange, why }]));
    // The socket goes with the stream.
    Ok(inputs.map(move |input| {
        let _held = &socket;
        input
    }))
}
