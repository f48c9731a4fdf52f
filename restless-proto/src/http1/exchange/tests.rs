use proptest::prelude::*;

use super::*;
use crate::kinds::TransportErrorKind;

/// What comes of a response to `GET` in these reads, in words.
fn read(reads: &[&[u8]]) -> Vec<String> {
    let (inputs, _) = exchange(&Request::new(Bytes::new()), reads, None);
    inputs
}

/// The same, of a connection that ends in the end.
fn read_to(end: StreamEnd, response: &str) -> Vec<String> {
    let (inputs, _) = exchange(&Request::new(Bytes::new()), &[response.as_bytes()], Some(end));
    inputs
}

fn exchange(
    request: &Request<Bytes>,
    reads: &[&[u8]],
    end: Option<StreamEnd>,
) -> (Vec<String>, Exchange) {
    let mut exchange = Exchange::new(ExchangeId::NONE, request);
    let mut inputs = Vec::new();
    for bytes in reads {
        exchange.handle_data(Bytes::copy_from_slice(bytes));
        poll(&mut exchange, &mut inputs);
    }
    if let Some(end) = end {
        exchange.handle_end(end);
        poll(&mut exchange, &mut inputs);
    }
    (inputs, exchange)
}

fn poll(exchange: &mut Exchange, inputs: &mut Vec<String>) {
    while let Some(input) = exchange.poll() {
        inputs.push(match input {
            Input::Response { head, .. } => format!("{}", head.status.as_u16()),
            Input::Data { bytes, .. } => String::from_utf8_lossy(&bytes).into_owned(),
            Input::Ended { why: End::Complete, .. } => "complete".to_owned(),
            Input::Ended { why: End::Failed(error), .. } => format!("{:?}", error.kind()),
            Input::Connected { .. } => "connected".to_owned(),
            other => panic!("{other:?}"),
        });
    }
}

#[test]
fn a_connection_that_stands_is_told_once_and_before_all_else() {
    let mut exchange = Exchange::new(ExchangeId::NONE, &Request::new(Bytes::new()));
    let mut inputs = Vec::new();
    exchange.handle_connected();
    exchange.handle_connected();
    exchange.handle_data(Bytes::from_static(b"HTTP/1.1 204\r\n\r\n"));
    poll(&mut exchange, &mut inputs);
    exchange.handle_connected();
    poll(&mut exchange, &mut inputs);
    assert_eq!(inputs, ["connected", "204", "complete"]);
}

#[test]
fn a_read_of_nothing_is_the_end_of_the_stream() {
    let mut exchange = Exchange::new(ExchangeId::NONE, &Request::new(Bytes::new()));
    let (mut inputs, mut buffer) = (Vec::new(), ReadBuffer::new());
    for read in [&b"HTTP/1.1 200\r\n\r\nab"[..], b"c", b""] {
        buffer.space()[..read.len()].copy_from_slice(read);
        exchange.handle_read(read.len(), &mut buffer);
        poll(&mut exchange, &mut inputs);
    }
    assert_eq!(inputs, ["200", "ab", "c", "complete"]);
}

#[test]
fn interim_responses_and_a_line_end_too_many_are_passed_over() {
    let bytes = b"\r\n\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 101 Go\r\na: b\r\n\r\n";
    for at in 0..bytes.len() {
        let (first, second) = bytes.split_at(at);
        assert_eq!(read(&[first, second]), ["101"], "split at {at}");
    }
    let bytewise: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(read(&bytewise), ["101"]);
}

#[test]
fn after_101_whatever_comes_is_data() {
    let head = &b"HTTP/1.1 101 Go\r\ncontent-length: 1\r\n\r\nab"[..];
    assert_eq!(read(&[head, b"cd", b""]), ["101", "ab", "cd"]);
}

#[test]
fn content_ends_where_its_length_says() {
    let head = &b"HTTP/1.1 401 No\r\ncontent-length: 3\r\n\r\nab"[..];
    assert_eq!(read(&[head, b"cd", b"e"]), ["401", "ab", "c", "complete"]);
    assert_eq!(read(&[b"HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n"]), ["200", "complete"]);
}

