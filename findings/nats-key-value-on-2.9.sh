#!/usr/bin/env bash
# async-nats can't make a key-value bucket on Debian 12's nats-server: `create_key_value` asks for
# the account first, and wants fields in the answer that a server of 2.9.10 does not send
# (`reserved_memory`, `reserved_storage`), so it fails before it asks for the bucket. To use a
# bucket that is there works, and so does making the stream that a bucket is, `KV_name` over
# `$KV.name.>`.
#
# Seen with async-nats 0.46.0 and nats-server 2.9.10: "data did not match any variant of untagged
# enum Response"; the stream is made, and the bucket in it takes a value.
# Exits with 0 while that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
timeout 300 apt-get download -q "nats-server=${NATS_VERSION:-2.9.10-1+b3}" >/dev/null 2>&1 ||
    timeout 300 apt-get download -q nats-server >/dev/null 2>&1
dpkg -x nats-server_*.deb .
port=$(python3 -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])')

cargo init --quiet --vcs none --name finding
cat >>Cargo.toml <<'TOML'
async-nats = { version = "=0.46.0", default-features = false, features = ["jetstream", "kv", "nuid", "ring"] }
tokio = { version = "1.49", features = ["macros", "rt"] }
TOML
cat >src/main.rs <<'RUST'
use std::error::Error;

use async_nats::jetstream::{self, kv, stream};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let port = std::env::args().nth(1).ok_or("which port?")?;
    let context = jetstream::new(async_nats::connect(format!("nats://127.0.0.1:{port}")).await?);
    let config = kv::Config { bucket: "b".into(), history: 1, ..kv::Config::default() };
    let Err(error) = context.create_key_value(config).await else {
        return Err("the bucket is made: this has changed".into());
    };
    println!("create_key_value: {error:?}");
    let config = stream::Config {
        name: "KV_b".into(),
        subjects: vec!["$KV.b.>".into()],
        max_messages_per_subject: 1,
        allow_rollup: true,
        allow_direct: true,
        ..stream::Config::default()
    };
    context.create_stream(config).await?;
    let revision = context.get_key_value("b").await?.put("key", "value".into()).await?;
    println!("by its stream: revision {revision}");
    Ok(())
}
RUST
timeout 300 cargo build --quiet
timeout 60 usr/sbin/nats-server -a 127.0.0.1 -p "$port" -js -sd store >/dev/null 2>&1 & server=$!
for _ in $(seq 100); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then break; fi
    kill -0 "$server" 2>/dev/null || { echo "nats-server did not start" >&2; exit 1; }
    sleep 0.1
done
timeout 30 target/debug/finding "$port"
