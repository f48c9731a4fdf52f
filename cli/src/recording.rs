//! A feed as it came, in a file: its bytes and its times, without keys.
//!
//! A JSON object a line. The first says what it is: `{"recording":1,"status":200,
//! "content_type":"text/event-stream"}`. Each other is a piece, and the pause before it in
//! microseconds: `{"after_us":1500,"text":"data: 1\n\n"}`, with `base64` for what is no text. The
//! last says how it ended: `{"end":"clean"}`, `"cut"` or `"open"`.

use std::io::{self, BufRead, Write};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use restless_emulator::Fault;
use serde::{Deserialize, Serialize};

/// A line of the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub(crate) enum Line {
    Head { recording: u32, status: u16, content_type: String },
    Text { after_us: u64, text: String },
    Coded { after_us: u64, base64: String },
    End { end: Ending },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Ending {
    Clean,
    Cut,
    /// It went on when the recording stopped.
    Open,
}

impl Line {
    /// A piece, without what looks like a key.
    pub(crate) fn piece(after: Duration, bytes: &[u8]) -> Self {
        let after_us = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text { after_us, text: restless_tokio::redacted(text) },
            Err(_) => Self::Coded { after_us, base64: BASE64.encode(bytes) },
        }
    }

    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        out.write_all(&line)?;
        out.flush()
    }
}

/// Reads a recording into what the emulator serves to everybody, faster by `speed`.
pub(crate) fn read(file: impl BufRead, speed: f64) -> io::Result<Fault> {
    let bad = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let (mut head, mut pieces, mut ending) = (None, Vec::new(), Ending::Cut);
    for (number, line) in file.lines().enumerate() {
        let line = serde_json::from_str(&line?)
            .map_err(|error| bad(format!("line {}: {error}", number + 1)))?;
        let (after_us, bytes) = match line {
            Line::Head { recording: 1, content_type, .. } => {
                head = Some(content_type);
                continue;
            }
            Line::Head { recording, .. } => {
                return Err(bad(format!("a recording of version {recording}, and 1 is known")));
            }
            Line::End { end } => {
                ending = end;
                break;
            }
            Line::Text { after_us, text } => (after_us, Bytes::from(text)),
            Line::Coded { after_us, base64 } => {
                let bytes = BASE64.decode(base64);
                let bytes = bytes.map_err(|e| bad(format!("line {}: {e}", number + 1)))?;
                (after_us, bytes.into())
            }
        };
        pieces.push((Duration::from_micros(after_us).div_f64(speed), bytes));
    }
    let content_type = head.ok_or_else(|| bad("it is no recording".to_owned()))?;
    let fault = Fault::recording(pieces).header("content-type", content_type).times(usize::MAX);
    Ok(match ending {
        Ending::Clean => fault,
        Ending::Cut => fault.then_cut(),
        Ending::Open => fault.then_stall(),
    })
}
