#!/usr/bin/env python3
"""What a box in between does to a stream: starts each reverse proxy that is installed, with its default
settings and nothing but the way to the origin, on loopback in a temporary folder, and measures.

    tests/boxes/measure.py [--patient] [--check README.md] [--programs target/debug] [NAME ...]

Prints a row for each, the columns of the README's table. --patient also waits, two minutes at the most, for a
quiet stream to be cut. --check fails where the table says something else. Boxes that are not installed are
named, and left out.

--programs names the folder with `restless` and `restless-emulator`. Each box then stands before the emulator, too:
with its default settings, and with those that the table says help. `restless tail` follows a feed through it, over
each transport that passes, and the box is killed in the middle and started again: each event has to come, once. With
the settings that help, what the table promises has to happen; of a timeout, set to 3 s, that it is the one that cuts."""

import base64, json, os, random, re, select, shutil, signal, socket, subprocess, sys, tempfile, threading, time

EVENT = b"data: " + b"x" * 342 + b"\n\n"


def free_port():
    # Below those that systems give to clients, of which there are many meanwhile.
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) and port not in given:
                given.add(port)
                return port


given = set()


class Origin(threading.Thread):
    """A server that does what the path says. It chunks for HTTP/1.1 alone (RFC 9112 section 6.1)."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]

    def run(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            self.answer(connection)
        except OSError:
            pass
        finally:
            connection.close()

    def answer(self, connection):
        data = b""
        while b"\r\n\r\n" not in data:
            got = connection.recv(65536)
            if not got:
                return
            data += got
        line = data.split(b"\r\n", 1)[0].decode("latin-1")
        _, target, version = line.split(" ")
        chunked = version == "HTTP/1.1"
        if "/ws" in target:
            key = re.search(rb"(?i)sec-websocket-key: *(\S+)", data)
            if not key or not re.search(rb"(?i)upgrade: *websocket", data):
                connection.sendall(b"HTTP/1.1 426 x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return
            import hashlib
            accept = hashlib.sha1(key[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
            connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                               b"Sec-WebSocket-Accept: " + base64.b64encode(accept) + b"\r\n\r\n")
            while got := connection.recv(65536):
                connection.sendall(got)
            return
        if "/plain" in target:
            said = str(len(target)).encode()
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(said), said))
            return
        fields = b"Content-Type: text/event-stream\r\nCache-Control: no-store\r\n"
        if "buffer" in target:
            fields += b"X-Accel-Buffering: no\r\n"
        if chunked:
            fields += b"Transfer-Encoding: chunked\r\n"
        head = b"HTTP/1.1 200 OK\r\n" + fields + b"Connection: close\r\n\r\n"
        frame = (lambda d: b"%x\r\n%s\r\n" % (len(d), d)) if chunked else (lambda d: d)
        connection.sendall(head + frame(EVENT))
        if "/cut" in target:
            connection.sendall(frame(EVENT * 40))
            time.sleep(0.5)
            connection.sendall(b"ff\r\nhalf" if chunked else b"half")
            time.sleep(0.5)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            return
        if "/events" in target:
            for _ in range(40):
                time.sleep(0.1)
                connection.sendall(frame(EVENT))
        # Quiet, until the other side has had enough.
        while connection.recv(65536):
            pass


def ask(port, target, upgrade=False, host="127.0.0.1", timeout=5):
    s = socket.create_connection(("127.0.0.1", port), timeout=timeout)
    fields = f"Host: {host}\r\n"
    if upgrade:
        fields += ("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")
    s.sendall(f"GET {target} HTTP/1.1\r\n{fields}\r\n".encode())
    return s


def read(s, seconds, until=None):
    data, end = b"", time.monotonic() + seconds
    how = "open"
    while time.monotonic() < end:
        if until and until in data:
            break
        s.settimeout(max(0.01, end - time.monotonic()))
        try:
            got = s.recv(65536)
        except (TimeoutError, socket.timeout):
            break
        except OSError:
            how = "reset"
            break
        if not got:
            how = "end"
            break
        data += got
    return data, how


def status(data):
    found = re.match(rb"HTTP/1\.[01] (\d+)", data)
    return int(found[1]) if found else None


class Measure:
    def __init__(self, port, host):
        self.port, self.host = port, host

    def ask(self, target, **more):
        return ask(self.port, target, host=self.host, **more)

    def passes(self, length):
        """Whether a target of this length reaches the origin whole, and else what the box says."""
        try:
            with self.ask("/plain?" + "a" * (length - 7)) as s:
                data, how = read(s, 5, until=b"\r\n\r\n")
                data += read(s, 1, until=str(length).encode())[0] if status(data) == 200 else b""
        except OSError:
            data, how = b"", "reset"
        return status(data) == 200 and data.endswith(str(length).encode()), str(status(data) or how)

    def holds_back(self):
        said = []
        for target in ("/quiet", "/quiet-buffer"):
            with self.ask(target) as s:
                data, _ = read(s, 2, until=b"data: x")
            said.append(b"data: x" in data)
        if said[0]:
            return "no"
        with self.ask("/events") as s:
            data, _ = read(s, 10, until=b"data: x")
        much = f"{len(data) / 1024:.0f} KiB" if b"data: x" in data else "all"
        return f"{much}, unless `X-Accel-Buffering: no`" if said[1] else much

    def longest(self):
        good = 0
        for kib in (1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128):
            passed, answer = self.passes(kib * 1024)
            if not passed:
                break
            good = kib
        if good == 128:
            return "over 128 KiB"
        low, high = good * 1024, kib * 1024
        while high - low > 64:
            middle = (low + high) // 2
            low, high = (middle, high) if self.passes(middle)[0] else (low, middle)
        return f"{low / 1024:.1f} KiB, then {answer}"

    def websocket(self):
        with self.ask("/ws", upgrade=True) as s:
            data, how = read(s, 3, until=b"\r\n\r\n")
            if status(data) != 101:
                return f"no: {status(data) or how}"
            s.sendall(b"\x81\x80\0\0\0\0")
            data, _ = read(s, 3, until=b"\x81\x80")
            return "yes" if b"\x81\x80" in data else "no: 101, and then nothing"

    def cut(self):
        with self.ask("/cut") as s:
            data, how = read(s, 8)
        chunked = re.search(rb"(?i)transfer-encoding: *chunked", data.split(b"\r\n\r\n")[0])
        if chunked and data.endswith(b"0\r\n\r\n"):
            return "an end in good order"
        if how == "open":
            return "an open connection"
        if how == "reset":
            return "a reset"
        if chunked:
            return "a cut"
        return "an end (no length, no chunks)"

    def quiet(self, most=125):
        with self.ask("/quiet-buffer") as s:
            started = time.monotonic()
            data, how = read(s, most)
        took = time.monotonic() - started
        if how == "open":
            return "not in 2 min" if most > 120 else f"not in {most} s"
        return f"{took:.0f} s"


def write(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, 0o644)
    return path


def nginx(d, port, origin):
    conf = write(d, "nginx.conf", f"""daemon off; pid {d}/pid; error_log {d}/error.log; events {{}}
