//! Publishing a batch, at the place in its subject where it belongs.

use std::error::Error as _;

use async_nats::HeaderMap;
use async_nats::header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE;
use async_nats::jetstream::context::{PublishAckFuture, PublishError, PublishErrorKind};
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::{self, ErrorCode};
use bytes::Bytes;

use super::{CURSOR, DEAD, EVENT_ID, Known, Nats, SEQUENCE, away, header, last_of, names};
use super::{Open, position_of};
use crate::{Batch, Content, Position, Record, SinkError, Stored};

/// The most that is kept of a reason, in bytes before encoding.
const MOST_REASON_BYTES: usize = 1024;

/// The most messages of one atomic batch, a limit of the server's.
const MOST_AT_ONCE: usize = 1000;

/// Of a message in an atomic batch: which batch, which place in it from 1 on, and that it is the
/// last.
const BATCH_ID: &str = "Nats-Batch-Id";
const BATCH_SEQUENCE: &str = "Nats-Batch-Sequence";
const BATCH_COMMIT: &str = "Nats-Batch-Commit";

/// One message to publish.
struct Message<'a> {
    number: u64,
    record: &'a Record,
    headers: HeaderMap,
    content: Bytes,
}

/// What the server made of a message, or of a batch.
enum Published {
    /// It is the subject's last, with this sequence.
    Last(u64),
    /// Another message is the subject's last.
    Moved,
}

impl Nats {
    /// Publishes a batch from what is known of its feed.
    pub(super) async fn publish(
        &mut self,
        batch: &Batch,
        known: &mut Known,
    ) -> Result<Stored, SinkError> {
        let (subject, most) = (self.subject(&batch.feed)?, self.most_content_bytes());
        let client = self.client.clone();
        let open = self.open().await?;
        let mut messages = Vec::with_capacity(batch.records.len());
        for (index, (number, record)) in batch.numbered().enumerate() {
            let message = Message::new(number, record, most);
            if message.content.len() > most {
                let what = format!("{} bytes, and NATS takes {most}", message.content.len());
                return Err(SinkError::record(index, what));
            }
            messages.push(message);
        }
        for (part, messages) in messages.chunks(MOST_AT_ONCE).enumerate() {
            let at_once = match messages {
                // The connection may lead to an older server by now, which would store each message
                // of a batch by itself, without a fence.
                [_, _, ..] if open.takes_batches && client.is_server_compatible(2, 12, 0) => {
                    open.publish_at_once(&client, &subject, messages, known.last).await?
                }
                _ => None,
            };
            let published = match at_once {
                Some(sequence) => Published::Last(sequence),
                None => {
                    let first = part * MOST_AT_ONCE;
                    open.publish_each(&subject, messages, known.last, first).await?
                }
            };
            match published {
                Published::Last(sequence) => known.last = sequence,
                Published::Moved => return Ok(Stored::Moved),
            }
        }
        known.position = batch.position();
        Ok(Stored::Stored)
    }
}

