//! The key, before it goes anywhere.

use crate::doctor::{Case, Finding};

/// `rs_` and hexadecimal digits; the key itself is told to nobody.
pub(super) async fn shape(case: &Case) -> Finding {
    let Some(key) = case.options.key.as_deref().filter(|key| !key.is_empty()) else {
        if case.url.query_pairs().any(|(name, _)| name == "apiKey") {
            return Finding::good("the URL has one");
        }
        return Finding::failed("there is none", "set RESTLESS_API_KEY");
    };
    let digits = key.strip_prefix("rs_").unwrap_or_default();
    let length = key.chars().count();
    if key.trim() != key || key.contains(char::is_control) {
        return Finding::failed(
            "it has white space or a line end around it",
            "take that off: it is part of the value",
        );
    }
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Finding::note(
            format!("{length} characters, and not `rs_` with hexadecimal digits"),
            "is it a key of this service?",
        );
    }
    Finding::good(format!("`rs_` and {} hexadecimal digits", digits.len()))
}
