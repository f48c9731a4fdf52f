//! A real terminal: tmux, where it is installed.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use restless_emulator::Emulator;

use crate::stage::binary;

/// A terminal of 80 by 24, gone when it is dropped.
pub(crate) struct Terminal {
    name: String,
}

/// No screen takes nearly as long.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

impl Terminal {
    /// `None`, and a line, where tmux is not installed.
    pub(crate) fn start(name: &str, shell: &str) -> Option<Self> {
        let name = format!("{name}-{}", std::process::id());
        let start = ["new-session", "-d", "-x", "80", "-y", "24", shell];
        let Ok(started) = Self::tmux(&name, &start) else {
            println!("tmux is not installed: the screen is not looked at");
            return None;
        };
        assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
        Some(Self { name })
    }

    fn tmux(name: &str, arguments: &[&str]) -> std::io::Result<Output> {
        Command::new("tmux").args(["-L", name, "-f", "/dev/null"]).args(arguments).output()
    }

    pub(crate) fn press(&self, keys: &str) {
        Self::tmux(&self.name, &["send-keys", keys]).expect("tmux");
    }

    pub(crate) fn resize(&self, width: u16, height: u16) {
        let (width, height) = (width.to_string(), height.to_string());
        let resize = ["resize-window", "-x", &width, "-y", &height];
        Self::tmux(&self.name, &resize).expect("tmux");
    }

    /// The screen, as soon as it is as it should be. It may be looked at half drawn, so all that
    /// is said of one screen belongs into one `is_right`.
    pub(crate) fn until(&self, is_right: impl Fn(&str) -> bool) -> String {
        self.within(LIMIT, is_right)
    }

    /// The same, where it may take another time.
    pub(crate) fn within(&self, limit: Duration, is_right: impl Fn(&str) -> bool) -> String {
        let start = Instant::now();
        loop {
            let shown = Self::tmux(&self.name, &["capture-pane", "-p"]).expect("tmux");
            let text = String::from_utf8_lossy(&shown.stdout).into_owned();
            if is_right(&text) {
                return text;
            }
            assert!(start.elapsed() < limit, "the screen stays so:\n{text}");
            // Each look is a process, which takes time from the one that is looked at.
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = Self::tmux(&self.name, &["kill-server"]);
    }
}

/// A shell's line for the program as the emulator's user, with a line before it and its exit code
/// behind it. Ctrl-C is for the program alone.
pub(crate) fn line(emulator: &Emulator, arguments: &str) -> String {
    format!(
        "RESTLESS_API_KEY={} RESTLESS_API_BASE_URL={} RESTLESS_STREAM_BASE_URL={} \
         NO_PROXY=127.0.0.1 sh -c 'trap : INT; echo before; {} {arguments}; echo after $?; cat'",
        emulator.api_key(),
        emulator.api_base_url(),
        emulator.stream_base_url(),
        binary(),
    )
}
