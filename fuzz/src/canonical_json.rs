use std::borrow::Cow;
use std::collections::BTreeMap;

use restless_proto::signature::{Error, Signer, canonicalize};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Whatever the text, it has a canonical form or is refused. The form says what the text says, by
/// another reader's judgement; it is its own canonical form; and both have one signature.
pub fn canonical_json(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let signer = Signer::new("whsec_5f2b");
    let canonical = match canonicalize(text) {
        Ok(canonical) => canonical,
        Err(error) => {
            assert_eq!(signer.sign(text).err(), Some(Error::Payload(error)));
            assert!(error.offset() <= text.len());
            return;
        }
    };

    let raw: &RawValue = serde_json::from_str(text).expect("a payload is JSON");
    let mut rest = &*canonical;
    follow(raw, &mut rest);
    assert_eq!(rest, "", "the canonical form goes on");

    let again = canonicalize(&canonical).expect("canonical JSON is JSON");
    assert!(matches!(again, Cow::Borrowed(again) if again == canonical), "{again:?}");

    let signature = signer.sign(text).expect("a payload").to_string();
    assert_eq!(signer.verify(&canonical, &signature), Ok(()));
    assert_eq!(signer.verify(&format!("[{text}]"), &signature), Err(Error::Mismatch));
}

/// Takes the value's canonical form off the front of the text.
fn follow(value: &RawValue, text: &mut &str) {
    match value.get().as_bytes() {
        [b'{', ..] => {
            // The map sorts by code point, and keeps the last of equal keys.
            let members: BTreeMap<String, &RawValue> = read(value);
            take(text, "{");
            for (i, (key, value)) in members.iter().enumerate() {
                take(text, if i == 0 { "" } else { "," });
                take(text, &quoted(key));
                take(text, ":");
                follow(value, text);
            }
            take(text, "}");
        }
        [b'[', ..] => {
            let elements: Vec<&RawValue> = read(value);
            take(text, "[");
            for (i, value) in elements.iter().enumerate() {
                take(text, if i == 0 { "" } else { "," });
                follow(value, text);
            }
            take(text, "]");
        }
        [b'"', ..] => take(text, &quoted(&read::<String>(value))),
        [b'-' | b'0'..=b'9', ..] if value.get().contains(['.', 'e', 'E']) => {
            let end = text.find([',', '}', ']']).unwrap_or(text.len());
            let (ours, rest) = text.split_at(end);
            *text = rest;
            let due: f64 = value.get().parse().expect("a float");
            let ours_read: f64 = ours.parse().expect("a float");
            assert_eq!(ours_read.to_bits(), due.to_bits(), "{ours} for {}", value.get());
            assert!(ours.contains(['.', 'e']), "{ours} is an integer");
        }
        b"-0" => take(text, "0"),
        other => take(text, std::str::from_utf8(other).expect("a piece of a text")),
    }
}

fn read<'a, T: Deserialize<'a>>(value: &'a RawValue) -> T {
    serde_json::from_str(value.get()).expect("a payload is JSON")
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text can be written")
}

fn take(text: &mut &str, due: &str) {
    *text = text.strip_prefix(due).unwrap_or_else(|| panic!("{due:?} is due at {text:?}"));
}
