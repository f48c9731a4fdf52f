use super::*;

/// What came out, as `type|data|last event ID|own ID`, `id ..` or `over ..`.
fn decode(limits: Limits, chunks: &[&[u8]]) -> Vec<String> {
    let mut decoder = Decoder::new(limits);
    let mut seen = Vec::new();
    for chunk in chunks {
        decoder.feed(Bytes::copy_from_slice(chunk));
        drain(&mut decoder, &mut seen);
    }
    seen
}

fn drain(decoder: &mut Decoder, seen: &mut Vec<String>) {
    loop {
        seen.push(match decoder.poll() {
            Ok(None) => return,
            Ok(Some(Block::Id(id))) => format!("id {id}"),
            Ok(Some(Block::Event(event))) => {
                assert_eq!(event.data_bytes(), event.data());
                let own = event.id().map_or("none", |id| id);
                let (kind, data, id) = (event.event_type(), event.data(), event.last_event_id());
                format!("{kind}|{data}|{id}|{own}")
            }
            Err(error) => format!("over {}", error.limit()),
        });
    }
}

fn events(stream: &str) -> Vec<String> {
    decode(Limits::default(), &[stream.as_bytes()])
}

fn small() -> Limits {
    Limits::default().line_bytes(12).event_bytes(8)
}

const LINE: &str = "over a line of the event stream";
const DATA: &str = "over the data of an event";

#[test]
fn an_event_is_dispatched_at_its_blank_line() {
    let mut decoder = Decoder::new(Limits::default());
    decoder.feed(Bytes::from_static(b"data: a\n"));
    assert!(decoder.poll().unwrap().is_none());
    decoder.feed(Bytes::from_static(b"\n"));
    assert!(matches!(decoder.poll().unwrap(), Some(Block::Event(event)) if event.data() == "a"));
    assert!(decoder.poll().unwrap().is_none());
}

#[test]
fn data_lines_are_joined_by_lf() {
    assert_eq!(events("data: a\ndata\ndata:b\n\n"), ["message|a\n\nb||none"]);
}

#[test]
fn an_empty_data_field_is_an_event_without_text() {
    assert_eq!(events("data\n\n"), ["message|||none"]);
}

#[test]
fn a_block_without_data_dispatches_nothing_and_its_type_is_forgotten() {
    assert_eq!(events("event: a\n\ndata: b\n\n"), ["message|b||none"]);
}

#[test]
fn the_event_type_is_that_of_the_last_event_field() {
    assert_eq!(events("event: a\nevent: b\ndata\n\n"), ["b|||none"]);
    assert_eq!(events("event: a\nevent\ndata\n\n"), ["message|||none"]);
}

#[test]
fn the_event_type_does_not_reach_the_next_event() {
    assert_eq!(events("event: a\ndata\n\ndata\n\n"), ["a|||none", "message|||none"]);
}

#[test]
fn an_id_stays_for_later_events_that_have_none_of_their_own() {
    assert_eq!(events("id: 7\ndata: a\n\ndata: b\n\n"), ["message|a|7|7", "message|b|7|none"]);
}

#[test]
fn a_block_with_only_an_id_comes_out_as_that_id() {
    assert_eq!(events("id: 7\n\ndata: b\n\n"), ["id 7", "message|b|7|none"]);
}

#[test]
fn an_empty_id_resets_the_last_event_id() {
    assert_eq!(events("id: 7\n\nid\n\ndata\n\n"), ["id 7", "id ", "message|||none"]);
    assert_eq!(events("id: 7\n\nid:\ndata\n\n"), ["id 7", "message|||"]);
}

#[test]
fn id_with_nul_is_ignored() {
    assert_eq!(events("id: 7\nid: a\0\ndata\n\n"), ["message||7|7"]);
    assert_eq!(events("id: \0\n\n"), [] as [&str; 0]);
}

#[test]
fn the_id_of_an_unfinished_block_does_not_count() {
    let mut decoder = Decoder::new(Limits::default());
    decoder.feed(Bytes::from_static(b"id: 7\n\nid: 8\ndata: a\n"));
    while decoder.poll().unwrap().is_some() {}
    assert_eq!(decoder.last_event_id(), "7");
    assert!(decoder.is_mid_block());
}

