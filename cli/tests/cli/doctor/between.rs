//! A box in between, as an ordinary process.

use std::fmt::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// It ends with the test.
pub(super) struct Between {
    child: Child,
    _folder: tempfile::TempDir,
}

/// No box takes nearly as long to start.
const LIMIT: Duration = Duration::from_secs(60);

impl Between {
    /// Starts a box with what `conf` writes, and waits until it takes connections at each of these
    /// ports. In the arguments CONF stands for the file, and LOG for one to write to. `None`, and a
    /// line, where it is not installed.
    pub(super) fn start(
        name: &str,
        args: &[&str],
        ports: &[u16],
        conf: impl FnOnce(&Path) -> String,
    ) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        open_to_all(folder.path());
        let (file, log) = (folder.path().join("conf"), folder.path().join("error.log"));
        std::fs::write(&file, conf(folder.path())).unwrap();
        let args = args.iter().map(|arg| match *arg {
            "CONF" => file.as_os_str(),
            "LOG" => log.as_os_str(),
            arg => arg.as_ref(),
        });
        let path = std::env::var("PATH").unwrap_or_default();
        let started = Command::new(name)
            .args(args)
            .env("PATH", format!("{path}:/usr/sbin:/usr/local/sbin"))
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut child) = started else {
            println!("{name} is not installed: not tried");
            return None;
        };
        let until = Instant::now() + LIMIT;
        for port in ports {
            while TcpStream::connect(("127.0.0.1", *port)).is_err() {
                let ended = child.try_wait().unwrap();
                assert!(ended.is_none(), "{name} did not start: {}", said(folder.path()));
                assert!(Instant::now() < until, "{name} does not listen");
                std::thread::yield_now();
            }
        }
        Some(Self { child, _folder: folder })
    }
}

impl Drop for Between {
    fn drop(&mut self) {
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let until = Instant::now() + Duration::from_secs(5);
        while Instant::now() < until && !matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
            std::thread::yield_now();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Some boxes change to a user of their own.
fn open_to_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o777)).unwrap();
}

/// What is in the box's own logs.
fn said(folder: &Path) -> String {
    let mut said = String::new();
    for file in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let text = std::fs::read(file.path()).unwrap_or_default();
        // Writing to a string can't fail.
        let _ = writeln!(said, "{:?}: {}", file.file_name(), String::from_utf8_lossy(&text));
    }
    said
}
