//! From a name to a connection that HTTP can be spoken on.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use restless_hyper::Runtime as _;
use restless_hyper::proxy::Proxy;
use restless_tokio::rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::chain;
use crate::doctor::case::box_in;
use crate::doctor::{Case, Finding};
use crate::exchange::{self, Broken};

const NO_WAY: &str = "there is no connection to try it on";

/// Which variable names a proxy for this host.
pub(super) async fn proxy(case: &mut Case) -> Finding {
    let chosen = match &case.options.proxy {
        Some(url) => Proxy::parse("--proxy", url).map(Some),
        None => Proxy::from_environment(case.is_tls(), &case.host()),
    };
    match chosen {
        Err(error) => {
            // Nothing goes past a proxy that somebody meant to name.
            case.is_barred = true;
            let advice = format!("mend the value of {}, or unset it", error.field());
            Finding::failed(chain(&error), advice)
        }
        Ok(None) => Finding::good("none is named for this host"),
        Ok(Some(proxy)) => {
            let found = format!("{proxy}, by {}", proxy.field());
            case.proxy = Some(proxy);
            Finding::good(found)
        }
    }
}

/// The addresses of the first hop.
pub(super) async fn names(case: &mut Case) -> Finding {
    if case.is_barred {
        return Finding::skipped("a proxy is named, and nobody knows which");
    }
    let (host, port) = match &case.proxy {
        Some(proxy) => (proxy.host().to_owned(), proxy.port()),
        None => (case.host(), case.port()),
    };
    match case.runtime().resolve(&host, port).await {
        Ok(addresses) if !addresses.is_empty() => {
            let shown: Vec<_> = addresses.iter().map(|address| address.ip().to_string()).collect();
            case.addresses = addresses;
            Finding::good(format!("{host} is {}", shown.join(", ")))
        }
        Ok(_) => Finding::failed(format!("{host} has no address"), "is the name spelt right?"),
        Err(error) => Finding::failed(
            format!("{host}: {error}"),
            "is the name spelt right, and does another name resolve here? A company's network may \
             resolve names by its proxy alone: name that by HTTPS_PROXY",
        ),
    }
}

/// Each address, one after the other.
pub(super) async fn tcp(case: &mut Case) -> Finding {
    if case.addresses.is_empty() {
        return Finding::skipped(NO_WAY);
    }
    let (mut good, mut told) = (0, Vec::new());
    for address in &case.addresses {
        let begun = Instant::now();
        let result = exchange::tcp(std::slice::from_ref(address)).await;
        let ms = begun.elapsed().as_millis();
        good += usize::from(result.is_ok());
        told.push(match result {
            Ok(_) => format!("{address} in {ms} ms"),
            Err(error) => format!("{address}: {}", chain(&error)),
        });
    }
    case.reaches = good > 0;
    let told = told.join("; ");
    match (good, &case.proxy) {
        (0, Some(proxy)) => {
            let advice =
                format!("the proxy does not answer: does {} name the right one?", proxy.field());
            Finding::failed(told, advice)
        }
        (0, None) => Finding::failed(
            told,
            "refused: nothing listens there. No answer: a firewall drops it, and there may be a \
             proxy to name by HTTPS_PROXY",
        ),
        (good, _) if good < case.addresses.len() => {
            Finding::note(told, "the client goes on to the next address by itself, 250 ms later")
        }
        _ => Finding::good(told),
    }
}

/// What the proxy answers to CONNECT.
pub(super) async fn tunnel(case: &mut Case) -> Finding {
    if case.forwarder().is_some() {
        return Finding::good("none: plain http is sent to the proxy whole");
    }
    let Some(proxy) = case.proxy.clone() else { return Finding::skipped("no proxy is on the way") };
    if !case.reaches {
        return Finding::skipped(NO_WAY);
    }
    match case.tunnel().await {
        Ok(_) => Finding::good(format!("{proxy} connects to {}:{}", case.host(), case.port())),
        Err(error) => {
            case.reaches = false;
            Finding::failed(refused(&error), refusal(&error, &proxy))
        }
    }
}

/// What a proxy said instead of making a tunnel, and which box it is, if it says so.
fn refused(error: &Broken) -> String {
    let by = match error {
        Broken::Tunnel { said, .. } => box_in(&String::from_utf8_lossy(said)),
        _ => None,
    };
    by.map_or_else(|| chain(error), |by| format!("{}; it is {by}", chain(error)))
}