#[test]
fn comments_and_unknown_fields_are_ignored_and_begin_no_block() {
    let mut decoder = Decoder::new(Limits::default());
    decoder.feed(Bytes::from_static(b": hello\nwhat: ever\n data: no\n:"));
    assert!(decoder.poll().unwrap().is_none());
    assert!(!decoder.is_mid_block());
}

#[test]
fn a_stream_that_ends_after_an_event_is_not_mid_block() {
    let mut decoder = Decoder::new(Limits::default());
    decoder.feed(Bytes::from_static(b"event: a\ndata\n\n"));
    assert!(decoder.poll().unwrap().is_some());
    assert!(!decoder.is_mid_block());
    assert!(decoder.poll().unwrap().is_none());
    decoder.feed(Bytes::from_static(b"da"));
    assert!(decoder.poll().unwrap().is_none());
    assert!(decoder.is_mid_block());
}

#[test]
fn retry_counts_as_soon_as_its_line_ends() {
    let mut decoder = Decoder::new(Limits::default());
    decoder.feed(Bytes::from_static(b"retry: 15"));
    assert!(decoder.poll().unwrap().is_none());
    assert_eq!(decoder.reconnection_time(), None);
    decoder.feed(Bytes::from_static(b"00\r"));
    assert!(decoder.poll().unwrap().is_none());
    assert_eq!(decoder.reconnection_time(), Some(Duration::from_millis(1500)));
}

#[test]
fn reset_keeps_the_last_event_id_and_the_reconnection_time_only() {
    let mut decoder = Decoder::new(Limits::default());
    decoder.feed(Bytes::from_static(b"retry: 5\nid: 7\n\nid: 8\nevent: a\ndata: lost\ndata: lo"));
    while decoder.poll().unwrap().is_some() {}
    decoder.feed(Bytes::from_static(b"unread"));
    decoder.reset();
    decoder.feed(Bytes::from_static(b"\xEF\xBB\xBFdata: new\n\n"));
    let mut seen = Vec::new();
    drain(&mut decoder, &mut seen);
    assert_eq!(seen, ["message|new|7|none"]);
    assert_eq!(decoder.reconnection_time(), Some(Duration::from_millis(5)));
}

#[test]
fn reset_forgets_that_the_old_stream_ended_in_a_cr() {
    let mut decoder = Decoder::new(Limits::default());
    decoder.feed(Bytes::from_static(b"data: a\r"));
    assert!(decoder.poll().unwrap().is_none());
    decoder.reset();
    let mut seen = Vec::new();
    decoder.feed(Bytes::from_static(b"data: b\n\n"));
    drain(&mut decoder, &mut seen);
    assert_eq!(seen, ["message|b||none"]);
}

#[test]
fn events_carry_a_last_event_id_known_before() {
    let mut decoder = Decoder::new(Limits::default()).with_last_event_id("6");
    decoder.feed(Bytes::from_static(b"data: a\n\nid: 7\ndata: b\n\n"));
    let mut seen = Vec::new();
    drain(&mut decoder, &mut seen);
    assert_eq!(seen, ["message|a|6|none", "message|b|7|7"]);
}

#[test]
fn chunks_fed_before_the_last_is_drained_are_not_lost() {
    let mut decoder = Decoder::new(Limits::default());
    for chunk in [&b"data: a\n\nda"[..], b"ta: b", b"\n", b"\ndata: c\n\n"] {
        decoder.feed(Bytes::from_static(chunk));
    }
    let mut seen = Vec::new();
    drain(&mut decoder, &mut seen);
    assert_eq!(seen, ["message|a||none", "message|b||none", "message|c||none"]);
}

#[test]
fn data_that_lies_in_one_chunk_is_lent_out_of_it() {
    let chunk = Bytes::from_static(b"id: 7\ndata: hello\n\n");
    let inside = chunk.as_ptr_range();
    let mut decoder = Decoder::new(Limits::default());
    decoder.feed(chunk);
    let Some(Block::Event(event)) = decoder.poll().unwrap() else { panic!("no event") };
    assert!(inside.contains(&event.data().as_ptr()));
    assert!(inside.contains(&event.data_bytes().as_ptr()));
}

