//! The driver: does what a machine asks for.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use restless_proto::Instant;
use restless_proto::machine::{End, ExchangeId, Input, Machine, Output};

use crate::Runtime;
use crate::connect::Connector;
use crate::credentials::{Asked, Provider};
use crate::duplex::Sender;
use crate::exchange::{Exchange, Purpose};
use crate::trace::Span;

/// A machine, and all that it needs of the world. Everything happens while the driver is polled;
/// all state is in the driver, so that a caller may stop after any poll and lose nothing.
pub(crate) struct Driver<R: Runtime, M: Machine> {
    pub(crate) machine: M,
    connector: Arc<Connector<R>>,
    /// The function that answers `Authorize`.
    provider: Option<Provider>,
    /// The answer to `Authorize`, on its way.
    asked: Option<Asked>,
    purpose: Purpose,
    origin: std::time::Instant,
    open: Option<(ExchangeId, Exchange<R>)>,
    alarm: Option<Alarm<R>>,
    /// An event that came out while something was sent or closed.
    pub(crate) event: Option<M::Event>,
    started: bool,
    /// What was done since the task made way last, over all polls that gave an event: the user may
    /// poll again at once.
    work: usize,
    span: Span,
}

struct Alarm<R: Runtime> {
    deadline: Instant,
    /// The [`Runtime::id`] of the runtime that the sleep is of. A sleep must not be polled once its
    /// runtime is gone.
    runtime: u64,
    sleep: Pin<Box<R::Sleep>>,
}

/// How much is done before the task makes way for others, in bytes that came: a flood of events, of
/// comments or of pings must not starve other tasks.
const WORK_PER_TURN: usize = 1 << 20;
/// The least that an input and its answer cost.
const WORK_PER_INPUT: usize = 16 << 10;
const WORK_PER_SEND: usize = 4 << 10;

impl<R: Runtime, M: Machine> Driver<R, M> {
    pub(crate) fn new(
        machine: M,
        connector: Arc<Connector<R>>,
        provider: Option<Provider>,
        purpose: Purpose,
        origin: std::time::Instant,
        span: Span,
    ) -> Self {
        Self {
            machine,
            connector,
            provider,
            asked: None,
            purpose,
            origin,
            open: None,
            alarm: None,
            event: None,
            started: false,
            work: 0,
            span,
        }
    }

    /// Drops the open exchange and its connection, if there is one, and every question.
    pub(crate) fn hang_up(&mut self) {
        self.open = None;
        self.asked = None;
        self.alarm = None;
    }

    /// Returns the machine's next event; `None` once the machine is done.
    pub(crate) fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<M::Event>> {
        let span = self.span.clone();
        let _entered = span.enter();
        if let Some(event) = self.event.take() {
            return Poll::Ready(Some(event));
        }
        if !std::mem::replace(&mut self.started, true) {
            // The caller that made the machine may have taken its time since.
            self.tell(Input::Elapsed);
        }
        let polled = self.poll_machine(cx);
        if polled.is_pending() {
            self.work = 0;
        }
        polled
    }

