//! Signatures of payloads: HMAC-SHA256 over canonical JSON.
//!
//! The service signs the `data` of an event with a stream's secret. Both sides write the payload as
//! *canonical JSON* first, so that white space and the order of keys are left out of account:
//!
//! - the keys of an object sorted by code point; of equal keys the last one counts;
//! - tokens without white space between them;
//! - in strings the escapes `\"`, `\\`, `\b`, `\f`, `\n`, `\r`, `\t` and, for other characters
//!   below U+0020, `\u00xx` in lower case; everything else as UTF-8;
//! - integers in full, of any length; floats in the shortest form that reads back the same, spelt
//!   as Python's `repr` spells them (`1.0`, `1e+16`, `1e-07`, `-0.0`).
//!
//! The signature is the HMAC (RFC 2104) with the secret's UTF-8 as its key, in lower-case
//! hexadecimal digits.
//!
//! All of it is computed from the raw text. A parsed tree would have lost how numbers were spelt,
//! and the signature with that: `1.0` and `1` are signed differently.
//!
//! ```
//! use restless_proto::signature::Signer;
//!
//! let signer = Signer::new("secret");
//! let signature = signer.sign(r#"{"total": 42, "id": "order_123"}"#)?.to_string();
//! assert!(signature.starts_with("0e8d5075"));
//! signer.verify(r#"{"id":"order_123","total":42}"#, &signature)?;
//! # Ok::<(), restless_proto::signature::Error>(())
//! ```
//!
//! A signature proves who wrote a payload, not when: whoever recorded an event can send it again.

mod canonical;
mod members;
mod pieces;
mod reader;

use std::borrow::Cow;
use std::fmt;
use std::sync::Mutex;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::event::{Kind, StreamEvent};
use crate::json::error::JsonError;
use crate::json::value::MOST_LEVELS;
use reader::Scratch;

/// The depth to which a payload may nest to be signed: a value stands inside 511 others at most. An
/// event's data is at most [200 levels](crate::event::DATA_LEVELS) deep.
pub const PAYLOAD_LEVELS: u32 = MOST_LEVELS;

/// A payload that lacks a canonical form, or a signature that is missing, malformed or wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The payload lacks a canonical form: it may be no JSON text at all.
    #[error("the payload can't be signed")]
    Payload(#[source] JsonError),
    /// The event carries no signature, or an empty one.
    #[error("the event has no signature")]
    Missing,
    /// The signature is not 64 lower-case hexadecimal digits.
    #[error("the signature is not 64 lower-case hexadecimal digits")]
    Malformed,
    /// The signature belongs to another payload or another secret.
    #[error("the signature does not match the payload")]
    Mismatch,
}

impl From<JsonError> for Error {
    fn from(error: JsonError) -> Self {
        Self::Payload(error)
    }
}

/// Returns the canonical form of JSON text, which is what is signed.
///
/// Text that is in canonical form already is lent back.
///
/// ```
/// let canonical = restless_proto::signature::canonicalize(r#" {"b": 1E5, "a": "\u00e9"} "#)?;
/// assert_eq!(canonical, r#"{"a":"é","b":100000.0}"#);
/// # Ok::<(), restless_proto::JsonError>(())
/// ```
///
/// # Errors
///
/// Where the text is not JSON, or nests deeper than [`PAYLOAD_LEVELS`].
pub fn canonicalize(json: &str) -> Result<Cow<'_, str>, JsonError> {
    canonical::text(json)
}

/// Returns the signature of a payload, in lower-case hexadecimal digits.
///
/// For more than one payload, a [`Signer`] saves the work that depends on the secret alone.
///
/// # Errors
///
/// [`Error::Payload`] where the payload has no canonical form.
pub fn compute(secret: impl AsRef<[u8]>, payload: &str) -> Result<String, Error> {
    Signer::new(secret).sign(payload).map(|signature| signature.to_string())
}

/// Whether the signature is the payload's, compared in constant time. A malformed signature and
/// malformed JSON count as a mismatch; [`Signer::verify`] tells which.
pub fn verify(secret: impl AsRef<[u8]>, payload: &str, signature: &str) -> bool {
    Signer::new(secret).verify(payload, signature).is_ok()
}

