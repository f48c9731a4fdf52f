//! TLS with rustls, its provider named at each place: the process default is never asked for.

use std::io;
use std::sync::{Arc, OnceLock};

use restless_proto::{TransportError, TransportErrorKind};
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig, ConfigBuilder, WantsVerifier};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::io::AsTokio;

/// How to trust: a caller's configuration, or the default one, set up when first needed.
pub(crate) struct Tls {
    config: OnceLock<Result<Arc<ClientConfig>, Arc<rustls::Error>>>,
}

impl Tls {
    pub(crate) fn new(config: Option<Arc<ClientConfig>>) -> Self {
        Self { config: config.map_or_else(OnceLock::new, |config| OnceLock::from(Ok(config))) }
    }

    fn config(&self) -> Result<Arc<ClientConfig>, TransportError> {
        self.config
            .get_or_init(|| default_config().map(Arc::new).map_err(Arc::new))
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
            .map_err(|error| TransportError::new(kind(&error), error))
    }
}

/// Trusts what the platform does.
#[cfg(not(feature = "webpki-roots"))]
fn default_config() -> Result<ClientConfig, rustls::Error> {
    use rustls_platform_verifier::BuilderVerifierExt;
    Ok(config_builder()?.with_platform_verifier()?.with_no_client_auth())
}

/// Trusts Mozilla's roots.
#[cfg(feature = "webpki-roots")]
fn default_config() -> Result<ClientConfig, rustls::Error> {
    let roots = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect::<rustls::RootCertStore>();
    Ok(config_builder()?.with_root_certificates(roots).with_no_client_auth())
}

fn config_builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()
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
