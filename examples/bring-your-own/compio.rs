//! Bring your own completions: REST, server-sent events and (with `--ws`) WebSocket on compio,
//! which hands each buffer to the system and gets it back filled (io_uring on Linux):
//! `cargo run --example byo-compio -- https://api.example.com/orders`. It goes to `http` only, and
//! through no proxy. A name is resolved by the standard library, and the thread waits.

use std::io;
use std::ops::ControlFlow;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use compio::buf::BufResult;
use compio::io::{AsyncRead as _, AsyncWriteExt as _};
use compio::net::TcpStream;
use compio::runtime::{JoinHandle, Runtime, spawn};
use compio::time::timeout;
use futures_channel::mpsc::{Receiver, Sender, channel};
use futures_util::future::select;
use futures_util::{SinkExt as _, StreamExt as _};
use restless_examples::{CreateCli, Printer, addresses, entropy, now};
use restless_proto::http1::{Exchange, StreamEnd, TargetForm, request_bytes};
use restless_proto::machine::{End, ExchangeId, Input, Machine, Output};
use restless_proto::subscription::SubscriptionMachine;
use restless_proto::{Call, CallOptions, Error, model, streams};
use restless_proto::{TransportError, TransportErrorKind as Kind};

fn main() -> ExitCode {
    restless_examples::run(CreateCli::with_websocket_from_env(), follow)
}

fn follow(cli: CreateCli) -> Result<u8, Error> {
    let runtime = Runtime::new().expect("a runtime");
    let create: Call<model::Stream> = streams::create("Bring your own", &cli.target).into();
    let mut call = create.start(&cli.service, CallOptions::default(), entropy(), now())?;
    let answer = drive(&mut call, |answer, _| ControlFlow::Break(answer));
    let stream = runtime.block_on(answer).expect("a call has an answer")?;

    let mut events = cli.subscription(&stream.id).start(&cli.service, entropy(), now())?;
    let mut printer = Printer::new(cli.limit);
    let print = |event, events: &_| printer.print(event, SubscriptionMachine::cursor(events));
    Ok(runtime.block_on(drive(&mut events, print)).unwrap_or(0))
}

/// As long as a timer is asked for where the machine has none.
const LONG: Duration = Duration::from_secs(3600);

/// Runs a machine until it is done, or `each` has enough.
async fn drive<M: Machine, B>(
    machine: &mut M,
    mut each: impl FnMut(M::Event, &M) -> ControlFlow<B>,
) -> Option<B> {
    // One that comes late, of an exchange that is over, does no harm.
    let (sender, mut inputs) = channel(0);
    // What goes out, and the task of the exchange, which is cancelled when this is dropped.
    let mut open: Option<(Sender<Bytes>, JoinHandle<()>)> = None;
    loop {
        match machine.poll() {
            Output::Open { exchange, request } => {
                let ((outgoing, to_write), mut inputs) = (channel(0), sender.clone());
                let task = spawn(async move {
                    let ended = talk(exchange, *request, to_write, &mut inputs).await;
                    if let Err(why) = ended.map_err(End::Failed) {
                        // Nobody is left to tell where the machine is gone.
                        let _ = inputs.send(Input::Ended { exchange, why }).await;
                    }
                });
                open = Some((outgoing, task));
            }
            Output::Send(bytes) => {
                if let Some((outgoing, _)) = &mut open {
                    // While the peer makes no room for it, nothing is read that may call for more.
                    // It fails where the exchange has ended, which is an input of its own.
                    let _ = outgoing.send(bytes).await;
                }
            }
            Output::Hangup => open = None,
            Output::Authorize { .. } => unreachable!("the service has a fixed key"),
            Output::Event(event) => {
                if let ControlFlow::Break(value) = each(event, machine) {
                    return Some(value);
                }
            }
            Output::Wait(deadline) => {
                let left = deadline.map_or(LONG, |at| at.saturating_duration_since(now()));
                let input = timeout(left, inputs.next()).await;
                machine.handle(input.ok().flatten().unwrap_or(Input::Elapsed), now());
            }
            Output::Done => return None,
        }
    }
}

/// For the peer to make room for what we send. What comes before, the machine has a timer for.
const PATIENCE: Duration = Duration::from_secs(10);
/// What one read may bring. The system holds as much for each connection that waits.
const MOST_READ: usize = 4 << 10;

/// Reads and writes side by side, until either ends.
async fn talk(
    exchange: ExchangeId,
    request: http::Request<Bytes>,
    mut to_write: Receiver<Bytes>,
    inputs: &mut Sender<Input>,
) -> Result<(), TransportError> {
    let mut next = Some(request_bytes(&request, TargetForm::Origin)?);
    let mut socket = Err(io::ErrorKind::NotFound.into());
    for address in addresses(request.uri())? {
        socket = TcpStream::connect(address).await;
        if socket.is_ok() {
            break;
        }
    }
    let socket = socket.map_err(|error| TransportError::new(Kind::Connect, error))?;
    let (mut reader, mut writer) = (&socket, &socket);
    let read = pin!(async {
        let (mut wire, mut buffer) = (Exchange::new(exchange, &request), BytesMut::new());
        wire.handle_connected();
        loop {
            while let Some(input) = wire.poll() {
                // Waits until it is taken, and so does the peer.
                inputs.send(input).await.map_err(io::Error::other)?;
            }
            if wire.is_over() {
                return Ok(());
            }
            buffer.reserve(MOST_READ);
            let BufResult(read, filled) = reader.read(buffer).await;
            buffer = filled;
            match read? {
                0 => wire.handle_end(StreamEnd::Closed),
                _ => wire.handle_data(buffer.split().freeze()),
            }
        }
    });
    let write = pin!(async {
        while let Some(bytes) = next {
            let written = timeout(PATIENCE, writer.write_all(bytes)).await;
            written.map_err(|_| io::ErrorKind::TimedOut)?.0?;
            next = to_write.next().await;
        }
        Ok(())
    });
    let (ended, _) = select(read, write).await.factor_first();
    ended.map_err(|error: io::Error| TransportError::new(Kind::Broken, error))
}
