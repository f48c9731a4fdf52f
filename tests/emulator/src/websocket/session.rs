//! Serving one WebSocket, from the answered handshake to the end of its connection.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use async_tungstenite::WebSocketStream;
use async_tungstenite::tokio::TokioAdapter;
use async_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use async_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use bytes::Bytes;
use futures_core::Stream as _;
use hyper::upgrade::OnUpgrade;
use tokio::sync::watch;
use tokio::time::Duration;

use super::fault::{Form, Order, Place, Strike};
use super::frame::{Frame, Opcode};
use super::wire::{CLOSING, Wire};
use crate::due::Heartbeat;
use crate::fault::{End, Limit, Plan};
use crate::feed::{Read, Subscription, Transport};
use crate::script::Script;
use crate::socket::Control;

/// Where the frames come from.
#[derive(Debug)]
pub(crate) enum Source {
    /// A feed, live.
    Feed(Box<Subscription>),
    /// A recorded feed, a message for each event.
    Replay(Script),
    /// Whatever a script says, as bytes of the connection.
    Script(Script),
}

/// What a session needs beside its source.
pub(crate) struct Session {
    pub(crate) plan: Plan,
    pub(crate) order: Order,
    pub(crate) control: Arc<Control>,
    pub(crate) heartbeat: Duration,
    /// Turns true when the emulator stops.
    pub(crate) stopping: watch::Receiver<bool>,
}

impl Session {
    pub(crate) async fn serve(self, upgrade: OnUpgrade, source: Source) {
        // The client left before it had its answer.
        let Ok(upgraded) = upgrade.await else { return };
        let mut wire = Wire::new(upgraded, &self.plan, Arc::clone(&self.control));
        let events = match source {
            Source::Script(mut script) => {
                while let Some(chunk) = script.next().await {
                    wire.put(&chunk);
                    if wire.flush().await.is_err() {
                        break;
                    }
                }
                return wire.finish(self.plan.end).await;
            }
            Source::Feed(subscription) => Events::Feed(subscription),
            Source::Replay(script) => Events::Replay(script),
        };
        let config = WebSocketConfig::default().read_buffer_size(4096);
        let wire = TokioAdapter::new(wire);
        let socket = WebSocketStream::from_raw_socket(wire, Role::Server, Some(config));
        Live {
            socket: socket.await,
            source: events,
            events: 0,
            heartbeat: Heartbeat::new(self.heartbeat),
            session: self,
        }
        .serve()
        .await;
    }
}

/// A WebSocket that events are sent on.
struct Live {
    socket: WebSocketStream<TokioAdapter<Wire>>,
    source: Events,
    session: Session,
    /// The number of events sent.
    events: u64,
    heartbeat: Heartbeat,
}

/// Where the events come from.
enum Events {
    Feed(Box<Subscription>),
    Replay(Script),
}

/// What the loop woke up for.
enum Step {
    Heard(Heard),
    Event(Option<Bytes>),
    Heartbeat,
    Stopping,
}

/// What came of listening to the client.
enum Heard {
    /// Everything in line has gone out.
    Flushed,
    /// A message came; tungstenite does all that the message asks for.
    Message,
    /// The closing handshake is done, or the connection is.
    Ended,
    /// The client broke the protocol, and is told so with this code.
    Failed(u16),
}

impl Live {
    async fn serve(mut self) {
        let end = self.talk().await;
        let Self { socket, session, source, .. } = self;
        // Whoever stops the emulator need not wait for a connection that only ends.
        drop(session);
        socket.into_inner().into_inner().finish(end).await;
        // A subscriber until the end, as one over SSE is.
        drop(source);
    }