#[test]
fn data_that_lies_in_one_chunk_is_lent_out_of_it_though_its_block_ends_in_another() {
    let chunk = Bytes::from_static(b"data: hello\n");
    let inside = chunk.as_ptr_range();
    let mut decoder = Decoder::new(Limits::default());
    decoder.feed(chunk);
    assert!(decoder.poll().unwrap().is_none());
    decoder.feed(Bytes::from_static(b"id: 7\n\n"));
    let Some(Block::Event(event)) = decoder.poll().unwrap() else { panic!("no event") };
    assert!(inside.contains(&event.data().as_ptr()));
    assert!(inside.contains(&event.data_bytes().as_ptr()));
}

#[test]
fn kept_data_is_not_overwritten_by_later_events() {
    let mut decoder = Decoder::new(Limits::default());
    let mut kept = Vec::new();
    for n in 0..100 {
        decoder.feed(Bytes::from(format!("data: {n}\ndata: x\n\n")));
        let Some(Block::Event(event)) = decoder.poll().unwrap() else { panic!("no event") };
        kept.push(event.data_bytes());
        assert!(decoder.poll().unwrap().is_none());
    }
    for (n, data) in kept.iter().enumerate() {
        assert_eq!(*data, format!("{n}\nx"));
    }
}

#[test]
fn large_joined_data_is_kept_without_a_copy() {
    let line = "x".repeat(64 << 10);
    let mut decoder = Decoder::new(Limits::default());
    decoder.feed(Bytes::from(format!("data: {line}\ndata: b\n\n")));
    let Some(Block::Event(event)) = decoder.poll().unwrap() else { panic!("no event") };
    assert_eq!(event.data_bytes().as_ptr(), event.data().as_ptr());
}

#[test]
fn a_reset_gives_the_buffers_of_a_block_that_is_cut_off_back() {
    let mut decoder = Decoder::new(Limits::default());
    decoder.feed(Bytes::from(format!("data: {}", "x".repeat(1 << 20))));
    assert!(decoder.poll().unwrap().is_none());
    decoder.reset();
    decoder.feed(Bytes::from_static(b"data: a\ndata: b\n\n"));
    let Some(Block::Event(event)) = decoder.poll().unwrap() else { panic!("no event") };
    assert_eq!(event.data(), "a\nb");
}

#[test]
fn bad_utf8_is_replaced_by_maximal_subparts() {
    let stream = b"event: \xFF\nid: \xC3\ndata: \xF0\x9F\x98 \xE2\x82\n\n";
    assert_eq!(
        decode(Limits::default(), &[stream]),
        ["\u{fffd}|\u{fffd} \u{fffd}|\u{fffd}|\u{fffd}"]
    );
}

#[test]
fn a_character_cut_by_a_chunk_end_is_whole_again() {
    let stream = "data: 😀\n\n".as_bytes();
    for cut in 0..stream.len() {
        let (head, tail) = stream.split_at(cut);
        assert_eq!(decode(Limits::default(), &[head, tail]), ["message|😀||none"]);
    }
}

#[test]
fn a_line_at_its_limit_is_fine_and_one_byte_more_is_not() {
    let limits = Limits::default().line_bytes(12);
    assert_eq!(decode(limits, &[b"data: 123456\n\n"]), ["message|123456||none"]);
    assert_eq!(decode(limits, &[b"data: 1234567\n\n"]), [LINE]);
    assert_eq!(decode(limits, &[b"id: 12345678\n\n"]), ["id 12345678"]);
    assert_eq!(decode(limits, &[b"id: 123456789\n\n"]), [LINE]);
    assert_eq!(decode(limits, &[b"event: 123456\ndata\n\n"]), [LINE]);
}

#[test]
fn data_at_its_limit_is_fine_and_one_byte_more_is_not() {
    assert_eq!(decode(small(), &[b"data:1234\ndata:123\n\n"]), ["message|1234\n123||none"]);
    assert_eq!(decode(small(), &[b"data:1234\ndata:1234\n\n"]), [DATA]);
    assert_eq!(decode(small(), &[b"data:1234567\ndata\ndata\n\n"]), [DATA]);
}

#[test]
fn a_limit_is_reported_before_the_line_has_ended() {
    assert_eq!(decode(small(), &[b"data: 12", b"34567"]), [LINE]);
    assert_eq!(decode(small(), &[b"data:1\ndata:", b"1234567"]), [DATA]);
}

