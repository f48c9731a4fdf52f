//! What answers a call.

use std::error::Error as _;

use bytes::Bytes;
use http::Response;
use http::response::Parts;
use restless_proto::machine::{End, Input, Machine, Output};
use restless_proto::{Call, CallOptions, Entropy, Error, Instant, Service, direct, streams};

use crate::http_fields::read;

/// What answers a call is its answer, or an error that says something and does not print the key,
/// even where the peer repeats the key. The call that is driven, with its content in pieces, says
/// what [`Call::response`] says of the whole, save of redirects.
///
/// | bytes of `data` | mean |
/// | --- | --- |
/// | 0, 1 | the status, modulo 500, and 100 |
/// | the rest | as in [`http_fields`](crate::http_fields); each byte 1 stands for the key |
pub fn call_response(data: &[u8]) {
    let [high, low, rest @ ..] = data else { return };
    let status = 100 + u16::from_be_bytes([*high, *low]) % 500;
    let said: Vec<u8> = rest.iter().flat_map(spelt).copied().collect();
    let (fields, content) = read(&said);
    let mut head = Response::builder().status(status).body(()).expect("a head").into_parts().0;
    head.headers = fields;
    let piece = usize::from(low % 7) * 5 + 1;
    judge(streams::get("s"), &head, &content, piece);
    judge(streams::list().into(), &head, &content, piece);
    judge(streams::delete("s"), &head, &content, piece);
    let target = direct::target("https://b.test/").headers(serde_json::json!({"a": "b"}));
    judge(direct::session(target).into(), &head, &content, piece);
}

/// It looks like no key: only the machine, which sent it, can know.
const KEY: &str = "nOt-like/a+key.Canary7";

fn spelt(byte: &u8) -> &[u8] {
    if *byte == 1 { KEY.as_bytes() } else { std::slice::from_ref(byte) }
}

fn judge<T>(call: Call<T>, head: &Parts, content: &Bytes, piece: usize) {
    let whole = call.response(head, content.clone()).map(drop);
    if let Err(error) = &whole {
        assert!(!error.to_string().is_empty());
    }
    let driven = drive(call, head, content, piece);
    if let Err(error) = &driven {
        let printed = printed(error);
        assert!(!printed.contains(KEY), "{printed}");
        assert!(!error.to_string().is_empty());
    }
    if matches!(head.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return;
    }
    let kind = |answer: &Result<(), Error>| {
        let error = answer.as_ref().err()?;
        Some((std::mem::discriminant(error), error.status(), error.request_id().map(str::to_owned)))
    };
    assert_eq!(kind(&driven), kind(&whole), "{driven:?}, and whole: {whole:?}");
}

/// All that is printed of an error.
fn printed(error: &Error) -> String {
    let mut printed = format!("{error} {error:?} {error:#?}");
    let mut source = error.source();
    while let Some(cause) = source {
        printed.push_str(&format!(" {cause} {cause:?}"));
        source = cause.source();
    }
    printed
}

/// Makes the call once, over a connection that gives this answer.
fn drive<T>(call: Call<T>, head: &Parts, content: &Bytes, piece: usize) -> Result<(), Error> {
    let options = CallOptions::default().max_retries(0);
    let (entropy, now) = (Entropy::from_seed(1), Instant::ORIGIN);
    let machine = call.start(&Service::new(KEY), options, entropy, now);
    let mut machine = machine.expect("a call that can be made");
    let mut inputs = Vec::new();
    loop {
        match machine.poll() {
            Output::Open { exchange, .. } => {
                inputs = vec![Input::Response { exchange, head: Box::new(head.clone()) }];
                let pieces = content.chunks(piece).map(Bytes::copy_from_slice);
                inputs.extend(pieces.map(|bytes| Input::Data { exchange, bytes }));
                inputs.push(Input::Ended { exchange, why: End::Complete });
                inputs.reverse();
            }
            Output::Event(answer) => return answer.map(drop),
            Output::Wait(deadline) => match (inputs.pop(), deadline) {
                (Some(input), _) => machine.handle(input, now),
                // A redirect that asks to wait.
                (None, Some(deadline)) => machine.handle(Input::Elapsed, deadline),
                (None, None) => panic!("it waits for nothing"),
            },
            Output::Done => panic!("it has an answer"),
            _ => {}
        }
    }
}
