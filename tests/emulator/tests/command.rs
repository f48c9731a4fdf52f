//! The binary.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use restless_emulator::Emulator;

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_restless-emulator"));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env_remove("RESTLESS_JQ");
    command
}

/// A running emulator, killed if a test forgets it.
struct Running(Child);

impl Running {
    /// Starts it and reads as many lines of its standard output.
    fn start(args: &[&str], lines: usize) -> (Self, Vec<String>) {
        let mut child = command(args).spawn().expect("a child");
        let stdout = BufReader::new(child.stdout.take().expect("stdout"));
        let running = Self(child);
        (running, stdout.lines().take(lines).map(|line| line.expect("a line")).collect())
    }

    #[cfg(unix)]
    fn signal(&self, name: &str) {
        let id = self.0.id().to_string();
        let status = Command::new("kill").args(["-s", name, &id]).status().expect("kill");
        assert!(status.success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn first_lines_can_be_pasted_and_are_true() {
    let args = ["--port", "0", "--api-key", "rs_mine", "--hmac-secret", "it's"];
    let (_running, lines) = Running::start(&args, 4);
    let base = lines[0].strip_prefix("export RESTLESS_API_BASE_URL=").expect("the base URL");
    assert_eq!(lines[1], format!("export RESTLESS_STREAM_BASE_URL={base}"));
    assert_eq!(lines[2], "export RESTLESS_API_KEY=rs_mine");
    assert_eq!(lines[3], r"export RESTLESS_HMAC_SECRET='it'\''s'");

    let mut socket = TcpStream::connect(base.strip_prefix("http://").expect("http")).expect("up");
    socket
        .write_all(
            b"GET /streams HTTP/1.1\r\nhost: x\r\nx-api-key: rs_mine\r\nconnection: close\r\n\r\n",
        )
        .expect("sent");
    let mut response = String::new();
    socket.read_to_string(&mut response).expect("a response");
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
}

#[cfg(unix)]
#[test]
fn signal_stops_it_with_exit_0() {
    for name in ["INT", "TERM"] {
        let (mut running, _) = Running::start(&["--port", "0"], 4);
        running.signal(name);
        assert_eq!(running.0.wait().expect("an exit").code(), Some(0), "{name}");
    }
}

#[cfg(unix)]
#[test]
fn request_is_logged_without_the_key() {
    let (mut running, lines) = Running::start(&["--port", "0"], 4);
    let address = lines[0].rsplit("//").next().expect("an address");
    let mut socket = TcpStream::connect(address).expect("up");
    socket
        .write_all(
            b"GET /?url=http%3A%2F%2F127.0.0.1%3A9%2F&apiKey=rs_0123456789abcdef&cursor=1 HTTP/1.1\r\nhost: x\r\n\r\n",
        )
        .expect("sent");
    let mut first = [0; 1];
    socket.read_exact(&mut first).expect("a response");
    running.signal("TERM");
    running.0.wait().expect("an exit");
    let mut log = String::new();
    running.0.stderr.take().expect("stderr").read_to_string(&mut log).expect("a log");
    assert!(log.starts_with("GET /?cursor=1 200 "), "{log}");
    assert!(!log.contains("rs_"), "{log}");
}

#[test]
fn demo_has_a_stream_of_orders() {
    let (_running, lines) = Running::start(&["--port", "0", "--demo"], 8);
    // The same in every run.
    assert_eq!(lines[4], "# the id of a stream: stream_demo");
    let upstream = lines[5].strip_prefix("# its upstream: http://").expect("the upstream");
    let mut socket = TcpStream::connect(upstream.trim_end_matches('/')).expect("up");
    socket.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").expect("sent");
    let mut response = String::new();
    socket.read_to_string(&mut response).expect("a response");
    assert!(response.contains(r#"{"orders":["#), "{response}");
    assert!(lines[6].starts_with("# "));
    assert!(
        lines[7].starts_with("curl -N -H \"Authorization: Bearer $RESTLESS_API_KEY\" 'http://")
    );
    assert!(lines[7].contains("streamId=stream_demo"), "{}", lines[7]);
}

/// A device that is always full.
#[cfg(target_os = "linux")]
#[test]
fn full_disk_exits_1_and_says_so() {
    for args in [&["--help"][..], &["--version"], &["--port", "0"], &["--port", "0", "--demo"]] {
        let full = std::fs::File::options().write(true).open("/dev/full").expect("a device");
        let output = command(args).stdout(full).output().expect("an exit");
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        let stderr = String::from_utf8(output.stderr).expect("UTF-8");
        assert!(stderr.starts_with("restless-emulator: standard output: "), "{args:?}: {stderr}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn log_that_finds_no_room_stops_nobody() {
    let full = std::fs::File::options().write(true).open("/dev/full").expect("a device");
    let mut child = command(&["--port", "0"]).stderr(full).spawn().expect("a child");
    let mut stdout = BufReader::new(child.stdout.take().expect("stdout"));
    let _running = Running(child);
    let mut line = String::new();
    stdout.read_line(&mut line).expect("a line");
    for _ in 0..2 {
        let mut socket = TcpStream::connect(line.trim().rsplit("//").next().expect("an address"));
        let socket = socket.as_mut().expect("up");
        socket.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").expect("sent");
        let mut response = String::new();
        socket.read_to_string(&mut response).expect("a response");
        assert!(response.starts_with("HTTP/1.1 401"), "{response}");
    }
}

#[test]
fn last_line_says_what_runs_filters() {
    let (_running, lines) = Running::start(&["--port", "0"], 5);
    assert_eq!(lines[4], "# filters run in jaq 3.1");
}

#[test]
fn jq_comes_from_its_argument_or_the_environment() {
    let found = Command::new("jq").arg("--version").output();
    let Ok(found) = found else { return eprintln!("skipped: no jq is installed") };
    let due = format!("# filters run in {}\n", String::from_utf8_lossy(&found.stdout).trim());
    for (args, value) in [(&["--jq", "jq"][..], "/no/such/jq"), (&[], "jq")] {
        let mut command = command(&["--port", "0"]);
        let mut child = command.args(args).env("RESTLESS_JQ", value).spawn().expect("a child");
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout"));
        let _running = Running(child);
        let mut line = String::new();
        while !line.starts_with("# filters") {
            line.clear();
            assert_ne!(stdout.read_line(&mut line).expect("a line"), 0, "{args:?}");
        }
        assert_eq!(line, due, "{args:?}");
    }
}

#[test]
fn jq_that_is_none_exits_1_and_says_so() {
    let output = command(&["--port", "0", "--jq", "/no/such/jq"]).output().expect("an exit");
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).expect("UTF-8");
    let due = "restless-emulator: cannot run filters in /no/such/jq: there is no such program\n";
    assert_eq!(stderr, due);
}

#[cfg(unix)]
#[test]
fn warning_of_a_filter_is_on_standard_error() {
    let (mut running, lines) = Running::start(&["--port", "0"], 4);
    let address = lines[0].rsplit("//").next().expect("an address");
    let mut socket = TcpStream::connect(address).expect("up");
    socket
        .write_all(
            b"GET /?url=http%3A%2F%2F127.0.0.1%3A9%2F&apiKey=rs_0123456789abcdef&jq=join(%22-%22) HTTP/1.1\r\nhost: x\r\n\r\n",
        )
        .expect("sent");
    let mut first = [0; 1];
    socket.read_exact(&mut first).expect("a response");
    running.signal("TERM");
    running.0.wait().expect("an exit");
    let mut log = String::new();
    running.0.stderr.take().expect("stderr").read_to_string(&mut log).expect("a log");
    let warning = log.lines().nth(1).expect("a second line");
    assert!(warning.starts_with("warning: this filter runs in jaq 3.1"), "{log}");
    assert!(warning.contains("`join`"), "{log}");
}

#[test]
fn recording_is_replayed_to_everybody() {
    let file = std::env::temp_dir().join(format!("restless-replay-{}", std::process::id()));
    let pieces = "{\"pause_ms\":0,\"content\":\"id: 1\\n\"}\n{\"pause_ms\":40,\"content\":\"data: x\\n\\n\"}\n";
    std::fs::write(&file, pieces).expect("a file");
    let name = file.to_str().expect("UTF-8");
    let (_running, lines) = Running::start(&["--port", "0", "--replay", name, "--speed", "20"], 5);
    std::fs::remove_file(&file).expect("removed");
    for _ in 0..2 {
        let mut socket =
            TcpStream::connect(lines[0].rsplit("//").next().expect("an address")).expect("up");
        socket.write_all(b"GET /?streamId=any HTTP/1.1\r\nhost: x\r\n\r\n").expect("sent");
        let lines = BufReader::new(socket).lines().map(|line| line.expect("a line"));
        let shown: Vec<_> = lines
            .filter(|line| line.starts_with("id: ") || line.starts_with("data: "))
            .take(2)
            .collect();
        assert_eq!(shown, ["id: 1", "data: x"]);
    }
}

#[test]
fn recording_that_is_none_exits_1_and_says_so() {
    let output = command(&["--port", "0", "--replay", "/no/such/file"]).output().expect("an exit");
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).expect("UTF-8");
    let due = "restless-emulator: cannot replay /no/such/file: the recording can't be read: ";
    assert!(stderr.starts_with(due), "{stderr}");
}

/// The recording is a pipe that is open, and says nothing.
#[cfg(unix)]
#[test]
fn signal_ends_it_while_a_recording_is_read() {
    use std::os::unix::process::ExitStatusExt as _;

    let pipe = std::env::temp_dir().join(format!("restless-pipe-{}", std::process::id()));
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    let name = pipe.to_str().expect("UTF-8");
    let child = command(&["--port", "0", "--replay", name]).spawn().expect("a child");
    let mut running = Running(child);
    // Opens when the emulator has opened the other end, and stays open while it is to end.
    let _writer = std::fs::File::options().write(true).open(&pipe).expect("a reader");
    std::fs::remove_file(&pipe).expect("removed");
    running.signal("TERM");
    let mut stdout = running.0.stdout.take().expect("stdout");
    let (ended, end) = std::sync::mpsc::channel();
    std::thread::spawn(move || ended.send(stdout.read_to_end(&mut Vec::new()).expect("read")));
    assert_eq!(end.recv_timeout(std::time::Duration::from_secs(20)), Ok(0));
    assert_eq!(running.0.wait().expect("an exit").signal(), Some(15));
}

#[test]
fn version_is_the_package_s() {
    let output = command(&["--version"]).output().expect("an exit");
    let due = format!("restless-emulator {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!((output.status.code(), output.stdout), (Some(0), due.into_bytes()));
}

#[test]
fn bad_arguments_exit_2_with_the_usage() {
    for args in [
        &["--nonsense"][..],
        &["--port"],
        &["--port", "x"],
        &["--port", "70000"],
        &["--heartbeat-seconds", "0"],
        &["--speed", "0"],
        &["--heartbeat-seconds", "-1"],
        &["--api-key", ""],
        &["--api-key", "a b"],
        &["extra"],
    ] {
        let output = command(args).output().expect("an exit");
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let stderr = String::from_utf8(output.stderr).expect("UTF-8");
        assert!(stderr.starts_with("restless-emulator: "), "{stderr}");
        assert!(stderr.contains("Usage: "), "{stderr}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn help_is_on_stdout_with_exit_0() {
    let output = command(&["--help"]).output().expect("an exit");
    assert_eq!(output.status.code(), Some(0));
    let usage = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(usage.starts_with("Usage: "));
    assert!(usage.contains("http://"), "what it can poll: {usage}");
    assert!(usage.contains("--jq") && usage.contains("jaq 3.1"), "what runs filters: {usage}");
}

#[test]
fn port_in_use_exits_1_and_says_so() {
    let emulator = Emulator::start().expect("an emulator");
    let port = emulator.address().port().to_string();
    let output = command(&["--port", &port]).output().expect("an exit");
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(stderr.contains(&format!("cannot listen on 127.0.0.1:{port}: ")), "{stderr}");
}
