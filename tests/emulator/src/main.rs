//! The emulator as a command: serves until it is interrupted.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use lexopt::prelude::*;
use restless_emulator::{Builder, DEFAULT_API_KEY, DEFAULT_HMAC_SECRET, Emulator, Upstream};

const USAGE: &str = "\
Usage: restless-emulator [OPTIONS]

Serves a Restless Stream service on 127.0.0.1 until it is interrupted. Its streams poll http://
upstreams; of an https:// one comes an error event that says so.

Options:
  --port PORT              port to listen on; 0 lets the system choose [default: 8787]
  --api-key KEY            the API key to accept [default: rs_0123456789abcdef]
  --hmac-secret SECRET     the secret to sign with [default: emulator-secret]
  --heartbeat-seconds S    silence before a heartbeat comment [default: 15]
  --demo                   also start an upstream with orders that change, and a stream of it
  --help                   print this
";

#[derive(Debug)]
struct Args {
    port: u16,
    api_key: String,
    hmac_secret: String,
    heartbeat: Duration,
    demo: bool,
    help: bool,
}

fn main() -> ExitCode {
    let args = match parse(lexopt::Parser::from_env()) {
        Ok(args) => args,
        Err(error) => {
            eprint!("restless-emulator: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if args.help {
        print!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprint!("restless-emulator: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprint!(": {error}");
                cause = error.source();
            }
            eprintln!();
            ExitCode::FAILURE
        }
    }
}

fn parse(mut parser: lexopt::Parser) -> Result<Args, lexopt::Error> {
    let mut args = Args {
        port: 8787,
        api_key: DEFAULT_API_KEY.to_owned(),
        hmac_secret: DEFAULT_HMAC_SECRET.to_owned(),
        heartbeat: Duration::from_secs(15),
        demo: false,
        help: false,
    };
    while let Some(arg) = parser.next()? {
        match arg {
            Long("port") => args.port = parser.value()?.parse()?,
            Long("api-key") => {
                args.api_key = parser.value()?.parse_with(|key| {
                    // It has to fit in a header field.
                    if !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic()) {
                        Ok(key.to_owned())
                    } else {
                        Err("a key is visible ASCII without spaces")
                    }
                })?;
            }
            Long("hmac-secret") => args.hmac_secret = parser.value()?.string()?,
            Long("heartbeat-seconds") => {
                args.heartbeat = parser.value()?.parse_with(|seconds| {
                    let seconds = seconds.parse::<f64>().map_err(|error| error.to_string())?;
                    Duration::try_from_secs_f64(seconds)
                        .ok()
                        .filter(|heartbeat| !heartbeat.is_zero())
                        .ok_or_else(|| "a heartbeat is more than 0 seconds".to_owned())
                })?;
            }
            Long("demo") => args.demo = true,
            Short('h') | Long("help") => args.help = true,
            arg => return Err(arg.unexpected()),
        }
    }
    Ok(args)
}

fn run(args: Args) -> Result<(), Box<dyn std::error::Error>> {
    // Before anything is said: who reads the first line may send a signal right away.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let interrupted = runtime.block_on(async { interrupted() })?;

    let emulator = Builder::default()
        .port(args.port)
        .api_key(args.api_key)
        .hmac_secret(args.hmac_secret)
        .heartbeat(args.heartbeat)
        .log_requests(true)
        .start()?;
    // What is printed can be pasted into a shell.
    let mut lines = format!(
        "export RESTLESS_API_BASE_URL={}\nexport RESTLESS_STREAM_BASE_URL={}\n\
         export RESTLESS_API_KEY={}\nexport RESTLESS_HMAC_SECRET={}\n",
        emulator.api_base_url(),
        emulator.stream_base_url(),
        quoted(emulator.api_key()),
        quoted(emulator.hmac_secret()),
    );
    let demo = args.demo.then(|| Demo::start(&emulator)).transpose()?;
    if let Some(demo) = &demo {
        lines.push_str(&format!("# the id of a stream: {}\n", demo.stream_id));
        lines.push_str("# orders that change every two seconds:\n");
        lines.push_str(&demo.command);
        lines.push('\n');
    }
    // A reader that is gone is no reason to stop serving.
    let mut stdout = std::io::stdout();
    let _ = stdout.write_all(lines.as_bytes()).and_then(|()| stdout.flush());

    runtime.block_on(async {
        tokio::select! {
            () = interrupted => {}
            () = async {
                match &demo {
                    Some(demo) => demo.run().await,
                    None => std::future::pending().await,
                }
            } => {}
        }
    });
    Ok(())
}

/// Completes on SIGINT or SIGTERM; the signals are caught from the moment this returns.
#[cfg(unix)]
fn interrupted() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Completes on Ctrl-C.
#[cfg(not(unix))]
fn interrupted() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async {
        // Without the handler the system's own ends the process.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}

/// An upstream with orders that change, and a signed stream of it.
struct Demo {
    orders: Upstream,
    stream_id: String,
    command: String,
}

impl Demo {
    fn start(emulator: &Emulator) -> Result<Self, Box<dyn std::error::Error>> {
        let orders = Upstream::start(Self::orders(0))?;
        let id = emulator.add_stream(&format!(
            r#"{{"name":"Orders","url":"{}","pollingInterval":1,"hmacSignatureEnabled":true}}"#,
            orders.url(),
        ))?;
        let command = format!(
            "curl -N -H \"Authorization: Bearer $RESTLESS_API_KEY\" '{}&since=0'",
            emulator.sse_url(&id),
        );
        Ok(Self { orders, stream_id: id, command })
    }

    async fn run(&self) {
        for round in 1_u32.. {
            tokio::time::sleep(Duration::from_secs(2)).await;
            self.orders.set(Self::orders(round));
        }
    }

    /// Three orders; each round one of them moves on.
    fn orders(round: u32) -> String {
        let orders: Vec<_> = (0..3_u32)
            .map(|n| {
                let steps = (round + 2 - n) / 3;
                let status = ["placed", "paid", "packed", "sent"][(steps % 4) as usize];
                let total = 19.5 + f64::from(n) * 10.25;
                format!(r#"{{"id":{},"status":"{status}","total":{total}}}"#, 1001 + n)
            })
            .collect();
        format!(r#"{{"orders":[{}]}}"#, orders.join(","))
    }
}

/// `text` as one word of a shell.
fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/@%+=,".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_text_is_one_word() {
        assert_eq!(quoted("rs_01"), "rs_01");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn usage_names_the_defaults() {
        assert!(USAGE.contains(DEFAULT_API_KEY) && USAGE.contains(DEFAULT_HMAC_SECRET));
    }

    #[test]
    fn each_round_changes_the_orders() {
        assert_ne!(Demo::orders(0), Demo::orders(1));
        assert_ne!(Demo::orders(1), Demo::orders(2));
    }
}
