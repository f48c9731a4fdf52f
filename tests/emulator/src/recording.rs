//! A feed as it was recorded: what came, and when.

use std::io::{self, BufRead, Read as _, Write};
use std::time::Duration;

use bytes::Bytes;
use restless_proto::event::Envelope;
use serde::{Deserialize, Serialize};

use crate::sse;

/// The longest line of a recording, in bytes.
pub(crate) const MAX_LINE_BYTES: u64 = 64 * 1024 * 1024;

/// The content of an event stream in the pieces that it came in, and the pause before each.
///
/// A file has one JSON object a line, of the same shape as a piece of the fault `recording` over
/// HTTP: `{"pause_ms":20,"content":"id: 1\n"}`. The content is a string, or an array of bytes where
/// it is no UTF-8. A [`Recorder`] writes such a file.
///
/// ```
/// use restless_emulator::{Emulator, Fault, Recorder, Recording};
/// use std::time::Duration;
///
/// let mut recorder = Recorder::new(Vec::new());
/// recorder.content(Duration::ZERO, b"id: 1\n")?;
/// recorder.content(Duration::from_millis(20), b"data: {}\n\n")?;
///
/// let recording = Recording::read(&*recorder.into_inner())?.at_speed(10.0);
/// assert_eq!(recording.duration(), Duration::from_millis(2));
///
/// // For everybody who connects to an event stream, whatever its id; then silence.
/// let emulator = Emulator::start()?;
/// emulator.inject(Fault::replay(recording).then_stall().times(usize::MAX));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recording {
    pieces: Vec<(Duration, Bytes)>,
}

impl Recording {
    /// Reads the lines of a file; an empty line says nothing.
    ///
    /// # Errors
    ///
    /// [`RecordingError`], where a line is malformed, is longer than 64 MiB, or can't be read.
    pub fn read(mut from: impl BufRead) -> Result<Self, RecordingError> {
        let mut pieces = Vec::new();
        for line in 1_u64.. {
            let mut text = String::new();
            let length = (&mut from).take(MAX_LINE_BYTES + 1).read_line(&mut text)?;
            if length == 0 {
                break;
            }
            if length as u64 > MAX_LINE_BYTES {
                let why = format!("it is longer than {MAX_LINE_BYTES} bytes");
                return Err(RecordingError::Line { line, why });
            }
            if text.trim().is_empty() {
                continue;
            }
            let piece: Piece = serde_json::from_str(&text)
                .map_err(|error| RecordingError::Line { line, why: error.to_string() })?;
            pieces.push(piece.into());
        }
        Ok(Self { pieces })
    }

    /// Divides the pauses by `speed`: 2 is twice as fast, infinity is without a pause. A `speed`
    /// that is no number above 0 counts as 1.
    #[must_use]
    pub fn at_speed(mut self, speed: f64) -> Self {
        let speed = if speed > 0.0 { speed } else { 1.0 };
        for (pause, _) in &mut self.pieces {
            let seconds = pause.as_secs_f64() / speed;
            *pause = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        }
        self
    }

    /// Returns how long the recording takes.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.pieces.iter().fold(Duration::ZERO, |sum, (pause, _)| sum.saturating_add(*pause))
    }
}

/// Gives the pause before each piece, and the piece's content.
impl IntoIterator for Recording {
    type Item = (Duration, Bytes);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.pieces.into_iter()
    }
}

/// Gives a recording of these pauses and pieces.
impl<C: Into<Bytes>> FromIterator<(Duration, C)> for Recording {
    fn from_iter<I: IntoIterator<Item = (Duration, C)>>(pieces: I) -> Self {
        let pieces = pieces.into_iter().map(|(pause, piece)| (pause, piece.into()));
        Self { pieces: pieces.collect() }
    }
}

/// Writes a recording, a line for each piece: a file can be read up to where its recorder stopped.
///
/// A program that writes a recording hides the recording's keys first.
#[derive(Debug)]
pub struct Recorder<W> {
    to: W,
    /// The milliseconds up to the last piece. A pause counts in whole ones, and what is cut off
    /// from one pause is in the next.
    written_ms: u64,
}

impl<W: Write> Recorder<W> {
    /// Begins a recording.
    pub fn new(to: W) -> Self {
        Self { to, written_ms: 0 }
    }

    /// Writes a piece of an event stream, which came so long after the beginning.
    ///
    /// # Errors
    ///
    /// The error that the file gives.
    pub fn content(&mut self, at: Duration, content: &[u8]) -> io::Result<()> {
        let content = match std::str::from_utf8(content) {
            Ok(text) => Content::Text(text.to_owned()),
            Err(_) => Content::Bytes(content.to_vec()),
        };
        let at_ms = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
        let pause_ms = at_ms.saturating_sub(self.written_ms);
        self.written_ms += pause_ms;
        let mut line = serde_json::to_vec(&Piece { pause_ms, content })?;
        line.push(b'\n');
        self.to.write_all(&line)
    }

