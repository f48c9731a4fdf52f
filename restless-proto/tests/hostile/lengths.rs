//! Lengths that are announced and are none, window bits in every spelling, and bombs.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use restless_proto::subscription::RejectReason;
use restless_proto::{Error, TransportErrorKind, streams, ws};

use super::memory;
use super::peer::{LIMIT, call, event, follow, frame, frames, stream};

/// What a connection takes that has just opened, and a little more.
const LITTLE: usize = 64 << 10;

/// 2⁶² and the largest that the grammar allows, then what it does not (RFC 6455 §5.2).
const LENGTHS: [(u64, bool); 4] =
    [(1 << 62, true), (u64::MAX >> 1, true), (1 << 63, false), (u64::MAX, false)];

#[test]
fn a_frame_of_2_to_the_62_takes_no_memory_and_one_of_2_to_the_63_is_a_violation() {
    let _alone = memory::alone();
    for (length, allowed) in LENGTHS {
        for opcode in [0x81, 0x82, 0xC1] {
            let mut peer = follow(frames().deflate(Some(ws::Deflate::default())))
                .upgrades("sec-websocket-extensions: permessage-deflate\r\n");
            peer.say(&[&[opcode, 127][..], &length.to_be_bytes()].concat(), 1);
            peer.say(&[0; 4096], 4096);
            if allowed {
                assert!(peer.is_open(), "{length}: {:?}", peer.told);
                // How large a compressed message is shows as it is decompressed.
                let told = peer.rejected().map(|it| &it.reason);
                let large = matches!(told, Some(RejectReason::TooLarge(_)));
                assert!(large || opcode == 0xC1, "{length}: {told:?}");
            } else {
                peer.end();
                let error = peer.error();
                assert!(matches!(error, Some(Error::Protocol(_))), "{length}: {error:?}");
            }
            assert!(peer.most_held < 4 * LITTLE, "{length}: {} bytes", peer.most_held);
        }
    }
}

#[test]
fn a_masked_frame_of_a_server_is_a_violation_whatever_its_kind() {
    let _alone = memory::alone();
    for first in [0x81, 0x82, 0x01, 0x89, 0x8A, 0x88] {
        let mut peer = follow(frames()).upgrades("");
        peer.say(&[first, 0x81, 1, 2, 3, 4, b'x'], 1);
        peer.end();
        assert!(matches!(peer.error(), Some(Error::Protocol(_))), "{first}: {:?}", peer.told);
    }
}

#[test]
fn a_length_of_content_takes_no_memory_before_the_content_comes() {
    let _alone = memory::alone();
    for (length, allowed) in LENGTHS {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {length}\r\n\r\n"
        );
        let mut peer = follow(stream());
        peer.say(head.as_bytes(), 1);
        peer.say(format!("data: {}\n\n", event("7")).as_bytes(), 1);
        assert_eq!(peer.data(), allowed.then_some("7"), "{length}: {:?}", peer.told);
        let refused = matches!(peer.error(), Some(Error::Transport(error))
            if error.kind() == TransportErrorKind::Protocol);
        assert_eq!(refused, !allowed, "{length}: {:?}", peer.told);
        assert!(peer.most_held < LITTLE, "{length}: {} bytes", peer.most_held);

        let mut peer = call(streams::list());
        peer.say(head.replace("text/event-stream", "application/json").as_bytes(), 1);
        peer.say(&vec![b' '; 2 * LIMIT], 4096);
        let told = peer.told.last();
        let due = match (told, allowed) {
            (Some(Err(Error::Limit(_))), true) => true,
            (Some(Err(Error::Transport(error))), false) => {
                error.kind() == TransportErrorKind::Protocol
            }
            _ => false,
        };
        assert!(due, "{length}: {told:?}");
        assert!(peer.most_held < LITTLE, "{length}: {} bytes", peer.most_held);
    }
}

#[test]
fn a_chunk_s_size_takes_no_memory_before_the_chunk_comes() {
    let _alone = memory::alone();
    for (size, allowed) in LENGTHS {
        let mut peer = follow(stream());
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
                    transfer-encoding: chunked\r\n\r\n";
        peer.say(format!("{head}{size:x}\r\n").as_bytes(), 1);
        peer.say(format!("data: {}\n\n", event("7")).as_bytes(), 1);
        assert_eq!(peer.data(), allowed.then_some("7"), "{size:x}: {:?}", peer.told);
        assert!(peer.most_held < LITTLE, "{size:x}: {} bytes", peer.most_held);
    }
}

