//! A REST API becomes a live stream, end to end, on loopback: an upstream whose orders change, the
//! emulator in the service's place, the REST client, and a subscription whose connection is cut.

use std::collections::BTreeMap;
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use restless_emulator::{Emulator, Fault, Upstream};
use restless_tokio::signature::Signer;
use restless_tokio::subscription::{Event, Item};
use restless_tokio::{Client, StreamEvent, Subscription, streams};
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

#[tokio::main]
async fn main() -> ExitCode {
    match tokio::time::timeout(Duration::from_secs(14), run()).await {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            eprintln!("the quickstart failed: {error}");
            ExitCode::FAILURE
        }
        Err(_) => {
            eprintln!("the quickstart took too long");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    println!("A REST API becomes a live stream. All of it is on loopback.\n");

    let upstream = Upstream::start(STATES[0])?;
    println!("upstream    {}  a REST API: orders that change", upstream.url());
    // A second of polling takes a quarter of one, so that this is soon over.
    let emulator = Emulator::builder().seconds_are(Duration::from_millis(250)).start()?;
    println!("emulator    {}  in the service's place", emulator.api_base_url());

    let client = Client::builder()
        .api_key(emulator.api_key())
        .base_url(emulator.api_base_url())
        .stream_base_url(emulator.stream_base_url())
        .build()?;
    let create =
        streams::create("Orders", upstream.url()).polling_interval(1).hmac_signature_enabled(true);
    let stream = client.send(create).await?;
    println!("stream      {}  \"{}\", {}, signed", stream.id, stream.name, stream.status);

    // One connection is cut in the middle of its fourth event.
    emulator.inject(Fault::cut_after(FOURTH_EVENT));
    let signer = Signer::new(emulator.hmac_secret());
    let subscription = Subscription::stream(&stream.id)
        .since("1970-01-01T00:00:00Z")
        .retry(Duration::from_millis(300))
        .verify(signer.clone());
    let mut events = client.subscribe(subscription)?;
    let watch = events.watch();
    println!("subscribed  over server-sent events; what is not signed is rejected\n");

    let mut shown = BTreeMap::new();
    let mut received = Vec::new();
    let mut connections = 0;
    while received.len() < STATES.len() {
        match events.next_event().await.ok_or("the subscription ended too early")? {
            Event::Opened(opened) => {
                connections += 1;
                match opened.cursor {
                    None => println!("-- connected"),
                    Some(cursor) => println!("-- connected again, resuming after {cursor}"),
                }
            }
            Event::Lost(lost) => {
                let delay = watch.time(lost.retry_at) - std::time::Instant::now();
                println!("-- connection lost: {}; again in {delay:.1?}", lost.reason);
            }
            Event::Item(Item::Event(event)) => {
                signer.verify_event(&event)?;
                show(&event, &mut shown)?;
                received.push(event.event_id().unwrap_or_default().to_owned());
                // The next change, for the service to find when it polls.
                if let Some(state) = STATES.get(received.len()) {
                    upstream.set(*state);
                }
            }
            Event::Item(rejected) => return Err(format!("rejected: {rejected:?}").into()),
            Event::Ended(ended) => return Err(format!("ended: {ended:?}").into()),
            other => println!("-- {other:?}"),
        }
    }
    events.close();
    client.send(streams::stop(&stream.id)).await?;

    let sent: Vec<String> = emulator.log(&stream.id).into_iter().map(|event| event.id).collect();
    println!("\nthe service sent  {} events", sent.len());
    println!("we received       {} events, each with a good signature", received.len());
    println!("connections       {connections}, one of them cut in the middle of an event");
    if received != sent {
        return Err(format!("sent {sent:?}, received {received:?}").into());
    }
    if connections != 2 {
        return Err("the connection was to be cut once".into());
    }
    println!("same ids, same order: nothing lost, nothing repeated");
    Ok(())
}

/// Into the fourth event: three whole ones take about 350 to 500 bytes each.
const FOURTH_EVENT: u64 = 1_700;

/// The first event as a table, each later one as what has changed.
fn show(event: &StreamEvent, shown: &mut BTreeMap<String, Order>) -> Result<(), Box<dyn Error>> {
    let orders: Vec<Order> = event.data().ok_or("an update without data")?.parse()?;
    println!("event {}  signature good", event.event_id().unwrap_or("without id"));
    let now: BTreeMap<String, Order> =
        orders.into_iter().map(|order| (order.id.clone(), order)).collect();
    if shown.is_empty() {
        println!("      {:<6}{:<10}{:>7}  status", "order", "customer", "total");
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
                println!("    ~ {id:<6}{customer:<10}{total:>7.2}  {}", changes.join(", "));
            }
            None => println!("    + {id:<6}{customer:<10}{total:>7.2}  {status}"),
        }
    }
    for (id, order) in shown.iter().filter(|(id, _)| !now.contains_key(*id)) {
        println!("    - {id:<6}{:<10}{:>7.2}  {}", order.customer, order.total, order.status);
    }
    *shown = now;
    Ok(())
}