impl Open {
    /// Publishes messages one by one, the first behind the message with the sequence `last`. The
    /// first is the record at `first` of its batch.
    async fn publish_each(
        &self,
        subject: &str,
        messages: &[Message<'_>],
        mut last: u64,
        first: usize,
    ) -> Result<Published, SinkError> {
        for (index, message) in (first..).zip(messages) {
            let headers = message.behind(last);
            let content = message.content.clone();
            let sent = self.context.publish_with_headers(subject.to_owned(), headers, content);
            match self.answer(subject, sent.await, message).await? {
                Ok(Published::Last(sequence)) => last = sequence,
                Ok(Published::Moved) => return Ok(Published::Moved),
                Err(error) if is_about_size(&error) => {
                    let refused = SinkError::record(index, "NATS does not take it");
                    return Err(refused.with_source(error));
                }
                Err(error) => return Err(away("publishing to", error)),
            }
        }
        Ok(Published::Last(last))
    }

    /// Publishes messages as one atomic batch, and returns the sequence of the last. `None` says
    /// that the server has refused the batch, and stored nothing of it: publishing each one then
    /// tells the reason.
    async fn publish_at_once(
        &self,
        client: &async_nats::Client,
        subject: &str,
        messages: &[Message<'_>],
        last: u64,
    ) -> Result<Option<u64>, SinkError> {
        let Some((commit, before)) = messages.split_last() else { return Ok(None) };
        // An inbox's name is unique, behind the dot that no id of a batch has.
        let inbox = client.new_inbox();
        let id = inbox.rsplit('.').next().unwrap_or_default();
        let headers = |message: &Message<'_>, place: usize| {
            // The place of the whole batch is that of its first message.
            let mut headers = match place {
                1 => message.behind(last),
                _ => message.headers.clone(),
            };
            headers.insert(BATCH_ID, id);
            headers.insert(BATCH_SEQUENCE, place.to_string().as_str());
            headers
        };
        for (place, message) in (1..).zip(before) {
            let (headers, content) = (headers(message, place), message.content.clone());
            // A refusal is told in the answer to the last one.
            let sent = client.publish_with_headers(subject.to_owned(), headers, content);
            sent.await.map_err(|error| away("publishing to", error))?;
        }
        let mut headers = headers(commit, messages.len());
        headers.insert(BATCH_COMMIT, "1");
        let content = commit.content.clone();
        let sent = self.context.publish_with_headers(subject.to_owned(), headers, content);
        match self.answer(subject, sent.await, commit).await? {
            Ok(Published::Last(sequence)) => Ok(Some(sequence)),
            Ok(Published::Moved) => Ok(None),
            Err(error) if jetstream_error(&error).is_some() => Ok(None),
            Err(error) => Err(away("publishing to", error)),
        }
    }

    /// What became of a message, which may have been stored before: then it is the subject's last.
    async fn answer(
        &self,
        subject: &str,
        sent: Result<PublishAckFuture, PublishError>,
        message: &Message<'_>,
    ) -> Result<Result<Published, PublishError>, SinkError> {
        let answer = match sent {
            Ok(answer) => answer.await,
            Err(error) => Err(error),
        };
        Ok(match answer {
            Ok(stored) => Ok(Published::Last(stored.sequence)),
            Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => {
                match last_of(&self.stream, subject).await? {
                    Some(last) if message.is(&last) => Ok(Published::Last(last.sequence)),
                    Some(_) | None => Ok(Published::Moved),
                }
            }
            Err(error) => Err(error),
        })
    }
}

impl<'a> Message<'a> {
    /// Makes a message of a record, with at most `most` bytes of a dead letter's content.
    fn new(number: u64, record: &'a Record, most: usize) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(SEQUENCE, number.to_string().as_str());
        let mut cursor = record.cursor.as_deref();
        let content = match &record.content {
            Content::Event(event) => {
                // An id that is longer than any cursor is in the content alone.
                if let Some(id) = event.event_id().filter(|id| !id.is_empty() && id.len() <= 4096) {
                    headers.insert(EVENT_ID, &*names::value(id));
                    // The cursor nearly always is the id.
                    cursor = cursor.filter(|cursor| *cursor != id);
                }
                Bytes::copy_from_slice(event.raw().as_bytes())
            }
            Content::Dead(letter) => {
                let reason = letter.reason.char_indices();
                let reason = reason.take_while(|(at, _)| *at < MOST_REASON_BYTES).map(|(_, c)| c);
                headers.insert(DEAD, &*names::value(&reason.collect::<String>()));
                letter.data.slice(..letter.data.len().min(most))
            }
        };
        if let Some(cursor) = cursor {
            headers.insert(CURSOR, &*names::value(cursor));
        }
        Self { number, record, headers, content }
    }

    /// Its headers, for a message that is to stand right behind the one with the sequence `last`.
    fn behind(&self, last: u64) -> HeaderMap {
        let mut headers = self.headers.clone();
        headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, last.to_string().as_str());
        headers
    }

    /// Whether a stored message is this one.
    fn is(&self, stored: &StreamMessage) -> bool {
        let position = position_of(stored).ok();
        let is_dead = header(stored, DEAD).is_some();
        position == Some(Position::new(self.number, self.record.cursor.clone()))
            && is_dead == self.record.event().is_none()
            && stored.payload == self.content
    }
}

/// What the server itself has answered.
fn jetstream_error(error: &PublishError) -> Option<&jetstream::Error> {
    error.source().and_then(|source| source.downcast_ref())
}

/// Whether the server refused a message for its size.
fn is_about_size(error: &PublishError) -> bool {
    let code = jetstream_error(error).map(jetstream::Error::error_code);
    code == Some(ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM)
}
