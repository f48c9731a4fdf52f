//! A rule, and the table of all.

use crate::driver::{Skills, Transport};
use crate::rules::{answers, calls, cursor, event_stream, losses, redirects, websocket};
use crate::stage::Stage;

/// What came of a check; an error says in words what is broken.
pub(crate) type Check = Result<(), String>;

/// One thing that a driver must hold.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The rule's name, which says the rule.
    pub name: &'static str,
    /// Where the rule is written.
    pub section: &'static str,
    /// What the rule is tried over; once over each.
    pub over: &'static [Over],
    pub(crate) needs: &'static [Need],
    pub(crate) check: fn(&Stage) -> Check,
}

impl Rule {
    /// Returns why the rule is left out over this, for a driver with these skills.
    pub(crate) fn missing(&self, over: Over, skills: Skills) -> Option<&'static str> {
        let of_needs = || self.needs.iter().find_map(|need| need.missing(over, skills));
        over.missing(skills).or_else(of_needs)
    }
}

/// What a rule needs of a driver's stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// It tells where a redirect leads.
    Redirects,
    /// It tells how a WebSocket is refused.
    Answers,
    /// It gives a WebSocket's opening request fields.
    Fields,
    /// It tells of pings.
    Pings,
    /// It decodes content codings.
    Codings,
    /// It offers compression on a WebSocket.
    Deflate,
    /// It can be told how long a call may take.
    Timeout,
    /// It sends a request once.
    Once,
}

impl Need {
    fn missing(self, over: Over, skills: Skills) -> Option<&'static str> {
        let (has, why) = match self {
            Self::Redirects => (skills.redirects, "it is not told where a redirect leads"),
            Self::Once => (skills.sends_once, "its stack sends a request again by itself"),
            Self::Codings => (skills.codings, "it decodes no content codings"),
            Self::Timeout => (skills.call_timeout, "it can't be told how long a call may take"),
            // The rest is about a WebSocket, whatever else the rule is tried over.
            _ if over != Over::WebSocket => return None,
            Self::Answers => {
                (skills.websocket_answers, "it is not told how a WebSocket is refused")
            }
            Self::Fields => (skills.websocket_fields, "it gives a WebSocket's request no fields"),
            Self::Pings => (skills.websocket_pings, "it is not told of pings"),
            Self::Deflate => (skills.websocket_deflate, "it offers no compression"),
        };
        (!has).then_some(why)
    }
}

/// What a rule is tried over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Over {
    /// A call that changes something, `POST`.
    Create,
    /// A call that only asks, `GET`.
    Get,
    /// A subscription over server-sent events.
    Events,
    /// A subscription over WebSocket.
    WebSocket,
}

impl Over {
    pub(crate) fn transport(self) -> Option<Transport> {
        match self {
            Self::Create | Self::Get => None,
            Self::Events => Some(Transport::Events),
            Self::WebSocket => Some(Transport::WebSocket),
        }
    }

    fn missing(self, skills: Skills) -> Option<&'static str> {
        let (has, why) = match self {
            Self::Create => (skills.creates, "it creates no stream"),
            Self::Get => (skills.gets, "it gets no stream"),
            Self::Events => (skills.events, "it has no server-sent events"),
            Self::WebSocket => (skills.websocket, "it has no WebSocket"),
        };
        (!has).then_some(why)
    }

    /// Returns a word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "POST",
            Self::Get => "GET",
            Self::Events => "SSE",
            Self::WebSocket => "WebSocket",
        }
    }
}

/// Returns all rules, in the order of a report.
pub fn rules() -> Vec<Rule> {
    [
        calls::RULES,
        cursor::RULES,
        losses::RULES,
        answers::RULES,
        redirects::RULES,
        event_stream::RULES,
        websocket::RULES,
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns what is left out for these skills: rules, over what, and why.
    fn left_out(skills: Skills) -> Vec<(&'static str, &'static str, &'static str)> {
        let mut left_out = Vec::new();
        for rule in rules() {
            for over in rule.over {
                let why = rule.missing(*over, skills);
                left_out.extend(why.map(|why| (rule.name, over.as_str(), why)));
            }
        }
        left_out
    }

    #[test]
    fn nothing_is_left_out_for_a_driver_with_all_skills() {
        assert!(left_out(Skills::ALL).is_empty());
    }

    #[test]
    fn what_a_stack_hides_leaves_out_the_rules_about_it_and_no_other() {
        let all = Skills::ALL;
        for (skills, why, due) in [
            (
                Skills { redirects: false, ..all },
                "it is not told where a redirect leads",
                &[
                    "POST a_redirect_keeps_method_and_content",
                    "SSE a_redirect_within_the_origin_takes_the_key_along",
                    "WebSocket a_redirect_within_the_origin_takes_the_key_along",
                    "SSE a_reconnect_goes_to_the_first_url",
                    "WebSocket a_reconnect_goes_to_the_first_url",
                    "SSE a_redirect_is_followed_at_once",
                    "WebSocket a_redirect_is_followed_at_once",
                    "SSE redirects_in_a_row_have_an_end",
                    "WebSocket redirects_in_a_row_have_an_end",
                    "SSE a_redirect_to_nowhere_ends_it",
                    "WebSocket a_redirect_to_nowhere_ends_it",
                ][..],
            ),
            (
                Skills { websocket_answers: false, ..all },
                "it is not told how a WebSocket is refused",
                &[
                    "WebSocket a_refusal_ends_it_with_its_reason",
                    "WebSocket a_refused_key_ends_it",
                    "WebSocket retry_after_is_waited_for",
                    "WebSocket what_is_no_websocket_ends_it",
                    "WebSocket a_handshake_for_another_key_ends_it",
                    "WebSocket a_redirect_to_another_origin_leaves_the_key_behind",
                ],
            ),
            (
                Skills { websocket_fields: false, ..all },
                "it gives a WebSocket's request no fields",
                &["WebSocket the_key_goes_in_authorization"],
            ),
            (
                Skills { websocket_pings: false, ..all },
                "it is not told of pings",
                &["WebSocket what_is_no_event_is_sound"],
            ),
            (
                Skills { codings: false, ..all },
                "it decodes no content codings",
                &[
                    "POST a_coded_reply_is_decoded",
                    "GET a_coded_reply_is_decoded",
                    "SSE coded_content_is_decoded",
                ],
            ),
            (
                Skills { websocket_deflate: false, ..all },
                "it offers no compression",
                &["WebSocket compressed_messages_are_read"],
            ),
            (
                Skills { call_timeout: false, ..all },
                "it can't be told how long a call may take",
                &["POST a_stalled_reply_is_an_error", "GET a_stalled_reply_is_an_error"],
            ),
            (
                Skills { sends_once: false, ..all },
                "its stack sends a request again by itself",
                &["POST a_post_without_an_answer_is_made_once"],
            ),
        ] {
            let left_out = left_out(skills).into_iter();
            let told: Vec<_> =
                left_out.map(|(name, over, told)| (format!("{over} {name}"), told)).collect();
            let due: Vec<_> = due.iter().map(|rule| ((*rule).to_owned(), why)).collect();
            assert_eq!(told, due);
        }
    }
}
