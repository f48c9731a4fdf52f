#!/usr/bin/env bash
# built.sh [--bin | --example] NAME [more for cargo build]
# Builds a program of this workspace and says where it is, whatever target folder is set. With the
# whole workspace's features, the program is the one that `cargo test --workspace` has built.
set -Eeuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
cargo build --quiet --workspace "$@" --message-format json | python3 -c '
import json, sys
built = [message["executable"] for message in map(json.loads, sys.stdin) if message.get("executable")]
print(built[-1])'
