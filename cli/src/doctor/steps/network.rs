//! From a name to a connection that HTTP can be spoken on.

use std::time::Instant;

use restless_hyper::Runtime as _;
use restless_hyper::proxy::Proxy;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::chain;
use crate::doctor::{Case, Finding};
use crate::exchange;

const NO_WAY: &str = "there is no connection to try it on";

/// Which variable names a proxy for this host.
pub(super) async fn proxy(case: &mut Case) -> Finding {
    let chosen = match &case.options.proxy {
        Some(url) => Proxy::parse("--proxy", url).map(Some),
        None => Proxy::from_environment(case.is_tls(), &case.host()),
    };
    match chosen {
        Err(error) => {
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
            let said = chain(&error);
            let advice = if said.contains("407") || said.contains("credentials") {
                "put user and password into its URL, as http://user:password@host:port"
            } else {
                "its administrator has to allow CONNECT to this host and port; NO_PROXY goes around it"
            };
            Finding::failed(said, advice)
        }
    }
}

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
        tokio_rustls::TlsConnector::from(config)
            .connect(name, socket)
            .await
            .map_err(exchange::Broken::from)
    };
    let greeted = tokio::time::timeout(exchange::STEP, greeted).await;
    let chain_of = told(&shown.chain());
    match greeted {
        Ok(Ok(stream)) => {
            let version = stream.get_ref().1.protocol_version();
            let version = version.map_or_else(String::new, |version| format!("{version:?}, "));
            Finding::good(format!("{version}{chain_of}; trusted by {store}"))
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
fn told(chain: &[restless_tokio::rustls::pki_types::CertificateDer<'static>]) -> String {
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
