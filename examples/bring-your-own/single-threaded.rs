//! Bring your own executor: WebSocket on `futures`' `LocalPool`, which has one thread and never asks
//! for `Send`, over async-io's sockets and timers:
//! `cargo run --example byo-single-threaded -- --stream ID`.
//!
//! The loop holds the pool's spawner, which is not `Send`, so it would not compile if anything here
//! wanted that. It goes to `http` only (for `https`, futures-rustls goes around the socket), and
//! through no proxy. A name is resolved by the standard library, and the thread waits.

use std::io;
use std::net::TcpStream;
use std::ops::ControlFlow;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use async_io::{Async, Timer};
use bytes::Bytes;
use futures_channel::mpsc::{Receiver, Sender, channel};
use futures_executor::{LocalPool, LocalSpawner};
use futures_util::future::{Either, RemoteHandle, select};
use futures_util::io::{AsyncReadExt as _, AsyncWriteExt as _};
use futures_util::task::LocalSpawnExt as _;
use futures_util::{SinkExt as _, StreamExt as _};
use restless_examples::{Cli, Printer, addresses, entropy, now};
use restless_proto::machine::{End, ExchangeId, Input, Machine, Output};
use restless_proto::subscription::SubscriptionMachine;
use restless_proto::ws::UpgradeExchange;
use restless_proto::{Error, TransportError, TransportErrorKind as Kind};

fn main() -> ExitCode {
    restless_examples::run(Cli::from_env(), follow)
}

fn follow(cli: Cli) -> Result<u8, Error> {
    let service = cli.service()?;
    let machine = cli.subscription.websocket().start(&service, entropy(), now())?;
    let mut pool = LocalPool::new();
    let spawner = pool.spawner();
    Ok(pool.run_until(drive(machine, Printer::new(cli.limit), spawner)))
}

/// Bytes go before time: what has arrived at a deadline gets this long to be told.
const LAST_LOOK: Duration = Duration::from_millis(20);

/// What goes out, and the task of the exchange, which is over when this is dropped.
type Open = (Sender<Bytes>, RemoteHandle<()>);

async fn drive(mut machine: SubscriptionMachine, mut printer: Printer, pool: LocalSpawner) -> u8 {
    // One that comes late, of an exchange that is over, does no harm.
    let (sender, mut inputs) = channel(0);
    let mut open: Option<Open> = None;
    loop {
        match machine.poll() {
            Output::Open { exchange, request } => {
                let (outgoing, to_write) = channel(0);
                let task = exchange_of(exchange, *request, to_write, sender.clone());
                let task = pool.spawn_local_with_handle(task).expect("the pool runs this");
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
                if let ControlFlow::Break(status) = printer.print(event, machine.cursor()) {
                    return status;
                }
            }
            Output::Wait(deadline) => {
                let left = deadline.map_or(Duration::MAX, |at| at.saturating_duration_since(now()));
                let timer = Timer::after(left.saturating_add(LAST_LOOK));
                let input = match select(inputs.next(), timer).await {
                    Either::Left((Some(input), _)) => input,
                    Either::Left((None, _)) | Either::Right(_) => Input::Elapsed,
                };
                machine.handle(input, now());
            }
            Output::Done => return 0,
        }
    }
}

async fn exchange_of(
    exchange: ExchangeId,
    request: http::Request<Bytes>,
    to_write: Receiver<Bytes>,
    mut inputs: Sender<Input>,
) {
    let ended = talk(exchange, request, to_write, &mut inputs).await;
    let why = ended.map_or_else(End::Failed, |()| End::Complete);
    // Nobody is left to tell where the machine is gone.
    let _ = inputs.send(Input::Ended { exchange, why }).await;
}

/// For the peer to make room for what we send. What comes before, the machine has a timer for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads and writes side by side, until either ends.
async fn talk(
    exchange: ExchangeId,
    request: http::Request<Bytes>,
    mut to_write: Receiver<Bytes>,
    inputs: &mut Sender<Input>,
) -> Result<(), TransportError> {
    let mut socket = Err(io::ErrorKind::NotFound.into());
    for address in addresses(request.uri())? {
        socket = Async::<TcpStream>::connect(address).await;
        if socket.is_ok() {
            break;
        }
    }
    let socket = socket.map_err(|error| TransportError::new(Kind::Connect, error))?;
    let (mut reader, mut writer) = (&socket, &socket);
    let read = pin!(async {
        let (mut wire, mut buffer) = (UpgradeExchange::new(exchange), vec![0; 16 * 1024]);
        loop {
            match reader.read(&mut buffer).await? {
                0 => return Ok(()),
                n => wire.handle_data(&buffer[..n]),
            }
            while let Some(input) = wire.poll() {
                // Waits until it is taken, and so does the peer.
                inputs.send(input).await.map_err(io::Error::other)?;
            }
        }
    });
    let write = pin!(async {
        let mut next = Some(UpgradeExchange::request_bytes(&request));
        while let Some(bytes) = next {
            match select(writer.write_all(&bytes), Timer::after(PATIENCE)).await {
                Either::Left((written, _)) => written?,
                Either::Right(_) => return Err(io::ErrorKind::TimedOut.into()),
            }
            next = to_write.next().await;
        }
        Ok(())
    });
    let (ended, _) = select(read, write).await.factor_first();
    ended.map_err(|error: io::Error| TransportError::new(Kind::Broken, error))
}
