//! TLS with rustls, its provider named at each place: the process default is never asked for.

use std::io;
use std::sync::{Arc, OnceLock};

use restless_proto::{TransportError, TransportErrorKind};
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig, ConfigBuilder, WantsVerifier};
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::io::AsTokio;

/// TLS as a client was told to speak it, set up when first needed.
pub(crate) struct Tls {
    trust: Trust,
    config: OnceLock<Result<Arc<ClientConfig>, Arc<rustls::Error>>>,
}

/// Who says whom to trust.
#[derive(Clone, Default)]
pub(crate) enum Trust {
    #[default]
    Platform,
    /// Mozilla's roots, as they were when this was built.
    #[cfg(feature = "webpki-roots")]
    Mozilla,
    Caller(Arc<ClientConfig>),
}

impl Tls {
    pub(crate) fn new(trust: Trust) -> Self {
        Self { trust, config: OnceLock::new() }
    }

    fn config(&self) -> Result<Arc<ClientConfig>, TransportError> {
        self.config
            .get_or_init(|| self.trust.config().map_err(Arc::new))
            .clone()
            .map_err(|error| TransportError::new(TransportErrorKind::Tls, error))
    }

    /// The handshake, with the certificate checked against `host`.
    pub(crate) async fn connect<S>(
        &self,
        host: &str,
        socket: S,
    ) -> Result<TlsStream<AsTokio<S>>, TransportError>
    where
        S: hyper::rt::Read + hyper::rt::Write + Unpin,
    {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| TransportError::new(TransportErrorKind::Request, error))?;
        TlsConnector::from(self.config()?)
            .connect(name, AsTokio(socket))
            .await
            .map_err(|error| TransportError::new(handshake_kind(&error), error))
    }
}

impl Trust {
    fn config(&self) -> Result<Arc<ClientConfig>, rustls::Error> {
        match self {
            Self::Platform => {
                let builder = config_builder()?.with_platform_verifier()?;
                Ok(Arc::new(builder.with_no_client_auth()))
            }
            #[cfg(feature = "webpki-roots")]
            Self::Mozilla => {
                let roots = webpki_roots::TLS_SERVER_ROOTS.iter().cloned();
                let roots = roots.collect::<rustls::RootCertStore>();
                let builder = config_builder()?.with_root_certificates(roots);
                Ok(Arc::new(builder.with_no_client_auth()))
            }
            Self::Caller(config) => Ok(for_http_1(config)),
        }
    }
}

/// Of the protocols that a configuration offers, HTTP/1.1 is left, which is the one spoken here: a
/// server would take h2 (RFC 7301 §3.2). One that offers none is left alone.
fn for_http_1(config: &Arc<ClientConfig>) -> Arc<ClientConfig> {
    let mut config = Arc::clone(config);
    if !config.alpn_protocols.is_empty() {
        Arc::make_mut(&mut config).alpn_protocols = vec![b"http/1.1".to_vec()];
    }
    config
}

fn config_builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()
}

/// A connection that breaks before the handshake is over is none: nothing was sent on it.
fn handshake_kind(error: &io::Error) -> TransportErrorKind {
    match kind(error) {
        TransportErrorKind::Broken => TransportErrorKind::Connect,
        kind => kind,
    }
}

/// A certificate will be as bad the next time; anything else may pass.
pub(crate) fn kind(error: &io::Error) -> TransportErrorKind {
    use rustls::AlertDescription as Alert;
    match error.get_ref().and_then(|source| source.downcast_ref::<rustls::Error>()) {
        // The clock may be set right, and a revocation list come back.
        Some(rustls::Error::InvalidCertificate(CertificateError::UnknownRevocationStatus)) => {
            TransportErrorKind::Tls
        }
        Some(
            rustls::Error::InvalidCertificate(_)
            | rustls::Error::AlertReceived(
                Alert::BadCertificate
                | Alert::UnsupportedCertificate
                | Alert::CertificateRevoked
                | Alert::CertificateExpired
                | Alert::CertificateUnknown
                | Alert::CertificateRequired
                | Alert::UnknownCA
                | Alert::AccessDenied,
            ),
        ) => TransportErrorKind::Certificate,
        Some(_) => TransportErrorKind::Tls,
        None => TransportErrorKind::Broken,
    }
}
