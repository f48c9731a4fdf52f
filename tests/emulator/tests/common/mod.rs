//! A bare client: HTTP/1.1 by hand over a blocking socket, so that no client library has a say in
//! what is seen.

#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod websocket;

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use restless_emulator::Emulator;
use serde_json::Value;

/// Longest time that a read waits for something that has to come.
const PATIENCE: Duration = Duration::from_secs(10);

/// A stream that nothing polls: its events are published by the test.
pub(crate) fn quiet_stream(emulator: &Emulator) -> String {
    quiet_stream_with(emulator, "")
}

/// The same with more fields, each with a comma before it.
pub(crate) fn quiet_stream_with(emulator: &Emulator, fields: &str) -> String {
    let body =
        format!(r#"{{"name":"Quiet","url":"http://127.0.0.1:9/","status":"INACTIVE"{fields}}}"#);
    emulator.add_stream(&body).expect("a stream")
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("UTF-8")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    pub(crate) fn message(&self) -> String {
        self.json()["message"].as_str().expect("a message").to_owned()
    }
}

/// A REST call with the right key.
pub(crate) fn call(emulator: &Emulator, method: &str, target: &str, body: &str) -> Response {
    let key = format!("x-api-key: {}\r\n", emulator.api_key());
    exchange(emulator, method, target, &key, body).expect("a response")
}

/// Any exchange. `headers` are whole lines.
pub(crate) fn exchange(
    emulator: &Emulator,
    method: &str,
    target: &str,
    headers: &str,
    body: &str,
) -> io::Result<Response> {
    let mut wire = Wire::send(emulator, method, target, headers, body)?;
    let (status, headers) = wire.head()?;
    let body = match header(&headers, "content-length") {
        Some(length) => {
            let mut body = vec![0; length.parse().expect("a length")];
            wire.reader.read_exact(&mut body)?;
            body
        }
        None => wire.rest().0,
    };
    Ok(Response { status, headers, body })
}

/// A GET of a runtime URL's query with the right key, expected to be an event stream.
pub(crate) fn subscribe(emulator: &Emulator, query: &str) -> Wire {
    let mut wire = open(emulator, query);
    let (status, headers) = wire.head().expect("a head");
    assert_eq!(status, 200);
    assert_eq!(header(&headers, "content-type"), Some("text/event-stream"));
    wire
}

/// The same, before its head is read.
pub(crate) fn open(emulator: &Emulator, query: &str) -> Wire {
    let key = format!("authorization: Bearer {}\r\n", emulator.api_key());
    Wire::send(emulator, "GET", &format!("/?{query}"), &key, "").expect("a connection")
}

/// One event of an event stream.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) json: Value,
    /// The whole JSON text.
    pub(crate) text: String,
}

impl Event {
    pub(crate) fn data(&self) -> &Value {
        &self.json["data"]
    }
}

/// How a body ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With its last chunk.
    Clean,
    /// The connection closed before that.
    Cut,
    /// The connection was reset.
    Reset,
    /// The connection stayed silent for as long as a read waits.
    Silence,
}

/// A connection with a request on it.
#[derive(Debug)]
pub(crate) struct Wire {
    reader: BufReader<TcpStream>,
    /// Decoded content that no one has read.
    content: Vec<u8>,
}

impl Wire {
    pub(crate) fn send(
        emulator: &Emulator,
        method: &str,
        target: &str,
        headers: &str,
        body: &str,
    ) -> io::Result<Self> {
        let mut socket = TcpStream::connect(emulator.address())?;
        socket.set_read_timeout(Some(PATIENCE))?;
        write!(
            socket,
            "{method} {target} HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n{headers}\r\n{body}",
            emulator.address(),
            body.len(),
        )?;
        Ok(Self { reader: BufReader::new(socket), content: Vec::new() })
    }

    /// Where silence is due: from now on, a read waits for half a second.
    pub(crate) fn impatient(self) -> Self {
        self.waits(Duration::from_millis(500))
    }

