//! The terminal: taken, and given back as it was, whatever happens.

use std::io::{self, Write as _};
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tokio::sync::mpsc;

use super::model::{Key, Model};
use super::view;
use crate::failure::Failure;

/// The whole screen, until it is dropped; a panic gives it back first.
pub(super) struct Screen(DefaultTerminal);

/// What the terminal says.
pub(super) enum Input {
    Key(Key),
    Resized,
}

impl Screen {
    pub(super) fn enter() -> io::Result<Self> {
        let screen = ratatui::try_init().map(Self)?;
        crate::stop::before_the_end(ratatui::restore);
        Ok(screen)
    }

    pub(super) fn draw(&mut self, model: &Model) -> Result<(), Failure> {
        let now = Instant::now();
        let drawn = self.0.draw(|frame| view::draw(frame, model, now));
        drawn.map(drop).map_err(Failure::output)
    }

    /// Gives a text to the terminal's clipboard (OSC 52), where the terminal takes it.
    pub(super) fn copy(&self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        write!(out, "\u{1b}]52;c;{}\u{7}", STANDARD.encode(text))?;
        out.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// What the terminal says from now on; the end where it is gone.
pub(super) fn inputs() -> mpsc::Receiver<Input> {
    let (sender, receiver) = mpsc::channel(16);
    // Reading a terminal blocks. The thread ends with the process, or when nobody listens.
    std::thread::spawn(move || {
        while let Ok(event) = event::read() {
            let input = match event {
                event::Event::Key(key) if key.kind != KeyEventKind::Release => {
                    key_of(key).map(Input::Key)
                }
                event::Event::Resize(..) => Some(Input::Resized),
                _ => None,
            };
            if let Some(input) = input
                && sender.blocking_send(input).is_err()
            {
                return;
            }
        }
    });
    receiver
}

fn key_of(key: KeyEvent) -> Option<Key> {
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    Some(match key.code {
        KeyCode::Char('c') if is_control => Key::Interrupt,
        KeyCode::Char(_) if is_control => return None,
        KeyCode::Char(char) => Key::Char(char),
        KeyCode::Down | KeyCode::Tab => Key::Next,
        KeyCode::Up | KeyCode::BackTab => Key::Previous,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Escape,
        KeyCode::Backspace => Key::Backspace,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use super::*;

    /// The test's program runs in tmux, where tmux is installed, and panics in that terminal.
    #[test]
    fn a_panic_gives_the_terminal_back() {
        const INSIDE: &str = "RESTLESS_TEST_PANIC";
        if std::env::var_os(INSIDE).is_some() {
            let mut screen = Screen::enter().unwrap();
            screen.draw(&Model::new([])).unwrap();
            panic!("on purpose");
        }
        let socket = format!("panic-{}", std::process::id());
        let tmux = |arguments: &[&str]| {
            let mut command = Command::new("tmux");
            command.args(["-L", &socket, "-f", "/dev/null"]).args(arguments).output()
        };
        let program = std::env::current_exe().unwrap();
        let shell = format!(
            "sh -c 'RUST_BACKTRACE=0 {INSIDE}=1 {} --exact --nocapture {}; stty -a; echo end; cat'",
            program.display(),
            "commands::watch::screen::tests::a_panic_gives_the_terminal_back",
        );
        if tmux(&["new-session", "-d", "-x", "80", "-y", "50", &shell]).is_err() {
            println!("tmux is not installed: not tried");
            return;
        }
        let until = Instant::now() + Duration::from_secs(20);
        let said = |arguments: &[&str]| {
            String::from_utf8_lossy(&tmux(arguments).unwrap().stdout).into_owned()
        };
        let mut screen = String::new();
        while !screen.contains("\nend\n") && Instant::now() < until {
            screen = said(&["capture-pane", "-p"]);
        }
        let flags = said(&["display-message", "-p", "#{alternate_on} #{cursor_flag}"]);
        tmux(&["kill-server"]).unwrap();
        // Not the alternate screen, the cursor in sight, and lines and echo as a shell has them.
        assert_eq!(flags, "0 1\n", "{screen}");
        assert!(screen.contains("on purpose") && screen.contains("\nend\n"), "{screen}");
        assert!(screen.contains(" icanon") && screen.contains(" echo "), "{screen}");
        assert!(!screen.contains("restless watch  0 feeds"), "{screen}");
    }
}
