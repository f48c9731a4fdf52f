//! A proxy on loopback: HTTP, with and without CONNECT, and SOCKS5; it tells what it saw.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Its threads end with their connections, and the one that accepts with the last test.
pub(crate) struct Relay {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Relay {
    /// Passes everything on to `to`, wherever it was to go.
    pub(crate) fn start(to: SocketAddr) -> Self {
        Self::with(to, None)
    }

    /// Answers everything with this: for HTTP what it writes, for SOCKS5 the last byte is the reply.
    pub(crate) fn refusing(answer: &'static str) -> Self {
        Self::with(SocketAddr::from(([127, 0, 0, 1], 9)), Some(answer))
    }

    fn with(to: SocketAddr, refusal: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let record = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let record = Arc::clone(&record);
                // Whatever fails here, the client sees a connection that ends.
                std::thread::spawn(move || serve(stream, to, refusal, &record));
            }
        });
        Self { address, seen }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// For each connection, what came before the bytes that it passes on.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("no panic").clone()
    }
}

fn serve(
    mut client: TcpStream,
    to: SocketAddr,
    refusal: Option<&str>,
    seen: &Mutex<Vec<String>>,
) -> io::Result<()> {
    let mut first = [0];
    client.read_exact(&mut first)?;
    if first == [5] {
        let request = socks5(&mut client)?;
        seen.lock().expect("no panic").push(request);
        let reply = refusal.map_or(0, |answer| answer.as_bytes()[0] - b'0');
        client.write_all(&[5, reply, 0, 3, 4, b'h', b'e', b'r', b'e', 0, 9])?;
        return if reply == 0 { pass(client, TcpStream::connect(to)?) } else { Ok(()) };
    }
    let mut head = first.to_vec();
    while !head.ends_with(b"\r\n\r\n") {
        let mut next = [0];
        client.read_exact(&mut next)?;
        head.extend(next);
    }
    let head = String::from_utf8(head).expect("a head in ASCII");
    seen.lock().expect("no panic").push(head.clone());
    if let Some(answer) = refusal {
        return client.write_all(answer.as_bytes());
    }
    let mut server = TcpStream::connect(to)?;
    if head.starts_with("CONNECT ") {
        client.write_all(b"HTTP/1.1 200 Go ahead\r\nVia: 1.1 relay\r\n\r\n")?;
        return pass(client, server);
    }
    // One request for each connection: what follows would be passed on unseen.
    let (target, fields) = head.split_once("\r\n").expect("a line");
    write!(server, "{target}\r\nConnection: close\r\n")?;
    for field in fields.lines().filter(|field| !field.starts_with("proxy-authorization:")) {
        write!(server, "{field}\r\n")?;
    }
    pass(client, server)
}

/// The client's part of SOCKS5 after its first byte; what it wants, with the user it says it is.
fn socks5(client: &mut TcpStream) -> io::Result<String> {
    fn some(client: &mut TcpStream) -> io::Result<Vec<u8>> {
        let mut len = [0];
        client.read_exact(&mut len)?;
        let mut bytes = vec![0; usize::from(len[0])];
        client.read_exact(&mut bytes)?;
        Ok(bytes)
    }
    let methods = some(client)?;
    let method = if methods.contains(&2) { 2 } else { 0 };
    client.write_all(&[5, method])?;
    let mut text = "SOCKS5".to_owned();
    if method == 2 {
        client.read_exact(&mut [0])?;
        let (user, password) = (some(client)?, some(client)?);
        text +=
            &format!(" {}:{}", String::from_utf8_lossy(&user), String::from_utf8_lossy(&password));
        client.write_all(&[1, 0])?;
    }
    let mut kind = [0; 4];
    client.read_exact(&mut kind)?;
    assert_eq!(kind, [5, 1, 0, 3], "a name was to come");
    let host = some(client)?;
    let mut port = [0; 2];
    client.read_exact(&mut port)?;
    Ok(format!("{text} {}:{}", String::from_utf8_lossy(&host), u16::from_be_bytes(port)))
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