http {{ access_log off; client_body_temp_path {d}; proxy_temp_path {d}; fastcgi_temp_path {d}; uwsgi_temp_path {d}; scgi_temp_path {d};
server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{origin}; }} }} }}""")
    return ["nginx", "-c", conf, "-e", f"{d}/error.log"]


def apache2(d, port, origin):
    conf = write(d, "apache.conf", f"""ServerRoot {d}
ServerName localhost
Listen 127.0.0.1:{port}
PidFile {d}/pid
ErrorLog {d}/error.log
Mutex file:{d}
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so
LoadModule proxy_http_module /usr/lib/apache2/modules/mod_proxy_http.so
User www-data
ProxyPass / http://127.0.0.1:{origin}/
""")
    return ["apache2", "-DFOREGROUND", "-f", conf]


def haproxy(d, port, origin):
    conf = write(d, "haproxy.cfg", f"""defaults
  mode http
  timeout connect 5000
  timeout client 50000
  timeout server 50000
frontend f
  bind 127.0.0.1:{port}
  default_backend b
backend b
  server s 127.0.0.1:{origin}
""")
    return ["haproxy", "-db", "-f", conf]


def lighttpd(d, port, origin):
    conf = write(d, "lighttpd.conf", f"""server.modules = ("mod_proxy")
