//! Texts in shared memory.

use std::str::Utf8Error;

use bytes::Bytes;
use bytestring::ByteString;

/// The bytes as a text, without a copy.
///
/// # Errors
///
/// Where they are no UTF-8.
pub(crate) fn shared_text(bytes: Bytes) -> Result<ByteString, Utf8Error> {
    // Nearly all is ASCII, and that is found in a third of the time.
    restless_scan::ascii_shared(bytes).or_else(ByteString::try_from)
}
