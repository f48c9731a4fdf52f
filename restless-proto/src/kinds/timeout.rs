//! What took too long.

use std::time::Duration;

/// Which timer ran out. The table of defaults stands at [`timing`](crate::timing).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Timer {
    /// From looking up the host's name to a socket at whose other end the server is, a proxy on the
    /// way included; kept by the driver.
    Connect,
    /// From that socket to the end of the TLS handshake; kept by the driver.
    TlsHandshake,
    /// From asking the user for credentials to the user's answer, for a subscription. A call counts
    /// that wait into its [`Total`](Self::Total).
    Credentials,
    /// From asking the driver for an exchange to the head of its response, connecting included, for
    /// a subscription and a WebSocket; a redirect is an exchange of its own. Over an event stream,
    /// [`Idle`](Self::Idle) counts instead once a connection stands.
    ResponseHead,
    /// From one piece of a stream to the next; the head is the first piece. Over an event stream,
    /// also from a connection that stands to the head.
    Idle,
    /// A whole call: credentials, redirects, every try and the delays between them.
    Total,
    /// From a ping of ours to the next sound of the peer, over WebSocket.
    Pong,
    /// From our Close frame to the peer's, over WebSocket.
    Close,
}

/// Something took longer than its timer allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} within {after:?}{}", match .timer {
    Timer::Connect => "no connection",
    Timer::TlsHandshake => "no end of the TLS handshake",
    Timer::Credentials => "no credentials",
    Timer::ResponseHead => "no answer to the request",
    Timer::Idle => "nothing was heard",
    Timer::Total => "the call did not finish",
    Timer::Pong => "no answer to a ping",
    Timer::Close => "no answer to our close",
}, if *.held_back { HELD_BACK } else { "" })]
pub struct TimeoutError {
    timer: Timer,
    after: Duration,
    held_back: bool,
}

/// What helps where the head of an event stream is missing.
const HELD_BACK: &str = ", no head of an answer either: something in between may hold it back, which \
    `X-Accel-Buffering: no` in the response or `proxy_buffering off` in nginx prevents";

impl TimeoutError {
    /// States which timer ran out, and what the timer was set to.
    pub fn new(timer: Timer, after: Duration) -> Self {
        Self { timer, after, held_back: false }
    }

    /// Adds that a connection stood, and not even a head has come over it.
    pub(crate) fn before_head(self) -> Self {
        Self { held_back: true, ..self }
    }

    /// Whether a connection stood, and something in between may hold back the answer: not even the
    /// answer's head has come.
    pub fn may_be_held_back(&self) -> bool {
        self.held_back
    }

    /// Returns the timer that ran out.
    pub fn timer(&self) -> Timer {
        self.timer
    }

    /// Returns the span that the timer was set to.
    pub fn after(&self) -> Duration {
        self.after
    }
}
