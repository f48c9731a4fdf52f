//! The other end: what comes of a request, with the times at which it comes.

use std::collections::VecDeque;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::response::Parts;
use http::{Request, Response};
use restless_proto::machine::{End, ExchangeId};
use restless_proto::ws::CloseCode;
use restless_proto::{TimeoutError, Timer, TransportError, TransportErrorKind};
use sha1::{Digest, Sha1};

use super::coded;
use super::log::{Entry, Form, Ms, unix_ms};
use super::script::{Ending, Fate, Plan, Serve, Setting, Transport};

/// What the client shows of itself, and what no error may say again.
pub(crate) const KEY: &str = "rs_0123456789abcdef";

/// What comes to the driver.
pub(crate) enum Coming {
    Connected,
    Head(Box<Parts>),
    /// Content, and whether a frame ends with it.
    Bytes(Bytes, Boundary),
    Message(Bytes),
    /// A Close frame, whole.
    Close(Bytes, u16),
    End(End),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Boundary {
    Within,
    End,
}

/// One exchange, seen from outside.
pub(crate) struct Exchange {
    pub(crate) id: ExchangeId,
    pub(crate) plan: Plan,
    /// What comes, in order.
    pub(crate) coming: VecDeque<(Ms, Coming)>,
    /// Whether the request names a position.
    pub(crate) resumes: bool,
    /// What is sent of the log, in order.
    pub(crate) served: Vec<Served>,
    /// How much content has come so far, and how many entries were handed out of it.
    pub(crate) came: usize,
    pub(crate) handed_out: usize,
    /// What has come beside content.
    pub(crate) head_came: bool,
    pub(crate) close_came: Option<u16>,
    pub(crate) end_came: Option<End>,
    /// When the server was asked, which is its `Date`.
    pub(crate) asked_at: Ms,
    /// Whether the driver has a connection for it.
    pub(crate) is_open: bool,
    /// Frames that the server owes to a ping or a Close frame, and whether one of its own is under
    /// way.
    pub(crate) owed: VecDeque<Bytes>,
    pub(crate) is_within_frame: bool,
    /// What the client has sent and nobody has read.
    pub(crate) sent: Vec<u8>,
}

/// An entry that is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Served {
    pub(crate) number: usize,
    pub(crate) form: Form,
    /// How much content it takes before it may come out, and before it has to.
    pub(crate) may: usize,
    pub(crate) end: usize,
}

impl Exchange {
    /// How many entries have come whole.
    pub(crate) fn arrived(&self) -> usize {
        self.served.iter().take_while(|it| it.end <= self.came).count()
    }

    /// How many entries may have come: of coded content some come out before the last byte.
    pub(crate) fn may_have_arrived(&self) -> usize {
        self.served.iter().take_while(|it| it.may <= self.came).count()
    }

    /// Whether the peer says nothing any more.
    pub(crate) fn is_mute(&self) -> bool {
        let silence = matches!(self.plan.cut, Some((_, Ending::Silence))) && self.coming.is_empty();
        silence || self.plan.fate == Fate::Silence
    }

    /// Whether this connection stays, and has all there is to have.
    pub(crate) fn is_held(&self) -> bool {
        self.plan.fate == Fate::Good && self.head_came && self.plan.cut.is_none()
    }
}

/// A piece of content, with the time from which on it is there.
pub(crate) struct Piece {
    pub(crate) at: Ms,
    pub(crate) bytes: Vec<u8>,
    /// The entry that ends with it.
    entry: Option<(usize, Form)>,
    boundary: Boundary,
}

