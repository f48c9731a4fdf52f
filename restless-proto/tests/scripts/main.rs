//! Scripted time: every `.txt` here is a conversation with the machine of a subscription, a call
//! or a WebSocket that is not the service's, replayed without a clock. The files' form:
//!
//! ```text
//! # the rule, in words
//! set URL [OPTION=VALUE …]       or: call NAME [OPTION=VALUE …]       or: websocket URL
//! TIME  INPUT  > OUTPUT; OUTPUT; …
//! ```
//!
//! Over WebSocket (a `ws` URL) a response with status 101 accepts the handshake by itself, `frame`
//! is a server's frame in hexadecimal, and what is sent is told by its opcode.
//!
//! Inputs: `start`, `connected`, `response STATUS [TYPE] [FIELD=VALUE …]`, `event ID DATA` (an
//! update, whole), `message ID DATA` (the same over WebSocket), `< "BYTES"`, `frame HEX`,
//! `snapshot`, `end`, `fail KIND [RETRY-AFTER]`, `timeout` (of connecting), `elapsed`, `key KEY`,
//! `no key`, `close`, `send text|binary|ping TEXT`, and `old ` before any of the first ones to name
//! the exchange before. `INPUT && INPUT` are handed in one behind the other before the machine is
//! asked. Outputs are what the machine says until it waits. Some are compared only where the script
//! names them: `wait SPAN`; `content NAME …`, the fields of what a request brings; and `is WORD`,
//! where a subscription says it stands. A retry is given as `FROM..TO` after now; a wait may be.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod driven;
mod words;

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use restless_proto::machine::{End, ExchangeId, Input, Output};
use restless_proto::ws::{FrameHeader, Opcode};
use restless_proto::{
    ApiKey, CredentialsError, Instant, TimeoutError, Timer, TransportError, TransportErrorKind,
};
use sha1::{Digest, Sha1};

use driven::{Driven, configure};

#[test]
fn every_script_is_answered_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<_> =
        files.filter(|file| file.extension().is_some_and(|it| it == "txt")).collect();
    files.sort();
    assert!(files.len() >= 20, "{} scripts found", files.len());
    let failures: String = files
        .iter()
        .filter_map(|file| {
            let text = std::fs::read_to_string(file).unwrap();
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            replay(&text).err().map(|why| format!("\n{name}: {why}"))
        })
        .collect();
    assert!(failures.is_empty(), "{failures}");
}

/// The outputs that are compared only where a script names them.
const WHERE_NAMED: [&str; 3] = ["wait", "content", "is"];

struct Replay {
    machine: Box<dyn Driven>,
    now: Instant,
    exchanges: Vec<ExchangeId>,
    /// Of the last request, over WebSocket.
    key: Option<Vec<u8>>,
}

fn replay(text: &str) -> Result<(), String> {
    let mut lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    let (_, settings) = lines.next().ok_or("empty")?;
    let machine = configure(settings)?;
    let mut replay = Replay { machine, now: Instant::ORIGIN, exchanges: Vec::new(), key: None };
    for (number, line) in lines {
        let (step, due) = line.split_once("  >").unwrap_or((line, ""));
        replay
            .step(step.trim(), due.trim())
            .map_err(|why| format!("line {}: {why}", number + 1))?;
    }
    Ok(())
}

impl Replay {
    fn step(&mut self, step: &str, due: &str) -> Result<(), String> {
        let (at, input) = step.split_once(char::is_whitespace).ok_or("no input")?;
        let at = Instant::ORIGIN + span(at)?;
        assert!(at >= self.now, "a script goes forward");
        self.now = at;
        for input in input.split(" && ") {
            self.input(input.trim())?;
        }
        let said = self.outputs();
        let due: Vec<&str> =
            due.split(';').map(str::trim).filter(|word| !word.is_empty()).collect();
        let first = |text: &str| text.split(' ').next().unwrap_or_default().to_owned();
        let named: Vec<String> = due.iter().map(|word| first(word)).collect();
        let said: Vec<&str> = said
            .iter()
            .map(String::as_str)
            .filter(|word| !WHERE_NAMED.contains(&&*first(word)) || named.contains(&first(word)))
            .collect();
        let same = said.len() == due.len() && said.iter().zip(&due).all(|(a, b)| matches(a, b));
        if same { Ok(()) } else { Err(format!("expected {due:?}, got {said:?}")) }
    }

