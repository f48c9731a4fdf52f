//! A Chromium that shows one page.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A browser that is ended when this is dropped, and its folder with it.
pub(crate) struct Browser {
    child: Child,
    profile: PathBuf,
}

impl Browser {
    /// Opens a page, where a Chromium is installed.
    pub(crate) fn open(url: &str) -> Option<Self> {
        let profile = std::env::temp_dir().join(format!("restless-fetch-{}", std::process::id()));
        ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(|name| {
            let child = Command::new(name)
                .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"])
                .args(["--no-first-run", "--disable-background-networking"])
                .args(["--disable-component-update", "--disable-sync"])
                .args(["--remote-debugging-port=0", "--no-proxy-server"])
                .arg(format!("--user-data-dir={}", profile.display()))
                .arg(url)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn();
            Some(Self { child: child.ok()?, profile: profile.clone() })
        })
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended by itself, and its folder need not be whole.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}
