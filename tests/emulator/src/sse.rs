//! Writing an event stream (WHATWG HTML §9.2.5).

use std::time::Duration;

use bytes::Bytes;

/// A comment that says the connection lives.
pub(crate) const HEARTBEAT: Bytes = Bytes::from_static(b": heartbeat\n\n");

/// Writes one event. The data goes out as one `data` field a line; an `id` has no line ends.
pub(crate) fn event(id: Option<&str>, data: &str) -> Bytes {
    debug_assert!(!id.is_some_and(|id| id.contains(['\r', '\n', '\0'])));
    let mut frame = String::with_capacity(data.len() + id.map_or(0, str::len) + 16);
    if let Some(id) = id {
        frame.extend(["id: ", id, "\n"]);
    }
    for line in data.replace("\r\n", "\n").split(['\r', '\n']) {
        frame.push_str("data: ");
        frame.push_str(line);
        frame.push('\n');
    }
    frame.push('\n');
    frame.into()
}

/// Writes the field that sets the reconnection time.
pub(crate) fn retry(after: Duration) -> Bytes {
    format!("retry: {}\n\n", after.as_millis()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_split_on_every_line_end() {
        assert_eq!(
            event(Some("7"), "a\nb\r\nc\rd"),
            "id: 7\ndata: a\ndata: b\ndata: c\ndata: d\n\n"
        );
    }

    #[test]
    fn retry_is_in_milliseconds() {
        assert_eq!(retry(Duration::from_millis(1500)), "retry: 1500\n\n");
    }
}