    fn poll_machine(&mut self, cx: &mut Context<'_>) -> Poll<Option<M::Event>> {
        loop {
            if self.work >= WORK_PER_TURN {
                self.flush(cx);
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let output = self.machine.poll();
            if !matches!(output, Output::Wait(_)) {
                self.asked = None;
            }
            // What is owed goes out before anything else happens, and all of it at once.
            if !matches!(output, Output::Send(_)) {
                self.flush(cx);
            }
            match output {
                Output::Open { exchange, request } => {
                    let connector = Arc::clone(&self.connector);
                    let opened = Exchange::new(exchange, connector, *request, self.purpose);
                    self.open = Some((exchange, opened));
                }
                Output::Send(bytes) => {
                    self.work += WORK_PER_SEND;
                    self.send(bytes, Sender::Protocol);
                }
                Output::Hangup => self.open = None,
                Output::Authorize { rejected } => match &self.provider {
                    Some(provider) => self.asked = Some(provider(rejected)),
                    None => self.tell(Input::Credentials(Ok(None))),
                },
                Output::Event(event) => return Poll::Ready(Some(event)),
                Output::Wait(deadline) => {
                    let input = ready!(self.poll_input(deadline, cx));
                    self.work += match &input {
                        Input::Data { bytes, .. } => bytes.len().max(WORK_PER_INPUT),
                        _ => WORK_PER_INPUT,
                    };
                    self.tell(input);
                }
                Output::Done => {
                    self.hang_up();
                    return Poll::Ready(None);
                }
            }
        }
    }

    /// Does what the machine has to do after it was closed, without waiting. An event that comes of
    /// that is kept for the next poll, and so is the alarm: there may be no runtime around.
    pub(crate) fn close_now(&mut self, cx: &mut Context<'_>) {
        // The answer to an earlier question is no longer wanted.
        self.asked = None;
        while self.event.is_none() {
            match self.machine.poll() {
                Output::Send(bytes) => {
                    self.send(bytes, Sender::User);
                    self.flush(cx);
                }
                Output::Event(event) => self.event = Some(event),
                Output::Hangup => self.hang_up(),
                // A closed machine opens nothing, and asks for nothing.
                Output::Open { .. } | Output::Authorize { .. } | Output::Wait(_) | Output::Done => {
                    return;
                }
            }
        }
    }

    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    pub(crate) fn now(&self) -> Instant {
        Instant::from_origin(self.origin.elapsed())
    }

    fn tell(&mut self, input: Input) {
        let now = self.now();
        self.machine.handle(input, now);
    }

    /// Returns what the network has; where the network has nothing, whether the time is up.
    fn poll_input(&mut self, deadline: Option<Instant>, cx: &mut Context<'_>) -> Poll<Input> {
        if let Some(asked) = &mut self.asked {
            if let Poll::Ready(answer) = asked.as_mut().poll(cx) {
                self.asked = None;
                return Poll::Ready(Input::Credentials(answer));
            }
        }
        if let Some((_, exchange)) = &mut self.open {
            if let Poll::Ready(input) = exchange.poll_input(cx) {
                return Poll::Ready(input);
            }
        }
        let Some(deadline) = deadline else {
            self.alarm = None;
            return Poll::Pending;
        };
        let now = self.now();
        let runtime = self.connector.runtime();
        let id = runtime.id();
        let alarm = match &mut self.alarm {
            Some(alarm) if alarm.deadline == deadline && alarm.runtime == id => alarm,
            alarm => {
                let span = deadline.saturating_duration_since(now);
                let sleep = Box::pin(runtime.sleep(span));
                alarm.insert(Alarm { deadline, runtime: id, sleep })
            }
        };
        // The clock's word is as good as the runtime's: tokio lets no timer ring for a task that
        // has used up its turn, as a flooded task does.
        if now < deadline && alarm.sleep.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.alarm = None;
        Poll::Ready(Input::Elapsed)
    }

    /// Returns the number of bytes that an upgraded connection has not taken yet.
    pub(crate) fn unsent_bytes(&self) -> usize {
        self.open.as_ref().map_or(0, |(_, open)| open.unsent_bytes())
    }

    /// Writes what the open exchange takes at once.
    pub(crate) fn flush(&mut self, cx: &mut Context<'_>) {
        if let Some((_, open)) = self.open.as_mut().filter(|(_, open)| open.unsent_bytes() > 0) {
            open.flush(cx);
        }
    }

    /// Hands bytes to the open exchange.
    pub(crate) fn send(&mut self, bytes: Bytes, sender: Sender) {
        let Some((exchange, open)) = &mut self.open else { return };
        let exchange = *exchange;
        if let Err(error) = open.send(bytes, sender) {
            self.open = None;
            self.tell(Input::Ended { exchange, why: End::Failed(error) });
        }
    }
}
