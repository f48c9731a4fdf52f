//! What may be printed of a text: everything but keys, and texts that may hold keys.

mod keys;
mod unit;

use std::fmt;

use keys::Key;
use unit::Unit;

pub(crate) use keys::Keys;

/// What stands where something was left out.
const REDACTED: &str = "…";

/// Returns a text of the service's as it may be printed and logged: without words that look like a
/// key or stand where keys do. The text may be escaped as in JSON, in `Debug` or in a URL.
///
/// Errors and events print themselves in this way. The function is for a program that prints a
/// field of an error or an event, such as a request's id or a cursor.
///
/// ```
/// assert_eq!(restless_proto::redacted("no key rs_0123abcd"), "no key rs_…");
/// ```
pub fn redacted(text: &str) -> String {
    redact(text, &[])
}

/// Makes one line of a text, as `Display` should be, whatever the peer wrote, and no longer than a
/// log line should be.
fn one_line(text: &str) -> String {
    let mut line: String =
        text.chars().take(300).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.len() < text.len() {
        line.push('…');
    }
    line
}

/// Returns what may be shown of a text of the peer's: one line, without what looks like a key.
pub(crate) fn shown(text: &str) -> String {
    // A long text is looked at only as far as it can come to be shown.
    let (end, _) = text.char_indices().nth(LOOKED_AT).unwrap_or((text.len(), ' '));
    let mut line = one_line(&redacted(text.get(..end).unwrap_or_default()));
    if end < text.len() && !line.ends_with('…') {
        line.push('…');
    }
    line
}

/// How far a text is looked at: a key that is left out may be longer than what is shown.
const LOOKED_AT: usize = 4096;

/// A text that `Debug` shows as [`redacted`] has it.
#[derive(Clone)]
pub(crate) struct Redacted(pub(crate) String);

impl fmt::Debug for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        redacted(&self.0).fmt(f)
    }
}

/// Returns what `Debug` may show of a field of a model: what can't hide a key. The URL of the
/// caller's API may hold a key in its query, where the names are the API's own.
pub(crate) fn field(name: &str, debug: &str) -> String {
    let mut shown = redacted(debug);
    if matches!(name, "url" | "target_url") {
        if let Some(at) = shown.find(['?', '#']) {
            let end = shown.len() - usize::from(shown.ends_with('"'));
            shown.replace_range(at + 1..end, "…");
        }
    }
    let mut kept = String::with_capacity(shown.len());
    let mut rest = shown.as_str();
    while let Some((before, behind)) = rest.split_once("url=") {
        kept.push_str(before);
        let starts = before.ends_with(['?', '&']);
        kept.push_str("url=");
        rest = behind;
        if starts {
            let end = rest.find(['&', '#', '"', '\'', '\\', ' ']).unwrap_or(rest.len());
            kept.push('…');
            rest = rest.get(end..).unwrap_or_default();
        }
    }
    kept.push_str(rest);
    kept
}

/// The longest escape behind a percent sign: one that is coded a few times over.
const LONGEST_ESCAPE: usize = 12;

fn redact(text: &str, keys: &[Key]) -> String {
    let mut shown = String::with_capacity(text.len());
    let (mut rest, mut before) = (text, Before::default());
    while let Some(unit) = Unit::first(rest) {
        // Behind a backslash, an `r` may be a line's end or a key's beginning. All backslashes in a
        // row are of one unit.
        let bare = rest.trim_start_matches('\\');
        let slashes = rest.len() - bare.len();
        let behind_slashes = || {
            let (from, to) = secret(bare, before.then('\\'), keys).filter(|_| slashes > 0)?;
            Some((slashes + from, slashes + to))
        };
        // And what reads as an escape may be a percent sign with a key behind it.
        let within = || {
            let places = 1..unit.len.min(LONGEST_ESCAPE);
            places.filter(|_| rest.starts_with('%')).find_map(|at| {
                let len = keys::found(rest.get(at..)?, keys)?;
                Some((at, at + len))
            })
        };
        let secret = secret(rest, before, keys).or_else(behind_slashes).or_else(within);
        let (kept, end) = secret.unwrap_or((unit.len, unit.len));
        shown.push_str(rest.get(..kept).unwrap_or_default());
        before = before.then(unit.char);
        if end > kept {
            shown.push_str(REDACTED);
            before = Before::default();
        }
        rest = rest.get(end..).unwrap_or_default();
    }
    shown
}

