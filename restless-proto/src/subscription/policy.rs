//! For each status and failure: accept, follow, retry or stop, and why.

use std::time::Duration;

use http::StatusCode;

use super::event::LossReason;
use super::loss::Loss;

use crate::error::{ContentError, Error};
use crate::http::coding::CodingError;
use crate::http::redirect;
use crate::kinds::TransportErrorKind;
use crate::ws::CloseCode;

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

/// Whether to connect again after a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "there is no fourth way")]
pub enum Disposition {
    /// Connect again, after the delay.
    Retry,
    /// Connect again, after the delay and no sooner than this.
    RetryAfter(Duration),
    /// End, with the error where it is one.
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
            Some(Disposition::Retry | Disposition::RetryAfter(_)) => Verdict::Retry,
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
/// | 1011, 1014 | yes | the server, or the one behind it, is in trouble |
/// | 1012, 1013 | no sooner than in 5 s | it restarts, or is busy: all its clients come back |
/// | 1002, 1003, 1007, 1009, 1010 | no | it does not like what we say, and we would say it again |
/// | 1008 | no | a refusal, such as of the key |
/// | 3000, 3003 | no | unauthorized, forbidden |
/// | 4400 to 4499 | no, but 4408 and 4429 | by custom an HTTP status plus 4000 |
/// | any other | yes | it may pass |
fn after_close(code: CloseCode) -> Disposition {
    match code.get() {
        1012 | 1013 => Disposition::RetryAfter(BUSY_WAIT),
        1002 | 1003 | 1007..=1010 | 3000 | 3003 | 4400..=4407 | 4409..=4428 | 4430..=4499 => {
            Disposition::Stop
        }
        _ => Disposition::Retry,
    }
}

/// What the registrants of 1012 ask for at least.
const BUSY_WAIT: Duration = Duration::from_secs(5);

/// Whether to connect again after a loss.
pub(super) fn after(loss: &Loss, websocket: bool, overrides: &Overrides) -> Disposition {
    if let Some(code) = loss.close {
        let own = overrides.close.and_then(|table| table(code));
        return own.unwrap_or_else(|| after_close(code));
    }
    match &loss.reason {
        // A stream has no natural end.
        LossReason::Complete => Disposition::Retry,
        LossReason::Error(Error::Refused(refused)) => {
            let own = overrides.status.and_then(|table| table(refused.status()));
            let table = Overrides::default();
            own.unwrap_or_else(|| match status(refused.status(), websocket, &table) {
                Verdict::Retry => Disposition::Retry,
                _ => Disposition::Stop,
            })
        }
        LossReason::Error(error) if may_pass(error) => Disposition::Retry,
        LossReason::Error(_) => Disposition::Stop,
    }
}

/// Whether a loss counts for the most reconnects that are allowed: all do but silence on a connection
/// that stood, before the head of an event stream. Nobody failed there.
pub(super) fn counts(loss: &Loss) -> bool {
    !matches!(&loss.reason, LossReason::Error(Error::Timeout(late)) if late.may_be_held_back())
}

/// Whether a failure may pass, so that connecting again makes sense.
///
/// | failure | retry? | why |
/// | --- | --- | --- |
/// | no such name, refused, broken, TLS, not HTTP | yes | networks and servers come back |
/// | frames that break the protocol | yes | a proxy may have cut into them |
/// | a certificate that is not trusted | no | it would come back the same |
/// | a form of HTTP or TLS that is not supported | no | it would come back the same |
/// | a request that can't be sent | no | it never could |
/// | a proxy that refuses | no | it does not like who we are, or where we go |
/// | no credentials from whoever gives them | yes | they may come again, like networks |
/// | a timer | yes | the peer, or the way to it, may wake up |
/// | content that breaks its coding, or ends within it | yes | as frames do |
/// | a content or transfer coding that is not understood | no | it was not asked for, and would come again |
/// | wrong content type, a redirect to nowhere, no WebSocket there | no | the address is wrong |
/// | a message over the limit of the driver's own stack; bytes over one that bring no message | no | it would come again: the cursor stands before it |
fn may_pass(error: &Error) -> bool {
    match error {
        Error::Transport(failure) => match failure.kind() {
            TransportErrorKind::Certificate
            | TransportErrorKind::Proxy
            | TransportErrorKind::Unsupported
            | TransportErrorKind::Request => false,
            TransportErrorKind::Resolve
            | TransportErrorKind::Connect
            | TransportErrorKind::Tls
            | TransportErrorKind::Broken
            | TransportErrorKind::Protocol => true,
        },
        Error::Timeout(_) | Error::Protocol(_) | Error::Credentials(_) => true,
        Error::Content(content) => matches!(
            **content,
            ContentError::Coding(CodingError::Corrupt { .. } | CodingError::Truncated { .. })
        ),
        // Statuses and close codes have tables of their own.
        Error::Refused(_)
        | Error::Closed(_)
        | Error::Config(_)
        | Error::Misuse(_)
        | Error::Limit(_)
        | Error::Event(_)
        | Error::Signature(_)
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
        let wait = Disposition::RetryAfter(Duration::from_secs(5));
        for (codes, due) in [
            (1000..=1001, Disposition::Retry),
            (1002..=1003, Disposition::Stop),
            (1005..=1006, Disposition::Retry),
            (1007..=1010, Disposition::Stop),
            (1011..=1011, Disposition::Retry),
            (1012..=1013, wait),
            (1014..=1014, Disposition::Retry),
            (3000..=3000, Disposition::Stop),
            (4000..=4399, Disposition::Retry),
            (4400..=4407, Disposition::Stop),
            (4408..=4408, Disposition::Retry),
            (4429..=4429, Disposition::Retry),
            (4430..=4499, Disposition::Stop),
            (4500..=4999, Disposition::Retry),
        ] {
            for code in codes {
                assert_eq!(after_close(CloseCode::new(code)), due, "{code}");
            }
        }
    }

    #[test]
    fn the_caller_s_own_rows_come_first() {
        let wait = Disposition::RetryAfter(Duration::from_secs(60));
        let overrides = Overrides {
            status: Some(|status| match status.as_u16() {
                404 => Some(Disposition::RetryAfter(Duration::from_secs(60))),
                503 => Some(Disposition::Stop),
                _ => None,
            }),
            close: Some(|code| match code.get() {
                1000 | 1005 => Some(Disposition::Stop),
                1008 => Some(Disposition::Retry),
                _ => None,
            }),
        };
        for (code, due) in [
            (1000, Disposition::Stop),
            (1001, Disposition::Retry),
            (1005, Disposition::Stop),
            (1007, Disposition::Stop),
            (1008, Disposition::Retry),
        ] {
            let loss = Loss::closed(CloseCode::new(code), "");
            assert_eq!(after(&loss, true, &overrides), due, "{code}");
        }
        for (code, verdict, due) in [
            (404, Verdict::Retry, wait),
            (410, Verdict::Stop, Disposition::Stop),
            (429, Verdict::Retry, Disposition::Retry),
            (503, Verdict::Stop, Disposition::Stop),
        ] {
            let (mut head, ()) = http::Response::new(()).into_parts();
            head.status = StatusCode::from_u16(code).unwrap();
            assert_eq!(status(head.status, false, &overrides), verdict, "{code}");
            let refused = crate::Refused::from_response(&head, b"", &crate::Limits::default());
            assert_eq!(
                after(&Error::from(Box::new(refused)).into(), false, &overrides),
                due,
                "{code}"
            );
        }
    }
}
