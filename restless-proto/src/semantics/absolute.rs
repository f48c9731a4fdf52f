//! Absolute URLs that a caller gave: which of them can be used, and what an error says of others.

use http::uri::Authority;
use url::{ParseError, Position, Url};

use crate::kinds::ConfigError;
use crate::redact;

/// Reads a URL that requests go to.
///
/// # Errors
///
/// When the text is another thing than an absolute http or https URL, or has a user or a password:
/// some HTTP stacks make a field of user and password, others drop both silently.
pub(crate) fn http_url(field: &'static str, text: &str) -> Result<Url, ConfigError> {
    let accepted = "an absolute http or https URL without user and password";
    of(field, text, &["http", "https"], accepted).and_then(|url| without_user(field, url, accepted))
}

/// Reads a URL at which a stream is followed.
///
/// # Errors
///
/// As [`http_url`], which accepts http and https; ws and wss are accepted here, too.
pub(crate) fn runtime_url(field: &'static str, text: &str) -> Result<Url, ConfigError> {
    let accepted = "an absolute http, https, ws or wss URL without user and password";
    of(field, text, &RUNTIME, accepted).and_then(|url| without_user(field, url, accepted))
}

/// Does the same for a URL that is handed to somebody else, who may have a use for a user.
///
/// # Errors
///
/// When the text is another thing than an absolute URL of these schemes.
pub(crate) fn foreign_url(field: &'static str, text: &str) -> Result<Url, ConfigError> {
    of(field, text, &RUNTIME, "an absolute http, https, ws or wss URL")
}

const RUNTIME: [&str; 4] = ["http", "https", "ws", "wss"];

fn of(
    field: &'static str,
    text: &str,
    schemes: &[&str],
    accepted: &'static str,
) -> Result<Url, ConfigError> {
    let wrong = match Url::parse(text) {
        // A URL's host may have a quotation mark, and that of a request may not.
        Ok(url) if url.host().is_some() && !has_sendable_host(&url) => {
            "its host has a character that requests can't carry".to_owned()
        }
        Ok(url) if url.host().is_some() && schemes.contains(&url.scheme()) => return Ok(url),
        Ok(url) if url.host().is_none() => "it has no // and host".to_owned(),
        Err(_) if text.is_empty() => return Err(ConfigError::new(field, "", accepted)),
        Err(ParseError::RelativeUrlWithoutBase) => "it has no scheme".to_owned(),
        Err(error) => error.to_string(),
        // The URL has another scheme.
        Ok(_) => return Err(ConfigError::new(field, redact_url(text), accepted)),
    };
    Err(ConfigError::hidden(field, wrong, accepted))
}

fn has_sendable_host(url: &Url) -> bool {
    url[Position::BeforeHost..Position::AfterPort].parse::<Authority>().is_ok()
}

fn without_user(field: &'static str, url: Url, accepted: &'static str) -> Result<Url, ConfigError> {
    if has_user(&url) {
        return Err(ConfigError::hidden(field, "it has a user or a password", accepted));
    }
    Ok(url)
}

/// Whether a URL has user information (RFC 3986 §3.2.1).
pub(crate) fn has_user(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// Returns what an error may say of a URL that can't be used: a key may hide in the rest, or may
/// have been given in the URL's place.
pub(crate) fn redact_url(text: &str) -> String {
    let url = Url::parse(text).ok();
    match url.as_ref().and_then(|url| Some((url.scheme(), url.host_str()?))) {
        Some((scheme, host)) => redact::redacted(&format!("{scheme}://{host}…")),
        None if text.is_empty() => String::new(),
        None => format!("{} bytes, not shown", text.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_is_wrong_and_repeats_nothing() {
        let accepted = "an absolute http or https URL without user and password";
        for (given, due) in [
            ("canary", "it has no scheme"),
            ("rs_canary", "it has no scheme"),
            ("//canary/x", "it has no scheme"),
            ("canary:8787/x", "it has no // and host"),
            ("https://", "empty host"),
            ("https://canary:x/", "invalid port number"),
            ("https://can\"ary/", "its host has a character that requests can't carry"),
            ("https://me:canary@s/", "it has a user or a password"),
            ("https://canary@s/", "it has a user or a password"),
            ("https://:canary@s/", "it has a user or a password"),
        ] {
            let error = http_url("url", given).unwrap_err();
            assert_eq!(error.to_string(), format!("url must be {accepted}; {due}"), "{given:?}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
        let error = http_url("url", "").unwrap_err().to_string();
        assert_eq!(error, format!("url is missing: {accepted}"));
        let error = http_url("url", "wss://s/canary").unwrap_err().to_string();
        assert_eq!(error, format!("url can't be \"wss://s…\": {accepted}"));
    }

    #[test]
    fn a_user_is_left_to_whoever_a_url_is_handed_to() {
        for good in ["https://s", "http://127.0.0.1:8787/a?b=@#c", "HTTPS://@s/"] {
            http_url("url", good).unwrap();
            runtime_url("url", good).unwrap();
        }
        runtime_url("url", "wss://s/ws").unwrap();
        let error = runtime_url("url", "wss://me:canary@s/ws").unwrap_err().to_string();
        assert!(error.ends_with("; it has a user or a password"), "{error}");
        foreign_url("url", "wss://me:canary@s/ws").unwrap();
    }
}
