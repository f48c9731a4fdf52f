//! The driver takes the trial in Chromium: one page, which run.sh has built, and all rules in it.

#![cfg(not(target_arch = "wasm32"))]

mod common;

use std::env;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use common::browser::Browser;
use common::page::Page;
use restless_example_fetch::wire::{self, Told, What};
use restless_trial as trial;
use restless_trial::{Answer, Call, Driver, Endpoint, Failure, Skills, Transport, Trial};

/// For a rule, on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);

/// The slowest rules wait.
const JOBS: usize = 8;

#[test]
fn fetch_and_websocket_of_chromium_hold() {
    let Some(built) = env::var_os("RESTLESS_FETCH_PAGE") else {
        eprintln!("skipped: the page is not built; examples/fetch/run.sh builds and tries it");
        return;
    };
    let page = Page::serve(PathBuf::from(built)).expect("a server");
    let Some(_browser) = Browser::open(page.url()) else {
        eprintln!("skipped: no Chromium is installed here");
        return;
    };
    assert!(page.comes(), "the browser does not open the page");
    let mut asked = Trial::new().patience(PATIENCE).jobs(JOBS);
    if let Ok(part) = env::var("RESTLESS_FETCH_ONLY") {
        asked = asked.only(part);
    }
    let report = asked.run(InChromium(page));
    println!("{report}");
    assert!(report.is_good());
}

struct InChromium(Arc<Page>);

impl InChromium {
    fn begin(&self, endpoint: &Endpoint, websocket: bool, what: What) -> Running {
        let (run, told) = self.0.begin(endpoint, websocket);
        self.0.order(run, what);
        Running { page: Arc::clone(&self.0), run, told }
    }
}

impl Driver for InChromium {
    fn skills(&self) -> Skills {
        Skills {
            redirects: false,
            websocket_answers: false,
            websocket_fields: false,
            websocket_pings: false,
            reads_to_the_break: false,
            sends_once: false,
            ..Skills::ALL
        }
    }

    fn call(&self, call: &Call) -> Result<Answer, Failure> {
        let (endpoint, what) = match call {
            Call::Create { endpoint, name, url, timeout } => {
                let (service, name, url) = (service(endpoint), name.clone(), url.clone());
                (endpoint, What::Create { service, name, url, timeout: *timeout })
            }
            Call::Get { endpoint, id, timeout } => {
                let (service, id) = (service(endpoint), id.clone());
                (endpoint, What::Get { service, id, timeout: *timeout })
            }
            _ => return Err(Failure::new("a call that is not known here")),
        };
        match self.begin(endpoint, false, what).told.recv() {
            Ok(Told::Answer(id)) => Ok(Answer::new(id)),
            Ok(Told::Failed(text)) => Err(Failure::new(text)),
            other => Err(Failure::new(format!("no answer, but {other:?}"))),
        }
    }

    fn follow(&self, follow: &trial::Follow) -> Box<dyn trial::Following> {
        let websocket = follow.transport == Transport::WebSocket;
        let (run, told) = self.0.begin(&follow.endpoint, websocket);
        let mut service = service(&follow.endpoint);
        if websocket {
            // The page has no way to send the key; the server that the page comes from adds it.
            service.api_key.clear();
            service.stream_base_url = self.0.relay(run);
        }
        self.0.order(
            run,
            What::Follow(Box::new(wire::Follow {
                service,
                stream: follow.stream.clone(),
                websocket,
                cursor: follow.cursor.clone(),
                since: follow.since.clone(),
                retry: follow.retry,
                idle: follow.idle,
                max_reconnects: follow.max_reconnects,
            })),
        );
        Box::new(Running { page: Arc::clone(&self.0), run, told })
    }

    fn give_up(&self, service: &Endpoint) {
        self.0.give_up(service);
    }
}

fn service(endpoint: &Endpoint) -> wire::Service {
    wire::Service {
        api_key: endpoint.api_key.clone(),
        api_base_url: endpoint.api_base_url.clone(),
        stream_base_url: endpoint.stream_base_url.clone(),
    }
}

/// What runs in the page, and is ended there when this is dropped.
struct Running {
    page: Arc<Page>,
    run: u64,
    told: Receiver<Told>,
}

impl trial::Following for Running {
    fn next(&mut self) -> trial::Told {
        loop {
            return match self.told.recv() {
                Ok(Told::Opened) => trial::Told::Opened,
                Ok(Told::Event { id, cursor, data, error }) => {
                    trial::Told::Event(trial::Event { id, cursor, data, error })
                }
                Ok(Told::Rejected(text)) => trial::Told::Rejected(text),
                Ok(Told::Lost(text)) => trial::Told::Lost(text),
                Ok(Told::Ended { how, text }) => {
                    let how = match how {
                        wire::How::Complete => trial::How::Complete,
                        wire::How::Refused => trial::How::Refused,
                        wire::How::GaveUp => trial::How::GaveUp,
                        wire::How::Failed => trial::How::Failed,
                    };
                    trial::Told::Ended(trial::Ending::new(how, text))
                }
                Ok(Told::Answer(_) | Told::Failed(_)) => continue,
                Err(_) => {
                    let why = "the page is gone, or the trial gave it up";
                    trial::Told::Ended(trial::Ending::new(trial::How::Failed, why))
                }
            };
        }
    }

    fn close(&mut self) {
        self.page.order(self.run, What::Close);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.page.end(self.run);
    }
}
