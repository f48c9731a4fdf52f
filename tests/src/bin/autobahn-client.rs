//! The client that Autobahn's fuzzing server judges: it echoes every message.
//!
//! `autobahn-client URL AGENT` runs all cases of the server at URL, one after another, and has it
//! write its reports.

use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use restless_proto::Entropy;
use restless_proto::ws::{Accepted, Closed, Connection, Handshake, Message, Options, Output};
use url::Url;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [server, agent] = arguments.as_slice() else {
        eprintln!("usage: autobahn-client URL AGENT");
        std::process::exit(2);
    };
    let server: Url = server.parse()?;
    let mut entropy = Entropy::from_seed(u64::from(std::process::id()));
    let mut told = String::new();
    run(server.join("/getCaseCount")?, &mut entropy, |message| {
        if let Message::Text(text) = message {
            told = text.to_string();
        }
        None
    })?;
    let cases: u32 = told.parse()?;
    for case in 1..=cases {
        let url = server.join(&format!("/runCase?case={case}&agent={agent}"))?;
        // A case that ends in a failed connection is what many cases are about.
        match run(url, &mut entropy, Some) {
            Ok(closed) if closed.is_clean() => {}
            Ok(closed) => eprintln!("case {case} of {cases}: {closed}{}", cause(&closed)),
            Err(error) => eprintln!("case {case} of {cases}: {error}"),
        }
    }
    run(server.join(&format!("/updateReports?agent={agent}"))?, &mut entropy, |_| None)?;
    Ok(())
}

fn cause(error: &dyn Error) -> String {
    error.source().map(|source| format!(": {source}")).unwrap_or_default()
}

/// Runs one connection to its end, and answers each message with what `answer` makes of it.
fn run(
    url: Url,
    entropy: &mut Entropy,
    mut answer: impl FnMut(Message) -> Option<Message>,
) -> Result<Closed> {
    let (mut socket, accepted, rest) = open(&url, entropy)?;
    let start = Instant::now();
    let now = || restless_proto::Instant::from_origin(start.elapsed());
    let options = Options::default().ping_every(None);
    let mut connection = Connection::new(&accepted, options, entropy.fork(), now());
    connection.handle_data(rest, now());
    let mut buffer = BytesMut::new();
    loop {
        match connection.poll() {
            Output::Send(bytes) => {
                if socket.write_all(&bytes).is_err() {
                    connection.ended(now());
                }
            }
            Output::Message(message) => match answer(message) {
                Some(Message::Text(text)) => connection.send_text(text.as_str())?,
                Some(Message::Binary(bytes)) => connection.send_binary(&bytes)?,
                None => {}
            },
            Output::Ping(_) | Output::Pong(_) => {}
            Output::Wait(deadline) => {
                let wait = deadline.map(|deadline| {
                    deadline.saturating_duration_since(now()).max(Duration::from_millis(1))
                });
                socket.set_read_timeout(wait)?;
                buffer.resize(64 << 10, 0);
                match socket.read(&mut buffer) {
                    Ok(0) => connection.ended(now()),
                    Ok(read) => connection.handle_data(buffer.split_to(read).freeze(), now()),
                    Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                        connection.elapsed(now());
                    }
                    Err(_) => connection.ended(now()),
                }
            }
            Output::Closed(closed) => return Ok(closed),
        }
    }
}

/// Connects and does the opening handshake: the socket, what was agreed, and what came behind it.
fn open(url: &Url, entropy: &mut Entropy) -> Result<(TcpStream, Accepted, Bytes)> {
    let handshake = Handshake::new(url, entropy)?;
    let request = handshake.request();
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let mut head = format!("GET {target} HTTP/1.1\r\n").into_bytes();
    for (name, value) in request.headers() {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    let mut socket = TcpStream::connect(&*url.socket_addrs(|| None)?)?;
    socket.set_nodelay(true)?;
    socket.write_all(&head)?;

    let mut seen = BytesMut::new();
    loop {
        let mut piece = [0; 4096];
        let read = socket.read(&mut piece)?;
        if read == 0 {
            return Err("the server closed within the opening handshake".into());
        }
        seen.extend_from_slice(&piece[..read]);
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut fields);
        let httparse::Status::Complete(length) = response.parse(&seen)? else { continue };
        let status = StatusCode::from_u16(response.code.unwrap_or_default())?;
        let mut headers = HeaderMap::new();
        for field in response.headers.iter() {
            headers.append(
                HeaderName::from_bytes(field.name.as_bytes())?,
                HeaderValue::from_bytes(field.value)?,
            );
        }
        let accepted = handshake.check(status, &headers)?;
        return Ok((socket, accepted, seen.split_off(length).freeze()));
    }
}
