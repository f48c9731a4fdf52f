//! NATS JetStream: a subject for each feed, for any number of machines.

mod bucket;
mod lease;
mod names;
mod publish;
pub mod scale;
mod worker;

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::context::Context;
use async_nats::jetstream::kv::Store;
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::{
    self, LastRawMessageErrorKind, RetentionPolicy, StorageType, Stream,
};
use async_nats::jetstream::{self, ErrorCode};
use bytes::Bytes;

use crate::{Batch, Position, Sink, SinkError, Stored};

use bucket::Bucket;

pub use async_nats;
pub use worker::{Worker, WorkerHandle};

/// A store in a stream of NATS JetStream, with a subject for each feed; any number of feeds and of
/// workers share it.
///
/// | message of subject `restless.feeds.NAME` | |
/// | --- | --- |
/// | content | the event's text, as it came; of a dead letter what came |
/// | `Restless-Sequence` | the record's number in the feed, from 1 |
/// | `Restless-Event-Id` | the event's id, where it has one |
/// | `Restless-Cursor` | the cursor behind it, where that is not the event's id |
/// | `Restless-Dead` | of a dead letter, and of nothing else: why it was not accepted |
///
/// Values of headers are percent-encoded where they are more than visible ASCII. In a name, any
/// character but a letter, digit, `-` or `_` is `=` and two hexadecimal digits for each byte.
///
/// Each message is published with `Nats-Expected-Stream`, so that no other stream takes it, and
/// with `Nats-Expected-Last-Subject-Sequence`, and that is the atomic step: the server takes the
/// message only where the subject's last message is the one before it. Where the server says that
/// another message is the last (10071, or 10164 beside other messages on their way), that message
/// is read. The same record means that the record is stored, by this worker whose answer was lost,
/// or by another one; any other record means that the feed was moved.
/// A batch that breaks off in the middle has stored its beginning, with the position behind that.
///
/// A server from 2.12 on takes up to 1,000 messages as one atomic batch, with one answer for all of
/// them; all are stored or none. The sink publishes so where the stream allows it. A stream that
/// the sink makes does; for another stream, `allow_atomic` is to be set. In a cluster, no batch may
/// be used until each server is 2.12 or later: an older one that comes to lead the stream takes the
/// messages of a batch one by one, and all but the first without the fence. Until then, make the
/// stream before the sink does, without `allow_atomic`.
///
/// `Nats-Msg-Id` plays no part. The server keeps one window of those for a whole stream, so two
/// feeds whose ids are milliseconds would swallow each other's events; and the window ends.
///
/// The subject's last message says where a feed stands. A message that somebody deletes there
/// therefore comes again, with those that were deleted before it; to a server such as 2.9.10 the
/// subject is then empty. A subject whose messages are all gone, by the stream's limits, has 0 as
/// its last sequence. The position therefore also stands in a bucket (`restless-positions`), which
/// counts where the subject is empty, and nowhere else: the bucket may be behind the stream by what
/// was stored just before a crash, and ahead of a stream that a power failure has cut, or that an
/// older backup was restored into. A feed begins anew once its entry and all its messages are
/// deleted.
///
/// The stream's retention has to be by limits; a stream that forgets what is acknowledged
/// (`workqueue`, `interest`) is refused. The limits have to outlast the longest downtime: where a
/// worker ends between a message and its position, and the subject is empty before another worker
/// comes, that batch is stored again.
///
/// A message is stored once the server says so. What a server keeps when its power fails depends on
/// its `sync_interval` (2 minutes unless set) and on the stream's replicas. A process that is
/// killed loses nothing.
///
/// The sink wants a tokio runtime, as its client does.
#[derive(Clone)]
pub struct Nats {
    client: async_nats::Client,
    stream: String,
    subjects: String,
    bucket: String,
    replicas: usize,
    /// How long the server may take to answer.
    answer: Duration,
    open: Option<Open>,
    feeds: HashMap<Arc<str>, Known>,
}

/// What was found or made on the server.
#[derive(Clone)]
struct Open {
    context: Context,
    stream: Stream,
    positions: Store,
    answer: Duration,
    /// Whether the stream takes messages as one atomic batch.
    takes_batches: bool,
}

