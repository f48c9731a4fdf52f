use restless_scan::{Block, BlockLines, scalar};

/// Whatever the bytes, and wherever they begin in memory, each search finds what its plain twin
/// finds, and what a look at each byte finds.
///
/// The first byte says how many are left out before the search begins, modulo 64.
pub fn scan(data: &[u8]) {
    let Some((start, bytes)) = data.split_first() else { return };
    let bytes = bytes.get(usize::from(start % 64)..).unwrap_or_default();

    let len = bytes.iter().position(|byte| is_stop(*byte)).unwrap_or(bytes.len());
    assert_eq!(restless_scan::string_stop(bytes), len);
    assert_eq!(scalar::string_stop(bytes), len);

    let len = bytes.iter().position(|byte| is_end(*byte)).unwrap_or(bytes.len());
    assert_eq!(restless_scan::line_end(bytes), len);
    assert_eq!(scalar::line_end(bytes), len);

    let text = bytes.is_ascii().then(|| std::str::from_utf8(bytes).expect("ASCII is UTF-8"));
    assert_eq!(restless_scan::ascii(bytes), text);
    assert_eq!(scalar::ascii(bytes), text);

    for block in bytes.windows(16).filter_map(<[u8]>::first_chunk) {
        let stops = marks(block, is_stop);
        assert_eq!(restless_scan::string_stops(block), stops);
        assert_eq!(scalar::string_stops(block), stops);
        let lines = BlockLines {
            ends: marks(block, is_end),
            not_plain: marks(block, |b| b == 0 || !b.is_ascii()),
        };
        assert_eq!(restless_scan::block_lines(block), lines);
        assert_eq!(scalar::block_lines(block), lines);
    }
}

fn is_stop(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn is_end(byte: u8) -> bool {
    byte == b'\n' || byte == b'\r'
}

fn marks(block: &Block, is_marked: impl Fn(u8) -> bool) -> u32 {
    block.iter().enumerate().fold(0, |marks, (n, byte)| marks | u32::from(is_marked(*byte)) << n)
}
