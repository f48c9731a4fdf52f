//! Scripted time: every `.txt` here is a conversation with the machine of a subscription, or
//! of a call, replayed without a clock. The files' form:
//!
//! ```text
//! # the rule, in words
//! set URL [OPTION=VALUE …]       or: call NAME [OPTION=VALUE …]
//! TIME  INPUT  > OUTPUT; OUTPUT; …
//! ```
//!
//! Over WebSocket (a `ws` URL) a response with status 101 accepts the handshake by itself, `frame`
//! is a server's frame in hexadecimal, and what is sent is told by its opcode.
//!
//! Inputs: `start`, `connected`, `response STATUS [TYPE] [FIELD=VALUE …]`, `event ID DATA` (an
//! update, whole), `message ID DATA` (the same over WebSocket), `< "BYTES"`, `frame HEX`,
//! `snapshot`, `end`, `fail KIND [RETRY-AFTER]`, `timeout` (of connecting), `elapsed`, `key KEY`,
//! `no key`, `close`, and `old ` before any of the first ones to name the exchange before.
//! `INPUT && INPUT` are handed in one behind the other before the machine is asked. Outputs are
//! what the machine says until it waits; `wait SPAN` is compared only where the script names it. A
//! retry is given as `FROM..TO` after now, and a wait may be.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use restless_proto::machine::{End, ExchangeId, Input, Machine, Output};
use restless_proto::signature::Signer;
use restless_proto::subscription::{
    Continuity, Ended, Event, Item, LossReason, RejectReason, SubscriptionMachine,
};
use restless_proto::ws::{self, FrameHeader, Opcode};
use restless_proto::{
    ApiKey, Call, CallMachine, CallOptions, CredentialsError, Entropy, Error, Instant, Limits,
    Service, Subscription, TimeoutError, Timer, TransportError, TransportErrorKind, direct,
    streams,
};
use sha1::{Digest, Sha1};

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

/// What a script can talk to.
trait Driven {
    fn handle(&mut self, input: Input, now: Instant);
    fn poll(&mut self, now: Instant) -> Output<String>;
    fn close(&mut self, now: Instant);
    fn ask_for_snapshot(&mut self, now: Instant);
}

impl Driven for SubscriptionMachine {
    fn handle(&mut self, input: Input, now: Instant) {
        Machine::handle(self, input, now);
    }

    fn poll(&mut self, now: Instant) -> Output<String> {
        told(Machine::poll(self), |event| describe(&event, now))
    }

    fn close(&mut self, now: Instant) {
        self.close(now);
    }

    fn ask_for_snapshot(&mut self, now: Instant) {
        self.ask_for_snapshot(now);
    }
}

impl<T> Driven for CallMachine<T> {
    fn handle(&mut self, input: Input, now: Instant) {
        Machine::handle(self, input, now);
    }

    fn poll(&mut self, _now: Instant) -> Output<String> {
        told(Machine::poll(self), |answer| match answer {
            Ok(_) => "answer".to_owned(),
            Err(error) => format!("failed {}", failure(&error)),
        })
    }

    fn close(&mut self, _now: Instant) {
        panic!("a call is dropped, not closed");
    }

    fn ask_for_snapshot(&mut self, _now: Instant) {
        panic!("a call has no snapshot");
    }
}

fn told<E>(output: Output<E>, describe: impl FnOnce(E) -> String) -> Output<String> {
    match output {
        Output::Open { exchange, request } => Output::Open { exchange, request },
        Output::Send(bytes) => Output::Send(bytes),
        Output::Hangup => Output::Hangup,
        Output::Authorize { rejected } => Output::Authorize { rejected },
        Output::Event(event) => Output::Event(describe(event)),
        Output::Wait(deadline) => Output::Wait(deadline),
        Output::Done => Output::Done,
    }
}

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

fn configure(settings: &str) -> Result<Box<dyn Driven>, String> {
    match settings.split_once(' ') {
        Some(("set", rest)) => subscription(rest),
        Some(("call", rest)) => call(rest),
        _ => Err("the first line must be `set URL …` or `call NAME …`".to_owned()),
    }
}

/// Calls of every kind, to `https://a`.
fn call(settings: &str) -> Result<Box<dyn Driven>, String> {
    let mut words = settings.split_whitespace();
    let name = words.next().ok_or("no call")?;
    let mut service = Service::new("rs_test").with_api_base_url("https://a").unwrap();
    let mut options = CallOptions::default();
    for word in words {
        let (option, value) = word.split_once('=').ok_or_else(|| format!("{word}: no value"))?;
        match option {
            "timeout" => options = options.timeout(span(value)?),
            "retries" => options = options.max_retries(value.parse().unwrap()),
            "key" if value == "on-demand" => service = service.with_credentials_on_demand(),
            _ => return Err(format!("unknown option {option}")),
        }
    }
    fn start<T: 'static>(
        call: impl Into<Call<T>>,
        service: &Service,
        options: CallOptions,
    ) -> Result<Box<dyn Driven>, String> {
        let machine = call.into().start(service, options, Entropy::from_seed(42), Instant::ORIGIN);
        Ok(Box::new(machine.map_err(|error| error.to_string())?))
    }
    let session = direct::session("https://b/");
    match name {
        "get" => start(streams::get("s"), &service, options),
        "delete" => start(streams::delete("s"), &service, options),
        "create" => start(streams::create("n", "https://b/"), &service, options),
        "update" => start(streams::update("s"), &service, options),
        "validate" => start(streams::validate_api_key(), &service, options),
        "session" => start(session, &service, options),
        "session-with-dedupe-key" => start(session.dedupe_key("d"), &service, options),
        _ => Err(format!("unknown call {name}")),
    }
}

