//! Why a connection is gone, by how it ended.

use std::time::Duration;

use super::event::LossReason;
use crate::error::{Error, PeerClosed};
use crate::kinds::{TimeoutError, Timer, TransportErrorKind};
use crate::machine::End;
use crate::ws::{self, CloseCode, Closed};

/// A loss, with what matters for whether and when to connect again.
pub(super) struct Loss {
    pub(super) reason: LossReason,
    /// The code of the peer's Close frame, where there was one.
    pub(super) close: Option<CloseCode>,
    /// The server asked not to be bothered sooner.
    pub(super) retry_after: Option<Duration>,
}

impl From<Error> for Loss {
    fn from(error: Error) -> Self {
        let retry_after = match &error {
            Error::Refused(refused) => refused.retry_after(),
            Error::Transport(failure) => failure.retry_after(),
            _ => None,
        };
        Self { reason: LossReason::Error(error), close: None, retry_after }
    }
}

impl Loss {
    /// The peer closed a WebSocket.
    pub(super) fn closed(code: CloseCode, reason: &str) -> Self {
        let reason = match code {
            CloseCode::NORMAL | CloseCode::GOING_AWAY | CloseCode::NO_STATUS => {
                LossReason::Complete
            }
            // Never in a frame.
            CloseCode::ABNORMAL => return Error::from(TransportErrorKind::Broken).into(),
            code => LossReason::Error(PeerClosed::new(code, reason).into()),
        };
        Self { reason, close: Some(code), retry_after: None }
    }

    /// Whether the connection broke, and nobody has said why.
    pub(super) fn is_broken(&self) -> bool {
        matches!(&self.reason, LossReason::Error(Error::Transport(error))
            if error.kind() == TransportErrorKind::Broken)
    }

    /// What the end of an exchange means.
    pub(super) fn of_end(why: End) -> Self {
        match why {
            End::Complete => Self { reason: LossReason::Complete, close: None, retry_after: None },
            End::Failed(error) => Error::from(error).into(),
            End::TooLarge(error) => Error::from(error).into(),
            End::TimedOut(error) => Error::from(error).into(),
            End::Closed { code, reason } => Self::closed(code, &reason),
        }
    }

    /// What the end of a WebSocket connection means; `ended` is what the transport said of it.
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
            // No Close frame: the way that the transport ended is all there is to say.
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
