//! The server of the page: its files, the WebSocket on which orders go and reports come, and the
//! way to a service for WebSockets, on which the key is added.

use std::collections::HashMap;
use std::io::{self, Read, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use async_tungstenite::tungstenite::protocol::Role;
use async_tungstenite::tungstenite::{self, Message, WebSocket};
use restless_example_fetch::wire::{Order, Report, Told, What};
use restless_trial::Endpoint;

/// The time for a browser to start and to open the page.
const PATIENCE: Duration = Duration::from_secs(60);

/// The page, as the test sees it.
pub(crate) struct Page {
    url: String,
    files: PathBuf,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// To the page; `None` before it has come, and once it is gone.
    orders: Option<WebSocket<TcpStream>>,
    last: u64,
    runs: HashMap<u64, Run>,
}

struct Run {
    told: Sender<Told>,
    /// The base of calls' URLs, which no two rules share.
    service: String,
    /// Where WebSockets go, and the key to add.
    websocket: Option<(String, String)>,
}

impl Page {
    /// Serves what is in this folder: what wasm-bindgen has made, under the name `page`.
    pub(crate) fn serve(files: PathBuf) -> io::Result<Arc<Self>> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}/", listener.local_addr()?);
        let (state, changed) = Default::default();
        let page = Arc::new(Self { url, files, state, changed });
        let server = Arc::clone(&page);
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let server = Arc::clone(&server);
                // A connection that the browser opens ahead may say nothing, and any may break.
                thread::spawn(move || server.answer(socket));
            }
        });
        Ok(page)
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Begins a run, of which the page then tells.
    pub(crate) fn begin(&self, endpoint: &Endpoint, websocket: bool) -> (u64, Receiver<Told>) {
        let (told, reports) = channel();
        let mut state = self.lock();
        state.last += 1;
        let run = state.last;
        let websocket =
            websocket.then(|| (endpoint.stream_base_url.clone(), endpoint.api_key.clone()));
        let service = endpoint.api_base_url.clone();
        state.runs.insert(run, Run { told, service, websocket });
        (run, reports)
    }

    /// Returns the base of streams' URLs under which a run's WebSockets come here.
    pub(crate) fn relay(&self, run: u64) -> String {
        format!("{}{run}", self.url)
    }

    /// Waits for the browser to open the page; whether it does.
    pub(crate) fn comes(&self) -> bool {
        let waited =
            self.changed.wait_timeout_while(self.lock(), PATIENCE, |state| state.orders.is_none());
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.orders.is_some()
    }

    /// Tells the page what to do. Where it is gone, the run is over.
    pub(crate) fn order(&self, run: u64, what: What) {
        let order = serde_json::to_string(&Order { run, what }).expect("JSON");
        let mut state = self.lock();
        let sent = state.orders.as_mut().map(|page| page.send(Message::text(order)));
        if !matches!(sent, Some(Ok(()))) {
            state.runs.remove(&run);
        }
    }

    /// Ends a run.
    pub(crate) fn end(&self, run: u64) {
        if self.lock().runs.remove(&run).is_some() {
            self.order(run, What::Close);
        }
    }

    /// Ends all that runs for a service.
    pub(crate) fn give_up(&self, service: &Endpoint) {
        let of_service =
            |(run, of): (&u64, &Run)| (of.service == service.api_base_url).then_some(*run);
        let runs: Vec<_> = self.lock().runs.iter().filter_map(of_service).collect();
        runs.into_iter().for_each(|run| self.end(run));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, mut socket: TcpStream) -> io::Result<()> {
        let head = peek_head(&socket)?;
        let target = head.split(' ').nth(1).unwrap_or_default();
        let (kind, content) = match target {
            "/orders" => return self.listen(socket),
            "/" => ("text/html", PAGE.as_bytes().to_vec()),
            "/page.js" => ("text/javascript", std::fs::read(self.files.join("page.js"))?),
            "/page_bg.wasm" => {
                ("application/wasm", std::fs::read(self.files.join("page_bg.wasm"))?)
            }
            _ => {
                let run = target.trim_start_matches('/').split_once('/');
                let run = run.and_then(|(run, rest)| Some((run.parse().ok()?, format!("/{rest}"))));
                if let Some((run, rest)) = run {
                    return self.pass_on(run, socket, &head, target, &rest);
                }
                return write!(socket, "HTTP/1.1 404 Not Found\r\nconnection: close\r\n\r\n");
            }
        };
        // What was looked at only is to be read.
        socket.read_exact(&mut vec![0; head.len()])?;
        let length = content.len();
        write!(
            socket,
            "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\
             connection: close\r\n\r\n"
        )?;
        socket.write_all(&content)
    }

    /// Takes the page's reports, until it is gone.
    fn listen(&self, socket: TcpStream) -> io::Result<()> {
        let writer = socket.try_clone()?;
        let mut reports = tungstenite::accept(socket).map_err(io::Error::other)?;
        self.lock().orders = Some(WebSocket::from_raw_socket(writer, Role::Server, None));
        self.changed.notify_all();
        while let Ok(message) = reports.read() {
            let Message::Text(text) = message else { continue };
            match serde_json::from_str(&text).expect("a report") {
                Report { run: 0, told } => eprintln!("the page: {told:?}"),
                Report { run, told } => {
                    if let Some(of) = self.lock().runs.get(&run) {
                        // A run that nobody waits for any more is ended just now.
                        let _ = of.told.send(told);
                    }
                }
            }
        }
        let mut state = self.lock();
        state.orders = None;
        state.runs.clear();
        Ok(())
    }

    /// Connects a WebSocket to its service, as a page's own server does that keeps the key.
    fn pass_on(
        &self,
        run: u64,
        mut page: TcpStream,
        head: &str,
        target: &str,
        rest: &str,
    ) -> io::Result<()> {
        let websocket = self.lock().runs.get(&run).and_then(|run| run.websocket.clone());
        let (base, key) = websocket.ok_or(io::ErrorKind::NotFound)?;
        page.read_exact(&mut vec![0; head.len()])?;
        let address = base.trim_start_matches("http://").trim_end_matches('/');
        let mut service = TcpStream::connect(address)?;
        page.set_nodelay(true)?;
        service.set_nodelay(true)?;
        let head = head.replacen(target, rest, 1);
        let (request_line, fields) = head.split_once("\r\n").unwrap_or_default();
        write!(service, "{request_line}\r\nauthorization: Bearer {key}\r\n{fields}")?;
        let (from_page, to_service) = (page.try_clone()?, service.try_clone()?);
        thread::spawn(move || pump(from_page, to_service));
        pump(service, page);
        Ok(())
    }
}

/// Copies until either end is gone, and then lets go of both.
fn pump(mut from: TcpStream, mut to: TcpStream) {
    // However it ends, it is over.
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

/// Looks at the head of a request, which is left to be read.
fn peek_head(socket: &TcpStream) -> io::Result<String> {
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut buffer = vec![0; 64 << 10];
    loop {
        let length = socket.peek(&mut buffer)?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let text = String::from_utf8_lossy(&buffer[..length]);
        if let Some(end) = text.find("\r\n\r\n") {
            socket.set_read_timeout(None)?;
            return Ok(text[..end + 4].to_owned());
        }
        thread::yield_now();
    }
}

const PAGE: &str = r#"<!doctype html><title>The trial</title>
<script type="module">import start from "/page.js"; start();</script>
"#;
