//! What every command shares: which service, as whom, and by which way.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::ValueEnum;
use restless_tokio::{Client, ClientBuilder};

use crate::failure::Failure;
use crate::settings::{Setting, Settings};

/// Options of every command.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// A file that holds the API key; else RESTLESS_API_KEY, or the profile's
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// Where REST calls go; else RESTLESS_API_BASE_URL
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) api_base_url: Option<String>,
    /// Where streams are; else RESTLESS_STREAM_BASE_URL
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) stream_base_url: Option<String>,
    /// A proxy for everything; else HTTPS_PROXY, HTTP_PROXY and NO_PROXY
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) proxy: Option<String>,
    /// Trust these certificates too (PEM); else RESTLESS_CA
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) ca: Option<String>,
    /// Let the key go over plain http to another machine, where everybody on the way reads it
    #[arg(long, global = true)]
    pub(crate) allow_plain_http: bool,
    /// A profile of ~/.config/restless/config.toml; else RESTLESS_PROFILE
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// When to print in colour; NO_COLOR is obeyed
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub(crate) color: Color,
    /// Say each cause of an error on a line of its own
    #[arg(long, global = true)]
    pub(crate) verbose: bool,
}

/// When to print in colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

/// The settings that count.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) global: Global,
    pub(crate) settings: Settings,
}

impl Context {
    pub(crate) fn new(global: Global) -> Result<Self, Failure> {
        let settings = Settings::resolve(&global)?;
        Ok(Self { global, settings })
    }

    /// A client by these settings, with a key or without one.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        self.builder()?.build().map_err(Failure::usage)
    }

    pub(crate) fn builder(&self) -> Result<ClientBuilder, Failure> {
        let mut builder = Client::builder();
        let settings = &self.settings;
        type Set = fn(ClientBuilder, &str) -> ClientBuilder;
        let all: [(&Option<Setting>, Set); 4] = [
            (&settings.api_key, |builder, key| builder.api_key(key)),
            (&settings.api_base_url, |builder, url| builder.base_url(url)),
            (&settings.stream_base_url, |builder, url| builder.stream_base_url(url)),
            (&settings.proxy, |builder, url| builder.proxy(url)),
        ];
        for (setting, set) in all {
            if let Some(setting) = setting {
                builder = set(builder, &setting.value);
            }
        }
        if let Some(pem) = self.authorities()? {
            builder = builder.add_root_certificates(pem);
        }
        if self.global.allow_plain_http {
            builder = builder.allow_credentials_over_plain_http();
        }
        Ok(builder)
    }

    /// What is in the file of `--ca`.
    pub(crate) fn authorities(&self) -> Result<Option<Vec<u8>>, Failure> {
        let Some(path) = &self.settings.ca else { return Ok(None) };
        let read = std::fs::read(&path.value);
        read.map(Some).map_err(|error| Failure::new(2, &path.value, error))
    }

    /// Whether standard output is to be in colour.
    pub(crate) fn is_colored(&self) -> bool {
        match self.global.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                std::io::stdout().is_terminal()
                    && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
        }
    }
}