/// Returns where the secret lies that stands here, or is announced here.
fn secret(rest: &str, before: Before, keys: &[Key]) -> Option<(usize, usize)> {
    if let Some(len) = keys::found(rest, keys) {
        return Some((0, len));
    }
    if let Some(from) = spelt(rest, "rs_").filter(|_| !before.is_word()) {
        let of_key = |unit: &Unit| unit.char.is_ascii_alphanumeric() || "_-".contains(unit.char);
        let len = until(rest.get(from..)?, |unit| !of_key(unit));
        return (len > 0).then_some((from, from + len));
    }
    if before.is_authority() {
        let ends = |unit: &Unit| "/?#\"'\\ ".contains(unit.char) || unit.char.is_control();
        // The search ends there, since the next place may announce another secret.
        let mut looked_at = 0;
        let end = until(rest, |unit| {
            looked_at += 1;
            looked_at > LONGEST_USER || (!unit.percent && ends(unit))
        });
        let user = last(rest.get(..end)?, '@')?;
        return (user > 0).then_some((0, user));
    }
    let value = |from: usize, ends: &[char]| {
        let value = rest.get(from..)?;
        let len = until(value, |unit| !unit.percent && ends.contains(&unit.char));
        (len > 0).then_some((from, from + len))
    };
    if before.is_parameter() {
        if let Some(from) = ["headers=", "body="].iter().find_map(|name| spelt(rest, name)) {
            return value(from, ENDS);
        }
    }
    let (name, from) = NAMES.iter().find_map(|name| Some((*name, spelt(rest, name)?)))?;
    let (gap, assigns) = separators(rest.get(from..)?);
    if assigns || (name == "bearer" && gap > 0 && !before.is_word()) {
        // A scheme stands between the header's name and the credentials (RFC 9110 §11.4).
        return value(from + gap, if name == "authorization" { LINE_ENDS } else { ENDS });
    }
    None
}

/// The longest user information of a URL that is looked for, in characters.
const LONGEST_USER: usize = 512;

/// Returns how long the separators are that a value comes after, and whether one of them assigns.
fn separators(text: &str) -> (usize, bool) {
    let mut assigns = false;
    let len = until(text, |unit| {
        let one = matches!(unit.char, ':' | '=');
        assigns |= one;
        !one && !" \"'\\+".contains(unit.char)
    });
    (len, assigns)
}

/// What a key comes after, in lower case.
const NAMES: [&str; 5] = ["api-key", "api_key", "apikey", "authorization", "bearer"];
/// What ends a value.
const ENDS: &[char] = &['"', '\'', '&', '#', '\\', '\n', ' ', ',', ';', ')', '}'];
/// What ends a value that may hold spaces.
const LINE_ENDS: &[char] = &['"', '\'', '&', '\\', '\n'];

/// Returns the length of this word's spelling where the text begins with the word, in any case and
/// escaped anyhow.
fn spelt(text: &str, word: &str) -> Option<usize> {
    let mut len = 0;
    for due in word.chars() {
        let unit = Unit::first(text.get(len..)?)?;
        if !unit.char.eq_ignore_ascii_case(&due) {
            return None;
        }
        len += unit.len;
    }
    Some(len)
}

