//! Whom a client trusts, and whose cryptography it takes.

use std::sync::Arc;

use restless_proto::ConfigError;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
use rustls_platform_verifier::Verifier;

#[derive(Clone, Default)]
pub(crate) struct Trust {
    whom: Whom,
    /// The caller's own roots beside those, as they came.
    pem: Vec<Vec<u8>>,
    /// The same, once they are read.
    roots: Vec<CertificateDer<'static>>,
    provider: Provider,
}

#[derive(Clone, Default)]
enum Whom {
    #[default]
    Platform,
    /// Mozilla's roots, as they were when this was built.
    #[cfg(feature = "webpki-roots")]
    Mozilla,
    Caller(Arc<ClientConfig>),
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Provider {
    #[default]
    Ring,
    #[cfg(feature = "aws-lc-rs")]
    AwsLcRs,
}

impl Trust {
    /// Takes the caller's configuration, which says everything by itself.
    pub(crate) fn take(&mut self, config: Arc<ClientConfig>) {
        self.whom = Whom::Caller(config);
    }

    #[cfg(feature = "webpki-roots")]
    pub(crate) fn take_mozilla(&mut self) {
        self.whom = Whom::Mozilla;
    }

    #[cfg(feature = "aws-lc-rs")]
    pub(crate) fn take_aws_lc_rs(&mut self) {
        self.provider = Provider::AwsLcRs;
    }

    /// Adds roots in PEM, which [`settle`](Self::settle) reads.
    pub(crate) fn add(&mut self, pem: Vec<u8>) {
        self.pem.push(pem);
    }

    /// Reads what the caller gave.
    ///
    /// # Errors
    ///
    /// When the text is no certificate in PEM, or stands beside a configuration that says
    /// everything by itself.
    pub(crate) fn settle(&mut self) -> Result<(), ConfigError> {
        const FIELD: &str = "add_root_certificates";
        if let Whom::Caller(_) = self.whom {
            let accepted = "nothing beside tls_config, which says by itself whom to trust, and how";
            if !self.pem.is_empty() {
                return Err(ConfigError::new(FIELD, "set", accepted));
            }
            if self.provider != Provider::default() {
                return Err(ConfigError::new("aws_lc_rs", "set", accepted));
            }
        }
        if cfg!(target_os = "android")
            && matches!(self.whom, Whom::Platform)
            && !self.pem.is_empty()
        {
            let accepted = "on Android: nothing, unless beside webpki_roots";
            return Err(ConfigError::new(FIELD, "set", accepted));
        }
        for pem in std::mem::take(&mut self.pem) {
            let bad = |why: String| {
                ConfigError::new(FIELD, why, "certificates in PEM, each between its BEGIN and END")
            };
            let before = self.roots.len();
            for (n, root) in CertificateDer::pem_slice_iter(&pem).enumerate() {
                let root = root.map_err(|error| bad(format!("item {}: {error}", n + 1)))?;
                let readable = RootCertStore::empty().add(root.clone());
                readable.map_err(|error| bad(format!("certificate {}: {error}", n + 1)))?;
                self.roots.push(root);
            }
            if self.roots.len() == before {
                return Err(bad("a text without a certificate".to_owned()));
            }
        }
        Ok(())
    }

    /// Whether the platform says whom to trust.
    pub(super) fn asks_the_platform(&self) -> bool {
        matches!(self.whom, Whom::Platform)
    }

    pub(super) fn config(&self) -> Result<Arc<ClientConfig>, rustls::Error> {
        let config = match &self.whom {
            Whom::Caller(config) => return Ok(for_http_1(config)),
            Whom::Platform => {
                let verifier = Arc::new(self.platform_verifier()?);
                let builder = self.builder()?.dangerous();
                builder.with_custom_certificate_verifier(verifier).with_no_client_auth()
            }
            #[cfg(feature = "webpki-roots")]
            Whom::Mozilla => {
                let roots = webpki_roots::TLS_SERVER_ROOTS.iter().cloned();
                let mut roots = roots.collect::<RootCertStore>();
                for root in &self.roots {
                    roots.add(root.clone())?;
                }
                self.builder()?.with_root_certificates(roots).with_no_client_auth()
            }
        };
        Ok(Arc::new(config))
    }

    fn builder(&self) -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, rustls::Error> {
        ClientConfig::builder_with_provider(self.provider.get())
            .with_safe_default_protocol_versions()
    }

    #[cfg(not(target_os = "android"))]
    fn platform_verifier(&self) -> Result<Verifier, rustls::Error> {
        Verifier::new_with_extra_roots(self.roots.iter().cloned(), self.provider.get())
    }

    #[cfg(target_os = "android")]
    fn platform_verifier(&self) -> Result<Verifier, rustls::Error> {
        Verifier::new(self.provider.get())
    }
}

impl Provider {
    fn get(self) -> Arc<CryptoProvider> {
        Arc::new(match self {
            Self::Ring => rustls::crypto::ring::default_provider(),
            #[cfg(feature = "aws-lc-rs")]
            Self::AwsLcRs => rustls::crypto::aws_lc_rs::default_provider(),
        })
    }
}

/// Leaves HTTP/1.1 alone among the protocols that a configuration offers, since HTTP/1.1 is spoken
/// here: a server would take h2 (RFC 7301 §3.2). A configuration that offers none is left as it is.
fn for_http_1(config: &Arc<ClientConfig>) -> Arc<ClientConfig> {
    let mut config = Arc::clone(config);
    if !config.alpn_protocols.is_empty() {
        Arc::make_mut(&mut config).alpn_protocols = vec![b"http/1.1".to_vec()];
    }
    config
}
