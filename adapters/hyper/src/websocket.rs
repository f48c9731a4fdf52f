//! Any WebSocket, the service's or another.

use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Waker};

use restless_proto::LimitError;
use restless_proto::machine::{Machine as _, Output};
use restless_proto::websocket::{Event, WebSocketMachine};
use restless_proto::ws::{CloseCode, SendError};

use crate::Runtime;
use crate::driver::Driver;
use crate::duplex::Sender;

/// A WebSocket connection of [`Client::websocket`](crate::Client::websocket).
///
/// A WebSocket moves only while [`next`](Self::next) is polled: reading slowly slows the peer down.
/// What is sent goes out at once as far as the socket takes it, and else while `next` is polled.
/// Dropping the WebSocket closes its connection.
///
/// Memory: what [`restless_proto::ws::Connection`] says, and a buffer to read into
/// ([`ReadBuffer`](restless_proto::ReadBuffer)): none while little comes, 16 KiB to 128 KiB once
/// more came at once, and up to 1 MiB once a message needed that, until less has come again.
#[must_use = "a connection moves only while it is polled"]
pub struct WebSocket<R: Runtime> {
    driver: Driver<R, WebSocketMachine>,
    most_unsent: usize,
}

impl<R: Runtime> WebSocket<R> {
    pub(crate) fn new(driver: Driver<R, WebSocketMachine>, most_unsent: usize) -> Self {
        Self { driver, most_unsent }
    }

    /// Waits for what happens next; `None` after [`Event::Closed`] or [`Event::Failed`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: the next call gives the event.
    pub async fn next(&mut self) -> Option<Event> {
        poll_fn(|cx| self.driver.poll_event(cx)).await
    }

    /// Sends a text message.
    ///
    /// # Errors
    ///
    /// Before [`Event::Open`], after the end, and when too much waits to go out already.
    pub fn send_text(&mut self, text: &str) -> Result<(), SendError> {
        self.check_room(text.len())?;
        self.driver.machine.send_text(text)?;
        self.flush();
        Ok(())
    }

    /// Sends a binary message.
    ///
    /// # Errors
    ///
    /// As [`send_text`](Self::send_text).
    pub fn send_binary(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.check_room(payload.len())?;
        self.driver.machine.send_binary(payload)?;
        self.flush();
        Ok(())
    }

    /// Sends a ping; its answer is an [`Event::Pong`].
    ///
    /// # Errors
    ///
    /// As [`send_text`](Self::send_text), and for more than 125 bytes.
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.check_room(payload.len())?;
        self.driver.machine.ping(payload)?;
        self.flush();
        Ok(())
    }

    /// Begins the closing handshake; [`next`](Self::next) goes on until [`Event::Closed`].
    ///
    /// # Errors
    ///
    /// As [`send_text`](Self::send_text), and for a code or a reason that can't be sent.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        let now = self.driver.now();
        self.driver.machine.close(code, reason, now)?;
        self.flush();
        Ok(())
    }

    /// Counts what has left the machine and not the process, too.
    fn check_room(&self, more: usize) -> Result<(), LimitError> {
        let seen = self.driver.unsent_bytes().saturating_add(more);
        if self.driver.unsent_bytes() > 0 && seen > self.most_unsent {
            return Err(LimitError::new("what waits to be sent", self.most_unsent, seen));
        }
        Ok(())
    }

    /// Hands what is queued to the socket now, as the user's own, and not as an answer that is owed
    /// for something that was read.
    fn flush(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        while self.driver.machine.unsent_bytes() > 0 {
            // With bytes to send, there is no other output.
            let Output::Send(bytes) = self.driver.machine.poll() else { return };
            self.driver.send(bytes, Sender::User);
        }
        self.driver.flush(&mut cx);
    }
}

impl<R: Runtime> fmt::Debug for WebSocket<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket").finish_non_exhaustive()
    }
}