/// What is known of a feed, until the server says otherwise.
#[derive(Clone, Debug)]
struct Known {
    position: Position,
    /// The sequence in the stream of the subject's last message; 0 for a subject without one.
    last: u64,
    /// The revision of the position in the bucket; 0 where the bucket has none.
    revision: u64,
}

const SEQUENCE: &str = "Restless-Sequence";
const CURSOR: &str = "Restless-Cursor";
const EVENT_ID: &str = "Restless-Event-Id";
const DEAD: &str = "Restless-Dead";

/// How long a server may take to answer to a question, to a message, or to an atomic batch.
const ANSWER: Duration = Duration::from_secs(30);

/// How long a first connection is waited for until that is told as trouble.
const CONNECT: Duration = Duration::from_secs(1);

/// The most that a message needs beside its content: a cursor and an id of 4 KiB, percent-encoded,
/// and a reason.
const MOST_HEADER_BYTES: usize = 32 << 10;

impl Nats {
    /// Makes a store by this connection. The server is first asked at the first step; what is
    /// missing there is made then, a stream and a bucket in files.
    pub fn new(client: async_nats::Client) -> Self {
        Self {
            client,
            stream: "RESTLESS".to_owned(),
            subjects: "restless.feeds".to_owned(),
            bucket: "restless-positions".to_owned(),
            replicas: 1,
            answer: ANSWER,
            open: None,
            feeds: HashMap::new(),
        }
    }

    /// Stores into the stream of this name. Default: `RESTLESS`. A stream that is there already is
    /// taken as it is, with its limits and replicas, unless its retention is not by limits.
    #[must_use]
    pub fn stream(mut self, name: impl Into<String>) -> Self {
        self.stream = name.into();
        self
    }

    /// Sets the beginning of the subjects. Default: `restless.feeds`.
    #[must_use]
    pub fn subjects(mut self, beginning: impl Into<String>) -> Self {
        self.subjects = beginning.into();
        self
    }

    /// Keeps positions in the bucket of this name. Default: `restless-positions`.
    #[must_use]
    pub fn bucket(mut self, name: impl Into<String>) -> Self {
        self.bucket = name.into();
        self
    }

    /// Sets how many servers have a copy of what the sink makes. Default: 1.
    #[must_use]
    pub fn replicas(mut self, count: usize) -> Self {
        self.replicas = count.max(1);
        self
    }

    async fn open(&mut self) -> Result<&Open, SinkError> {
        if self.open.is_none() {
            self.open = Some(within(self.answer, self.make()).await?);
        }
        self.open.as_ref().ok_or_else(|| SinkError::may_pass("no connection to NATS"))
    }

    /// Asks for the stream and the bucket, and makes what is missing.
    async fn make(&self) -> Result<Open, SinkError> {
        // A client that connects for the first time has not heard yet what the server can do: the
        // stream would be made as for the oldest one.
        let connected = async {
            let flushed = self.client.flush().await;
            flushed.map_err(|e| away("no connection to", e))
        };
        within(self.answer.min(CONNECT), connected).await?;
        let context = jetstream::new(self.client.clone());
        let config = stream::Config {
            name: self.stream.clone(),
            subjects: vec![format!("{}.*", self.subjects)],
            num_replicas: self.replicas,
            allow_atomic_publish: self.client.is_server_compatible(2, 12, 0),
            ..stream::Config::default()
        };
        let stream = context.get_or_create_stream(config).await;
        let stream = stream.map_err(|e| away("the stream of", e))?;
        let config = &stream.cached_info().config;
        let retention = match config.retention {
            RetentionPolicy::Limits => None,
            RetentionPolicy::Interest => Some("interest"),
            RetentionPolicy::WorkQueue => Some("workqueue"),
        };
        if let Some(retention) = retention {
            let what = format!(
                "the stream {} of NATS has `retention: {retention}`, and forgets with a message \
                 where its feed stands: name a stream with `retention: limits`, or delete this \
                 one and make it anew",
                self.stream
            );
            return Err(SinkError::will_not_pass(what));
        }
        let takes_batches = config.allow_atomic_publish;
        let bucket = Bucket {
            name: &self.bucket,
            max_age: Duration::ZERO,
            storage: StorageType::File,
            replicas: self.replicas,
        };
        let positions = bucket.open(&context).await?;
        Ok(Open { context, stream, positions, answer: self.answer, takes_batches })
    }