    /// Talks until the connection is over, and says how it is to end.
    async fn talk(&mut self) -> End {
        loop {
            if self.wire().is_at_limit() {
                return self.end_at_bytes();
            }
            let flushed = self.wire().is_flushed();
            if flushed {
                if self.is_at_limit() {
                    return match self.session.plan.end {
                        End::Clean => self.close(Some((1000, String::new()))).await,
                        end => end,
                    };
                }
                if let Some(strike) = self.session.order.strike_now(self.events) {
                    if let Some(end) = self.strike(strike).await {
                        return end;
                    }
                    continue;
                }
            }
            let deaf = self.session.order.is_deaf;
            let step = tokio::select! {
                biased;
                heard = hear(&mut self.socket, deaf) => Step::Heard(heard),
                _ = self.session.stopping.wait_for(|stopping| *stopping) => Step::Stopping,
                event = next_event(&mut self.source, self.session.plan.end), if flushed => {
                    Step::Event(event)
                }
                () = self.heartbeat.beats(), if flushed => Step::Heartbeat,
            };
            match step {
                Step::Heard(Heard::Flushed | Heard::Message) => {}
                Step::Heard(Heard::Ended) if self.wire().is_at_limit() => {
                    return self.end_at_bytes();
                }
                Step::Heard(Heard::Ended) => return End::Cut,
                Step::Heard(Heard::Failed(code)) => {
                    self.put(close_frame(Some((code, String::new())))).await;
                    return End::Clean;
                }
                Step::Event(Some(event)) => {
                    if self.put_event(event).await {
                        return self.session.plan.end;
                    }
                    self.events += 1;
                    self.heartbeat.put_off();
                }
                Step::Event(None) if self.is_cut_behind_last() => return self.session.plan.end,
                Step::Event(None) => return self.close(Some((1000, String::new()))).await,
                Step::Heartbeat => {
                    self.put(Message::Ping(Bytes::from_static(b"heartbeat"))).await;
                }
                Step::Stopping => return self.close(Some((1001, String::new()))).await,
            }
        }
    }

    /// Strikes, and returns how the connection ends, if it ends by that.
    async fn strike(&mut self, strike: Strike) -> Option<End> {
        match strike {
            Strike::Close(code) => {
                let end = self.session.plan.end;
                if end == End::Clean {
                    return Some(self.close(code).await);
                }
                self.put(close_frame(code)).await;
                return Some(end);
            }
            Strike::Message(opcode, content) => {
                let frame = Frame::whole(opcode).encode(&content);
                self.wire().put(&frame);
            }
            Strike::Pings(count) => {
                for number in 0..count {
                    let ping = Frame::whole(Opcode::Ping).encode(number.to_string().as_bytes());
                    self.wire().put(&ping);
                }
            }
            // A cut strikes with an event.
            Strike::Cut(_) => {}
        }
        None
    }

    /// Puts an event in line, in the form that is ordered. Returns whether the event was cut, and
    /// all is over.
    async fn put_event(&mut self, event: Bytes) -> bool {
        let form = self.session.order.form(self.events);
        let cut = self.session.order.cut(self.events);
        let event = padded(event, form.padded_to);
        let frame = Frame {
            reserved: form.reserved,
            is_masked: form.is_masked,
            ..Frame::whole(if form.is_binary { Opcode::Binary } else { Opcode::Text })
        };
        match cut {
            Some(Place::Header) => {
                let header = frame.header(event.len());
                self.wire().put(header.split_last().map_or(&[], |(_, most)| most));
            }
            Some(Place::Payload) => {
                let whole = frame.encode(&event);
                let most = whole.len() - event.len().div_ceil(2);
                self.wire().put(whole.get(..most).unwrap_or_default());
            }
            Some(Place::BetweenFragments) => {
                let fragments = frame.fragments(&event, form.fragments.unwrap_or(2).max(2));
                self.wire().put(fragments.first().map_or(&[], |first| first));
            }
            None => match plain(form, &event) {
                Some(message) => self.put(message).await,
                None => {
                    let fragments = frame.fragments(&event, form.fragments.unwrap_or(1));
                    self.wire().put(&fragments.concat());
                }
            },
        }
        cut.is_some()
    }

