//! A JSON document as lines, each with the place that it stands for.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// A line of a document.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TreeLine {
    pub(super) level: usize,
    /// The member's name or the item's index; empty for the whole document.
    pub(super) key: String,
    /// The value as it is spelt, or how many values an object or an array holds.
    pub(super) value: String,
    /// A JSON Pointer (RFC 6901), to what the value stands in where its own would be too long.
    pub(super) place: String,
}

/// Most lines that are made of a document, which may be of any size; every screen is lower.
const MOST_LINES: usize = 5000;
/// A value is shown up to here.
const MOST_CHARS: usize = 400;
/// Longest place of a line, in bytes: a name may be as long as the document, and have many values.
const MOST_PLACE: usize = 1024;

/// The lines of a document, as far as they are made.
pub(super) fn lines(document: &str) -> Vec<TreeLine> {
    let mut lines = Vec::new();
    if let Ok(value) = serde_json::from_str::<&RawValue>(document) {
        add(&mut lines, value, 0, String::new(), &mut String::new());
    }
    lines
}

fn add(lines: &mut Vec<TreeLine>, value: &RawValue, level: usize, key: String, place: &mut String) {
    if lines.len() >= MOST_LINES {
        return;
    }
    let text = value.get();
    let mut line =
        TreeLine { level, key, value: String::new(), place: shortened(place).to_owned() };
    if let Ok(members) = serde_json::from_str::<BTreeMap<String, &RawValue>>(text) {
        line.value = format!("{{{}}}", members.len());
        lines.push(line);
        for (key, value) in members {
            add_below(lines, value, level, key, place);
        }
    } else if let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(text) {
        line.value = format!("[{}]", items.len());
        lines.push(line);
        for (n, value) in items.into_iter().enumerate() {
            add_below(lines, value, level, n.to_string(), place);
        }
    } else {
        line.value = text.chars().take(MOST_CHARS).filter(|char| !char.is_control()).collect();
        lines.push(line);
    }
}

/// Adds what stands in the value at this place.
fn add_below(
    lines: &mut Vec<TreeLine>,
    value: &RawValue,
    level: usize,
    key: String,
    place: &mut String,
) {
    let length = place.len();
    place.push('/');
    place.push_str(&key.replace('~', "~0").replace('/', "~1"));
    add(lines, value, level + 1, key, place);
    place.truncate(length);
}

/// A place, or the longest around it that is not too long.
fn shortened(place: &str) -> &str {
    if place.len() <= MOST_PLACE {
        return place;
    }
    let end = place.as_bytes().iter().take(MOST_PLACE + 1).rposition(|byte| *byte == b'/');
    end.and_then(|end| place.get(..end)).unwrap_or_default()
}

/// Whether a change at one place is seen at another: there, or in what is shown of it.
pub(super) fn touches(changed: &str, place: &str) -> bool {
    let changed = shortened(changed);
    place.strip_prefix(changed).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_has_a_line_and_its_place() {
        let found = lines(r#"{"b/c":[1.0,{"~":null}],"a":"x"}"#);
        let shown: Vec<String> = found
            .iter()
            .map(|line| format!("{} {} {} {}", line.level, line.key, line.value, line.place))
            .collect();
        assert_eq!(
            shown,
            [
                "0  {2} ",
                "1 a \"x\" /a",
                "1 b/c [2] /b~1c",
                "2 0 1.0 /b~1c/0",
                "2 1 {1} /b~1c/1",
                "3 ~ null /b~1c/1/~0",
            ]
        );
    }

    #[test]
    fn numbers_keep_their_spelling() {
        assert_eq!(
            lines("12345678901234567890123.50").first().unwrap().value,
            "12345678901234567890123.50"
        );
    }

    #[test]
    fn lines_are_bounded() {
        let document = format!("[{}]", vec!["[1]"; MOST_LINES].join(","));
        assert_eq!(lines(&document).len(), MOST_LINES);
    }

    #[test]
    fn a_name_as_long_as_the_document_is_in_no_line_s_place() {
        let name = "k".repeat(100 * MOST_PLACE);
        let document = format!(r#"{{"{name}":[1,[2]],"z":[3]}}"#);
        let found = lines(&document);
        let places: Vec<&str> = found.iter().map(|line| line.place.as_str()).collect();
        assert_eq!(places, ["", "", "", "", "", "/z", "/z/0"]);
        // What changes in there is seen in what stands around it.
        let changed = format!("/{name}/0");
        assert!(places.iter().all(|place| touches(&changed, place)));
    }

    #[test]
    fn a_change_is_seen_where_it_is_and_below() {
        for (changed, place, due) in [
            ("", "", true),
            ("", "/a/b", true),
            ("/a", "/a", true),
            ("/a", "/a/b", true),
            ("/a", "/ab", false),
            ("/a/b", "/a", false),
        ] {
            assert_eq!(touches(changed, place), due, "{changed} {place}");
        }
    }
}