server.document-root = "{d}"
server.bind = "127.0.0.1"
server.port = {port}
proxy.server = ( "" => (( "host" => "127.0.0.1", "port" => {origin} )) )
""")
    return ["lighttpd", "-D", "-f", conf]


def varnish(d, port, origin):
    return ["varnishd", "-F", "-n", d, "-a", f"127.0.0.1:{port}", "-b", f"127.0.0.1:{origin}"]


def squid(d, port, origin):
    conf = write(d, "squid.conf", f"""http_port 127.0.0.1:{port} accel defaultsite=127.0.0.1
cache_peer 127.0.0.1 parent {origin} 0 no-query originserver
http_access allow all
pid_filename {d}/pid
access_log none
cache_log {d}/cache.log
coredump_dir {d}
cache_effective_user proxy
""")
    return ["squid", "-N", "-f", conf]


def tinyproxy(d, port, origin):
    conf = write(d, "tinyproxy.conf", f"""Port {port}
Listen 127.0.0.1
ReverseOnly Yes
ReversePath "/" "http://127.0.0.1:{origin}/"
LogFile "{d}/log"
PidFile "{d}/pid"
""")
    return ["tinyproxy", "-d", "-c", conf]


def privoxy(d, port, origin):
    # It is no reverse proxy, but takes such requests where it is told to.
    conf = write(d, "config", f"""confdir /etc/privoxy
logdir {d}
actionsfile match-all.action
actionsfile default.action
filterfile default.filter
listen-address 127.0.0.1:{port}
accept-intercepted-requests 1
""")
    return ["privoxy", "--no-daemon", conf]


def trafficserver(d, port, origin):
    root = os.path.join(d, "ts")
    subprocess.run(["traffic_layout", "init", "--path", root, "--copy-style", "soft", "--force"],
                   check=True, capture_output=True)
    with open(os.path.join(root, "runroot.yaml")) as f:
        etc = re.search(r"(?m)^sysconfdir: *(.*)$", f.read())[1]
    with open(os.path.join(etc, "records.config"), "a") as f:
        f.write(f"\nCONFIG proxy.config.http.server_ports STRING {port}:ip-in=127.0.0.1\n")
    with open(os.path.join(etc, "remap.config"), "w") as f:
        f.write(f"\nmap / http://127.0.0.1:{origin}/\n")
    for at, folders, files in os.walk(root):
        for name in folders + files:
            path = os.path.join(at, name)
            if not os.path.islink(path):
                shutil.chown(path, "trafficserver")
    shutil.chown(root, "trafficserver")
    return ["traffic_server", f"--run-root={root}/runroot.yaml"]


def caddy(d, port, origin):
    # With its automatic HTTPS it would put a certificate into the system's trust store.
    conf = write(d, "Caddyfile", f"""{{
admin off
auto_https off
skip_install_trust
}}
http://127.0.0.1:{port} {{
bind 127.0.0.1
reverse_proxy 127.0.0.1:{origin}
}}
""")
    return ["caddy", "run", "--adapter", "caddyfile", "--config", conf]


def h2o(d, port, origin):
    conf = write(d, "h2o.conf", f"""listen: {{ host: 127.0.0.1, port: {port} }}
user: nobody
hosts: {{ default: {{ paths: {{ /: {{ proxy.reverse.url: "http://127.0.0.1:{origin}/" }} }} }} }}
""")
    return ["h2o", "-c", conf]


def nghttpx(d, port, origin):
    return ["nghttpx", f"-f127.0.0.1,{port};no-tls", f"-b127.0.0.1,{origin}", "--conf=/dev/null"]


def pound(d, port, origin):
    conf = write(d, "pound.cfg", f"""Daemon 0
ListenHTTP
  Address 127.0.0.1
  Port {port}
  Service
    BackEnd
      Address 127.0.0.1
      Port {origin}
    End
  End
