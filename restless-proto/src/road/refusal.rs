//! A response that says no, while the first bytes of its content come.

use std::time::Duration;

use bytes::BytesMut;
use http::response::Parts;

use crate::error::Refused;
use crate::http::coding;
use crate::limits::Limits;
use crate::timing::Instant;

/// Its content only goes into an error: it is neither taken whole nor waited for long.
pub(crate) struct Refusal {
    head: Box<Parts>,
    content: BytesMut,
    most: usize,
    limits: Limits,
    deadline: Instant,
}

/// How long the content is waited for.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

impl Refusal {
    /// Of which as much is taken as goes into the error.
    pub(crate) fn new(head: Box<Parts>, limits: &Limits, now: Instant) -> Self {
        Self::with(head, limits.excerpt(), limits, now)
    }

    /// That is read to its end, within the limit of a reply, so that the connection can be used
    /// again.
    pub(crate) fn whole(head: Box<Parts>, limits: &Limits, now: Instant) -> Self {
        Self::with(head, limits.content(), limits, now)
    }

    fn with(head: Box<Parts>, most: usize, limits: &Limits, now: Instant) -> Self {
        let deadline = now + LONGEST_WAIT;
        Self { head, content: BytesMut::new(), most, limits: *limits, deadline }
    }

    /// Takes what is kept of it; true once there is no room for more.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> bool {
        let room = self.most.saturating_sub(self.content.len());
        self.content.extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
        bytes.len() >= room
    }

    /// When what has come has to do.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(crate) fn head(&self) -> &Parts {
        &self.head
    }

    /// What was taken of the content, decoded as far as that goes and no larger for it.
    pub(crate) fn content(&self) -> Vec<u8> {
        coding::readable(&self.head.headers, &self.content, self.most)
    }

    pub(crate) fn to_error(&self) -> Box<Refused> {
        Box::new(Refused::from_response(&self.head, &self.content(), &self.limits))
    }
}
