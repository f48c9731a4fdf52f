#!/usr/bin/env bash
# A browser that makes a POST twice: where a connection that was kept breaks before an answer,
# Chromium sends the request again on another one, whatever its method (RFC 9110 section 9.2.2: not
# unless it is idempotent), and the page is told of one request. A CORS preflight leaves a kept
# connection before each such call, so that the very first POST of a page is concerned.
#
# Debian's chromium, headless. A server answers the preflight, and closes the connection at the POST
# that follows on it, without a byte. Five POSTs of a page are one `fetch` each.
#
# Seen with chromium 156.0.8078.108 (2026-11-28): 10 POSTs come for 5; each `fetch` fails only once
# the second one has no answer either.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill ${browser:-} ${server:-} 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
cd "$folder"
chromium=chromium
if ! command -v chromium >/dev/null; then
    # Into this folder, with the libraries that the system lacks, and not into the system.
    mkdir -p debs/partial
    timeout 300 apt-get install -y -qq --download-only -o Debug::NoLocking=true \
        -o Dir::Cache::archives="$folder/debs" \
        "chromium=${CHROMIUM_VERSION:-156.0.8078.108-1~deb12u1}" >/dev/null 2>&1
    for package in debs/*.deb; do dpkg -x "$package" .; done
    export LD_LIBRARY_PATH=$folder/usr/lib/$(uname -m)-linux-gnu
    chromium=$folder/usr/lib/chromium/chromium
fi
"$chromium" --version 2>/dev/null

cat >server.py <<'PY'
import socket, sys, threading

PAGE = b"""<!doctype html><script>
const post = () => fetch("http://127.0.0.1:PORT/", { method: "POST", headers: { "x-field": "1" } });
(async () => {
  for (let n = 0; n < 5; n++) await post().catch(() => {});
  await fetch("/done", { method: "POST" });
})();
</script>"""
ALLOWED = (b"HTTP/1.1 204 No Content\r\nAccess-Control-Allow-Origin: *\r\n"
           b"Access-Control-Allow-Headers: x-field\r\nAccess-Control-Max-Age: 0\r\n\r\n")
posts = 0

def serve(connection):
    global posts
    received = b""
    while data := connection.recv(65536):
        received += data
        if b"\r\n\r\n" in received:
            if received.startswith(b"POST"):
                posts += 1
                break
            connection.sendall(ALLOWED)
            received = b""
    connection.close()

def accept(listener):
    while True:
        threading.Thread(target=serve, args=[listener.accept()[0]], daemon=True).start()

api = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=accept, args=[api], daemon=True).start()
page = PAGE.replace(b"PORT", str(api.getsockname()[1]).encode())
pages = socket.create_server(("127.0.0.1", 0))
print(pages.getsockname()[1], flush=True)
while True:
    connection, _ = pages.accept()
    if connection.recv(65536).startswith(b"POST /done"):
        break
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n" + page)
    connection.close()
print(posts, "POSTs came for 5", file=sys.stderr)
sys.exit(0 if posts > 5 else "each came once: this has changed")
PY
timeout 90 python3 server.py >port & server=$!
for _ in $(seq 100); do
    if [ -s port ]; then break; fi
    sleep 0.1
done
[ -s port ] || { echo "the server did not start" >&2; exit 1; }
timeout 90 "$chromium" --headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
    --disable-background-networking --disable-component-update --disable-sync --no-proxy-server \
    --remote-debugging-port=0 --user-data-dir="$folder/profile" "http://127.0.0.1:$(cat port)/" \
    >/dev/null 2>&1 & browser=$!
seen=0
wait "$server" || seen=$?
# Its id may be another process's from here on.
server=
exit "$seen"
