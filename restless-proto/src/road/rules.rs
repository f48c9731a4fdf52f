//! What differs between the roads of the machines.

use std::time::Duration;

use http::StatusCode;

use crate::kinds::Timer;
use crate::limits::Limits;
use crate::semantics::auth::Reach;
use crate::semantics::redirect::is_redirect;
use crate::service::Credentials;
use crate::timing::Instant;

/// The rules of one road.
pub(crate) struct Rules {
    /// The credentials that requests go out with.
    pub(crate) credentials: Credentials,
    /// The time that the user is given for credentials; `None` where one timer over all of it
    /// counts.
    pub(crate) credentials_wait: Option<Duration>,
    /// When the user is asked for other credentials than those that were refused with 401.
    pub(crate) renewal: Renewal,
    /// Where credentials may go.
    pub(crate) reach: Reach,
    /// The answer that the machine wants.
    pub(crate) wants: Answer,
    /// Whether redirects are followed.
    pub(crate) follows: bool,
    /// How long the head of a response is waited for.
    pub(crate) head: HeadTimer,
    /// How much of a refusal is read.
    pub(crate) refusal: Take,
    pub(crate) limits: Limits,
    /// Whether a request may be made twice.
    pub(crate) idempotent: bool,
}

/// The answer that a machine wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The reply to a call.
    Content,
    /// An event stream, or the word that this client is to stay away (WHATWG HTML §9.2.3).
    EventStream,
    /// A connection that has become a WebSocket.
    WebSocket,
}

/// What a status leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The status of the wanted answer.
    Accepted,
    /// The status of a redirect that is followed.
    Followed,
    /// Any other status.
    Refused,
}

/// When the user is asked for other credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Renewal {
    /// Never: a 401 is a refusal.
    Never,
    /// Once.
    Once,
    /// Once until an answer is good, and again after this span: the key may have expired in an
    /// outage.
    After(Duration),
}

/// How long the head of a response is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum HeadTimer {
    /// A timer over all of it counts instead.
    None,
    /// A span from the request on, connecting included.
    Within(Duration),
    /// For an event stream, whose head many boxes pass on with the first event only: silence before
    /// the head is as any silence.
    Stream {
        /// The caller's span, from the request on.
        caller: Option<Duration>,
        /// The silence that is accepted from the connection on; `None` for any.
        idle: Option<Duration>,
    },
}

/// How much of a refusal is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Take {
    /// As much as goes into the error.
    Excerpt,
    /// All of it, within the limit of a reply, so that the connection can be used again.
    Whole,
}

/// A head that is waited for.
#[derive(Clone, Copy)]
pub(super) struct HeadWait {
    pub(super) opened: Instant,
    /// Since when the connection stands, as far as the driver has told.
    pub(super) stands: Option<Instant>,
    /// Whether the user knows that the connection stands and nothing comes.
    pub(super) told: bool,
}

/// How long the head of a response is waited for unless a caller says otherwise: over WebSocket,
/// and of an event stream until a connection stands.
pub(crate) const HEAD_WAIT: Duration = Duration::from_secs(30);

/// After this long on a connection that stands, the user is told that no head has come.
const UNANSWERED: Duration = Duration::from_secs(10);

impl Rules {
    pub(super) fn verdict(&self, status: StatusCode) -> Verdict {
        if self.wants.has(status) {
            Verdict::Accepted
        } else if self.follows && is_redirect(status) {
            Verdict::Followed
        } else {
            Verdict::Refused
        }
    }
}

impl Answer {
    fn has(self, status: StatusCode) -> bool {
        match self {
            Self::Content => status.is_success(),
            Self::EventStream => matches!(status, StatusCode::OK | StatusCode::NO_CONTENT),
            Self::WebSocket => status == StatusCode::SWITCHING_PROTOCOLS,
        }
    }
}

impl HeadTimer {
    /// Returns the timer that counts, its span, and when the timer runs out.
    pub(super) fn lost(self, wait: HeadWait) -> Option<(Timer, Duration, Instant)> {
        let head = |span| Some((Timer::ResponseHead, span, wait.opened + span));
        match self {
            Self::None => None,
            Self::Within(span) | Self::Stream { caller: Some(span), .. } => head(span),
            Self::Stream { caller: None, idle } => match (wait.stands, idle) {
                (Some(stands), Some(idle)) => Some((Timer::Idle, idle, stands + idle)),
                (Some(_), None) => None,
                (None, Some(idle)) if idle > HEAD_WAIT => {
                    Some((Timer::Idle, idle, wait.opened + idle))
                }
                // Any silence is accepted, but not that no connection ever stands.
                (None, _) => head(HEAD_WAIT),
            },
        }
    }

    /// Returns when to tell the user that the head is missing.
    pub(super) fn tells(self, wait: HeadWait) -> Option<Instant> {
        let tells = matches!(self, Self::Stream { .. }) && !wait.told;
        wait.stands.filter(|_| tells).map(|stands| stands + UNANSWERED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statuses(wants: Answer, follows: bool, verdict: Verdict) -> Vec<u16> {
        let rules = Rules {
            credentials: Credentials::None,
            credentials_wait: None,
            renewal: Renewal::Never,
            reach: Reach::Private,
            wants,
            follows,
            head: HeadTimer::None,
            refusal: Take::Excerpt,
            limits: Limits::default(),
            idempotent: true,
        };
        let fits = |status: &u16| rules.verdict(StatusCode::from_u16(*status).unwrap()) == verdict;
        (100..1000).filter(fits).collect()
    }

    #[test]
    fn each_machine_accepts_its_own_statuses_and_no_other() {
        let accepted = |wants| statuses(wants, true, Verdict::Accepted);
        assert_eq!(accepted(Answer::Content), Vec::from_iter(200..300));
        assert_eq!(accepted(Answer::EventStream), [200, 204]);
        assert_eq!(accepted(Answer::WebSocket), [101]);
    }

    #[test]
    fn a_connect_has_an_end_where_any_silence_is_accepted() {
        let timer = HeadTimer::Stream { caller: None, idle: None };
        let opened = Instant::ORIGIN;
        let lost = |stands| timer.lost(HeadWait { opened, stands, told: false });
        assert_eq!(lost(None), Some((Timer::ResponseHead, HEAD_WAIT, opened + HEAD_WAIT)));
        assert_eq!(lost(Some(opened)), None);
    }

    #[test]
    fn five_statuses_are_followed_where_redirects_are() {
        for wants in [Answer::Content, Answer::EventStream, Answer::WebSocket] {
            let followed = |follows| statuses(wants, follows, Verdict::Followed);
            assert_eq!(followed(true), [301, 302, 303, 307, 308], "{wants:?}");
            assert!(followed(false).is_empty(), "{wants:?}");
        }
    }
}