#[test]
fn a_block_over_a_limit_yields_one_error_and_the_stream_goes_on() {
    let stream = b"data: 1234567890\ndata: 1234567890\nid: 1234567890\n\ndata: a\n\n";
    assert_eq!(decode(small(), &[stream]), [LINE, "message|a||none"]);
}

#[test]
fn a_block_over_a_limit_still_moves_the_last_event_id() {
    for stream in
        ["id: 7\ndata: 1234567890\n\ndata: a\n\n", "data: 1234567890\nid: 7\n\ndata: a\n\n"]
    {
        let due = [LINE, "id 7", "message|a|7|none"];
        assert_eq!(decode(small(), &[stream.as_bytes()]), due);
        for cut in 0..stream.len() {
            let (head, tail) = stream.as_bytes().split_at(cut);
            assert_eq!(decode(small(), &[head, tail]), due, "cut at {cut}");
        }
    }
}

#[test]
fn an_id_over_the_limit_does_not_count_and_its_event_is_not_dispatched() {
    let stream = b"id: 7\n\nid: 1234567890\ndata: a\n\n";
    assert_eq!(decode(small(), &[stream]), ["id 7", LINE]);
    assert_eq!(decode(small(), &[b"data: 1234567890\nid: 12345", b"67890\n\n"]), [LINE]);
}

#[test]
fn data_over_the_limit_once_its_bad_utf8_is_replaced_is_over_it() {
    assert_eq!(decode(small(), &[b"data:\xFF\xFF12\n\n"]), ["message|\u{fffd}\u{fffd}12||none"]);
    assert_eq!(
        decode(small(), &[b"id: 7\ndata:\xFF\xFF\xFF\n\ndata: a\n\n"]),
        [DATA, "id 7", "message|a|7|none"]
    );
}

#[test]
fn comments_and_unknown_fields_have_no_limit_and_are_not_held() {
    let mut decoder = Decoder::new(small());
    for start in [": ", "unknown: "] {
        decoder.feed(Bytes::from(start));
        for _ in 0..100 {
            decoder.feed(Bytes::from_static(b"and on and on"));
            assert!(decoder.poll().unwrap().is_none());
        }
        decoder.feed(Bytes::from_static(b"\n"));
        assert!(decoder.poll().unwrap().is_none());
    }
    decoder.feed(Bytes::from_static(b"data: a\n\n"));
    assert!(decoder.poll().unwrap().is_some());
}

/// What a block of 16 bytes says nothing of is looked for further on, wherever another line ends.
#[test]
fn an_id_ends_at_the_first_line_end_behind_it() {
    for id in 1..40 {
        for data in 0..40 {
            let (id, data) = ("7".repeat(id), "a".repeat(data));
            let stream = format!("id: {id}\r\ndata: {data}\n\ndata: b\n\ndata: c\n\n");
            let due = [
                format!("message|{data}|{id}|{id}"),
                format!("message|b|{id}|none"),
                format!("message|c|{id}|none"),
            ];
            assert_eq!(decode(Limits::default(), &[stream.as_bytes()]), due);
        }
    }
}

#[test]
fn decoders_can_be_sent_and_shared() {
    fn can<T: Send + Sync>() {}
    can::<Decoder>();
}

#[test]
fn heartbeats_in_a_chunk_of_their_own_are_not_kept() {
    let mut decoder = Decoder::new(Limits::default());
    decoder.feed(Bytes::from_static(b"data: 1\n\n"));
    drain(&mut decoder, &mut Vec::new());
    for heartbeats in [": on\n\n", ":\n", ": on\r\n\r\n: on\r\n\r\n"] {
        let chunk = Bytes::from(heartbeats.to_owned());
        decoder.feed(chunk.clone());
        assert!(chunk.is_unique(), "{heartbeats:?}");
    }
}

#[test]
fn what_begins_as_a_heartbeat_is_read_to_its_end() {
    let found = decode(
        Limits::default(),
        &[
            b": on\n",
            b": on\n\ndata: 1\n\n",
            b": on\r",
            b"\ndata: 2\n",
            b": on\n\n",
            b": o",
            b"n\n",
        ],
    );
    assert_eq!(found, ["message|1||none", "message|2||none"]);
}
