use proptest::prelude::*;

use super::*;

/// What a decoder says of a stream, in words that can be compared.
fn decode_with(limits: Limits, chunks: &[&[u8]]) -> Vec<String> {
    let mut decoder = Decoder::new(limits);
    let mut seen = Vec::new();
    for chunk in chunks {
        decoder.feed(Bytes::copy_from_slice(chunk));
        loop {
            match decoder.poll() {
                Ok(None) => break,
                Ok(Some(Block::Id(id))) => seen.push(format!("id {id:?}")),
                Ok(Some(Block::Event(event))) => {
                    assert_eq!(event.data_bytes(), event.data().as_bytes());
                    seen.push(format!(
                        "{} {:?} id {:?} last {:?}",
                        event.event_type(),
                        event.data(),
                        event.id(),
                        event.last_event_id()
                    ));
                }
                Err(error) => seen.push(format!("over: {}", error.limit())),
            }
        }
    }
    seen.push(format!("{:?} {:?}", decoder.last_event_id(), decoder.reconnection_time()));
    seen
}

fn decode(chunks: &[&[u8]]) -> Vec<String> {
    decode_with(Limits::default(), chunks)
}

fn events(stream: &str) -> Vec<String> {
    let mut seen = decode(&[stream.as_bytes()]);
    seen.pop();
    seen
}

#[test]
fn the_three_line_ends_end_lines() {
    let due = ["message \"a\" id None last \"\""];
    for stream in ["data: a\n\n", "data: a\r\r", "data: a\r\n\r\n", "data: a\r\n\n", "data: a\n\r"]
    {
        assert_eq!(events(stream), due, "{stream:?}");
    }
}

#[test]
fn a_carriage_return_ends_its_line_at_once() {
    let mut decoder = Decoder::new(Limits::default());
    decoder.feed(Bytes::from_static(b"data: a\r\r"));
    assert!(matches!(decoder.poll(), Ok(Some(Block::Event(_)))));
    decoder.feed(Bytes::from_static(b"\ndata: b\n\n"));
    assert!(matches!(decoder.poll(), Ok(Some(Block::Event(event))) if event.data() == "b"));
}

#[test]
fn id_with_nul_is_ignored() {
    let seen = events("id: 5\ndata: a\n\nid: 6\0\ndata: b\n\n");
    assert_eq!(seen[1], "message \"b\" id None last \"5\"");
}

#[test]
fn an_id_stays_for_later_events_until_it_is_reset() {
    let seen = events("id: 5\ndata: a\n\ndata: b\n\nid\ndata: c\n\n");
    assert_eq!(seen[1], "message \"b\" id None last \"5\"");
    assert_eq!(seen[2], "message \"c\" id Some(\"\") last \"\"");
}

#[test]
fn a_block_with_an_id_and_no_data_is_told_of() {
    assert_eq!(events("id: 5\n\nid\n\nevent: x\n\n"), ["id \"5\"", "id \"\""]);
}

#[test]
fn an_empty_data_line_is_data() {
    assert_eq!(events("data\n\n"), ["message \"\" id None last \"\""]);
    assert_eq!(events("data:\ndata\n\n"), ["message \"\\n\" id None last \"\""]);
}

#[test]
fn an_event_type_is_for_its_own_block_only() {
    let seen = events("event: x\n\ndata: a\n\nevent: y\ndata: b\n\n");
    assert_eq!(seen, ["message \"a\" id None last \"\"", "y \"b\" id None last \"\""]);
}

#[test]
fn a_block_without_a_blank_line_is_not_dispatched() {
    assert_eq!(decode(&[b"data: a\nid: 9\n"]), ["\"\" None"]);
}

#[test]
fn one_byte_order_mark_is_skipped_wherever_it_is_cut() {
    let stream = "\u{feff}data: a\n\n".as_bytes();
    for cut in 0..=stream.len() {
        let seen = decode(&[&stream[..cut], &stream[cut..]]);
        assert_eq!(seen[0], "message \"a\" id None last \"\"", "cut at {cut}");
    }
    assert_eq!(events("\u{feff}\u{feff}data: a\n\ndata: b\n\n").len(), 1);
}

