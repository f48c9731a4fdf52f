//! Where the content of a response ends, and whether its connection may be used again
//! (RFC 9112 §6.3, §9.3).

use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::response::Parts;
use http::{HeaderMap, HeaderName, Method, StatusCode, Version};

use super::error::ResponseError;

/// What tells the end of the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// A number of bytes ends the content.
    Length(u64),
    /// The last chunk ends the content. A `Content-Length` beside the chunks has to agree.
    Chunked { claimed: Option<u64> },
    /// The end of the connection ends the content; a status of 101 turns the connection over.
    UntilEnd,
}

impl Framing {
    /// Applies the rules of §6.3, in their order.
    pub(super) fn of(head: &Parts, method: &Method) -> Result<Self, ResponseError> {
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(Self::UntilEnd);
        }
        let empty = matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        if method == Method::HEAD || empty {
            return Ok(Self::Length(0));
        }
        let length = content_length(&head.headers)?;
        if head.headers.contains_key(TRANSFER_ENCODING) {
            only_chunked(&head.headers)?;
            return Ok(Self::Chunked { claimed: length });
        }
        Ok(length.map_or(Self::UntilEnd, Self::Length))
    }
}

/// Whether the connection may be used again behind the response with this head, as far as the head
/// says: not behind content whose end two readers could see in two places, such as chunks beside a
/// length (RFC 9112 §6.3), nor where the connection is to be closed (§9.3). `method` is the
/// request's.
///
/// [`Exchange::is_reusable`](super::Exchange::is_reusable) asks this and more. The function is for
/// a driver whose responses another client reads.
pub fn persists(head: &Parts, method: &Method) -> bool {
    Framing::of(head, method).is_ok_and(|framing| persists_behind(head, framing))
}

/// Whether the connection is still good after this response, as far as the head says.
pub(super) fn persists_behind(head: &Parts, framing: Framing) -> bool {
    let marked = match framing {
        // Whoever takes this status to have content sees another end (RFC 9110 §8.6, RFC 9112
        // §6.1). The answer to HEAD, and 304, say what another answer would have had.
        Framing::Length(_) if head.status == StatusCode::NO_CONTENT => {
            !head.headers.contains_key(TRANSFER_ENCODING)
                && matches!(content_length(&head.headers), Ok(None | Some(0)))
        }
        Framing::Length(_) => true,
        // Both at once are suspect, and so are chunks of a peer that says HTTP/1.0, which lacks
        // chunks: a box on the way may see another end (§6.1, §6.3).
        Framing::Chunked { claimed } => claimed.is_none() && head.version != Version::HTTP_10,
        Framing::UntilEnd => false,
    };
    let says = |option| lists(&head.headers, &CONNECTION, option);
    marked && !says("close") && (head.version != Version::HTTP_10 || says("keep-alive"))
}

/// Whether this list-based field has this option (RFC 9110 §5.6.1).
pub(super) fn lists(fields: &HeaderMap, name: &HeaderName, option: &str) -> bool {
    let mut values = fields.get_all(name).iter();
    values.any(|value| {
        let mut options = value.as_bytes().split(|byte| *byte == b',');
        options.any(|seen| seen.trim_ascii().eq_ignore_ascii_case(option.as_bytes()))
    })
}

/// Returns the one length that all values say. Digits alone are accepted, because another reader
/// might take a sign or a space for another length (RFC 9110 §8.6).
fn content_length(fields: &HeaderMap) -> Result<Option<u64>, ResponseError> {
    let mut length = None;
    for value in fields.get_all(CONTENT_LENGTH) {
        for number in value.as_bytes().split(|byte| *byte == b',') {
            let number = decimal(trimmed(number))?;
            if length.replace(number).is_some_and(|earlier| earlier != number) {
                return Err(ResponseError::ContentLength("has two values"));
            }
        }
    }
    Ok(length)
}

fn decimal(digits: &[u8]) -> Result<u64, ResponseError> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(ResponseError::ContentLength("is no number of bytes"));
    }
    digits
        .iter()
        .try_fold(0, |number, digit| grown(number, 10, digit - b'0'))
        .ok_or(ResponseError::ContentLength("has more than 63 bits"))
}

/// Appends a digit to a number; `None` over 63 bits, which some would read as negative.
pub(super) fn grown(number: u64, base: u64, digit: u8) -> Option<u64> {
    let number = number.checked_mul(base)?.checked_add(u64::from(digit))?;
    (number <= i64::MAX.unsigned_abs()).then_some(number)
}

