//! Each function says what its plain twin says, and both say what a loop over the bytes does.

use proptest::prelude::*;
use restless_scan::{Block, BlockLines, scalar};

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
    };
    assert_eq!(restless_scan::block_lines(block), lines);
    assert_eq!(scalar::block_lines(block), lines);
}

fn check_slice(bytes: &[u8]) {
    let stop = bytes.iter().position(|byte| is_stop(*byte)).unwrap_or(bytes.len());
    assert_eq!(restless_scan::string_stop(bytes), stop);
    assert_eq!(scalar::string_stop(bytes), stop);
    let len = bytes.iter().position(|byte| is_end(*byte)).unwrap_or(bytes.len());
    assert_eq!(restless_scan::line_end(bytes), len);
    assert_eq!(scalar::line_end(bytes), len);

    let text = bytes.is_ascii().then(|| std::str::from_utf8(bytes).unwrap());
    assert_eq!(restless_scan::ascii(bytes), text);
    assert_eq!(scalar::ascii(bytes), text);
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 512 }))]

    #[test]
    fn the_twins_agree_on_any_bytes(bytes: Vec<u8>, start in 0..64_usize) {
        check_slice(&bytes);
        // From any alignment.
        check_slice(&bytes[start.min(bytes.len())..]);
        for block in bytes.windows(16) {
            check_block(block.try_into().unwrap());
        }
    }

    #[test]
    fn the_twins_agree_on_text(text in "[ -~é\r\n\t\"\\\\]{0,400}") {
        check_slice(text.as_bytes());
    }
}
