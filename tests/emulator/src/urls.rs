//! URLs: those of the runtime as the service writes them, and the path of any as it is read.

use percent_encoding::percent_decode_str;
use url::form_urlencoded::Serializer;

use crate::runtime::WEBSOCKET_PATH;

/// Returns the event stream's URL: the base and a query.
pub(crate) fn sse(base: &str, query: &[(&str, impl AsRef<str>)]) -> String {
    format!("{base}?{}", encode(query))
}

/// Returns the WebSocket's URL: the same over `ws`, with `/ws` at the end of the path.
pub(crate) fn websocket(base: &str, query: &[(&str, impl AsRef<str>)]) -> String {
    let base = base.replacen("http", "ws", 1);
    format!("{base}{WEBSOCKET_PATH}?{}", encode(query))
}

/// Returns a path's segments, each percent-decoded by itself, so that an encoded slash stays in its
/// segment; `None` where one is not UTF-8.
pub(crate) fn segments(path: &str) -> Option<Vec<String>> {
    path.trim_start_matches('/')
        .split('/')
        .map(|segment| percent_decode_str(segment).decode_utf8().ok().map(Into::into))
        .collect()
}

fn encode(query: &[(&str, impl AsRef<str>)]) -> String {
    let mut encoder = Serializer::new(String::new());
    for (name, value) in query {
        encoder.append_pair(name, value.as_ref());
    }
    encoder.finish()
}
