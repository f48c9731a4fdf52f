//! Which settings count: flags over the environment over a profile of the configuration file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::context::Global;
use crate::failure::Failure;
use crate::keyring;

/// A setting, and where it comes from.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) value: String,
    pub(crate) origin: String,
}

/// The settings that count; `None` is the default.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) api_key: Option<Setting>,
    pub(crate) api_base_url: Option<Setting>,
    pub(crate) stream_base_url: Option<Setting>,
    pub(crate) proxy: Option<Setting>,
    pub(crate) ca: Option<Setting>,
}

/// The configuration file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Which profile counts where none is asked for.
    profile: Option<String>,
    #[serde(default)]
    profiles: BTreeMap<String, Profile>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Profile {
    api_key: Option<String>,
    /// A file that holds the key.
    key_file: Option<PathBuf>,
    /// A command that prints the key, for a password manager.
    key_command: Option<String>,
    /// The name of a key in the system's keyring.
    keyring: Option<String>,
    api_base_url: Option<String>,
    stream_base_url: Option<String>,
    proxy: Option<String>,
    ca: Option<String>,
}

/// The profile that counts where flags, environment and file are silent.
const DEFAULT_PROFILE: &str = "default";

impl Settings {
    /// From the flags, this process's environment, and the file.
    pub(crate) fn resolve(global: &Global) -> Result<Self, Failure> {
        let (profile, origin) = profile(global)?;
        let given = |flag: &Option<String>, name: &str, variable: &str, held: &Option<String>| {
            let flag = flag.clone().map(|value| (value, format!("--{name}")));
            let of_file = || Some((held.clone()?, origin.clone()?));
            let found = flag.or_else(|| Some((variable_of(variable)?, variable.to_owned())));
            found.or_else(of_file).map(|(value, origin)| Setting { value, origin })
        };
        let url = "RESTLESS_API_BASE_URL";
        let stream_url = "RESTLESS_STREAM_BASE_URL";
        Ok(Self {
            api_key: key(global, &profile, origin.as_deref())?,
            api_base_url: given(&global.api_base_url, "api-base-url", url, &profile.api_base_url),
            stream_base_url: given(
                &global.stream_base_url,
                "stream-base-url",
                stream_url,
                &profile.stream_base_url,
            ),
            // The variables of proxies are the client's to read: they hang on the URL.
            proxy: global
                .proxy
                .clone()
                .map(|value| Setting { value, origin: "--proxy".to_owned() })
                .or_else(|| {
                    Some(Setting { value: profile.proxy.clone()?, origin: origin.clone()? })
                }),
            ca: given(&global.ca, "ca", "RESTLESS_CA", &profile.ca),
        })
    }
}

/// The key: from a file by flag, the environment, or the profile's text, file, command or keyring.
fn key(
    global: &Global,
    profile: &Profile,
    origin: Option<&str>,
) -> Result<Option<Setting>, Failure> {
    if let Some(path) = &global.key_file {
        return key_in_file(path, format!("--key-file {}", path.display())).map(Some);
    }
    if let Some(value) = variable_of("RESTLESS_API_KEY") {
        return Ok(Some(Setting { value, origin: "RESTLESS_API_KEY".to_owned() }));
    }
    let Some(origin) = origin else { return Ok(None) };
    match (&profile.api_key, &profile.key_file, &profile.key_command, &profile.keyring) {
        (Some(value), None, None, None) => {
            Ok(Some(Setting { value: value.clone(), origin: origin.to_owned() }))
        }
        (None, Some(path), None, None) => {
            key_in_file(path, format!("key_file in {origin}")).map(Some)
        }
        (None, None, Some(command), None) => {
            key_of_command(command, format!("key_command in {origin}")).map(Some)
        }
        (None, None, None, Some(name)) => {
            let origin = format!("keyring in {origin}");
            Ok(Some(Setting { value: keyring::get(name, &origin)?, origin }))
        }
        (None, None, None, None) => Ok(None),
        _ => Err(Failure::message(
            2,
            format!("{origin}: one of api_key, key_file, key_command and keyring, not several"),
        )),
    }
}

fn key_in_file(path: &Path, origin: String) -> Result<Setting, Failure> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| Failure::new(2, path.display(), error))?;
    if text.trim().is_empty() {
        return Err(Failure::message(2, format!("{origin}: {} holds no key", path.display())));
    }
    Ok(Setting { value: text.trim().to_owned(), origin })
}

/// Runs it as a shell would; what it says on standard error goes to the user's.
fn key_of_command(command: &str, origin: String) -> Result<Setting, Failure> {
    let mut run = Command::new("sh");
    run.args(["-c", command]).stderr(std::process::Stdio::inherit());
    let output = run.output().map_err(|error| Failure::new(2, &origin, error))?;
    if !output.status.success() {
        return Err(Failure::message(2, format!("{origin}: ended with {}", output.status)));
    }
    match String::from_utf8(output.stdout) {
        Ok(text) if !text.trim().is_empty() => {
            Ok(Setting { value: text.trim().to_owned(), origin })
        }
        _ => Err(Failure::message(2, format!("{origin}: printed no key"))),
    }
}

/// The profile that counts, and how to name it where it is in the file.
fn profile(global: &Global) -> Result<(Profile, Option<String>), Failure> {
    let asked = global.profile.clone().or_else(|| variable_of("RESTLESS_PROFILE"));
    let Some(path) = path() else { return Ok((Profile::default(), None)) };
    let file = match std::fs::read_to_string(&path) {
        Ok(text) => toml::from_str::<File>(&text).map_err(|e| unreadable(&path, &text, &e))?,
        // A file that was named is missed; the usual one need not be there.
        Err(error)
            if error.kind() == std::io::ErrorKind::NotFound
                && variable_of("RESTLESS_CONFIG").is_none() =>
        {
            File::default()
        }
        Err(error) => return Err(Failure::new(2, path.display(), error)),
    };
    let named = asked.clone().or(file.profile);
    let name = named.as_deref().unwrap_or(DEFAULT_PROFILE);
    match file.profiles.get(name) {
        Some(profile) => {
            Ok((profile.clone(), Some(format!("profile {name} of {}", path.display()))))
        }
        None if named.is_some() => {
            let known: Vec<_> = file.profiles.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let path = path.display();
            Err(Failure::message(2, format!("{path}: no profile {name:?}; there are: {known}")))
        }
        None => Ok((Profile::default(), None)),
    }
}

/// Says where a file of TOML can't be read, without the values there, one of which may be a key.
pub(crate) fn unreadable(path: &Path, text: &str, error: &toml::de::Error) -> Failure {
    let before = error.span().and_then(|span| text.get(..span.start));
    let at = before.map(|before| format!(", line {}", before.matches('\n').count() + 1));
    let at = at.unwrap_or_default();
    let message = restless_tokio::redacted(error.message());
    // What stands in quotes is a value that came where another kind was due.
    let message = match (message.find('"'), message.rfind('"')) {
        (Some(first), Some(last)) if first < last => {
            format!("{}…{}", &message[..=first], &message[last..])
        }
        _ => message,
    };
    Failure::message(2, format!("{}{at}: {message}", path.display()))
}

/// Where the configuration file is, if there is one.
pub(crate) fn path() -> Option<PathBuf> {
    if let Some(path) = variable_of("RESTLESS_CONFIG") {
        return Some(path.into());
    }
    let folder = match variable_of("XDG_CONFIG_HOME") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(variable_of("HOME")?).join(".config"),
    };
    Some(folder.join("restless").join("config.toml"))
}

fn variable_of(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