    fn subject(&self, feed: &str) -> Result<String, SinkError> {
        Ok(format!("{}.{}", self.subjects, names::token(feed)?))
    }

    /// Asks what the server has of a feed.
    async fn look(&mut self, feed: &str) -> Result<Known, SinkError> {
        let (subject, key) = (self.subject(feed)?, names::token(feed)?);
        let open = self.open().await?;
        // The bucket is read first, although it is written second: where the subject is found
        // empty, what was noted before is then of a message that has gone.
        let entry = format!("{}{key}", open.positions.prefix);
        let entry = open.last_of(&open.positions.stream, &entry).await?;
        let message = open.last_of(&open.stream, &subject).await?;
        let position = match (&message, &entry) {
            (Some(message), _) => position_of(message)?,
            (None, Some(entry)) => position_noted(entry)?,
            (None, None) => Position::default(),
        };
        let sequence = |last: &Option<StreamMessage>| last.as_ref().map_or(0, |it| it.sequence);
        Ok(Known { position, last: sequence(&message), revision: sequence(&entry) })
    }

    /// Notes a position in the bucket, unless a later one stands there.
    async fn note(&mut self, feed: &str, known: &mut Known) -> Result<(), SinkError> {
        let key = names::token(feed)?;
        let value = note_of(&known.position);
        let open = self.open().await?;
        loop {
            let updated = open.positions.update(&key, value.clone(), known.revision).await;
            match updated {
                Ok(revision) => {
                    known.revision = revision;
                    return Ok(());
                }
                Err(error) if is_behind(&error) => {
                    let entry = format!("{}{key}", open.positions.prefix);
                    let entry = open.last_of(&open.positions.stream, &entry).await?;
                    known.revision = entry.as_ref().map_or(0, |entry| entry.sequence);
                    // What can't be read is written over: it is no later position.
                    let noted = entry.and_then(|entry| position_noted(&entry).ok());
                    if noted.unwrap_or_default().sequence >= known.position.sequence {
                        return Ok(());
                    }
                }
                Err(error) => return Err(away("noting the position in", error)),
            }
        }
    }

    /// Returns the most bytes of content that a message may have here.
    fn most_content_bytes(&self) -> usize {
        let most = self.most_message_bytes();
        most.saturating_sub(MOST_HEADER_BYTES).max(most / 2)
    }

    /// Returns the most bytes that a message may have here, its headers among them.
    fn most_message_bytes(&self) -> usize {
        let of_server = self.client.server_info().max_payload;
        let of_stream = self.open.as_ref().map(|open| open.stream.cached_info());
        let of_stream = of_stream.map(|info| info.config.max_message_size);
        let of_stream = of_stream.and_then(|most| usize::try_from(most).ok());
        let limits = [Some(of_server), of_stream].into_iter().flatten().filter(|most| *most > 0);
        limits.min().unwrap_or(1 << 20)
    }
}

impl Sink for Nats {
    async fn position(&mut self, feed: &str) -> Result<Position, SinkError> {
        let known = self.look(feed).await?;
        let position = known.position.clone();
        self.feeds.insert(feed.into(), known);
        Ok(position)
    }

    async fn store(&mut self, batch: Arc<Batch>) -> Result<Stored, SinkError> {
        let expected = batch.expected.sequence;
        let known = self.feeds.remove(&batch.feed);
        let known = known.filter(|known| known.position.sequence == expected && known.last > 0);
        let mut known = match known {
            Some(known) => known,
            // Without a message on the subject, its sequence is no fence against a worker that is
            // far behind: the bucket is the fence.
            None => self.look(&batch.feed).await?,
        };
        if known.position.sequence != expected {
            return Ok(Stored::Moved);
        }
        let stored = self.publish(&batch, &mut known).await?;
        if stored == Stored::Stored {
            self.note(&batch.feed, &mut known).await?;
            self.feeds.insert(Arc::clone(&batch.feed), known);
        }
        Ok(stored)
    }