/// Signs and verifies with one secret, whose key schedule is kept: what depends on the secret alone
/// is computed once. `Debug` hides all of the secret.
pub struct Signer {
    keyed: Hmac<Sha256>,
    /// Memory of the last payload, for the next one. A caller that finds the memory in use takes
    /// new memory.
    scratch: Mutex<Scratch>,
}

impl Signer {
    /// Takes a stream's secret: its text, as UTF-8, of any length, even empty.
    pub fn new(secret: impl AsRef<[u8]>) -> Self {
        let keyed = Hmac::new_from_slice(secret.as_ref());
        let keyed = keyed.unwrap_or_else(|_| unreachable!("HMAC takes a key of any length"));
        Self { keyed, scratch: Mutex::default() }
    }

    /// Signs a payload, given as JSON text in any form.
    ///
    /// # Errors
    ///
    /// [`Error::Payload`] where the payload has no canonical form.
    pub fn sign(&self, payload: &str) -> Result<Signature, Error> {
        let mac = self.mac(payload)?;
        Ok(Signature(mac.finalize().into_bytes().into()))
    }

    /// Checks the signature of a payload in constant time: how long the check takes says nothing
    /// about the right signature.
    ///
    /// # Errors
    ///
    /// [`Error::Payload`] where the payload lacks a canonical form, [`Error::Malformed`] for a
    /// signature that is something else than 64 lower-case hexadecimal digits, [`Error::Mismatch`]
    /// for a wrong signature.
    pub fn verify(&self, payload: &str, signature: &str) -> Result<(), Error> {
        let mac = self.mac(payload)?;
        let claimed = from_hex(signature).ok_or(Error::Malformed)?;
        mac.verify_slice(&claimed).map_err(|_| Error::Mismatch)
    }

    /// Checks an event's own signature over its [`data`](StreamEvent::data), from the text that
    /// arrived. An event without data is signed as `null`.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] where the event has no signature, else as [`verify`](Self::verify).
    pub fn verify_event(&self, event: &StreamEvent) -> Result<(), Error> {
        let signature = event.signature().unwrap_or_default();
        if signature.is_empty() {
            return Err(Error::Missing);
        }
        self.verify(event.data().map_or("null", |data| data.get()), &signature)
    }

    /// Checks an event as a [subscription](crate::Subscription::verify) does: an error event
    /// passes without a signature, as long as the event brings no data, which is all that the
    /// service signs.
    ///
    /// # Errors
    ///
    /// As [`verify_event`](Self::verify_event), for every other event.
    pub fn admit(&self, event: &StreamEvent) -> Result<(), Error> {
        let is_bare = event.data().is_none() && event.signature().is_none();
        match event.kind() {
            Kind::Error if is_bare => Ok(()),
            Kind::Error | Kind::Update => self.verify_event(event),
        }
    }

    fn mac(&self, payload: &str) -> Result<Hmac<Sha256>, JsonError> {
        let Ok(mut scratch) = self.scratch.try_lock() else {
            return canonical::mac(payload, &mut Scratch::default(), self.keyed.clone());
        };
        let mac = canonical::mac(payload, &mut scratch, self.keyed.clone());
        if scratch.kept_bytes() > MOST_KEPT_BYTES {
            *scratch = Scratch::default();
        }
        mac
    }
}

/// The most memory that a signer keeps for the next payload, in bytes: about what one of 256 KiB
/// takes.
const MOST_KEPT_BYTES: usize = 512 << 10;

/// Gives each clone memory of its own for payloads.
impl Clone for Signer {
    fn clone(&self) -> Self {
        Self { keyed: self.keyed.clone(), scratch: Mutex::default() }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(redacted)")
    }
}

/// A payload's signature, which prints as 64 lower-case hexadecimal digits.
///
/// `==` is left out, since its timing would tell an attacker how much of a guess was right: see
/// [`Signer::verify`].
#[derive(Clone, Copy)]
pub struct Signature([u8; 32]);

