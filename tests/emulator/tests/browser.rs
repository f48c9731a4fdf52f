//! Pages of a browser: what they may read (WHATWG Fetch §3.3), by hand and in Chromium.

mod common;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use common::{Response, exchange, quiet_stream};
use restless_emulator::{Emulator, Fault, Upstream};
use url::form_urlencoded::byte_serialize;

const PAGE: &str = "origin: http://localhost:5173\r\n";

fn start() -> (Emulator, String) {
    let emulator = Emulator::start().expect("an emulator");
    let id = quiet_stream(&emulator);
    (emulator, id)
}

fn preflight(emulator: &Emulator, origin: &str, target: &str) -> Response {
    let asks = format!(
        "origin: {origin}\r\naccess-control-request-method: GET\r\n\
         access-control-request-headers: authorization\r\n"
    );
    exchange(emulator, "OPTIONS", target, &asks, "").expect("a response")
}

#[test]
fn page_of_this_machine_may_send_its_key() {
    let (emulator, id) = start();
    for target in [format!("/?streamId={id}"), "/streams".to_owned(), "/emulator/faults".into()] {
        let response = preflight(&emulator, "http://localhost:5173", &target);
        assert_eq!(response.status, 204, "{target}");
        let origin = response.header("access-control-allow-origin");
        assert_eq!(origin, Some("http://localhost:5173"));
        assert_eq!(response.header("access-control-allow-headers"), Some("authorization"));
        let methods = response.header("access-control-allow-methods");
        assert_eq!(methods, Some("GET, POST, PATCH, DELETE"));
    }
}

#[test]
fn page_of_another_host_is_let_in_nowhere() {
    let (emulator, _) = start();
    let response = preflight(&emulator, "http://example.com", "/streams");
    assert_eq!((response.status, response.header("access-control-allow-origin")), (403, None));
    let key = format!("origin: http://example.com\r\nx-api-key: {}\r\n", emulator.api_key());
    let response = exchange(&emulator, "GET", "/streams", &key, "").expect("a response");
    assert_eq!(response.header("access-control-allow-origin"), None);
}

#[test]
fn page_may_read_what_it_is_answered_refusals_and_faults_too() {
    let (emulator, _) = start();
    let read = |target: &str, status: u16| {
        let response = exchange(&emulator, "GET", target, PAGE, "").expect("a response");
        let origin = response.header("access-control-allow-origin");
        assert_eq!((response.status, origin), (status, Some("http://localhost:5173")));
        assert_eq!(response.header("vary"), Some("origin"));
    };
    read("/streams", 401);
    emulator.inject(Fault::status(503).on_rest());
    read("/streams", 503);
}

#[test]
fn preflight_is_neither_remembered_nor_met_by_a_fault() {
    let (emulator, id) = start();
    emulator.inject(Fault::refuse());
    preflight(&emulator, "http://127.0.0.1:3000", &format!("/?streamId={id}"));
    assert_eq!((emulator.requests().len(), emulator.pending_faults()), (0, 1));
}

/// A browser that is ended with the test, and its folder with it.
struct Browser(Child, std::path::PathBuf);

impl Browser {
    /// Opens a page, where a Chromium is installed.
    fn open(url: &str) -> Option<Self> {
        let profile = std::env::temp_dir().join(format!("restless-page-{}", std::process::id()));
        ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(|name| {
            let child = Command::new(name)
                .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"])
                .args(["--no-first-run", "--disable-background-networking"])
                .args(["--disable-component-update", "--disable-sync"])
                .args(["--remote-debugging-port=0", "--no-proxy-server"])
                .arg(format!("--user-data-dir={}", profile.display()))
                .arg(url)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn();
            Some(Self(child.ok()?, profile.clone()))
        })
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended by itself, and its folder need not be whole.
        let _ = self.0.kill();
        let _ = self.0.wait();
        let _ = std::fs::remove_dir_all(&self.1);
    }
}

/// Serves one page at its own origin, and hands out what the page reports.
fn page(html: String) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let (report, reports) = mpsc::channel();
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            // A connection that a browser opens ahead may say nothing.
            let _ = answer(socket, &html, &report);
        }
    });
    (url, reports)
}

fn answer(mut socket: TcpStream, html: &str, report: &mpsc::Sender<String>) -> std::io::Result<()> {
    socket.set_read_timeout(Some(Duration::from_secs(2)))?;
    let mut reader = BufReader::new(socket.try_clone()?);
    let (mut line, mut length) = (String::new(), 0);
    reader.read_line(&mut line)?;
    let is_report = line.starts_with("POST ");
    while line.trim() != "" {
        line.clear();
        reader.read_line(&mut line)?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    if is_report {
        // The test may be over.
        let _ = report.send(String::from_utf8_lossy(&body).into_owned());
    }
    write!(
        socket,
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{html}",
        html.len(),
    )
}

/// In Chromium, a page of another port follows a stream by `EventSource` and by `fetch`, calls the
/// REST API, and publishes.
#[test]
fn page_in_chromium_follows_a_stream_and_calls() {
    let (emulator, id) = start();
    emulator.publish(&id, r#""by fetch""#).expect("an event");
    let upstream = Upstream::start(r#""by EventSource""#).expect("an upstream");
    let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let (base, key) = (emulator.api_base_url(), emulator.api_key());
    let direct = format!("{base}/?url={}&apiKey={key}", encode(&upstream.url()));
    let (url, reports) = page(format!(
        r#"<!doctype html><title>t</title><script>
const base = "{base}", key = "{key}", id = "{id}";
const source = () => new Promise((done, failed) => {{
  const events = new EventSource("{direct}");
  events.onmessage = event => {{ events.close(); done(JSON.parse(event.data).data); }};
  events.onerror = () => failed("EventSource");
}});
const follow = async () => {{
  const headers = {{ authorization: "Bearer " + key }};
  const response = await fetch(base + "/?since=0&streamId=" + id, {{ headers }});
  const reader = response.body.getReader();
  let text = "";
  while (!text.includes("\n\n")) text += new TextDecoder().decode((await reader.read()).value);
  await reader.cancel();
  return JSON.parse(text.split("data: ")[1].split("\n")[0]).data;
}};
const call = async () => {{
  const response = await fetch(base + "/streams/" + id, {{ headers: {{ "x-api-key": key }} }});
  return [response.status, (await response.json()).id, !!response.headers.get("x-request-id")];
}};
const publish = async () => {{
  const url = base + "/emulator/streams/" + id + "/publish";
  return (await fetch(url, {{ method: "POST", body: "1" }})).status;
}};
Promise.all([source(), follow(), call(), publish()])
  .then(all => fetch("/", {{ method: "POST", body: JSON.stringify(all) }}))
  .catch(error => fetch("/", {{ method: "POST", body: "failed: " + error }}));
</script>"#
    ));
    let Some(_browser) = Browser::open(&url) else {
        eprintln!("skipped: no Chromium is installed here");
        return;
    };
    let report = reports.recv_timeout(Duration::from_secs(180)).expect("the page reports");
    let due = format!(r#"["by EventSource","by fetch",[200,"{id}",true],200]"#);
    assert_eq!(report, due);
}
