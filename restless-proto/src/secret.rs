//! Values that are never printed.

use std::fmt;

/// An API key: `rs_` and hexadecimal digits, never checked here.
///
/// `Debug` hides the key, `Display` is missing, and the text leaves this type only through
/// [`expose`](Self::expose). An empty key counts as no key wherever one is taken.
///
/// `==` compares as texts do, in a time that tells where they differ: it is for a caller's own
/// keys, such as whether one has changed, not for judging a stranger's.
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

    /// The key's text. Mind where it goes from here.
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
