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
    to: Option<String>,
    /// Serve /metrics (OpenMetrics) and /healthz here; a loopback address only
    #[arg(long, value_name = "ADDR")]
    metrics: Option<SocketAddr>,
}

/// Within 72 columns, as each such text: the manual page indents it and fills no line.
const HELP: &str = "\
Sinks: sqlite:FILE, ndjson:FOLDER, postgres:… (a URL as libpq has it),
nats:… (a server's URL). A URL with a password belongs into the file:
each user of the machine may read what stands on a command's line.
PostgreSQL on another machine is spoken to over TLS, which --ca counts
for, too, unless its URL says sslmode=disable.

The file; paths are from the folder that the command runs in:
  to = \"sqlite:feeds.db\"

  [feeds.orders]         # a name of yours, which it has in the store
  stream = \"stream_123\"  # its id, as `restless streams ls` has it; or
                         # session, or url
  since = \"0\"            # where to begin while the store has nothing of
                         # it: 0 is the first event that the service
                         # keeps; else what comes from now on
  websocket = false
  secret_env = \"ORDERS\"  # the variable that holds the secret of its
                         # signatures

An event and the position behind it are stored at once, and are on the
disk then: after a crash or a reboot the same command goes on there, and
each event is in the store once. In SQLite they are in the table
restless_events, in the order of `sequence`; restless_dead has what is
no event, and why.

A store that is away is waited for, and /healthz says so with 503.
SIGTERM and Ctrl-C store what was read, and end it with 0; a second one
ends it at once. On a terminal there is a status line, else a JSON
object a line on standard error.

For a start at boot, /etc/systemd/system/restless-relay.service:
  [Unit]
  Wants=network-online.target
  After=network-online.target
  StartLimitIntervalSec=0
  [Service]
  ExecStart=/usr/local/bin/restless relay \\
      --config /etc/restless/feeds.toml --to sqlite:feeds.db
  EnvironmentFile=/etc/restless/key.env
  DynamicUser=yes
  StateDirectory=restless
  WorkingDirectory=/var/lib/restless
  Restart=always
  RestartSec=5
  RestartPreventExitStatus=2
  [Install]
  WantedBy=multi-user.target
and then: systemctl enable --now restless-relay. The file key.env has
one line, RESTLESS_API_KEY=rs_…, and mode 0600.";

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let config = Config::read(&args.config)?;
    // Not by clap, whose error would repeat a password.
    let to = args.to.map(|to| to.parse::<Destination>());
    let to = to.transpose().map_err(|error| Failure::message(2, format!("--to: {error}")))?;
    serve(config, to, args.metrics, context).await
}