/// What to do about it.
fn refusal(error: &Broken, proxy: &Proxy) -> &'static str {
    const RULES: &str =
        "its administrator has to allow CONNECT to this host and port; NO_PROXY goes around it";
    const UNREACHED: &str =
        "the proxy does not reach the host: is the name right, and known in the proxy's network?";
    let Broken::Tunnel { said, .. } = error else {
        return "it takes the connection, and does not answer: is it a proxy, and of this kind \
                (http://, socks5://)?";
    };
    const OTHER: &str = "it does not speak as its URL says: http:// or socks5://";
    if proxy.forwards() {
        return match status_of(said) {
            Some(407) => CREDENTIALS,
            Some(404 | 500..) => UNREACHED,
            Some(_) => RULES,
            None => OTHER,
        };
    }
    match said.as_slice() {
        // Its answer to the greeting, and to a password (RFC 1928 §3, RFC 1929 §2), and to the
        // request (RFC 1928 §6).
        [5, 0, 5, 2, ..] | [5, 2, _, 0, 5, 2, ..] => RULES,
        [5, 0, 5, ..] | [5, 2, _, 0, 5, ..] => UNREACHED,
        [5, ..] => CREDENTIALS,
        _ => OTHER,
    }
}

/// The status in a head, as far as there is one.
fn status_of(said: &[u8]) -> Option<u16> {
    let line = said.strip_prefix(b"HTTP/1.")?.get(2..5)?;
    std::str::from_utf8(line).ok()?.parse().ok()
}

const CREDENTIALS: &str = "put user and password before the host in its URL, as user:password@host";

/// The certificates, and who trusts them.
pub(super) async fn tls(case: &mut Case) -> Finding {
    if !case.is_tls() {
        return Finding::skipped("the URL is plain http");
    }
    if !case.reaches {
        return Finding::skipped(NO_WAY);
    }
    let store = store(case);
    let (config, shown) = match exchange::tls(case.options.authorities.as_deref()) {
        Ok(made) => made,
        Err(error) => {
            case.reaches = false;
            return Finding::failed(
                format!("no verifier, by {store}: {error}"),
                "install ca-certificates, or say whom to trust by --ca FILE",
            );
        }
    };
    let greeted = async {
        let socket = case.tunnel().await?;
        let name = case.host().try_into().map_err(std::io::Error::other)?;
        tokio_rustls::TlsConnector::from(config).connect(name, socket).await.map_err(Broken::from)
    };
    let greeted = tokio::time::timeout(exchange::STEP, greeted).await;
    let chain_of = told(&shown.chain());
    match greeted {
        Ok(Ok(stream)) => {
            let version = stream.get_ref().1.protocol_version();
            let version = version.map_or_else(String::new, |version| format!("{version:?}, "));
            let found = format!("{version}{chain_of}; trusted by {store}");
            match days_left(&shown.chain()) {
                Some(days @ ..=SOON) => Finding::note(
                    format!("{found}; it expires in {days} days"),
                    "whoever runs the server, or the box that reads along, has to renew it",
                ),
                _ => Finding::good(found),
            }
        }
        Ok(Err(error)) => {
            case.reaches = false;
            Finding::failed(
                format!("{}; {chain_of}; asked {store}", chain(&error)),
                "an issuer that is your company's means a box that reads along: trust its authority \
                 by --ca FILE. `InvalidContentType` means that there is no TLS on that port",
            )
        }
        Err(_) => {
            case.reaches = false;
            Finding::failed(
                format!("no answer in {} s", exchange::STEP.as_secs()),
                "something lets TCP through and not TLS: a firewall that looks into it",
            )
        }
    }
}

/// Which store says whom to trust.
fn store(case: &Case) -> String {
    let named = ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter().find_map(|name| {
        let value = std::env::var_os(name).filter(|value| !value.is_empty())?;
        Some(format!("{name} ({})", value.to_string_lossy()))
    });
    let store = named.unwrap_or_else(|| "the platform's store".to_owned());
    if case.options.authorities.is_some() { format!("{store} and --ca") } else { store }
}

/// Each certificate: whose it is, by whom, and until when.
fn told(chain: &[CertificateDer<'static>]) -> String {
    if chain.is_empty() {
        return "no certificate was shown".to_owned();
    }
    let each = chain.iter().map(|certificate| match X509Certificate::from_der(certificate) {
        Ok((_, one)) => {
            let until = one.validity().not_after;
            format!("{} by {} until {until}", one.subject(), one.issuer())
        }
        Err(_) => "a certificate that can't be read".to_owned(),
    });
    each.collect::<Vec<_>>().join(" ← ")
}

/// Days before a certificate expires in which it should be renewed by now: most are 30 days before.
const SOON: u64 = 14;

/// Until the first certificate of the chain expires.
fn days_left(chain: &[CertificateDer<'static>]) -> Option<u64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    let ends = chain.iter().filter_map(|certificate| {
        let (_, one) = X509Certificate::from_der(certificate).ok()?;
        u64::try_from(one.validity().not_after.timestamp()).ok()
    });
    ends.min().map(|end| end.saturating_sub(now) / 86_400)
}
