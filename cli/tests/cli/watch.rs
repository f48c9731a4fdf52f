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
    // It goes with the terminal's size.
    terminal.resize(60, 18);
    let screen = terminal.until(|text| {
        text.lines().nth(1).is_some_and(|line| line.chars().count() == 60 && line.ends_with('┐'))
    });
    assert!(screen.contains("total: 40") && screen.contains("q quit"), "{screen}");
    terminal.resize(80, 24);
    stage.emulator.publish(&stage.id, r#"{"total":41}"#).expect("an event");
    terminal.until(|text| text.contains("total: 41"));
    // What comes while it is paused is there afterwards.
    terminal.press("p");
    terminal.until(|text| text.contains("PAUSED"));
    stage.emulator.publish(&stage.id, r#"{"total":42}"#).expect("an event");
    terminal.press("/");
    terminal.press("x");
    let screen = terminal.until(|text| text.contains("0 of 1 feeds  filter: x_  PAUSED"));
    assert!(!screen.contains("Orders"), "{screen}");
    terminal.press("Escape");
    let screen = terminal.until(|text| text.contains("1 feed  PAUSED"));
    assert!(screen.contains("total: 41"), "{screen}");
    terminal.press("p");
    terminal.until(|text| text.contains("total: 42"));
    terminal.press("c");
    terminal.until(|text| text.contains("copied "));
    // A loss is told with its reason.
    stage.emulator.inject(restless_emulator::Fault::status(503).times(usize::MAX));
    stage.emulator.disconnect_all();
    terminal.until(|text| text.contains("Orders: lost: ") && text.contains("│x Orders"));
    terminal.press("q");
    let screen = terminal.until(|text| text.contains("after 0"));
    assert_eq!(screen.lines().take(2).collect::<Vec<_>>(), ["before", "after 0"], "{screen}");
}

#[test]
fn a_signal_gives_the_terminal_back_too() {
    for signal in ["-TERM", "-INT"] {
        let stage = Stage::new();
        let Some(terminal) = watch(&stage, &format!("signal{signal}")) else { return };
        terminal.until(|text| text.contains("│* Orders"));
        let base = stage.emulator.stream_base_url();
        let found = Command::new("pgrep").args(["-x", "restless"]).output().expect("pgrep");
        for pid in String::from_utf8_lossy(&found.stdout).split_whitespace() {
            // Its own, and not that of the test beside it.
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            if String::from_utf8_lossy(&environment).contains(&base) {
                Command::new("kill").args([signal, pid]).status().expect("kill");
            }
        }
        let screen = terminal.until(|text| text.contains("after "));
        assert!(screen.starts_with("before\nafter 0\n"), "{signal}: {screen}");
    }
}
