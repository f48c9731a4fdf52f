//! Publishing a batch, at the place in its subject where it belongs.

use async_nats::header::{NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_EXPECTED_STREAM};
use async_nats::jetstream::context::{PublishAckFuture, PublishError};
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::{self, ErrorCode};
use async_nats::{HeaderMap, Request};
use bytes::Bytes;
use serde_json::Value;

use super::{CURSOR, DEAD, EVENT_ID, Known, Nats, SEQUENCE, away, header, is_behind, names};
use super::{Open, jetstream_error, position_of, within};
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

/// What a message's headers may need beside its own: those of the place and of an atomic batch, and
/// the stream's name of up to 255 bytes.
const FENCE_BYTES: usize = 512;

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
        let (subject, client) = (self.subject(&batch.feed)?, self.client.clone());
        self.open().await?;
        let (most, whole) = (self.most_content_bytes(), self.most_message_bytes());
        let open = self.open().await?;
        let mut messages = Vec::with_capacity(batch.records.len());
        for (index, (number, record)) in batch.numbered().enumerate() {
            let message = Message::new(number, record, most, whole);
            // A server closes the connection of who sends it more than it takes.
            let (content, headers) = (message.content.len(), message.header_bytes());
            if content > most || content + headers > whole {
                let what = format!(
                    "{content} bytes and {headers} of headers, and NATS takes {most}, and {whole} \
                     of both"
                );
                return Err(SinkError::record(index, what));
            }
            messages.push(message);
        }
        for (part, messages) in messages.chunks(MOST_AT_ONCE).enumerate() {
            let at_once = match messages {
                // The connection may lead to an older server by now, which would store each message
                // of a batch by itself, without a fence.
                [_, _, ..] if open.takes_batches && client.is_server_compatible(2, 12, 0) => {
                    let sent = open.publish_at_once(&client, &subject, messages, known.last);
                    within(open.answer, sent).await?
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
            let headers = message.behind(last, self.name());
            let content = message.content.clone();
            let sent = self.context.publish_with_headers(subject.to_owned(), headers, content);
            match self.answer(subject, sent.await, message).await? {
                Ok(Published::Last(sequence)) => last = sequence,
                Ok(Published::Moved) => return Ok(Published::Moved),
                Err(error) if is_about_size(&error) => {
                    let refused = SinkError::record(index, "NATS does not take it");
                    return Err(refused.with_source(error));
                }
                Err(error) if is_of_another_stream(&error) => {
                    let what = format!(
                        "{subject} is a subject of another stream in NATS, and not of {}: one of \
                         both has to be named otherwise",
                        self.name()
                    );
                    return Err(SinkError::will_not_pass(what).with_source(error));
                }
                Err(error) => return Err(away("publishing to", error)),
            }
        }
        Ok(Published::Last(last))
    }

    /// Publishes messages as one atomic batch, and returns the sequence of the last. `None` says
    /// that the server has refused the batch, and stored nothing of it: publishing each one then
    /// tells the reason. Waits without an end where the client has no connection.
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
                1 => message.behind(last, self.name()),
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
        let request = Request::new().headers(headers).payload(commit.content.clone());
        // The caller has a deadline for the whole of it.
        let answer = client.send_request(subject.to_owned(), request.timeout(None)).await;
        let answer = answer.map_err(|error| away("publishing to", error))?;
        // What is not answered as a batch may be stored in part, or twice over: the position is
        // then to be read anew.
        committed(&answer.payload, self.name(), id, messages.len(), last)
            .map_err(|why| SinkError::may_pass(format!("NATS answered to a batch {why}")))
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
            Err(error) if is_behind(&error) => match self.last_of(&self.stream, subject).await? {
                Some(last) if message.is(&last) => Ok(Published::Last(last.sequence)),
                Some(_) | None => Ok(Published::Moved),
            },
            Err(error) => Err(error),
        })
    }

    /// Returns the stream's name.
    fn name(&self) -> &str {
        &self.stream.cached_info().config.name
    }
}

