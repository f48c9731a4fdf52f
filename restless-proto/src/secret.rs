//! Values that are never printed.

use std::fmt;

/// An API key: `rs_` and hexadecimal digits, which this type leaves unchecked.
///
/// `Debug` hides the key, `Display` is missing, and the text leaves this type only through
/// [`expose`](Self::expose). An empty key counts as no key wherever a key is taken.
///
/// `==` compares as texts do, and the time that it takes tells where the keys differ. `==` is for a
/// caller's own keys, such as to see whether a key has changed; a stranger's key takes another
/// comparison.
///
/// ```
/// let key = restless_proto::ApiKey::new("rs_0123456789abcdef");
/// assert_eq!(format!("{key:?}"), "ApiKey(redacted)");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// Takes the key's text as it is.
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into())
    }

    /// Returns the key's text. Mind where the text goes from here.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether the text is empty, which stands for "no key".
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T: Into<String>> From<T> for ApiKey {
    fn from(key: T) -> Self {
        Self::new(key)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(redacted)")
    }
}