#[test]
fn bad_utf_8_becomes_replacement_characters() {
    let seen = decode(&[b"id: \xff\ndata: a\xe2", b"\x82b\xc3(\n\n"]);
    assert_eq!(seen[0], "message \"a\u{fffd}b\u{fffd}(\" id Some(\"\u{fffd}\") last \"\u{fffd}\"");
}

#[test]
fn retry_takes_digits_only_and_holds_at_the_largest_number() {
    for (value, due) in [
        ("10", Some(10)),
        ("007", Some(7)),
        ("", None),
        ("-1", None),
        ("1_0", None),
        ("1.5", None),
        (" 1", None),
        ("99999999999999999999", Some(u64::MAX)),
    ] {
        let mut decoder = Decoder::new(Limits::default());
        decoder.feed(format!("retry: {value}\n").into());
        assert!(matches!(decoder.poll(), Ok(None)));
        assert_eq!(decoder.reconnection_time(), due.map(Duration::from_millis), "{value:?}");
    }
}

#[test]
fn data_in_one_chunk_is_a_slice_of_it() {
    let chunk = Bytes::from_static(b"id: 1\ndata: hello\n\n");
    let mut decoder = Decoder::new(Limits::default());
    decoder.feed(chunk.clone());
    let Ok(Some(Block::Event(event))) = decoder.poll() else { panic!() };
    assert_eq!(event.data_bytes().as_ptr(), chunk[12..].as_ptr());
    assert_eq!(event.data().as_ptr(), chunk[12..].as_ptr());
}

#[test]
fn data_in_one_chunk_is_a_slice_of_it_even_if_its_end_comes_in_another() {
    let chunk = Bytes::from_static(b"data: hello\n");
    let mut decoder = Decoder::new(Limits::default());
    decoder.feed(chunk.clone());
    assert!(matches!(decoder.poll(), Ok(None)));
    decoder.feed(Bytes::from_static(b"\n"));
    let Ok(Some(Block::Event(event))) = decoder.poll() else { panic!() };
    assert_eq!(event.data_bytes().as_ptr(), chunk[6..].as_ptr());
}

#[test]
fn chunks_fed_too_early_are_not_lost() {
    let mut decoder = Decoder::new(Limits::default());
    for chunk in ["data: a\n", "\ndata: b", "\n\n"] {
        decoder.feed(chunk.into());
    }
    let mut data = Vec::new();
    while let Some(Block::Event(event)) = decoder.poll().unwrap() {
        data.push(event.data().to_owned());
    }
    assert_eq!(data, ["a", "b"]);
}

#[test]
fn what_is_over_a_limit_is_told_once_and_the_stream_goes_on() {
    let limits = Limits::default().line_bytes(20).event_bytes(12);
    let line = "a line of the event stream";
    let event = "the data of an event";
    for (stream, due) in [
        (
            "data: 123456789012345\ndata: x\nid: 4\n\n",
            vec![format!("over: {line}"), "id \"4\"".into()],
        ),
        ("id: 4\ndata: 1234567890123\n\n", vec![format!("over: {event}"), "id \"4\"".into()]),
        ("data: 123456\ndata: 123456\ndata: 1\n\n", vec![format!("over: {event}")]),
        ("event: 123456789012345\ndata: 1\n\n", vec![format!("over: {line}")]),
        (": 12345678901234567890123\n\n", vec![]),
        ("unknown: 45678901234567890123\n\n", vec![]),
    ] {
        let stream = format!("{stream}data: ok\n\n");
        let mut due = due;
        let last = if stream.contains("id: 4") { "4" } else { "" };
        due.push(format!("message \"ok\" id None last {last:?}"));
        due.push(format!("{last:?} None"));
        assert_eq!(decode_with(limits, &[stream.as_bytes()]), due, "{stream:?}");
        let bytes: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
        assert_eq!(decode_with(limits, &bytes), due, "{stream:?} byte by byte");
    }
}

