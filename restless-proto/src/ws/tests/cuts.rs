//! The same bytes give the same, wherever they are cut.

use proptest::prelude::*;

use super::*;

/// A session with everything in it: each frame whole, as a server sends them.
fn session() -> Vec<u8> {
    let mut deflater = Deflater::new(&Deflate::default().min_bytes(0));
    let mut compressed = |text: &str| deflater.compress(text.as_bytes()).expect("pays");
    let (first, second) = (compressed(&"κόσμε".repeat(30)), compressed(&"κόσμε!".repeat(30)));
    [
        frame(TEXT, b"plain"),
        frame(FIRST_TEXT, "gr\u{fc}".as_bytes()),
        frame(PING, b"one"),
        frame(MORE, "\u{1f600}".as_bytes()),
        frame(LAST, b""),
        frame(TEXT | RSV1, &first),
        frame(BINARY, &[0xff; 300]),
        frame(FIRST_TEXT | RSV1, &second[..9]),
        frame(PONG, b"two"),
        frame(LAST, &second[9..]),
        frame(CLOSE, b"\x03\xe8over"),
    ]
    .concat()
}

/// What comes of these chunks and the end of the transport.
#[derive(Debug, PartialEq)]
struct Outcome {
    seen: Vec<Seen>,
    pongs: Vec<Vec<u8>>,
    /// The other frames that were sent.
    others: Vec<(Opcode, Vec<u8>)>,
}

fn outcome<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> Outcome {
    let mut connection = compressing(Options::default());
    let mut all = Vec::new();
    let mut take = |connection: &mut Connection| {
        all.extend(drain(connection));
        if matches!(all.last(), Some(Seen::Wait(_))) {
            all.pop();
        }
    };
    for chunk in chunks {
        connection.handle_data(Bytes::copy_from_slice(chunk), at(0.0));
        take(&mut connection);
    }
    connection.ended(at(0.0));
    take(&mut connection);
    let mut outcome = Outcome { seen: Vec::new(), pongs: Vec::new(), others: Vec::new() };
    for seen in all {
        match seen {
            Seen::Sent { opcode: Opcode::Pong, payload, .. } => outcome.pongs.push(payload),
            Seen::Sent { opcode, payload, .. } => outcome.others.push((opcode, payload)),
            seen => outcome.seen.push(seen),
        }
    }
    outcome
}

#[test]
fn a_session_cut_at_any_byte_gives_the_same() {
    let bytes = session();
    let whole = outcome(std::iter::once(&bytes[..]));
    assert_eq!(whole.seen.len(), 8, "{:?}", whole.seen);
    assert!(matches!(whole.seen.last(), Some(Seen::Closed(Closed::Clean { .. }))));
    assert_eq!(outcome(bytes.chunks(1)), whole);
    for cut in 1..bytes.len() {
        let (head, tail) = bytes.split_at(cut);
        assert_eq!(outcome([head, tail].into_iter()), whole, "cut at {cut}");
    }
}

#[test]
fn a_session_that_ends_at_any_byte_has_given_what_was_whole_and_nothing_twice() {
    let bytes = session();
    let whole = outcome(std::iter::once(&bytes[..])).seen;
    for end in 0..bytes.len() {
        let mut seen = outcome(std::iter::once(&bytes[..end])).seen;
        assert!(matches!(seen.pop(), Some(Seen::Closed(Closed::Cut { .. }))), "at {end}");
        assert_eq!(seen, whole[..seen.len()], "at {end}");
    }
}

/// Bytes that are mostly frames, some of them broken.
fn wire() -> impl Strategy<Value = Vec<u8>> {
    let payload = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..140),
        "\\PC{0,40}".prop_map(String::into_bytes),
    ];
    let first = prop_oneof![
        4 => proptest::sample::select(vec![
            TEXT, BINARY, FIRST_TEXT, MORE, LAST, PING, PONG, TEXT | RSV1, FIRST_TEXT | RSV1,
        ]),
        1 => Just(CLOSE),
    ];
    let framed = (first, payload).prop_map(|(first, payload)| frame(first, &payload));
    let noise = proptest::collection::vec(any::<u8>(), 0..20);
    proptest::collection::vec(prop_oneof![8 => framed, 1 => noise], 0..12)
        .prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn any_bytes_cut_anyhow_give_what_they_give_whole(
        bytes in wire(), sizes in proptest::collection::vec(1usize..40, 1..20),
    ) {
        let whole = outcome(std::iter::once(&bytes[..]));
        let mut rest = &bytes[..];
        let mut sizes = sizes.into_iter().cycle();
        let chunks = std::iter::from_fn(|| {
            let size = sizes.next()?.min(rest.len());
            let (chunk, tail) = rest.split_at(size);
            rest = tail;
            (!chunk.is_empty()).then_some(chunk)
        });
        let cut = outcome(chunks);
        prop_assert_eq!(&cut.seen, &whole.seen);
        prop_assert_eq!(&cut.others, &whole.others);
        // A ping behind text that is no UTF-8 is answered where it came before that was read.
        if matches!(whole.seen.last(), Some(Seen::Closed(Closed::Failed(_)))) {
            prop_assert!(whole.pongs.starts_with(&cut.pongs));
        } else {
            prop_assert_eq!(&cut.pongs, &whole.pongs);
        }
    }

    #[test]
    fn any_inputs_at_any_time_come_to_an_end(
        steps in proptest::collection::vec((0u8..7, 0u64..30_000, wire()), 0..20),
    ) {
        let mut connection = compressing(Options::default().message_bytes(500).unsent_bytes(2000));
        let mut now = at(0.0);
        let mut closed = None;
        for (step, millis, bytes) in steps {
            now = now + Duration::from_millis(millis);
            connection.elapsed(now);
            match step {
                0 => {}
                1 => connection.ended(now),
                2 => drop(connection.send_binary(&bytes)),
                3 => drop(connection.ping(&bytes)),
                4 => drop(connection.close(CloseCode::NORMAL, "", now)),
                _ => connection.handle_data(Bytes::from(bytes), now),
            }
            let mut seen = drain(&mut connection);
            match seen.pop() {
                Some(Seen::Wait(Some(deadline))) => prop_assert!(deadline > now),
                last => {
                    prop_assert!(matches!(last, Some(Seen::Closed(_))), "{:?}", last);
                    if closed.is_some() {
                        prop_assert_eq!(&last, &closed);
                        prop_assert_eq!(seen.len(), 0);
                    }
                    closed = last;
                }
            }
        }
    }
}
