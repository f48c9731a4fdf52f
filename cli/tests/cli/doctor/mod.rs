//! `restless doctor`: each time it names the right step.

mod between;
mod boxes;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::time::Duration;

use restless_emulator::{Emulator, Fault};
use serde_json::Value;

use crate::port::free_port;

/// An emulator whose heartbeats come often, and the id of a stream that says nothing by itself. A
/// heartbeat that is late comes with the next one, so there is time between two.
fn emulator() -> (Emulator, String) {
    let emulator = Emulator::builder().heartbeat(Duration::from_millis(400)).start().unwrap();
    let stream = r#"{"name":"Orders","url":"http://127.0.0.1:9/","status":"INACTIVE"}"#;
    let id = emulator.add_stream(stream).unwrap();
    (emulator, id)
}

#[derive(Debug)]
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

    /// The first step that fails is this one, and it says all of this.
    fn fails(&self, step: &str, code: i32, due: &[&str]) {
        assert_eq!((self.code, self.first.as_deref()), (code, Some(step)), "{self:?}");
        let told = self.found(step).1;
        assert!(due.iter().all(|due| told.contains(due)), "{due:?} in {told}");
    }
}

/// Asks for the stream by way of this address.
fn doctor(emulator: &Emulator, at: SocketAddr, id: &str, more: &[&str]) -> Said {
    let url = format!("http://{at}/?streamId={id}");
    examine(emulator, &[&[url.as_str()], more].concat(), &[])
}

/// Asks as the emulator's user.
fn examine(emulator: &Emulator, arguments: &[&str], environment: &[(&str, &str)]) -> Said {
    let home = tempfile::tempdir().unwrap();
    let ran = crate::stage::program(home.path())
        .args(["doctor", "--json", "--listen", "2"])
        .args(arguments)
        .env("RESTLESS_API_KEY", emulator.api_key())
        .env("RESTLESS_API_BASE_URL", emulator.api_base_url())
        .env("RESTLESS_STREAM_BASE_URL", emulator.stream_base_url())
        .envs(environment.iter().copied())
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
    let cases = [
        (Fault::status(401).times(2), "key accepted", 27),
        (Fault::status(503), "http", 26),
        (Fault::status(414), "http", 26),
        (Fault::content_type("text/html"), "http", 26),
        // A short answer comes: it is the stream that is held back.
        (Fault::stall_head(), "held back", 30),
        (Fault::stall_head().times(2), "http", 26),
        (Fault::raw(["data: 1\n\ndata: 2"]).then_stall(), "held back", 30),
        (Fault::raw([": heartbeat\n\n: heartbeat\n\n"]).then_stall(), "held back", 30),
        (Fault::header(Fault::none(), "date", "Sun, 06 Nov 1994 08:49:37 GMT"), "clock", 28),
    ];
    // At the same time: most of it is waiting.
    std::thread::scope(|scope| {
        for (fault, step, code) in cases {
            scope.spawn(move || {
                let (emulator, id) = emulator();
                let shown = format!("{fault:?}");
                emulator.inject(fault);
                let said = doctor(&emulator, emulator.address(), &id, &[]);
                let failed = (said.code, said.first.as_deref());
                assert_eq!(failed, (code, Some(step)), "{shown} {said:?}");
            });
        }
    });
}

#[test]
fn without_a_url_a_stream_is_chosen_and_a_word_is_its_id_or_its_name() {
    let (emulator, id) = emulator();
    for word in [&[][..], &["Orders"], &[id.as_str()], &["--stream", &id]] {
        let said = examine(&emulator, word, &[]);
        assert_eq!((said.code, said.found("feed").0), (0, "ok"), "{said:?}");
        assert!(said.found("feed").1.contains(&id), "{said:?}");
    }
    examine(&emulator, &["Nobody"], &[]).fails("feed", 35, &["Nobody", "streams ls"]);
    // The way is good, and the key is not.
    let wrong = [("RESTLESS_API_KEY", "rs_0000")];
    examine(&emulator, &[], &wrong).fails("key accepted", 27, &["401", "restless config"]);
    let gone = format!("http://127.0.0.1:{}", free_port());
    let elsewhere = [("RESTLESS_API_BASE_URL", gone.as_str())];
    examine(&emulator, &[], &elsewhere).fails("feed", 35, &[&gone, "RESTLESS_API_BASE_URL"]);
    let nothing = Emulator::start().unwrap();
    examine(&nothing, &[], &[]).fails("feed", 35, &["no stream", "streams create"]);
}

/// What is said to what is asked, one saying for each time.
type Says = &'static [&'static [u8]];

fn proxy(says: Says) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            for said in says {
                let mut asked = [0; 1024];
                if socket.read(&mut asked).unwrap_or(0) == 0 || socket.write_all(said).is_err() {
                    break;
                }
            }
        }
    });
    address
}

#[test]
fn what_a_proxy_answers_is_told_with_what_to_do() {
    let (emulator, id) = emulator();
    let url = format!("https://{}/?streamId={id}", emulator.address());
    let cases: [(&str, Says, &[&str]); 7] = [
        ("socks5", &[b"\x05\xff"], &["credentials", "user and password"]),
        ("socks5", &[b"\x05\0", b"\x05\x02\0\x01\0\0\0\0\0\0"], &["rules", "administrator"]),
        ("socks5", &[b"\x05\0", b"\x05\x04\0\x01\0\0\0\0\0\0"], &["unreachable", "network"]),
        ("socks5", &[b"HTTP/1.1 400 x\r\n\r\n"], &["SOCKS5", "http:// or socks5://"]),
        ("http", &[b"\x05\0"], &["HTTP", "http:// or socks5://"]),
        ("http", &[b"HTTP/1.1 407 x\r\n\r\n"], &["407", "user and password"]),
        ("http", &[b"HTTP/1.1 503 x\r\nServer: squid/5\r\n\r\n"], &["503", "squid", "network"]),
    ];
    for (scheme, says, due) in cases {
        let proxy = format!("{scheme}://{}", proxy(says));
        let said = examine(&emulator, &[&url, "--proxy", &proxy], &[]);
        said.fails("tunnel", 24, due);
        assert!(said.found("tunnel").1.contains(&proxy), "{said:?}");
    }
}

#[test]
fn the_variable_that_names_a_proxy_is_told() {
    let (emulator, _) = emulator();
    let gone = format!("http://127.0.0.1:{}", free_port());
    let said = examine(&emulator, &["https://feed.test/"], &[("HTTPS_PROXY", &gone)]);
    assert!(said.found("proxy").1.contains(&format!("{gone}, by HTTPS_PROXY")), "{said:?}");
    said.fails("tcp", 23, &["does HTTPS_PROXY name the right one?"]);
    let said = examine(&emulator, &["https://feed.test/"], &[("HTTPS_PROXY", "ftp://x")]);
    said.fails("proxy", 21, &["HTTPS_PROXY"]);
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
