//! A program that appends each event's cursor to a file and is killed at any moment: where the file
//! ends, the next one resumes.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use restless_hyper::Runtime;
use restless_hyper::proto::Subscription;

use crate::client;
use crate::server::Server;

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

/// The stream is the URL's last word, behind a space.
fn subscription(url: &str, cursor: Option<String>) -> (String, Subscription) {
    let (base, stream) = url.split_once(' ').expect("a base and a stream");
    let subscription = Subscription::stream(stream);
    let subscription = match cursor {
        Some(cursor) => subscription.cursor(cursor),
        None => subscription.since("0"),
    };
    (base.to_owned(), subscription)
}

pub(crate) async fn follow<R: Runtime>(runtime: R, url: &str, key: &str, file: &Path) {
    let (mut file, cursor) = resumed(file);
    let (base, subscription) = subscription(url, cursor);
    let client = client(runtime, &base, key);
    let mut events = client.subscribe(subscription).expect("a subscription");
    while let Some(item) = events.next().await {
        let item = item.expect("it goes on");
        let data = item.event().and_then(|event| event.data()).expect("data").get().to_owned();
        store(&mut file, events.cursor(), &data);
    }
}

pub(crate) fn follow_blocking(url: &str, key: &str, file: &Path) {
    let (mut file, cursor) = resumed(file);
    let (base, subscription) = subscription(url, cursor);
    let builder = restless_blocking::Client::builder().no_proxy().api_key(key);
    let client = builder.stream_base_url(base).build().expect("a client");
    let mut events = client.subscribe(subscription).expect("a subscription");
    while let Some(item) = events.next() {
        let item = item.expect("it goes on");
        let data = item.event().and_then(|event| event.data()).expect("data").get().to_owned();
        store(&mut file, events.cursor(), &data);
    }
}

fn store(file: &mut File, cursor: Option<&str>, data: &str) {
    let line = format!("{} {data}\n", cursor.expect("a cursor"));
    file.write_all(line.as_bytes()).expect("it is written");
}

/// Kills the program so often, then lets it finish; how many events the file has.
pub(crate) fn kill_and_restart(adapter: &str, server: &Server, kills: usize, events: u64) -> u64 {
    let folder = std::env::temp_dir().join(format!("restless-endurance-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("cursors");
    let url = format!("{} {}", server.direct, server.stream);
    let start = || {
        Command::new(std::env::current_exe().expect("this program"))
            .args(["follow", adapter, &url, &server.key])
            .arg(&file)
            .stdin(Stdio::null())
            .spawn()
            .expect("this program again")
    };
    let stored = || std::fs::read_to_string(&file).unwrap_or_default();
    for n in 0..kills {
        let mut child = start();
        // Wherever it stands by then: before the connect, within the replay, at its end.
        std::thread::sleep(Duration::from_millis(n as u64 * 7 % 40));
        child.kill().expect("it is killed");
        child.wait().expect("it is gone");
    }
    let mut child = start();
    while (stored().lines().count() as u64) < events {
        assert!(child.try_wait().expect("it runs").is_none(), "it has ended");
        std::thread::yield_now();
    }
    child.kill().expect("it is killed");
    child.wait().expect("it is gone");
    let mut count = 0;
    for (line, due) in stored().lines().zip(1_u64..) {
        let data = line.split(' ').nth(1).expect("data");
        assert_eq!(data, due.to_string(), "in the file");
        count = due;
    }
    assert_eq!(count, events);
    let _ = std::fs::remove_dir_all(&folder);
    count
}