impl<'a> Message<'a> {
    /// Makes a message of a record, with at most `most` bytes of a dead letter's content, and
    /// `whole` of the headers too.
    fn new(number: u64, record: &'a Record, most: usize, whole: usize) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(SEQUENCE, number.to_string().as_str());
        let mut cursor = record.cursor.as_deref();
        let mut content = match &record.content {
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
                letter.data.clone()
            }
        };
        if let Some(cursor) = cursor {
            headers.insert(CURSOR, &*names::value(cursor));
        }
        if record.event().is_none() {
            let room = whole.saturating_sub(bytes_of(&headers) + FENCE_BYTES);
            content.truncate(most.min(room));
        }
        Self { number, record, headers, content }
    }

    /// Returns how many bytes its headers take at most.
    fn header_bytes(&self) -> usize {
        bytes_of(&self.headers) + FENCE_BYTES
    }

    /// Its headers, for a message that is to stand right behind the one with the sequence `last`,
    /// in the stream of this name.
    fn behind(&self, last: u64, stream: &str) -> HeaderMap {
        let mut headers = self.headers.clone();
        headers.insert(NATS_EXPECTED_STREAM, stream);
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

/// Returns how many bytes these headers are on the wire: a version, and a line for each.
fn bytes_of(headers: &HeaderMap) -> usize {
    let line = |name: &str, value: &str| name.len() + value.len() + ": \r\n".len();
    let fields = headers.iter().flat_map(|(name, values)| {
        let name: &str = name.as_ref();
        values.iter().map(move |value| line(name, value.as_str()))
    });
    "NATS/1.0\r\n\r\n".len() + fields.sum::<usize>()
}

/// Reads the answer to an atomic batch of so many messages behind `last`: the sequence of the last,
/// or `None` where the server has refused the batch and stored nothing of it.
///
/// # Errors
///
/// Where the answer is to something else than this batch.
fn committed(
    answer: &[u8],
    stream: &str,
    id: &str,
    count: usize,
    last: u64,
) -> Result<Option<u64>, String> {
    let answer: Value = serde_json::from_slice(answer).map_err(|_| "in no JSON".to_owned())?;
    if answer.get("error").is_some_and(|error| !error.is_null()) {
        return Ok(None);
    }
    let text = |name: &str| answer.get(name).and_then(Value::as_str);
    let number = |name: &str| answer.get(name).and_then(Value::as_u64);
    let sequence = number("seq").filter(|sequence| {
        let least = u64::try_from(count).ok().and_then(|count| last.checked_add(count));
        least.is_some_and(|least| *sequence >= least)
    });
    let is_whole = number("count").is_some_and(|it| usize::try_from(it) == Ok(count));
    match sequence {
        Some(sequence)
            if is_whole && text("batch") == Some(id) && text("stream") == Some(stream) =>
        {
            Ok(Some(sequence))
        }
        _ => Err(format!("of {count} messages behind {last} otherwise: {answer}")),
    }
}

/// Whether the server refused a message for its size.
fn is_about_size(error: &PublishError) -> bool {
    let code = jetstream_error(error).map(jetstream::Error::error_code);
    code == Some(ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM)
}

/// Whether another stream refused a message that was not for it.
fn is_of_another_stream(error: &PublishError) -> bool {
    let code = jetstream_error(error).map(jetstream::Error::error_code);
    code == Some(ErrorCode::STREAM_NOT_MATCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_to_another_batch_moves_nothing() {
        let read = |answer: &str| committed(answer.as_bytes(), "RESTLESS", "b", 3, 7);
        let good = r#"{"stream":"RESTLESS","seq":12,"batch":"b","count":3}"#;
        assert_eq!(read(good), Ok(Some(12)));
        let refused = r#"{"error":{"code":400,"err_code":10071},"stream":"RESTLESS","seq":0}"#;
        assert_eq!(read(refused), Ok(None));
        for (what, from, to) in [
            ("another stream", "RESTLESS", "OTHERS"),
            ("fewer messages", "\"count\":3", "\"count\":2"),
            ("another batch", "\"b\",", "\"c\","),
            ("a sequence that has no room for it", "12", "9"),
            ("a message, by a server that knows no batches", ",\"batch\":\"b\",\"count\":3", ""),
            ("no JSON", "{", ""),
        ] {
            assert!(read(&good.replace(from, to)).is_err(), "{what}");
        }
    }

    #[test]
    fn headers_are_counted_as_they_are_on_the_wire() {
        let mut headers = HeaderMap::new();
        headers.insert("A", "bc");
        headers.insert("D", "");
        assert_eq!(bytes_of(&headers), "NATS/1.0\r\nA: bc\r\nD: \r\n\r\n".len());
    }
}