/// What comes of this request.
pub(crate) fn answer(
    setting: &Setting,
    log: &[Entry],
    id: ExchangeId,
    plan: Plan,
    request: &Request<Bytes>,
    now: Ms,
) -> Result<Exchange, String> {
    let mut exchange = Exchange {
        id,
        plan,
        coming: VecDeque::new(),
        resumes: query(request, "cursor").or_else(|| query(request, "since")).is_some(),
        served: Vec::new(),
        came: 0,
        handed_out: 0,
        head_came: false,
        close_came: None,
        end_came: None,
        asked_at: now + 1,
        is_open: true,
        owed: VecDeque::new(),
        is_within_frame: false,
        sent: Vec::new(),
    };
    let plan = exchange.plan.clone();
    let (fate, head_at) = (plan.fate, now + 1 + plan.delay);
    let coming = &mut exchange.coming;
    let stands = !matches!(
        fate,
        Fate::ConnectTimeout
            | Fate::Fails(TransportErrorKind::Connect, _)
            | Fate::Fails(TransportErrorKind::Resolve, _)
            | Fate::Fails(TransportErrorKind::Certificate, _)
            | Fate::Fails(TransportErrorKind::Tls, _)
    );
    if stands && plan.tells {
        coming.push_back((now + 1, Coming::Connected));
    }
    let head = match fate {
        Fate::Good => {
            let index = first(setting, log, request, plan.serve, now + 1)?;
            let head = good(setting, request, &plan, now + 1, KEY_RIGHT);
            coming.push_back((head_at, Coming::Head(head)));
            let is_known = !matches!(plan.serve, Serve::FromTheBeginning | Serve::FromNow);
            let has_base = is_known && query(request, "cursor").is_some();
            let pieces = content(setting, log, &plan, index, has_base, now + 1);
            let pieces = coded::coded(setting, pieces);
            cut(setting, &mut exchange, pieces, head_at);
            return Ok(exchange);
        }
        Fate::Fails(kind, wait) => {
            let error = TransportError::from(kind).with_retry_after(wait.map(Duration::from_secs));
            coming.push_back((head_at, Coming::End(End::Failed(error))));
            return Ok(exchange);
        }
        Fate::ConnectTimeout => {
            let late = TimeoutError::new(Timer::Connect, Duration::from_secs(10));
            coming.push_back((now + 10_000, Coming::End(End::TimedOut(late))));
            return Ok(exchange);
        }
        Fate::Silence => return Ok(exchange),
        Fate::Nothing => {
            coming.push_back((head_at, Coming::End(End::Complete)));
            return Ok(exchange);
        }
        Fate::Status(status, wait) => {
            let head = Response::builder().status(status);
            match wait {
                Some(seconds) => head.header("retry-after", seconds),
                None => head,
            }
        }
        Fate::Redirect { status, elsewhere, with_position, wait } => {
            let origin = if elsewhere { "https://elsewhere.test" } else { "" };
            let query = request.uri().query().filter(|_| with_position);
            let to = format!("{origin}/moved?{}", query.unwrap_or("streamId=a"));
            let head = Response::builder().status(status).header("location", to);
            match wait {
                Some(seconds) => head.header("retry-after", seconds),
                None => head,
            }
        }
        Fate::WrongType => {
            let status = if setting.transport == Transport::EventStream { 200 } else { 426 };
            Response::builder().status(status).header("content-type", "text/html")
        }
        Fate::NoContent => Response::builder().status(204),
        Fate::WrongAccept => {
            coming.push_back((
                head_at,
                Coming::Head(good(setting, request, &plan, now + 1, "wrong")),
            ));
            return Ok(exchange);
        }
    };
    coming.push_back((head_at, Coming::Head(parts(head))));
    // Who refuses says what was wrong with what it was shown.
    let text = format!(r#"{{"message":"no, and not with {KEY}"}}"#);
    coming.push_back((head_at + plan.gap, Coming::Bytes(text.into(), Boundary::End)));
    if plan.tells {
        coming.push_back((head_at + 2 * plan.gap, Coming::End(End::Complete)));
    }
    Ok(exchange)
}

fn query<'a>(request: &'a Request<Bytes>, name: &str) -> Option<&'a str> {
    let query = request.uri().query().unwrap_or_default();
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// The entry that a request is answered from.
fn first(
    setting: &Setting,
    log: &[Entry],
    request: &Request<Bytes>,
    serve: Serve,
    now: Ms,
) -> Result<usize, String> {
    let past = log.iter().take_while(|entry| entry.at <= now).count();
    // Who names no position gets the present document first.
    let live = if setting.has_document() { past.saturating_sub(1) } else { past };
    let honest = match (query(request, "cursor"), query(request, "since")) {
        (Some(cursor), _) => {
            let entry = log.iter().position(|entry| entry.cursor() == cursor);
            entry.ok_or_else(|| format!("asks from {cursor}, which nobody has said"))? + 1
        }
        (None, Some(since)) => {
            let since: u64 = since.parse().map_err(|_| format!("asks since {since}"))?;
            log.iter().take_while(|entry| unix_ms(entry.at) < since).count()
        }
        (None, None) => live,
    };
    Ok(match serve {
        Serve::Honest | Serve::Twice | Serve::Skips(_) => honest,
        Serve::FromTheBeginning => 0,
        Serve::FromNow => live,
        Serve::Back(entries) => honest.saturating_sub(entries),
    })
}