    fn most_record_bytes(&self) -> Option<usize> {
        Some(self.most_content_bytes())
    }
}

impl Open {
    /// Returns the last message of a subject.
    async fn last_of(
        &self,
        stream: &Stream,
        subject: &str,
    ) -> Result<Option<StreamMessage>, SinkError> {
        let asked = async {
            match stream.get_last_raw_message_by_subject(subject).await {
                Ok(message) => Ok(Some(message)),
                Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
                Err(error) => Err(away("reading from", error)),
            }
        };
        within(self.answer, asked).await
    }
}

/// Waits for an answer for so long. The client's own deadlines begin once a question is sent, and
/// sending has none while the client connects again.
async fn within<T>(
    span: Duration,
    asked: impl Future<Output = Result<T, SinkError>>,
) -> Result<T, SinkError> {
    let answered = tokio::time::timeout(span, asked).await;
    answered.unwrap_or_else(|_| Err(SinkError::may_pass("NATS does not answer")))
}

fn header<'a>(message: &'a StreamMessage, name: &str) -> Option<&'a str> {
    message.headers.get(name).map(async_nats::HeaderValue::as_str)
}

fn position_of(message: &StreamMessage) -> Result<Position, SinkError> {
    let number = header(message, SEQUENCE).and_then(|number| number.parse().ok());
    let Some(number) = number else {
        let what = format!("message {} of subject {}", message.sequence, message.subject);
        return Err(SinkError::will_not_pass(format!("{what} is none of a relay's")));
    };
    let cursor = header(message, CURSOR).or_else(|| header(message, EVENT_ID));
    Ok(Position::new(number, cursor.and_then(names::text)))
}

/// Makes a position a value for the bucket: its number, and the cursor where there is one.
fn note_of(position: &Position) -> Bytes {
    match &position.cursor {
        Some(cursor) => format!("{} {}", position.sequence, names::value(cursor)).into(),
        None => position.sequence.to_string().into(),
    }
}

/// Returns the position that an entry of the bucket notes; an entry that was deleted notes none.
fn position_noted(entry: &StreamMessage) -> Result<Position, SinkError> {
    let is_deleted = matches!(header(entry, "KV-Operation"), Some("DEL" | "PURGE"));
    if is_deleted || header(entry, "Nats-Marker-Reason").is_some() {
        return Ok(Position::default());
    }
    noted(&entry.payload).ok_or_else(|| {
        let what = format!("the entry {} of NATS notes no position of a relay's", entry.subject);
        SinkError::will_not_pass(what)
    })
}

fn noted(value: &[u8]) -> Option<Position> {
    let text = std::str::from_utf8(value).ok()?;
    let (number, cursor) = match text.split_once(' ') {
        Some((number, cursor)) => (number, Some(names::text(cursor)?)),
        None => (text, None),
    };
    Some(Position::new(number.parse().ok()?, cursor))
}

