#!/usr/bin/env python3
"""Plays a stream over WebSocket with Python's `websockets`, to a client that it starts.

    interop_server.py CLIENT

CLIENT is the `subscribe-tokio` example. It is run once for each agreement on compression, with a
server of its own on 127.0.0.1. A play is 240 events over three connections: the first is cut in
the middle of a message, the second is closed with 1000 and has more to come, the third gives the
rest and is closed with 1000. Each connection goes on behind the `cursor` of its request.

Checked: the compression agreed on; that the client printed each event once, in order, with the
data that was sent; that it came back with the cursor it should; and that it answers a ping between
two fragments. Exits 0 when all of it holds, else 1.
"""
import asyncio
import json
import os
import random
import sys
import tempfile
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

EVENTS = 240
PRINTED_BEFORE_CUT = 80     # the client has printed this one when the first connection is cut
CUT = 90                    # and this one is sent halfway
CLOSED = 160                # the last one of the second connection
SECONDS = 30                # for one play; it takes about one


def agreement(**parameters):
    """What a server with these parameters of RFC 7692 must end up with."""
    return {
        "local_no_context_takeover": parameters.get("server_no_context_takeover", False),
        "remote_no_context_takeover": parameters.get("client_no_context_takeover", False),
        "local_max_window_bits": parameters.get("server_max_window_bits", 15),
        "remote_max_window_bits": parameters.get("client_max_window_bits", 15),
    }


ALONE = {"server_no_context_takeover": True, "client_no_context_takeover": True}
SMALL = {"server_max_window_bits": 9, "client_max_window_bits": 9}
# name, parameters (None: no compression), whether the URL is ws:// (else http:// and --ws)
PLAYS = [
    ("what the library does by itself", {"server_max_window_bits": 12, "client_max_window_bits": 12}, True),
    ("full windows", {}, False),
    ("no context takeover", ALONE, True),
    ("windows of 512 bytes", SMALL, False),
    ("windows of 512 bytes, no context takeover", {**ALONE, **SMALL}, True),
    ("no compression", None, False),
]


def events():
    """Texts that repeat themselves near and far, so that every window size matters."""
    chance = random.Random(3)
    words = ["".join(chance.choices("abcdefghij é€𝄞", k=chance.randint(2, 12))) for _ in range(400)]
    for n in range(1, EVENTS + 1):
        count = chance.choice([0, 3, 30, 300]) if n % 40 else 9000
        data = {"n": n, "text": " ".join(chance.choices(words, k=count))}
        yield {
            "type": "update",
            "meta": {"timestamp": "2026-01-01T00:%02d:%02d.000Z" % divmod(n, 60)},
            "data": data,
            "event_id": str(n),
        }


