//! `restless config`: which settings count, and where they come from.

use restless_hyper::proxy::Proxy;
use serde_json::{Value, json};
use url::Url;

use crate::context::Context;
use crate::failure::Failure;
use crate::keyring;
use crate::output::{Output, reply};
use crate::settings::{self, Setting, Settings};

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// How to print
    #[arg(long, short, value_enum, default_value_t = Output::Table, value_name = "FORMAT")]
    output: Output,
    /// Read a key from standard input, and keep it under this name in the system's keyring
    #[arg(long, value_name = "NAME")]
    pub(crate) store_key: Option<String>,
}

const HELP: &str = "\
A flag comes before a variable of the environment, and that before a
profile of the configuration file. The file is RESTLESS_CONFIG, else
restless/config.toml in XDG_CONFIG_HOME, else
~/.config/restless/config.toml:

  profile = \"work\"    # the one that counts where --profile and
                      # RESTLESS_PROFILE name none; else \"default\"
  [profiles.work]
  # One of these four says which API key:
  key_command = \"pass show restless\"    # a command that prints it
  # key_file = \"/run/secrets/restless\"  # a file that holds it
  # keyring = \"work\"                    # its name in the keyring
  # api_key = \"rs_…\"                    # the key itself
  # As the flags of these names:
  # api_base_url, stream_base_url, proxy, ca

The keyring is the Secret Service (GNOME Keyring, KWallet) on Linux,
Keychain on macOS and the Credential Manager on Windows. The key is
there under the service `restless` and the user NAME, and nowhere else.
It is a feature of restless-cli: cargo install --features keyring.

Of a key no more than its start is shown.";

/// Keeps the key of standard input in the system's keyring.
pub(crate) fn store(name: &str) -> Result<(), Failure> {
    let mut key = String::new();
    let read = std::io::stdin().read_line(&mut key);
    read.map_err(|error| Failure::new(2, "standard input", error))?;
    match key.trim() {
        "" => Err(Failure::message(2, "standard input has no key")),
        key => keyring::store(name, key),
    }
}

pub(crate) fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let settings = &context.settings;
    let api = restless_tokio::API_BASE_URL;
    let stream = restless_tokio::STREAM_BASE_URL;
    let rows = [
        row("api_key", settings.api_key.as_ref(), "", hidden),
        row("api_base_url", settings.api_base_url.as_ref(), api, shown),
        row("stream_base_url", settings.stream_base_url.as_ref(), stream, shown),
        row(
            "proxy",
            settings.proxy.clone().or_else(|| proxy_of_the_environment(settings)).as_ref(),
            "",
            shown,
        ),
        row("ca", settings.ca.as_ref(), "", str::to_owned),
        json!({
            "setting": "config file",
            "value": settings::path().map(|path| path.display().to_string()),
            "from": "",
        }),
    ];
    reply(&Value::from_iter(rows), args.output, &["setting", "value", "from"])
}

fn row(
    name: &str,
    setting: Option<&Setting>,
    default: &str,
    show: impl Fn(&str) -> String,
) -> Value {
    match setting {
        Some(setting) => {
            json!({"setting": name, "value": show(&setting.value), "from": setting.origin})
        }
        None => json!({"setting": name, "value": default, "from": "default"}),
    }
}

/// The proxy that variables name for the way to the streams, as they stand.
fn proxy_of_the_environment(settings: &Settings) -> Option<Setting> {
    let base = settings.stream_base_url.as_ref().map(|setting| setting.value.as_str());
    let url = Url::parse(base.unwrap_or(restless_tokio::STREAM_BASE_URL)).ok()?;
    let host = url.host_str()?.trim_matches(['[', ']']);
    let (value, origin) = match Proxy::from_environment(url.scheme() == "https", host) {
        Ok(proxy) => proxy.map(|proxy| (proxy.to_string(), proxy.field()))?,
        Err(error) => ("no proxy's URL".to_owned(), error.field()),
    };
    Some(Setting { value, origin: origin.to_owned() })
}

/// The start of a key tells it from another; the rest is nobody's business.
fn hidden(key: &str) -> String {
    let start: String = key.chars().take(if key.chars().count() > 12 { 5 } else { 0 }).collect();
    format!("{start}…")
}

/// A URL may hold a password or a key.
fn shown(url: &str) -> String {
    restless_tokio::redacted(url)
}
