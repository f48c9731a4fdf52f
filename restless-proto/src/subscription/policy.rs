//! Whether to connect again, as one table.

use std::ops::RangeInclusive;
use std::time::Duration;

use http::StatusCode;

use super::event::LossReason;
use super::loss::Loss;
use crate::error::{ContentError, Error};
use crate::kinds::TransportErrorKind;
use crate::road::Renewal;
use crate::semantics::coding::CodingError;
use crate::ws::CloseCode;

/// Says whether to connect again after a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "there is no fourth way")]
pub enum Disposition {
    /// Connect again, after the delay.
    Retry,
    /// Connect again, after the delay and no sooner than this.
    RetryAfter(Duration),
    /// End, with the error if the loss is one.
    Stop,
}

/// The rows that the caller puts before the table.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Overrides {
    pub(super) status: Option<fn(StatusCode) -> Option<Disposition>>,
    pub(super) close: Option<fn(CloseCode) -> Option<Disposition>>,
}

/// The time after which the user, who was asked once after a 401, is asked again, even if every
/// answer in between was bad: the key may expire during an outage.
const KEY_SPAN: Duration = Duration::from_secs(300);

impl Overrides {
    /// Returns whether other credentials are asked for after a 401: not where the caller has said
    /// what a 401 means.
    pub(super) fn renewal(&self) -> Renewal {
        match self.status.and_then(|decide| decide(StatusCode::UNAUTHORIZED)) {
            Some(_) => Renewal::Never,
            None => Renewal::After(KEY_SPAN),
        }
    }
}

/// One row of the table: what happened, whether to connect again, whether that counts for the most
/// reconnects that are allowed, and why.
#[cfg_attr(not(test), expect(dead_code, reason = "the texts are for the public table"))]
struct Row {
    what: &'static str,
    cases: &'static [Case],
    again: Disposition,
    counts: bool,
    why: &'static str,
}

/// What a row is about.
enum Case {
    /// The stream ended in good order, and no Close frame says so.
    Complete,
    /// The code of the peer's Close frame (RFC 6455 §7.4.1 and the IANA registry).
    Close(RangeInclusive<u16>),
    /// A status other than the accepted ones and the redirects.
    Status(RangeInclusive<u16>),
    /// A failure of the transport's, of this kind.
    Transport(TransportErrorKind),
    /// The same, of a subscription that has had a connection that stood.
    TransportLater(TransportErrorKind),
    /// A failure that was seen to repeat itself.
    Hopeless,
    /// Any other failure of this kind.
    Error(fn(&Error) -> bool),
}

use Disposition::{Retry, RetryAfter, Stop};

const fn row(
    what: &'static str,
    cases: &'static [Case],
    again: Disposition,
    why: &'static str,
) -> Row {
    Row { what, cases, again, counts: true, why }
}

