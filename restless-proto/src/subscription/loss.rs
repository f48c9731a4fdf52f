//! Why a connection is gone, by how it ended.

use std::time::Duration;

use super::event::LossReason;
use crate::error::Error;
use crate::kinds::{TimeoutError, Timer, TransportErrorKind};
use crate::machine::End;
use crate::road::{No, error_of};
use crate::timing::Instant;
use crate::ws::{self, CloseCode, Closed};

/// A loss, with what decides whether and when to connect again.
pub(super) struct Loss {
    pub(super) reason: LossReason,
    /// The code of the peer's Close frame, where there was one.
    pub(super) close: Option<CloseCode>,
    /// Since when a connection stood, where the loss is mere silence on that connection.
    pub(super) stood: Option<Instant>,
    /// Whether the same loss would come again, whatever the error.
    pub(super) hopeless: bool,
    /// Whether an earlier connection of the subscription stood, so that what was set up was right.
    pub(super) stood_before: bool,
}

impl From<LossReason> for Loss {
    fn from(reason: LossReason) -> Self {
        let close = match &reason {
            LossReason::Error(Error::Closed(closed)) => Some(closed.code()),
            _ => None,
        };
        Self { reason, close, stood: None, hopeless: false, stood_before: false }
    }
}

impl From<Error> for Loss {
    fn from(error: Error) -> Self {
        LossReason::Error(error).into()
    }
}

impl From<No> for Loss {
    fn from(no: No) -> Self {
        Self { stood: no.stood, hopeless: no.hopeless, ..no.error.into() }
    }
}

impl Loss {
    /// The peer closed a WebSocket.
    pub(super) fn closed(code: CloseCode, reason: &str) -> Self {
        Self::of_end(End::Closed { code, reason: reason.to_owned() })
    }

    /// How long the server asked to be left alone.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match &self.reason {
            LossReason::Error(error) => error.retry_after(),
            LossReason::Complete | LossReason::Snapshot => None,
        }
    }

    /// Tells what the end of an exchange means.
    pub(super) fn of_end(why: End) -> Self {
        match why {
            End::Complete => LossReason::Complete.into(),
            // 1006 is never in a frame.
            End::Closed { code, .. } if code.is_good_order() && code != CloseCode::ABNORMAL => {
                Self { close: Some(code), ..LossReason::Complete.into() }
            }
            why => error_of(why).into(),
        }
    }

    /// Tells what the end of a WebSocket connection means; `ended` is what the transport said of
    /// the end.
    pub(super) fn of_close(closed: Closed, ended: Option<End>) -> Self {
        match closed {
            Closed::Clean { close, .. } => Self::closed(close.code(), close.reason()),
            Closed::Failed(ws::Error::TooLarge(error)) => Error::from(error).into(),
            Closed::Failed(error) => Error::Protocol(Box::new(error)).into(),
            Closed::Unresponsive { within } => {
                Error::from(TimeoutError::new(Timer::Pong, within)).into()
            }
            Closed::CloseUnanswered { within } => {
                Error::from(TimeoutError::new(Timer::Close, within)).into()
            }
            // Without a Close frame, the way that the transport ended is all there is to say.
            Closed::Cut { .. } => match ended {
                Some(why @ (End::Failed(_) | End::TooLarge(_) | End::TimedOut(_))) => {
                    Self::of_end(why)
                }
                Some(End::Complete | End::Closed { .. }) | None => {
                    Error::from(TransportErrorKind::Broken).into()
                }
            },
        }
    }
}
