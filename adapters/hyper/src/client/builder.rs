//! The settings of a client.

use std::error::Error;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use restless_proto::{ApiKey, CallOptions, ConfigError, Limits, Service};
use rustls::ClientConfig;

use super::Client;
use crate::Runtime;
use crate::connect::Timeouts;
use crate::credentials::{self, Provider};
use crate::proxy::{self, Proxies};
use crate::tls::Trust;

/// Settings of a [`Client`], in the words of the official SDK. `C` is the type to build: a client,
/// or an adapter's wrapper of a client.
#[must_use]
pub struct ClientBuilder<R, C = Client<R>> {
    pub(super) runtime: R,
    api_key: Option<ApiKey>,
    pub(super) provider: Option<Provider>,
    base_url: Option<String>,
    stream_base_url: Option<String>,
    user_agent: Option<String>,
    /// The fields of each request, by name and value.
    fields: Vec<(String, String)>,
    pub(super) timeouts: Timeouts,
    pub(super) way: Way,
    pub(super) options: CallOptions,
    pub(super) trust: Trust,
    pub(super) plain_http: bool,
    client: PhantomData<fn() -> C>,
}

impl<R: Runtime> ClientBuilder<R> {
    /// Starts from the defaults, on a runtime of the caller's own.
    pub fn new(runtime: R) -> Self {
        Self::wrapped(runtime)
    }
}

impl<R: Runtime, C: From<Client<R>>> ClientBuilder<R, C> {
    /// Does what [`new`](ClientBuilder::new) does, for an adapter that makes something else of the
    /// client.
    pub fn wrapped(runtime: R) -> Self {
        Self {
            runtime,
            api_key: None,
            provider: None,
            base_url: None,
            stream_base_url: None,
            user_agent: None,
            fields: Vec::new(),
            timeouts: Timeouts::default(),
            way: Way::Environment,
            options: CallOptions::default(),
            trust: Trust::default(),
            plain_http: false,
            client: PhantomData,
        }
    }

    /// Sets the key, which goes out as `x-api-key` with REST calls, and as `Authorization: Bearer`
    /// with subscriptions. Default: none. Takes the place of [`credentials`](Self::credentials).
    pub fn api_key(mut self, key: impl Into<ApiKey>) -> Self {
        self.api_key = Some(key.into());
        self.provider = None;
        self
    }

