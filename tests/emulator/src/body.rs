//! The content of a response: what the service would send, as far as a fault's plan lets it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Duration;

use crate::coding::Coder;
use crate::due::Heartbeat;
use crate::fault::{End, Limit, Plan};
use crate::feed::{Read, Subscription, Transport};
use crate::script::Script;
use crate::socket::Control;
use crate::sse;

/// Where the bytes come from.
#[derive(Debug)]
pub(crate) enum Source {
    /// An ordinary reply.
    Bytes(Bytes),
    /// A feed, live.
    Feed(Box<Live>),
    /// The same feed in a content coding, each event flushed, until the coding has ended.
    Coded(Box<Live>, Option<Box<Coder>>),
    /// Whatever a script says.
    Script(Script),
}

impl Source {
    /// Puts these bytes into the form that they have in the content.
    fn code(&mut self, bytes: Bytes) -> Bytes {
        match self {
            Self::Coded(_, Some(coder)) if !bytes.is_empty() => coder.code(&bytes).into(),
            Self::Bytes(_) | Self::Coded(..) | Self::Feed(_) | Self::Script(_) => bytes,
        }
    }

    /// Returns what ends the content's coding, once.
    fn finish(&mut self) -> Option<Bytes> {
        match self {
            Self::Coded(_, coder) => coder.take().map(|coder| coder.finish().into()),
            Self::Bytes(_) | Self::Feed(_) | Self::Script(_) => None,
        }
    }
}

/// A subscriber of a feed, with its heartbeat.
#[derive(Debug)]
pub(crate) struct Live {
    subscription: Subscription,
    heartbeat: Heartbeat,
}

impl Live {
    pub(crate) fn new(subscription: Subscription, heartbeat: Duration) -> Self {
        Self { subscription, heartbeat: Heartbeat::new(heartbeat) }
    }

    pub(crate) fn subscription(&mut self) -> &mut Subscription {
        &mut self.subscription
    }

    /// Returns the next event or heartbeat; `None` when the feed is closed.
    async fn next(&mut self) -> Option<Chunk> {
        loop {
            match self.subscription.read(Transport::Sse) {
                Read::Event(frame) => {
                    self.heartbeat.put_off();
                    return Some(Chunk { bytes: frame, is_event: true });
                }
                Read::Closed => return None,
                Read::Nothing => {}
            }
            tokio::select! {
                () = self.subscription.changed() => {}
                () = self.heartbeat.beats() => {
                    return Some(Chunk { bytes: sse::HEARTBEAT, is_event: false });
                }
            }
        }
    }
}

#[derive(Debug)]
struct Chunk {
    bytes: Bytes,
    is_event: bool,
}

/// The connection is to close in the middle of the content.
#[derive(Debug, thiserror::Error)]
#[error("cut on purpose")]
pub(crate) struct Cut;

/// A response's body for hyper.
pub(crate) struct Content {
    size: Option<u64>,
    next: Option<Next>,
}

type Next = Pin<Box<dyn Future<Output = (Writer, Option<Result<Bytes, Cut>>)> + Send>>;

