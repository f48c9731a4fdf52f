#!/usr/bin/env python3
"""What a box in between does to a stream: starts each reverse proxy that is installed, with its default
settings and nothing but the way to the origin, on loopback in a temporary folder, and measures.

    tests/boxes/measure.py [--patient] [--check README.md] [NAME ...]

Prints a row for each, the columns of the README's table. --patient also waits, two minutes at the most, for a
quiet stream to be cut. --check fails where the table says something else. Boxes that are not installed are
named, and left out."""

import base64, os, re, select, shutil, socket, subprocess, sys, tempfile, threading, time

EVENT = b"data: " + b"x" * 342 + b"\n\n"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


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

    def quiet(self):
        with self.ask("/quiet-buffer") as s:
            started = time.monotonic()
            data, how = read(s, 125)
        took = time.monotonic() - started
        if how == "open":
            return "not in 2 min"
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


def version(command):
    said = subprocess.run(command, capture_output=True, text=True)
    found = re.search(r"\d+\.\d+(\.\d+)*", said.stdout + said.stderr)
    return found[0] if found else "?"


def measure(name, patient, origin, rows):
    make, asked = BOXES[name]
    environment = dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin", HOME="/nonexistent")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as d:
        os.chmod(d, 0o777)
        port = free_port()
        command = make(d, port, origin)
        with open(os.path.join(d, "out"), "w") as out:
            # It refuses to run as root.
            user = {"user": "trafficserver"} if name == "trafficserver" and os.getuid() == 0 else {}
            box = subprocess.Popen(command, stdout=out, stderr=out, cwd=d, env=dict(environment, HOME=d),
                                   start_new_session=True, **user)
        try:
            host = f"127.0.0.1:{origin}" if name == "privoxy" else "127.0.0.1"
            end = time.monotonic() + 20
            while True:
                try:
                    with ask(port, "/plain", host=host) as s:
                        data, _ = read(s, 5, until=b"\r\n\r\n")
                    if status(data) == 200:
                        break
                except OSError:
                    pass
                if box.poll() is not None or time.monotonic() > end:
                    with open(os.path.join(d, "out")) as out:
                        rows[name] = f"{name}: did not start: {out.read()[:1500]}"
                    return
                time.sleep(0.2)
            m = Measure(port, host)
            cells = [m.holds_back(), m.quiet() if patient else "–", m.longest(), m.websocket(), m.cut()]
            rows[name] = f"| {name} {version(asked)} | " + " | ".join(cells) + " |"
        finally:
            box.terminate()
            try:
                box.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(box.pid, 9)


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
    names = [a for a in arguments if not a.startswith("-")] or list(BOXES)
    patient = "--patient" in arguments
    os.environ["PATH"] += ":/usr/sbin"
    origin = Origin()
    origin.start()
    rows, threads = {}, []
    for name in names:
        if not shutil.which(BOXES[name][1][0]):
            rows[name] = f"{name}: not installed, not measured"
            continue
        threads.append(threading.Thread(target=measure, args=(name, patient, origin.port, rows)))
    for t in threads:
        t.start()
    for t in threads:
        t.join()
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
    for what in wrong:
        print(what, file=sys.stderr)
    sys.exit(bool(wrong))


main()
