//! Traces: what `tracing` is told of each exchange, by the names of OpenTelemetry's conventions for
//! HTTP.

use std::collections::BTreeMap;
use std::time::Duration;

use restless_emulator::{Emulator, Fault};
use restless_hyper::proto::{Subscription, streams};
use restless_hyper::{Client, ClientBuilder, Runtime};

use super::front::{Front, trusting_nobody};
use super::heard::Heard;
use super::probe::Probe;
use super::support::builder;

/// How each exchange is told: its span's fields, in the order of their names, once it is over.
fn exchanges(heard: &Heard) -> Vec<BTreeMap<String, String>> {
    let text = heard.text();
    let closed = text.lines().filter(|line| line.contains(": close time.busy="));
    let spans = closed.filter_map(|line| line.split_once("exchange{")?.1.split_once('}'));
    spans
        .map(|(fields, _)| {
            // No value here has a space in it.
            let pairs = fields.split(' ').filter_map(|field| field.split_once('='));
            pairs.map(|(name, value)| (name.to_owned(), value.replace('"', ""))).collect()
        })
        .collect()
}

/// What is due of one exchange; what is empty is not told.
struct Due {
    scheme: &'static str,
    host: &'static str,
    port: u16,
    path: &'static str,
    status: &'static str,
    error: &'static str,
}

impl Due {
    /// The names with a dot, and nothing else with one.
    #[track_caller]
    fn must_be(&self, heard: &Heard, what: &str) {
        let told = exchanges(heard);
        let [told] = told.as_slice() else { panic!("{what}: one exchange is due: {told:?}") };
        let port = self.port.to_string();
        let due = [
            ("error.type", self.error),
            ("http.request.method", "GET"),
            ("http.response.status_code", self.status),
            ("server.address", self.host),
            ("server.port", &*port),
            ("url.path", self.path),
            ("url.scheme", self.scheme),
        ];
        let due: BTreeMap<_, _> = due.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        let told = told.iter().filter(|(name, _)| name.contains('.'));
        let told: BTreeMap<_, _> = told.map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(told, due, "{what}");
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Call,
    Events,
    WebSocket,
}

const EACH: [What; 3] = [What::Call, What::Events, What::WebSocket];

impl What {
    fn path(self) -> &'static str {
        match self {
            Self::Call => "/streams",
            Self::Events => "/",
            Self::WebSocket => "/ws",
        }
    }

    /// What it is answered with where nothing is wrong.
    fn good(self) -> &'static str {
        match self {
            Self::Call | Self::Events => "200",
            Self::WebSocket => "101",
        }
    }

    /// One exchange, from its beginning to its end.
    async fn play<R: Runtime>(self, client: &Client<R>, id: &str) -> Heard {
        let (heard, _listening) = Heard::listen();
        let subscription = Subscription::stream(id).since("0").reconnect(false);
        let subscription = match self {
            Self::Call => {
                // How it ends is another scenario's business.
                let _ = client.send(streams::list()).await;
                return heard;
            }
            Self::Events => subscription,
            Self::WebSocket => subscription.websocket(),
        };
        let mut events = client.subscribe(subscription).expect("a subscription");
        while let Some(Ok(_)) = events.next().await {
            events.close();
        }
        drop(events);
        heard
    }
}

/// A client that makes each exchange once.
fn once<R: Runtime>(builder: ClientBuilder<R>) -> Client<R> {
    builder.max_retries(0).build().expect("a client")
}

/// Method, scheme, host, port, path and status of each exchange, and the status once more as the
/// error's type where it says no; of calls, event streams and WebSockets, over http and https.
pub async fn an_exchange_is_told_by_its_standard_names<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let front = Front::start(emulator.address());
    let stream = r#"{"name":"Orders","url":"http://127.0.0.1:9/","status":"INACTIVE"}"#;
    let id = emulator.add_stream(stream).expect("a stream");
    emulator.publish(&id, "1").expect("an event");
    let plain = once(builder(&rt, &emulator));
    let url = front.url("localhost");
    let tls = builder(&rt, &emulator).base_url(&url).stream_base_url(&url);
    let tls = once(tls.tls_config(front.trusted()));
    let port = |url: &str| url.parse::<url::Url>().ok().and_then(|url| url.port()).unwrap_or(443);
    for (client, scheme, host, port) in [
        (&plain, "http", "127.0.0.1", emulator.address().port()),
        (&tls, "https", "localhost", port(&url)),
    ] {
        for what in EACH {
            let due = |status, error| Due { scheme, host, port, path: what.path(), status, error };
            let heard = what.play(client, &id).await;
            due(what.good(), "").must_be(&heard, &format!("{what:?} over {scheme}"));

            for (status, name) in [(403, "403"), (503, "503")] {
                let fault = Fault::status(status);
                emulator.inject(if what == What::Call { fault.on_rest() } else { fault });
                let heard = what.play(client, &id).await;
                due(name, name).must_be(&heard, &format!("{what:?} over {scheme}, refused"));
            }
        }
    }
}

/// Where the answer is missing, the error's type is the failure's kind, or `timeout`. Where the URL
/// names no port, the port is the scheme's.
pub async fn an_exchange_that_fails_is_told_by_its_kind<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let front = Front::start(emulator.address());
    let nameless = Probe::nameless(rt.clone());
    let at = |base: &str| {
        let builder = builder(&nameless, &emulator).base_url(base).stream_base_url(base);
        once(builder.allow_credentials_over_plain_http())
    };
    let untrusting = {
        let url = front.url("localhost");
        let builder = builder(&rt, &emulator).base_url(&url).stream_base_url(&url);
        once(builder.tls_config(trusting_nobody()))
    };
    let plain = once(builder(&rt, &emulator));
    let slow = builder(&Probe::deaf(rt.clone()), &emulator);
    let slow = once(slow.connect_timeout(Duration::from_millis(20)));
    let (host, port) = ("service.invalid", emulator.address().port());
    for what in EACH {
        let due = |scheme, host, port, error| Due {
            scheme,
            host,
            port,
            path: what.path(),
            status: "",
            error,
        };
        let heard = what.play(&at("http://service.invalid"), "a").await;
        due("http", host, 80, "resolve").must_be(&heard, &format!("{what:?}, no name"));
        let heard = what.play(&at("https://service.invalid"), "a").await;
        due("https", host, 443, "resolve").must_be(&heard, &format!("{what:?}, no name"));
        let heard = what.play(&untrusting, "a").await;
        let tls_port = front.url("localhost").parse::<url::Url>().expect("a URL").port();
        due("https", "localhost", tls_port.expect("a port"), "certificate")
            .must_be(&heard, &format!("{what:?}, a certificate"));
        let fault = Fault::refuse();
        emulator.inject(if what == What::Call { fault.on_rest() } else { fault });
        let heard = what.play(&plain, "a").await;
        due("http", "127.0.0.1", port, "broken").must_be(&heard, &format!("{what:?}, cut"));
        let heard = what.play(&slow, "a").await;
        due("http", "127.0.0.1", port, "timeout").must_be(&heard, &format!("{what:?}, no connect"));
    }
}
