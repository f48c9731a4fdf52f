//! The machine of a call under any order of inputs: the machine never panics, and always comes to
//! an end. A call that may have been received is made again only if the call is idempotent.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use restless_proto::machine::{End, ExchangeId, Input, Machine, Output};
use restless_proto::{
    ApiKey, Call, CallOptions, CredentialsError, Entropy, Error, Instant, Limits, Service,
    TimeoutError, Timer, TransportErrorKind, direct, streams,
};

/// What a driver may say, to the open exchange or to an older one.
#[derive(Clone, Copy, Debug)]
enum Said {
    Status(u16),
    Data(usize),
    Complete,
    Fails(TransportErrorKind),
    NoConnectionInTime,
    Key(bool),
    Elapsed,
}

fn said() -> impl Strategy<Value = Said> {
    prop_oneof![
        prop::sample::select(vec![200, 204, 302, 303, 307, 400, 401, 429, 500, 502, 503, 504])
            .prop_map(Said::Status),
        (0..20_000_usize).prop_map(Said::Data),
        Just(Said::Complete),
        prop::sample::select(vec![
            TransportErrorKind::Resolve,
            TransportErrorKind::Connect,
            TransportErrorKind::Tls,
            TransportErrorKind::Certificate,
            TransportErrorKind::Broken,
            TransportErrorKind::Protocol,
            TransportErrorKind::Unsupported,
        ])
        .prop_map(Said::Fails),
        Just(Said::NoConnectionInTime),
        any::<bool>().prop_map(Said::Key),
        Just(Said::Elapsed),
    ]
}

/// Whether what was said proves that the request did not reach the service, or had no effect there:
/// a redirect that keeps the method says so, and a 401 does.
fn proves_nothing_done(said: Said) -> bool {
    match said {
        Said::Status(status) => matches!(status, 302 | 307 | 401),
        Said::Fails(kind) => {
            matches!(kind, TransportErrorKind::Resolve | TransportErrorKind::Connect)
        }
        Said::NoConnectionInTime => true,
        Said::Data(_) | Said::Complete | Said::Key(_) | Said::Elapsed => false,
    }
}

/// As an input; `None` where it is about an exchange, and there is none.
fn input(said: Said, exchange: Option<ExchangeId>) -> Option<Input> {
    Some(match said {
        Said::Status(status) => {
            let response = http::Response::builder()
                .status(status)
                .header("location", "/elsewhere")
                .header("retry-after", "1");
            let head = Box::new(response.body(()).unwrap().into_parts().0);
            Input::Response { exchange: exchange?, head }
        }
        Said::Data(count) => {
            Input::Data { exchange: exchange?, bytes: Bytes::from(vec![b' '; count]) }
        }
        Said::Complete => Input::Ended { exchange: exchange?, why: End::Complete },
        Said::Fails(kind) => Input::Ended { exchange: exchange?, why: End::Failed(kind.into()) },
        Said::NoConnectionInTime => {
            let why = TimeoutError::new(Timer::Connect, Duration::from_secs(10));
            Input::Ended { exchange: exchange?, why: End::TimedOut(why) }
        }
        Said::Key(true) => Input::Credentials(Ok(Some(ApiKey::new("rs_1")))),
        Said::Key(false) => Input::Credentials(Err(CredentialsError::new("none"))),
        Said::Elapsed => Input::Elapsed,
    })
}

/// Drives a call by what is said, and then by time alone. Returns how many requests were made with
/// its method after one that may have been acted on.
fn drive<T>(call: impl Into<Call<T>>, on_demand: bool, script: &[(Said, bool, u64)]) -> usize {
    let call = call.into();
    let method = call.method().clone();
    let mut service = Service::new("rs_test").with_api_base_url("https://a").unwrap();
    if on_demand {
        service = service.with_credentials_on_demand();
    }
    let (options, entropy) = (CallOptions::default(), Entropy::from_seed(1));
    let mut machine = call.start(&service, options, entropy, Instant::ORIGIN).unwrap();
    let (mut now, mut exchanges) = (Instant::ORIGIN, Vec::new());
    let (mut answers, mut doubled) = (0, 0);
    // Of the open exchange: whether its request bore the call's method, and is not known to have
    // done nothing.
    let (mut open, mut done_once) = (None::<bool>, false);
    let mut script = script.iter();
    loop {
        let deadline = match machine.poll() {
            Output::Open { exchange, request } => {
                exchanges.push(exchange);
                let same = *request.method() == method;
                doubled += usize::from(same && done_once);
                open = Some(same);
                continue;
            }
            Output::Send(_) => panic!("a call sends nothing more"),
            Output::Hangup | Output::Authorize { .. } => continue,
            Output::Event(_) => {
                answers += 1;
                continue;
            }
            Output::Wait(deadline) => deadline.expect("a call never waits for ever"),
            Output::Done => {
                assert_eq!(answers, 1);
                return doubled;
            }
        };
        let Some(&(said, old, millis)) = script.next() else {
            assert!(deadline > now, "it waits for what has passed");
            now = deadline;
            machine.handle(Input::Elapsed, now);
            continue;
        };
        now = now + Duration::from_millis(millis);
        let about_open = !old && !matches!(said, Said::Key(_) | Said::Elapsed | Said::Data(_));
        let exchange = exchanges.iter().rev().nth(usize::from(old)).copied();
        if about_open {
            if let Some(same) = open.take() {
                done_once |= same && !proves_nothing_done(said);
            }
        }
        machine.handle(input(said, exchange).unwrap_or(Input::Elapsed), now);
    }
}

proptest! {
    #[test]
    fn a_call_comes_to_one_end(
        on_demand: bool,
        script in prop::collection::vec((said(), any::<bool>(), 0..5_000_u64), 0..40),
    ) {
        drive(streams::get("s"), on_demand, &script);
        drive(direct::session("https://b/").dedupe_key("d"), on_demand, &script);
    }

    #[test]
    fn a_post_that_may_have_been_received_is_not_made_again(
        on_demand: bool,
        script in prop::collection::vec((said(), prop::bool::weighted(0.1), 0..500_u64), 0..40),
    ) {
        prop_assert_eq!(drive(streams::create("n", "https://b/"), on_demand, &script), 0);
        prop_assert_eq!(drive(streams::update("s").name("n"), on_demand, &script), 0);
    }
}

/// Whether a reply of so many bytes is over this limit.
fn is_over(limit: usize, bytes: usize) -> bool {
    let options = CallOptions::default().limits(Limits::default().content_bytes(limit));
    let call = streams::get("s");
    let entropy = Entropy::from_seed(1);
    let mut call = call.start(&Service::default(), options, entropy, Instant::ORIGIN).unwrap();
    let Output::Open { exchange, .. } = call.poll() else { panic!("nothing goes out") };
    for input in [
        input(Said::Status(200), Some(exchange)),
        input(Said::Data(bytes), Some(exchange)),
        input(Said::Complete, Some(exchange)),
    ] {
        call.handle(input.unwrap(), Instant::ORIGIN);
    }
    loop {
        match call.poll() {
            Output::Hangup => {}
            Output::Event(answer) => return matches!(answer, Err(Error::Limit(_))),
            other => panic!("{other:?} is no answer"),
        }
    }
}

#[test]
fn a_reply_as_long_as_its_limit_is_read_and_a_byte_more_is_not() {
    assert_eq!([is_over(100, 100), is_over(100, 101)], [false, true]);
}
