#!/usr/bin/env bash
# Has the `subscribe-tokio` example follow a WebSocket server that isn't ours and compresses:
# Python's `websockets`, on 127.0.0.1. `interop_server.py` says what it plays and what it checks.
#
#   interop.sh
#
# `websockets` is installed once, into the folder that INTEROP_VENV names (default:
# target/websockets). Exits 0 when all is as wanted, 1 when something is not, and 77 when
# `websockets` can't be installed here.
set -Eeuo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
venv=${INTEROP_VENV:-$root/target/websockets}
[ $# -eq 0 ] || { sed -n '2,9p' "${BASH_SOURCE[0]}" >&2; exit 2; }

mkdir -p "$venv"
if [ ! -e "$venv/.installed" ]; then
  if ! python3 -m pip install --quiet --disable-pip-version-check --no-cache-dir --upgrade \
    --target "$venv" websockets==15.0.1 >"$venv/install.log" 2>&1; then
    tail -n 5 "$venv/install.log" >&2
    echo "Python's websockets can't be installed here: no interop was tried"
    exit 77
  fi
  touch "$venv/.installed"
fi

client=$("$here/built.sh" --example subscribe-tokio)
PYTHONPATH=$venv PYTHONDONTWRITEBYTECODE=1 python3 "$here/interop_server.py" "$client"
