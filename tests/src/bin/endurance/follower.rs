//! A program that appends each event's cursor to a file and is killed at any moment: where the file
//! ends, the next one resumes.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use restless_hyper::proto::Subscription;
use restless_hyper::proto::subscription::Event;

use crate::adapter::Adapter;
use crate::server::Server;

/// What follows, as its command line says.
pub(crate) fn run<A: Adapter>(base: &str, key: &str, stream: &str, transport: &str, file: &Path) {
    let (file, cursor) = resumed(file);
    let file = Mutex::new(file);
    let subscription = Subscription::stream(stream);
    let subscription = match cursor {
        Some(cursor) => subscription.cursor(cursor),
        None => subscription.since("0"),
    };
    let subscription = if transport == WEBSOCKET { subscription.websocket() } else { subscription };
    A::new(base, key).follow(vec![subscription], &|_, event, cursor| {
        match event {
            Event::Item(item) => {
                let data = item.event().and_then(|event| event.data()).expect("data").get();
                let line = format!("{} {data}\n", cursor.expect("a cursor"));
                let written = file.lock().expect("no panic before").write_all(line.as_bytes());
                written.expect("it is written");
            }
            Event::Ended(ended) => panic!("it ended: {ended:?}"),
            _ => {}
        }
        true
    });
}

/// One line an event: its cursor, and its data. A line that is torn is cut off.
fn resumed(file: &Path) -> (File, Option<String>) {
    let mut text = String::new();
    let mut options = OpenOptions::new();
    let mut opened = options.create(true).append(true).read(true).open(file).expect("a file");
    opened.read_to_string(&mut text).expect("a text");
    let whole = text.rfind('\n').map_or(0, |at| at + 1);
    opened.set_len(whole as u64).expect("it is cut");
    let last = text[..whole].lines().last().and_then(|line| line.split(' ').next());
    (opened, last.map(str::to_owned))
}

/// What came of all the killing.
pub(crate) struct Killed {
    /// The events in the file.
    pub(crate) stored: u64,
    /// The runs that began with a file that had events, and not all.
    pub(crate) resumed: usize,
    /// How many of these found a line that was torn.
    pub(crate) torn: usize,
}

/// Kills the program so often, each time once the file has a number of lines that is drawn, then
/// lets it finish. Each run begins behind events that are new to it, and over the other transport.
///
/// # Panics
///
/// Where the file has not all events in order and once; and where a run found no events to go on
/// from, or nothing that it lacked.
pub(crate) fn kill_and_restart(
    adapter: &str,
    server: &Server,
    kills: usize,
    events: u64,
) -> Killed {
    let folder = tempfile::tempdir().expect("a folder");
    let follower = Follower { adapter, file: &folder.path().join("cursors") };
    let share = events / (kills as u64 + 1);
    assert!(share > 0, "an event for each run, at least");
    let (mut published, mut resumed, mut torn) = (0, 0, 0);
    for n in 0..=kills {
        let (is_last, found) = (n == kills, follower.lines());
        resumed += usize::from(0 < found && found < events);
        torn += usize::from(follower.is_torn());
        let due = if is_last { events } else { published + share };
        // By turns they are there before it connects, and come while it follows.
        let pause = Duration::from_millis(n as u64 % 4);
        server.publish(&server.killed, published + 1..=due, pause);
        published = due;
        let mut running = follower.start(server, n);
        // One of the new ones at least, and all of them at most.
        let missing = due - found;
        let drawn = if is_last { due } else { found + 1 + n as u64 * 7 % missing };
        follower.until(drawn, &mut running);
        running.kill().expect("it is killed");
        running.wait().expect("it is gone");
        if n % 3 == 2 && !is_last {
            follower.tear();
        }
    }
    assert_eq!(resumed, kills, "each restart finds a part of the events");
    let text = follower.text();
    let stored: Vec<_> = text.lines().map(|line| line.split(' ').nth(1)).collect();
    let due: Vec<_> = (1..=events).map(|number| number.to_string()).collect();
    assert!(stored.iter().flatten().eq(&due), "in the file: {stored:?}");
    Killed { stored: stored.len() as u64, resumed, torn }
}

struct Follower<'a> {
    adapter: &'a str,
    file: &'a Path,
}

impl Follower<'_> {
    fn start(&self, server: &Server, n: usize) -> Child {
        let transport = if n.is_multiple_of(2) { "sse" } else { WEBSOCKET };
        Command::new(std::env::current_exe().expect("this program"))
            .args(["follow", self.adapter, &server.direct, &server.key, &server.killed, transport])
            .arg(self.file)
            .stdin(Stdio::null())
            .spawn()
            .expect("this program again")
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.file).unwrap_or_default()
    }

    /// How many whole lines there are.
    fn lines(&self) -> u64 {
        self.text().matches('\n').count() as u64
    }

    fn is_torn(&self) -> bool {
        let text = self.text();
        !text.is_empty() && !text.ends_with('\n')
    }

    fn until(&self, lines: u64, running: &mut Child) {
        let patience = Instant::now() + Duration::from_secs(60);
        while self.lines() < lines {
            assert!(running.try_wait().expect("it runs").is_none(), "it has ended");
            assert!(Instant::now() < patience, "{} of {lines} lines came", self.lines());
            std::thread::yield_now();
        }
    }

    /// Takes the last line's end away, as a machine does that loses power in a write. The first
    /// line stays.
    fn tear(&self) {
        if self.lines() > 1 {
            let file = OpenOptions::new().write(true).open(self.file).expect("the file");
            let length = file.metadata().expect("its length").len();
            file.set_len(length - 2).expect("it is cut");
        }
    }
}

const WEBSOCKET: &str = "websocket";
