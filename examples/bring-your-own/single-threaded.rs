//! Bring your own executor: WebSocket on `futures`' `LocalPool`, which has one thread and never asks
//! for `Send`, over async-io's sockets and timers.
//!
//! ```console
//! $ cargo run --example byo-single-threaded -- --stream ID
//! ```
//!
//! follows a stream, and prints its events as lines of JSON. The task shares its printer with the
//! rest of the thread by `Rc`, so it would not compile if anything here wanted `Send`.
//!
//! What it leaves out: TLS, so it connects to `http` only (for `https`, futures-rustls goes around
//! the socket), and proxies. A name is resolved by the standard library, and the thread waits.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::io::{self, Write as _};
use std::net::{TcpStream, ToSocketAddrs};
use std::ops::ControlFlow;
use std::pin::{Pin, pin};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use async_io::{Async, Timer};
use bytes::{Buf, Bytes, BytesMut};
use futures_executor::LocalPool;
use futures_util::future::{Either, select};
use futures_util::io::{AsyncReadExt as _, AsyncWriteExt as _};
use futures_util::task::LocalSpawnExt as _;
use restless_examples::{Cli, Printer, api_key, entropy};
use restless_proto::machine::{End, ExchangeId, Input, Machine, Output};
use restless_proto::subscription::SubscriptionMachine;
use restless_proto::ws::UpgradeExchange;
use restless_proto::{
    Error, Instant, TimeoutError, Timer as Of, TransportError, TransportErrorKind as Kind,
};

fn main() -> ExitCode {
    restless_examples::run(Cli::from_env(), follow)
}

fn follow(cli: Cli) -> Result<u8, Error> {
    let service = cli.service()?;
    let machine = cli.subscription.websocket().start(&service, entropy(), Instant::ORIGIN)?;
    let printer = Rc::new(RefCell::new(Printer::new(cli.limit)));
    let status = Rc::new(Cell::new(0));
    let task = {
        let (printer, status) = (Rc::clone(&printer), Rc::clone(&status));
        async move { status.set(drive(machine, printer).await) }
    };
    let mut pool = LocalPool::new();
    pool.spawner().spawn_local(task).expect("the pool stands");
    pool.run();
    Ok(status.get())
}

/// Bytes go before time: at a deadline, what has arrived gets this long to be told.
const LAST_LOOK: Duration = Duration::from_millis(20);

async fn drive(mut machine: SubscriptionMachine, printer: Rc<RefCell<Printer>>) -> u8 {
    let origin = std::time::Instant::now();
    let now = || Instant::from_origin(origin.elapsed());
    let mut open: Option<Exchange> = None;
    loop {
        match machine.poll() {
            Output::Open { exchange, request } => open = Some(Exchange::new(exchange, *request)),
            Output::Send(bytes) => {
                if let Some(open) = &mut open {
                    open.send(&bytes);
                }
            }
            Output::Hangup => open = None,
            // Only where the service has credentials on demand.
            Output::Authorize { .. } => {
                machine.handle(Input::Credentials(Ok(api_key())), now());
            }
            Output::Event(event) => {
                let printed = printer.borrow_mut().print(event, machine.cursor());
                if let ControlFlow::Break(status) = printed {
                    return status;
                }
            }
            Output::Wait(deadline) => {
                let left = deadline.map(|at| at.saturating_duration_since(now()));
                let mut next = pin!(async {
                    match &mut open {
                        Some(open) => open.next().await,
                        None => pending().await,
                    }
                });
                let mut input = Input::Elapsed;
                for left in [left.unwrap_or(Duration::MAX), LAST_LOOK] {
                    if let Either::Left((came, _)) = select(&mut next, Timer::after(left)).await {
                        input = came;
                        break;
                    }
                }
                machine.handle(input, now());
            }
            Output::Done => return 0,
        }
    }
}