    fn input(&mut self, input: &str) -> Result<(), String> {
        let (old, input) = match input.strip_prefix("old ") {
            Some(rest) => (1, rest),
            None => (0, input),
        };
        let exchange = self.exchanges.iter().rev().nth(old).copied();
        let exchange = || exchange.ok_or("no exchange is open");
        let (verb, rest) = input.split_once(' ').unwrap_or((input, ""));
        let input = match verb {
            "start" => return Ok(()),
            "close" => {
                self.machine.close(self.now);
                return Ok(());
            }
            "snapshot" => {
                self.machine.ask_for_snapshot(self.now);
                return Ok(());
            }
            "send" => {
                let (kind, text) = rest.split_once(' ').ok_or("send KIND TEXT")?;
                self.machine.send(kind, text);
                return Ok(());
            }
            "elapsed" => Input::Elapsed,
            "connected" => Input::Connected { exchange: exchange()? },
            "key" => Input::Credentials(Ok(Some(ApiKey::new(rest)))),
            "no" => Input::Credentials(Err(CredentialsError::new("the vault is closed"))),
            "response" => {
                let mut head = head(rest)?;
                if head.status == 101 {
                    accept(&mut head, self.key.as_deref().unwrap_or_default());
                }
                Input::Response { exchange: exchange()?, head }
            }
            "frame" => Input::Data { exchange: exchange()?, bytes: hexadecimal(rest)? },
            "event" => {
                let (id, data) = rest.split_once(' ').ok_or("event ID DATA")?;
                Input::Data { exchange: exchange()?, bytes: update(id, data) }
            }
            "message" => {
                let (id, data) = rest.split_once(' ').ok_or("message ID DATA")?;
                Input::Data { exchange: exchange()?, bytes: message(id, data) }
            }
            "<" => Input::Data { exchange: exchange()?, bytes: unquote(rest)? },
            "end" => Input::Ended { exchange: exchange()?, why: End::Complete },
            "timeout" => {
                let why = TimeoutError::new(Timer::Connect, Duration::from_secs(10));
                Input::Ended { exchange: exchange()?, why: End::TimedOut(why) }
            }
            "fail" => Input::Ended { exchange: exchange()?, why: End::Failed(failed(rest)?) },
            _ => return Err(format!("unknown input {verb}")),
        };
        self.machine.handle(input, self.now);
        Ok(())
    }

    fn outputs(&mut self) -> Vec<String> {
        let mut said = Vec::new();
        loop {
            match self.machine.poll(self.now) {
                Output::Open { exchange, request } => {
                    self.exchanges.push(exchange);
                    let key = request.headers().get("sec-websocket-key");
                    let key = key.map(|key| key.as_bytes().to_vec());
                    assert!(key.is_none() || key != self.key, "a key is used for one connection");
                    self.key = key;
                    let method = match request.method().as_str() {
                        "GET" => String::new(),
                        method => format!("{method} "),
                    };
                    let mut text = format!("open {method}{}", request.uri());
                    if let Some(key) = request.headers().get("authorization") {
                        let _ = write!(text, " as {}", key.to_str().unwrap());
                    }
                    if let Some(key) = request.headers().get("x-api-key") {
                        let _ = write!(text, " as {}", key.to_str().unwrap());
                    }
                    // Whose content it is: a key in it is that of the field.
                    if request.body().windows(3).any(|bytes| bytes == b"rs_") {
                        let key = request.headers().get("x-api-key").unwrap().as_bytes();
                        let in_content = request.body().windows(key.len()).any(|part| part == key);
                        assert!(in_content, "the content has another key than the field");
                    }
                    said.push(text);
                    said.extend(content(request.body()));
                }
                Output::Send(bytes) => said.push(sent(&bytes)),
                Output::Hangup => said.push("hangup".to_owned()),
                Output::Authorize { rejected: false } => said.push("authorize".to_owned()),
                Output::Authorize { rejected: true } => said.push("authorize again".to_owned()),
                Output::Event(event) => said.push(event),
                Output::Wait(deadline) => {
                    said.push(match deadline {
                        None => "wait for ever".to_owned(),
                        Some(at) => format!("wait {:?}", at.saturating_duration_since(self.now)),
                    });
                    said.extend(self.machine.standing().map(|word| format!("is {word}")));
                    return said;
                }
                Output::Done => {
                    said.push("done".to_owned());
                    said.extend(self.machine.standing().map(|word| format!("is {word}")));
                    return said;
                }
            }
        }
    }
}

/// Equal, or a retry or a wait within the range that is due.
fn matches(said: &str, due: &str) -> bool {
    let Some((due, (from, to))) =
        due.rsplit_once(' ').and_then(|(due, range)| Some((due, range.split_once("..")?)))
    else {
        return said == due;
    };
    let Some((said, delay)) = said.rsplit_once(' ') else { return false };
    let seconds = |text| span(text).unwrap().as_secs_f64();
    let delay = span(delay).map_or_else(|_| delay.parse().unwrap(), |span| span.as_secs_f64());
    said == due && (seconds(from)..=seconds(to)).contains(&delay)
}