const KEY_RIGHT: &str = "";

/// The head of a good answer.
fn good(
    setting: &Setting,
    request: &Request<Bytes>,
    plan: &Plan,
    now: Ms,
    salt: &str,
) -> Box<Parts> {
    let date = std::time::UNIX_EPOCH + Duration::from_millis(unix_ms(now));
    let head = match plan.dated {
        true => Response::builder().header("date", httpdate::fmt_http_date(date)),
        false => Response::builder(),
    };
    parts(match setting.transport {
        Transport::EventStream => {
            let head = head.header("content-type", "text/event-stream");
            match setting.coding {
                Some(coding) => head.header("content-encoding", coded::name(coding)),
                None => head,
            }
        }
        Transport::Messages => head.status(101),
        Transport::Frames => {
            let key = request.headers().get("sec-websocket-key").map(|key| key.as_bytes());
            let guid = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
            let accept = Sha1::new().chain_update(key.unwrap_or_default()).chain_update(guid);
            let accept = STANDARD.encode(accept.chain_update(salt).finalize());
            let head = head.status(101).header("upgrade", "websocket");
            let head = head.header("connection", "Upgrade").header("sec-websocket-accept", accept);
            match setting.deflate {
                Some(alone) => head.header("sec-websocket-extensions", coded::extension(alone)),
                None => head,
            }
        }
    })
}

fn parts(head: http::response::Builder) -> Box<Parts> {
    Box::new(head.body(()).unwrap().into_parts().0)
}

/// All that a connection would bring, were it not cut. Who has no base for a patch gets the whole
/// document first.
fn content(
    setting: &Setting,
    log: &[Entry],
    plan: &Plan,
    first: usize,
    has_base: bool,
    now: Ms,
) -> Vec<Piece> {
    let mut pieces = Vec::new();
    if let (Transport::EventStream, Some(retry)) = (setting.transport, plan.retry) {
        let bytes = format!("retry: {retry}\n\n").into();
        pieces.push(Piece { at: now, bytes, entry: None, boundary: Boundary::End });
    }
    let mut heard = now;
    let mut compressor = setting.deflate.map(coded::Compressor::new);
    let mut form = if setting.has_patches() && !has_base { Form::Snapshot } else { Form::Own };
    for (count, entry) in log[first.min(log.len())..].iter().enumerate() {
        if plan.serve == Serve::Skips(count) {
            continue;
        }
        let at = entry.at.max(now);
        beat(setting, &mut pieces, heard, at);
        heard = at;
        for _ in 0..if plan.serve == Serve::Twice { 2 } else { 1 } {
            push_entry(setting, &mut pieces, entry, form, at, compressor.as_mut());
        }
        form = Form::Own;
    }
    // A while longer, in which nothing happens.
    beat(setting, &mut pieces, heard, heard + 20 * setting.beat());
    pieces
}

/// What says that the peer is there, from one time to the other.
fn beat(setting: &Setting, pieces: &mut Vec<Piece>, from: Ms, to: Ms) {
    let mut at = from + setting.beat();
    while at < to {
        let bytes = match setting.transport {
            Transport::EventStream if at % 2 == 0 => b": still there\n\n".to_vec(),
            Transport::EventStream => b"event: ping\ndata: not ours\n\n".to_vec(),
            Transport::Frames => frame(FIN | PING, b"there?"),
            Transport::Messages => Vec::new(),
        };
        pieces.push(Piece { at, bytes, entry: None, boundary: Boundary::End });
        at += setting.beat();
    }
}

fn push_entry(
    setting: &Setting,
    pieces: &mut Vec<Piece>,
    entry: &Entry,
    form: Form,
    at: Ms,
    compressor: Option<&mut coded::Compressor>,
) {
    let number = Some((entry.number, form));
    let mut push = |bytes, entry| {
        pieces.push(Piece { at, bytes, entry, boundary: Boundary::End });
    };
    let mut message = entry.message(form).to_vec();
    let mut first = 0;
    // Some messages go as they are.
    if let Some(compressor) = compressor.filter(|_| entry.number % 5 != 0) {
        (message, first) = (compressor.message(&message), RSV1);
    }
    match (setting.transport, entry.number % 3) {
        (Transport::EventStream, _) => push(entry.block(form).into(), number),
        (Transport::Messages, _) => push(message, number),
        (Transport::Frames, 0) => push(frame(FIN | first | TEXT, &message), number),
        (Transport::Frames, 1) => push(frame(FIN | first | BINARY, &message), number),
        (Transport::Frames, _) => {
            let (head, tail) = message.split_at(message.len() / 2);
            push(frame(first | TEXT, head), None);
            push(frame(FIN | PING, b""), None);
            push(frame(FIN, tail), number);
        }
    }
}

