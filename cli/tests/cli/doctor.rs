//! `restless doctor`, behind the boxes that are installed: each time it names the right step.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use restless_emulator::{Emulator, Fault};
use serde_json::Value;

/// An emulator whose heartbeats come often, and the id of a stream that says nothing by itself.
fn emulator() -> (Emulator, String) {
    let emulator = Emulator::builder().heartbeat(Duration::from_millis(150)).start().unwrap();
    let stream = r#"{"name":"Orders","url":"http://127.0.0.1:9/","status":"INACTIVE"}"#;
    let id = emulator.add_stream(stream).unwrap();
    (emulator, id)
}

struct Said {
    code: i32,
    first: Option<String>,
    steps: Vec<Value>,
}

impl Said {
    fn found(&self, step: &str) -> (&str, String) {
        let one = self.steps.iter().find(|one| one["step"] == step).unwrap();
        let told = format!("{} {}", one["found"], one["advice"]);
        (one["verdict"].as_str().unwrap(), told)
    }
}

/// Asks by way of this address, with a key that may be wrong.
fn doctor(emulator: &Emulator, at: SocketAddr, id: &str, more: &[&str]) -> Said {
    let ran = Command::new(env!("CARGO_BIN_EXE_restless"))
        .args(["doctor", "--json", "--listen", "1.5"])
        .args(more)
        .arg(format!("http://{at}/?streamId={id}"))
        .env("RESTLESS_API_KEY", emulator.api_key())
        .env("RESTLESS_API_BASE_URL", emulator.api_base_url())
        .env("RESTLESS_STREAM_BASE_URL", emulator.stream_base_url())
        .output()
        .unwrap();
    let said = String::from_utf8(ran.stdout).unwrap();
    assert!(!said.contains(emulator.api_key()), "the key is in it: {said}");
    let told: Value = serde_json::from_str(&said)
        .unwrap_or_else(|_| panic!("{said}{}", String::from_utf8_lossy(&ran.stderr)));
    Said {
        code: ran.status.code().unwrap(),
        first: told["first_failure"].as_str().map(str::to_owned),
        steps: told["steps"].as_array().unwrap().clone(),
    }
}

#[test]
fn a_good_way_has_no_failure() {
    let (emulator, id) = emulator();
    let said = doctor(&emulator, emulator.address(), &id, &["--patient", "1"]);
    assert_eq!((said.code, said.first.as_deref()), (0, None), "{:?}", said.steps);
    for step in ["key", "tcp", "http", "key accepted", "clock", "held back", "silence", "websocket"]
    {
        assert_eq!(said.found(step).0, "ok", "{:?}", said.found(step));
    }
}

#[test]
fn each_fault_fails_at_its_own_step() {
    for (fault, step, code) in [
        (Fault::status(401).times(2), "key accepted", 27),
        (Fault::status(503), "http", 26),
        (Fault::content_type("text/html"), "http", 26),
        (Fault::stall_head(), "http", 26),
        (Fault::raw(["data: 1\n\ndata: 2"]).then_stall(), "held back", 30),
        (Fault::raw([": heartbeat\n\n: heartbeat\n\n"]).then_stall(), "held back", 30),
        (Fault::header(Fault::none(), "date", "Sun, 06 Nov 1994 08:49:37 GMT"), "clock", 28),
    ] {
        let (emulator, id) = emulator();
        let shown = format!("{fault:?}");
        emulator.inject(fault);
        let said = doctor(&emulator, emulator.address(), &id, &[]);
        assert_eq!(
            (said.code, said.first.as_deref()),
            (code, Some(step)),
            "{shown} {:?}",
            said.steps
        );
    }
}

#[test]
fn a_port_where_nobody_listens_fails_at_tcp() {
    let (emulator, id) = emulator();
    let at = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let said = doctor(&emulator, at, &id, &[]);
    assert_eq!((said.code, said.first.as_deref()), (23, Some("tcp")), "{:?}", said.steps);
    assert_eq!(said.found("http").0, "skipped");
}

#[test]
fn a_server_without_tls_fails_at_tls() {
    let (emulator, _) = emulator();
    let url = format!("https://{}/", emulator.address());
    let ran = Command::new(env!("CARGO_BIN_EXE_restless"))
        .args(["doctor", &url])
        .env("RESTLESS_API_KEY", emulator.api_key())
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(25), "{}", String::from_utf8_lossy(&ran.stdout));
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A box in between, as an ordinary process; it ends with the test.
struct Between(Child);

