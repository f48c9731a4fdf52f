//! What decodes, what does not, and in what pieces.

use bytes::Bytes;
use http::{HeaderMap, header};
use restless_proto::coding::{CodingError, ContentCoding, Decoder};

use super::encode::{CODINGS, encode, encode_whole};

const TEXT: &[&str] = &["id: 1\n", "data: one\n\n", ": beat\n", "data: two and two\n\n"];

/// The most that comes at once.
const PIECE_BYTES: usize = 16 << 10;

fn fields(value: &str) -> HeaderMap {
    let mut fields = HeaderMap::new();
    fields.insert(header::CONTENT_ENCODING, value.parse().unwrap());
    fields
}

fn decoder(value: &str) -> Decoder {
    Decoder::of(&fields(value)).unwrap().unwrap()
}

/// All that comes out now, or the error after it.
fn drain(decoder: &mut Decoder, to: &mut Vec<u8>) -> Result<(), CodingError> {
    while let Some(piece) = decoder.poll()? {
        assert!(!piece.is_empty() && piece.len() <= PIECE_BYTES);
        to.extend_from_slice(&piece);
    }
    Ok(())
}

fn decode(value: &str, coded: &[u8], chunk: usize) -> (Vec<u8>, Result<(), CodingError>) {
    let (mut decoder, mut to) = (decoder(value), Vec::new());
    for chunk in coded.chunks(chunk) {
        decoder.feed(Bytes::copy_from_slice(chunk));
        if let Err(error) = drain(&mut decoder, &mut to) {
            return (to, Err(error));
        }
    }
    decoder.end();
    let end = drain(&mut decoder, &mut to);
    (to, end)
}

#[test]
fn what_is_flushed_comes_out_at_once() {
    for (coding, value) in CODINGS {
        // One is more than a piece.
        let long = format!("data: {}\n\n", "long ".repeat(10_000));
        let parts = TEXT.iter().copied().chain([&*long, "data: short\n\n"]);
        let parts: Vec<&[u8]> = parts.map(str::as_bytes).collect();
        let mut decoder = decoder(value);
        for (part, coded) in parts.iter().zip(encode(coding, &parts)) {
            let mut seen = Vec::new();
            decoder.feed(coded.into());
            drain(&mut decoder, &mut seen).unwrap();
            assert!(seen == *part, "{coding}: {} of {} bytes", seen.len(), part.len());
        }
    }
}

#[test]
fn any_cut_of_the_bytes_gives_the_same() {
    let text = TEXT.concat().repeat(3000);
    for (coding, value) in CODINGS {
        let coded = encode_whole(coding, text.as_bytes());
        for chunk in [1, 2, 3, 100, coded.len()] {
            let (seen, end) = decode(value, &coded, chunk);
            assert_eq!((seen.len(), end), (text.len(), Ok(())), "{coding}, chunks of {chunk}");
            assert_eq!(seen, text.as_bytes(), "{coding}, chunks of {chunk}");
        }
    }
}

#[test]
fn content_that_ends_early_says_so_after_what_it_had() {
    let text = TEXT.concat();
    for (coding, value) in CODINGS {
        let coded = encode_whole(coding, text.as_bytes());
        for cut in 1..coded.len() {
            let (seen, end) = decode(value, &coded[..cut], usize::MAX);
            assert!(
                matches!(&end, Err(CodingError::Truncated { coding })
                    if coding.to_string() == *value),
                "{coding} cut after {cut}: {end:?}"
            );
            assert!(text.as_bytes().starts_with(&seen), "{coding} cut after {cut}");
        }
    }
}

#[test]
fn no_content_is_none_in_any_coding() {
    for (_, value) in CODINGS {
        assert_eq!(decode(value, b"", 1), (Vec::new(), Ok(())));
        let mut decoder = decoder(value);
        decoder.feed(Bytes::new());
        assert_eq!(decoder.poll(), Ok(None));
    }
}

