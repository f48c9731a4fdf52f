//! A request as bytes (RFC 9112 §3).

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Uri, header};

use super::error::RequestError;
use crate::semantics::target::{host, origin_form};

/// How the request line names its target (RFC 9112 §3.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TargetForm {
    /// Path and query, for the origin itself, also by way of a tunnel (§3.2.1).
    #[default]
    Origin,
    /// The whole URI, for a proxy that sends the request on (§3.2.2).
    Absolute,
}

/// Writes a request, its content included, as it goes over the wire.
///
/// A parser of the bytes gets the method, the target, the fields in their order, and the content
/// that were given. The function itself sees to four things:
///
/// - `Host` comes from the URI, in the place of a `Host` among the fields, and leaves user
///   information out.
/// - `Content-Length` is written where there is content, and for an empty `POST`, `PUT` or `PATCH`
///   (RFC 9110 §8.6).
/// - An empty path is written as `/`.
/// - White space around a field's value is left out, since a reader drops such white space (§5.5).
///
/// # Errors
///
/// A [`RequestError`] for a request that would not read the same at the other end.
pub fn request_bytes(request: &Request<Bytes>, form: TargetForm) -> Result<Bytes, RequestError> {
    let (uri, fields, content) = (request.uri(), request.headers(), request.body());
    if request.method() == Method::CONNECT {
        return Err(RequestError::Connect);
    }
    if fields.contains_key(header::TRANSFER_ENCODING) {
        return Err(RequestError::TransferEncoding);
    }
    for value in fields.get_all(header::CONTENT_LENGTH) {
        if value.as_bytes() != content.len().to_string().as_bytes() {
            return Err(RequestError::ContentLength);
        }
    }
    let host = host(uri).ok_or(RequestError::NotAbsolute)?;
    let mut bytes = Vec::with_capacity(512 + content.len());
    for part in [request.method().as_str(), " "] {
        bytes.extend_from_slice(part.as_bytes());
    }
    if form == TargetForm::Absolute {
        let scheme = uri.scheme_str().ok_or(RequestError::NotAbsolute)?;
        for part in [scheme, "://", host] {
            bytes.extend_from_slice(part.as_bytes());
        }
    }
    write_path(uri, &mut bytes)?;
    for part in [" HTTP/1.1\r\nhost: ", host, "\r\n"] {
        bytes.extend_from_slice(part.as_bytes());
    }
    for (name, value) in fields {
        if matches!(*name, header::HOST | header::CONTENT_LENGTH) {
            continue;
        }
        let value = trimmed(value);
        if value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            return Err(RequestError::Value { name: name.clone() });
        }
        for part in [name.as_str().as_bytes(), b": ", value, b"\r\n"] {
            bytes.extend_from_slice(part);
        }
    }
    let due = matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH);
    if due || !content.is_empty() || fields.contains_key(header::CONTENT_LENGTH) {
        let field = format!("content-length: {}\r\n", content.len());
        bytes.extend_from_slice(field.as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(content);
    Ok(bytes.into())
}

fn write_path(uri: &Uri, bytes: &mut Vec<u8>) -> Result<(), RequestError> {
    let path = origin_form(uri);
    // `Uri` accepts text that may be UTF-8, which request lines forbid.
    if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(RequestError::Target);
    }
    bytes.extend_from_slice(path.as_bytes());
    Ok(())
}

fn trimmed(value: &HeaderValue) -> &[u8] {
    let mut bytes = value.as_bytes();
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use http::request::Builder;

    use super::*;

    fn written(request: Builder, content: &'static str) -> Result<String, RequestError> {
        let request = request.body(Bytes::from_static(content.as_bytes())).unwrap();
        let bytes = request_bytes(&request, TargetForm::Origin)?;
        Ok(String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[test]
    fn the_host_is_that_of_the_uri_without_user_information() {
        assert_eq!(
            written(Request::get("http://me:pw@s.test"), "").unwrap(),
            "GET / HTTP/1.1\r\nhost: s.test\r\n\r\n"
        );
        let other = Request::get("https://[::1]:81?a=%20b").header("host", "other.test");
        assert_eq!(written(other, "").unwrap(), "GET /?a=%20b HTTP/1.1\r\nhost: [::1]:81\r\n\r\n");
    }

    #[test]
    fn a_proxy_gets_the_whole_uri() {
        let request = Request::get("http://me@s.test:81/a?b").body(Bytes::new()).unwrap();
        assert_eq!(
            request_bytes(&request, TargetForm::Absolute).unwrap(),
            "GET http://s.test:81/a?b HTTP/1.1\r\nhost: s.test:81\r\n\r\n"
        );
    }

    #[test]
    fn a_length_stands_where_it_is_due() {
        let tail = |request: Builder, content| {
            let text = written(request.uri("http://s.test"), content).unwrap();
            text.split_once("s.test\r\n").unwrap().1.to_owned()
        };
        for method in [Method::POST, Method::PUT, Method::PATCH] {
            let request = Request::builder().method(method);
            assert_eq!(tail(request, ""), "content-length: 0\r\n\r\n");
        }
        for method in [Method::GET, Method::DELETE, Method::OPTIONS, Method::HEAD] {
            assert_eq!(tail(Request::builder().method(method), ""), "\r\n");
        }
        assert_eq!(tail(Request::delete("/"), "ab"), "content-length: 2\r\n\r\nab");
        let twice = Request::post("/").header("content-length", "2");
        assert_eq!(tail(twice, "ab"), "content-length: 2\r\n\r\nab");
    }

    #[test]
    fn white_space_around_a_value_is_left_out() {
        let request = Request::get("http://s.test").header("a", " \tb c \t").header("d", " ");
        let text = written(request, "").unwrap();
        assert!(text.ends_with("a: b c\r\nd: \r\n\r\n"), "{text:?}");
    }

    #[test]
    fn what_would_not_read_the_same_is_refused() {
        let get = || Request::get("http://s.test/");
        let refused = |request: Builder, content| written(request, content).unwrap_err();
        assert_eq!(refused(Request::connect("s.test:443"), ""), RequestError::Connect);
        assert_eq!(refused(Request::get("/path"), ""), RequestError::NotAbsolute);
        assert_eq!(refused(Request::get("http://:80/"), ""), RequestError::NotAbsolute);
        assert_eq!(refused(Request::get("http://s.test/é"), ""), RequestError::Target);
        assert_eq!(
            refused(get().header("transfer-encoding", "chunked"), ""),
            RequestError::TransferEncoding
        );
        for length in ["1", "+2", "02", "2, 2"] {
            let request = get().header("content-length", length);
            assert_eq!(refused(request, "ab"), RequestError::ContentLength, "{length}");
        }
    }
}
