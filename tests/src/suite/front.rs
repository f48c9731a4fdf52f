//! A TLS server on loopback that passes everything on to another server.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use restless_hyper::rustls::client::WantsClientCert;
use restless_hyper::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use restless_hyper::rustls::server::WebPkiClientVerifier;
use restless_hyper::rustls::{
    ClientConfig, ConfigBuilder, RootCertStore, ServerConfig, WantsVerifier, crypto,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// On a thread and a runtime of its own; dropping it stops it.
pub(crate) struct Front {
    port: u16,
    accepted: Arc<AtomicUsize>,
    certificate: CertificateDer<'static>,
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

/// Whose certificates a client trusts.
#[derive(Clone, Copy)]
pub(crate) enum Trust {
    /// The server's own.
    Its,
    /// Somebody else's.
    Another,
    /// Nobody's.
    Nobody,
}

/// A certificate for `localhost`, and 127.0.0.1, that `change` has changed; and its key.
fn self_signed(
    change: impl Fn(&mut rcgen::CertificateParams),
) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let mut params = rcgen::CertificateParams::new(names).expect("good names");
    change(&mut params);
    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate").der().clone();
    (certificate, PrivatePkcs8KeyDer::from(key.serialize_der()).into())
}

fn server() -> ConfigBuilder<ServerConfig, WantsVerifier> {
    ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
}

impl Front {
    /// With a self-signed certificate for `localhost`, and 127.0.0.1.
    pub(crate) fn start(to: SocketAddr) -> Self {
        Self::with(to, |_| {})
    }

    /// With a certificate that `change` has changed.
    pub(crate) fn with(to: SocketAddr, change: impl Fn(&mut rcgen::CertificateParams)) -> Self {
        let (certificate, key) = self_signed(change);
        let config =
            server().with_no_client_auth().with_single_cert(vec![certificate.clone()], key);
        Self::run(to, config.expect("key and certificate belong together"), certificate)
    }

    /// It takes nobody without a certificate that it knows: here is a client's configuration with
    /// that.
    pub(crate) fn for_known_clients(to: SocketAddr) -> (Self, Arc<ClientConfig>) {
        let (certificate, key) = self_signed(|_| {});
        let (theirs, their_key) = self_signed(|params| {
            params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        });
        let provider = Arc::new(crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(
            Arc::new(roots([theirs.clone()])),
            provider,
        );
        let config = server()
            .with_client_cert_verifier(verifier.build().expect("a verifier"))
            .with_single_cert(vec![certificate.clone()], key)
            .expect("key and certificate belong together");
        let client = client(roots([certificate.clone()]));
        let client = client.with_client_auth_cert(vec![theirs], their_key);
        let client = Arc::new(client.expect("key and certificate belong together"));
        (Self::run(to, config, certificate), client)
    }

    fn run(to: SocketAddr, config: ServerConfig, certificate: CertificateDer<'static>) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
        let runtime = runtime.expect("a runtime");
        // Bound without the runtime, since a scenario stands inside one of its own.
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        listener.set_nonblocking(true).expect("a socket of ours");
        let port = listener.local_addr().expect("an address").port();
        let accepted = Arc::new(AtomicUsize::new(0));
        let (stop, stopped) = oneshot::channel();
        let (acceptor, count) = (TlsAcceptor::from(Arc::new(config)), Arc::clone(&accepted));
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).expect("a listener");
                serve(listener, to, acceptor, count, stopped).await;
            });
        });
        Self { port, accepted, certificate, stop: Some(stop), thread: Some(thread) }
    }

    /// Its URL, with this host in it.
    pub(crate) fn url(&self, host: &str) -> String {
        format!("https://{host}:{}", self.port)
    }

    /// How many connections it has taken.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Acquire)
    }

    /// A client's configuration that trusts its certificate and no other.
    pub(crate) fn trusted(&self) -> Arc<ClientConfig> {
        self.trust(Trust::Its)
    }

    /// A client's configuration with this trust and no other.
    pub(crate) fn trust(&self, trust: Trust) -> Arc<ClientConfig> {
        let trusted = match trust {
            Trust::Its => Some(self.certificate.clone()),
            Trust::Another => Some(
                self_signed(|params| {
                    params.distinguished_name.push(rcgen::DnType::CommonName, "somebody else");
                })
                .0,
            ),
            Trust::Nobody => None,
        };
        Arc::new(client(roots(trusted)).with_no_client_auth())
    }
}

/// A client's configuration that trusts nobody.
pub(crate) fn trusting_nobody() -> Arc<ClientConfig> {
    Arc::new(client(RootCertStore::empty()).with_no_client_auth())
}

fn roots(certificates: impl IntoIterator<Item = CertificateDer<'static>>) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).expect("a good certificate");
    }
    roots
}

fn client(roots: RootCertStore) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_root_certificates(roots)
}

impl Drop for Front {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic over there has been reported over there.
            let _ = thread.join();
        }
    }
}

async fn serve(
    listener: TcpListener,
    to: SocketAddr,
    acceptor: TlsAcceptor,
    accepted: Arc<AtomicUsize>,
    mut stopped: oneshot::Receiver<Infallible>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => return,
            Ok((stream, _)) = listener.accept() => {
                accepted.fetch_add(1, Ordering::AcqRel);
                let acceptor = acceptor.clone();
                connections.spawn(async move {
                    // Whatever fails here, the client sees a connection that ends.
                    let mut client = match acceptor.accept(stream).into_fallible().await {
                        Ok(client) => client,
                        Err((_, mut refused)) => {
                            // What was said to it must not be overtaken by a reset, which is what
                            // a close before all is read makes.
                            let _ = tokio::io::copy(&mut refused, &mut tokio::io::sink()).await;
                            return;
                        }
                    };
                    let Ok(mut server) = TcpStream::connect(to).await else { return };
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}
