//! API keys in the system's keyring: the Secret Service (GNOME Keyring, KWallet) on Linux, Keychain
//! on macOS, the Credential Manager on Windows. An entry's service is `restless`, its user a name
//! of the user's.

use crate::failure::Failure;

/// The key with this name.
#[cfg(feature = "keyring")]
pub(crate) fn get(name: &str, origin: &str) -> Result<String, Failure> {
    let key = entry(name).and_then(|entry| entry.get_password());
    key.map_err(|error| {
        let failure = Failure::new(2, origin, &error);
        match error {
            ::keyring::v1::Error::NoEntry => {
                failure.hint("`restless config --store-key NAME` puts a key there")
            }
            _ => failure,
        }
    })
}

/// Puts a key there, in the place of one that has the name.
#[cfg(feature = "keyring")]
pub(crate) fn store(name: &str, key: &str) -> Result<(), Failure> {
    let stored = entry(name).and_then(|entry| entry.set_password(key));
    stored.map_err(|error| Failure::new(2, "the system's keyring", error))
}

#[cfg(feature = "keyring")]
fn entry(name: &str) -> ::keyring::v1::Result<::keyring::v1::Entry> {
    // Why there is no keyring is told here alone.
    if let Err(error) = ::keyring::v1::Entry::store_status() {
        return Err(::keyring::v1::Error::NoStorageAccess(error.to_string().into()));
    }
    ::keyring::v1::Entry::new("restless", name)
}

#[cfg(not(feature = "keyring"))]
pub(crate) fn get(_: &str, origin: &str) -> Result<String, Failure> {
    Err(not_built_in().of(origin))
}

#[cfg(not(feature = "keyring"))]
pub(crate) fn store(_: &str, _: &str) -> Result<(), Failure> {
    Err(not_built_in())
}

#[cfg(not(feature = "keyring"))]
fn not_built_in() -> Failure {
    let message = "not built in: keyring (a feature of restless-cli: --features keyring)";
    Failure::message(2, message)
}
