//! The keys of ours that a peer may say again.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use http::{HeaderName, HeaderValue, Request, header};
use percent_encoding::percent_decode_str;
use serde_json::Value;
use url::Url;

use super::unit::Unit;
use super::{redact, until};
use crate::query;

/// The keys that went out with the requests of one call or subscription. A peer may repeat such a
/// key, which is then not printed, whatever the key looks like.
///
/// A text of fewer than four characters is no secret, and would be found everywhere. The last few
/// keys are remembered: an answer may come after another key was asked for, and fields of the
/// caller's own are among the keys. The coded forms of a key are worked out only when something is
/// hidden, since errors are rare, and machines many.
#[derive(Clone, Default)]
pub(crate) struct Keys(Vec<Box<str>>);

/// Fields that say in what form content is, or which request is which: no secrets, and words that
/// errors need.
const PLAIN: [&str; 11] = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "content-type",
    "host",
    "request-id",
    "traceparent",
    "user-agent",
    "x-request-id",
];

/// The shortest value of such a field that is taken for a secret, in bytes, and the most of them: a
/// word like "true" stands everywhere, and the key of the service has to stay.
const SHORTEST_VALUE: usize = 8;
const MOST_VALUES: usize = 16;

const SHORTEST_KEY: usize = 4;
const MOST_KEYS: usize = 64;

impl Keys {
    /// Learns the keys of a request, from its fields and its URL.
    pub(crate) fn learn<B>(&mut self, request: &Request<B>) {
        for (name, value) in request.headers() {
            if let Some(key) = key_in(name, value) {
                self.add(key);
            }
        }
        if let Ok(url) = Url::parse(&request.uri().to_string()) {
            let password = percent_decode_str(url.password().unwrap_or_default());
            self.add(&password.decode_utf8_lossy());
            self.add(&query::value(&url, "apiKey").unwrap_or_default());
            self.learn_fields(&query::value(&url, "headers").unwrap_or_default());
        }
    }

    /// Learns what may be a secret among the fields for the API behind the service, which are the
    /// texts of a JSON object.
    pub(crate) fn learn_fields(&mut self, object: &str) {
        let Ok(fields) = serde_json::from_str::<BTreeMap<String, Value>>(object) else { return };
        let is_plain = |name: &str| PLAIN.iter().any(|plain| name.eq_ignore_ascii_case(plain));
        let secrets = fields.iter().filter(|(name, _)| !is_plain(name));
        let texts = secrets.filter_map(|(_, value)| value.as_str());
        for text in texts.filter(|text| text.len() >= SHORTEST_VALUE).take(MOST_VALUES) {
            self.add(text);
            // Behind a scheme (RFC 9110 §11.4).
            if let Some((_, key)) =
                text.split_once(' ').filter(|(_, key)| key.len() >= SHORTEST_VALUE)
            {
                self.add(key);
            }
        }
    }

    pub(crate) fn add(&mut self, key: &str) {
        if key.chars().count() < SHORTEST_KEY {
            return;
        }
        // A key that goes out again is the last one to be forgotten.
        if let Some(at) = self.0.iter().position(|known| **known == *key) {
            let key = self.0.remove(at);
            return self.0.push(key);
        }
        if self.0.len() == MOST_KEYS {
            self.0.remove(0);
        }
        // There is nearly always one.
        self.0.reserve_exact(1);
        self.0.push(key.into());
    }

    fn spellings(&self) -> Vec<Key> {
        self.0.iter().map(|key| Key::new(key)).collect()
    }

    /// Does what [`redacted`](super::redacted) does, and takes these keys out too.
    pub(crate) fn redacted(&self, text: &str) -> String {
        redact(text, &self.spellings())
    }

    /// Makes a text what it may be printed as.
    pub(crate) fn redact(&self, text: &mut String) {
        *text = self.redacted(text);
    }

    /// Takes these keys out of a text, and leaves the rest as it is.
    pub(crate) fn redact_exact(&self, text: String) -> String {
        let keys = self.spellings();
        let mut places = text.char_indices();
        if places.any(|(at, _)| found(text.get(at..).unwrap_or_default(), &keys).is_some()) {
            redact(&text, &keys)
        } else {
            text
        }
    }
}

/// A key, and its coded forms, by itself or in the middle of more.
pub(super) struct Key {
    text: String,
    hex: String,
    base64: Vec<String>,
}

impl Key {
    fn new(key: &str) -> Self {
        let hex = key.bytes().map(|byte| format!("{byte:02x}")).collect();
        let mut base64 = Vec::new();
        for before in [&b""[..], b"k", b"ke"] {
            let (offset, bytes) = (before.len(), [before, key.as_bytes()].concat());
            for coded in [STANDARD_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)] {
                // Each character is six bits: only the characters that are wholly of the key count.
                let whole = coded.get((offset * 8).div_ceil(6)..bytes.len() * 8 / 6);
                let whole = whole.unwrap_or_default().to_owned();
                if !base64.contains(&whole) {
                    base64.push(whole);
                }
            }
        }
        Self { text: key.to_owned(), hex, base64 }
    }

    /// Returns the length of what the text begins with, where that is a form of this key.
    fn len_in(&self, text: &str, first: char) -> Option<usize> {
        let begins = |key: &str| key.chars().next().is_some_and(|c| c.eq_ignore_ascii_case(&first));
        let spelt = |key: &str| begins(key).then(|| spelt(text, key)).flatten();
        spelt(&self.text).or_else(|| spelt(&self.hex)).or_else(|| {
            let len = self.base64.iter().find_map(|key| spelt(key))?;
            // The character behind the form may hold bits of the key.
            Some(len + until(text.get(len..)?, |unit| !is_base64(unit.char)))
        })
    }
}