    /// Writes a text message of a WebSocket: as the event that has the message as its data, and the
    /// message's `event_id` as its id.
    ///
    /// # Errors
    ///
    /// The error that the file gives.
    pub fn message(&mut self, at: Duration, message: &str) -> io::Result<()> {
        let envelope = Envelope::parse(message).ok();
        let id = envelope.as_ref().and_then(|envelope| envelope.event_id());
        let id = id.filter(|id| !id.is_empty() && !id.contains(['\r', '\n', '\0']));
        self.content(at, &sse::event(id.as_deref(), message))
    }

    /// Writes a sign of life that is no event, such as a ping: as a comment.
    ///
    /// # Errors
    ///
    /// The error that the file gives.
    pub fn heartbeat(&mut self, at: Duration) -> io::Result<()> {
        self.content(at, &sse::HEARTBEAT)
    }

    /// Returns the file.
    pub fn into_inner(self) -> W {
        self.to
    }
}

/// A file that is no recording.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// The file can't be read.
    #[error("the recording can't be read")]
    Io(#[from] io::Error),
    /// A line is not what it should be.
    #[error("line {line} of the recording is no piece: {why}")]
    Line {
        /// The line's number, from 1.
        line: u64,
        /// What is wrong with the line.
        why: String,
    },
}

/// One piece in JSON.
#[derive(Serialize, Deserialize)]
pub(crate) struct Piece {
    pause_ms: u64,
    content: Content,
}

impl From<Piece> for (Duration, Bytes) {
    fn from(piece: Piece) -> Self {
        (Duration::from_millis(piece.pause_ms), piece.content.into())
    }
}

/// A content in JSON: a string, or an array of bytes where it is no text.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Content {
    Text(String),
    Bytes(Vec<u8>),
}

impl From<Content> for Bytes {
    fn from(content: Content) -> Self {
        match content {
            Content::Text(text) => text.into(),
            Content::Bytes(bytes) => bytes.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn what_is_written_is_read() {
        let pieces: [(Duration, &[u8]); 3] =
            [(ms(0), b"id: 1\n"), (ms(20), b"data: \xff\n"), (ms(3), "data: ä\n\n".as_bytes())];
        let mut recorder = Recorder::new(Vec::new());
        let mut at = ms(0);
        for (pause, content) in pieces {
            at += pause;
            recorder.content(at, content).expect("room");
        }
        let file = recorder.into_inner();
        assert!(file.starts_with(b"{\"pause_ms\":0,\"content\":\"id: 1\\n\"}\n"));
        let read = Recording::read(&*file).expect("a recording");
        assert_eq!(read.duration(), ms(23));
        let due = pieces.map(|(pause, content)| (pause, Bytes::from_static(content)));
        assert_eq!(read.into_iter().collect::<Vec<_>>(), due);
    }

    #[test]
    fn what_is_cut_off_from_one_pause_is_in_the_next() {
        let mut recorder = Recorder::new(Vec::new());
        for number in 1..=100 {
            recorder.content(Duration::from_micros(700) * number, b"x").expect("room");
        }
        let read = Recording::read(&*recorder.into_inner()).expect("a recording");
        assert_eq!(read.duration(), ms(70));
    }

    #[test]
    fn a_message_is_written_as_an_event_with_its_id() {
        let mut recorder = Recorder::new(Vec::new());
        let message = r#"{"type":"update","meta":{"timestamp":"x"},"data":1,"event_id":"7"}"#;
        recorder.message(ms(0), message).expect("room");
        recorder.message(ms(1), "no event").expect("room");
        recorder.heartbeat(ms(2)).expect("room");
        let read = Recording::read(&*recorder.into_inner()).expect("a recording");
        let texts: Vec<_> = read.into_iter().map(|(_, content)| content).collect();
        let event = format!("id: 7\ndata: {message}\n\n");
        assert_eq!(texts, [&*event, "data: no event\n\n", ": heartbeat\n\n"]);
    }

    #[test]
    fn speed_divides_the_pauses() {
        let recording =
            || Recording { pieces: vec![(ms(100), Bytes::new()), (ms(20), Bytes::new())] };
        for (speed, due) in
            [(2.0, 60), (0.5, 240), (f64::INFINITY, 0), (0.0, 120), (-1.0, 120), (f64::NAN, 120)]
        {
            assert_eq!(recording().at_speed(speed).duration(), ms(due), "{speed}");
        }
        assert_eq!(recording().at_speed(f64::MIN_POSITIVE).duration(), Duration::MAX);
    }

    #[test]
    fn line_that_is_no_piece_is_an_error_with_its_number() {
        let piece = "{\"pause_ms\":1,\"content\":\"x\"}\n";
        for bad in [
            "{}",
            "{\"pause_ms\":-1,\"content\":\"x\"}",
            "data: 1",
            "{\"pause_ms\":1,\"content\":[256]}",
        ] {
            let error = Recording::read(format!("{piece}\n{bad}\n").as_bytes()).expect_err(bad);
            assert!(error.to_string().starts_with("line 3 of the recording"), "{error}");
        }
        assert_eq!(Recording::read(&b""[..]).expect("nothing"), Recording::default());
    }
}
