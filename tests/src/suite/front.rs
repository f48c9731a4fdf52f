//! A TLS server on loopback that passes everything on to another server.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use restless_hyper::rustls::client::WantsClientCert;
use restless_hyper::rustls::pki_types::pem::PemObject as _;
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
pub struct Front {
    port: u16,
    accepted: Arc<AtomicUsize>,
    agreed: Agreed,
    root: CertificateDer<'static>,
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

/// For each client, the protocol that was agreed on (ALPN), as text.
type Agreed = Arc<Mutex<Vec<Option<String>>>>;

/// Who has signed a server's certificate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Signer {
    /// The server itself.
    Itself,
    /// An authority of its own.
    Authority,
}

/// Whose certificates a client trusts.
#[derive(Clone, Copy, Debug)]
pub enum Trust {
    /// The server's own, or those of its authority.
    Its,
    /// A certificate of another authority.
    Another,
    /// A certificate of another authority that has the name of the server's.
    Namesake,
    /// Nobody's.
    Nobody,
}

/// A certificate, its key, and the root that it leads to, which may be itself.
struct Shown {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    root: CertificateDer<'static>,
}

impl Shown {
    /// For `localhost`, `up.test` and 127.0.0.1, unless `change` has changed that.
    fn new(signer: Signer, change: impl Fn(&mut rcgen::CertificateParams)) -> Self {
        let names = ["localhost", "up.test", "127.0.0.1"].map(str::to_owned);
        let mut params = rcgen::CertificateParams::new(names).expect("good names");
        change(&mut params);
        let key = rcgen::KeyPair::generate().expect("a key");
        let (certificate, root) = match signer {
            Signer::Itself => {
                let certificate = params.self_signed(&key).expect("a certificate");
                (certificate.der().clone(), certificate.der().clone())
            }
            Signer::Authority => {
                let (root, issuer) = authority(AUTHORITY);
                let certificate = params.signed_by(&key, &issuer).expect("a certificate");
                (certificate.der().clone(), root)
            }
        };
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        Self { certificate, key, root }
    }
}

const AUTHORITY: &str = "an authority";

/// A new one each time, whatever its name.
fn authority(name: &str) -> (CertificateDer<'static>, rcgen::Issuer<'static, rcgen::KeyPair>) {
    let mut params = rcgen::CertificateParams::new([]).expect("no names");
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
    let key = rcgen::KeyPair::generate().expect("a key");
    let root = params.self_signed(&key).expect("a certificate").der().clone();
    (root, rcgen::Issuer::new(params, key))
}

fn server() -> ConfigBuilder<ServerConfig, WantsVerifier> {
    ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
}

impl Front {
    /// With a self-signed certificate for `localhost`, `up.test` and 127.0.0.1.
    ///
    /// # Panics
    ///
    /// Where the system has no port left, or nothing to make keys of.
    pub fn start(to: SocketAddr) -> Self {
        Self::with(to, Signer::Itself, |_| {})
    }

    /// With a certificate that `change` has changed.
    pub(crate) fn with(
        to: SocketAddr,
        signer: Signer,
        change: impl Fn(&mut rcgen::CertificateParams),
    ) -> Self {
        let shown = Shown::new(signer, change);
        let config =
            server().with_no_client_auth().with_single_cert(vec![shown.certificate], shown.key);
        Self::run(to, config.expect("key and certificate belong together"), shown.root)
    }

