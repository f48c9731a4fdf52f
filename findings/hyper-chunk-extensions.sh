#!/usr/bin/env bash
# hyper's client counts chunk extensions (RFC 9112 §7.1.1) over the whole content of a response, and
# ends it with an error at 16 KiB of them: a healthy stream of small chunks with 80 bytes of
# extension each ends after some 200 chunks, however long it has stood. curl reads it to its end.
#
# Seen with hyper 1.12.0: chunks read: 204 of 400, then: error reading a body from connection: chunk
# extensions over limit
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
cat >src/main.rs <<'RUST'
use std::error::Error;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const CHUNKS: usize = 400;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = async move {
        let (mut stream, _) = listener.accept().await?;
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await?;
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await?;
        let extension = "x".repeat(78);
        for _ in 0..CHUNKS {
            stream.write_all(format!("1;a={extension}\r\n.\r\n").as_bytes()).await?;
        }
        stream.write_all(b"0\r\n\r\n").await
    };
    let client = async move {
        let io = TokioIo::new(TcpStream::connect(address).await?);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
        let exchange = async move {
            let request = hyper::Request::get("/").header("host", "localhost");
            let mut response = sender.send_request(request.body(Empty::<Bytes>::new())?).await?;
            let mut read = 0;
            while let Some(frame) = response.frame().await {
                match frame {
                    Ok(frame) => read += frame.into_data().map_or(0, |data| data.len()),
                    Err(error) => {
                        let cause = error.source().map(ToString::to_string).unwrap_or_default();
                        println!("chunks read: {read} of {CHUNKS}, then: {error}: {cause}");
                        return Ok(());
                    }
                }
            }
            println!("chunks read: {read} of {CHUNKS}, to the end");
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
grep -q 'of 400, then: .*chunk extensions over limit' <<<"$seen"
