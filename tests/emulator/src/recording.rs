//! A feed as it was recorded: what came, and when.

use std::io::{self, BufRead, Read as _, Write};
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// The longest line of a recording, in bytes.
const MAX_LINE_BYTES: u64 = 64 * 1024 * 1024;

/// The content of an event stream in the pieces that it came in, and the pause before each.
///
/// A file has one JSON object a line, of the same shape as a piece of the fault `recording` over
/// HTTP: `{"pause_ms":20,"content":"id: 1\n"}`. The content is a string, or an array of bytes where
/// it is no UTF-8. A program that writes a recording hides the recording's keys first.
///
/// ```
/// use restless_emulator::{Emulator, Fault, Recording};
/// use std::time::Duration;
///
/// let mut file = Vec::new();
/// Recording::write_piece(&mut file, Duration::ZERO, b"id: 1\n")?;
/// Recording::write_piece(&mut file, Duration::from_millis(20), b"data: {}\n\n")?;
///
/// let recording = Recording::read(&*file)?.at_speed(10.0);
/// assert_eq!(recording.duration(), Duration::from_millis(2));
///
/// // For everybody who connects to an event stream, whatever its id; then silence.
/// let emulator = Emulator::start()?;
/// emulator.inject(Fault::recording(recording).then_stall().times(usize::MAX));
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

    /// Writes one piece as a line of a file: a recording can be read up to where its writer
    /// stopped. The pause counts in whole milliseconds.
    ///
    /// # Errors
    ///
    /// The error that `to` gives.
    pub fn write_piece(mut to: impl Write, pause: Duration, content: &[u8]) -> io::Result<()> {
        let content = match std::str::from_utf8(content) {
            Ok(text) => Content::Text(text.to_owned()),
            Err(_) => Content::Bytes(content.to_vec()),
        };
        let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        let mut line = serde_json::to_vec(&Piece { pause_ms, content })?;
        line.push(b'\n');
        to.write_all(&line)
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
        let mut file = Vec::new();
        for (pause, content) in pieces {
            Recording::write_piece(&mut file, pause, content).expect("room");
        }
        assert!(file.starts_with(b"{\"pause_ms\":0,\"content\":\"id: 1\\n\"}\n"));
        let read = Recording::read(&*file).expect("a recording");
        assert_eq!(read.duration(), ms(23));
        let due = pieces.map(|(pause, content)| (pause, Bytes::from_static(content)));
        assert_eq!(read.into_iter().collect::<Vec<_>>(), due);
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
