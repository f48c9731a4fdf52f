//! The other transport.

use std::time::Duration;

use restless_tokio::websocket::Event;
use restless_tokio::{Entropy, ws};

use super::chain;
use crate::doctor::{Case, Finding};

const ADVICE: &str = "the box in between has to pass `Upgrade` on (nginx: `proxy_http_version 1.1;` \
    and both fields); event streams pass without it";

/// The handshake, with compression offered, and a ping that has to come back.
pub(super) async fn upgrade(case: &mut Case) -> Finding {
    if !case.reaches {
        return Finding::skipped("there is no connection to ask on");
    }
    let mut url = case.url.clone();
    let path = url.path().trim_end_matches('/').to_owned();
    if !path.ends_with("/ws") {
        url.set_path(&format!("{path}/ws"));
    }
    let scheme = if case.is_tls() { "wss" } else { "ws" };
    if url.set_scheme(scheme).is_err() {
        return Finding::skipped("the URL is of another scheme");
    }
    let made = ws::Handshake::new(&url, &mut Entropy::from_seed(u64::from(std::process::id())));
    let made = made.map(|one| one.deflate(Some(ws::Deflate::default())));
    let made = made.and_then(|handshake| match case.options.key.as_deref() {
        None => Ok(handshake),
        Some(key) => {
            let bad = |_| restless_tokio::ConfigError::new("api_key", "…", "a field's value");
            let value = http::HeaderValue::try_from(format!("Bearer {key}")).map_err(bad)?;
            handshake.header(http::header::AUTHORIZATION, value)
        }
    });
    let opened = made.and_then(|one| case.client.websocket(one, ws::Options::default()));
    let mut socket = match opened {
        Ok(socket) => socket,
        Err(error) => return Finding::failed(chain(&error), ADVICE),
    };
    let mut compression = String::new();
    let told = tokio::time::timeout(Duration::from_secs(10), async {
        while let Some(event) = socket.next().await {
            match event {
                Event::Open(accepted) => {
                    compression = match accepted.deflate() {
                        Some(_) => "with compression".to_owned(),
                        None => "without compression".to_owned(),
                    };
                    if socket.ping(b"doctor").is_err() {
                        break;
                    }
                }
                Event::Pong(_) => return Ok(()),
                Event::Failed(error) => return Err(chain(&error)),
                Event::Closed(_) => {
                    return Err("it was closed before it answered a ping".to_owned());
                }
                _ => {}
            }
        }
        Err("it ended before it answered a ping".to_owned())
    });
    match told.await {
        Ok(Ok(())) => Finding::good(format!("it stands, {compression}, and answers a ping")),
        Ok(Err(why)) => Finding::failed(why, ADVICE),
        Err(_) if compression.is_empty() => Finding::failed("no answer in 10 s", ADVICE),
        Err(_) => Finding::failed("it stands, and then nothing comes: no answer to a ping", ADVICE),
    }
}
