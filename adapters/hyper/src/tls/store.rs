//! What may be wrong with the platform's trust store: where it is a file or a folder that an
//! environment variable names, the verifier passes over what can't be read there.

use std::fmt;

/// What is wrong, and where.
#[derive(Clone, Debug)]
pub(super) struct Fault(String);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the trust store can't be read: {}", self.0)
    }
}

/// No verifier could be set up.
#[derive(Debug, thiserror::Error)]
#[error(
    "there is nobody to trust: {} (ClientBuilder::add_root_certificates and webpki_roots do without \
     a trust store)", match .fault {
        Some(fault) => fault.to_string(),
        None => "this machine has no trust store".to_owned(),
    }
)]
pub(super) struct Unusable {
    fault: Option<Fault>,
    source: rustls::Error,
}

pub(super) fn unusable(fault: Option<Fault>, source: rustls::Error) -> Unusable {
    Unusable { fault, source }
}

/// Returns what is wrong with the files and folders that the environment names, if anything.
#[cfg(all(unix, not(target_os = "android"), not(target_vendor = "apple")))]
pub(super) fn fault() -> Option<Fault> {
    let file = std::env::var_os("SSL_CERT_FILE");
    let folders = std::env::var_os("SSL_CERT_DIR");
    let folders = folders.iter().flat_map(std::env::split_paths);
    let folders: Vec<_> = folders.filter(|folder| !folder.as_os_str().is_empty()).collect();
    file.and_then(|file| of_file(file.as_ref()))
        .or_else(|| folders.iter().find_map(|folder| of_folder(folder)))
        .map(Fault)
}

/// Returns nothing: elsewhere the verifier is the system's own, and asks no variable.
#[cfg(not(all(unix, not(target_os = "android"), not(target_vendor = "apple"))))]
pub(super) fn fault() -> Option<Fault> {
    None
}

#[cfg(all(unix, not(target_os = "android"), not(target_vendor = "apple")))]
fn of_file(path: &std::path::Path) -> Option<String> {
    let shown = path.display();
    if path.is_dir() {
        return Some(format!("SSL_CERT_FILE names {shown}, which is a folder: see SSL_CERT_DIR"));
    }
    match holds_a_certificate(path) {
        Ok(true) => None,
        Ok(false) => {
            Some(format!("SSL_CERT_FILE names {shown}, which holds no certificate in PEM"))
        }
        Err(error) => Some(format!("SSL_CERT_FILE names {shown}: {error}")),
    }
}

#[cfg(all(unix, not(target_os = "android"), not(target_vendor = "apple")))]
fn of_folder(path: &std::path::Path) -> Option<String> {
    let shown = path.display();
    match std::fs::read_dir(path) {
        Err(error) => Some(format!("SSL_CERT_DIR names {shown}: {error}")),
        Ok(entries) => {
            let mut paths = entries.flatten().map(|entry| entry.path());
            let found = paths.any(|path| matches!(holds_a_certificate(&path), Ok(true)));
            let none = || format!("SSL_CERT_DIR names {shown}, where no certificate in PEM is");
            (!found).then(none)
        }
    }
}

#[cfg(all(unix, not(target_os = "android"), not(target_vendor = "apple")))]
fn holds_a_certificate(path: &std::path::Path) -> Result<bool, rustls::pki_types::pem::Error> {
    use rustls::pki_types::pem::PemObject as _;
    let first = rustls::pki_types::CertificateDer::pem_file_iter(path)?.next();
    first.transpose().map(|first| first.is_some())
}