/// The table. The first row that fits counts. The public one in `subscription/mod.rs` is written
/// from it, and a test compares them.
static TABLE: &[Row] = &[
    row("the stream ended in good order", &[Case::Complete], Retry, "a stream has no natural end"),
    row(
        "close codes 1012 and 1013",
        &[Case::Close(1012..=1013)],
        // The least that the registrants ask for.
        RetryAfter(Duration::from_secs(5)),
        "the service restarts, or is busy: all its clients come back",
    ),
    row(
        "close codes 1002, 1003, 1007, 1009, 1010",
        &[Case::Close(1002..=1003), Case::Close(1007..=1007), Case::Close(1009..=1010)],
        Stop,
        "it does not like what we say, and we would say it again",
    ),
    row(
        "close codes 1008, 3000, 3003",
        &[Case::Close(1008..=1008), Case::Close(3000..=3000), Case::Close(3003..=3003)],
        Stop,
        "a refusal, such as of the key",
    ),
    row(
        "close codes 4400 to 4499 but 4408 and 4429",
        &[Case::Close(4400..=4407), Case::Close(4409..=4428), Case::Close(4430..=4499)],
        Stop,
        "by custom an HTTP status plus 4000",
    ),
    row(
        "any other close code, 1000, 1001 and none among them",
        &[Case::Close(0..=u16::MAX)],
        Retry,
        "a stream has no natural end, and the rest may pass",
    ),
    row(
        "status 429 and 5xx",
        &[Case::Status(429..=429), Case::Status(500..=599)],
        Retry,
        "it may pass, and never before `Retry-After`",
    ),
    row(
        "status 401",
        &[Case::Status(401..=401)],
        Stop,
        "but once, and at once, with other credentials, where they come on demand",
    ),
    row(
        "status 204 to an event stream, which is no error",
        &[Case::Status(204..=204)],
        Stop,
        "the server's way to stop a client (WHATWG HTML §9.2.3)",
    ),
    row(
        "any other status but a redirect and 200, over WebSocket 101",
        &[Case::Status(0..=u16::MAX)],
        Stop,
        "it would come back the same",
    ),
    Row {
        what: "silence on a connection that stands, before the head of an event stream",
        cases: &[Case::Error(
            |error| matches!(error, Error::Timeout(late) if late.may_be_held_back()),
        )],
        again: Retry,
        counts: false,
        why: "something in between may hold the head back until there is an event",
    },
    row(
        "any other silence, no answer, no connection in time",
        &[Case::Error(|error| matches!(error, Error::Timeout(_)))],
        Retry,
        "the peer, or the way to it, may wake up",
    ),
    row(
        "no such name, no connection, a proxy that can't reach the host (404, 5xx)",
        &[
            Case::Transport(TransportErrorKind::Resolve),
            Case::Transport(TransportErrorKind::Connect),
        ],
        Retry,
        "networks and servers come back",
    ),
    row(
        "a second time in a row no answer, but a connection that broke, with a URL over 4 KiB",
        &[Case::Hopeless],
        Stop,
        "something in between takes no URL of that length",
    ),
    row(
        "a connection that broke, a TLS handshake that failed, what is no HTTP",
        &[
            Case::Transport(TransportErrorKind::Broken),
            Case::Transport(TransportErrorKind::Tls),
            Case::Transport(TransportErrorKind::Protocol),
        ],
        Retry,
        "networks and servers come back",
    ),
    row(
        "a proxy that refuses: 403, 407, by SOCKS",
        &[Case::Transport(TransportErrorKind::Proxy)],
        Stop,
        "it does not like who we are, or where we go",
    ),
    row(
        "a certificate that is not trusted, after a connection that stood",
        &[Case::TransportLater(TransportErrorKind::Certificate)],
        Retry,
        "certificates are renewed, clocks set, and networks left that ask for a login",
    ),
    row(
        "a certificate that is not trusted; a form of HTTP or TLS that is not supported",
        &[
            Case::Transport(TransportErrorKind::Certificate),
            Case::Transport(TransportErrorKind::Unsupported),
        ],
        Stop,
        "it would come back the same",
    ),
    row(
        "a request, or a key, that can't be sent",
        &[
            Case::Transport(TransportErrorKind::Request),
            Case::Error(|error| matches!(error, Error::Config(_))),
        ],
        Stop,
        "it never could",
    ),
    row(
        "no credentials from whoever gives them",
        &[Case::Error(|error| matches!(error, Error::Credentials(_)))],
        Retry,
        "they may come again, as networks do",
    ),
    row(
        "frames that break the WebSocket protocol",
        &[Case::Error(|error| matches!(error, Error::Protocol(_)))],
        Retry,
        "a proxy may have cut into them",
    ),
    row(
        "content that breaks its content coding, or ends within it",
        &[Case::Error(|error| {
            matches!(error, Error::Content(content) if matches!(
                **content,
                ContentError::Coding(CodingError::Corrupt { .. } | CodingError::Truncated { .. })
            ))
        })],
        Retry,
        "as frames do",
    ),
    row(
        "a content coding that is not understood, a wrong content type",
        &[Case::Error(|error| matches!(error, Error::Content(_)))],
        Stop,
        "it was not asked for, and would come again",
    ),
    row(
        "redirects to nowhere, no WebSocket there",
        &[Case::Error(|error| matches!(error, Error::Redirect(_) | Error::Handshake(_)))],
        Stop,
        "the address is wrong",
    ),
    row(
        "more than a limit allows, but for one event",
        &[Case::Error(|error| matches!(error, Error::Limit(_)))],
        Stop,
        "it would come again, for the cursor stands before it",
    ),
];