#[test]
fn content_ends_with_the_last_chunk() {
    let response = &b"HTTP/1.1 200\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc"[..];
    assert_eq!(
        read(&[response, b"\r\n0\r\nx: y\r\n\r\nz"]),
        ["200", "ab", "c", "complete"],
        "and a trailer section is dropped"
    );
}

#[test]
fn content_ends_with_the_connection_where_nothing_else_is_said() {
    let response = "HTTP/1.1 500 No\r\n\r\nab";
    assert_eq!(read(&[response.as_bytes(), b"cd"]), ["500", "ab", "cd"]);
    assert_eq!(read_to(StreamEnd::Closed, response), ["500", "ab", "complete"]);
    assert_eq!(read_to(StreamEnd::Truncated, response), ["500", "ab", "Broken"]);
}

#[test]
fn a_response_to_head_has_no_content() {
    let request = Request::head("http://s.test").body(Bytes::new()).unwrap();
    let response = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
    assert_eq!(exchange(&request, &[response], None).0, ["200", "complete"]);
}

#[test]
fn an_end_before_the_end_is_a_connection_that_broke() {
    for response in [
        "",
        "HTTP/1.1 2",
        "HTTP/1.1 103 Early\r\n\r\n",
        "HTTP/1.1 200\r\ncontent-length: 3\r\n\r\n",
        "HTTP/1.1 200\r\ntransfer-encoding: chunked\r\n\r\n0",
    ] {
        for end in [
            StreamEnd::Closed,
            StreamEnd::Truncated,
            StreamEnd::Failed(TransportErrorKind::Broken.into()),
        ] {
            let inputs = read_to(end, response);
            assert_eq!(inputs.last().unwrap(), "Broken", "{response:?}");
        }
    }
}

#[test]
fn the_cause_of_a_failed_read_is_told() {
    let error = TransportErrorKind::Certificate.into();
    assert_eq!(read_to(StreamEnd::Failed(error), "HTTP/1.1 200\r\n\r\n"), ["200", "Certificate"]);
}

#[test]
fn after_the_last_chunk_a_trailer_section_may_be_missing() {
    let response = "HTTP/1.1 200\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n";
    for end in [StreamEnd::Closed, StreamEnd::Truncated] {
        assert_eq!(read_to(end, response), ["200", "a", "complete"]);
    }
}

#[test]
fn what_is_no_response_is_told_once() {
    assert_eq!(read(&[b"SSH-2.0-x\r\n", b"more"]), ["Protocol"]);
    assert_eq!(read(&[b"\r", b"x"]), ["Protocol"]);
    assert_eq!(read(&[b"HTTP/2.0 200 OK\r\n\r\n"]), ["Protocol"]);
    assert_eq!(read(&[b"HTTP/1.0 101 Go\r\n\r\n"]), ["Protocol"]);
    assert_eq!(read(&[b"HTTP/1.1 099 No\r\n\r\n"]), ["Protocol"]);
}

#[test]
fn a_head_has_a_limit_with_all_that_is_before_it() {
    let limited = |response: &[u8], most| {
        let mut exchange =
            Exchange::new(ExchangeId::NONE, &Request::new(Bytes::new())).with_head_limit(most);
        let mut inputs = Vec::new();
        exchange.handle_data(Bytes::copy_from_slice(response));
        poll(&mut exchange, &mut inputs);
        inputs
    };
    let response = b"\r\nHTTP/1.1 103 A\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(limited(response, response.len()), ["200", "complete"]);
    assert_eq!(limited(response, response.len() - 1), ["Protocol"]);
    assert_eq!(limited(&response[..40], 39), ["Protocol"], "whole or not");
    assert_eq!(limited(&response[2..20], 17), ["Unsupported"], "a head alone would come again");
    let endless = b"\r\n".repeat(HEAD_LIMIT);
    assert_eq!(read(&[&endless]), ["Protocol"]);
    let usual = [b"HTTP/1.1 101 Go\r\n".to_vec(), b"a: b\r\n".repeat(10_000), b"\r\n".to_vec()];
    assert_eq!(read(&[&usual.concat()]), ["101"]);
}