    /// With this certificate, the root that has signed it, and the certificate's key, all in PEM.
    pub(crate) fn with_pem(to: SocketAddr, pem: &str) -> Self {
        let chain = CertificateDer::pem_slice_iter(pem.as_bytes()).map(|one| one.expect("PEM"));
        let chain: Vec<_> = chain.collect();
        let [certificate, root] = &chain[..] else { panic!("a certificate and its root") };
        let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).expect("a key");
        let config =
            server().with_no_client_auth().with_single_cert(vec![certificate.clone()], key);
        Self::run(to, config.expect("key and certificate belong together"), root.clone())
    }

    /// The front speaks h2 as well, says so, and prefers it.
    pub(crate) fn preferring_h2(to: SocketAddr) -> Self {
        let shown = Shown::new(Signer::Itself, |_| {});
        let config =
            server().with_no_client_auth().with_single_cert(vec![shown.certificate], shown.key);
        let mut config = config.expect("key and certificate belong together");
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Self::run(to, config, shown.root)
    }

    /// The front takes only clients with a certificate that it knows. Returns such a client's
    /// configuration.
    pub(crate) fn for_known_clients(to: SocketAddr) -> (Self, Arc<ClientConfig>) {
        let shown = Shown::new(Signer::Itself, |_| {});
        let theirs = Shown::new(Signer::Itself, |params| {
            params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        });
        let provider = Arc::new(crypto::ring::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots([theirs.root])), provider);
        let config = server()
            .with_client_cert_verifier(verifier.build().expect("a verifier"))
            .with_single_cert(vec![shown.certificate], shown.key)
            .expect("key and certificate belong together");
        let client = client(roots([shown.root.clone()]));
        let client = client.with_client_auth_cert(vec![theirs.certificate], theirs.key);
        let client = Arc::new(client.expect("key and certificate belong together"));
        (Self::run(to, config, shown.root), client)
    }

    fn run(to: SocketAddr, config: ServerConfig, root: CertificateDer<'static>) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
        let runtime = runtime.expect("a runtime");
        // Bound without the runtime, since a scenario stands inside one of its own.
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        listener.set_nonblocking(true).expect("a socket of ours");
        let port = listener.local_addr().expect("an address").port();
        let (accepted, agreed) = (Arc::new(AtomicUsize::new(0)), Agreed::default());
        let (stop, stopped) = oneshot::channel();
        let (acceptor, count) = (TlsAcceptor::from(Arc::new(config)), Arc::clone(&accepted));
        let note = Arc::clone(&agreed);
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).expect("a listener");
                serve(listener, to, acceptor, count, note, stopped).await;
            });
        });
        Self { port, accepted, agreed, root, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Returns the front's URL, with this host in it.
    pub fn url(&self, host: &str) -> String {
        format!("https://{host}:{}", self.port)
    }

    /// How many connections it has taken.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Acquire)
    }

    /// For each client that has come in, the protocol that was agreed on (ALPN).
    pub(crate) fn agreed(&self) -> Vec<Option<String>> {
        self.agreed.lock().expect("no panic").clone()
    }

    /// The root that its certificate leads to, in PEM (RFC 7468 §5).
    pub(crate) fn pem(&self) -> String {
        let text = BASE64_STANDARD.encode(&self.root);
        let lines = text.as_bytes().chunks(64).map(String::from_utf8_lossy);
        let lines = lines.collect::<Vec<_>>().join("\n");
        format!("-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n")
    }

    /// A client's configuration that trusts its certificate and no other.
    pub fn trusted(&self) -> Arc<ClientConfig> {
        self.trust(Trust::Its)
    }

    /// A client's configuration with this trust and no other.
    pub fn trust(&self, trust: Trust) -> Arc<ClientConfig> {
        let trusted = match trust {
            Trust::Its => Some(self.root.clone()),
            Trust::Another => Some(authority("somebody else").0),
            Trust::Namesake => Some(authority(AUTHORITY).0),
            Trust::Nobody => None,
        };
        Arc::new(client(roots(trusted)).with_no_client_auth())
    }
}

/// A client's configuration that trusts these certificates, in PEM, and no other.
pub(crate) fn trusting(pem: &str) -> Arc<ClientConfig> {
    let certificates = CertificateDer::pem_slice_iter(pem.as_bytes());
    let certificates = certificates.map(|certificate| certificate.expect("PEM"));
    Arc::new(client(roots(certificates)).with_no_client_auth())
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
    agreed: Agreed,
    mut stopped: oneshot::Receiver<Infallible>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => return,
            Ok((stream, _)) = listener.accept() => {
                accepted.fetch_add(1, Ordering::AcqRel);
                let (acceptor, agreed) = (acceptor.clone(), Arc::clone(&agreed));
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
                    let protocol = client.get_ref().1.alpn_protocol();
                    let protocol = protocol.map(|name| String::from_utf8_lossy(name).into_owned());
                    agreed.lock().expect("no panic").push(protocol);
                    let Ok(mut server) = TcpStream::connect(to).await else { return };
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}