fn trimmed(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// The registered transfer codings, and content codings that stand in their place.
const CODINGS: [&str; 10] = [
    "chunked",
    "gzip",
    "x-gzip",
    "compress",
    "x-compress",
    "deflate",
    "br",
    "zstd",
    "identity",
    "trailers",
];

/// Refuses any other coding, which would be passed on as if it were the content.
fn only_chunked(fields: &HeaderMap) -> Result<(), ResponseError> {
    let values = fields.get_all(TRANSFER_ENCODING);
    let mut codings = Vec::new();
    for value in values {
        for seen in value.as_bytes().split(|byte| *byte == b',') {
            let seen = trimmed(seen);
            let known = CODINGS.iter().find(|name| seen.eq_ignore_ascii_case(name.as_bytes()));
            codings.push(known.copied().unwrap_or("(unknown)"));
        }
    }
    if codings == ["chunked"] {
        return Ok(());
    }
    // What can be told of a peer's words has to end somewhere.
    codings.truncate(8);
    Err(ResponseError::TransferCoding { coding: codings.join(", ") })
}

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;

    fn head(version: Version, fields: &[(&'static str, &str)]) -> Parts {
        let mut response = Response::builder().version(version);
        for (name, value) in fields {
            response = response.header(*name, *value);
        }
        response.body(()).unwrap().into_parts().0
    }

    fn framing(fields: &[(&'static str, &str)]) -> Result<Framing, ResponseError> {
        Framing::of(&head(Version::HTTP_11, fields), &Method::GET)
    }

    fn length(values: &[&str]) -> Result<Framing, ResponseError> {
        let fields: Vec<_> = values.iter().map(|value| ("content-length", *value)).collect();
        framing(&fields)
    }

    #[test]
    fn a_length_is_digits_of_at_most_63_bits() {
        assert_eq!(length(&["0"]), Ok(Framing::Length(0)));
        assert_eq!(length(&["007"]), Ok(Framing::Length(7)));
        assert_eq!(length(&["9223372036854775807"]), Ok(Framing::Length(i64::MAX as u64)));
        for bad in ["9223372036854775808", "99999999999999999999999"] {
            assert_eq!(
                length(&[bad]),
                Err(ResponseError::ContentLength("has more than 63 bits")),
                "{bad}"
            );
        }
        for bad in ["", "+5", "-5", "5 5", "0x5", "5.0", "5;", "five"] {
            let refused = Err(ResponseError::ContentLength("is no number of bytes"));
            assert_eq!(length(&[bad]), refused, "{bad:?}");
        }
    }

    #[test]
    fn two_lengths_have_to_be_one() {
        assert_eq!(length(&["5", "5"]), Ok(Framing::Length(5)));
        assert_eq!(length(&["5, 5 ,05"]), Ok(Framing::Length(5)));
        let refused = Err(ResponseError::ContentLength("has two values"));
        assert_eq!(length(&["5", "6"]), refused);
        assert_eq!(length(&["5, 6"]), refused);
        assert!(length(&["5,"]).is_err());
    }

    #[test]
    fn chunked_alone_is_read_and_anything_else_is_named() {
        for value in ["chunked", "Chunked", " CHUNKED\t"] {
            let fields = [("transfer-encoding", value)];
            assert_eq!(framing(&fields), Ok(Framing::Chunked { claimed: None }), "{value}");
        }
        for (value, named) in [
            ("gzip, chunked", "gzip, chunked"),
            ("identity", "identity"),
            ("chunked, chunked", "chunked, chunked"),
            ("chunked, x", "chunked, (unknown)"),
            ("xchunked", "(unknown)"),
            ("\u{b}chunked", "(unknown)"),
            ("", "(unknown)"),
        ] {
            let Ok(value) = http::HeaderValue::from_str(value) else { continue };
            let mut head = head(Version::HTTP_11, &[]);
            head.headers.insert(TRANSFER_ENCODING, value);
            let coding = named.to_owned();
            assert_eq!(
                Framing::of(&head, &Method::GET),
                Err(ResponseError::TransferCoding { coding }),
                "{named}"
            );
        }
        let two = [("transfer-encoding", "gzip"), ("transfer-encoding", "chunked")];
        assert!(framing(&two).is_err());
    }

    #[test]
    fn some_responses_have_no_content_whatever_they_say() {
        let mut said = head(Version::HTTP_11, &[("content-length", "5")]);
        assert_eq!(Framing::of(&said, &Method::HEAD), Ok(Framing::Length(0)));
        said.headers.insert(TRANSFER_ENCODING, http::HeaderValue::from_static("gzip"));
        for status in [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED] {
            said.status = status;
            assert_eq!(Framing::of(&said, &Method::GET), Ok(Framing::Length(0)));
        }
        said.status = StatusCode::SWITCHING_PROTOCOLS;
        assert_eq!(Framing::of(&said, &Method::GET), Ok(Framing::UntilEnd));
    }

    #[test]
    fn a_head_without_one_meaning_is_no_reason_to_keep_a_connection() {
        for (fields, kept) in [
            (&[("content-length", "5")][..], true),
            (&[("transfer-encoding", "chunked")], true),
            (&[("transfer-encoding", "chunked"), ("content-length", "5")], false),
            (&[("content-length", "5, 6")], false),
            (&[("transfer-encoding", "gzip, chunked")], false),
            (&[], false),
        ] {
            let head = head(Version::HTTP_11, fields);
            assert_eq!(persists(&head, &Method::GET), kept, "{fields:?}");
        }
    }

    #[test]
    fn a_connection_persists_as_its_version_and_its_framing_say() {
        let (new, old) = (Version::HTTP_11, Version::HTTP_10);
        let length = Framing::Length(5);
        let chunked = Framing::Chunked { claimed: None };
        let close = [("connection", "x, Close")];
        let keep = [("connection", "Keep-Alive")];
        for (version, fields, framing, kept) in [
            (new, &[][..], length, true),
            (new, &[], chunked, true),
            (new, &[], Framing::UntilEnd, false),
            (new, &close, length, false),
            (new, &[], Framing::Chunked { claimed: Some(5) }, false),
            (old, &[], length, false),
            (old, &keep, length, true),
            (old, &keep, chunked, false),
        ] {
            let head = head(version, fields);
            assert_eq!(persists_behind(&head, framing), kept, "{version:?} {fields:?} {framing:?}");
        }
    }
}
