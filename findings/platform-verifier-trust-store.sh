#!/usr/bin/env bash
# On Linux, rustls-platform-verifier takes a trust store that can't be read for an empty one: with
# SSL_CERT_FILE naming a file that is not there, its verifier with one extra root is made without an
# error, and trusts nobody else; without an extra root there is an error, which names neither the
# variable nor the file. Both are in a line of `log` alone.
#
# Seen with rustls-platform-verifier 0.6.2, rustls-native-certs 0.8.5:
#   with an extra root: made
#   without: unexpected error: No CA certificates were loaded from the system
# Exits with 0 while that is so; with 77 on another system than Linux.
set -euo pipefail
[ "$(uname -s)" = Linux ] || { echo "this is about Linux"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cargo init --quiet --vcs none --name finding
cat >>Cargo.toml <<'TOML'
rcgen = { version = "=0.14.7", default-features = false, features = ["crypto", "ring"] }
rustls = { version = "0.23.29", default-features = false, features = ["std", "tls12", "ring"] }
rustls-native-certs = "=0.8.5"
rustls-platform-verifier = "=0.6.2"
TOML
cat >src/main.rs <<'RUST'
use std::sync::Arc;

use rustls_platform_verifier::Verifier;

fn main() {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let root = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let root = root.cert.der().clone();
    match Verifier::new_with_extra_roots([root], Arc::clone(&provider)) {
        Ok(_) => println!("with an extra root: made"),
        Err(error) => println!("with an extra root: {error}"),
    }
    match Verifier::new(provider) {
        Ok(_) => println!("without: made"),
        Err(error) => println!("without: {error}"),
    }
}
RUST
# Not by `cargo run`, which may set both variables for what it runs.
timeout 300 cargo build --quiet --target-dir target
seen=$(env -u SSL_CERT_DIR SSL_CERT_FILE="$folder/missing.pem" timeout 30 target/debug/finding)
echo "$seen"
grep -qx 'with an extra root: made' <<<"$seen"
grep -q '^without: .*No CA certificates were loaded from the system$' <<<"$seen"
if grep -q 'SSL_CERT_FILE\|missing.pem' <<<"$seen"; then exit 1; fi