#[test]
fn no_byte_of_gzip_can_change_what_it_says() {
    let text = TEXT.concat();
    let coded = encode_whole("gzip", text.as_bytes());
    for at in 0..coded.len() {
        for flip in [1, 0x80, 0xff] {
            let mut bad = coded.clone();
            bad[at] ^= flip;
            let (seen, end) = decode("gzip", &bad, usize::MAX);
            // Time, system and the like in its head say nothing about the content.
            assert!(end.is_err() || seen == text.as_bytes(), "byte {at} changed by {flip}");
        }
    }
}

#[test]
fn what_was_good_comes_before_the_error() {
    let parts: &[&[u8]] = &[b"data: one\n\n", b"data: two\n\n"];
    for (coding, value) in CODINGS {
        let pieces = encode(coding, parts);
        let mut decoder = decoder(value);
        decoder.feed(pieces[0].clone().into());
        let mut seen = Vec::new();
        drain(&mut decoder, &mut seen).unwrap();
        decoder.feed(vec![0xff; 100].into());
        let error = drain(&mut decoder, &mut seen).unwrap_err();
        assert!(matches!(error, CodingError::Corrupt { .. }), "{coding}: {error:?}");
        assert_eq!(seen, parts[0], "{coding}");
        assert_eq!(decoder.poll(), Err(error), "{coding}: it stays broken");
    }
}

#[test]
fn gzip_may_have_several_members() {
    let mut coded = encode_whole("gzip", b"one");
    coded.extend(encode_whole("gzip", b""));
    coded.extend(encode_whole("gzip", b"two"));
    for chunk in [1, 7, usize::MAX] {
        assert_eq!(decode("gzip", &coded, chunk), (b"onetwo".to_vec(), Ok(())));
    }
    let (seen, end) = decode("gzip", &coded[..coded.len() - 1], usize::MAX);
    assert_eq!(seen, b"onetwo");
    assert_eq!(end, Err(CodingError::Truncated { coding: ContentCoding::Gzip }));
}

#[test]
fn padding_behind_the_end_and_between_members_says_nothing() {
    for (coding, value) in CODINGS {
        for padding in [&b"\0"[..], b"\r\n", b"\n", &[0; 1024], b"\0\r\n\0"] {
            let coded = [&encode_whole(coding, b"text"), padding].concat();
            for chunk in [1, 7, usize::MAX] {
                let due = (b"text".to_vec(), Ok(()));
                assert_eq!(decode(value, &coded, chunk), due, "{coding} {padding:?}");
            }
        }
    }
    let zeros: &[u8] = &[0; 512];
    let coded =
        [&encode_whole("gzip", b"one"), zeros, &encode_whole("gzip", b"two"), zeros].concat();
    for chunk in [1, 7, usize::MAX] {
        assert_eq!(decode("gzip", &coded, chunk), (b"onetwo".to_vec(), Ok(())));
    }
}

#[test]
fn nothing_else_after_the_end_is_passed_over() {
    for (coding, value) in CODINGS {
        for more in [&b" "[..], b"text", b"\0text", b"\r\n\x01"] {
            let coded = [&encode_whole(coding, b"text"), more].concat();
            for chunk in [1, usize::MAX] {
                let (seen, end) = decode(value, &coded, chunk);
                assert_eq!(seen, b"text");
                // zstd takes it for the beginning of a frame.
                let truncated = matches!(end, Err(CodingError::Truncated { .. }));
                let corrupt = matches!(end, Err(CodingError::Corrupt { .. }));
                assert!(corrupt || (truncated && *coding == "zstd"), "{coding}: {end:?}");
            }
        }
    }
}

#[test]
fn a_name_is_one_whatever_its_case_and_what_says_nothing_is_passed_over() {
    let coded = encode_whole("gzip", b"text");
    for value in ["gzip", "GZIP", " x-gzip ,, identity", "Identity,X-Gzip"] {
        assert_eq!(decode(value, &coded, usize::MAX), (b"text".to_vec(), Ok(())), "{value}");
    }
}

