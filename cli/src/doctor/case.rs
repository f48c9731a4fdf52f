//! What is examined, and what is known of it so far.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use hyper::body::Incoming;
use restless_hyper::proxy::Proxy;
use restless_tokio::{Client, ConfigError, Entropy, Tokio, WebSocket, ws};
use url::Url;

use crate::context::Context;
use crate::doctor::heard::Heard;
use crate::doctor::{STEPS, Step, Verdict};
use crate::exchange::{self, Broken, Wire};
use crate::failure::Failure;

pub(crate) struct Options {
    pub(crate) key: Option<String>,
    pub(crate) proxy: Option<String>,
    pub(crate) authorities: Option<Vec<u8>>,
    /// How long events are listened for.
    pub(crate) listen: Duration,
    /// How long a quiet connection is watched; `None` for not at all.
    pub(crate) patient: Option<Duration>,
}

/// Which feed, as it was asked for.
#[derive(Clone, Debug)]
pub(crate) enum Wanted {
    Url(Url),
    /// A stream's id.
    Id(String),
    /// A stream's id or its name.
    Word(String),
    /// A stream of the account, whichever.
    Any,
}

pub(crate) struct Case {
    /// The feed's; until a stream is chosen, where streams are.
    pub(crate) url: Url,
    pub(crate) wanted: Wanted,
    pub(crate) options: Options,
    pub(crate) client: Client,
    pub(crate) proxy: Option<Proxy>,
    /// Whether a proxy is named by what can't be read.
    pub(crate) is_barred: bool,
    /// Of the first hop: the proxy, where there is one.
    pub(crate) addresses: Vec<SocketAddr>,
    /// Whether a connection as far as the server stands when one is asked for.
    pub(crate) reaches: bool,
    pub(crate) stream: Option<Stream>,
    /// The fields of a short answer, which came where the head of the stream did not.
    pub(crate) short: Option<HeaderMap>,
}

/// An answer to the request of an event stream.
pub(crate) struct Stream {
    pub(crate) response: Response<Incoming>,
    pub(crate) opened: Instant,
    /// What has come, and when.
    pub(crate) pieces: Vec<(Instant, bytes::Bytes)>,
    pub(crate) end: Option<exchange::End>,
}

impl Stream {
    pub(crate) fn is_event_stream(&self) -> bool {
        let kind = self.response.headers().get(header::CONTENT_TYPE);
        kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
    }
}

impl Options {
    /// By the settings that count, as patient as is usual.
    pub(crate) fn of(context: &Context) -> Result<Self, Failure> {
        let settings = &context.settings;
        Ok(Self {
            key: settings.api_key.as_ref().map(|setting| setting.value.clone()),
            proxy: settings.proxy.as_ref().map(|setting| setting.value.clone()),
            authorities: context.authorities()?,
            listen: Duration::from_secs(35),
            patient: None,
        })
    }
}

impl Case {
    /// Nothing is sent yet. A URL that would take the key over plain http to another machine is an
    /// error: the client has the same rule.
    pub(crate) fn new(wanted: Wanted, options: Options, client: Client) -> Result<Self, Failure> {
        let url = match &wanted {
            Wanted::Url(url) => url.clone(),
            Wanted::Id(_) | Wanted::Word(_) | Wanted::Any => {
                Url::parse(client.service().stream_base_url()).map_err(Failure::usage)?
            }
        };
        let probe = http::Request::get(url.as_str()).header(header::AUTHORIZATION, "Bearer x");
        let probe = probe.body(()).map_err(Failure::usage)?;
        client.service().check(&probe).map_err(Failure::usage)?;
        Ok(Self {
            url,
            wanted,
            options,
            client,
            proxy: None,
            is_barred: false,
            addresses: Vec::new(),
            reaches: false,
            stream: None,
            short: None,
        })
    }

    /// Goes on with this stream.
    pub(crate) fn choose(&mut self, id: &str) {
        self.url.query_pairs_mut().append_pair("streamId", id);
    }

    /// The answer to the request of the event stream, by the steps up to there.
    pub(crate) async fn reach(mut self) -> Result<Response<Incoming>, Failure> {
        self.walk(|_, case| case.stream.is_some()).await?;
        let stream = self.stream.ok_or_else(|| Failure::message(4, "there is no answer"))?;
        Ok(stream.response)
    }

    /// The WebSocket of the feed, by the steps up to there; its handshake is still to come.
    pub(crate) async fn reach_websocket(mut self) -> Result<WebSocket, Failure> {
        self.walk(|step, _| step.name == "feed").await?;
        self.websocket(None).map_err(Failure::usage)
    }

    async fn walk(&mut self, is_there: impl Fn(&Step, &Self) -> bool) -> Result<(), Failure> {
        for step in STEPS {
            let finding = (step.run)(self).await;
            if finding.verdict == Verdict::Failed {
                let code = match step.name {
                    "key" | "proxy" => 2,
                    "feed" => 3,
                    _ if self.stream.is_some() => 3,
                    _ => 4,
                };
                let found = restless_tokio::redacted(&finding.found);
                return Err(Failure::message(code, format!("{}: {found}", step.name)));
            }
            if is_there(step, self) {
                break;
            }
        }
        Ok(())
    }