/// Whether the server says that another message is the last of its subject. The second code is that
/// of a server that has more messages of the subject on their way.
fn is_behind(error: &(dyn Error + 'static)) -> bool {
    let code = jetstream_error(error).map(jetstream::Error::error_code);
    matches!(
        code,
        Some(
            ErrorCode::STREAM_WRONG_LAST_SEQUENCE | ErrorCode::STREAM_WRONG_LAST_SEQUENCE_CONSTANT
        )
    )
}

/// What the server itself has answered.
fn jetstream_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a jetstream::Error> {
    let mut causes = std::iter::successors(Some(error), |&error| error.source());
    causes.find_map(|error| error.downcast_ref())
}

/// A server that is away, busy or full comes back.
fn away(what: &str, error: impl Error + Send + Sync + 'static) -> SinkError {
    SinkError::may_pass(format!("{what} NATS")).with_source(error)
}

impl fmt::Debug for Nats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nats")
            .field("stream", &self.stream)
            .field("subjects", &self.subjects)
            .field("bucket", &self.bucket)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpListener;
    use std::pin::pin;
    use std::task::Poll;

    use async_nats::jetstream::context::{PublishError, PublishErrorKind};
    use async_nats::jetstream::kv::UpdateError;

    use super::*;

    #[test]
    fn both_codes_say_that_another_message_is_the_last() {
        for (code, due) in [(10071, true), (10164, true), (10054, false)] {
            let said = format!(r#"{{"code":400,"err_code":{code},"description":"no"}}"#);
            let said: jetstream::Error = serde_json::from_str(&said).unwrap();
            let error = PublishError::with_source(PublishErrorKind::Other, said);
            assert_eq!(is_behind(&error), due, "{code}");
            assert_eq!(is_behind(&UpdateError::from(error)), due, "{code}, of a bucket");
        }
        assert!(!is_behind(&PublishError::new(PublishErrorKind::TimedOut)));
    }

    /// The client's own deadlines begin once a question is sent.
    #[tokio::test]
    async fn a_server_that_is_not_there_is_waited_for_as_long_as_for_an_answer() {
        let options = async_nats::ConnectOptions::new().client_capacity(1).request_timeout(None);
        let nowhere = options.retry_on_initial_connect().connect("nats://127.0.0.1:9").await;
        let mut sink = Nats::new(nowhere.unwrap());
        sink.answer = Duration::from_millis(10);
        for _ in 0..3 {
            let error = sink.position("orders").await.unwrap_err();
            assert!(error.is_transient(), "{error}");
        }
    }

    /// What the server can do is known once it has said so, and the stream is made for good.
    #[tokio::test]
    async fn a_stream_made_by_a_client_that_still_connects_takes_atomic_batches() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("nats://{}", listener.local_addr().unwrap());
        let options = async_nats::ConnectOptions::new().retry_on_initial_connect();
        let mut sink = Nats::new(options.connect(url).await.unwrap());
        let mut asked = pin!(async {
            loop {
                if let Ok(position) = sink.position("orders").await {
                    return position;
                }
            }
        });
        // The sink has been asked before the server has said a word.
        assert!(poll_fn(|cx| Poll::Ready(asked.as_mut().poll(cx).is_pending())).await);
        let made = tokio::task::spawn_blocking(move || asked_to_make(&listener));
        let made = tokio::select! {
            made = made => made.unwrap(),
            position = asked => panic!("{position:?}"),
        };
        assert_eq!(made["allow_atomic"], true, "{made}");
    }

    /// A server that has no stream: returns what it is asked to make.
    fn asked_to_make(listener: &TcpListener) -> serde_json::Value {
        let mut socket = listener.accept().unwrap().0;
        let info = r#"{"server_id":"S","version":"2.12.0","max_payload":1048576,"headers":true}"#;
        write!(socket, "INFO {info}\r\n").unwrap();
        let mut sid = String::new();
        let mut lines = BufReader::new(socket.try_clone().unwrap()).lines().map(Result::unwrap);
        while let Some(line) = lines.next() {
            let words: Vec<_> = line.split(' ').collect();
            match words[..] {
                ["PING"] => write!(socket, "PONG\r\n").unwrap(),
                ["SUB", _, number] => sid = number.to_owned(),
                ["PUB", subject, _, _] if subject.contains("STREAM.CREATE") => {
                    return serde_json::from_str(&lines.next().unwrap()).unwrap();
                }
                ["PUB", _, reply, _] => {
                    let none = r#"{"error":{"code":404,"err_code":10059,"description":"none"}}"#;
                    write!(socket, "MSG {reply} {sid} {}\r\n{none}\r\n", none.len()).unwrap();
                }
                _ => {}
            }
        }
        panic!("nothing was to be made");
    }

    #[test]
    fn a_noted_position_comes_back() {
        for cursor in [None, Some("a b\n".to_owned())] {
            let position = Position::new(7, cursor);
            assert_eq!(noted(&note_of(&position)), Some(position));
        }
        assert_eq!(noted(b"x 7"), None);
    }
}
