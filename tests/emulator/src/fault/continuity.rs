//! The faults of a service that loses its place: what a subscriber gets is not what comes next.

use std::time::Duration;

use super::Fault;
use crate::feed::{Lapse, Place};

/// Faults of a service that loses its place, over SSE and WebSocket alike. They happen when the
/// stream begins, or after so many events by [`after_events`](Self::after_events). A patch is made
/// for who has got all before it, so after some of these it applies to another document than the
/// subscriber's.
impl Fault {
    /// The position that the request names is forgotten: the stream goes on with the latest update,
    /// as for who names none.
    pub fn forget_position() -> Self {
        Self::lapse(Lapse::To(Place::Latest))
    }

    /// The stream goes on with the next event to come, whatever position the request names.
    pub fn start_at_now() -> Self {
        Self::lapse(Lapse::To(Place::Now))
    }

    /// The stream begins with the oldest event that is kept, whatever position the request names.
    pub fn start_over() -> Self {
        Self::lapse(Lapse::To(Place::Beginning))
    }

    /// A request that names a position is refused with this status; one that names none does not
    /// meet this fault.
    ///
    /// # Panics
    /// As [`status`](Self::status).
    pub fn refuse_position(status: u16) -> Self {
        Self::status(status).on_resume()
    }

    /// The last so many events before the subscriber's place come again, under the same ids.
    pub fn repeat_last(events: u64) -> Self {
        Self::lapse(Lapse::To(Place::Before(events)))
    }

    /// The next so many events are left out, now or as they come.
    pub fn skip_events(events: u64) -> Self {
        Self::lapse(Lapse::Skip(events))
    }

    /// Ids and timestamps fall by this span, in whole milliseconds, as of a service whose clock was
    /// set back. Who resumes with such an id later gets what came after it by the right clock.
    pub fn go_back(by: Duration) -> Self {
        Self::lapse(Lapse::Back(by))
    }

    fn lapse(lapse: Lapse) -> Self {
        let mut fault = Self::none();
        fault.lapse = Some(lapse);
        fault
    }
}