    /// A WebSocket of the feed, not yet connected, that offers to compress.
    pub(crate) fn websocket(&self, deflate: Option<ws::Deflate>) -> Result<WebSocket, ConfigError> {
        let url = restless_tokio::url::to_websocket_url(self.url.as_str())?;
        let url = Url::parse(url.expose())
            .map_err(|_| ConfigError::new("url", "…", "a URL of a WebSocket"))?;
        let mut entropy = Entropy::from_seed(u64::from(std::process::id()));
        let mut handshake = ws::Handshake::new(&url, &mut entropy)?.deflate(deflate);
        if let Some(key) = &self.options.key {
            let bad = |_| ConfigError::new("api_key", "…", "a field's value");
            let mut value = HeaderValue::try_from(format!("Bearer {key}")).map_err(bad)?;
            value.set_sensitive(true);
            handshake = handshake.header(header::AUTHORIZATION, value)?;
        }
        self.client.websocket(handshake, ws::Options::default())
    }

    pub(crate) fn is_tls(&self) -> bool {
        matches!(self.url.scheme(), "https" | "wss")
    }

    pub(crate) fn host(&self) -> String {
        self.url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned()
    }

    pub(crate) fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or(443)
    }

    /// The proxy that requests are sent to whole.
    pub(crate) fn forwarder(&self) -> Option<&Proxy> {
        self.proxy.as_ref().filter(|proxy| proxy.forwards() && !self.is_tls())
    }

    /// A connection as far as the first TLS handshake.
    pub(crate) async fn tunnel(&self) -> Result<Box<dyn Wire>, Broken> {
        let socket = exchange::tcp(&self.addresses).await?;
        let Some(proxy) = self.proxy.as_ref().filter(|_| self.forwarder().is_none()) else {
            return Ok(Box::new(socket));
        };
        let mut socket = Heard::new(socket);
        let agent = HeaderValue::from_static(restless_tokio::USER_AGENT);
        let (host, port) = (self.host(), self.port());
        let through = proxy.tunnel(&mut socket, &host, port, &agent);
        match tokio::time::timeout(exchange::STEP, through).await {
            Ok(Ok(())) => Ok(Box::new(socket.into_inner())),
            Ok(Err(source)) => Err(Broken::Tunnel { said: socket.kept().to_vec(), source }),
            Err(_) => Err(Broken::Late(exchange::STEP)),
        }
    }

    /// A connection that HTTP can be spoken on.
    pub(crate) async fn wire(&self) -> Result<Box<dyn Wire>, Broken> {
        let socket = self.tunnel().await?;
        if !self.is_tls() {
            return Ok(socket);
        }
        let (config, _) =
            exchange::tls(self.options.authorities.as_deref()).map_err(std::io::Error::other)?;
        let name = self.host().try_into().map_err(std::io::Error::other)?;
        let greeted = tokio_rustls::TlsConnector::from(config).connect(name, socket);
        let greeted = tokio::time::timeout(exchange::STEP, greeted).await;
        Ok(Box::new(greeted.map_err(|_| Broken::Late(exchange::STEP))??))
    }

    /// Asks for an event stream, with the key or without one.
    pub(crate) async fn ask(
        &self,
        url: &Url,
        key: Option<&str>,
        patience: Duration,
    ) -> Result<Response<Incoming>, Broken> {
        let request = exchange::request(url, key, self.forwarder())?;
        exchange::ask(self.wire().await?, request, patience).await
    }

    /// What holds answers back, most likely: the box that an answer names, or the proxy that reads
    /// along.
    pub(crate) fn suspect(&self, fields: &HeaderMap) -> String {
        match (box_of(fields), self.forwarder()) {
            (Some(name), _) => name.to_owned(),
            (None, Some(proxy)) => format!("the proxy {proxy}"),
            (None, None) => "something on the way".to_owned(),
        }
    }

    pub(crate) fn runtime(&self) -> &Tokio {
        self.client.runtime()
    }
}

/// The box that gives itself away in an answer's fields, if one does.
pub(crate) fn box_of(fields: &HeaderMap) -> Option<&'static str> {
    let names = ["server", "via", "x-cache", "proxy-agent", "x-squid-error"];
    let values = names.iter().flat_map(|name| fields.get_all(*name));
    values.filter_map(|value| value.to_str().ok()).find_map(box_in)
}

/// The box that is named in a text of its own: a field, a head, an error's page.
pub(crate) fn box_in(text: &str) -> Option<&'static str> {
    const KNOWN: [&str; 10] = [
        "nginx",
        "squid",
        "tinyproxy",
        "privoxy",
        "varnish",
        "haproxy",
        "envoy",
        "caddy",
        "cloudflare",
        "apache",
    ];
    // The page of one that does not say its name.
    const OF_HAPROXY: &str = "no server is available to handle this request";
    let text = text.to_lowercase();
    let known = KNOWN.into_iter().find(|known| text.contains(known));
    known.or_else(|| text.contains(OF_HAPROXY).then_some("haproxy"))
}

/// Whether a status says that it is the key.
pub(crate) fn is_about_key(status: StatusCode) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}
