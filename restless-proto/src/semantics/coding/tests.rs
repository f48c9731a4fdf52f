//! What hostile content costs: counted in steps, each of which is a run of a codec.

use super::*;

fn decoder(value: &'static str) -> Decoder {
    let mut fields = HeaderMap::new();
    fields.insert(header::CONTENT_ENCODING, HeaderValue::from_static(value));
    Decoder::of(&fields).unwrap().unwrap()
}

/// Content that decodes to nothing: how the content begins, and the unit that is repeated. A unit
/// gives no output, and a run of the codec ends at the end of each unit, or goes over all of them.
struct Void {
    coding: &'static str,
    start: &'static [u8],
    unit: &'static [u8],
    steps_per_unit: usize,
}

const VOIDS: &[Void] = &[
    // A whole member without content, of the fewest bytes (RFC 1952 §2.3).
    Void {
        coding: "gzip",
        start: b"",
        unit: b"\x1f\x8b\x08\x00\0\0\0\0\x00\xff\x03\x00\0\0\0\0\0\0\0\0",
        steps_per_unit: 1,
    },
    // Padding behind its end.
    Void {
        coding: "gzip",
        start: b"\x1f\x8b\x08\x00\0\0\0\0\x00\xff\x03\x00\0\0\0\0\0\0\0\0",
        unit: b"\0\r\n",
        steps_per_unit: 0,
    },
    // Stored blocks of no bytes (RFC 1951 §3.2.4).
    Void { coding: "deflate", start: b"", unit: b"\x00\x00\x00\xff\xff", steps_per_unit: 0 },
    Void { coding: "deflate", start: b"\x78\x9c", unit: b"\0\0\0\xff\xff", steps_per_unit: 0 },
    // Four blocks with fixed codes that only end (RFC 1951 §3.2.6): ten bits each.
    Void { coding: "deflate", start: b"", unit: b"\x02\x08\x20\x80\x00", steps_per_unit: 0 },
    // Meta-blocks of metadata, which has no bytes (RFC 7932 §9.2).
    Void { coding: "br", start: b"\x0c", unit: b"\x06", steps_per_unit: 0 },
    // Frames without content, blocks without content, and frames to be skipped (RFC 8878 §3.1).
    #[cfg(feature = "zstd")]
    Void {
        coding: "zstd",
        start: b"",
        unit: b"\x28\xb5\x2f\xfd\x20\x00\x01\x00\x00",
        steps_per_unit: 1,
    },
    #[cfg(feature = "zstd")]
    Void { coding: "zstd", start: b"\x28\xb5\x2f\xfd\x00\x68", unit: b"\0\0\0", steps_per_unit: 0 },
    #[cfg(feature = "zstd")]
    Void { coding: "zstd", start: b"", unit: b"\x50\x2a\x4d\x18\0\0\0\0", steps_per_unit: 1 },
];

#[test]
fn content_in_which_nothing_is_said_costs_no_more_than_it_is_long() {
    const UNITS: usize = 10_000;
    for void in VOIDS {
        let mut decoder = decoder(void.coding);
        decoder.feed([void.start, &void.unit.repeat(UNITS)].concat().into());
        let mut steps = 0;
        while !decoder.is_idle() {
            steps += 1;
            assert_eq!(decoder.step(), Ok(0), "{} {:x?}", void.coding, void.unit);
            assert!(decoder.failed.is_none(), "{} {:x?}", void.coding, decoder.failed);
        }
        let most = UNITS * void.steps_per_unit + 2;
        assert!(steps <= most, "{} {:x?}: {steps} steps, {most} due", void.coding, void.unit);
    }
}

#[test]
fn each_step_takes_or_gives_something() {
    // More than a piece of each: what has no room comes with the next step.
    let zeros = vec![0; 10 * PIECE_BYTES + 1];
    let mut gzip = flate2::Compress::new_gzip(flate2::Compression::best(), 15);
    let mut coded = Vec::with_capacity(1 << 16);
    gzip.compress_vec(&zeros, &mut coded, flate2::FlushCompress::Finish).unwrap();
    let mut decoder = decoder("gzip");
    let fed = coded.len();
    decoder.feed(coded.into());
    let (mut steps, mut given) = (0, 0);
    while !decoder.is_idle() {
        given += decoder.step().unwrap();
        steps += 1;
    }
    assert_eq!(given, zeros.len());
    assert!(steps <= given.div_ceil(PIECE_BYTES) + 2, "{steps} steps for {fed} bytes");
}