    /// Sets a function that gives keys, for keys that change. Each call, and each connect of a
    /// subscription, asks the function with `false`, and once more with `true` after the service
    /// has refused the key with 401: the function then has to get another key. A second 401 ends
    /// the call or the subscription. An empty key stands for no key. Default: none. Takes the place
    /// of [`api_key`](Self::api_key).
    ///
    /// The function's future is polled as part of the call or the subscription that asks, and
    /// dropped with the call or the subscription. The future has the time of the call, or 30 s for
    /// a subscription. An error of the function ends a call; a subscription asks again after the
    /// delay of a loss. Calls that run at the same time each ask the function: a function that
    /// fetches keys should keep the last key, and share one fetch among all that wait.
    ///
    /// ```
    /// # async fn fetch() -> std::io::Result<String> { Ok(String::new()) }
    /// # async fn last_or_fetch() -> std::io::Result<String> { fetch().await }
    /// # fn with<R: restless_hyper::Runtime>(builder: restless_hyper::ClientBuilder<R>) {
    /// let builder = builder.credentials(|rejected| async move {
    ///     let key = if rejected { fetch().await? } else { last_or_fetch().await? };
    ///     Ok(key.into())
    /// });
    /// # }
    /// ```
    pub fn credentials<F, A>(mut self, provider: F) -> Self
    where
        F: Fn(bool) -> A + Send + Sync + 'static,
        A: Future<Output = Result<ApiKey, Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        self.provider = Some(credentials::provider(provider));
        self.api_key = None;
        self
    }

    /// Takes the service that the environment names: `RESTLESS_API_KEY` is the key, REST calls go
    /// to `RESTLESS_API_BASE_URL`, subscriptions go to `RESTLESS_STREAM_BASE_URL`. The emulator
    /// prints all three variables at the start. An empty variable counts as missing. A variable
    /// takes the place of an earlier setting, and a later setting takes the place of the variable.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # fn with<R: restless_hyper::Runtime>(builder: restless_hyper::ClientBuilder<R>)
    /// # -> Result<restless_hyper::Client<R>, restless_proto::ConfigError> {
    /// let client = builder.environment()?.timeout(Duration::from_secs(5)).build()?;
    /// # Ok(client)
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When a key is missing, both there and among earlier settings; or when a value is no text.
    pub fn environment(mut self) -> Result<Self, ConfigError> {
        if let Some(key) = variable(API_KEY, "an API key in the environment")? {
            self = self.api_key(key);
        } else if self.api_key.as_ref().is_none_or(ApiKey::is_empty) && self.provider.is_none() {
            return Err(ConfigError::new(API_KEY, "", "an API key in the environment"));
        }
        if let Some(url) = variable(API_BASE_URL, "an absolute http or https URL")? {
            self = self.base_url(url);
        }
        if let Some(url) = variable(STREAM_BASE_URL, "an absolute http or https URL")? {
            self = self.stream_base_url(url);
        }
        Ok(self)
    }

    /// Sets the base URL of REST calls. Default: the public service.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }

    /// Sets the base URL of subscriptions. Default: the public service.
    pub fn stream_base_url(mut self, url: impl Into<String>) -> Self {
        self.stream_base_url = Some(url.into());
        self
    }

    /// Sets the `User-Agent` (RFC 9110 §10.1.5) of each call, each connect of a subscription, each
    /// WebSocket, and each CONNECT to a proxy. An empty text leaves the field out of calls and
    /// subscriptions. Default: [`USER_AGENT`](restless_proto::USER_AGENT). A value that no field
    /// can carry is an error of [`build`](Self::build).
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = Some(user_agent.into());
        self
    }

    /// Adds a header field to each call and each connect of a subscription, such as a tenant's
    /// name. A field of the same name that a call ([`header`](restless_proto::Call::header)) or a
    /// subscription ([`header`](restless_proto::Subscription::header)) sets takes the place of this
    /// one. Of two fields with one name, the later counts. Default: none.
    ///
    /// A field that [`Service::with_header`] refuses is an error of [`build`](Self::build).
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }

    /// Sets the longest time for a REST call: credentials, redirects, all tries and the delays
    /// between tries. Default: 30 s. Subscriptions have other timers.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options = self.options.timeout(timeout);
        self
    }

    /// Sets the most further tries of a REST call after a failure that may pass:
    /// [`CallMachine`](restless_proto::CallMachine) lists such failures. Default: 2. 0 switches
    /// further tries off.
    pub fn max_retries(mut self, most: u32) -> Self {
        self.options = self.options.max_retries(most);
        self
    }

    /// Sets the longest time for connecting, a proxy on the way included: the name is resolved, and
    /// the addresses are tried 250 ms apart (RFC 8305). Default: 10 s. A connect that takes longer
    /// is a timeout of [`Timer::Connect`](restless_proto::Timer::Connect). With a proxy on the way,
    /// the timeout is the cause of a failure of
    /// [`TransportErrorKind::Connect`](restless_proto::TransportErrorKind::Connect) that names the
    /// proxy.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.connect = timeout;
        self
    }

    /// Sets the longest time for the TLS handshake, once connected. Default: 10 s. A handshake that
    /// takes longer is a timeout of [`Timer::TlsHandshake`](restless_proto::Timer::TlsHandshake).
    pub fn tls_handshake_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.tls_handshake = timeout;
        self
    }

    /// Sets how much memory the reply to a REST call may take.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.options = self.options.limits(limits);
        self
    }

    /// Trusts further certificates, in PEM: of an authority, or of a server that signs its
    /// certificate itself (with `CA:FALSE`, as rustls asks). A PEM text may hold any number of
    /// certificates, and each call adds more. Default: the platform's roots alone.
    ///
    /// A text that is no certificate in PEM is an error of [`build`](Self::build). A certificate
    /// beside [`tls_config`](Self::tls_config), which says by itself whom to trust, is an error of
    /// `build` as well. On Android, where the platform's verifier refuses further roots,
    /// certificates go with `webpki_roots` alone.
    ///
    /// ```
    /// # fn with<R: restless_hyper::Runtime>(builder: restless_hyper::ClientBuilder<R>)
    /// #     -> std::io::Result<restless_hyper::ClientBuilder<R>> {
    /// let builder = builder.add_root_certificates(std::fs::read("our-authority.pem")?);
    /// # Ok(builder) }
    /// ```
    pub fn add_root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.trust.add(pem.into());
        self
    }

    /// Takes a ready-made TLS configuration, for a client's certificate or for another verifier.
    /// Where the configuration offers protocols (ALPN), `http/1.1` alone goes out, the protocol
    /// that this client speaks. Default: the platform's verifier, with the ring provider.
    ///
    /// The configuration names its provider: `ClientConfig::builder` asks for the process default,
    /// which is missing where two providers are compiled in.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use restless_hyper::rustls::pki_types::pem::PemObject;
    /// use restless_hyper::rustls::pki_types::{CertificateDer, PrivateKeyDer};
    /// use restless_hyper::rustls::{ClientConfig, RootCertStore, crypto::ring};
    ///
    /// /// Shows the client's own certificate, and trusts one authority.
    /// fn config() -> Result<Arc<ClientConfig>, Box<dyn std::error::Error>> {
    ///     let mut roots = RootCertStore::empty();
    ///     roots.add(CertificateDer::from_pem_file("our-authority.pem")?)?;
    ///     let chain = CertificateDer::pem_file_iter("client.pem")?.collect::<Result<_, _>>()?;
    ///     let key = PrivateKeyDer::from_pem_file("client.key")?;
    ///     let config = ClientConfig::builder_with_provider(ring::default_provider().into())
    ///         .with_safe_default_protocol_versions()?
    ///         .with_root_certificates(roots)
    ///         .with_client_auth_cert(chain, key)?;
    ///     Ok(Arc::new(config))
    /// }
    /// # fn with<R: restless_hyper::Runtime>(builder: restless_hyper::ClientBuilder<R>)
    /// #     -> Result<restless_hyper::ClientBuilder<R>, Box<dyn std::error::Error>> {
    /// let builder = builder.tls_config(config()?);
    /// # Ok(builder) }
    /// ```
    pub fn tls_config(mut self, config: Arc<ClientConfig>) -> Self {
        self.trust.take(config);
        self
    }

    /// Takes the provider aws-lc-rs in the place of ring, for this client: aws-lc-rs knows keys on
    /// P-521, and signatures by P-384 with SHA-512. The build takes a C compiler. An error of
    /// [`build`](Self::build) beside [`tls_config`](Self::tls_config), which names its own
    /// provider.
    #[cfg(feature = "aws-lc-rs")]
    pub fn aws_lc_rs(mut self) -> Self {
        self.trust.take_aws_lc_rs();
        self
    }

    /// Trusts Mozilla's roots, as of the build, in the place of the platform's: for an image that
    /// lacks a trust store, or for the same answer on every machine. Takes the place of
    /// [`tls_config`](Self::tls_config).
    #[cfg(feature = "webpki-roots")]
    pub fn webpki_roots(mut self) -> Self {
        self.trust.take_mozilla();
        self
    }

    /// Sets the proxy for everything, whatever the environment says: `http://`, `socks5://` or
    /// `socks5h://`, then `[user[:password]@]host[:port]`, with percent-encoding in user and
    /// password. The default port is 1080, as in curl.
    ///
    /// Default: the environment when the client is built, much as with curl. The first variable
    /// that is set to a text counts:
    ///
    /// | for | variables |
    /// | --- | --- |
    /// | https, wss | `https_proxy`, `HTTPS_PROXY`, `all_proxy`, `ALL_PROXY` |
    /// | http, ws | `http_proxy`, `HTTP_PROXY` (passed over where `REQUEST_METHOD` is set: in a CGI program, a client could set this variable), `all_proxy`, `ALL_PROXY` |
    /// | exempt hosts | `no_proxy`, `NO_PROXY`: `*`, or names (with all names below), addresses, and networks such as `10.0.0.0/8`; `0.0.0.0/0` is all of IPv4, `::/0` all of IPv6 |
    ///
    /// Unlike with curl, the environment's proxies are passed by for this machine itself
    /// (`localhost`, loopback addresses).
    ///
    /// Through an HTTP proxy, https and WebSockets take a tunnel (CONNECT), in which the proxy sees
    /// host and port alone; requests to plain http are sent to the proxy whole. Through SOCKS5, all
    /// requests take a tunnel. The proxy resolves names. The proxy's credentials go to the proxy
    /// alone.
    ///
    /// Plain http to this machine goes by way of a proxy on this machine only: a proxy elsewhere
    /// would read the credentials. A request by way of a proxy elsewhere is an error of
    /// [`TransportErrorKind::Request`](restless_proto::TransportErrorKind::Request) before anything
    /// is sent, unless [allowed](Self::allow_credentials_over_plain_http). A proxy on this machine
    /// whose other end is elsewhere, such as `ssh -D`, takes `localhost` and the credentials there.
    ///
    /// The answer of a proxy that refuses is an error of
    /// [`TransportErrorKind::Proxy`](restless_proto::TransportErrorKind::Proxy), and final. A proxy
    /// that fails to reach the host is an error of `Connect`.
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.way = Way::Proxy(url.into());
        self
    }

    /// Goes without a proxy, whatever the environment says.
    pub fn no_proxy(mut self) -> Self {
        self.way = Way::Direct;
        self
    }

    /// Lets credentials go over plain http to any host, where everybody on the way can read and
    /// keep the credentials. By default, credentials go over https or to this machine itself, and a
    /// request that would send credentials elsewhere is an error before anything is sent: see
    /// [`Service`].
    pub fn allow_credentials_over_plain_http(mut self) -> Self {
        self.plain_http = true;
        self
    }

    /// Builds the client.
    ///
    /// # Errors
    ///
    /// When a base URL is of another scheme than http and https, a proxy's URL is malformed, a
    /// field is malformed, or [`add_root_certificates`](Self::add_root_certificates) was given
    /// something else than a certificate.
    pub fn build(mut self) -> Result<C, ConfigError> {
        self.way = Way::Settled(self.way.proxies()?);
        self.trust.settle()?;
        let mut service = Service::default();
        if let Some(key) = self.api_key.take() {
            service = service.with_api_key(key);
        } else if self.provider.is_some() {
            service = service.with_credentials_on_demand();
        }
        if let Some(url) = &self.base_url {
            service = service.with_api_base_url(url)?;
        }
        if let Some(url) = &self.stream_base_url {
            service = service.with_stream_base_url(url)?;
        }
        if let Some(user_agent) = &self.user_agent {
            service = service.with_user_agent(user_agent)?;
        }
        for (name, value) in &self.fields {
            service = service.with_header(name, value)?;
        }
        if self.plain_http {
            service = service.allow_credentials_over_plain_http();
        }
        Ok(Client::with(service, self).into())
    }
}

