use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use restless_proto::http1::{
    Exchange, ResponseError, StreamEnd, TargetForm, connect_response, request_bytes,
};
use restless_proto::machine::{End, ExchangeId, Input, Machine as _, Output};
use restless_proto::{Entropy, Instant, Service, Subscription, TransportErrorKind};

/// However a response is cut, the same comes out of it; as a proxy's answer to CONNECT its head
/// says the same; and a request that is written reads as what was given.
///
/// | bytes of `data` | mean |
/// | --- | --- |
/// | 0 | bits 0 and 1: the request was `HEAD`, and said `Connection: close` |
/// | | bits 2 and 3: how the stream ends; bit 4: a head has 256 bytes at most |
/// | 1 | how many lengths of reads follow, modulo 8 |
/// | the lengths | used over and over until the response is cut up |
/// | the rest | the response; and as lines a request: method, URI, fields, an empty one, content |
pub fn http1(data: &[u8]) {
    let [options, count, rest @ ..] = data else { return };
    let Some((lengths, wire)) = rest.split_at_checked(usize::from(count % 8)) else { return };
    let whole = read(*options, &[wire]);
    for lengths in [lengths, &[1]] {
        assert_eq!(read(*options, &cut(wire, lengths)), whole, "cut by {lengths:?}");
    }
    let as_proxy = connect_response(wire);
    if let (Some(head), true) = (&whole.head, wire.starts_with(b"HTTP/1.")) {
        let first = as_proxy.expect("more is read of a proxy than of an origin");
        // Of several heads, the ones before the last are interim.
        if !first.status.is_informational() {
            assert_eq!((first.status.as_u16(), first.headers), *head);
        }
    }
    write(wire);
}

/// What a response comes to.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    head: Option<(u16, HeaderMap)>,
    content: Vec<u8>,
    end: Option<String>,
    reusable: bool,
}

fn read(options: u8, reads: &[&[u8]]) -> Outcome {
    let method = if options & 1 == 0 { Method::GET } else { Method::HEAD };
    let mut request = Request::builder().method(method).uri("http://s.test/");
    if options & 2 != 0 {
        request = request.header("connection", "close");
    }
    let request = request.body(Bytes::new()).expect("a request");
    let mut exchange = Exchange::new(id(), &request);
    if options & 16 != 0 {
        exchange = exchange.with_head_limit(256);
    }
    let mut outcome = Outcome::default();
    for bytes in reads {
        exchange.handle_data(Bytes::copy_from_slice(bytes));
        drain(&mut exchange, &mut outcome);
    }
    match (options >> 2) & 3 {
        1 => exchange.handle_end(StreamEnd::Closed),
        2 => exchange.handle_end(StreamEnd::Truncated),
        3 => exchange.handle_end(StreamEnd::Failed(TransportErrorKind::Tls.into())),
        _ => {}
    }
    drain(&mut exchange, &mut outcome);
    assert_eq!(exchange.is_over(), outcome.end.is_some());
    assert!(options & 12 == 0 || outcome.end.is_some(), "an end ends it");
    outcome.reusable = exchange.is_reusable();
    outcome
}

fn drain(exchange: &mut Exchange, outcome: &mut Outcome) {
    while let Some(input) = exchange.poll() {
        assert!(outcome.end.is_none(), "nothing comes behind the end");
        match input {
            Input::Response { head, .. } => {
                assert!(outcome.head.is_none(), "there is one head");
                outcome.head = Some((head.status.as_u16(), head.headers));
            }
            Input::Data { bytes, .. } => {
                assert!(outcome.head.is_some() && !bytes.is_empty());
                outcome.content.extend_from_slice(&bytes);
            }
            Input::Ended { why, .. } => outcome.end = Some(told(&why)),
            other => panic!("{other:?}"),
        }
    }
}

fn told(why: &End) -> String {
    match why {
        End::Complete => "complete".to_owned(),
        End::Failed(error) => {
            let source = std::error::Error::source(error);
            let cause = source.and_then(|source| source.downcast_ref::<ResponseError>());
            format!("{:?}: {cause:?}", error.kind())
        }
        other => panic!("{other:?}"),
    }
}