impl Case {
    fn is(&self, loss: &Loss) -> bool {
        match (self, &loss.reason, loss.close) {
            (Self::Close(codes), _, Some(code)) => codes.contains(&code.get()),
            (_, _, Some(_)) => false,
            (Self::Complete, LossReason::Complete, _) => true,
            (Self::Hopeless, _, _) => loss.hopeless,
            (Self::Status(statuses), LossReason::Error(Error::Refused(refused)), _) => {
                statuses.contains(&refused.status().as_u16())
            }
            (Self::Transport(kind), LossReason::Error(Error::Transport(error)), _) => {
                *kind == error.kind()
            }
            (Self::TransportLater(kind), LossReason::Error(Error::Transport(error)), _) => {
                *kind == error.kind() && loss.stood_before
            }
            (Self::Error(is), LossReason::Error(error), _) => is(error),
            _ => false,
        }
    }
}

/// Looks up whether to connect again after a loss, and whether that counts.
pub(super) fn after(loss: &Loss, overrides: &Overrides) -> (Disposition, bool) {
    let decided = match (&loss.reason, loss.close) {
        (_, Some(code)) => overrides.close.and_then(|decide| decide(code)),
        (LossReason::Error(Error::Refused(refused)), None) => {
            overrides.status.and_then(|decide| decide(refused.status()))
        }
        _ => None,
    };
    let row = TABLE.iter().find(|row| row.cases.iter().any(|case| case.is(loss)));
    // A case without a row can't happen here, such as an error of the developer's.
    let (again, counts) = row.map_or((Stop, true), |row| (row.again, row.counts));
    (decided.unwrap_or(again), counts)
}

/// Whether a loss may be about the position that the request named, so that a request without a
/// position may be served: the server has given that position up, or can't read it. What the caller
/// has decided about is left alone.
pub(super) fn may_refuse_position(loss: &Loss, overrides: &Overrides) -> bool {
    match (&loss.reason, loss.close) {
        (_, Some(code)) => {
            overrides.close.and_then(|decide| decide(code)).is_none()
                && code.get().checked_sub(4000).is_some_and(|status| REFUSALS.contains(&status))
        }
        (LossReason::Error(Error::Refused(refused)), None) => {
            let status = refused.status();
            overrides.status.and_then(|decide| decide(status)).is_none()
                && REFUSALS.contains(&status.as_u16())
        }
        _ => false,
    }
}

