//! JSON that keeps its spelling: comparing, and the difference of two documents (RFC 6902).
//!
//! `serde_json::Value` reads a number into 64 bits and forgets how the number was written. A value
//! of this module keeps the text that the value came from, so that what the upstream said is what a
//! subscriber gets, also inside a patch.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// Deepest nesting of a document. The service's events nest up to 200 levels.
pub(crate) const MAX_DEPTH: usize = 256;

/// A JSON value and the text it was read from.
#[derive(Debug)]
pub(crate) struct Node<'a> {
    pub(crate) raw: &'a str,
    pub(crate) kind: Kind<'a>,
}

/// What a value is. Of twin keys in an object the last one counts.
#[derive(Debug, PartialEq)]
pub(crate) enum Kind<'a> {
    Object(BTreeMap<String, Node<'a>>),
    Array(Vec<Node<'a>>),
    String(String),
    Number(&'a str),
    /// `true`, `false` or `null`.
    Word(&'a str),
}

/// Two values are equal when they say the same: white space, the order of keys and the way a
/// string is escaped don't count, the spelling of a number does.
impl PartialEq for Node<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum JsonError {
    #[error("{0}")]
    Syntax(#[from] serde_json::Error),
    #[error("nests deeper than {MAX_DEPTH} levels")]
    Depth,
}

/// Reads one JSON text.
pub(crate) fn parse(text: &str) -> Result<Node<'_>, JsonError> {
    let raw: &RawValue = serde_json::from_str(text)?;
    Reader { text: raw.get(), at: 0 }.node(0)
}

/// The operations that turn `from` into `to`, as the text of an RFC 6902 patch.
///
/// Arrays are compared from both ends; what differs between is matched by index, so that one row
/// inserted or removed is one operation. A `test`, `move` or `copy` is never made.
pub(crate) fn diff(from: &Node<'_>, to: &Node<'_>) -> String {
    let mut operations = Vec::new();
    compare(from, to, "", &mut operations);
    format!("[{}]", operations.join(","))
}

/// Line ends inside a JSON text are white space; an event stream can carry LF only.
pub(crate) fn normalise_line_ends(text: &str) -> String {
    text.trim().replace("\r\n", "\n").replace('\r', "\n")
}

/// Splits a text that is known to be JSON, in one pass.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn node(&mut self, depth: usize) -> Result<Node<'a>, JsonError> {
        if depth > MAX_DEPTH {
            return Err(JsonError::Depth);
        }
        let start = self.peek().1;
        let kind = match self.peek().0 {
            b'{' => {
                let mut members = BTreeMap::new();
                self.items(b'}', |reader| {
                    let key = reader.string()?;
                    reader.peek();
                    reader.at += 1; // the colon
                    members.insert(key, reader.node(depth + 1)?);
                    Ok(())
                })?;
                Kind::Object(members)
            }
            b'[' => {
                let mut items = Vec::new();
                self.items(b']', |reader| {
                    items.push(reader.node(depth + 1)?);
                    Ok(())
                })?;
                Kind::Array(items)
            }
            b'"' => Kind::String(self.string()?),
            first => {
                let rest = self.text.get(start..).unwrap_or_default();
                let length =
                    rest.find([',', ']', '}', ' ', '\t', '\r', '\n']).unwrap_or(rest.len());
                self.at += length;
                let token = self.since(start);
                if first == b'-' || first.is_ascii_digit() {
                    Kind::Number(token)
                } else {
                    Kind::Word(token)
                }
            }
        };
        Ok(Node { raw: self.since(start), kind })
    }

    /// Reads what stands between the bracket at hand and `close`.
    fn items(
        &mut self,
        close: u8,
        mut item: impl FnMut(&mut Self) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        self.at += 1; // the bracket
        while self.peek().0 != close {
            item(self)?;
            if self.peek().0 == b',' {
                self.at += 1;
            }
        }
        self.at += 1; // the closing one
        Ok(())
    }

    fn string(&mut self) -> Result<String, JsonError> {
        let start = self.peek().1;
        self.at += 1; // the quote
        while let Some(byte) = self.text.as_bytes().get(self.at) {
            self.at += match byte {
                b'"' => break,
                b'\\' => 2,
                _ => 1,
            };
        }
        self.at += 1; // the closing one
        Ok(serde_json::from_str(self.since(start))?)
    }

    /// The next byte that is not white space, and where it is; the text is valid, so there is one.
    fn peek(&mut self) -> (u8, usize) {
        let bytes = self.text.as_bytes();
        while matches!(bytes.get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
        (bytes.get(self.at).copied().unwrap_or(0), self.at)
    }

    fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }
}

fn compare(from: &Node<'_>, to: &Node<'_>, path: &str, operations: &mut Vec<String>) {
    match (&from.kind, &to.kind) {
        (Kind::Object(from), Kind::Object(to)) => {
            for key in from.keys().filter(|key| !to.contains_key(*key)) {
                operations.push(remove(&member(path, key)));
            }
            for (key, value) in to {
                let path = member(path, key);
                match from.get(key) {
                    Some(old) => compare(old, value, &path, operations),
                    None => operations.push(put("add", &path, value)),
                }
            }
        }
        (Kind::Array(from), Kind::Array(to)) => compare_arrays(from, to, path, operations),
        _ if from == to => {}
        _ => operations.push(put("replace", path, to)),
    }
}

fn compare_arrays(from: &[Node<'_>], to: &[Node<'_>], path: &str, operations: &mut Vec<String>) {
    let start = from.iter().zip(to).take_while(|(a, b)| a == b).count();
    let (from, to) = (&from[start..], &to[start..]);
    let same_end = from.iter().rev().zip(to.iter().rev()).take_while(|(a, b)| a == b).count();
    let (from, to) = (&from[..from.len() - same_end], &to[..to.len() - same_end]);

    let both = from.len().min(to.len());
    for (index, (old, new)) in from.iter().zip(to).enumerate() {
        compare(old, new, &format!("{path}/{}", start + index), operations);
    }
    // From the back, so that no index moves before its turn.
    for index in (both..from.len()).rev() {
        operations.push(remove(&format!("{path}/{}", start + index)));
    }
    for (index, value) in to.iter().enumerate().skip(both) {
        operations.push(put("add", &format!("{path}/{}", start + index), value));
    }
}

fn put(operation: &str, path: &str, value: &Node<'_>) -> String {
    format!(r#"{{"op":"{operation}","path":{},"value":{}}}"#, string(path), value.raw)
}

fn remove(path: &str) -> String {
    format!(r#"{{"op":"remove","path":{}}}"#, string(path))
}

/// A JSON Pointer one level down (RFC 6901 §3).
fn member(path: &str, key: &str) -> String {
    format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// `text` as a JSON string with the shortest escapes.
pub(crate) fn string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(from: &str, to: &str) -> String {
        diff(&parse(from).expect("from"), &parse(to).expect("to"))
    }

    /// The patch, applied by an implementation that is not ours, gives `to`.
    #[track_caller]
    fn applies(from: &str, to: &str) {
        let patch = patch(from, to);
        let mut document: serde_json::Value = serde_json::from_str(from).expect("from");
        let operations: json_patch::Patch = serde_json::from_str(&patch).expect("patch");
        json_patch::patch(&mut document, &operations).expect("applies");
        assert_eq!(document, serde_json::from_str::<serde_json::Value>(to).expect("to"), "{patch}");
    }

    #[test]
    fn patch_applies_to_objects() {
        applies(r#"{"a":1,"b":{"c":[1]},"gone":0}"#, r#"{"a":2,"b":{"c":[1],"d":null},"new":{}}"#);
    }

    #[test]
    fn patch_applies_to_arrays_that_grow_shrink_and_shift() {
        applies("[1,2,3]", "[0,1,2,3]");
        applies("[1,2,3,4,5]", "[1,5]");
        applies("[1,2,3]", "[3,2,1,0]");
        applies("[]", "[[],{}]");
        applies("[1,1,1]", "[1]");
    }

    #[test]
    fn patch_replaces_the_whole_where_the_kind_changes() {
        assert_eq!(patch("[1]", "{}"), r#"[{"op":"replace","path":"","value":{}}]"#);
    }

    #[test]
    fn patch_escapes_a_pointer() {
        applies(r#"{"a/b":1,"m~n":1,"\"":1,"":1}"#, r#"{"a/b":2,"m~n":2,"\"":2,"":2}"#);
    }

    #[test]
    fn one_row_inserted_is_one_operation() {
        assert_eq!(
            patch(r#"[{"id":1},{"id":3}]"#, r#"[{"id":1},{"id":2},{"id":3}]"#),
            r#"[{"op":"add","path":"/1","value":{"id":2}}]"#
        );
    }

    #[test]
    fn number_keeps_its_spelling_in_a_patch() {
        assert_eq!(
            patch(r#"{"n":1.0}"#, r#"{"n":123456789012345678901234567890.10}"#),
            r#"[{"op":"replace","path":"/n","value":123456789012345678901234567890.10}]"#
        );
    }

    #[test]
    fn white_space_key_order_and_escapes_do_not_count() {
        assert_eq!(patch(r#"{"a":"é","b":[1, 2]}"#, "{\"b\":[1,2],\n\"a\":\"\\u00e9\"}"), "[]");
    }

    #[test]
    fn spelling_of_a_number_counts() {
        assert_ne!(parse("1.0").expect("a"), parse("1").expect("b"));
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse(&deep(200)).is_ok());
        assert!(matches!(parse(&deep(300)), Err(JsonError::Depth)));
        assert!(matches!(parse(&deep(100_000)), Err(JsonError::Depth)));
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for text in ["", "{", "nul", "01", "\"\\ud800\"", "1 2", "{'a':1}"] {
            assert!(matches!(parse(text), Err(JsonError::Syntax(_))), "{text}");
        }
    }
}
