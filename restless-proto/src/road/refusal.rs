//! Responses that say no, and the beginning of their content.

use std::time::Duration;

use bytes::BytesMut;
use http::response::Parts;

use super::rules::Take;
use crate::error::{ContentError, Error, Excerpt, Refused};
use crate::limits::Limits;
use crate::redact::shown;
use crate::semantics::{coding, media_type};
use crate::timing::Instant;

/// A response that says no, whose content goes into an error.
pub(super) struct Refusal {
    head: Box<Parts>,
    content: BytesMut,
    most: usize,
    limits: Limits,
    deadline: Instant,
    /// Whether the status is good, and the content is of another type than an event stream.
    wrong_type: bool,
}

/// The longest wait for the content.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

impl Refusal {
    pub(super) fn new(head: Box<Parts>, limits: &Limits, take: Take, now: Instant) -> Self {
        let most = match take {
            Take::Excerpt => limits.excerpt_bytes,
            Take::Whole => limits.content_bytes,
        };
        let deadline = now + LONGEST_WAIT;
        let content = BytesMut::new();
        Self { head, content, most, limits: *limits, deadline, wrong_type: false }
    }

    /// Takes an answer with a good status whose content is of the wrong type.
    pub(super) fn of_wrong_type(head: Box<Parts>, limits: &Limits, now: Instant) -> Self {
        Self { wrong_type: true, ..Self::new(head, limits, Take::Excerpt, now) }
    }

    /// Takes more of the content, as far as there is room. Returns true once the room is used up.
    pub(super) fn take(&mut self, bytes: &[u8]) -> bool {
        let room = self.most.saturating_sub(self.content.len());
        self.content.extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
        bytes.len() >= room
    }

    /// Returns the time at which the error is made of whatever content has come.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(super) fn to_error(&self) -> Error {
        // What was taken of the content, decoded as far as that goes, and within the same limit.
        let content = coding::readable(&self.head.headers, &self.content, self.most);
        if self.wrong_type {
            return Error::from(Box::new(ContentError::NotAnEventStream {
                seen: media_type::content_type(&self.head.headers).map(|seen| shown(&seen)),
                excerpt: Excerpt::of(&content, &self.limits),
                forwarded_by: self.head.extensions.get().cloned(),
            }));
        }
        Error::from(Box::new(Refused::from_response(&self.head, &content, &self.limits)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(take: Take) -> Refusal {
        let head = http::Response::builder().status(500).body(()).unwrap().into_parts().0;
        let limits = Limits::default().excerpt_bytes(4).content_bytes(6);
        Refusal::new(Box::new(head), &limits, take, Instant::ORIGIN)
    }

    #[test]
    fn the_first_bytes_are_kept_and_no_more_than_there_is_room_for() {
        for (take, kept) in [(Take::Excerpt, "abcd"), (Take::Whole, "abcdef")] {
            let mut refusal = refusal(take);
            assert!(!refusal.take(b"ab") && !refusal.take(b"c"));
            assert!(refusal.take(b"defgh"), "there is no room left");
            assert!(refusal.take(b"i"));
            assert_eq!(refusal.content, kept);
        }
    }
}