impl Content {
    pub(crate) fn new(mut source: Source, plan: Plan, control: Arc<Control>) -> Self {
        let size = match &source {
            // A reply that a plan shortens to a clean end is as long as what it sends.
            Source::Bytes(bytes) => {
                let len = bytes.len() as u64 + plan.prelude.as_ref().map_or(0, |p| p.len() as u64);
                match (plan.limit, plan.end) {
                    (Some(Limit::Bytes(most)), End::Clean) => Some(len.min(most)),
                    _ => Some(len),
                }
            }
            Source::Feed(_) | Source::Coded(..) | Source::Script(_) => None,
        };
        let flush_each = plan.piece.is_some() || matches!(source, Source::Script(_));
        let prelude = source.code(plan.prelude.clone().unwrap_or_default());
        let writer = Writer {
            source,
            rest: prelude,
            rest_is_event: false,
            bytes: 0,
            events: 0,
            flush_each,
            started: false,
            plan,
            control,
        };
        Self { size, next: Some(writer.step()) }
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let Some(next) = &mut self.next else { return Poll::Ready(None) };
        let (writer, item) = ready!(next.as_mut().poll(cx));
        self.next = match item {
            Some(Ok(_)) => Some(writer.step()),
            Some(Err(_)) | None => None,
        };
        Poll::Ready(item.map(|item| item.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.next.is_none() || self.size == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.size.map(SizeHint::with_exact).unwrap_or_default()
    }
}

/// Carries a plan out, chunk by chunk.
struct Writer {
    source: Source,
    plan: Plan,
    control: Arc<Control>,
    /// What is left of the chunk at hand.
    rest: Bytes,
    rest_is_event: bool,
    bytes: u64,
    events: u64,
    flush_each: bool,
    started: bool,
}

impl Writer {
    fn step(mut self) -> Next {
        Box::pin(async move {
            let item = self.next().await;
            (self, item)
        })
    }

    async fn next(&mut self) -> Option<Result<Bytes, Cut>> {
        if self.flush_each && self.started {
            self.control.flushed().await;
        }
        self.started = true;
        while self.rest.is_empty() {
            if self.is_at_limit() {
                return self.end().await;
            }
            let Some(chunk) = self.chunk().await else {
                let script = matches!(self.source, Source::Script(_));
                return if script { self.end().await } else { None };
            };
            self.rest = chunk.bytes;
            self.rest_is_event = chunk.is_event;
        }
        let mut size = self.rest.len().min(self.plan.piece.unwrap_or(usize::MAX));
        if let Some(Limit::Bytes(most)) = self.plan.limit {
            size = size.min(usize::try_from(most - self.bytes).unwrap_or(usize::MAX));
            if size == 0 {
                return self.end().await;
            }
        }
        let mut piece = self.rest.split_to(size);
        if let Some(at) = self.plan.corrupt.and_then(|at| at.checked_sub(self.bytes))
            && let Ok(at) = usize::try_from(at)
            && at < piece.len()
        {
            let mut bad = piece.to_vec();
            bad[at] ^= 0xff;
            piece = bad.into();
        }
        self.bytes += piece.len() as u64;
        if self.rest.is_empty() && self.rest_is_event {
            self.events += 1;
        }
        Some(Ok(piece))
    }

    fn is_at_limit(&self) -> bool {
        match self.plan.limit {
            Some(Limit::Bytes(most)) => self.bytes >= most,
            Some(Limit::Events(most)) => self.events >= most,
            None => false,
        }
    }

    async fn chunk(&mut self) -> Option<Chunk> {
        let bytes = match &mut self.source {
            Source::Bytes(bytes) => {
                Some(std::mem::take(bytes)).filter(|bytes| !bytes.is_empty())?
            }
            Source::Feed(live) => return live.next().await,
            Source::Coded(_, None) => return None,
            Source::Coded(live, Some(_)) => {
                let Some(Chunk { bytes, is_event }) = live.next().await else {
                    return self.source.finish().map(|bytes| Chunk { bytes, is_event: false });
                };
                return Some(Chunk { bytes: self.source.code(bytes), is_event });
            }
            Source::Script(script) => script.next().await?,
        };
        Some(Chunk { bytes, is_event: false })
    }

    async fn end(&mut self) -> Option<Result<Bytes, Cut>> {
        match self.plan.end {
            // After whole events the coding ends as it should, too.
            End::Clean if matches!(self.plan.limit, Some(Limit::Events(_))) => {
                self.source.finish().map(Ok)
            }
            End::Clean => None,
            End::Cut => {
                self.control.flushed().await;
                Some(Err(Cut))
            }
            End::Reset => {
                self.control.flushed().await;
                self.control.reset();
                Some(Err(Cut))
            }
            End::Stall => std::future::pending().await,
        }
    }
}
