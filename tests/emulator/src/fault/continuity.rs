//! The faults of a service that loses its place: what a subscriber gets is not what comes next.

use std::time::Duration;

use super::Fault;
use crate::feed::{Lapse, Place};

/// Faults of a service that loses its place, over SSE and WebSocket alike. Such a fault happens
/// when the stream begins, or after so many events by [`after_events`](Self::after_events). A patch
/// is made for a subscriber that has got all before it, so after some of these faults the patch
/// applies to another document than the subscriber's.
impl Fault {
    /// Forgets the position that the request names: the stream goes on with the latest update, as
    /// for a request that names none.
    pub fn forget_position() -> Self {
        Self::lapse(Lapse::To(Place::Latest))
    }

    /// Goes on with the next event to come, whatever position the request names.
    pub fn start_at_now() -> Self {
        Self::lapse(Lapse::To(Place::Now))
    }

    /// Begins with the oldest event that is kept, whatever position the request names.
    pub fn start_over() -> Self {
        Self::lapse(Lapse::To(Place::Beginning))
    }

    /// Refuses a request that names a position, with this status; a request without a position
    /// passes this fault by.
    ///
    /// # Panics
    /// As [`status`](Self::status).
    pub fn refuse_position(status: u16) -> Self {
        Self::status(status).on_resume()
    }

    /// Repeats the last so many events before the subscriber's place, under the same ids.
    pub fn repeat_last(events: u64) -> Self {
        Self::lapse(Lapse::To(Place::Before(events)))
    }

    /// Leaves the next so many events out, now or as they come.
    pub fn skip_events(events: u64) -> Self {
        Self::lapse(Lapse::Skip(events))
    }

    /// Lets ids and timestamps fall by this span, in whole milliseconds, as of a service whose
    /// clock was set back. A subscriber that resumes with such an id later gets what came after it
    /// by the right clock.
    pub fn go_back(by: Duration) -> Self {
        Self::lapse(Lapse::Back(by))
    }

    fn lapse(lapse: Lapse) -> Self {
        let mut fault = Self::none();
        fault.lapse = Some(lapse);
        fault
    }
}
