//! Responses in which readers differ, and what each makes of them: the table of
//! `restless_proto::http1`, as data.

/// What somebody makes of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The response is read, and the content is `hello`.
    Reads,
    /// The response is read, and the content is something else.
    Differs,
    /// The response is an error.
    Refuses,
}

use Verdict::{Differs, Reads, Refuses};

pub(crate) struct Case {
    /// With the section of RFC 9112, or of another one.
    pub(crate) name: &'static str,
    pub(crate) response: Vec<u8>,
    pub(crate) ours: Verdict,
    pub(crate) hyper: Verdict,
    pub(crate) curl: Verdict,
    pub(crate) node: Verdict,
    pub(crate) chromium: Verdict,
}

/// As they were when the table was written; others may differ from it, and the test says so.
pub(crate) const CURL: &str = "curl 7.88.1";
pub(crate) const NODE: &str = "v20.20.2";
pub(crate) const CHROMIUM: &str = "Chromium 156.0.8078.108";

const OK: &str = "HTTP/1.1 200 OK\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
const END: &str = "0\r\n\r\n";

#[rustfmt::skip]
pub(crate) fn cases() -> Vec<Case> {
    let length = |value: &str| format!("{OK}content-length: {value}\r\n\r\nhello");
    let coded = |value: &str| format!("{OK}transfer-encoding: {value}\r\n\r\n5\r\nhello\r\n{END}");
    let field = |line: &str| format!("{OK}{line}content-length: 5\r\n\r\nhello");
    let chunks = |content: &str| format!("{CHUNKED}{content}");
    let case = |name, response: String, [ours, hyper, curl, node, chromium]: [Verdict; 5]| {
        Case { name, response: response.into_bytes(), ours, hyper, curl, node, chromium }
    };
    vec![
        case("a line of the head that ends with a lone LF (§2.2)", field("a: b\n"), [Reads, Reads, Reads, Refuses, Reads]),
        case("a head whose lines all do (§2.2)", "HTTP/1.1 200 OK\ncontent-length: 5\n\nhello".to_owned(), [Reads, Reads, Reads, Refuses, Reads]),
        case("a folded field (§5.2)", field("a: b\r\n c\r\n"), [Reads, Refuses, Reads, Refuses, Reads]),
        case("151 fields", field(&"a: b\r\n".repeat(150)), [Reads, Refuses, Reads, Reads, Reads]),
        case("HTTP/1.2 (RFC 9110 §2.5)", "HTTP/1.2 200 OK\r\ncontent-length: 5\r\n\r\nhello".to_owned(), [Reads, Refuses, Refuses, Refuses, Reads]),
        case("chunks in HTTP/1.0 (§6.1)", format!("HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n{END}"), [Reads, Refuses, Reads, Reads, Differs]),
        case("chunk extensions (§7.1.1)", chunks(&format!("5;name=\"value\"\r\nhello\r\n{END}")), [Reads, Reads, Reads, Reads, Reads]),
        case("chunk extensions of 19 KiB in all, 3.8 KiB for each chunk (§7.1.1)", chunks(&format!("{}{END}", ["h", "e", "l", "l", "o"].map(|byte| format!("1;{}\r\n{byte}\r\n", "e".repeat(3900))).concat())), [Reads, Refuses, Reads, Reads, Reads]),
        case("white space behind a chunk's size", chunks(&format!("5  \r\nhello\r\n{END}")), [Reads, Reads, Reads, Refuses, Reads]),
        case("a lone LF behind a chunk's size (§7.1)", chunks(&format!("5\nhello\r\n{END}")), [Reads, Refuses, Reads, Refuses, Reads]),
        case("a lone LF behind a chunk (§7.1)", chunks(&format!("5\r\nhello\n{END}")), [Reads, Refuses, Reads, Refuses, Reads]),
        case("20 zeros before a chunk's size (§7.1)", chunks(&format!("{}5\r\nhello\r\n{END}", "0".repeat(20))), [Reads, Reads, Refuses, Reads, Reads]),
        case("a trailer section (§7.1.2)", chunks("5\r\nhello\r\n0\r\na: b\r\n\r\n"), [Reads, Reads, Reads, Reads, Reads]),
        case("the end of the connection in place of the trailer section (§8)", chunks("5\r\nhello\r\n0\r\n"), [Reads, Refuses, Refuses, Refuses, Refuses]),
        case("one `Content-Length` in two fields (§6.3)", field("content-length: 5\r\n"), [Reads, Reads, Reads, Refuses, Reads]),
        case("one `Content-Length` twice in a list (§6.3)", length("5, 5"), [Reads, Reads, Reads, Refuses, Reads]),
        case("an empty line before the response", format!("\r\n{}", length("5")), [Reads, Reads, Refuses, Reads, Reads]),
        case("no reason behind the status (§4)", "HTTP/1.1 200\r\ncontent-length: 5\r\n\r\nhello".to_owned(), [Reads, Reads, Reads, Reads, Reads]),
        case("interim responses (RFC 9110 §15.2)", format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\na: b\r\n\r\n{}", length("5")), [Reads, Reads, Reads, Reads, Reads]),
        case("chunks, and a `Content-Length` that agrees (§6.3)", format!("{OK}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n{END}"), [Reads, Reads, Reads, Refuses, Reads]),
        case("chunks, and a `Content-Length` that does not agree (§6.3)", format!("{OK}content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n{END}"), [Refuses, Reads, Reads, Refuses, Reads]),
        case("two lengths (§6.3)", field("content-length: 6\r\n"), [Refuses, Refuses, Reads, Refuses, Refuses]),
        case("a length with a sign (RFC 9110 §8.6)", length("+5"), [Refuses, Refuses, Reads, Refuses, Reads]),
        case("a length with a space in it (RFC 9110 §8.6)", length("5 5"), [Refuses, Refuses, Reads, Refuses, Reads]),
        case("an empty length (RFC 9110 §8.6)", length(""), [Refuses, Refuses, Refuses, Refuses, Reads]),
        case("a length over 63 bits (§6.3)", length("9223372036854775808"), [Refuses, Refuses, Reads, Refuses, Reads]),
        case("`Transfer-Encoding: gzip, chunked` (§7.4)", coded("gzip, chunked"), [Refuses, Reads, Refuses, Reads, Reads]),
        case("`Transfer-Encoding: identity` (§7)", format!("{OK}transfer-encoding: identity\r\n\r\nhello"), [Refuses, Reads, Reads, Reads, Reads]),
        case("`Transfer-Encoding: chunked, chunked` (§7.1)", coded("chunked, chunked"), [Refuses, Reads, Reads, Reads, Reads]),
        case("`Transfer-Encoding: chunked, x` (§6.3)", coded("chunked, x"), [Refuses, Differs, Refuses, Differs, Reads]),
        case("a chunk's size with a sign (§7.1)", chunks(&format!("+5\r\nhello\r\n{END}")), [Refuses, Refuses, Refuses, Refuses, Refuses]),
        case("a chunk's size with `0x` (§7.1)", chunks(&format!("0x5\r\nhello\r\n{END}")), [Refuses, Refuses, Refuses, Refuses, Refuses]),
        case("a chunk's size over 63 bits (§7.1)", chunks("8000000000000000\r\nhello\r\n"), [Refuses, Refuses, Refuses, Refuses, Refuses]),
        case("a chunk longer than its size (§7.1)", chunks(&format!("4\r\nhello\r\n{END}")), [Refuses, Refuses, Refuses, Refuses, Refuses]),
        case("a bare CR in a chunk extension (§2.2)", chunks(&format!("5;a\rb\r\nhello\r\n{END}")), [Refuses, Refuses, Reads, Refuses, Reads]),
        case("a bare CR in a field (§2.2)", field("a: b\rc\r\n"), [Refuses, Refuses, Reads, Refuses, Reads]),
        case("a NUL in a field (RFC 9110 §5.5)", field("a: b\0c\r\n"), [Refuses, Refuses, Refuses, Refuses, Refuses]),
        case("a space before a field's colon (§5.1)", field("a : b\r\n"), [Refuses, Refuses, Reads, Refuses, Reads]),
        case("a fold before the first field (§2.2)", field(" a: b\r\n"), [Refuses, Refuses, Refuses, Refuses, Reads]),
        case("a field without a colon (§5)", field("a\r\n"), [Refuses, Refuses, Refuses, Refuses, Reads]),
        case("no head at all, as in HTTP/0.9", "hello".to_owned(), [Refuses, Refuses, Refuses, Refuses, Refuses]),
        case("a length that is not reached (§8)", length("6"), [Refuses, Refuses, Refuses, Refuses, Refuses]),
        case("chunks without the last one (§8)", chunks("5\r\nhello\r\n"), [Refuses, Refuses, Refuses, Refuses, Refuses]),
    ]
}
