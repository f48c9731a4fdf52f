//! A subscription, running.

use std::fmt;
use std::future::poll_fn;
use std::mem::discriminant;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, Waker, ready};

use futures_core::Stream;
use restless_proto::Error;
use restless_proto::subscription::{Continuity, Event, Item, Status, SubscriptionMachine};
use tokio::sync::watch;

use crate::driver::Driver;
use crate::trace;
use crate::{Runtime, Watch};

/// The events of a [`Subscription`](restless_proto::Subscription), as they come.
///
/// A subscription is a [`Stream`] of items, and moves only while it is polled: reading slowly slows
/// the server down (TCP), without a queue. To keep it moving beside other work, give it a task:
///
/// ```
/// # use restless_hyper::{Events, Runtime};
/// # use tokio::sync::mpsc::channel;
/// # fn spawn(task: impl Future<Output = ()> + Send + 'static) { drop(task) }
/// # fn keep_moving<R: Runtime>(mut events: Events<R>) {
/// let (sender, receiver) = channel(16);
/// // The runtime's own, such as `tokio::spawn`.
/// spawn(async move {
///     while let Some(item) = events.next().await {
///         if sender.send(item).await.is_err() {
///             break;
///         }
///     }
/// });
/// # drop(receiver);
/// # }
/// ```
///
/// An `Err` is the end, once; then comes `None`. Dropping the subscription closes its connection at
/// once.
#[must_use = "a subscription moves only while it is polled"]
pub struct Events<R: Runtime> {
    driver: Driver<R, SubscriptionMachine>,
    /// The sender of the status, made for the first who watches: most subscriptions are watched by
    /// nobody.
    status: OnceLock<watch::Sender<Status>>,
    origin: std::time::Instant,
}

impl<R: Runtime> Events<R> {
    pub(crate) fn new(driver: Driver<R, SubscriptionMachine>, origin: std::time::Instant) -> Self {
        Self { driver, status: OnceLock::new(), origin }
    }

    /// Waits for the next item; `None` at the end.
    ///
    /// # Errors
    ///
    /// When the subscription has to end: after a refusal, an error that would repeat itself, or all
    /// the reconnects in a row that are allowed. The error is the last item.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: the next call gives the item.
    pub async fn next(&mut self) -> Option<Result<Item, Error>> {
        poll_fn(|cx| self.poll_item(cx)).await
    }

    /// Waits for the next thing that happened, connections included; `None` after [`Event::Ended`].
    /// Takes the place of [`next`](Self::next) for a program that wants to know more.
    ///
    /// # Cancel safety
    ///
    /// As [`next`](Self::next).
    pub async fn next_event(&mut self) -> Option<Event> {
        poll_fn(|cx| self.poll_event(cx)).await
    }

    /// Returns the position to store, and to resume at: where the last item handed out has moved
    /// it.
    pub fn cursor(&self) -> Option<&str> {
        self.driver.machine.cursor()
    }

    /// Returns how the last item followed the item before it; `None` before the first, and where
    /// the subscription was not [asked](restless_proto::Subscription::continuity) for that.
    pub fn continuity(&self) -> Option<&Continuity> {
        self.driver.machine.continuity()
    }

    /// Returns where the subscription stands.
    pub fn status(&self) -> Status {
        self.driver.machine.status()
    }

    /// Returns a handle that watches the status from elsewhere.
    pub fn watch(&self) -> Watch {
        let status = self.driver.machine.status();
        let watched = self.status.get_or_init(|| watch::Sender::new(status.clone()));
        // A turn that nobody was told of yet is told to those who watch already.
        watched.send_if_modified(|last| is_turn(last, status));
        Watch { status: watched.subscribe(), origin: self.origin }
    }

    /// Asks for the present data instead of what follows, for a
    /// [`Document`](restless_proto::subscription::Document) that is stale: drops the connection and
    /// the cursor, and connects again, as [`SubscriptionMachine::ask_for_snapshot`] says.
    pub fn ask_for_snapshot(&mut self) {
        let now = self.driver.now();
        self.driver.machine.ask_for_snapshot(now);
    }

    /// Ends the subscription. The next subscription from [`cursor`](Self::cursor) gets the items
    /// that were not handed out.
    ///
    /// An event stream's connection is closed at once. Over WebSocket the peer is told; then
    /// [`next`](Self::next) waits for the peer's answer, 10 s at the most, and gives `None`. A
    /// program that can't wait drops the subscription.
    pub fn close(&mut self) {
        let now = self.driver.now();
        self.driver.machine.close(now);
        // This goes as far as it can without waiting: it drops the connection, or writes the Close
        // frame.
        self.driver.close_now(&mut Context::from_waker(Waker::noop()));
        if let Some(watched) = self.status.get() {
            watched.send_replace(self.driver.machine.status());
        }
    }

    fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Item, Error>>> {
        for _ in 0..EVENTS_PER_POLL {
            return match ready!(self.poll_event(cx)) {
                Some(Event::Item(item)) => Poll::Ready(Some(Ok(item))),
                Some(Event::Ended(ended)) => match ended.into_error() {
                    Some(error) => Poll::Ready(Some(Err(error))),
                    None => Poll::Ready(None),
                },
                Some(_) => continue,
                None => Poll::Ready(None),
            };
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let polled = self.driver.poll_event(cx);
        if let Poll::Ready(Some(event)) = &polled {
            let _entered = self.driver.span().enter();
            trace::happened(event, || self.driver.now());
        }
        if let Some(watched) = self.status.get().filter(|watched| watched.receiver_count() > 0) {
            let status = self.driver.machine.status();
            let told = match &polled {
                Poll::Ready(Some(event)) => !matches!(event, Event::Item(_) | Event::Continuity(_)),
                Poll::Ready(None) | Poll::Pending => false,
            };
            // Connecting again is no event, but a turn.
            watched.send_if_modified(|last| is_turn(last, status) || told);
        }
        polled
    }
}

/// Puts the new status in the place of the last one, and says whether the state is another.
fn is_turn(last: &mut Status, status: Status) -> bool {
    let turned = discriminant(&last.state) != discriminant(&status.state);
    *last = status;
    turned
}

/// The most events that are no items in one poll, before the task makes way for others: connections
/// may come and go at once.
const EVENTS_PER_POLL: usize = 16;

impl<R: Runtime> Stream for Events<R> {
    type Item = Result<Item, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_item(cx)
    }
}

impl<R: Runtime> fmt::Debug for Events<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("status", &self.status()).finish_non_exhaustive()
    }
}