/// Returns the length of the key that the text begins with.
pub(super) fn found(text: &str, keys: &[Key]) -> Option<usize> {
    if keys.is_empty() {
        return None;
    }
    let first = Unit::first(text)?.char;
    keys.iter().find_map(|key| key.len_in(text, first))
}

/// Whether a character is of Base64 (RFC 4648 §4 and §5).
fn is_base64(char: char) -> bool {
    char.is_ascii_alphanumeric() || "+/-_=".contains(char)
}

/// Returns the length of this key's spelling where the text begins with the key, in any case and
/// escaped anyhow; the text's end may have cut some off.
fn spelt(text: &str, key: &str) -> Option<usize> {
    if text.get(..key.len()).is_some_and(|start| start.eq_ignore_ascii_case(key)) {
        return Some(key.len());
    }
    let mut len = 0;
    for (n, due) in key.chars().enumerate() {
        match Unit::first(text.get(len..)?) {
            Some(unit) if unit.char.eq_ignore_ascii_case(&due) => len += unit.len,
            None | Some(Unit { char: '…', .. }) if n >= SHORTEST_KEY => return Some(len),
            _ => return None,
        }
    }
    Some(len)
}

/// Returns the key in a field that is marked as holding a key: the key stands behind a scheme (RFC
/// 9110 §11.4), or alone.
fn key_in<'a>(name: &HeaderName, value: &'a HeaderValue) -> Option<&'a str> {
    let text = value.to_str().ok().filter(|_| value.is_sensitive())?;
    let credentials = text.split_once(' ').filter(|_| *name == header::AUTHORIZATION);
    Some(credentials.map_or(text, |(_, key)| key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_in_base64_wherever_it_stands_in_it() {
        for key in ["nOt/like+one", "rs_0123abcd", "abcd", "päss/wörd"] {
            let mut keys = Keys::default();
            keys.add(key);
            for before in ["", "k", "ke", "key", "user:", "Bearer "] {
                for after in ["", "\n", ", sorry"] {
                    let text = format!("{before}{key}{after}");
                    for coded in [STANDARD_NO_PAD.encode(&text), URL_SAFE_NO_PAD.encode(&text)] {
                        let shown = keys.redacted(&format!("<{coded}> no"));
                        assert!(shown.contains("…> no"), "{text}: {coded} is {shown}");
                        // Of what stands before it, at most as much as is coded with it.
                        assert!(shown.len() <= before.len() * 2 + 10, "{text}: {coded} is {shown}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_key_is_found_in_hexadecimal_and_in_html() {
        let mut keys = Keys::default();
        keys.add("nOt/l'ke+one");
        for (given, due) in [
            ("is 6e4f742f6c276b652b6f6e65, no", "is …, no"),
            ("is 6E4F742F6C276B652B6F6E65, no", "is …, no"),
            ("is 6e4f742f6c27", "is …"),
            ("is nOt&#x2F;l&#39;ke+one, no", "is …, no"),
            ("is nOt&sol;l&apos;ke&plus;one, no", "is …, no"),
            ("is nOt/l&amp;#39;ke&amp;amp;plus;one, no", "is …, no"),
            ("is &#110;&#79;&#116;&#47;&#108;&#39;&#x6b;&#X65;+one, no", "is …, no"),
            ("is nOt&#47l", "is nOt&#47l"),
        ] {
            assert_eq!(keys.redacted(given), due, "{given}");
        }
    }

    #[test]
    fn a_key_of_hexadecimal_digits_is_found_behind_a_percent_sign() {
        let mut keys = Keys::default();
        keys.add("ab12cd34");
        for (given, due) in [
            ("at 100%ab12cd34, no", "at 100%…, no"),
            ("at %25ab12cd34, no", "at %25…, no"),
            ("at %61b12cd34, no", "at …, no"),
        ] {
            assert_eq!(keys.redacted(given), due, "{given}");
        }
    }

    #[test]
    fn a_key_that_goes_out_again_is_the_last_one_to_be_forgotten() {
        let mut keys = Keys::default();
        keys.add("in-use");
        for n in 0..200 {
            keys.add(&format!("another-{n}"));
            keys.add("in-use");
        }
        assert_eq!(keys.redacted("in-use another-199 another-0"), "… … another-0");
    }

    #[test]
    fn a_field_for_the_api_behind_is_a_key_unless_it_says_a_form() {
        let mut keys = Keys::default();
        keys.learn_fields(
            r#"{"X-Up":"tok-5521","Authorization":"Basic abcdefgh","X-Debug":"true","n":1,
            "Accept":"text/plain","content-type":"text/html"}"#,
        );
        let text = "no tok-5521, no abcdefgh, but true, text/plain and text/html";
        assert_eq!(keys.redacted(text), "no …, no …, but true, text/plain and text/html");
        let request = Request::get("https://s.test/?headers=%7B%22X-Up%22%3A%22tok-5521%22%7D");
        let mut keys = Keys::default();
        keys.learn(&request.body(()).unwrap());
        assert_eq!(keys.redacted("no tok-5521"), "no …");
    }

    #[test]
    fn the_keys_of_a_request_are_those_in_its_fields_and_its_url() {
        let secret = |text| {
            let mut value = HeaderValue::from_static(text);
            value.set_sensitive(true);
            value
        };
        let request = Request::get("https://me:pass%2Fword@s.test/?apiKey=in%2Dquery&url=target")
            .header("authorization", secret("Bearer a-bearer"))
            .header("x-api-key", secret("x api key"))
            .header("accept", "text/plain");
        let mut keys = Keys::default();
        keys.learn(&request.body(()).unwrap());
        let texts: Vec<&str> = keys.0.iter().map(|key| &**key).collect();
        assert_eq!(texts, ["a-bearer", "x api key", "pass/word", "in-query"]);
    }
}
