//! A proxy on loopback: HTTP, with and without CONNECT, and SOCKS5; it tells what it saw.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A relay's threads end with their connections, and the thread that accepts ends with the last
/// test.
pub struct Relay {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

/// What it does with whoever comes.
#[derive(Clone, Copy)]
enum Manner {
    /// Passes everything on to there, wherever it was to go.
    To(SocketAddr),
    /// Passes everything on to the port that it was to go to, on this machine.
    ByPort,
    /// As [`To`](Self::To), but this is the answer to CONNECT.
    Saying(&'static str, SocketAddr),
    /// For HTTP what it writes, for SOCKS5 the last byte is the reply.
    Answer(&'static str),
    /// Of SOCKS5: takes known users only, and knows none.
    RefuseUsers,
}

impl Relay {
    /// Passes everything on to `to`, wherever it was to go.
    ///
    /// # Panics
    ///
    /// Where the system has no port left.
    pub fn start(to: SocketAddr) -> Self {
        Self::with(Manner::To(to))
    }

    /// Passes everything on to the port that it was to go to, on this machine.
    pub(crate) fn by_port() -> Self {
        Self::with(Manner::ByPort)
    }

    /// Answers CONNECT with this, and does as [`start`](Self::start)'s otherwise.
    pub(crate) fn saying(answer: &'static str, to: SocketAddr) -> Self {
        Self::with(Manner::Saying(answer, to))
    }

    /// Answers everything with this: for HTTP what it writes, for SOCKS5 the last byte is the
    /// reply.
    pub(crate) fn refusing(answer: &'static str) -> Self {
        Self::with(Manner::Answer(answer))
    }

    /// Over SOCKS5, wants a user and a password, and refuses each.
    pub(crate) fn refusing_users() -> Self {
        Self::with(Manner::RefuseUsers)
    }

    fn with(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let record = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let record = Arc::clone(&record);
                // Whatever fails here, the client sees a connection that ends.
                std::thread::spawn(move || serve(stream, manner, &record));
            }
        });
        Self { address, seen }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// For each connection, what came before the bytes that it passes on.
    ///
    /// # Panics
    ///
    /// As one of its threads did.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("no panic").clone()
    }
}

/// A port behind which the first connections break, this many, once something has come by them; the
/// others are passed on.
pub(crate) fn slamming(count: usize, to: SocketAddr) -> SocketAddr {
    serving(move |n, stream| slam_or_pass(stream, n, n < count, to))
}

/// A port that passes everything on, but for the head of each connection's first response: that is
/// what `edit` makes of it.
pub(crate) fn editing(
    to: SocketAddr,
    edit: impl Fn(&str) -> String + Send + Sync + 'static,
) -> SocketAddr {
    serving(move |_, client| {
        let mut server = TcpStream::connect(to)?;
        let (mut up, mut on) = (client.try_clone()?, server.try_clone()?);
        std::thread::spawn(move || {
            let _ = io::copy(&mut up, &mut on);
            let _ = on.shutdown(Shutdown::Write);
        });
        let head = read_head(&mut server, Vec::new())?;
        let mut client = client;
        client.write_all(edit(&head).as_bytes())?;
        let _ = io::copy(&mut server, &mut client);
        client.shutdown(Shutdown::Both)
    })
}

/// A server of its own: it gets each connection with its number, from 0 on, on a thread.
pub(crate) fn serving(
    serve: impl Fn(usize, TcpStream) -> io::Result<()> + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for (n, stream) in listener.incoming().map_while(Result::ok).enumerate() {
            let serve = Arc::clone(&serve);
            // Whatever fails here, the client sees a connection that ends.
            std::thread::spawn(move || serve(n, stream));
        }
    });
    address
}

/// Says this, and then that again and again for as long as anybody listens, in pieces of so many
/// bytes, 4 KiB at the most.
pub(crate) fn say_for_ever(
    stream: &mut TcpStream,
    begin: &[u8],
    again: &[u8],
    piece: usize,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    begin.chunks(piece).try_for_each(|piece| stream.write_all(piece))?;
    let again = again.repeat((4 << 10) / again.len());
    loop {
        again.chunks(piece).try_for_each(|piece| stream.write_all(piece))?;
    }
}

/// A head up to its empty line, of which this much has come.
pub(crate) fn read_head(stream: &mut TcpStream, mut head: Vec<u8>) -> io::Result<String> {
    while !head.ends_with(b"\r\n\r\n") {
        let mut next = [0];
        stream.read_exact(&mut next)?;
        head.extend(next);
    }
    Ok(String::from_utf8(head).expect("a head in ASCII"))
}