fn subscription(settings: &str) -> Result<Box<dyn Driven>, String> {
    let mut words = settings.split_whitespace();
    let mut subscription = Subscription::url(words.next().ok_or("no URL")?);
    let mut service = Service::new("rs_test");
    for word in words {
        let (option, value) = word.split_once('=').ok_or_else(|| format!("{word}: no value"))?;
        subscription = match option {
            "cursor" => subscription.cursor(value),
            "since" => subscription.since(value),
            "reconnect" => subscription.reconnect(value == "true"),
            "max_reconnects" => subscription.max_reconnects(value.parse().unwrap()),
            "retry" => subscription.retry(span(value)?),
            "idle" => subscription.idle_timeout(span(value)?),
            "head" => subscription.response_head_timeout(span(value)?),
            "message_limit" => subscription
                .websocket_options(ws::Options::default().message_bytes(value.parse().unwrap())),
            "continuity" if value == "true" => subscription.continuity(),
            "dedupe" => subscription.dedupe(value.parse().unwrap()),
            "verify" => subscription.verify(Signer::new(value)),
            "event_limit" => {
                subscription.limits(Limits::default().event_bytes(value.parse().unwrap()))
            }
            "key" if value == "none" => {
                service = Service::default();
                subscription
            }
            "key" if value == "on-demand" => {
                service = service.with_credentials_on_demand();
                subscription
            }
            _ => return Err(format!("unknown option {option}")),
        };
    }
    let machine = subscription.start(&service, Entropy::from_seed(42), Instant::ORIGIN);
    Ok(Box::new(machine.map_err(|error| error.to_string())?))
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
        let waits = due.iter().any(|word| word.starts_with("wait"));
        let said: Vec<&str> = said
            .iter()
            .map(String::as_str)
            .filter(|word| waits || !word.starts_with("wait"))
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
                }
                Output::Send(bytes) => said.push(sent(&bytes)),
                Output::Hangup => said.push("hangup".to_owned()),
                Output::Authorize { rejected: false } => said.push("authorize".to_owned()),
                Output::Authorize { rejected: true } => said.push("authorize again".to_owned()),
                Output::Event(event) => said.push(event),
                Output::Wait(None) => {
                    said.push("wait for ever".to_owned());
                    return said;
                }
                Output::Wait(Some(until)) => {
                    said.push(format!("wait {:?}", until.saturating_duration_since(self.now)));
                    return said;
                }
                Output::Done => {
                    said.push("done".to_owned());
                    return said;
                }
            }
        }
    }
}

fn describe(event: &Event, now: Instant) -> String {
    match event {
        Event::Opened(opened) => match &opened.cursor {
            Some(cursor) => format!("opened at {cursor}"),
            None => "opened".to_owned(),
        },
        Event::Continuity(Continuity::Gap { from, to, why }) => {
            let word = |cursor: &Option<String>| cursor.clone().unwrap_or_else(|| "-".to_owned());
            format!("gap {} {} {}", word(from), word(to), why.as_str())
        }
        Event::Continuity(continuity) => continuity.as_str().to_owned(),
        Event::Item(Item::Event(event)) => {
            let id = event.event_id().unwrap_or("-").to_owned();
            let data = event.data().map(|data| data.get().to_owned());
            format!("event {id} {}", data.unwrap_or_else(|| "none".to_owned()))
        }
        Event::Item(Item::Rejected(rejected)) => {
            let reason = match &rejected.reason {
                RejectReason::Malformed(_) => "malformed",
                RejectReason::Signature(_) => "signature",
                RejectReason::TooLarge(_) => "too-large",
                _ => "?",
            };
            format!("rejected {reason} {}", rejected.id.as_deref().unwrap_or("-"))
        }
        Event::Unanswered => "unanswered".to_owned(),
        Event::Lost(lost) => {
            let retry = lost.retry_at.saturating_duration_since(now).as_secs_f64();
            format!("lost {} #{} retry {retry}", reason(&lost.reason), lost.attempt)
        }
        Event::Ended(ended) => match ended {
            Ended::Closed => "ended closed".to_owned(),
            Ended::Complete => "ended complete".to_owned(),
            Ended::NoContent => "ended no-content".to_owned(),
            Ended::Failed(error) => format!("ended {}", failure(error)),
            Ended::GaveUp { reconnects, last } => {
                format!("ended gave-up {reconnects} {}", reason(last))
            }
            _ => "ended ?".to_owned(),
        },
        _ => "?".to_owned(),
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

fn reason(reason: &LossReason) -> String {
    match reason {
        LossReason::Complete => "complete".to_owned(),
        LossReason::Snapshot => "snapshot".to_owned(),
        LossReason::Error(error) => failure(error),
        _ => "?".to_owned(),
    }
}

fn failure(error: &Error) -> String {
    match error {
        Error::Refused(refused) => format!("status {}", refused.status().as_u16()),
        Error::Transport(error) => format!("{:?}", error.kind()).to_lowercase(),
        Error::Timeout(error) => format!("{:?}", error.timer()).to_lowercase(),
        Error::Content(_) => "content-type".to_owned(),
        Error::Redirect(_) => "redirect".to_owned(),
        Error::Handshake(_) => "handshake".to_owned(),
        Error::Protocol(_) => "websocket".to_owned(),
        Error::Closed(closed) => format!("closed {}", closed.code().get()),
        Error::Limit(_) => "limit".to_owned(),
        Error::Config(error) => format!("config {}", error.field()),
        Error::Credentials(_) => "credentials".to_owned(),
        Error::GaveUp(gave_up) => {
            format!("gave-up {} {}", gave_up.retries(), failure(gave_up.last()))
        }
        _ => "?".to_owned(),
    }
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
