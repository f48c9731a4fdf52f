//! Runtime URLs as the service writes them.

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

fn encode(query: &[(&str, impl AsRef<str>)]) -> String {
    let mut encoder = Serializer::new(String::new());
    for (name, value) in query {
        encoder.append_pair(name, value.as_ref());
    }
    encoder.finish()
}