fn slam_or_pass(mut client: TcpStream, n: usize, slam: bool, to: SocketAddr) -> io::Result<()> {
    if !slam {
        return pass(client, TcpStream::connect(to)?);
    }
    // To close before all is read is a reset; after it, an end. By turns.
    let mut some = [0; 16 << 10];
    let some = if n.is_multiple_of(2) { &mut some[..] } else { &mut some[..1] };
    client.read(some).map(drop)
}

fn serve(mut client: TcpStream, manner: Manner, seen: &Mutex<Vec<String>>) -> io::Result<()> {
    let note = |text: &str| seen.lock().expect("no panic").push(text.to_owned());
    let mut first = [0];
    client.read_exact(&mut first)?;
    if first == [5] {
        let Some((request, port)) = socks5(&mut client, manner, note)? else { return Ok(()) };
        note(&request);
        let reply = match manner {
            Manner::Answer(answer) => answer.as_bytes()[0] - b'0',
            _ => 0,
        };
        client.write_all(&[5, reply, 0, 3, 4, b'h', b'e', b'r', b'e', 0, 9])?;
        return if reply == 0 { pass(client, connect(manner, port)?) } else { Ok(()) };
    }
    let head = read_head(&mut client, first.to_vec())?;
    note(&head);
    if let Manner::Answer(answer) = manner {
        return client.write_all(answer.as_bytes());
    }
    let (line, fields) = head.split_once("\r\n").expect("a line");
    let target = line.split(' ').nth(1).expect("a target");
    let target = target.strip_prefix("http://").unwrap_or(target);
    let authority = target.split('/').next().expect("an authority");
    let port = authority.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(80);
    let mut server = connect(manner, port)?;
    if line.starts_with("CONNECT ") {
        let answer = match manner {
            Manner::Saying(answer, _) => answer,
            _ => "HTTP/1.1 200 Go ahead\r\nVia: 1.1 relay\r\n\r\n",
        };
        client.write_all(answer.as_bytes())?;
        return pass(client, server);
    }
    // One request for each connection: what follows would be passed on unseen.
    write!(server, "{line}\r\nConnection: close\r\n")?;
    for field in fields.lines().filter(|field| !field.starts_with("proxy-authorization:")) {
        write!(server, "{field}\r\n")?;
    }
    pass(client, server)
}

fn connect(manner: Manner, port: u16) -> io::Result<TcpStream> {
    match manner {
        Manner::To(to) | Manner::Saying(_, to) => TcpStream::connect(to),
        Manner::ByPort => TcpStream::connect((Ipv4Addr::LOCALHOST, port)),
        Manner::Answer(_) | Manner::RefuseUsers => Err(io::ErrorKind::NotConnected.into()),
    }
}

/// The client's part of SOCKS5 after its first byte; what it wants, with the user it says it is,
/// and the port in it. Nothing where that was refused: `note` was told of it.
fn socks5(
    client: &mut TcpStream,
    manner: Manner,
    note: impl Fn(&str),
) -> io::Result<Option<(String, u16)>> {
    fn some(client: &mut TcpStream) -> io::Result<Vec<u8>> {
        let mut len = [0];
        client.read_exact(&mut len)?;
        let mut bytes = vec![0; usize::from(len[0])];
        client.read_exact(&mut bytes)?;
        Ok(bytes)
    }
    let refuses = matches!(manner, Manner::RefuseUsers);
    let methods = some(client)?;
    let mut text = "SOCKS5".to_owned();
    if methods.contains(&2) {
        client.write_all(&[5, 2])?;
        client.read_exact(&mut [0])?;
        let (user, password) = (some(client)?, some(client)?);
        text +=
            &format!(" {}:{}", String::from_utf8_lossy(&user), String::from_utf8_lossy(&password));
        if refuses {
            // Before the client can know of it.
            note(&text);
            client.write_all(&[1, 1])?;
            return Ok(None);
        }
        client.write_all(&[1, 0])?;
    } else if refuses {
        note(&text);
        client.write_all(&[5, 0xff])?;
        return Ok(None);
    } else {
        client.write_all(&[5, 0])?;
    }
    let mut kind = [0; 4];
    client.read_exact(&mut kind)?;
    assert_eq!(kind, [5, 1, 0, 3], "a name was to come");
    let host = some(client)?;
    let mut port = [0; 2];
    client.read_exact(&mut port)?;
    let port = u16::from_be_bytes(port);
    Ok(Some((format!("{text} {}:{port}", String::from_utf8_lossy(&host)), port)))
}

/// Both ways, until both have ended.
fn pass(client: TcpStream, server: TcpStream) -> io::Result<()> {
    let (mut up, mut to) = (client.try_clone()?, server.try_clone()?);
    let thread = std::thread::spawn(move || {
        let _ = io::copy(&mut up, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
    let (mut down, mut client) = (server, client);
    let _ = io::copy(&mut down, &mut client);
    let _ = client.shutdown(Shutdown::Both);
    let _ = thread.join();
    Ok(())
}
