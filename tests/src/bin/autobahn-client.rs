//! The client that Autobahn's fuzzing server judges: it echoes every message, over the driver of
//! `restless-tokio`.
//!
//! `autobahn-client URL AGENT` runs all cases of the server at URL, one after another, and has it
//! write its reports.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use restless_tests::causes;
use restless_tokio::websocket::Event;
use restless_tokio::ws::{Handshake, Message, Options};
use restless_tokio::{Client, Entropy};
use tokio::time::timeout;
use url::Url;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [server, agent] = arguments.as_slice() else {
        eprintln!("usage: autobahn-client URL AGENT");
        return ExitCode::from(2);
    };
    match judge(server, agent).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", causes(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn judge(server: &str, agent: &str) -> Result<()> {
    let server: Url = server.parse().map_err(|error| format!("{server} is no URL: {error}"))?;
    let mut told = String::new();
    run(&server.join("/getCaseCount")?, |message| {
        if let Message::Text(text) = message {
            text.as_str().clone_into(&mut told);
        }
        None
    })
    .await?;
    let cases: u32 = told.parse()?;
    for case in 1..=cases {
        let url = server.join(&format!("/runCase?case={case}&agent={agent}"))?;
        // A case that ends in a failed connection is what many cases are about.
        match timeout(LONGEST_CASE, run(&url, Some)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => eprintln!("case {case} of {cases}: {}", causes(&*error)),
            Err(_) => eprintln!("case {case} of {cases}: no end within {LONGEST_CASE:?}"),
        }
    }
    run(&server.join(&format!("/updateReports?agent={agent}"))?, |_| None).await
}

/// The largest cases take a few seconds; one that hangs is judged by what it has done.
const LONGEST_CASE: Duration = Duration::from_secs(120);

/// Runs one connection to its end, and answers each message with what `answer` makes of it.
async fn run(
    url: &Url,
    mut answer: impl FnMut(Message<'static>) -> Option<Message<'static>>,
) -> Result<()> {
    let client = Client::new("");
    // Nobody is to be kept from guessing the handshake's key here.
    let handshake = Handshake::new(url, &mut Entropy::from_seed(u64::from(std::process::id())))?;
    let mut socket = client.websocket(handshake, Options::default().ping_every(None))?;
    while let Some(event) = socket.next().await {
        match event {
            Event::Message(message) => {
                // The peer may be closing already, and is not owed an answer then.
                let _ = match answer(message) {
                    Some(Message::Text(text)) => socket.send_text(text.as_str()),
                    Some(Message::Binary(bytes)) => socket.send_binary(&bytes),
                    None => Ok(()),
                };
            }
            Event::Failed(error) => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}