class Play:
    def __init__(self, parameters):
        self.wanted = None if parameters is None else agreement(**parameters)
        self.events = list(events())
        self.cursors = []
        self.printed = []
        self.over = False                       # nobody waits for the client any more
        self.more = asyncio.Condition()
        self.wrong = []

    def check(self, good, sentence):
        if not good:
            self.wrong.append(sentence)

    async def connection(self, ws):
        try:
            await self.serve(ws)
        except ConnectionClosed:
            pass                                # it was cut, or the client has what it wants
        except Exception as error:              # else only the library's log would have it
            self.wrong.append("the server failed: %r" % error)
            raise

    async def serve(self, ws):
        attributes = ("local_no_context_takeover", "remote_no_context_takeover",
                      "local_max_window_bits", "remote_max_window_bits")
        agreed = [{name: getattr(extension, name) for name in attributes} for extension in ws.protocol.extensions]
        wanted = [] if self.wanted is None else [self.wanted]
        self.check(agreed == wanted, "agreed on %s, wanted %s" % (agreed, wanted))

        cursor = parse_qs(urlsplit(ws.request.path).query).get("cursor", [None])[-1]
        self.cursors.append(cursor)
        last = {1: CUT, 2: CLOSED}.get(len(self.cursors), EVENTS)
        for n in range(int(cursor or 0) + 1, last + 1):
            text = json.dumps(self.events[n - 1], ensure_ascii=False)
            if n == CUT and len(self.cursors) == 1:
                await self.cut(ws, text)
            elif n % 3 == 0:
                await ws.send(self.fragments(ws, n, text.encode()), text=True)
            elif n % 7 == 0:
                await ws.send("")                # no event, to be skipped
                await ws.send(text.encode())     # binary, and still an event
            else:
                await ws.send(text)
        await ws.close(1000)

    async def fragments(self, ws, n, message):
        """Four pieces cut anywhere, also inside a character, and an empty one."""
        chance = random.Random(n)
        cuts = [0, *sorted(chance.randint(0, len(message)) for _ in range(3)), len(message)]
        for start, end in zip(cuts, cuts[1:]):
            yield message[start:end]
            if n % 30 == 0:
                await asyncio.wait_for(await ws.ping(), 10)
        yield b""

    async def cut(self, ws, text):
        async with self.more:
            await self.more.wait_for(lambda: self.over or len(self.printed) >= PRINTED_BEFORE_CUT)

        async def half():
            yield text[: len(text) // 2]
            ws.transport.abort()
            yield text[len(text) // 2 :]

        await ws.send(half())

    async def read(self, stdout):
        async for line in stdout:
            async with self.more:
                self.printed.append(json.loads(line))
                self.more.notify_all()

    async def end(self):
        async with self.more:
            self.over = True
            self.more.notify_all()

    def judge(self, status):
        self.check(status == 0, "the client ended with %s" % status)
        ids = [event["event_id"] for event in self.printed]
        self.check(ids == [event["event_id"] for event in self.events], "printed the events %s" % ids)
        for seen, sent in zip(self.printed, self.events):
            same = all(seen[name] == sent[name] for name in ("type", "data"))
            self.check(same, "event %s has other data than was sent" % sent["event_id"])
        cursors = [int(cursor or 0) for cursor in self.cursors]
        resumed = len(cursors) == 3 and cursors[0] == 0 and PRINTED_BEFORE_CUT <= cursors[1] < CUT and cursors[2] == CLOSED
        self.check(resumed, "connected with the cursors %s" % self.cursors)


async def run(client, parameters, websocket_url):
    play = Play(parameters)
    extensions = None if parameters is None else [ServerPerMessageDeflateFactory(**parameters)]
    # The library's own default would add a second offer of compression.
    async with serve(play.connection, "127.0.0.1", 0, extensions=extensions, compression=None) as server:
        port = server.sockets[0].getsockname()[1]
        url = ["ws://127.0.0.1:%d/ws" % port] if websocket_url else ["--ws", "http://127.0.0.1:%d" % port]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RESTLESS_")}
        environment["RESTLESS_API_KEY"] = "rs_0123456789abcdef"
        with tempfile.TemporaryFile() as said:
            process = await asyncio.create_subprocess_exec(
                client, *url, "--limit", str(EVENTS), "--retry-seconds", "0.1",
                stdout=asyncio.subprocess.PIPE, stderr=said, env=environment, limit=1 << 24)
            try:
                await asyncio.wait_for(play.read(process.stdout), SECONDS)
                status = await asyncio.wait_for(process.wait(), SECONDS)
            except asyncio.TimeoutError:
                status = "nothing for %d s" % SECONDS
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
                await play.end()
            play.judge(status)
            if play.wrong:
                said.seek(0)
                play.wrong.append("the client said:\n" + said.read().decode(errors="replace")[-2000:])
    return play.wrong


async def main(client):
    failed = 0
    for name, parameters, websocket_url in PLAYS:
        wrong = await run(client, parameters, websocket_url)
        print("%-45s %s" % (name, "FAILED" if wrong else "OK"))
        for sentence in wrong:
            print("  " + sentence)
        failed += bool(wrong)
    print("interop with Python's websockets: %d of %d as wanted" % (len(PLAYS) - failed, len(PLAYS)))
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    sys.exit(asyncio.run(main(sys.argv[1])))