#[test]
fn window_bits_are_two_digits_at_most_and_in_one_spelling() {
    let _alone = memory::alone();
    let opens = |bits: &str| {
        let mut peer = follow(frames().deflate(Some(ws::Deflate::default())));
        let field = format!(
            "sec-websocket-extensions: permessage-deflate; server_max_window_bits{bits}\r\n"
        );
        let head = peer.upgrade(&field);
        peer.say(head.as_bytes(), 1);
        let refused = matches!(peer.error(), Some(Error::Handshake(_)));
        assert_ne!(peer.is_open(), refused, "{bits}: {:?}", peer.told);
        peer.is_open()
    };
    for bits in 8..=15 {
        assert!(opens(&format!("={bits}")), "{bits}");
        assert!(opens(&format!("=\"{bits}\"")), "{bits}");
    }
    for bits in [
        "",
        "=",
        "=\"\"",
        "=0",
        "=7",
        "=16",
        "=08",
        "=015",
        "=+9",
        "=-9",
        "=9.0",
        "=1e1",
        "=0x9",
        "=9a",
        "=\"9 \"",
        "=\" 9\"",
        "=9 9",
        "=255",
        "=256",
        "=264",
        "=65545",
        "=4294967305",
        "=18446744073709551625",
        "=9; server_max_window_bits=9",
        "=nine",
    ] {
        assert!(!opens(bits), "{bits}");
    }
}

/// What decompresses to so many spaces, and ends there.
fn spaces(count: usize) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![b' '; count]).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_bomb_is_a_limit_and_not_decoded_beyond_it() {
    let _alone = memory::alone();
    let bomb = spaces(32 << 20);
    let mut peer = call(streams::list());
    peer.say(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n", usize::MAX);
    let before = memory::asked_for();
    peer.say(&bomb, usize::MAX);
    assert!(matches!(peer.told.last(), Some(Err(Error::Limit(_)))), "{:?}", peer.told);
    let asked = memory::asked_for() - before - bomb.len();
    assert!(asked < 4 * LITTLE, "{asked} bytes were asked for");

    // As a refusal: an excerpt of it is all that is wanted.
    let mut peer = follow(stream());
    peer.say(b"HTTP/1.1 403 No\r\ncontent-encoding: gzip\r\n\r\n", usize::MAX);
    let before = memory::asked_for();
    peer.say(&bomb, usize::MAX);
    assert!(matches!(peer.error(), Some(Error::Refused(_))), "{:?}", peer.told);
    let asked = memory::asked_for() - before - bomb.len();
    assert!(asked < 4 * LITTLE, "{asked} bytes were asked for");
}

#[test]
fn a_bomb_in_a_message_is_rejected_and_the_next_message_comes() {
    let _alone = memory::alone();
    let deflated = |bytes: &[u8]| {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.flush().unwrap();
        let mut bytes = encoder.get_ref().clone();
        // The tail that RFC 7692 §7.2.1 takes away.
        assert!(bytes.ends_with(&[0, 0, 0xFF, 0xFF]));
        bytes.truncate(bytes.len() - 4);
        bytes
    };
    let bomb = deflated(&vec![b' '; 8 << 20]);
    let mut peer = follow(frames().deflate(Some(ws::Deflate::default())))
        .upgrades("sec-websocket-extensions: permessage-deflate; server_no_context_takeover\r\n");
    peer.say(&frame(0xC1, &bomb), 4096);
    peer.say(&frame(0xC1, &deflated(event("7").as_bytes())), 1);
    let told = peer.rejected().map(|it| &it.reason);
    assert!(matches!(told, Some(RejectReason::TooLarge(_))), "{:?}", peer.told);
    assert_eq!(peer.data(), Some("7"));
    assert!(peer.most_held < 4 * LITTLE, "{} bytes", peer.most_held);
}

#[test]
fn a_long_id_that_is_left_over_is_not_copied_for_each_event() {
    let _alone = memory::alone();
    let mut peer = follow(stream()).opens();
    peer.say(format!("id: {}\n\n", "7".repeat(LIMIT - 8)).as_bytes(), usize::MAX);
    let events = format!("data: {}\n\n", event("1")).repeat(1000);
    let before = memory::asked_for();
    peer.say(events.as_bytes(), 4096);
    assert_eq!(peer.count, 1001);
    let asked = memory::asked_for() - before;
    // A copy for each event would be 8 MB.
    assert!(asked < 4 * events.len(), "{asked} bytes were asked for");
}

#[test]
fn final_blocks_that_hold_nothing_end_the_connection_before_they_make_work() {
    let _alone = memory::alone();
    // An empty final block (RFC 1951 §3.2.6), in a message whose window is full.
    let empty = [0x03, 0x00];
    for (kind, spaces) in [("a message", LIMIT - 1), ("a message that is passed over", 2 * LIMIT)] {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&vec![b' '; spaces]).unwrap();
        let message = [encoder.finish().unwrap(), empty.repeat(4 << 10)].concat();
        for piece in [1, 4096] {
            let mut peer = follow(frames().deflate(Some(ws::Deflate::default())))
                .upgrades("sec-websocket-extensions: permessage-deflate\r\n");
            let before = memory::asked_for();
            peer.say(&frame(0xC1, &message), piece);
            let asked = memory::asked_for() - before;
            peer.end();
            assert!(matches!(peer.error(), Some(Error::Limit(_))), "{kind}: {:?}", peer.told);
            // To start over in memory of its own for each block would ask for 190 MiB.
            assert!(asked < 32 * LITTLE, "{kind}, by {piece}: {asked} bytes were asked for");
        }
    }
}