    /// Sends a Close frame and waits for the client's.
    async fn close(&mut self, code: Option<(u16, String)>) -> End {
        self.put(close_frame(code)).await;
        let deaf = self.session.order.is_deaf;
        let answer = async {
            while let Heard::Flushed | Heard::Message = hear(&mut self.socket, deaf).await {}
        };
        // A client that doesn't answer is left.
        let _ = tokio::time::timeout(CLOSING, answer).await;
        End::Cut
    }

    /// Hands a message to tungstenite. The wire takes all of the message at once, and what is left
    /// is the flush, which goes on while the client is listened to.
    async fn put(&mut self, message: Message) {
        let mut sending = pin!(self.socket.send(message));
        // A connection that fails here fails when it is listened to as well.
        std::future::poll_fn(|cx| {
            let _ = sending.as_mut().poll(cx);
            Poll::Ready(())
        })
        .await;
    }

    fn wire(&mut self) -> &mut Wire {
        self.socket.get_mut().get_mut()
    }

    /// Whether what comes behind the last event of a recording is no Close frame.
    fn is_cut_behind_last(&self) -> bool {
        matches!(self.source, Events::Replay(_)) && self.session.plan.end != End::Clean
    }

    fn is_at_limit(&self) -> bool {
        matches!(self.session.plan.limit, Some(Limit::Events(most)) if self.events >= most)
    }

    /// A WebSocket has no clean end in the middle of its bytes.
    fn end_at_bytes(&self) -> End {
        match self.session.plan.end {
            End::Clean => End::Cut,
            end => end,
        }
    }
}

/// Sends what is in line while it listens to the client.
async fn hear(socket: &mut WebSocketStream<TokioAdapter<Wire>>, deaf: bool) -> Heard {
    std::future::poll_fn(|cx| {
        let wire = socket.get_mut().get_mut();
        let flushed = wire.is_flushed();
        match tokio::io::AsyncWrite::poll_flush(Pin::new(wire), cx) {
            Poll::Ready(Err(_)) => return Poll::Ready(Heard::Ended),
            Poll::Ready(Ok(())) if !flushed => return Poll::Ready(Heard::Flushed),
            Poll::Ready(Ok(())) | Poll::Pending => {}
        }
        if deaf {
            return socket.get_mut().get_mut().poll_discard(cx).map(|()| Heard::Ended);
        }
        Pin::new(&mut *socket).poll_next(cx).map(|heard| match heard {
            Some(Ok(_)) => Heard::Message,
            Some(Err(Error::Protocol(_))) => Heard::Failed(1002),
            Some(Err(Error::Utf8(_))) => Heard::Failed(1007),
            Some(Err(Error::Capacity(_))) => Heard::Failed(1009),
            Some(Err(_)) | None => Heard::Ended,
        })
    })
    .await
}

/// Returns the next event; `None` when the feed is closed, or the recording is over. Where a
/// recording ends in silence, its client is still listened to.
async fn next_event(source: &mut Events, end: End) -> Option<Bytes> {
    let subscription = match source {
        Events::Feed(subscription) => subscription,
        Events::Replay(script) => match script.next().await {
            None if end == End::Stall => std::future::pending().await,
            event => return event,
        },
    };
    loop {
        match subscription.read(Transport::WebSocket) {
            Read::Event(event) => return Some(event),
            Read::Closed => return None,
            Read::Nothing => subscription.changed().await,
        }
    }
}

fn padded(event: Bytes, size: usize) -> Bytes {
    if event.len() >= size {
        return event;
    }
    let mut event = Vec::from(event);
    event.resize(size, b' ');
    event.into()
}

/// Returns the event as tungstenite can send it, if the event is to look as usual.
fn plain(form: Form, event: &Bytes) -> Option<Message> {
    if form.fragments.is_some() || form.is_masked || form.reserved != 0 {
        return None;
    }
    if form.is_binary {
        return Some(Message::Binary(event.clone()));
    }
    Utf8Bytes::try_from(event.clone()).ok().map(Message::Text)
}

fn close_frame(code: Option<(u16, String)>) -> Message {
    Message::Close(
        code.map(|(code, reason)| CloseFrame { code: code.into(), reason: reason.into() }),
    )
}
