//! The head of a response: where it ends, and what it says (RFC 9112 §4, §5).

use std::mem::MaybeUninit;

use bytes::{Bytes, BytesMut};
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Version};
use memchr::{memchr, memchr_iter};

use super::error::ResponseError;

/// What each response of HTTP/1 begins with.
const VERSION: &[u8] = b"HTTP/1.";
/// The number of fields that are parsed on the stack.
const USUAL_FIELDS: usize = 128;

/// Whether this can be the beginning of a response. A peer that speaks another protocol is an error
/// at once, long before the limit of a head.
pub(super) fn looks_like_http(received: &[u8]) -> bool {
    let start = VERSION.len().min(received.len());
    received.get(..start) == VERSION.get(..start)
}

/// Returns the place behind the empty line that ends a head. A lone LF ends a line too (RFC 9112
/// §2.2). `searched` bytes are known to hold no end.
pub(super) fn end(received: &[u8], searched: usize) -> Option<usize> {
    // The searched bytes may end within that line.
    let from = searched.saturating_sub(3);
    memchr_iter(b'\n', received.get(from..).unwrap_or_default()).map(|at| from + at).find_map(
        |at| match received.get(at + 1..) {
            Some([b'\n', ..]) => Some(at + 2),
            Some([b'\r', b'\n', ..]) => Some(at + 3),
            _ => None,
        },
    )
}

/// Reads a whole head. The fields' values are slices of one copy of the head.
pub(super) fn parse(head: &[u8]) -> Result<Parts, ResponseError> {
    parse_by(&httparse::ParserConfig::default(), head)
}

/// Reads what a proxy says to CONNECT (RFC 9110 §9.3.6): a whole head, with the empty line that
/// ends it. Bytes behind that line play no part.
///
/// The head is read as the head of an [`Exchange`](super::Exchange) is, but lines which are no
/// fields are passed over. The caller asks such a head only for a status, and when to come back;
/// where content ends plays no part.
///
/// # Errors
///
/// A [`ResponseError`] for what is no head of HTTP/1.
pub fn connect_response(head: &[u8]) -> Result<Parts, ResponseError> {
    let mut config = httparse::ParserConfig::default();
    config.ignore_invalid_headers_in_responses(true);
    // Behind the head, a line that begins with a space continues no field.
    let head = end(head, 0).and_then(|end| head.get(..end)).unwrap_or(head);
    parse_by(&config, head)
}

fn parse_by(config: &httparse::ParserConfig, head: &[u8]) -> Result<Parts, ResponseError> {
    let head = plain(head)?;
    let lines = memchr_iter(b'\n', &head).count();
    if lines <= USUAL_FIELDS {
        let mut fields = [const { MaybeUninit::uninit() }; USUAL_FIELDS];
        parse_into(config, &head, &mut fields)
    } else {
        parse_into(config, &head, &mut vec![MaybeUninit::uninit(); lines])
    }
}

/// Makes a head simpler for the parser. A folded line becomes one line (RFC 9112 §5.2), and a minor
/// version above 1 becomes 1, which every higher version includes (RFC 9110 §2.5).
fn plain(head: &[u8]) -> Result<Bytes, ResponseError> {
    let mut head = BytesMut::from(head);
    if let Some(minor @ b'2'..=b'9') = head.get_mut(VERSION.len()) {
        *minor = b'1';
    }
    let mut line_end = memchr(b'\n', &head).ok_or(ResponseError::NotHttp)?;
    // The status line can't be folded: that error is the parser's.
    while let Some(length) = memchr(b'\n', head.get(line_end + 1..).unwrap_or_default()) {
        line_end += 1 + length;
        if let Some([b' ' | b'\t', ..]) = head.get(line_end + 1..) {
            if let Some([.., before, lf]) = head.get_mut(..=line_end) {
                *lf = b' ';
                if *before == b'\r' {
                    *before = b' ';
                }
            }
        }
    }
    Ok(head.freeze())
}

fn parse_into<'a>(
    config: &httparse::ParserConfig,
    head: &'a Bytes,
    fields: &mut [MaybeUninit<httparse::Header<'a>>],
) -> Result<Parts, ResponseError> {
    let mut response = httparse::Response::new(&mut []);
    match config.parse_response_with_uninit_headers(&mut response, head, fields) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err(ResponseError::Head("it has no end")),
        Err(error) => return Err(ResponseError::Head(describe(error))),
    }
    let mut parts = Response::new(()).into_parts().0;
    parts.version = if response.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
    parts.status = StatusCode::from_u16(response.code.unwrap_or_default())
        .map_err(|_| ResponseError::Head("its status is below 100"))?;
    parts.headers = headers(head, response.headers)?;
    Ok(parts)
}

fn headers(head: &Bytes, fields: &[httparse::Header<'_>]) -> Result<HeaderMap, ResponseError> {
    let too_many = |_| ResponseError::Head("it has more fields than can be held");
    let mut headers = HeaderMap::try_with_capacity(fields.len()).map_err(too_many)?;
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes())
            .map_err(|_| ResponseError::Head("a field has a bad name"))?;
        let value = HeaderValue::from_maybe_shared(head.slice_ref(field.value))
            .map_err(|_| ResponseError::Head("a field has a bad value"))?;
        headers.try_append(name, value).map_err(too_many)?;
    }
    Ok(headers)
}

