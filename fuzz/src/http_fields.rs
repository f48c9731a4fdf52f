use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use restless_proto::machine::{Input, Machine, Output};
use restless_proto::{Call, Entropy, Instant, Service, Subscription, retry_after, streams};

/// Any fields of a response are judged without harm: media types, codings, times to wait.
///
/// `data` is fields by lines, `NAME:VALUE`; an empty line ends them, and the rest is content.
pub fn http_fields(data: &[u8]) {
    let (fields, content) = read(data);
    // A number of seconds is that number, and all else says something or nothing.
    let wait = retry_after(&fields);
    let value = fields.get("retry-after").and_then(|value| value.to_str().ok()).map(str::trim);
    if let Some(seconds) = value.and_then(|value| value.parse::<u32>().ok()) {
        let plain = value.is_some_and(|value| !value.starts_with('+'));
        assert_eq!(wait.map(|wait| wait.as_secs()), plain.then_some(u64::from(seconds)));
    }
    for status in [200, 429] {
        open(status, &fields, &content);
    }
}

/// What answers a call is its answer, or an error without its key, however it comes.
///
/// | bytes of `data` | mean |
/// | --- | --- |
/// | 0, 1 | the status, modulo 500, and 100 |
/// | the rest | as in [`http_fields`] |
pub fn call_response(data: &[u8]) {
    let [high, low, rest @ ..] = data else { return };
    let status = 100 + u16::from_be_bytes([*high, *low]) % 500;
    let (fields, content) = read(rest);
    let mut head = Response::builder().status(status).body(()).expect("a head").into_parts().0;
    head.headers = fields;
    fn both<T>(call: Call<T>, head: &http::response::Parts, content: &Bytes) {
        let whole = call.response(head, content.clone()).map(drop);
        if let Err(error) = &whole {
            assert!(!error.to_string().is_empty());
        }
        // The same twice over.
        let again = call.response(head, content.clone()).map(drop);
        let told = |result: &Result<(), restless_proto::Error>| {
            result.as_ref().err().map(|error| format!("{error:?}"))
        };
        assert_eq!(told(&whole), told(&again));
    }
    both(streams::get("s"), &head, &content);
    both(streams::list().into(), &head, &content);
    both(streams::delete("s"), &head, &content);
}

fn read(data: &[u8]) -> (HeaderMap, Bytes) {
    let mut fields = HeaderMap::new();
    let mut rest = data;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let line = &rest[..end];
        rest = &rest[end + 1..];
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { break };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(&line[colon + 1..]);
        if let (Ok(name), Ok(value)) = (name, value) {
            fields.append(name, value);
        }
    }
    (fields, Bytes::copy_from_slice(rest))
}

fn open(status: u16, fields: &HeaderMap, content: &Bytes) {
    let subscription = Subscription::url("https://s.test/");
    let started = subscription.start(&Service::default(), Entropy::from_seed(1), Instant::ORIGIN);
    let mut machine = started.expect("a subscription that can work");
    let Output::Open { exchange, .. } = machine.poll() else { panic!("it opens") };
    let mut head = Response::builder().status(status).body(()).expect("a head").into_parts().0;
    head.headers = fields.clone();
    machine.handle(Input::Response { exchange, head: Box::new(head) }, Instant::ORIGIN);
    machine.handle(Input::Data { exchange, bytes: content.clone() }, Instant::ORIGIN);
    for _ in 0..=content.len() + 8 {
        match machine.poll() {
            Output::Wait(_) | Output::Done => return,
            _ => {}
        }
    }
    panic!("it talks without end");
}
