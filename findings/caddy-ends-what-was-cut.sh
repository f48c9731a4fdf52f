#!/usr/bin/env bash
# A reverse proxy that makes a complete response of one that was cut: Caddy ends the chunked content
# in good order when the origin's connection breaks in the middle of a chunk, so its client can't
# tell the cut from an end (RFC 9112 section 8: an incomplete chunked message is to be told as
# such).
#
# Debian's caddy 2.6.2-5, as `reverse_proxy` with nothing else set. An origin sends a whole chunk of
# an event stream and half of another, and resets its connection.
#
# Seen with caddy 2.6.2 (2026-11-28): the client gets the first chunk, and then "0\r\n\r\n"; nginx
# 1.22.1, apache2 2.4.71 and haproxy 2.6.12 close the connection without it.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "${caddy:-}" "${origin:-}" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
timeout 300 apt-get download -q "caddy=${CADDY_VERSION:-2.6.2-5}" >/dev/null 2>&1
dpkg -x caddy_*.deb .

cat >origin.py <<'PY'
import socket, time
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
for _ in range(20):
    connection, _ = listener.accept()
    asked = connection.recv(65536)
    if not asked:
        continue
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
                       b"9\r\ndata: 1\n\n\r\n20\r\nhalf of it")
    time.sleep(0.3)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()
PY
timeout 60 python3 origin.py >origin.port & origin=$!
port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
for _ in $(seq 100); do
    if [ -s origin.port ]; then break; fi
    sleep 0.1
done
[ -s origin.port ] || { echo "the origin did not start" >&2; exit 1; }
printf '{\nadmin off\nauto_https off\nskip_install_trust\n}\nhttp://127.0.0.1:%s {\nbind 127.0.0.1\nreverse_proxy 127.0.0.1:%s\n}\n' \
    "$port" "$(cat origin.port)" >Caddyfile
HOME=$folder timeout 60 usr/bin/caddy run --adapter caddyfile --config Caddyfile >caddy.log 2>&1 & caddy=$!

python3 - "$port" <<'PY'
import socket, sys, time
for _ in range(200):
    try:
        s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=5)
        break
    except OSError:
        time.sleep(0.1)
else:
    sys.exit("caddy did not start")
s.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
s.settimeout(5)
data = b""
try:
    while got := s.recv(65536):
        data += got
        if data.endswith(b"\r\n0\r\n\r\n"):
            break
except OSError:
    pass
print("content:", data.split(b"\r\n\r\n", 1)[1])
if not data.endswith(b"\r\n0\r\n\r\n"):
    sys.exit("the cut is told now: this has changed")
print("the content was cut, and ends in good order")
PY