fn describe(error: httparse::Error) -> &'static str {
    match error {
        httparse::Error::HeaderName => "a field has a bad name",
        httparse::Error::HeaderValue => "a field has a bad value",
        httparse::Error::NewLine => "a line has a bad end",
        httparse::Error::Status => "its status is bad",
        httparse::Error::Version => "its version is bad",
        httparse::Error::Token | httparse::Error::TooManyHeaders => "it is no head",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(head: &str, name: &str) -> Result<String, ResponseError> {
        let value = parse(head.as_bytes())?.headers[name].clone();
        Ok(String::from_utf8_lossy(value.as_bytes()).into_owned())
    }

    #[test]
    fn the_end_is_found_wherever_the_search_begins() {
        for text in ["HTTP/1.1 200\r\na: b\r\n\r\nrest", "HTTP/1.1 200\na: b\n\nrest"] {
            let at = text.find("rest");
            for searched in 0..at.unwrap() {
                assert_eq!(end(text.as_bytes(), searched), at, "{searched}");
            }
            assert_eq!(end(&text.as_bytes()[..at.unwrap() - 1], 0), None);
        }
    }

    #[test]
    fn a_folded_field_is_one_value() {
        assert_eq!(field("HTTP/1.1 200 OK\r\na: b\r\n\t c\r\n\r\n", "a").unwrap(), "b  \t c");
        assert_eq!(field("HTTP/1.1 200 OK\na: b\n c\n d\nx: y\n\n", "a").unwrap(), "b  c  d");
        assert_eq!(field("HTTP/1.1 200 OK\r\na:\r\n b\r\n \r\n\r\n", "a").unwrap(), "b");
    }

    #[test]
    fn a_fold_before_the_first_field_is_refused() {
        let refused = parse(b"HTTP/1.1 200 OK\r\n a: b\r\n\r\n").unwrap_err();
        assert!(matches!(refused, ResponseError::Head(_)));
    }

    #[test]
    fn a_fold_hides_no_space_before_a_colon() {
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding\r\n : chunked\r\n\r\n";
        assert_eq!(parse(head).unwrap_err(), ResponseError::Head("a field has a bad name"));
    }

    #[test]
    fn any_minor_version_of_one_digit_is_read() {
        for minor in 0..=9 {
            let head = parse(format!("HTTP/1.{minor} 200 OK\r\n\r\n").as_bytes()).unwrap();
            let version = if minor == 0 { Version::HTTP_10 } else { Version::HTTP_11 };
            assert_eq!(head.version, version);
        }
        assert!(parse(b"HTTP/1.10 200 OK\r\n\r\n").is_err());
        assert!(parse(b"HTTP/1.x 200 OK\r\n\r\n").is_err());
    }

    #[test]
    fn a_reason_may_be_missing() {
        for line in ["HTTP/1.1 204", "HTTP/1.1 204 ", "HTTP/1.1 204 No Content"] {
            let head = parse(format!("{line}\r\n\r\n").as_bytes()).unwrap();
            assert_eq!(head.status, StatusCode::NO_CONTENT);
        }
    }

    #[test]
    fn fields_of_any_number_are_read() {
        for count in [USUAL_FIELDS - 2, USUAL_FIELDS, 10_000] {
            let fields = "a: b\r\n".repeat(count);
            let head = parse(format!("HTTP/1.1 200 OK\r\n{fields}\r\n").as_bytes()).unwrap();
            assert_eq!(head.headers.get_all("a").iter().count(), count);
        }
    }

    #[test]
    fn what_hides_a_field_or_ends_a_line_early_is_refused() {
        for head in [
            "a: b\rc: d",
            "a: b\0c",
            "a : b",
            "a b: c",
            ": b",
            "a",
            "\ta: b",
            "a: b\r\r\nc: d",
            "a\0: b",
        ] {
            let head = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n");
            assert!(matches!(parse(head.as_bytes()), Err(ResponseError::Head(_))), "{head:?}");
        }
        assert!(parse(b"HTTP/1.1 099 No\r\n\r\n").is_err());
        assert!(parse(b"HTTP/1.1 20 No\r\n\r\n").is_err());
        assert!(parse(b"HTTP/1.1 200 N\0o\r\n\r\n").is_err());
    }

    #[test]
    fn a_reply_to_connect_may_hold_lines_that_are_no_fields() {
        let status = |head: &[u8]| connect_response(head).map(|head| head.status.as_u16());
        assert_eq!(status(b"HTTP/1.1 200 OK\r\n\r\n"), Ok(200));
        assert_eq!(status(b"HTTP/1.0 407\r\nno field\r\n\r\n"), Ok(407));
        assert_eq!(status(b"HTTP/1.2 200 OK\n\n"), Ok(200));
        assert_eq!(status(b"HTTP/1.1 200 OK\r\na: b\r\n\r\n c\rd\r\n"), Ok(200));
        for bad in
            [&b"HTTP/2 200\r\n\r\n"[..], b"HTTP/1.1 20\r\n\r\n", b"HTTP/1.1 +20 \r\n\r\n", b""]
        {
            assert!(status(bad).is_err(), "{bad:?}");
        }
    }
}
