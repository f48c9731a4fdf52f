//! A REST API becomes a live stream, end to end, on loopback: an upstream whose orders change, the
//! emulator in the service's place, the REST client, and subscriptions over both transports, whose
//! connections are cut.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use restless_emulator::{Emulator, Fault, Upstream};
use restless_tokio::signature::Signer;
use restless_tokio::subscription::{Event, Item};
use restless_tokio::{Client, Events, StreamEvent, Subscription, Watch, streams};
use serde::Deserialize;

/// What the upstream answers, one state after the other.
const STATES: [&str; 7] = [
    r#"[{"id":"o-1","customer":"Ada","total":19.99,"status":"placed"},
        {"id":"o-2","customer":"Grace","total":5.00,"status":"placed"}]"#,
    r#"[{"id":"o-1","customer":"Ada","total":19.99,"status":"paid"},
        {"id":"o-2","customer":"Grace","total":5.00,"status":"placed"}]"#,
    r#"[{"id":"o-1","customer":"Ada","total":19.99,"status":"paid"},
        {"id":"o-2","customer":"Grace","total":7.50,"status":"paid"},
        {"id":"o-3","customer":"Edsger","total":42.00,"status":"placed"}]"#,
    r#"[{"id":"o-1","customer":"Ada","total":19.99,"status":"shipped"},
        {"id":"o-2","customer":"Grace","total":7.50,"status":"paid"},
        {"id":"o-3","customer":"Edsger","total":42.00,"status":"placed"}]"#,
    r#"[{"id":"o-1","customer":"Ada","total":19.99,"status":"shipped"},
        {"id":"o-2","customer":"Grace","total":7.50,"status":"shipped"},
        {"id":"o-3","customer":"Edsger","total":42.00,"status":"paid"}]"#,
    r#"[{"id":"o-2","customer":"Grace","total":7.50,"status":"shipped"},
        {"id":"o-3","customer":"Edsger","total":42.00,"status":"paid"},
        {"id":"o-4","customer":"Barbara","total":3.25,"status":"placed"}]"#,
    r#"[{"id":"o-3","customer":"Edsger","total":42.00,"status":"shipped"},
        {"id":"o-4","customer":"Barbara","total":3.25,"status":"paid"}]"#,
];

#[derive(Clone, Deserialize, PartialEq)]
struct Order {
    id: String,
    customer: String,
    total: f64,
    status: String,
}

const USAGE: &str = "usage: quickstart [--help | --version]\n\nTakes some seconds, and no network.";

/// Prints a line; a full disk is an error.
macro_rules! say {
    ($($text:tt)*) => { writeln!(io::stdout().lock(), $($text)*) };
}

