//! `restless watch`: feeds on the whole screen.

mod model;
mod screen;
mod seconds;
mod tree;
mod view;

use std::io::IsTerminal as _;
use std::time::{Duration, Instant, SystemTime};

use restless_tokio::Events;
use restless_tokio::subscription::Event;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use self::model::{Asked, Model};
use self::screen::{Input, Screen};
use crate::context::Context;
use crate::failure::Failure;
use crate::source::{Following, PATIENCE, find};
use crate::stop::Stop;

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Runtime URLs, or ids or names of streams
    #[arg(required = true, value_name = "URL|STREAM")]
    feeds: Vec<String>,
    #[command(flatten)]
    following: Following,
}

const HELP: &str = "\
Keys:
  q or Ctrl-C     quit
  p or space      hold the screen, or let it go on; events still count
  / TEXT Enter    show feeds with TEXT in their name; Esc: all feeds
  j k, arrows     next feed, previous feed
  PgDn PgUp       down and up in the document
  c               copy the id of the feed's last event

A URL that does not say whether its updates are all data or patches, as
that of a session, or of a stream of another service, shows the last
data as it came: \"last data or patch\" stands below it.";

/// Events on their way to the screen. Once there are so many, feeds wait, and with them the
/// servers.
const QUEUE: usize = 4096;
/// How often the screen is drawn, where something has changed or not: figures move by themselves.
const FRAME: Duration = Duration::from_millis(100);
/// Events that are taken before a key or a frame gets its turn.
const BATCH: usize = 512;

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        let message = "watch wants a terminal";
        return Err(Failure::message(2, message).hint("`restless tail` prints to a pipe"));
    }
    let client = context.client()?;
    let (sender, mut happened) = mpsc::channel(QUEUE);
    let mut tasks = JoinSet::new();
    let (mut feeds, mut snapshots) = (Vec::new(), Vec::new());
    let mut patience = PATIENCE;
    // What can't be followed is told before the screen is taken.
    for (n, what) in args.feeds.iter().enumerate() {
        let followed = find(what, &client).await?;
        let subscription = args.following.apply(followed.subscription)?;
        let events = client.subscribe(subscription).map_err(Failure::usage)?;
        let (ask, asked) = mpsc::channel(1);
        snapshots.push(ask);
        // What nobody knows, or says in time, is shown as what it may be.
        let mode = followed.mode.ask_within(&client, &mut patience).await;
        feeds.push((followed.name, mode));
        tasks.spawn(follow(n, events, asked, sender.clone()));
    }
    drop(sender);
    let mut stop =
        Stop::listen_with_a_screen().map_err(|error| Failure::new(1, "no signals", error))?;
    let mut model = Model::new(feeds);
    let mut screen = Screen::enter().map_err(Failure::output)?;
    let mut inputs = screen::inputs();
    let mut frames = tokio::time::interval(FRAME);
    frames.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        tokio::select! {
            biased;
            () = stop.asked() => return Ok(()),
            input = inputs.recv() => {
                let asked = match input {
                    Some(Input::Key(key)) => model.press(key),
                    Some(Input::Resized) => Asked::Nothing,
                    // The terminal is gone.
                    None => return Ok(()),
                };
                match asked {
                    Asked::Quit => return Ok(()),
                    Asked::Copy(id) => screen.copy(&id).map_err(Failure::output)?,
                    Asked::Nothing => {}
                }
                screen.draw(&model)?;
            }
            // Its panic has given the terminal back already.
            Some(Err(panicked)) = tasks.join_next() => {
                return Err(Failure::new(1, "a feed", panicked));
            }
            _ = frames.tick() => {
                model.advance(Instant::now());
                screen.draw(&model)?;
            }
            count = happened.recv_many(&mut batch, BATCH), if !snapshots.is_empty() => {
                if count == 0 {
                    // All feeds are over; what they have brought can still be looked at.
                    snapshots.clear();
                }
                let (now, ms, clock) = (Instant::now(), unix_ms(), clock());
                for (feed, event) in batch.drain(..) {
                    let wants_snapshot = model.take(feed, &event, now, ms, &clock);
                    if wants_snapshot && let Some(ask) = snapshots.get(feed) {
                        // One that is asked for already will do.
                        let _ = ask.try_send(());
                    }
                }
            }
        }
    }
}

/// Follows one feed to its end.
async fn follow(
    feed: usize,
    mut events: Events,
    mut snapshots: mpsc::Receiver<()>,
    sender: mpsc::Sender<(usize, Event)>,
) {
    loop {
        let event = tokio::select! {
            event = events.next_event() => event,
            Some(()) = snapshots.recv() => {
                events.ask_for_snapshot();
                continue;
            }
        };
        let Some(event) = event else { return };
        if sender.send((feed, event)).await.is_err() {
            return;
        }
    }
}

fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The time of day, in UTC.
fn clock() -> String {
    let date = httpdate::fmt_http_date(SystemTime::now());
    date.split(' ').nth(4).unwrap_or_default().to_owned()
}