impl Signature {
    /// Returns the 32 bytes of the HMAC.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({self})")
    }
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let text: &[u8; 64] = text.as_bytes().try_into().ok()?;
    let mut values = [0; 64];
    let mut are_digits = true;
    // Without a branch, so that the compiler makes vectors of it.
    for (value, &digit) in values.iter_mut().zip(text) {
        let (decimal, letter) = (digit.wrapping_sub(b'0'), digit.wrapping_sub(b'a'));
        are_digits &= decimal < 10 || letter < 6;
        *value = if decimal < 10 { decimal } else { letter.wrapping_add(10) };
    }
    let mut bytes = [0; 32];
    for (byte, values) in bytes.iter_mut().zip(values.chunks_exact(2)) {
        *byte = values.iter().fold(0, |byte, value| byte << 4 | value);
    }
    are_digits.then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::SseId;

    const PAYLOAD: &str = r#"{"id":"order_123","total":42}"#;
    const SIGNATURE: &str = "0e8d5075fec7809ec154d186f8b561bfd9f984bb8f9732c2784425d2f4987f8b";

    fn event(data: &str, signature: &str) -> StreamEvent {
        let text = format!(
            r#"{{"type":"update","meta":{{"timestamp":"t"}},"data":{data},"signature":{signature}}}"#
        );
        StreamEvent::parse(text, SseId::None).unwrap()
    }

    #[test]
    fn one_signer_signs_and_verifies_any_number_of_times() {
        let signer = Signer::new("secret");
        for _ in 0..2 {
            assert_eq!(signer.sign(PAYLOAD).unwrap().to_string(), SIGNATURE);
            assert_eq!(signer.verify(PAYLOAD, SIGNATURE), Ok(()));
        }
    }

    #[test]
    fn whatever_is_no_signature_is_malformed() {
        let signer = Signer::new("secret");
        for signature in [
            "",
            &SIGNATURE[1..],
            &SIGNATURE.to_uppercase(),
            &format!("sha256={SIGNATURE}"),
            &format!("{SIGNATURE}0"),
            &SIGNATURE.replace('b', "é"),
            &SIGNATURE.replace('b', "+"),
        ] {
            assert_eq!(signer.verify(PAYLOAD, signature), Err(Error::Malformed), "{signature}");
        }
    }

    #[test]
    fn a_signature_with_any_digit_changed_is_a_mismatch() {
        let signer = Signer::new("secret");
        for i in 0..SIGNATURE.len() {
            let mut wrong = SIGNATURE.to_owned();
            wrong.replace_range(i..=i, if SIGNATURE[i..].starts_with('0') { "1" } else { "0" });
            assert_eq!(signer.verify(PAYLOAD, &wrong), Err(Error::Mismatch));
        }
    }

    #[test]
    fn an_event_is_verified_from_the_text_that_arrived() {
        let signer = Signer::new("secret");
        let signed = event(r#"{"total": 42, "id": "order_123"}"#, &format!("\"{SIGNATURE}\""));
        assert_eq!(signer.verify_event(&signed), Ok(()));
        let forged = event(r#"{"total": 42.0, "id": "order_123"}"#, &format!("\"{SIGNATURE}\""));
        assert_eq!(signer.verify_event(&forged), Err(Error::Mismatch));
    }

    #[test]
    fn an_event_with_no_signature_or_an_empty_one_lacks_it() {
        let signer = Signer::new("secret");
        for none in ["null", "\"\""] {
            assert_eq!(signer.verify_event(&event("1", none)), Err(Error::Missing));
        }
    }

    #[test]
    fn an_error_is_admitted_unsigned_as_long_as_it_brings_no_data() {
        let signer = Signer::new("secret");
        let admitted = |rest: &str| {
            let text = format!(r#"{{"type":"error","meta":{{"timestamp":"t"}}{rest}}}"#);
            signer.admit(&StreamEvent::parse(text, SseId::None).unwrap())
        };
        assert_eq!(admitted(""), Ok(()));
        assert_eq!(admitted(r#","error":{"code":"C","message":"m"}"#), Ok(()));
        assert_eq!(admitted(r#","data":1"#), Err(Error::Missing));
        assert_eq!(admitted(r#","signature":"0""#), Err(Error::Malformed));
        assert_eq!(signer.admit(&event("null", "null")), Err(Error::Missing));
    }

    #[test]
    fn an_event_without_data_is_signed_as_null() {
        let signature = compute("secret", "null").unwrap();
        let event = event("null", &format!("\"{signature}\""));
        assert_eq!(Signer::new("secret").verify_event(&event), Ok(()));
    }

    #[test]
    fn debug_shows_no_secret() {
        assert_eq!(format!("{:?}", Signer::new("secret")), "Signer(redacted)");
    }
}
