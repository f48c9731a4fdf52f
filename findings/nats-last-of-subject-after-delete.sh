#!/usr/bin/env bash
# JetStream on files loses sight of a subject's last message once that message is deleted, though
# earlier ones are there:
# - STREAM.MSG.GET with `last_by_subj` answers 10037, no message found, while STREAM.INFO counts the
#   subject's messages in the same breath.
# - `Nats-Expected-Last-Subject-Sequence: 0`, which asks for a subject without messages, is taken:
#   the fence of whoever compares and sets by subject is open.
# A stream in memory answers with the message before, and refuses 0 with 10071; so does a stream on
# files of nats-server 2.15.1.
#
# Debian's nats-server 2.9.10, three messages of one subject, the third deleted by its sequence.
#
# Seen with nats-server 2.9.10 (2026-11-28): on files {"last": 10037, "counted": 2, "expecting 0":
# "taken"}, in memory {"last": 2, "counted": 2, "expecting 0": 10071}.
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
command = ["usr/sbin/nats-server", "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", "store"]
print(subprocess.run([command[0], "--version"], capture_output=True, text=True).stdout.strip())
server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
open("pid", "w").write(str(server.pid))
for _ in range(200):
    try:
        wire = socket.create_connection(("127.0.0.1", port), timeout=10).makefile("rwb")
        break
    except OSError:
        time.sleep(0.05)
else:
    sys.exit("nats-server did not start")


def ask(subject, content, fields=""):
    """A request with header fields: its answer as JSON."""
    head = f"NATS/1.0\r\n{fields}\r\n".encode()
    wire.write(b'CONNECT {"verbose":false,"headers":true}\r\nSUB inbox 1\r\n')
    wire.write(f"HPUB {subject} inbox {len(head)} {len(head) + len(content)}\r\n".encode())
    wire.write(head + content.encode() + b"\r\n")
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


def api(call, **what):
    return ask(f"$JS.API.STREAM.{call}", json.dumps(what))


seen = {}
for storage in ["file", "memory"]:
    subject = f"{storage}.orders"
    made = api(f"CREATE.{storage}", name=storage, subjects=[subject], storage=storage,
               retention="limits", num_replicas=1)
    if "error" in made:
        sys.exit(f"no stream: {made}")
    for n in range(3):
        ask(subject, f"message {n}")
    api(f"MSG.DELETE.{storage}", seq=3)
    last = api(f"MSG.GET.{storage}", last_by_subj=subject)
    counted = api(f"INFO.{storage}", subjects_filter=">")["state"]["subjects"]
    put = ask(subject, "one more", "Nats-Expected-Last-Subject-Sequence: 0\r\n")
    seen[storage] = {
        "last": last["message"]["seq"] if "message" in last else last["error"]["err_code"],
        "counted": counted[subject],
        "expecting 0": put["error"]["err_code"] if "error" in put else "taken",
    }
    print(storage, json.dumps(seen[storage]))
server.terminate()
server.wait()
# The id may be another process's from here on.
os.remove("pid")
if seen["memory"] != {"last": 2, "counted": 2, "expecting 0": 10071}:
    sys.exit("a stream in memory answers something else: this has changed")
if seen["file"] != {"last": 10037, "counted": 2, "expecting 0": "taken"}:
    sys.exit("a stream on files answers something else: this has changed")
PY
