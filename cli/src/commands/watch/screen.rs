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
        ratatui::try_init().map(Self)
    }

    pub(super) fn draw(&mut self, model: &Model, is_paused: bool) -> Result<(), Failure> {
        let now = Instant::now();
        let drawn = self.0.draw(|frame| view::draw(frame, model, is_paused, now));
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
