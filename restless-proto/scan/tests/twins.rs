//! Each function says what its plain twin says, and both say what a loop over the bytes does.

use bytes::Bytes;
use proptest::prelude::*;
use restless_scan::{Block, BlockLines, Chunk, Joined, Line, scalar};

fn is_stop(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn is_end(byte: u8) -> bool {
    byte == b'\n' || byte == b'\r'
}

fn bits(block: &Block, is_marked: impl Fn(u8) -> bool) -> u32 {
    block.iter().enumerate().fold(0, |bits, (n, byte)| bits | u32::from(is_marked(*byte)) << n)
}

fn check_block(block: &Block) {
    let stops = bits(block, is_stop);
    assert_eq!(restless_scan::string_stops(block), stops);
    assert_eq!(scalar::string_stops(block), stops);
    let lines = BlockLines {
        ends: bits(block, is_end),
        not_plain: bits(block, |b| b == 0 || !b.is_ascii()),
        not_ascii: bits(block, |b| !b.is_ascii()),
    };
    assert_eq!(restless_scan::block_lines(block), lines);
    assert_eq!(scalar::block_lines(block), lines);
}

fn check_slice(bytes: &[u8]) {
    let stop = bytes.iter().position(|byte| is_stop(*byte)).unwrap_or(bytes.len());
    assert_eq!(restless_scan::string_stop(bytes), stop);
    assert_eq!(scalar::string_stop(bytes), stop);
    let end = bytes.iter().position(|byte| is_end(*byte));
    let length = end.unwrap_or(bytes.len());
    let line = Line { length, is_ascii: bytes[..length].is_ascii() };
    assert_eq!(restless_scan::line(bytes), line);
    assert_eq!(scalar::line(bytes), line);
    assert_eq!(restless_scan::line_end(bytes), end);

    let text = bytes.is_ascii().then(|| std::str::from_utf8(bytes).unwrap());
    assert_eq!(restless_scan::ascii(bytes), text);
    assert_eq!(scalar::ascii(bytes), text);
    let shared = Bytes::copy_from_slice(bytes);
    for chunk in shared.utf8_chunks() {
        let valid = chunk.valid();
        for slice in [restless_scan::shared(valid, &shared), scalar::shared(valid, &shared)] {
            assert_eq!(slice, valid);
            assert!(valid.is_empty() || std::ptr::eq(slice.as_ptr(), valid.as_ptr()));
        }
    }
    for found in [restless_scan::ascii_shared(shared.clone()), scalar::ascii_shared(shared)] {
        assert_eq!(found.as_deref().ok(), text);
        assert!(found.is_ok() || found.is_err_and(|back| back == bytes));
    }
}

/// The lines of a chunk, found one after the other, and each of them as a text.
fn check_chunk(bytes: &[u8]) {
    let mut chunk = Chunk::new(Bytes::copy_from_slice(bytes));
    let mut at = 0;
    while at <= bytes.len() {
        let end = bytes[at..].iter().position(|byte| is_end(*byte));
        assert_eq!(chunk.line_end(at), end);
        let length = end.unwrap_or(bytes.len() - at);
        // The line, the next byte with it, and everything: what is known of the first must not be
        // said of the others.
        for range in [at..at + length, at..at + length + 1, 0..bytes.len()] {
            let text = bytes.get(range.clone()).filter(|bytes| bytes.is_ascii());
            assert_eq!(chunk.ascii(range).map(str::as_bytes), text);
        }
        at += length + 1;
    }
}

fn check_joined(pieces: &[&[u8]]) {
    let mut joined = Joined::default();
    for _ in 0..2 {
        joined.clear();
        let mut due = Vec::new();
        for piece in pieces {
            match piece.first_chunk::<20>() {
                Some(short) if piece.len() % 3 == 0 => {
                    joined.push_first(short, piece.len() % 21);
                    due.extend_from_slice(&short[..piece.len() % 21]);
                }
                _ => {
                    joined.push(piece);
                    due.extend_from_slice(piece);
                }
            }
            assert_eq!((joined.bytes(), joined.len()), (&due[..], due.len()));
            let text = Some(&due[..]).filter(|bytes| bytes.is_ascii());
            assert_eq!(joined.ascii().map(str::as_bytes), text);
        }
        let chunk = std::mem::take(&mut joined).into_chunk();
        assert_eq!(chunk.ascii(0..due.len()).is_some(), due.is_ascii());
    }
}

#[test]
fn every_byte_is_judged_alike_at_every_place_of_a_block() {
    for byte in 0..=u8::MAX {
        for place in 0..16 {
            // With neighbours that a carry or a borrow would come from.
            for neighbour in [b'a', 0, b'!', 0x80, 0xFF] {
                let mut block = [neighbour; 16];
                block[place] = byte;
                check_block(&block);
            }
        }
    }
}

/// Under Miri, which takes long, fewer lengths: still each loop and each tail.
const LENGTHS: &[usize] = if cfg!(miri) {
    &[0, 1, 15, 17, 33, 65, 129]
} else {
    &[0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 191, 192, 255, 256, 300]
};

#[test]
fn what_is_looked_for_is_found_at_every_place_of_every_length() {
    for &len in LENGTHS {
        check_slice(&vec![b'a'; len]);
        for place in 0..len {
            for byte in [0, 0x1F, b'"', b'\\', b'\n', b'\r', 0x80] {
                let mut bytes = vec![b'a'; len];
                bytes[place] = byte;
                check_slice(&bytes);
                // Nothing behind what is found counts.
                bytes[place] = b'\n';
                bytes[len - 1] = 0xFF;
                check_slice(&bytes);
            }
        }
    }
}

#[test]
fn a_copied_piece_is_looked_at_from_its_first_byte_to_its_last() {
    for &len in LENGTHS {
        for place in 0..len {
            let mut bytes = vec![b'a'; len];
            bytes[place] = 0x80;
            check_joined(&[&bytes]);
            check_joined(&[b"b", &vec![b'a'; len], &bytes, b"c"]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 512 }))]

    #[test]
    fn the_twins_agree_on_any_bytes(bytes: Vec<u8>, start in 0..64_usize) {
        check_slice(&bytes);
        // From any alignment.
        check_slice(&bytes[start.min(bytes.len())..]);
        check_chunk(&bytes);
        for block in bytes.windows(16) {
            check_block(block.try_into().unwrap());
        }
    }

    #[test]
    fn the_twins_agree_on_text(text in "[ -~é\r\n\t\"\\\\]{0,400}") {
        check_slice(text.as_bytes());
        check_chunk(text.as_bytes());
    }

    #[test]
    fn long_lines_come_out_of_a_chunk_as_they_are(
        lines in prop::collection::vec(("[a-z\t]{0,300}", "é?"), 1..5),
    ) {
        let text: Vec<String> = lines.iter().map(|(start, end)| format!("{start}{end}")).collect();
        check_chunk(text.join("\n").as_bytes());
    }

    #[test]
    fn what_is_joined_is_what_was_pushed(
        pieces in prop::collection::vec("[a-z]{0,300}é?|[a-z]{20,60}|[a-z]{200,900}", 0..6),
    ) {
        let pieces: Vec<&[u8]> = pieces.iter().map(String::as_bytes).collect();
        check_joined(&pieces);
    }
}
