//! For each status and failure: accept, follow, retry or stop, and why.

use http::StatusCode;

use crate::http::coding::CodingError;
use crate::http::redirect;
use crate::ws::CloseCode;
use crate::{ContentError, Error, TransportErrorKind};

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

/// Whether to connect again after a loss, where the caller says it and not the tables here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "there is no third way")]
pub enum Disposition {
    /// Connect again, after the delay.
    Retry,
    /// End with the error.
    Stop,
}

/// The caller's own rows before the tables.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Overrides {
    pub(super) status: Option<fn(StatusCode) -> Option<Disposition>>,
    pub(super) close: Option<fn(CloseCode) -> Option<Disposition>>,
}

/// The table for statuses, from the wire contract.
///
/// | status | verdict | why |
/// | --- | --- | --- |
/// | 200, over WebSocket 101 | accept | the only good answer (WHATWG HTML §9.2.3, RFC 6455 §4.1) |
/// | 204, not over WebSocket | end | the server's way to stop a client |
/// | 301, 302, 303, 307, 308 | follow | RFC 9110 §15.4; reconnects start at the first URL again |
/// | 401 | stop | once after asking for other credentials, where they come on demand |
/// | 429, 5xx | retry | it may pass; never before `Retry-After` |
/// | any other | stop | it would come back the same |
pub(super) fn status(status: StatusCode, websocket: bool, overrides: &Overrides) -> Verdict {
    match status {
        StatusCode::SWITCHING_PROTOCOLS if websocket => Verdict::Accept,
        StatusCode::OK if !websocket => Verdict::Accept,
        StatusCode::NO_CONTENT if !websocket => Verdict::NoContent,
        status if redirect::is_redirect(status) => Verdict::Follow,
        status => match overrides.status.and_then(|table| table(status)) {
            Some(Disposition::Retry) => Verdict::Retry,
            Some(Disposition::Stop) => Verdict::Stop,
            None => match status {
                StatusCode::UNAUTHORIZED => Verdict::Authorize,
                StatusCode::TOO_MANY_REQUESTS => Verdict::Retry,
                status if status.is_server_error() => Verdict::Retry,
                _ => Verdict::Stop,
            },
        },
    }
}

/// Whether to connect again after the peer's Close frame (RFC 6455 §7.4.1 and the IANA registry).
///
/// | code | retry? | why |
/// | --- | --- | --- |
/// | 1000, 1001, none | yes | a stream has no natural end |
/// | 1011, 1012, 1013, 1014 | yes | the server is in trouble, restarts, or is busy |
/// | 1002, 1003, 1007, 1009, 1010 | no | it does not like what we say, and we would say it again |
/// | 1008 | no | a refusal, such as of the key |
/// | 3000, 3003 | no | unauthorized, forbidden |
/// | 4400 to 4499 | no, but 4408 and 4429 | by custom an HTTP status plus 4000 |
/// | any other | yes | it may pass |
fn close_may_pass(code: CloseCode) -> bool {
    !matches!(
        code.get(),
        1002 | 1003 | 1007..=1010 | 3000 | 3003 | 4400..=4407 | 4409..=4428 | 4430..=4499
    )
}

/// Whether a failure may pass, so that connecting again makes sense.
///
/// | failure | retry? | why |
/// | --- | --- | --- |
/// | a status that [`status`] retries | yes | see there |
/// | a close code that [`close_may_pass`] lets | yes | see there |
/// | no such name, refused, broken, TLS, not HTTP | yes | networks and servers come back |
/// | frames that break the protocol | yes | a proxy may have cut into them |
/// | a certificate that is not trusted | no | it would come back the same |
/// | a request that can't be sent | no | it never could |
/// | a proxy that refuses | no | it does not like who we are, or where we go |
/// | no credentials from whoever gives them | yes | they may come again, like networks |
/// | a timer | yes | the peer, or the way to it, may wake up |
/// | content that breaks its coding, or ends within it | yes | as frames do |
/// | a content coding that is not understood | no | it was not asked for, and would come again |
/// | wrong content type, a redirect to nowhere, no WebSocket there | no | the address is wrong |
/// | a message over the limit | no | it would come again: the cursor stands before it |
pub(super) fn may_pass(error: &Error, websocket: bool, overrides: &Overrides) -> bool {
    match error {
        Error::Transport(failure) => match failure.kind() {
            TransportErrorKind::Certificate
            | TransportErrorKind::Proxy
            | TransportErrorKind::Request => false,
            TransportErrorKind::Resolve
            | TransportErrorKind::Connect
            | TransportErrorKind::Tls
            | TransportErrorKind::Broken
            | TransportErrorKind::Protocol => true,
        },
        Error::Timeout(_) | Error::Protocol(_) | Error::Credentials(_) => true,
        Error::Refused(refused) => status(refused.status(), websocket, overrides) == Verdict::Retry,
        Error::Closed(closed) => match overrides.close.and_then(|table| table(closed.code())) {
            Some(Disposition::Retry) => true,
            Some(Disposition::Stop) => false,
            None => close_may_pass(closed.code()),
        },
        Error::Content(content) => matches!(
            **content,
            ContentError::Coding(CodingError::Corrupt { .. } | CodingError::Truncated { .. })
        ),
        Error::Config(_)
        | Error::Misuse(_)
        | Error::Limit(_)
        | Error::Redirect(_)
        | Error::Handshake(_)
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
            let none = Overrides::default();
            assert_eq!(status(StatusCode::from_u16(code).unwrap(), false, &none), due, "{code}");
            let due = match code {
                101 => Verdict::Accept,
                200 | 204 => Verdict::Stop,
                _ => due,
            };
            assert_eq!(status(StatusCode::from_u16(code).unwrap(), true, &none), due, "{code}");
        }
    }

    #[test]
    fn every_close_code_has_the_disposition_of_the_table() {
        for (codes, due) in [
            (1000..=1001, true),
            (1002..=1003, false),
            (1005..=1006, true),
            (1007..=1010, false),
            (1011..=1014, true),
            (3000..=3000, false),
            (4000..=4399, true),
            (4400..=4407, false),
            (4408..=4408, true),
            (4429..=4429, true),
            (4430..=4499, false),
            (4500..=4999, true),
        ] {
            for code in codes {
                assert_eq!(close_may_pass(CloseCode::new(code)), due, "{code}");
            }
        }
    }

    #[test]
    fn the_caller_s_own_rows_come_first() {
        let overrides = Overrides {
            status: Some(|status| (status == 404).then_some(Disposition::Retry)),
            close: Some(|code| (code.get() == 1008).then_some(Disposition::Retry)),
        };
        assert_eq!(status(StatusCode::NOT_FOUND, false, &overrides), Verdict::Retry);
        assert_eq!(status(StatusCode::GONE, false, &overrides), Verdict::Stop);
        let closed = |code| Error::from(crate::PeerClosed::new(CloseCode::new(code), ""));
        assert!(may_pass(&closed(1008), true, &overrides));
        assert!(!may_pass(&closed(1007), true, &overrides));
    }
}