const API_KEY: &str = "RESTLESS_API_KEY";
const API_BASE_URL: &str = "RESTLESS_API_BASE_URL";
const STREAM_BASE_URL: &str = "RESTLESS_STREAM_BASE_URL";

/// Returns a variable of the environment; `None` for a variable that is missing or empty.
fn variable(name: &'static str, accepted: &'static str) -> Result<Option<String>, ConfigError> {
    let value = std::env::var_os(name).filter(|value| !value.is_empty());
    // A value that is no text may hold a key all the same.
    let text = value.map(|value| value.into_string());
    text.transpose().map_err(|_| ConfigError::hidden(name, "it is not UTF-8", accepted))
}

/// The proxies of a client.
pub(super) enum Way {
    Environment,
    Proxy(String),
    Direct,
    Settled(Proxies),
}

impl Way {
    pub(super) fn proxies(&self) -> Result<Proxies, ConfigError> {
        match self {
            Self::Environment => Proxies::from_environment(proxy::variable),
            Self::Proxy(url) => Proxies::all(url),
            Self::Direct => Ok(Proxies::default()),
            Self::Settled(proxies) => Ok(proxies.clone()),
        }
    }
}

impl<R, C> fmt::Debug for ClientBuilder<R, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("api_key", &self.api_key).finish_non_exhaustive()
    }
}
