//! `restless watch`, in a real terminal: tmux, where it is installed.

use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use restless_emulator::Recorder;

use crate::record::Replay;
use crate::stage::Stage;
use crate::terminal::{self, LIMIT, Terminal};

fn watch(stage: &Stage, name: &str) -> Option<Terminal> {
    Terminal::start(name, &terminal::line(&stage.emulator, "watch Orders --since 0"))
}

#[test]
fn a_feed_is_on_the_screen_and_the_terminal_is_as_it_was_behind_it() {
    let stage = Stage::new();
    stage.emulator.publish(&stage.id, r#"{"total":40}"#).expect("an event");
    let Some(terminal) = watch(&stage, "screen") else { return };
    terminal.until(|text| {
        text.starts_with("restless watch  1 feed\n")
            && text.contains("│* Orders")
            && text.contains("total: 40")
    });
    // It goes with the terminal's size.
    terminal.resize(60, 18);
    terminal.until(|text| {
        let top = text.lines().nth(1).unwrap_or_default();
        // It may be looked at while it is drawn.
        let is_whole = text.contains("total: 40") && text.contains("q quit");
        is_whole && top.chars().count() == 60 && top.ends_with('┐')
    });
    terminal.resize(80, 24);
    stage.emulator.publish(&stage.id, r#"{"total":41}"#).expect("an event");
    terminal.until(|text| text.contains("total: 41"));
    // What comes while it is paused is there afterwards.
    terminal.press("p");
    terminal.until(|text| text.contains("PAUSED"));
    stage.emulator.publish(&stage.id, r#"{"total":42}"#).expect("an event");
    terminal.press("/");
    terminal.press("x");
    terminal.until(|text| {
        text.contains("0 of 1 feeds  filter: x_  PAUSED") && !text.contains("Orders")
    });
    terminal.press("Escape");
    terminal.until(|text| text.contains("1 feed  PAUSED") && text.contains("total: 41"));
    terminal.press("p");
    terminal.until(|text| text.contains("total: 42"));
    terminal.press("c");
    terminal.until(|text| text.contains("copied "));
    // A loss is told with its reason.
    stage.emulator.inject(restless_emulator::Fault::status(503).times(usize::MAX));
    stage.emulator.disconnect_all();
    terminal.until(|text| text.contains("Orders: lost: ") && text.contains("│x Orders"));
    terminal.press("q");
    terminal.until(|text| text.starts_with("before\nafter 0\n"));
}

/// The program's processes of this stage, and none of the test beside it.
fn processes(stage: &Stage) -> Vec<String> {
    let base = stage.emulator.stream_base_url();
    let found = Command::new("pgrep").args(["-x", "restless"]).output().expect("pgrep");
    let found = String::from_utf8_lossy(&found.stdout).into_owned();
    let environment = |pid: &str| std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let is_ours = |pid: &&str| String::from_utf8_lossy(&environment(pid)).contains(&base);
    found.split_whitespace().filter(is_ours).map(str::to_owned).collect()
}

#[test]
fn a_signal_gives_the_terminal_back_too() {
    for signal in ["-TERM", "-INT", "-QUIT", "-HUP"] {
        let stage = Stage::new();
        let Some(terminal) = watch(&stage, &format!("signal{signal}")) else { return };
        terminal.until(|text| text.contains("│* Orders"));
        for pid in processes(&stage) {
            Command::new("kill").args([signal, &pid]).status().expect("kill");
        }
        println!("{signal}");
        terminal.until(|text| text.starts_with("before\nafter 0\n"));
    }
}

const FEEDS: usize = 60;
const PER_SECOND: u32 = 100;

/// By itself for a second. The whole proof, with the program as it is installed, and how far behind
/// it was at most:
///
/// ```console
/// $ cargo build --release -p restless-cli
/// $ RESTLESS_PROGRAM=$PWD/target/release/restless RESTLESS_WATCH_SECONDS=60 \
///     cargo test -p restless-cli --test cli -- watch::sixty --nocapture
/// ```
#[test]
fn sixty_feeds_are_counted_to_the_last_event_and_none_falls_behind() {
    let asked = std::env::var("RESTLESS_WATCH_SECONDS").ok();
    let seconds = asked.as_ref().map_or(1, |text| text.parse().expect("a number of seconds"));
    let stage = Stage::new();
    let count = record_feed(&stage, seconds * PER_SECOND);
    let replay = Replay::start(&stage, &["--port", "0"]);
    let feeds = (0..FEEDS).map(|n| format!(" \"http://{}/?streamId=feed{n:02}\"", replay.address));
    let command = terminal::line(&stage.emulator, &format!("watch{}", feeds.collect::<String>()));
    let Some(terminal) = Terminal::start("sixty", &command) else { return };
    terminal.until(|text| counted(text).is_some_and(|events| events > 0));
    let began = Instant::now();
    let due = Duration::from_secs(seconds.into());
    if asked.is_some() {
        let is_half = |text: &str| counted(text).is_some_and(|events| events > count / 2);
        println!("{}", terminal.within(due + LIMIT, is_half));
    }
    terminal.within(due + LIMIT, |text| counted(text) == Some(count));
    let late = began.elapsed().saturating_sub(due);
    // Each of the others has all of its own, too, and nothing twice.
    for n in 0..FEEDS {
        let name = format!("streamId=feed{n:02}─");
        let screen = terminal.until(|text| text.contains(&name) && counted(text) >= Some(count));
        assert_eq!(counted(&screen), Some(count), "{screen}");
        terminal.press("j");
    }
    // Losses are told and stay told: there was none.
    terminal.until(|text| text.contains("losses") && text.contains("\nnone\n"));
    if asked.is_some() {
        println!("{FEEDS} feeds, {count} events each: {late:?} late at the end");
        for pid in processes(&stage) {
            let ps = Command::new("ps").args(["-o", "time=,rss=,args=", "-p", &pid]).output();
            let told = String::from_utf8_lossy(&ps.expect("ps").stdout).into_owned();
            println!("time, KiB, command: {}", told.chars().take(60).collect::<String>());
        }
        assert!(late < Duration::from_secs(1), "it is {late:?} late");
    }
}

/// Writes a feed of so many events, whose times begin now.
fn record_feed(stage: &Stage, count: u32) -> u32 {
    let file = std::fs::File::create(stage.path("feed.ndjson")).expect("a file");
    let mut recorder = Recorder::new(std::io::BufWriter::new(file));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    for number in 1..=count {
        let at = Duration::from_secs(1) / PER_SECOND * number;
        let id = (now + at).as_millis();
        let time = timestamp(now + at);
        let event = format!(
            "{{\"type\":\"update\",\"meta\":{{\"timestamp\":\"{time}\",\"latency_ms\":12}},\
             \"event_id\":\"{id}\",\"data\":{{\"note\":\"{:x>250}\",\"orders\":[\
             {{\"id\":1001,\"status\":\"paid\",\"total\":{number}}}]}}}}",
            ""
        );
        recorder.message(at, &event).expect("written");
    }
    count
}

/// In ISO 8601, of a time since 1970.
fn timestamp(at: Duration) -> String {
    let date = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + at);
    let [_, day, month, year, time, _] = date.split(' ').collect::<Vec<_>>()[..] else {
        panic!("a date is six words: {date}");
    };
    let months = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let month = months.find(month).expect("a month") / 3 + 1;
    format!("{year}-{month:02}-{day}T{time}.{:03}Z", at.subsec_millis())
}

/// The events of the feed that is looked at, as the screen has them.
fn counted(screen: &str) -> Option<u32> {
    let line = screen.lines().find(|line| line.contains(" events┘"))?;
    let before = line.split(" event").next()?;
    before.rsplit('─').next()?.parse().ok()
}