#[tokio::main]
async fn main() -> ExitCode {
    let asked = match std::env::args().nth(1).as_deref() {
        None => None,
        Some("--help" | "-h") => Some(say!("{USAGE}")),
        Some("--version" | "-V") => Some(say!("quickstart {}", env!("CARGO_PKG_VERSION"))),
        Some(_) => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    if let Some(said) = asked {
        return said.map_or_else(failed, |()| ExitCode::SUCCESS);
    }
    match tokio::time::timeout(Duration::from_secs(14), run()).await {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => failed(error),
        Err(error) => failed(error),
    }
}

fn failed(error: impl Into<Box<dyn Error>>) -> ExitCode {
    eprintln!("the quickstart failed: {}", error.into());
    ExitCode::FAILURE
}

async fn run() -> Result<(), Box<dyn Error>> {
    say!("A REST API becomes a live stream. All of it is on loopback.\n")?;

    let upstream = Upstream::start(STATES[0])?;
    say!("upstream    {}  a REST API: orders that change", upstream.url())?;
    // A second of polling takes a quarter of one, so that this is soon over.
    let emulator = Emulator::builder().seconds_are(Duration::from_millis(250)).start()?;
    say!("emulator    {}  in the service's place", emulator.api_base_url())?;

    let client = Client::builder()
        .api_key(emulator.api_key())
        .base_url(emulator.api_base_url())
        .stream_base_url(emulator.stream_base_url())
        .build()?;
    let create =
        streams::create("Orders", upstream.url()).polling_interval(1).hmac_signature_enabled(true);
    let stream = client.send(create).await?;
    say!("stream      {}  \"{}\", {}, signed", stream.id, stream.name, stream.status)?;

    // Each transport has one connection cut in the middle of an event.
    emulator.inject(Fault::cut_after(FOURTH_EVENT));
    let subscription = Subscription::stream(&stream.id)
        .since("1970-01-01T00:00:00Z")
        .retry(Duration::from_millis(300))
        .verify(Signer::new(emulator.hmac_secret()));
    say!(
        "subscribed  over server-sent events and over WebSocket; what is not signed is rejected\n"
    )?;
    let mut sse = Follower::open("SSE", client.subscribe(subscription.clone())?).await?;
    emulator.inject(Fault::cut_after(FIFTH_MESSAGE));
    let mut ws = Follower::open("WebSocket", client.subscribe(subscription.websocket())?).await?;

    let mut shown = BTreeMap::new();
    for n in 1..=STATES.len() {
        let (by_sse, by_ws) = tokio::try_join!(sse.next(), ws.next())?;
        if by_sse.data() != by_ws.data() {
            return Err("the transports brought different data".into());
        }
        show(&by_sse, &mut shown)?;
        // The next change, for the service to find when it polls.
        if let Some(state) = STATES.get(n) {
            upstream.set(*state);
        }
    }
    sse.events.close();
    ws.events.close();
    client.send(streams::stop(&stream.id)).await?;

    let sent: Vec<String> = emulator.log(&stream.id).into_iter().map(|event| event.id).collect();
    say!("\nthe service sent      {} events", sent.len())?;
    for follower in [&sse, &ws] {
        let Follower { name, received, connections, .. } = follower;
        say!(
            "{name:<10}received  {} events, each with a good signature, over {connections} connections",
            received.len()
        )?;
        if *received != sent {
            return Err(format!("sent {sent:?}, received {received:?} over {name}").into());
        }
        if *connections != 2 {
            return Err(format!("the connection over {name} was to be cut once").into());
        }
    }
    say!("same ids, same order: nothing lost, nothing repeated")?;
    Ok(())
}

/// Into the fourth event: three whole ones take about 350 to 500 bytes each.
const FOURTH_EVENT: u64 = 1_700;
/// Into a later one: what goes over WebSocket is a little shorter.
const FIFTH_MESSAGE: u64 = 2_200;

/// A subscription, and what came of it.
struct Follower {
    name: &'static str,
    events: Events,
    watch: Watch,
    received: Vec<String>,
    connections: u32,
}

impl Follower {
    /// Polls until the first connection stands.
    async fn open(name: &'static str, mut events: Events) -> Result<Self, Box<dyn Error>> {
        let watch = events.watch();
        let first = events.next_event().await;
        if !matches!(first, Some(Event::Opened(_))) {
            return Err(format!("{name} did not connect: {first:?}").into());
        }
        say!("-- {name}: connected")?;
        Ok(Self { name, events, watch, received: Vec::new(), connections: 1 })
    }

    /// The next event; tells of what happens to the connection on the way.
    async fn next(&mut self) -> Result<StreamEvent, Box<dyn Error>> {
        let name = self.name;
        loop {
            match self.events.next_event().await.ok_or("the subscription ended too early")? {
                Event::Opened(opened) => {
                    self.connections += 1;
                    let cursor = opened.cursor.unwrap_or_default();
                    say!("-- {name}: connected again, resuming after {cursor}")?;
                }
                Event::Lost(lost) => {
                    let delay = self.watch.time(lost.retry_at) - std::time::Instant::now();
                    say!("-- {name}: lost, {}; again in {delay:.1?}", lost.reason)?;
                }
                Event::Item(Item::Event(event)) => {
                    self.received.push(event.event_id().unwrap_or_default().to_owned());
                    return Ok(event);
                }
                Event::Item(rejected) => return Err(format!("rejected: {rejected:?}").into()),
                other => return Err(format!("{name}: {other:?}").into()),
            }
        }
    }
}

/// The first event as a table, each later one as what has changed.
fn show(event: &StreamEvent, shown: &mut BTreeMap<String, Order>) -> Result<(), Box<dyn Error>> {
    let orders: Vec<Order> = event.data().ok_or("an update without data")?.parse()?;
    say!("event {}  by both, signature good", event.event_id().unwrap_or("without id"))?;
    let now: BTreeMap<String, Order> =
        orders.into_iter().map(|order| (order.id.clone(), order)).collect();
    if shown.is_empty() {
        say!("      {:<6}{:<10}{:>7}  status", "order", "customer", "total")?;
    }
    for (id, order) in &now {
        let Order { customer, total, status, .. } = order;
        match shown.get(id) {
            Some(before) if before == order => {}
            Some(before) => {
                let mut changes = Vec::new();
                if before.status != *status {
                    changes.push(format!("{} -> {status}", before.status));
                }
                if before.total != *total {
                    changes.push(format!("{:.2} -> {total:.2}", before.total));
                }
                say!("    ~ {id:<6}{customer:<10}{total:>7.2}  {}", changes.join(", "))?;
            }
            None => say!("    + {id:<6}{customer:<10}{total:>7.2}  {status}")?,
        }
    }
    for (id, order) in shown.iter().filter(|(id, _)| !now.contains_key(*id)) {
        say!("    - {id:<6}{:<10}{:>7.2}  {}", order.customer, order.total, order.status)?;
    }
    *shown = now;
    Ok(())
}