End
""")
    return ["pound", "-f", conf, "-p", f"{d}/pid"]


BOXES = {
    "nginx": (nginx, ["nginx", "-v"]), "apache2": (apache2, ["apache2", "-v"]), "haproxy": (haproxy, ["haproxy", "-v"]),
    "lighttpd": (lighttpd, ["lighttpd", "-v"]), "varnish": (varnish, ["varnishd", "-V"]), "squid": (squid, ["squid", "-v"]),
    "tinyproxy": (tinyproxy, ["tinyproxy", "-v"]), "privoxy": (privoxy, ["privoxy", "--version"]),
    "trafficserver": (trafficserver, ["traffic_server", "-V"]), "caddy": (caddy, ["caddy", "version"]),
    "h2o": (h2o, ["h2o", "-v"]), "nghttpx": (nghttpx, ["nghttpx", "-v"]), "pound": (pound, ["pound", "-V"]),
}


# The same with the settings of the table's last column; a quiet stream stands for so many seconds.

def nginx_helped(d, port, origin, quiet):
    conf = write(d, "nginx.conf", f"""daemon off; pid {d}/pid; error_log {d}/error.log; events {{}}
http {{ access_log off; client_body_temp_path {d}; proxy_temp_path {d}; fastcgi_temp_path {d}; uwsgi_temp_path {d}; scgi_temp_path {d};
server {{ listen 127.0.0.1:{port}; large_client_header_buffers 4 64k;
location / {{ proxy_pass http://127.0.0.1:{origin}; proxy_buffering off; proxy_read_timeout {quiet}s; proxy_http_version 1.1;
proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; }} }} }}""")
    return ["nginx", "-c", conf, "-e", f"{d}/error.log"]


def apache2_helped(d, port, origin, quiet):
    command = apache2(d, port, origin)
    alter(command[-1], f"ProxyPass / http://127.0.0.1:{origin}/",
          f"LimitRequestLine 65536\nProxyPass / http://127.0.0.1:{origin}/ timeout={quiet} upgrade=websocket")
    return command


def haproxy_helped(d, port, origin, quiet):
    command = haproxy(d, port, origin)
    alter(command[-1], "  timeout client 50000\n  timeout server 50000\n",
          f"  timeout client {quiet}s\n  timeout server {quiet}s\n  timeout tunnel 1h\n")
    alter(command[-1], "defaults\n", "global\n  tune.bufsize 65536\ndefaults\n")
    return command


def varnish_helped(d, port, origin, quiet):
    vcl = write(d, "default.vcl", f"""vcl 4.1;