#[test]
fn a_connection_is_reusable_after_a_whole_response_and_nothing_behind_it() {
    let chunked = "HTTP/1.1 200\r\ntransfer-encoding: chunked\r\n\r\n";
    let length = "HTTP/1.1 200\r\ncontent-length: 1\r\n";
    for (response, reusable) in [
        (format!("{length}\r\na"), true),
        (format!("{length}\r\nab"), false),
        (format!("{length}\r\n"), false),
        (format!("{length}connection: close\r\n\r\na"), false),
        (format!("{chunked}1\r\na\r\n0\r\n\r\n"), true),
        (format!("{chunked}1\r\na\r\n0\r\n\n"), false),
        ("HTTP/1.1 204\r\n\r\n".to_owned(), true),
        ("HTTP/1.1 204\r\ncontent-length: 0\r\n\r\n".to_owned(), true),
        ("HTTP/1.1 204\r\ncontent-length: 1\r\n\r\n".to_owned(), false),
        ("HTTP/1.1 204\r\ncontent-length: x\r\n\r\n".to_owned(), false),
        ("HTTP/1.1 204\r\ntransfer-encoding: chunked\r\n\r\n".to_owned(), false),
        ("HTTP/1.1 304\r\ncontent-length: 1\r\n\r\n".to_owned(), true),
        ("HTTP/1.1 200\r\n\r\n".to_owned(), false),
        ("HTTP/1.1 101\r\n\r\n".to_owned(), false),
        ("HTTP/1.1 200\r\ncontent-length: x\r\n\r\n".to_owned(), false),
    ] {
        let request = Request::new(Bytes::new());
        let (_, after) = exchange(&request, &[response.as_bytes()], None);
        assert_eq!(after.is_reusable(), reusable, "{response:?}");
    }
    let response = &[&b"HTTP/1.1 204\r\n\r\n"[..]];
    let closes = Request::get("/").header("connection", "close").body(Bytes::new()).unwrap();
    assert!(!exchange(&closes, response, None).1.is_reusable());
    let ended = exchange(&Request::new(Bytes::new()), response, Some(StreamEnd::Closed)).1;
    assert!(!ended.is_reusable());
    let late = exchange(&Request::new(Bytes::new()), &[response[0], b"x"], None).1;
    assert!(!late.is_reusable());
}

#[test]
fn at_rest_nothing_of_what_was_read_is_kept() {
    let mut exchange = Exchange::new(ExchangeId::NONE, &Request::new(Bytes::new()));
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    for read in [head, "3\r\nabc\r\n", "3\r\nab", "c\r\n1"] {
        let read = Bytes::copy_from_slice(read.as_bytes());
        exchange.handle_data(read.clone());
        while exchange.poll().is_some() {}
        assert!(read.is_unique(), "{read:?}");
    }
}

proptest! {
    #[test]
    fn every_cut_gives_the_same_inputs(
        parts in proptest::collection::vec(
            prop_oneof![
                Just("HTTP/1.1 200 OK\r\n"), Just("HTTP/1.0 200\n"), Just("HTTP/1.1 100 a\r\n\r\n"),
                Just("content-length: 4\r\n"), Just("transfer-encoding: chunked\r\n"),
                Just(" folded\r\n"), Just("\r\n"), Just("\n"), Just("4\r\nabcd\r\n"),
                Just("1;x\r\na\r\n"), Just("0\r\n"), Just("a: b\r\n"), Just("\r"), Just("abcd"),
            ],
            0..9,
        ),
        cuts in proptest::collection::vec(0usize..120, 0..4),
        closed: bool,
    ) {
        let bytes = parts.concat().into_bytes();
        let end = if closed { StreamEnd::Closed } else { StreamEnd::Truncated };
        let request = Request::new(Bytes::new());
        let content = |inputs: Vec<String>| inputs.concat();
        let whole = exchange(&request, &[&bytes], Some(end.clone()));
        let mut cuts: Vec<usize> = cuts.into_iter().map(|at| at.min(bytes.len())).collect();
        cuts.sort_unstable();
        let mut reads = Vec::new();
        let mut from = 0;
        for to in cuts.into_iter().chain([bytes.len()]) {
            reads.push(&bytes[from..to]);
            from = to;
        }
        let cut = exchange(&request, &reads, Some(end));
        prop_assert_eq!(content(cut.0), content(whole.0));
        prop_assert_eq!(cut.1.is_reusable(), whole.1.is_reusable());
    }
}