/// Returns the length of the text before the first unit of this kind.
fn until(text: &str, mut end: impl FnMut(&Unit) -> bool) -> usize {
    let mut len = 0;
    while let Some(unit) = Unit::first(text.get(len..).unwrap_or_default()) {
        if end(&unit) {
            break;
        }
        len += unit.len;
    }
    len
}

/// Returns where the last unit is that means this character.
fn last(text: &str, char: char) -> Option<usize> {
    let (mut at, mut found) = (0, None);
    while let Some(unit) = Unit::first(text.get(at..)?) {
        if unit.char == char {
            found = Some(at);
        }
        at += unit.len;
    }
    found
}

/// The last three characters before a place.
#[derive(Clone, Copy, Default)]
struct Before([char; 3]);

impl Before {
    fn then(self, char: char) -> Self {
        let Self([_, first, second]) = self;
        Self([first, second, char])
    }

    /// Whether what comes next is in the middle of a word: `rs_1` is a key, `users_1` is none.
    fn is_word(self) -> bool {
        let Self([.., last]) = self;
        last.is_ascii_alphanumeric()
    }

    fn is_authority(self) -> bool {
        self.0 == [':', '/', '/']
    }

    fn is_parameter(self) -> bool {
        let Self([.., last]) = self;
        matches!(last, '?' | '&')
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn keys_in_text_are_left_out_and_the_rest_stays() {
        for (given, due) in [
            ("curl -H 'X-API-Key:k1' https://s", "curl -H 'X-API-Key:…' https://s"),
            ("-H \"Authorization: Basic abc def\" -N", "-H \"Authorization: …\" -N"),
            ("key rs_12AB, and users_12", "key rs_…, and users_12"),
            ("https://s/?url=u&apiKey=secret&x=1", "https://s/?url=u&apiKey=…&x=1"),
            ("q=Bearer%20rs_12ab%22", "q=Bearer%20…"),
            ("{\"apiKey\": \"secret\", \"b\": 1}", "{\"apiKey\": \"…\", \"b\": 1}"),
            (r#""{\"apiKey\":\"secret\"}""#, r#""{\"apiKey\":\"…\"}""#),
            ("https://s/?headers=%7B%22a%22%7D&b=1 x", "https://s/?headers=…&b=1 x"),
            ("http://me:pass@s.test/a@b", "http://…@s.test/a@b"),
            ("http%3A%2F%2Fme%3Apass%40s.test", "http%3A%2F%2F…%40s.test"),
            ("&quot;apiKey&quot;:&quot;secret&quot;", "&quot;apiKey&quot;:&quot;…&quot;"),
            ("https://s/?a=1&amp;apiKey=secret&amp;x=1", "https://s/?a=1&amp;apiKey=…&amp;x=1"),
            ("&#114;s&#95;0123abcd!", "&#114;s&#95;…!"),
            ("process.env.RESTLESS_API_KEY)", "process.env.RESTLESS_API_KEY)"),
            ("grüße 日本 100% \\ 5%2", "grüße 日本 100% \\ 5%2"),
            ("", ""),
        ] {
            assert_eq!(redacted(given), due, "{given}");
        }
    }

    #[test]
    fn a_key_is_one_behind_any_escape_and_goes_on_over_dashes() {
        for (given, due) in [
            (r#""unknown key \u0022rs_0123abcd\u0022""#, r#""unknown key \u0022rs_…\u0022""#),
            (r"unknown key:\nrs_0123abcd", r"unknown key:\nrs_…"),
            (r"unknown key:\trs_0123abcd.", r"unknown key:\trs_…."),
            (r"unknown key:\\nrs_0123abcd", r"unknown key:\\nrs_…"),
            (r"\\u0022rs_0123abcd\\u0022", r"\\u0022rs_…\\u0022"),
            (r"\u{22}rs_0123abcd\u{22}", r"\u{22}rs_…\u{22}"),
            (r"\x22rs_0123abcd\x22", r"\x22rs_…\x22"),
            (r"\rs_0123abcd", r"\rs_…"),
            (&format!("{}rs_0123abcd", r"\".repeat(33)), &format!("{}rs_…", r"\".repeat(33))),
            (&format!("{}nrs_0123abcd", r"\".repeat(63)), &format!("{}nrs_…", r"\".repeat(63))),
            (r"\r\nrs_0123abcd", r"\r\nrs_…"),
            ("%22rs_0123abcd%22", "%22rs_…%22"),
            ("%2522rs_0123abcd%2522", "%2522rs_…%2522"),
            (r"rs\u005f01\u00323abcd!", r"rs\u005f…!"),
            ("rs%5F01%323abcd%21", "rs%5F…%21"),
            ("no key rs_live_0123abcd", "no key rs_…"),
            ("no key rs_live-0123-abcd, sorry", "no key rs_…, sorry"),
            ("req-rs_0123abcd", "req-rs_…"),
            (r#"{"apiKey\u0022:\u0022secret\u0022}"#, r#"{"apiKey\u0022:\u0022…\u0022}"#),
            (r"http:\/\/me:pass@s.test\/", r"http:\/\/…@s.test\/"),
        ] {
            assert_eq!(redacted(given), due, "{given}");
        }
    }

    #[test]
    fn no_text_makes_it_lose_its_way() {
        for given in [
            "&",
            "&#",
            "&#x;",
            "&amp;",
            "&#xd800;",
            "&no;",
            "\\",
            "\\u",
            "\\u{",
            "\\u{110000}",
            "\\u+041",
            "\\ud800",
            "%",
            "%2",
            "%25",
            "é\\",
        ] {
            assert_eq!(redacted(given), given);
            let long = given.repeat(1000);
            assert_eq!(redacted(&long), long);
        }
    }

    thread_local! {
        /// How many units were looked at.
        pub(super) static UNITS: Cell<usize> = const { Cell::new(0) };
    }

    #[test]
    fn a_text_is_not_looked_at_from_each_place_in_it() {
        for unit in [
            "%3A%2F%2F",
            "://",
            "&",
            "&amp;",
            "&amp",
            "\\",
            "rs",
            "rs_",
            "bearer ",
            "api_key",
            "headers",
            "api_key=",
            "apiKey: ",
            "\"apiKey\":\"",
            "?headers=",
            "?body=%22",
            "&api_key=a",
            "https://me:",
        ] {
            let long = unit.repeat(40_000 / unit.len());
            UNITS.set(0);
            redacted(&long);
            let times = UNITS.get() / long.len();
            // To try each place from each place before it would take thousands.
            assert!(times < 200, "{unit}: {times} times");
        }
    }

    #[test]
    fn a_key_of_ours_is_left_out_whatever_it_looks_like() {
        let mut keys = Keys::default();
        for key in ["nOt/like+one", "cut-in-the-middle", "", "abc"] {
            keys.add(key);
        }
        for (given, due) in [
            ("unknown key nOt/like+one!", "unknown key …!"),
            ("xNOT/LIKE+ONEx", "x…x"),
            (r#""nOt\/like\u002bone""#, r#""…""#),
            (r"\nnOt/like+one", r"\n…"),
            (r"\nOt/like+one", r"\…"),
            ("?k=nOt%2Flike%2Bone&a=1", "?k=…&a=1"),
            ("?k=nOt%252Flike%252bone&a=1", "?k=…&a=1"),
            ("it is cut-in-th", "it is …"),
            ("it is cut-in-th…", "it is ……"),
            ("it is cut-in-the air", "it is cut-in-the air"),
            ("abc is none, rs_12 is one", "abc is none, rs_… is one"),
        ] {
            assert_eq!(keys.redacted(given), due, "{given}");
        }
        assert_eq!(keys.redact_exact("rs_12".to_owned()), "rs_12");
        assert_eq!(keys.redact_exact("a cut-in-the-middle".to_owned()), "a …");
    }
}
