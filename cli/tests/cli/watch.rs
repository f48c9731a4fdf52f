//! `restless watch`, in a real terminal: tmux, where it is installed.

use std::process::Command;

use crate::stage::Stage;
use crate::terminal::{self, Terminal};

fn watch(stage: &Stage, name: &str) -> Option<Terminal> {
    Terminal::start(name, &terminal::line(&stage.emulator, "watch Orders --since 0"))
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