/// For each address to connect.
const PATIENCE: Duration = Duration::from_secs(10);
/// While more waits to be sent, nothing is read that may call for an answer.
const MOST_UNSENT: usize = 64 * 1024;

struct Exchange {
    id: ExchangeId,
    connecting: Pin<Box<dyn Future<Output = Result<Async<TcpStream>, End>>>>,
    socket: Option<Async<TcpStream>>,
    unsent: BytesMut,
    wire: UpgradeExchange,
}

impl Exchange {
    fn new(id: ExchangeId, request: http::Request<Bytes>) -> Self {
        Self {
            id,
            unsent: UpgradeExchange::request_bytes(&request).into(),
            connecting: Box::pin(async move { connect(request.uri()).await }),
            socket: None,
            wire: UpgradeExchange::new(id),
        }
    }

    /// Sends what the socket takes at once, so that an answer does not wait for the user to be done
    /// with the events before the next `Wait`; `next` sends the rest.
    fn send(&mut self, bytes: &[u8]) {
        self.unsent.extend_from_slice(bytes);
        if let Some(socket) = &self.socket {
            // A failure shows when reading.
            let sent = socket.get_ref().write(&self.unsent).unwrap_or(0);
            self.unsent.advance(sent);
        }
    }

    /// The next input. What is connected, read or written is kept in `self`, so a future that a
    /// deadline drops loses nothing.
    async fn next(&mut self) -> Input {
        if let Some(input) = self.wire.poll() {
            return input;
        }
        let socket = match &self.socket {
            Some(socket) => socket,
            None => match self.connecting.as_mut().await {
                Ok(socket) => self.socket.insert(socket),
                Err(why) => return self.ended(why),
            },
        };
        let (mut reader, mut writer) = (socket, socket);
        let full = self.unsent.len() > MOST_UNSENT;
        let write = pin!(async {
            while !self.unsent.is_empty() {
                match writer.write(&self.unsent).await? {
                    0 => return Err(io::ErrorKind::WriteZero.into()),
                    n => self.unsent.advance(n),
                }
            }
            if full { Ok(()) } else { pending().await }
        });
        let mut buffer = [0; 16 * 1024];
        let read =
            pin!(async { if full { pending().await } else { reader.read(&mut buffer).await } });
        let read = match select(read, write).await {
            Either::Left((read, _)) => read,
            // There is room again: polled once more, it reads.
            Either::Right((Ok(()), _)) => return Input::Elapsed,
            Either::Right((Err(error), _)) => Err(error),
        };
        match read {
            Ok(0) => self.ended(End::Complete),
            Ok(n) => {
                self.wire.handle_data(&buffer[..n]);
                // Half a head is no input yet, and to say `Elapsed` too early does no harm.
                self.wire.poll().unwrap_or(Input::Elapsed)
            }
            Err(error) => self.ended(failed(Kind::Broken, error)),
        }
    }

    fn ended(&mut self, why: End) -> Input {
        self.connecting = Box::pin(pending());
        Input::Ended { exchange: self.id, why }
    }
}

async fn connect(uri: &http::Uri) -> Result<Async<TcpStream>, End> {
    if uri.scheme_str() != Some("http") {
        return Err(failed(Kind::Request, "https needs TLS, which is left out here"));
    }
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let addresses = (host, uri.port_u16().unwrap_or(80)).to_socket_addrs();
    let mut why = failed(Kind::Resolve, "no address");
    for address in addresses.map_err(|error| failed(Kind::Resolve, error))? {
        let connecting = pin!(Async::<TcpStream>::connect(address));
        why = match select(connecting, Timer::after(PATIENCE)).await {
            Either::Left((Ok(socket), _)) => return Ok(socket),
            Either::Left((Err(error), _)) => failed(Kind::Connect, error),
            Either::Right(_) => End::TimedOut(TimeoutError::new(Of::Connect, PATIENCE)),
        };
    }
    Err(why)
}

fn failed(kind: Kind, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> End {
    End::Failed(TransportError::new(kind, error))
}
