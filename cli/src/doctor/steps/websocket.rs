//! The other transport.

use std::time::Duration;

use restless_tokio::websocket::Event;
use restless_tokio::ws;

use super::chain;
use crate::doctor::{Case, Finding};

const ADVICE: &str = "the box in between has to pass `Upgrade` on (nginx: `proxy_http_version 1.1;` \
    and both fields); event streams pass without it";

/// The handshake, with compression offered, and a ping that has to come back.
pub(super) async fn upgrade(case: &mut Case) -> Finding {
    if !case.reaches {
        return Finding::skipped("there is no connection to ask on");
    }
    let mut socket = match case.websocket(Some(ws::Deflate::default())) {
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
