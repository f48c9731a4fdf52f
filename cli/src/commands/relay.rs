//! `restless relay`: feeds into a store, each event once.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::context::Context;
use crate::failure::Failure;
use crate::relay::{Config, Destination, serve};

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The file that lists the feeds
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Where they go; goes before `to` in the file
    #[arg(long, value_name = "SINK")]
    to: Option<Destination>,
    /// Serve /metrics (OpenMetrics) and /healthz here; a loopback address only
    #[arg(long, value_name = "ADDR")]
    metrics: Option<SocketAddr>,
}

const HELP: &str = "\
Sinks: sqlite:FILE, ndjson:FOLDER, postgres:… (a URL as libpq has it), nats:… (a server's URL).

The file:
  to = \"sqlite:feeds.db\"

  [feeds.orders]             # its name in the store
  stream = \"stream_123\"      # or session = \"…\", or url = \"https://…\"
  since = \"0\"                # where to begin where the store has nothing of it yet
  websocket = false
  secret_env = \"ORDERS\"      # the variable that holds the secret of its signatures

The store keeps how far each feed has come: after a crash or a reboot the same command goes on
there. SIGTERM and Ctrl-C store what was read, and end it with 0; a second one ends it at once.
On a terminal there is a status line, else a JSON object a line on standard error.";

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let config = Config::read(&args.config)?;
    serve(config, args.to, args.metrics, context.client()?).await
}