/// Lets the content come in pieces, up to where it is cut.
fn cut(setting: &Setting, exchange: &mut Exchange, pieces: Vec<Piece>, head_at: Ms) {
    // A server that does not keep to its cursor is none to stay with.
    if exchange.plan.serve != Serve::Honest && exchange.plan.cut.is_none() {
        exchange.plan.cut = Some((usize::MAX, Ending::Complete));
    }
    let (plan, coming) = (&exchange.plan, &mut exchange.coming);
    let most = plan.cut.map_or(usize::MAX, |(bytes, _)| bytes);
    // A Close frame, and a message, are whole.
    let whole = setting.transport == Transport::Messages
        || matches!(
            (setting.transport, plan.cut),
            (Transport::Frames, Some((_, Ending::Close(_))))
        );
    let (mut at, mut sent) = (head_at, 0);
    for Piece { at: from, bytes, entry, boundary } in pieces {
        if sent >= most {
            break;
        }
        at = at.max(from);
        let take = if whole { bytes.len() } else { bytes.len().min(most - sent) };
        let cut_short = take < bytes.len();
        // A block is over with the CR of its last line end.
        let ends_twice = setting.coding.is_none() && bytes.ends_with(b"\r\n");
        let enough = bytes.len() - usize::from(ends_twice);
        let is_coded = setting.coding.is_some();
        if let Some((number, form)) = entry.filter(|_| take >= enough || is_coded) {
            let end = if take >= enough { sent + enough } else { usize::MAX };
            let may = if is_coded { sent + 1 } else { end };
            exchange.served.push(Served { number, form, may, end });
        }
        sent += take;
        if setting.transport == Transport::Messages {
            at += plan.gap;
            coming.push_back((at, Coming::Message(bytes.into())));
            continue;
        }
        let bytes = Bytes::from(bytes).slice(..take);
        for start in (0..take).step_by(plan.piece.min(take.max(1))) {
            at += plan.gap;
            let end = start.saturating_add(plan.piece).min(take);
            let boundary = if end == take && !cut_short { boundary } else { Boundary::Within };
            coming.push_back((at, Coming::Bytes(bytes.slice(start..end), boundary)));
        }
    }
    match (plan.cut, setting.transport) {
        (None | Some((_, Ending::Silence)), _) => {}
        (Some((_, Ending::Complete)), Transport::EventStream)
        | (Some((_, Ending::Close(_))), Transport::EventStream) => {
            coming.push_back((at + 1, Coming::End(End::Complete)));
        }
        (Some((_, Ending::Close(code))), Transport::Messages) => {
            let (code, reason) = (CloseCode::new(code), "over".to_owned());
            coming.push_back((at + 1, Coming::End(End::Closed { code, reason })));
        }
        (Some((_, Ending::Close(code))), Transport::Frames) => {
            let mut payload = code.to_be_bytes().to_vec();
            payload.extend(b"over");
            coming.push_back((at + 1, Coming::Close(frame(FIN | CLOSE, &payload).into(), code)));
            coming.push_back((at + 200, Coming::End(End::Complete)));
        }
        (Some((_, Ending::Complete)), Transport::Frames | Transport::Messages) => {
            coming.push_back((at + 1, Coming::End(End::Complete)));
        }
        (Some((_, Ending::Broken)), _) => {
            let why = End::Failed(TransportErrorKind::Broken.into());
            coming.push_back((at + 1, Coming::End(why)));
        }
    }
}

pub(crate) const FIN: u8 = 0x80;
/// Of a compressed message (RFC 7692 §6).
const RSV1: u8 = 0x40;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// A frame of a server's (RFC 6455 §5.2).
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match u8::try_from(payload.len()) {
        Ok(length @ ..126) => bytes.push(length),
        _ => {
            bytes.push(126);
            bytes.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
        }
    }
    bytes.extend(payload);
    bytes
}
