//! The emulator, and a proxy before it with bad weather, as a process of their own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::ops::RangeInclusive;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use restless_emulator::Emulator;

/// The process, which ends with this.
pub(crate) struct Server {
    child: Child,
    orders: ChildStdin,
    /// The stream's base URL, without and with the proxy.
    pub(crate) direct: String,
    pub(crate) weather: String,
    pub(crate) key: String,
    pub(crate) stream: String,
    /// The stream of the program that is killed.
    pub(crate) killed: String,
}

impl Server {
    pub(crate) fn start() -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .arg("serve")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program again");
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
        output.read_line(&mut line).expect("a line");
        let mut words = line.split_whitespace().map(str::to_owned);
        let mut word = || words.next().expect("a word");
        let (direct, weather, key) = (word(), word(), word());
        let (stream, killed) = (word(), word());
        let orders = child.stdin.take().expect("it is piped");
        Self { child, orders, direct, weather, key, stream, killed }
    }

    /// Has events published whose data are these numbers, with a pause behind each.
    pub(crate) fn publish(&self, stream: &str, numbers: RangeInclusive<u64>, pause: Duration) {
        let (first, last, pause) = (numbers.start(), numbers.end(), pause.as_millis());
        writeln!(&self.orders, "{stream} {first} {last} {pause}").expect("it reads");
    }

    /// Has events published for ever, and the server go away each minute.
    pub(crate) fn soak(&self) {
        writeln!(&self.orders, "soak").expect("it reads");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the process does: says where it listens, and publishes as it is told.
pub(crate) fn serve() {
    let emulator = Emulator::builder().ring(1_000_000).start().expect("an emulator");
    let stream = || {
        let stream = r#"{"name":"Orders","url":"http://127.0.0.1:9/","status":"INACTIVE"}"#;
        emulator.add_stream(stream).expect("a stream")
    };
    let (stream, killed) = (stream(), stream());
    let weather = weather(emulator.address());
    let direct = emulator.stream_base_url();
    println!("{direct} http://{weather} {} {stream} {killed}", emulator.api_key());
    for line in std::io::stdin().lines().map_while(Result::ok) {
        if line == "soak" {
            soak(&emulator, &stream);
        }
        let mut words = line.split(' ');
        let Some(stream) = words.next() else { continue };
        let numbers: Vec<u64> = words.map_while(|word| word.parse().ok()).collect();
        let [first, last, pause] = numbers[..] else { continue };
        for number in first..=last {
            emulator.publish(stream, &number.to_string()).expect("an event");
            std::thread::sleep(Duration::from_millis(pause));
        }
    }
}

/// Five events a second; for two seconds of each minute nobody is there.
fn soak(emulator: &Emulator, stream: &str) -> ! {
    for number in 1_u64.. {
        emulator.publish(stream, &number.to_string()).expect("an event");
        std::thread::sleep(Duration::from_millis(200));
        match number % 300 {
            150 => {
                emulator.stop_listening().expect("it stops");
                emulator.disconnect_all();
            }
            160 => emulator.listen_again().expect("it listens"),
            _ => {}
        }
    }
    unreachable!("there are more numbers than seconds")
}

/// A proxy that passes each connection on until it cuts, delays, trickles or resets it.
fn weather(to: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            std::thread::spawn(move || {
                // Whoever hangs up first, the other side hears of it.
                let _ = pass(client, to);
            });
        }
    });
    address
}

fn pass(client: TcpStream, to: SocketAddr) -> std::io::Result<()> {
    let server = TcpStream::connect(to)?;
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    let (mut from_server, mut to_client) = (server, client);
    let luck = luck();
    // How far it goes: seldom to the end of the head alone, mostly through some hundred events.
    let mut left = 100 + luck % 60_000;
    let mut buffer = [0; 4096];
    loop {
        let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let read = match from_server.read(&mut buffer[..most])? {
            0 => break,
            read => read,
        };
        match luck % 5 {
            0 => std::thread::sleep(Duration::from_millis(luck % 30)),
            1 => {
                for byte in &buffer[..read.min(200)] {
                    to_client.write_all(std::slice::from_ref(byte))?;
                }
                to_client.write_all(&buffer[read.min(200)..read])?;
                left -= read as u64;
                if left == 0 {
                    break;
                }
                continue;
            }
            _ => {}
        }
        to_client.write_all(&buffer[..read])?;
        left -= read as u64;
        if left == 0 {
            break;
        }
    }
    let _ = from_server.shutdown(Shutdown::Both);
    if luck.is_multiple_of(3) {
        // With no time to linger, the close is a reset, once the other thread has let go, too.
        socket2::SockRef::from(&to_client).set_linger(Some(Duration::ZERO))?;
        to_client.shutdown(Shutdown::Read)
    } else {
        to_client.shutdown(Shutdown::Both)
    }
}

/// Always the same sequence, whoever draws.
fn luck() -> u64 {
    static STATE: AtomicU64 = AtomicU64::new(0x9e37_79b9_7f4a_7c15);
    let mut x = STATE.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