fn cut<'a>(mut bytes: &'a [u8], lengths: &[u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let mut lengths = lengths.iter().cycle();
    while !bytes.is_empty() {
        let length = lengths.next().map_or(bytes.len(), |length| usize::from(*length).max(1));
        let (piece, rest) = bytes.split_at(length.min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}

/// An id, as every driver gets one.
fn id() -> ExchangeId {
    let subscription = Subscription::url("http://127.0.0.1/");
    let entropy = Entropy::from_seed(1);
    let machine = subscription.start(&Service::default(), entropy, Instant::ORIGIN);
    match machine.expect("a machine").poll() {
        Output::Open { exchange, .. } => exchange,
        other => panic!("{other:?}"),
    }
}

fn write(data: &[u8]) {
    let Some((request, form)) = given(data) else { return };
    let Ok(bytes) = request_bytes(&request, form) else { return };
    let mut fields = [httparse::EMPTY_HEADER; 128];
    let mut parsed = httparse::Request::new(&mut fields);
    let length = match parsed.parse(&bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Err(httparse::Error::TooManyHeaders) => return,
        other => panic!("{other:?}: {bytes:?}"),
    };
    assert_eq!(parsed.method, Some(request.method().as_str()));
    assert_eq!(parsed.version, Some(1));
    let target: Uri = parsed.path.expect("a target").parse().expect("a URI");
    let path = |uri: &Uri| uri.path_and_query().map(ToString::to_string);
    let slashed = |path: Option<String>| match path {
        Some(path) if path.starts_with('/') => path,
        path => format!("/{}", path.unwrap_or_default()),
    };
    assert_eq!(slashed(path(&target)), slashed(path(request.uri())));
    assert_eq!(target.host().is_some(), form == TargetForm::Absolute);

    let is_ours = |name: &str| matches!(name, "host" | "content-length");
    let text = |value: &[u8]| String::from_utf8_lossy(value).trim_matches([' ', '\t']).to_owned();
    let named = |name: &str| {
        let mut found = parsed.headers.iter().filter(|field| field.name == name);
        (found.next().map(|field| text(field.value)), found.next().is_none())
    };
    let due: Vec<_> =
        request.headers().iter().filter(|(name, _)| !is_ours(name.as_str())).collect();
    let read: Vec<_> = parsed.headers.iter().filter(|field| !is_ours(field.name)).collect();
    assert_eq!(due.len(), read.len());
    for ((name, value), field) in due.into_iter().zip(read) {
        assert_eq!((name.as_str(), text(value.as_bytes())), (field.name, text(field.value)));
    }
    let (host, alone) = named("host");
    assert!(alone && host.is_some_and(|host| !host.is_empty() && !host.contains('@')));
    let content = &bytes[length..];
    assert_eq!(content, request.body());
    let (said, alone) = named("content-length");
    assert!(alone && (content.is_empty() || said.is_some()));
    assert!(said.is_none_or(|said| said == content.len().to_string()));
}

fn given(data: &[u8]) -> Option<(Request<Bytes>, TargetForm)> {
    let mut lines = data.splitn(2, |byte| *byte == b'\n');
    let method = Method::from_bytes(lines.next()?).ok()?;
    let mut lines = lines.next()?.splitn(2, |byte| *byte == b'\n');
    let uri = Uri::try_from(lines.next()?).ok()?;
    let mut rest = lines.next().unwrap_or_default();
    let mut request = Request::builder().method(method).uri(uri);
    loop {
        let mut lines = rest.splitn(2, |byte| *byte == b'\n');
        let line = lines.next().unwrap_or_default();
        rest = lines.next().unwrap_or_default();
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let (Some(name), Some(value)) = (parts.next(), parts.next()) else { break };
        let name = HeaderName::from_bytes(name).ok()?;
        request = request.header(name, HeaderValue::from_bytes(value).ok()?);
    }
    let form = if rest.len() % 2 == 0 { TargetForm::Origin } else { TargetForm::Absolute };
    Some((request.body(Bytes::copy_from_slice(rest)).ok()?, form))
}