fn span(text: &str) -> Result<Duration, String> {
    let parse = |number: &str, unit: f64| {
        number.parse::<f64>().map(|n| Duration::from_secs_f64(n * unit)).map_err(|e| e.to_string())
    };
    if let Some(number) = text.strip_suffix("ms") {
        parse(number, 1e-3)
    } else {
        parse(text.strip_suffix('s').ok_or_else(|| format!("{text}: no unit"))?, 1.0)
    }
}

fn head(text: &str) -> Result<Box<http::response::Parts>, String> {
    let mut words = text.split_whitespace();
    let mut response = http::Response::builder().status(words.next().ok_or("no status")?);
    for word in words {
        response = match word.split_once('=') {
            Some((name, value)) => response.header(name, value.replace('_', " ")),
            None => response.header("content-type", word),
        };
    }
    Ok(Box::new(response.body(()).map_err(|error| error.to_string())?.into_parts().0))
}

/// What RFC 6455 §4.2.2 asks of a server.
fn accept(head: &mut http::response::Parts, key: &[u8]) {
    let guid = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let accept = STANDARD.encode(Sha1::new().chain_update(key).chain_update(guid).finalize());
    for (name, value) in
        [("upgrade", "websocket"), ("connection", "upgrade"), ("sec-websocket-accept", &accept)]
    {
        if !head.headers.contains_key(name) {
            head.headers.insert(name, value.parse().unwrap());
        }
    }
}

/// The first frame in these bytes: its opcode, and a Close frame's code.
fn sent(bytes: &[u8]) -> String {
    let (header, used) = FrameHeader::decode(bytes).unwrap().unwrap();
    let key = header.key.expect("a client masks");
    match header.opcode {
        Opcode::Close if header.length >= 2 => {
            let code = [bytes[used] ^ key[0], bytes[used + 1] ^ key[1]];
            format!("send close {}", u16::from_be_bytes(code))
        }
        opcode => format!("send {}", format!("{opcode:?}").to_lowercase()),
    }
}

/// The names of the fields of a request's content, which is a JSON object.
fn content(bytes: &[u8]) -> Option<String> {
    let object = serde_json::from_slice::<serde_json::Map<_, _>>(bytes).ok()?;
    Some(format!("content {}", object.keys().map(String::as_str).collect::<Vec<_>>().join(" ")))
}

fn hexadecimal(text: &str) -> Result<Bytes, String> {
    text.split_whitespace()
        .map(|byte| u8::from_str_radix(byte, 16).map_err(|error| error.to_string()))
        .collect()
}

fn update(id: &str, data: &str) -> Bytes {
    let id = if id == "-" { String::new() } else { format!("id: {id}\n") };
    format!(
        "{id}data: {{\"type\":\"update\",\"meta\":{{\"timestamp\":\"1970-01-01T00:00:01Z\"}},\
         \"data\":{data}}}\n\n"
    )
    .into()
}

/// The same as a text frame of a server's, the id in the text.
fn message(id: &str, data: &str) -> Bytes {
    let text = format!(
        "{{\"type\":\"update\",\"meta\":{{\"timestamp\":\"1970-01-01T00:00:01Z\"}},\
         \"event_id\":\"{id}\",\"data\":{data}}}"
    );
    let length = u8::try_from(text.len()).ok().filter(|length| *length < 126).unwrap();
    [&[0x81, length], text.as_bytes()].concat().into()
}

fn unquote(text: &str) -> Result<Bytes, String> {
    serde_json::from_str::<String>(text).map(Bytes::from).map_err(|error| error.to_string())
}

/// A failure's kind, and the seconds that whoever is on the way asks to wait, if any.
fn failed(text: &str) -> Result<TransportError, String> {
    let (text, wait) = match text.split_once(' ') {
        Some((text, wait)) => (text, Some(wait.parse().map_err(|_| wait.to_owned())?)),
        None => (text, None),
    };
    Ok(TransportError::from(kind(text)?).with_retry_after(wait.map(Duration::from_secs)))
}

fn kind(text: &str) -> Result<TransportErrorKind, String> {
    Ok(match text {
        "resolve" => TransportErrorKind::Resolve,
        "connect" => TransportErrorKind::Connect,
        "tls" => TransportErrorKind::Tls,
        "certificate" => TransportErrorKind::Certificate,
        "broken" => TransportErrorKind::Broken,
        "protocol" => TransportErrorKind::Protocol,
        "unsupported" => TransportErrorKind::Unsupported,
        "request" => TransportErrorKind::Request,
        _ => return Err(format!("unknown failure {text}")),
    })
}
