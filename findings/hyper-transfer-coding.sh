#!/usr/bin/env bash
# hyper's client reads a response with `Transfer-Encoding: gzip, chunked` (RFC 9112 §7: two transfer
# codings) without an error: it takes the chunks off, leaves gzip on, and hands that out as the
# content. Nothing but the field, which stays in the head, says so; `Content-Encoding` is absent, so
# whoever decodes by that reads garbage.
#
# Seen with hyper 1.12.0: status 200, content begins with 1f 8b
# Exits with 0 while that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cargo init --quiet --vcs none --name finding
cat >>Cargo.toml <<'TOML'
http-body-util = "=0.1.3"
hyper = { version = "=1.12.0", features = ["client", "http1"] }
hyper-util = { version = "=0.1.20", features = ["tokio"] }
tokio = { version = "1.49", features = ["io-util", "macros", "net", "rt", "time"] }
TOML
# The text "hello\n", as gzip makes it.
printf 'hello\n' | gzip -n >src/hello.gz
cat >src/main.rs <<'RUST'
use std::error::Error;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const CONTENT: &[u8] = include_bytes!("hello.gz");

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = async move {
        let (mut stream, _) = listener.accept().await?;
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await?;
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n";
        stream.write_all(format!("{head}{:x}\r\n", CONTENT.len()).as_bytes()).await?;
        stream.write_all(CONTENT).await?;
        stream.write_all(b"\r\n0\r\n\r\n").await
    };
    let client = async move {
        let io = TokioIo::new(TcpStream::connect(address).await?);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
        let exchange = async move {
            let request = hyper::Request::get("/").header("host", "localhost");
            let response = sender.send_request(request.body(Empty::<Bytes>::new())?).await?;
            let status = response.status().as_u16();
            let content = response.into_body().collect().await?.to_bytes();
            let first: Vec<_> = content.iter().take(2).map(|byte| format!("{byte:02x}")).collect();
            println!("status {status}, content begins with {}", first.join(" "));
            Ok::<_, Box<dyn Error>>(())
        };
        let (done, _) = tokio::join!(exchange, connection);
        done
    };
    let both = async { tokio::join!(client, server).0 };
    tokio::time::timeout(Duration::from_secs(30), both).await?
}
RUST
seen=$(timeout 300 cargo run --quiet)
echo "$seen"
grep -qx 'status 200, content begins with 1f 8b' <<<"$seen"
