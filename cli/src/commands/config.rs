//! `restless config`: which settings count, and where they come from.

use serde_json::{Value, json};

use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Output, reply};
use crate::settings::{self, Setting};

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// How to print
    #[arg(long, short, value_enum, default_value_t = Output::Table, value_name = "FORMAT")]
    output: Output,
}

const HELP: &str = "\
A flag comes before a variable of the environment, and that before a profile of the configuration
file. The file is RESTLESS_CONFIG, else restless/config.toml in XDG_CONFIG_HOME, else
~/.config/restless/config.toml:

  profile = \"work\"              # the one that counts where --profile names none; else \"default\"

  [profiles.work]
  key_command = \"pass show restless\"        # a command that prints the API key, or
  # key_file = \"/run/secrets/restless\"      # a file that holds it, or
  # api_key = \"rs_…\"                        # the key itself
  # api_base_url, stream_base_url, proxy, ca  # as the flags of these names

Of the key no more than its start is shown.";

pub(crate) fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let settings = &context.settings;
    let api = restless_tokio::API_BASE_URL;
    let stream = restless_tokio::STREAM_BASE_URL;
    let rows = [
        row("api_key", settings.api_key.as_ref(), "", hidden),
        row("api_base_url", settings.api_base_url.as_ref(), api, shown),
        row("stream_base_url", settings.stream_base_url.as_ref(), stream, shown),
        row("proxy", settings.proxy.as_ref(), "", shown),
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

/// The start of a key tells it from another; the rest is nobody's business.
fn hidden(key: &str) -> String {
    let start: String = key.chars().take(if key.chars().count() > 12 { 5 } else { 0 }).collect();
    format!("{start}…")
}

/// A URL may hold a password or a key.
fn shown(url: &str) -> String {
    restless_tokio::redacted(url)
}
