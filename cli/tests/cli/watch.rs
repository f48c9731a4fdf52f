//! `restless watch`, in a real terminal: tmux, where it is installed.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use crate::stage::Stage;

/// A terminal of 80 by 24, gone when it is dropped.
struct Terminal {
    name: String,
}

/// No screen takes nearly as long.
const LIMIT: Duration = Duration::from_secs(20);

impl Terminal {
    fn start(name: &str, shell: &str) -> Option<Self> {
        let name = format!("{name}-{}", std::process::id());
        let start = ["new-session", "-d", "-x", "80", "-y", "24", shell];
        let started = Self::tmux(&name, &start).ok()?;
        assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
        Some(Self { name })
    }

    fn tmux(name: &str, arguments: &[&str]) -> std::io::Result<Output> {
        Command::new("tmux").args(["-L", name, "-f", "/dev/null"]).args(arguments).output()
    }

    fn press(&self, keys: &str) {
        Self::tmux(&self.name, &["send-keys", keys]).expect("tmux");
    }

    /// The screen, as soon as it is as it should be.
    fn until(&self, is_right: impl Fn(&str) -> bool) -> String {
        let start = Instant::now();
        loop {
            let shown = Self::tmux(&self.name, &["capture-pane", "-p"]).expect("tmux");
            let text = String::from_utf8_lossy(&shown.stdout).into_owned();
            if is_right(&text) {
                return text;
            }
            assert!(start.elapsed() < LIMIT, "the screen stays so:\n{text}");
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = Self::tmux(&self.name, &["kill-server"]);
    }
}

/// The program in a terminal, with a line before it and its exit code behind it.
fn watch(stage: &Stage, name: &str) -> Option<Terminal> {
    let shell = format!(
        "RESTLESS_API_KEY={} RESTLESS_API_BASE_URL={} RESTLESS_STREAM_BASE_URL={} NO_PROXY=127.0.0.1 \
         sh -c 'echo before; {} watch Orders --since 0; echo after $?; cat'",
        stage.emulator.api_key(),
        stage.emulator.api_base_url(),
        stage.emulator.stream_base_url(),
        env!("CARGO_BIN_EXE_restless"),
    );
    let terminal = Terminal::start(name, &shell);
    if terminal.is_none() {
        eprintln!("tmux is not installed: the screen is not looked at");
    }
    terminal
}

#[test]
fn a_feed_is_on_the_screen_and_the_terminal_is_as_it_was_behind_it() {
    let stage = Stage::new();
    stage.emulator.publish(&stage.id, r#"{"total":40}"#).expect("an event");
    let Some(terminal) = watch(&stage, "screen") else { return };
    let screen = terminal.until(|text| text.contains("total: 40"));
    assert!(screen.starts_with("restless watch  1 feed\n"), "{screen}");
    assert!(screen.contains("│* Orders"), "{screen}");
    stage.emulator.publish(&stage.id, r#"{"total":41}"#).expect("an event");
    terminal.until(|text| text.contains("total: 41"));
    terminal.press("q");
    let screen = terminal.until(|text| text.contains("after 0"));
    assert_eq!(screen.lines().take(2).collect::<Vec<_>>(), ["before", "after 0"], "{screen}");
}

#[test]
fn a_signal_gives_the_terminal_back_too() {
    let stage = Stage::new();
    let Some(terminal) = watch(&stage, "signal") else { return };
    terminal.until(|text| text.contains("│* Orders"));
    let base = stage.emulator.stream_base_url();
    let found = Command::new("pgrep").args(["-x", "restless"]).output().expect("pgrep");
    for pid in String::from_utf8_lossy(&found.stdout).split_whitespace() {
        // Its own, and not that of the test beside it.
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        if String::from_utf8_lossy(&environment).contains(&base) {
            Command::new("kill").args(["-TERM", pid]).status().expect("kill");
        }
    }
    let screen = terminal.until(|text| text.contains("after "));
    assert!(screen.starts_with("before\n"), "{screen}");
}
