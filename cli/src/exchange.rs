//! An exchange of a command's own: who examines a way needs each step of it, and each piece of what
//! comes as it comes. By the rules of the SDK's client: the same proxies, the same trust.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use restless_tokio::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use restless_tokio::rustls::crypto::ring;
use restless_tokio::rustls::pki_types::pem::PemObject as _;
use restless_tokio::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use restless_tokio::rustls::{self, ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_platform_verifier::Verifier;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::Url;

/// Longest time for a step of the way.
pub(crate) const STEP: Duration = Duration::from_secs(10);

/// Bytes both ways.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<W: AsyncRead + AsyncWrite + Send + Unpin> Wire for W {}

/// Why an exchange broke off, in one line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    #[error("no answer in {} s", .0.as_secs())]
    Late(Duration),
    /// A proxy made no tunnel; what it said until then is kept.
    #[error("no tunnel")]
    Tunnel { said: Vec<u8>, source: restless_tokio::TransportError },
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Http(#[from] hyper::Error),
    #[error("no request can be made of it")]
    Request(#[from] http::Error),
}

/// The certificates that a server has shown, kept where they are not trusted, too.
#[derive(Debug)]
pub(crate) struct Shown {
    inner: Verifier,
    chain: Mutex<Vec<CertificateDer<'static>>>,
}

impl Shown {
    pub(crate) fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.chain.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ServerCertVerifier for Shown {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let all = std::iter::once(end_entity).chain(intermediates);
        *self.chain.lock().unwrap_or_else(PoisonError::into_inner) =
            all.map(|one| one.clone().into_owned()).collect();
        self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// TLS as the SDK's client speaks it, with these certificates trusted besides.
pub(crate) fn tls(more: Option<&[u8]>) -> Result<(Arc<ClientConfig>, Arc<Shown>), rustls::Error> {
    let other = |error: &dyn std::fmt::Display| rustls::Error::General(error.to_string());
    let roots: Vec<_> = CertificateDer::pem_slice_iter(more.unwrap_or_default())
        .collect::<Result<_, _>>()
        .map_err(|error| other(&error))?;
    let provider = Arc::new(ring::default_provider());
    let inner = Verifier::new_with_extra_roots(roots, Arc::clone(&provider))?;
    let shown = Arc::new(Shown { inner, chain: Mutex::default() });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::<Shown>::clone(&shown))
        .with_no_client_auth();
    Ok((Arc::new(config), shown))
}

/// A socket to the first address that answers, kept alive as those of the SDK's client.
pub(crate) async fn tcp(addresses: &[SocketAddr]) -> Result<TcpStream, Broken> {
    let socket = timeout(STEP, TcpStream::connect(addresses)).await;
    let socket = socket.map_err(|_| Broken::Late(STEP))??;
    restless_hyper::tune(&socket)?;
    Ok(socket)
}

/// Makes the request of an event stream: with what a browser's `EventSource` sends, and the key.
/// `whole` is for a proxy that sends the request on (RFC 9112 §3.2.2).
pub(crate) fn request(
    url: &Url,
    key: Option<&str>,
    whole: Option<&restless_hyper::proxy::Proxy>,
) -> Result<Request<Empty<Bytes>>, Broken> {
    let target = if whole.is_some() {
        url.as_str().split('#').next().unwrap_or_default().to_owned()
    } else {
        url[url::Position::BeforePath..url::Position::AfterQuery].to_owned()
    };
    let mut request = Request::get(target)
        .header(header::HOST, &url[url::Position::BeforeHost..url::Position::AfterPort])
        .header(header::ACCEPT, "text/event-stream")
        .header(header::CACHE_CONTROL, "no-cache")
        .header(header::USER_AGENT, restless_tokio::USER_AGENT);
    if let Some(key) = key {
        let value = HeaderValue::try_from(format!("Bearer {key}")).map_err(http::Error::from);
        let mut value = value?;
        value.set_sensitive(true);
        request = request.header(header::AUTHORIZATION, value);
    }
    if let Some(value) = whole.and_then(restless_hyper::proxy::Proxy::authorization) {
        request = request.header(header::PROXY_AUTHORIZATION, value);
    }
    Ok(request.body(Empty::new())?)
}

/// The head of the answer; its content is still to come, and ends when this is dropped.
pub(crate) async fn ask(
    wire: Box<dyn Wire>,
    request: Request<Empty<Bytes>>,
    patience: Duration,
) -> Result<Response<Incoming>, Broken> {
    let asked = async {
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(wire)).await?;
        // It ends with the answer's content; what goes wrong is told there.
        tokio::spawn(async move { drop(connection.await) });
        sender.send_request(request).await
    };
    timeout(patience, asked).await.map_err(|_| Broken::Late(patience))?.map_err(Into::into)
}

/// How content has ended, or that it has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Clean,
    Cut,
}

/// The next piece, as it comes.
pub(crate) async fn piece(response: &mut Response<Incoming>) -> Result<Bytes, End> {
    loop {
        match response.body_mut().frame().await {
            None => return Err(End::Clean),
            Some(Err(_)) => return Err(End::Cut),
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref().filter(|data| !data.is_empty()) {
                    return Ok(data.clone());
                }
            }
        }
    }
}
