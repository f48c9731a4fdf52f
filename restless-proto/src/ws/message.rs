//! Messages, as they are lent (RFC 6455 §5.6).

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

use bytes::Bytes;
use bytestring::ByteString;
use restless_scan::shared;

use crate::text::shared_text;

/// A message, whole and decompressed (RFC 6455 §5.6).
///
/// A [`Connection`](super::Connection) lends the message until the next poll: nothing is counted,
/// copied or allocated for it. A program that keeps a message takes
/// [`into_owned`](Self::into_owned), or the bytes alone with [`into_bytes`](Self::into_bytes). A
/// message that lies in one piece of input becomes a slice of that piece, and keeps the whole piece
/// in memory: up to 1 MiB, from a [`ReadBuffer`](crate::ReadBuffer). Copy what is to be kept for
/// long.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "RFC 6455 has these two kinds of data and no other")]
pub enum Message<'a> {
    /// Text, which is UTF-8.
    Text(Text<'a>),
    /// Any bytes.
    Binary(Payload<'a>),
}

impl Message<'_> {
    /// Returns the payload.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(payload) => payload,
        }
    }

    /// Returns the payload in shared memory: a slice where the message lies in one piece of input,
    /// or is over 128 KiB; else a copy.
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Text(text) => text.into_bytes(),
            Self::Binary(payload) => payload.into_bytes(),
        }
    }

    /// Returns the message for a caller who keeps it, at the cost of
    /// [`into_bytes`](Self::into_bytes) and of [`Text::into_owned`].
    pub fn into_owned(self) -> Message<'static> {
        match self {
            Self::Text(text) => Message::Text(text.into_owned()),
            Self::Binary(payload) => Message::Binary(payload.into_owned()),
        }
    }
}

/// The payload of a text message, which is UTF-8. The text is lent, as [`Message`] says, or shared.
pub struct Text<'a>(Characters<'a>);

enum Characters<'a> {
    /// A slice of this piece of memory, which can be shared.
    In(&'a str, &'a Bytes),
    /// The content of a buffer that is used again.
    Joined(&'a str),
    Owned(ByteString),
}

impl<'a> Text<'a> {
    pub(super) fn within(text: &'a str, memory: &'a Bytes) -> Self {
        Self(Characters::In(text, memory))
    }

    pub(super) fn joined(text: &'a str) -> Self {
        Self(Characters::Joined(text))
    }

    /// Returns the text.
    #[inline]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Characters::In(text, _) | Characters::Joined(text) => text,
            Characters::Owned(text) => text,
        }
    }

    /// Returns the bytes, which are UTF-8.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Characters::In(text, _) | Characters::Joined(text) => text.as_bytes(),
            Characters::Owned(text) => text.as_bytes(),
        }
    }

    /// Returns the bytes in shared memory, at the cost that [`Message::into_bytes`] names.
    pub fn into_bytes(self) -> Bytes {
        match self.0 {
            Characters::In(text, memory) => memory.slice_ref(text.as_bytes()),
            Characters::Joined(text) => Bytes::copy_from_slice(text.as_bytes()),
            Characters::Owned(text) => text.into_bytes(),
        }
    }

    /// Returns the text for a caller who keeps it: a slice of the input shares the input's memory.
    pub fn into_owned(self) -> Text<'static> {
        Text(Characters::Owned(self.into_string()))
    }

    /// Returns the text in shared memory, at the cost that [`into_owned`](Self::into_owned) names.
    pub(crate) fn into_string(self) -> ByteString {
        match self.0 {
            Characters::In(text, memory) => shared(text, memory),
            Characters::Joined(text) => text.into(),
            Characters::Owned(text) => text,
        }
    }
}

/// Clones an owned text or a slice of the input by sharing its memory, and copies any other text.
impl Clone for Text<'_> {
    fn clone(&self) -> Self {
        Self(Characters::Owned(match &self.0 {
            Characters::In(text, memory) => shared(text, memory),
            Characters::Joined(text) => ByteString::from(*text),
            Characters::Owned(text) => text.clone(),
        }))
    }
}

impl Default for Text<'_> {
    fn default() -> Self {
        Self(Characters::Owned(ByteString::new()))
    }
}

impl TryFrom<Bytes> for Text<'_> {
    type Error = std::str::Utf8Error;

    fn try_from(bytes: Bytes) -> Result<Self, Self::Error> {
        shared_text(bytes).map(Self::from)
    }
}

impl From<ByteString> for Text<'_> {
    fn from(text: ByteString) -> Self {
        Self(Characters::Owned(text))
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self(Characters::Owned(text.into()))
    }
}

impl From<&str> for Text<'_> {
    fn from(text: &str) -> Self {
        Self(Characters::Owned(text.into()))
    }
}

impl AsRef<str> for Text<'_> {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Text<'_> {}

impl Hash for Text<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<&str> for Text<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The payload of a binary message, which is a slice of bytes. The payload is lent, as [`Message`]
/// says, or shared.
pub struct Payload<'a>(Octets<'a>);

enum Octets<'a> {
    /// A slice of this piece of memory, which can be shared.
    In(&'a [u8], &'a Bytes),
    /// The content of a buffer that is used again.
    Joined(&'a [u8]),
    Owned(Bytes),
}

impl<'a> Payload<'a> {
    pub(super) fn within(bytes: &'a [u8], memory: &'a Bytes) -> Self {
        Self(Octets::In(bytes, memory))
    }

    pub(super) fn joined(bytes: &'a [u8]) -> Self {
        Self(Octets::Joined(bytes))
    }

    /// Returns the bytes in shared memory, at the cost that [`Message::into_bytes`] names.
    pub fn into_bytes(self) -> Bytes {
        match self.0 {
            Octets::In(bytes, memory) => memory.slice_ref(bytes),
            Octets::Joined(bytes) => Bytes::copy_from_slice(bytes),
            Octets::Owned(bytes) => bytes,
        }
    }

    /// Returns the payload for a caller who keeps it.
    pub fn into_owned(self) -> Payload<'static> {
        Payload(Octets::Owned(self.into_bytes()))
    }
}

impl Deref for Payload<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            Octets::In(bytes, _) | Octets::Joined(bytes) => bytes,
            Octets::Owned(bytes) => bytes,
        }
    }
}

/// Clones an owned payload or a slice of the input by sharing its memory, and copies any other
/// payload.
impl Clone for Payload<'_> {
    fn clone(&self) -> Self {
        Self(Octets::Owned(match &self.0 {
            Octets::In(bytes, memory) => memory.slice_ref(bytes),
            Octets::Joined(bytes) => Bytes::copy_from_slice(bytes),
            Octets::Owned(bytes) => bytes.clone(),
        }))
    }
}

impl From<Bytes> for Payload<'_> {
    fn from(bytes: Bytes) -> Self {
        Self(Octets::Owned(bytes))
    }
}

impl PartialEq for Payload<'_> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Payload<'_> {}

impl fmt::Debug for Payload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