backend default {{ .host = "127.0.0.1"; .port = "{origin}"; .between_bytes_timeout = {quiet}s; }}
sub vcl_recv {{ if (req.http.Upgrade) {{ return (pipe); }} }}
sub vcl_pipe {{ if (req.http.Upgrade) {{ set bereq.http.Upgrade = req.http.Upgrade; set bereq.http.Connection = req.http.Connection; }} }}
""")
    return ["varnishd", "-F", "-n", d, "-a", f"127.0.0.1:{port}", "-f", vcl, "-p", "http_req_size=96k",
            "-p", "workspace_client=256k", "-p", "workspace_backend=256k"]


def squid_helped(d, port, origin, quiet):
    command = squid(d, port, origin)
    alter(command[-1], "http_access allow all\n",
          f"http_access allow all\nread_timeout {quiet} seconds\nhttp_upgrade_request_protocols websocket allow all\n")
    return command


def tinyproxy_helped(d, port, origin, quiet):
    command = tinyproxy(d, port, origin)
    alter(command[-1], "ReverseOnly Yes", f"ReverseOnly Yes\nTimeout {quiet}")
    return command


def privoxy_helped(d, port, origin, quiet):
    actions = write(d, "own.action", "{-filter -deanimate-gifs}\n127.0.0.1\n")
    command = privoxy(d, port, origin)
    alter(command[-1], "filterfile", f"actionsfile {actions}\nsocket-timeout {quiet}\nfilterfile")
    return command


def lighttpd_helped(d, port, origin, quiet):
    command = lighttpd(d, port, origin)
    alter(command[-1], "server.port", 'server.stream-response-body = 2\nserver.max-request-field-size = 65536\nserver.port')
    alter(command[-1], "proxy.server", 'proxy.header = ( "upgrade" => "enable" )\nproxy.server')
    return command


def h2o_helped(d, port, origin, quiet):
    command = h2o(d, port, origin)
    alter(command[-1], "user: nobody", f"user: nobody\nproxy.timeout.io: {quiet * 1000}\nproxy.websocket: ON")
    return command


def nghttpx_helped(d, port, origin, quiet):
    return nghttpx(d, port, origin) + [f"--backend-read-timeout={quiet}s"]


def caddy_helped(d, port, origin, quiet):
    return caddy(d, port, origin)


def alter(path, old, new):
    with open(path) as f:
        text = f.read()
    assert old in text, old
    with open(path, "w") as f:
        f.write(text.replace(old, new, 1))


# What the settings help with, by the names of the table's columns.
HELPED = {
    "nginx": (nginx_helped, ["holds back", "quiet", "longest URL", "WebSocket"]),
    "apache2": (apache2_helped, ["quiet", "longest URL", "WebSocket"]),
    "haproxy": (haproxy_helped, ["quiet", "longest URL"]),
    "varnish": (varnish_helped, ["quiet", "longest URL", "WebSocket"]),
    "squid": (squid_helped, ["quiet", "WebSocket"]),
    "tinyproxy": (tinyproxy_helped, ["quiet"]),
    "privoxy": (privoxy_helped, ["holds back", "quiet"]),
    "caddy": (caddy_helped, []),
    "lighttpd": (lighttpd_helped, ["holds back", "longest URL", "WebSocket"]),
    "h2o": (h2o_helped, ["quiet", "WebSocket"]),
    "nghttpx": (nghttpx_helped, ["quiet"]),
}
SHORT, LONG, URL = 3, 3600, 40 * 1024
# Over these their defaults let an event stream, or a WebSocket, through to its end.
PASSES = {name: ["SSE"] for name in HELPED if name not in ("lighttpd", "privoxy")}
PASSES.update({name: ["SSE", "WebSocket"] for name in ("haproxy", "caddy", "nghttpx")})


class Box:
    """A box that runs."""

    def __init__(self, name, command, d, port, host):
        self.name, self.command, self.folder, self.port, self.host = name, command, d, port, host
        self.process = None
        self.start()

    def start(self):
        environment = dict(os.environ, HOME=self.folder)
        # It refuses to run as root.
        user = {"user": "trafficserver"} if self.name == "trafficserver" and os.getuid() == 0 else {}
        with open(os.path.join(self.folder, "out"), "a") as out:
            self.process = subprocess.Popen(self.command, stdout=out, stderr=out, cwd=self.folder, env=environment,
                                            start_new_session=True, **user)

    def said(self):
        with open(os.path.join(self.folder, "out")) as out:
            return out.read()[:1500]

    def until(self, target, statuses):
        """Whether it comes to pass such an answer on."""
        end = time.monotonic() + 20
        while self.process.poll() is None and time.monotonic() < end:
            try:
                with ask(self.port, target, host=self.host) as s:
                    data, _ = read(s, 5, until=b"\r\n\r\n")
                if status(data) in statuses:
                    return True
            except OSError:
                pass
            time.sleep(0.1)
        return False

    def kill(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        # A process of its own group goes a little later, and takes its port along.
        end = time.monotonic() + 10
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except OSError:
                break
            time.sleep(0.05)


EVENTS = 60


class Feed:
    """The emulator, with a feed of events that are 100 ms apart."""

    def __init__(self, programs, d):
        self.programs, self.port = programs, free_port()
        pieces = [(100, 'id: %d\ndata: {"type":"update","meta":{"timestamp":"2026-06-07T00:49:36Z"},"data":%d}\n\n' % (n, n))
                  for n in range(1, EVENTS + 1)]
        path = write(d, "feed", "".join(json.dumps({"pause_ms": pause, "content": text}) + "\n" for pause, text in pieces))
        self.process = subprocess.Popen([f"{programs}/restless-emulator", "--port", str(self.port), "--replay", path],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                break
            except OSError:
                assert self.process.poll() is None, "the emulator does not start"
                time.sleep(0.05)

    def through(self, box, websocket, d):
        """What comes through a box that is killed in the middle, and started again."""
        # One that is no reverse proxy is a proxy.
        at = self.port if box.name == "privoxy" else box.port
        proxy = ["--proxy", f"http://127.0.0.1:{box.port}"] if box.name == "privoxy" else []
        environment = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        environment.update(HOME=d, RESTLESS_API_KEY="rs_0123456789abcdef")
        command = [f"{self.programs}/restless", "tail", "--limit", str(EVENTS), "--retry-seconds", "0.2",
                   *(["--ws"] if websocket else []), *proxy,
                   f"http://127.0.0.1:{at}/?streamId=stream_replay"]
        with open(os.path.join(d, "tail"), "w") as err:
            client = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=err, env=environment, text=True)
        ids = []
        patience = threading.Timer(60, client.kill)
        patience.start()
        for line in client.stdout:
            ids.append(json.loads(line)["event_id"])
            if len(ids) == EVENTS // 3:
                box.kill()
                box.start()
        patience.cancel()
        client.wait()
        due = [str(n) for n in range(1, EVENTS + 1)]
        with open(os.path.join(d, "tail")) as err:
            told = err.read()
        if ids != due:
            return f"{len(ids)} of {EVENTS} events: {ids}: {told[-500:]}"
        return "all, once" if told.count("lost") else f"the box was not missed: {told[-500:]}"


def through(name, origin, feed, results):
    """A box before the emulator by default, and with what helps; before the origin, what helps."""
    good, wrong = [], []

    def follow(which, make, passes):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as d:
            os.chmod(d, 0o777)
            port = free_port()
            box = Box(name, make(d, port, feed.port), d, port, f"127.0.0.1:{feed.port}" if name == "privoxy" else "127.0.0.1")
            try:
                # The emulator's word on a request for no stream.
                if not box.until("/streams", (401,)):
                    wrong.append(f"{which}: did not start: {box.said()}")
                    return
                for transport in passes:
                    came = feed.through(box, transport == "WebSocket", d)
                    (good if came == "all, once" else wrong).append(f"{which}, {transport}: {came}")
            finally:
                box.kill()

    def promises(quiet, asked):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as d:
            os.chmod(d, 0o777)
            port, host = free_port(), f"127.0.0.1:{origin}" if name == "privoxy" else "127.0.0.1"
            box = Box(name, helped(d, port, origin, quiet), d, port, host)
            try:
                if not box.until("/plain", (200,)):
                    wrong.append(f"helped: did not start: {box.said()}")
                    return
                m = Measure(port, host)
                for column, (found, due) in asked(m):
                    (good if due(found) else wrong).append(f"helped, {column}: {found}")
            finally:
                box.kill()

    helped, helps = HELPED[name]
    follow("default", BOXES[name][0], PASSES.get(name, []))
    better = {*PASSES.get(name, []), "SSE", *(["WebSocket"] if "WebSocket" in helps else [])}
    follow("helped", lambda d, port, to: helped(d, port, to, LONG), sorted(better))
    of = {
        "holds back": lambda m: (m.holds_back(), lambda found: found == "no"),
        "longest URL": lambda m: ("40 KiB" if m.passes(URL)[0] else "under 40 KiB", lambda found: found == "40 KiB"),
        "WebSocket": lambda m: (m.websocket(), lambda found: found == "yes"),
    }
    if set(helps) & set(of):
        promises(LONG, lambda m: ((column, of[column](m)) for column in helps if column in of))
    if "quiet" in helps:
        promises(SHORT, lambda m: [("quiet for 3 s", (m.quiet(20), lambda found: found[0] in "23456" and found.endswith(" s")))])
    results[name] = (good, wrong)


def version(command):
    said = subprocess.run(command, capture_output=True, text=True)
    found = re.search(r"\d+\.\d+(\.\d+)*", said.stdout + said.stderr)
    return found[0] if found else "?"


def measure(name, patient, origin, rows):
    make, asked = BOXES[name]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as d:
        os.chmod(d, 0o777)
        port = free_port()
        host = f"127.0.0.1:{origin}" if name == "privoxy" else "127.0.0.1"
        box = Box(name, make(d, port, origin), d, port, host)
        try:
            if not box.until("/plain", (200,)):
                rows[name] = f"{name}: did not start: {box.said()}"
                return
            m = Measure(port, host)
            cells = [m.holds_back(), m.quiet() if patient else "–", m.longest(), m.websocket(), m.cut()]
            rows[name] = f"| {name} {version(asked)} | " + " | ".join(cells) + " |"
        finally:
            box.kill()


def said(path):
    """The rows of the table, by box."""
    rows = {}
    with open(path) as f:
        for line in f:
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            name = cells[0].split(" ")[0]
            if name in BOXES and len(cells) == 7:
                rows[name] = cells[1:6]
    return rows


def differ(measured, due):
    cells = [cell.strip() for cell in measured.strip().strip("|").split("|")][1:]
    plain = lambda cell: cell.replace("*", "")
    number = lambda cell: float(found[0]) if (found := re.match(r"[\d.]+", cell)) else None
    for seen, cell in zip(cells, due):
        seen, cell = plain(seen), plain(cell)
        if seen == "–":
            continue
        a, b = number(seen), number(cell)
        near = a is not None and b is not None and abs(a - b) <= max(2, b / 20)
        if seen != cell and not (near and seen.lstrip("0123456789.") == cell.lstrip("0123456789.")):
            yield f"{seen!r}, and the table says {cell!r}"


def main():
    arguments = sys.argv[1:]
    table = None
    if "--check" in arguments:
        at = arguments.index("--check")
        table = said(arguments[at + 1])
        del arguments[at:at + 2]
    programs = None
    if "--programs" in arguments:
        at = arguments.index("--programs")
        programs = arguments[at + 1]
        del arguments[at:at + 2]
    names = [a for a in arguments if not a.startswith("-")] or list(BOXES)
    patient = "--patient" in arguments
    os.environ["PATH"] += ":/usr/sbin"
    origin = Origin()
    origin.start()
    rows, results, measured, followed = {}, {}, [], []
    folder = tempfile.TemporaryDirectory()
    feed = Feed(programs, folder.name) if programs else None
    for name in names:
        if not shutil.which(BOXES[name][1][0]):
            rows[name] = f"{name}: not installed, not measured"
            continue
        measured.append(threading.Thread(target=measure, args=(name, patient, origin.port, rows)))
        if feed and name in HELPED:
            followed.append(threading.Thread(target=through, args=(name, origin.port, feed, results)))
    # One after the other: what is measured goes by seconds.
    for threads in (measured, followed):
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    if feed:
        feed.process.terminate()
        feed.process.wait()
    print("| box | holds back | cuts a quiet stream after | longest URL | WebSocket | makes of a cut |\n"
          "| --- | --- | --- | --- | --- | --- |")
    wrong = []
    for name in names:
        row = rows.get(name, f"{name}: failed")
        print(row)
        if table is not None and row.startswith("|"):
            wrong += [f"{name}: {what}" for what in differ(row, table.get(name, []))]
            wrong += [f"{name}: not in the table"] if name not in table else []
        elif table is not None and "not installed" not in row:
            wrong.append(row)
    if feed:
        print("\nbefore the emulator, with `restless tail` through it; and the settings that help:")
    for name in names if feed else []:
        good, broken = results.get(name, ([], []))
        installed = "not installed" not in rows.get(name, "")
        if name not in HELPED:
            print(f"{name}: no settings to try here" if installed else f"{name}: not installed, not tried")
        elif installed:
            print(f"{name}: " + "; ".join(good))
            wrong += [f"{name}: {what}" for what in broken]
            wrong += [f"{name}: nothing was tried"] if not good else []
        else:
            print(f"{name}: not installed, not tried")
    for what in wrong:
        print(what, file=sys.stderr)
    sys.exit(bool(wrong))


main()