/// Bad Request, Gone, Range Not Satisfiable, Unprocessable Content (RFC 9110 §15.5).
const REFUSALS: [u16; 4] = [400, 410, 416, 422];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::semantics::coding::ContentCoding;

    fn refused(status: u16) -> Loss {
        let (mut head, ()) = http::Response::new(()).into_parts();
        head.status = StatusCode::from_u16(status).unwrap();
        let refused = crate::Refused::from_response(&head, b"", &crate::Limits::default());
        Error::from(Box::new(refused)).into()
    }

    #[test]
    fn every_status_has_the_verdict_of_the_contract() {
        for code in 100..=999_u16 {
            let due = match code {
                429 | 500..=599 => Retry,
                _ => Stop,
            };
            assert_eq!(after(&refused(code), &Overrides::default()), (due, true), "{code}");
        }
    }

    #[test]
    fn every_row_of_the_table_is_the_first_that_fits_something() {
        let losses: Vec<Loss> = (100..=999)
            .map(refused)
            .chain((0..=u16::MAX).map(|code| Loss::closed(CloseCode::new(code), "")))
            .chain(failures().into_iter().map(Loss::from))
            .chain([LossReason::Complete.into()])
            .chain([Loss { hopeless: true, ..Error::from(TransportErrorKind::Broken).into() }])
            .chain([Loss {
                stood_before: true,
                ..Error::from(TransportErrorKind::Certificate).into()
            }])
            .collect();
        for row in TABLE {
            let fits = |row: &Row, loss: &Loss| row.cases.iter().any(|case| case.is(loss));
            let first = |loss: &&Loss| {
                TABLE.iter().find(|row| fits(row, loss)).is_some_and(|it| std::ptr::eq(it, row))
            };
            let (again, counts) = (row.again, row.counts);
            let loss = losses.iter().find(first);
            let loss = loss.unwrap_or_else(|| panic!("nothing fits: {}", row.what));
            assert_eq!(after(loss, &Overrides::default()), (again, counts), "{}", row.what);
        }
    }

    /// One failure of each kind that a subscription can have.
    fn failures() -> Vec<Error> {
        let kinds = [
            TransportErrorKind::Resolve,
            TransportErrorKind::Connect,
            TransportErrorKind::Proxy,
            TransportErrorKind::Tls,
            TransportErrorKind::Certificate,
            TransportErrorKind::Broken,
            TransportErrorKind::Protocol,
            TransportErrorKind::Unsupported,
            TransportErrorKind::Request,
        ];
        let mut failures: Vec<Error> = kinds.into_iter().map(Error::from).collect();
        let late = crate::TimeoutError::new(crate::Timer::Idle, Duration::from_secs(300));
        let coding = |error: CodingError| Error::from(Box::new(ContentError::from(error)));
        failures.extend([
            late.into(),
            late.before_head().into(),
            crate::CredentialsError::new("none").into(),
            crate::ConfigError::new("api_key", "", "").into(),
            crate::LimitError::new("", 0, 1).into(),
            crate::RedirectError::TooMany { limit: 10 }.into(),
            coding(CodingError::Truncated { coding: ContentCoding::Gzip }),
            coding(CodingError::Unknown { coding: "zip".to_owned() }),
            Error::Protocol(Box::new(crate::ws::Error::Masked)),
        ]);
        failures
    }

    #[test]
    fn the_public_table_is_this_one() {
        let mut due =
            String::from("//! | what happened | again? | why |\n//! | --- | --- | --- |\n");
        for row in TABLE {
            let again = match row.again {
                Retry if row.counts => "yes".to_owned(),
                Retry => "yes, and it does not count".to_owned(),
                RetryAfter(least) => format!("no sooner than in {least:?}"),
                Stop => "no".to_owned(),
            };
            due.push_str(&format!("//! | {} | {again} | {} |\n", row.what, row.why));
        }
        let module = include_str!("mod.rs");
        assert!(module.contains(&due), "the table in mod.rs is to be\n{due}");
    }

    #[test]
    fn every_close_code_has_the_disposition_of_the_table() {
        let wait = RetryAfter(Duration::from_secs(5));
        for (codes, due) in [
            (1000..=1001, Retry),
            (1002..=1003, Stop),
            (1005..=1006, Retry),
            (1007..=1010, Stop),
            (1011..=1011, Retry),
            (1012..=1013, wait),
            (1014..=1014, Retry),
            (3000..=3000, Stop),
            (4000..=4399, Retry),
            (4400..=4407, Stop),
            (4408..=4408, Retry),
            (4429..=4429, Retry),
            (4430..=4499, Stop),
            (4500..=4999, Retry),
        ] {
            for code in codes {
                let loss = Loss::closed(CloseCode::new(code), "");
                assert_eq!(after(&loss, &Overrides::default()), (due, true), "{code}");
            }
        }
    }

    #[test]
    fn the_caller_s_own_rows_come_first() {
        let wait = RetryAfter(Duration::from_secs(60));
        let overrides = Overrides {
            status: Some(|status| match status.as_u16() {
                404 => Some(RetryAfter(Duration::from_secs(60))),
                503 => Some(Stop),
                _ => None,
            }),
            close: Some(|code| match code.get() {
                1000 | 1005 => Some(Stop),
                1008 => Some(Retry),
                _ => None,
            }),
        };
        for (code, due) in [(1000, Stop), (1001, Retry), (1005, Stop), (1007, Stop), (1008, Retry)]
        {
            let loss = Loss::closed(CloseCode::new(code), "");
            assert_eq!(after(&loss, &overrides), (due, true), "{code}");
        }
        for (code, due) in [(404, wait), (410, Stop), (429, Retry), (503, Stop)] {
            assert_eq!(after(&refused(code), &overrides), (due, true), "{code}");
        }
    }
}
