#!/usr/bin/env bash
# `Nats-Msg-Id` is no identity of a message in JetStream, though it reads like one:
# - The server keeps one window of ids for a whole stream. Two subjects of one stream that use the
#   same id swallow each other's messages: the second publisher is told that its message is stored,
#   at the first one's sequence.
# - After a restart the window is made of the messages that are still stored. An id whose message
#   was removed before (by a limit, an age, or a purge) is taken again within the window.
#
# Debian's nats-server 2.9.10, a stream in files over two subjects, its duplicate window 2 minutes
# as by default.
#
# Seen with nats-server 2.9.10 (2026-11-28): publishing id 7 to orders.a is stored as 1; to
# orders.b, with other content, it answers {"seq":1,"duplicate":true} and stores nothing. After a
# purge and a restart, 7 is stored again.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "$(cat "$folder/pid" 2>/dev/null)" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
timeout 300 apt-get download -q "nats-server=${NATS_VERSION:-2.9.10-1+b3}" >/dev/null 2>&1 ||
    timeout 300 apt-get download -q nats-server >/dev/null 2>&1
dpkg -x nats-server_*.deb .

timeout 60 python3 - <<'PY'
import json, os, socket, subprocess, sys, time

port = socket.create_server(("127.0.0.1", 0)).getsockname()[1]
server = None

def start():
    global server
    command = ["usr/sbin/nats-server", "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", "store"]
    server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    open("pid", "w").write(str(server.pid))
    for _ in range(200):
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=10).makefile("rwb")
        except OSError:
            time.sleep(0.05)
    sys.exit("nats-server did not start")

def ask(wire, subject, content, headers=b""):
    """A request: its answer as JSON."""
    wire.write(b"CONNECT {\"verbose\":false,\"headers\":true}\r\nSUB inbox 1\r\n")
    if headers:
        headers = b"NATS/1.0\r\n" + headers + b"\r\n\r\n"
        wire.write(b"HPUB %s inbox %d %d\r\n" % (subject, len(headers), len(headers) + len(content)))
        wire.write(headers + content + b"\r\n")
    else:
        wire.write(b"PUB %s inbox %d\r\n%s\r\n" % (subject, len(content), content))
    wire.flush()
    while line := wire.readline():
        if line.startswith(b"PING"):
            wire.write(b"PONG\r\n")
            wire.flush()
        if line.startswith(b"MSG"):
            answer = wire.read(int(line.split()[-1]) + 2)
            wire.write(b"UNSUB 1\r\n")
            return json.loads(answer)
    sys.exit("no answer")

def stop():
    server.terminate()
    server.wait()
    # The id may be another process's from here on.
    os.remove("pid")

wire = start()
config = json.dumps({"name": "ORDERS", "subjects": ["orders.*"], "storage": "file",
                     "retention": "limits", "num_replicas": 1}).encode()
made = ask(wire, b"$JS.API.STREAM.CREATE.ORDERS", config)
print("window:", made["config"]["duplicate_window"] / 1e9, "s")
one = ask(wire, b"orders.a", b"of a", b"Nats-Msg-Id: 7")
two = ask(wire, b"orders.b", b"of b", b"Nats-Msg-Id: 7")
print("orders.a:", one, "orders.b:", two)
ask(wire, b"$JS.API.STREAM.PURGE.ORDERS", b"")
again = ask(wire, b"orders.a", b"of a", b"Nats-Msg-Id: 7")
print("after a purge:", again)
stop()
wire = start()
restarted = ask(wire, b"orders.a", b"of a", b"Nats-Msg-Id: 7")
print("after a restart:", restarted)
stop()
if not two.get("duplicate"):
    sys.exit("the window is a subject's now: this has changed")
if not again.get("duplicate") or restarted.get("duplicate"):
    sys.exit("a restart does not forget what was removed: this has changed")
PY
