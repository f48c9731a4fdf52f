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
    pub(crate) check: fn(&Stage) -> Check,
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

    /// Returns why the rule is left out, for a driver that can't do this.
    pub(crate) fn missing(self, skills: Skills) -> Option<&'static str> {
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
