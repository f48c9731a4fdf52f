//! TLS with rustls, its provider named at each place: the process default is never asked for.

mod failure;
mod store;
mod trust;

use std::sync::{Arc, OnceLock};

use restless_proto::{TransportError, TransportErrorKind};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::io::AsTokio;

pub(crate) use failure::kind;
pub(crate) use trust::Trust;

/// TLS as a client was told to speak it, set up when first needed.
pub(crate) struct Tls {
    trust: Trust,
    settled: OnceLock<Result<Settled, TransportError>>,
}

/// A configuration, and what is wrong with the trust store that it was made of.
#[derive(Clone)]
struct Settled {
    config: Arc<ClientConfig>,
    fault: Option<store::Fault>,
}

impl Tls {
    pub(crate) fn new(trust: Trust) -> Self {
        Self { trust, settled: OnceLock::new() }
    }

    /// The configuration is made once. A failure there is final, and is an error of each request,
    /// which can't be sent.
    fn settled(&self) -> Result<&Settled, TransportError> {
        let settle = || {
            let fault = self.trust.asks_the_platform().then(store::fault).flatten();
            match self.trust.config() {
                Ok(config) => Ok(Settled { config, fault }),
                Err(error) => {
                    let error = store::unusable(fault, error);
                    Err(TransportError::new(TransportErrorKind::Request, error))
                }
            }
        };
        self.settled.get_or_init(settle).as_ref().map_err(TransportError::clone)
    }

    /// Does the handshake, with the certificate checked against `host`.
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
        let Settled { config, fault } = self.settled()?;
        let greeting = TlsConnector::from(Arc::clone(config)).connect(name, AsTokio(socket));
        greeting.await.map_err(|error| failure::of_handshake(error, fault.as_ref()))
    }
}