#[test]
fn a_line_without_end_is_not_kept() {
    let limits = Limits::default().line_bytes(1000);
    for start in [&b": "[..], b"unknown: ", b"data: "] {
        let mut decoder = Decoder::new(limits);
        decoder.feed(Bytes::copy_from_slice(start));
        let _ = decoder.poll();
        for _ in 0..1000 {
            decoder.feed(Bytes::from_static(&[b'x'; 100]));
            let _ = decoder.poll();
            assert!(decoder.partial.len() <= 1000);
        }
        assert!(decoder.partial.capacity() <= 4096);
    }
}

/// A plain and slow reading of the standard, for comparison: it knows the whole stream.
fn reference(stream: &[u8]) -> Vec<(String, String, String)> {
    let text = String::from_utf8_lossy(stream);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let ended = text.replace("\r\n", "\n").replace('\r', "\n");
    let complete = ended.rfind('\n').map_or("", |end| &ended[..end]);
    let (mut events, mut id, mut kind) = (Vec::new(), String::new(), String::new());
    let mut data: Option<String> = None;
    for line in complete.split('\n') {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            _ if line.is_empty() => {
                if let Some(data) = data.take() {
                    let kind = if kind.is_empty() { "message" } else { &kind };
                    events.push((kind.to_owned(), data, id.clone()));
                }
                kind.clear();
            }
            "data" => match &mut data {
                Some(data) => *data = format!("{data}\n{value}"),
                None => data = Some(value.to_owned()),
            },
            "event" => value.clone_into(&mut kind),
            "id" if !value.contains('\0') => value.clone_into(&mut id),
            _ => {}
        }
    }
    if complete.is_empty() && !ended.starts_with('\n') { Vec::new() } else { events }
}

fn ours(chunks: &[&[u8]]) -> Vec<(String, String, String)> {
    let mut decoder = Decoder::new(Limits::default());
    let mut events = Vec::new();
    for chunk in chunks {
        decoder.feed(Bytes::copy_from_slice(chunk));
        while let Some(block) = decoder.poll().unwrap() {
            if let Block::Event(event) = block {
                let parts = [event.event_type(), event.data(), event.last_event_id()];
                let [kind, data, id] = parts.map(str::to_owned);
                events.push((kind, data, id));
            }
        }
    }
    events
}

/// Streams made of what matters, so that few bytes hit many cases.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let words: &[&[u8]] = &[
        b"data",
        b"data:",
        b"data: ",
        b"id: ",
        b"id",
        b"event: ",
        b"retry: ",
        b":",
        b" ",
        b"\n",
        b"\n\n",
        b"\r",
        b"\r\n",
        b"\0",
        b"x",
        b"12",
        b"\xef\xbb\xbf",
        b"\xc3\xa9",
        b"\xe2",
        b"\x82\xac",
        b"\xff",
    ];
    let word = proptest::sample::select(words);
    proptest::collection::vec(word, 0..60).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn it_reads_what_the_standard_reads(stream in stream()) {
        prop_assert_eq!(ours(&[&stream]), reference(&stream));
    }

    #[test]
    fn any_cut_gives_the_same_blocks(
        stream in stream(),
        cuts in proptest::collection::vec(0_usize..200, 0..8),
        limit in prop_oneof![Just(5_usize), Just(9), Just(16 << 20)],
    ) {
        let limits = Limits::default().line_bytes(limit + 3).event_bytes(limit);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
        let whole = decode_with(limits, &[&stream]);
        prop_assert_eq!(&decode_with(limits, &chunks), &whole);
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        prop_assert_eq!(&decode_with(limits, &bytes), &whole);
    }
}

#[test]
fn every_pair_of_cuts_of_a_stream_gives_what_the_standard_reads() {
    let stream =
        "\u{feff}id: 1\r\ndata: é\r\n\r\n: c\rdata: a\ndata\rid\r\revent: é\ndata: b\n\nid: 2\n\n";
    let stream = stream.as_bytes();
    let due = reference(stream);
    assert_eq!(due.len(), 3);
    for first in 0..=stream.len() {
        for second in first..=stream.len() {
            let chunks = [&stream[..first], &stream[first..second], &stream[second..]];
            assert_eq!(ours(&chunks), due, "cut at {first} and {second}");
        }
    }
}
