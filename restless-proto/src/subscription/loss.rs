//! Why a connection is gone, by how it ended.

use super::event::LossReason;
use crate::machine::End;
use crate::ws::{self, CloseCode, Closed};
use crate::{Error, PeerClosed, TimeoutError, Timer, TransportErrorKind};

/// What the end of an exchange means.
pub(super) fn of_end(why: End) -> LossReason {
    match why {
        End::Complete => LossReason::Complete,
        End::Failed(error) => LossReason::Error(error.into()),
        End::TooLarge(error) => LossReason::Error(error.into()),
        End::TimedOut(error) => LossReason::Error(error.into()),
        End::Closed { code, reason } => peer_closed(code, &reason),
    }
}

/// What the end of a WebSocket connection means; `ended` is what the transport said of it.
pub(super) fn of_close(closed: Closed, ended: Option<End>) -> LossReason {
    LossReason::Error(match closed {
        Closed::Clean { close, .. } => return peer_closed(close.code(), close.reason()),
        Closed::Failed(ws::Error::TooLarge(error)) => error.into(),
        Closed::Failed(error) => Error::Protocol(Box::new(error)),
        Closed::Unresponsive { within } => TimeoutError::new(Timer::Pong, within).into(),
        Closed::CloseUnanswered { within } => TimeoutError::new(Timer::Close, within).into(),
        // No Close frame: the way that the transport ended is all there is to say.
        Closed::Cut { .. } => match ended {
            Some(End::Failed(error)) => error.into(),
            Some(End::TooLarge(error)) => error.into(),
            Some(End::TimedOut(error)) => error.into(),
            Some(End::Complete | End::Closed { .. }) | None => {
                Error::Transport(TransportErrorKind::Broken.into())
            }
        },
    })
}

fn peer_closed(code: CloseCode, reason: &str) -> LossReason {
    match code {
        CloseCode::NORMAL | CloseCode::GOING_AWAY | CloseCode::NO_STATUS => LossReason::Complete,
        CloseCode::ABNORMAL => LossReason::Error(TransportErrorKind::Broken.into()),
        code => LossReason::Error(PeerClosed::new(code, reason).into()),
    }
}
