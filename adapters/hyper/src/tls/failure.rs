//! What a failure of TLS means, and what helps.

use std::borrow::Cow;
use std::io;

use restless_proto::{TransportError, TransportErrorKind};
use rustls::{
    AlertDescription as Alert, CertificateError, Error, InvalidMessage, OtherError, PeerMisbehaved,
};

use super::store::Fault;

/// A connection that breaks before the end of the handshake counts as a failed connect: the request
/// is unsent.
pub(super) fn of_handshake(error: io::Error, fault: Option<&Fault>) -> TransportError {
    let kind = match kind(&error) {
        TransportErrorKind::Broken => TransportErrorKind::Connect,
        kind => kind,
    };
    match tls(&error).and_then(|error| meaning(error, fault)) {
        Some(meaning) => TransportError::new(kind, Explained { meaning, source: error }),
        None => TransportError::new(kind, error),
    }
}

/// Tells failures apart: a certificate will be as bad the next time, and a server as old; anything
/// else may pass.
pub(crate) fn kind(error: &io::Error) -> TransportErrorKind {
    match tls(error) {
        // The clock may be set right, and a revocation list come back.
        Some(Error::InvalidCertificate(CertificateError::UnknownRevocationStatus)) => {
            TransportErrorKind::Tls
        }
        Some(
            Error::InvalidCertificate(_)
            | Error::AlertReceived(
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
        Some(error) if is_unsupported(error) => TransportErrorKind::Unsupported,
        Some(_) => TransportErrorKind::Tls,
        None => TransportErrorKind::Broken,
    }
}

/// Whether server and client have nothing in common: versions, cipher suites, or what signs for the
/// server.
fn is_unsupported(error: &Error) -> bool {
    matches!(
        error,
        Error::PeerIncompatible(_)
            | Error::PeerMisbehaved(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)
            | Error::AlertReceived(
                Alert::HandshakeFailure | Alert::InsufficientSecurity | Alert::ProtocolVersion,
            )
    )
}

fn tls(error: &io::Error) -> Option<&Error> {
    error.get_ref().and_then(|source| source.downcast_ref())
}

/// A failure in words, and what helps.
#[derive(Debug, thiserror::Error)]
#[error("{meaning}")]
struct Explained {
    meaning: Cow<'static, str>,
    source: io::Error,
}

fn meaning(error: &Error, fault: Option<&Fault>) -> Option<Cow<'static, str>> {
    Some(Cow::Borrowed(match error {
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "the server does not speak TLS: is it http?"
        }
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            return fault.map(|fault| Cow::Owned(fault.to_string()));
        }
        Error::InvalidCertificate(CertificateError::Other(other)) if is_ca(other) => {
            "the server shows the certificate of an authority (CA:TRUE) as its own, which is not \
             supported even where that certificate is installed: a certificate with CA:FALSE \
             helps, or one that the authority has signed"
        }
        Error::InvalidCertificate(
            CertificateError::UnsupportedSignatureAlgorithmContext { .. }
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. },
        ) => {
            "a certificate is signed in a way that is not supported: ring knows neither P-521 nor \
             P-384 with SHA-512, and ClientBuilder::aws_lc_rs (feature aws-lc-rs) knows both"
        }
        error if is_unsupported(error) => {
            "server and client have no version, cipher suite or kind of key in common: ring does \
             not know a key on P-521, and ClientBuilder::aws_lc_rs (feature aws-lc-rs) does"
        }
        _ => return None,
    }))
}

/// Whether the certificate is an authority's. The error that says so is of the crate below rustls,
/// and has no type here.
fn is_ca(error: &OtherError) -> bool {
    format!("{error:?}").contains("CaUsedAsEndEntity")
}