#[test]
fn more_than_one_coding_is_not_understood() {
    for value in ["gzip, gzip", "deflate, gzip, gzip", "identity, br, x-gzip"] {
        let named = value.strip_prefix("identity, ").unwrap_or(value).to_owned();
        let due = CodingError::Unknown { coding: named };
        assert_eq!(Decoder::of(&fields(value)).unwrap_err(), due);
    }
    let mut lines = HeaderMap::new();
    lines.append(header::CONTENT_ENCODING, "gzip".parse().unwrap());
    lines.append(header::CONTENT_ENCODING, "br".parse().unwrap());
    let due = CodingError::Unknown { coding: "gzip, br".to_owned() };
    assert_eq!(Decoder::of(&lines).unwrap_err(), due);
}

#[test]
fn what_is_not_coded_needs_no_decoder() {
    for value in ["", "identity", "Identity, identity", " , "] {
        assert!(Decoder::of(&fields(value)).unwrap().is_none(), "{value:?}");
    }
    assert!(Decoder::of(&HeaderMap::new()).unwrap().is_none());
}

#[test]
fn a_coding_that_is_not_understood_is_named_as_the_registry_has_it() {
    for (value, due) in [
        ("compress", "compress"),
        ("X-Compress", "x-compress"),
        ("aes128gcm", "aes128gcm"),
        ("dcb", "dcb"),
        ("dcz", "dcz"),
        ("exi", "exi"),
        ("pack200-gzip", "pack200-gzip"),
        ("gzip, Aws-Chunked, Exi", "gzip, exi"),
        #[cfg(not(feature = "zstd"))]
        ("zstd", "zstd"),
    ] {
        let due = CodingError::Unknown { coding: due.to_owned() };
        assert_eq!(Decoder::of(&fields(value)).unwrap_err(), due, "{value:?}");
    }
    let many = Decoder::of(&fields(&"gzip,".repeat(1000))).unwrap_err().to_string();
    assert!(many.len() < 400, "{many}");
}

#[test]
fn a_name_that_no_registry_has_changes_nothing() {
    for value in ["none", "utf-8", "binary", "aws-chunked", "none, identity", "*", "8bit", "é"] {
        assert!(Decoder::of(&fields(value)).unwrap().is_none(), "{value:?}");
    }
    let coded = encode_whole("gzip", b"text");
    for value in ["gzip, aws-chunked", "none,gzip"] {
        assert_eq!(decode(value, &coded, usize::MAX), (b"text".to_vec(), Ok(())), "{value}");
    }
}

#[test]
fn a_transfer_coding_beside_chunked_is_an_error_of_its_own() {
    for (value, due) in [
        ("gzip, chunked", Some("gzip")),
        ("GZip,Chunked", Some("gzip")),
        ("x-gzip, deflate", Some("x-gzip, deflate")),
        ("compress", Some("compress")),
        ("chunked", None),
        ("identity, chunked", None),
        ("", None),
    ] {
        let mut fields = fields("identity");
        fields.insert(header::TRANSFER_ENCODING, value.parse().unwrap());
        let due = due.map(|coding| CodingError::Transfer { coding: coding.to_owned() });
        assert_eq!(Decoder::of(&fields).err(), due, "{value}");
    }
}

#[test]
fn a_bomb_comes_out_no_faster_than_it_is_polled() {
    let zeros = vec![0; 1 << 20];
    for (coding, value) in CODINGS {
        let coded = encode_whole(coding, &zeros);
        let mut decoder = decoder(value);
        decoder.feed(coded.into());
        let piece = decoder.poll().unwrap().unwrap();
        assert!(piece.len() <= PIECE_BYTES, "{coding}");
    }
}

#[test]
fn brotli_s_windows_are_those_of_the_coding() {
    let mut wide = brotli::enc::BrotliEncoderParams { quality: 1, ..Default::default() };
    (wide.lgwin, wide.large_window) = (28, true);
    let mut coded = Vec::new();
    brotli::BrotliCompress(&mut &[b'x'; 1000][..], &mut coded, &wide).unwrap();
    let (seen, end) = decode("br", &coded, usize::MAX);
    assert!(seen.is_empty() && matches!(end, Err(CodingError::Corrupt { .. })), "{end:?}");
}