    /// Where something is due again.
    pub(crate) fn patient(self) -> Self {
        self.waits(PATIENCE)
    }

    fn waits(self, span: Duration) -> Self {
        self.reader.get_ref().set_read_timeout(Some(span)).expect("a timeout");
        self
    }

    /// Reads the status line and the header fields.
    pub(crate) fn head(&mut self) -> io::Result<(u16, Vec<(String, String)>)> {
        let status = self.line()?;
        let status = status.split(' ').nth(1).and_then(|status| status.parse().ok());
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(": ").expect("a header field");
            headers.push((name.to_owned(), value.to_owned()));
        }
        Ok((status.expect("a status"), headers))
    }

    /// Exactly this many bytes after the head, as they are.
    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.reader.read_exact(&mut bytes).expect("bytes");
        bytes
    }

    /// The bytes that still come after the head, as they are, and how they end: no end is clean.
    pub(crate) fn raw_rest(&mut self) -> (Vec<u8>, Ending) {
        let mut all = Vec::new();
        match self.reader.read_to_end(&mut all) {
            Ok(_) => (all, Ending::Cut),
            Err(error) => (all, ending(&error)),
        }
    }

    /// Sends bytes after the request, as they are.
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        self.reader.get_mut().write_all(bytes).expect("sent");
    }

    /// The next event; comments and other fields are skipped.
    pub(crate) fn event(&mut self) -> Event {
        loop {
            let block = self.block();
            let field = |name: &str| -> Vec<String> {
                block.lines().filter_map(|line| Some(line.strip_prefix(name)?.to_owned())).collect()
            };
            let data = field("data: ");
            if data.is_empty() {
                continue;
            }
            let text = data.join("\n");
            let json = serde_json::from_str(&text).expect("JSON");
            return Event { id: field("id: ").join(""), json, text };
        }
    }

    /// The next block of lines, up to its empty line.
    pub(crate) fn block(&mut self) -> String {
        // Where to look for the end: what was looked at before holds none.
        let mut from = 0;
        loop {
            let unseen = self.content.get(from..).unwrap_or_default();
            if let Some(end) = unseen.windows(2).position(|two| two == b"\n\n") {
                let block: Vec<u8> = self.content.drain(..from + end + 2).collect();
                return String::from_utf8(block).expect("UTF-8");
            }
            from = self.content.len().saturating_sub(1);
            match self.chunk() {
                Ok(Some(chunk)) => self.content.extend(chunk),
                other => panic!("no event, but {other:?}"),
            }
        }
    }

    /// The next chunk of a chunked body; `None` after the last.
    pub(crate) fn chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let size = usize::from_str_radix(&self.line()?, 16).expect("a chunk size");
        let mut chunk = vec![0; size + 2];
        self.reader.read_exact(&mut chunk)?;
        chunk.truncate(size);
        Ok((size > 0).then_some(chunk))
    }

    /// Everything that still comes, and how it ends.
    pub(crate) fn rest(&mut self) -> (Vec<u8>, Ending) {
        let mut all = std::mem::take(&mut self.content);
        let ending = loop {
            match self.chunk() {
                Ok(Some(chunk)) => all.extend(chunk),
                Ok(None) => break Ending::Clean,
                Err(error) => break ending(&error),
            }
        };
        (all, ending)
    }

    /// How a connection without a response ends.
    pub(crate) fn silence(&mut self) -> Ending {
        match self.line() {
            Ok(line) => panic!("a response: {line}"),
            Err(error) => ending(&error),
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.reader.read_line(&mut line)?;
        if line.pop() != Some('\n') || line.pop() != Some('\r') {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(line)
    }
}

fn ending(error: &io::Error) -> Ending {
    match error.kind() {
        ErrorKind::UnexpectedEof => Ending::Cut,
        ErrorKind::ConnectionReset => Ending::Reset,
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Ending::Silence,
        kind => panic!("{kind}: {error}"),
    }
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
}
