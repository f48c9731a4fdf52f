use bytes::Bytes;
use restless_scan::{Block, BlockLines, Chunk, Joined, Line, scalar};

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

    let end = bytes.iter().position(|byte| is_end(*byte));
    let (before, behind) = bytes.split_at(end.unwrap_or(bytes.len()));
    let line = Line { length: before.len(), is_ascii: before.is_ascii() };
    assert_eq!(restless_scan::line(bytes), line);
    assert_eq!(scalar::line(bytes), line);
    let mut chunk = Chunk::new(Bytes::copy_from_slice(bytes));
    assert_eq!(chunk.line_end(0), end);
    assert_eq!(chunk.ascii(0..before.len()).is_some(), before.is_ascii());
    assert_eq!(chunk.ascii(0..bytes.len()).is_some(), bytes.is_ascii());
    let mut joined = Joined::default();
    joined.push(before);
    joined.push(behind);
    assert_eq!(joined.bytes(), bytes);
    assert_eq!(joined.ascii().is_some(), bytes.is_ascii());

    let text = bytes.is_ascii().then(|| std::str::from_utf8(bytes).expect("ASCII is UTF-8"));
    assert_eq!(restless_scan::ascii(bytes), text);
    assert_eq!(scalar::ascii(bytes), text);

    let memory = Bytes::copy_from_slice(bytes);
    for chunk in memory.utf8_chunks() {
        let valid = chunk.valid();
        assert_eq!(restless_scan::shared(valid, &memory), valid);
        assert_eq!(scalar::shared(valid, &memory), valid);
    }

    for block in bytes.windows(16).filter_map(<[u8]>::first_chunk) {
        let stops = marks(block, is_stop);
        assert_eq!(restless_scan::string_stops(block), stops);
        assert_eq!(scalar::string_stops(block), stops);
        let lines = BlockLines {
            ends: marks(block, is_end),
            not_plain: marks(block, |b| b == 0 || !b.is_ascii()),
            not_ascii: marks(block, |b| !b.is_ascii()),
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
