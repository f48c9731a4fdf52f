//! For each status and failure: accept, follow, retry or stop, and why.

use http::StatusCode;

use crate::http::redirect;
use crate::{Error, TransportErrorKind};

/// What is to be done with a response, judged by its status alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// An event stream, if its content type says so.
    Accept,
    /// The server's way to say: do not come back (WHATWG HTML §9.2.1).
    NoContent,
    /// It is elsewhere.
    Follow,
    /// The credentials were refused; others may do.
    Authorize,
    /// It may pass.
    Retry,
    /// It would come back the same.
    Stop,
}

/// The table for statuses, from the wire contract.
///
/// | status | verdict | why |
/// | --- | --- | --- |
/// | 200 | accept | the only good answer (WHATWG HTML §9.2.3) |
/// | 204 | end | the server's way to stop a client |
/// | 301, 302, 303, 307, 308 | follow | RFC 9110 §15.4; reconnects start at the first URL again |
/// | 401 | stop | once after asking for other credentials, where they come on demand |
/// | 429, 5xx | retry | it may pass; never before `Retry-After` |
/// | any other | stop | it would come back the same |
pub(super) fn status(status: StatusCode) -> Verdict {
    match status {
        StatusCode::OK => Verdict::Accept,
        StatusCode::NO_CONTENT => Verdict::NoContent,
        status if redirect::is_redirect(status) => Verdict::Follow,
        StatusCode::UNAUTHORIZED => Verdict::Authorize,
        StatusCode::TOO_MANY_REQUESTS => Verdict::Retry,
        status if status.is_server_error() => Verdict::Retry,
        _ => Verdict::Stop,
    }
}

/// Whether a failure may pass, so that connecting again makes sense.
///
/// | failure | retry? | why |
/// | --- | --- | --- |
/// | a status that [`status`] retries | yes | see there |
/// | no such name, refused, broken, TLS, not HTTP | yes | networks and servers come back |
/// | a certificate that is not trusted | no | it would come back the same |
/// | a request that can't be sent | no | it never could |
/// | a timer | yes | the peer, or the way to it, may wake up |
/// | wrong content type, a redirect to nowhere | no | the address is wrong |
pub(super) fn may_pass(error: &Error) -> bool {
    match error {
        Error::Transport(failure) => match failure.kind() {
            TransportErrorKind::Certificate | TransportErrorKind::Request => false,
            TransportErrorKind::Resolve
            | TransportErrorKind::Connect
            | TransportErrorKind::Tls
            | TransportErrorKind::Broken
            | TransportErrorKind::Protocol => true,
        },
        Error::Timeout(_) => true,
        Error::Refused(refused) => status(refused.status()) == Verdict::Retry,
        Error::Config(_)
        | Error::Misuse(_)
        | Error::Limit(_)
        | Error::Content(_)
        | Error::Redirect(_)
        | Error::GaveUp(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_the_verdict_of_the_contract() {
        for code in 100..=999_u16 {
            let due = match code {
                200 => Verdict::Accept,
                204 => Verdict::NoContent,
                301 | 302 | 303 | 307 | 308 => Verdict::Follow,
                401 => Verdict::Authorize,
                429 | 500..=599 => Verdict::Retry,
                _ => Verdict::Stop,
            };
            assert_eq!(status(StatusCode::from_u16(code).unwrap()), due, "{code}");
        }
    }
}