impl Drop for Between {
    fn drop(&mut self) {
        let pid = self.0.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let until = Instant::now() + Duration::from_secs(5);
        while Instant::now() < until && !matches!(self.0.try_wait(), Ok(Some(_)) | Err(_)) {
            std::thread::yield_now();
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts it, and waits until it accepts connections; `None`, and a line, where it is missing.
fn between(name: &str, folder: &Path, port: u16, conf: &str, args: &[&str]) -> Option<Between> {
    let path = folder.join("conf");
    std::fs::write(&path, conf).unwrap();
    let path_of = std::env::var("PATH").unwrap_or_default();
    let started = Command::new(name)
        .args(args.iter().map(|arg| if *arg == "CONF" { path.to_str().unwrap() } else { arg }))
        .env("PATH", format!("{path_of}:/usr/sbin:/usr/local/sbin"))
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = started else {
        eprintln!("{name} is not installed: not tried");
        return None;
    };
    let until = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(child.try_wait().unwrap().is_none(), "{name} did not start");
        assert!(Instant::now() < until, "{name} does not listen");
        std::thread::yield_now();
    }
    Some(Between(child))
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    // Some boxes change to a user of their own.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    }
    folder
}

fn nginx(emulator: &Emulator, folder: &Path, port: u16, more: &str) -> Option<Between> {
    let (d, origin) = (folder.display(), emulator.address());
    let conf = format!(
        "daemon off; pid {d}/pid; error_log {d}/error.log; events {{}}
         http {{ access_log off; client_body_temp_path {d}; proxy_temp_path {d};
         fastcgi_temp_path {d}; uwsgi_temp_path {d}; scgi_temp_path {d};
         server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://{origin}; {more} }} }} }}"
    );
    let log = format!("{d}/error.log");
    between("nginx", folder, port, &conf, &["-c", "CONF", "-e", &log])
}

#[test]
fn nginx_that_buffers_is_named_and_one_that_does_not_upgrade_too() {
    const UPGRADE: &str = "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;";
    for (more, step, code, due) in [
        ("proxy_ignore_headers X-Accel-Buffering;", Some("http"), 26, "proxy_buffering off"),
        ("proxy_http_version 1.1;", Some("websocket"), 34, "Upgrade"),
        (UPGRADE, None, 0, ""),
    ] {
        let (emulator, id) = emulator();
        let (folder, port) = (folder(), free_port());
        let Some(_nginx) = nginx(&emulator, folder.path(), port, more) else { return };
        let said = doctor(&emulator, ([127, 0, 0, 1], port).into(), &id, &[]);
        assert_eq!((said.code, said.first.as_deref()), (code, step), "{more} {:?}", said.steps);
        if let Some(step) = step {
            assert!(said.found(step).1.contains(due), "{:?}", said.found(step));
        }
    }
}

#[test]
fn haproxy_that_cuts_what_is_quiet_and_one_without_a_server_are_told() {
    let emulator = Emulator::builder().heartbeat(Duration::from_secs(60)).start().unwrap();
    let stream = r#"{"name":"Orders","url":"http://127.0.0.1:9/","status":"INACTIVE"}"#;
    let id = emulator.add_stream(stream).unwrap();
    emulator.publish(&id, "1").unwrap();
    let gone = SocketAddr::from(([127, 0, 0, 1], free_port()));
    for (origin, step, code) in [(emulator.address(), "silence", 32), (gone, "http", 26)] {
        let (folder, port) = (folder(), free_port());
        let conf = format!(
            "defaults\n  mode http\n  timeout connect 5s\n  timeout client 3s\n  timeout server 3s\n\
             frontend f\n  bind 127.0.0.1:{port}\n  default_backend b\n\
             backend b\n  server s {origin}\n"
        );
        let Some(_haproxy) = between("haproxy", folder.path(), port, &conf, &["-db", "-f", "CONF"])
        else {
            return;
        };
        let at = SocketAddr::from(([127, 0, 0, 1], port));
        let said = doctor(&emulator, at, &id, &["--patient", "10"]);
        assert_eq!((said.code, said.first.as_deref()), (code, Some(step)), "{:?}", said.steps);
    }
}

#[test]
fn a_forward_proxy_that_says_no_is_told_from_the_service() {
    let (emulator, id) = emulator();
    for name in ["squid", "tinyproxy"] {
        let (folder, port) = (folder(), free_port());
        let d = folder.path().display();
        let proxy = format!("http://127.0.0.1:{port}");
        let (conf, args): (String, &[&str]) = match name {
            "squid" => (
                format!(
                    "http_port 127.0.0.1:{port}\nhttp_access deny all\npid_filename {d}/pid\n\
                     access_log none\ncache_log {d}/cache.log\ncoredump_dir {d}\n\
                     cache_effective_user proxy\nshutdown_lifetime 0 seconds\n"
                ),
                &["-N", "-f", "CONF"],
            ),
            _ => (
                format!(
                    "Port {port}\nListen 127.0.0.1\nAllow 127.0.0.2\nLogFile \"{d}/log\"\n\
                     PidFile \"{d}/pid\"\n"
                ),
                &["-d", "-c", "CONF"],
            ),
        };
        let Some(_proxy) = between(name, folder.path(), port, &conf, args) else { continue };
        let said = doctor(&emulator, emulator.address(), &id, &["--proxy", &proxy]);
        assert_eq!(
            (said.code, said.first.as_deref()),
            (26, Some("http")),
            "{name} {:?}",
            said.steps
        );
        let told = said.found("http").1;
        assert!(told.contains("not the service"), "{name} {told}");
        assert!(told.contains(name), "{name} {told}");
    }
}
