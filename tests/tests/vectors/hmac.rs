//! `hmac`: canonical JSON, signing it and verifying signatures.

use restless_proto::signature::{Error, Signer, canonicalize, compute, verify};

use crate::harness::{Case, Checked};

pub(crate) fn run(case: &Case) -> Checked {
    let secret: String = case.input("secret").unwrap_or_default();
    let payload: String = case.input("payload_json").unwrap_or_default();
    match case.input::<String>("op").as_deref() {
        Some("compute") => run_compute(case, &secret, &payload),
        Some("verify") => run_verify(case, &secret, &payload),
        other => Checked::Failed(format!("no such op: {other:?}")),
    }
}

fn run_compute(case: &Case, secret: &str, payload: &str) -> Checked {
    let ours = compute(secret, payload);
    let canonical = canonicalize(payload);
    if case.better() {
        return match case.name.as_str() {
            // Nothing that is not JSON has a signature.
            "float-overflow" | "nan-literal" => refused(&ours),
            _ => Checked::Unknown(format!("{canonical:?}, {ours:?}")),
        };
    }
    if case.expects_error() {
        return refused(&ours);
    }
    let canonical = canonical.ok().map(String::from);
    Checked::equal("canonical", &canonical, &case.expect("canonical"))
        .and(|| Checked::equal("signature", &ours.ok(), &case.expect("signature")))
        .and(|| match canonicalize(canonical.as_deref().unwrap_or_default()) {
            Ok(again) => Checked::equal("canonical again", &Some(again.into()), &canonical),
            Err(error) => Checked::Failed(format!("canonical again: {error}")),
        })
}

fn run_verify(case: &Case, secret: &str, payload: &str) -> Checked {
    let signature: String = case.input("signature").unwrap_or_default();
    let ours = Signer::new(secret).verify(payload, &signature);
    if case.better() {
        return match case.name.as_str() {
            // What can't match is just wrong.
            "verify-non-ascii" => Checked::equal("verify", &ours, &Err(Error::Malformed)),
            _ => Checked::Unknown(format!("{ours:?}")),
        };
    }
    if case.expects_error() {
        return refused(&ours);
    }
    let valid = match ours {
        Ok(()) => Some(true),
        Err(Error::Malformed | Error::Mismatch) => Some(false),
        Err(error) => return Checked::Failed(format!("not to be verified: {error}")),
    };
    Checked::equal("valid", &valid, &case.expect("valid"))
        .and(|| Checked::equal("verify()", &Some(verify(secret, payload, &signature)), &valid))
}

fn refused<T: std::fmt::Debug>(ours: &Result<T, Error>) -> Checked {
    match ours {
        Err(Error::Payload(_)) => Checked::Ok,
        other => Checked::Failed(format!("not refused: {other:?}")),
    }
}
