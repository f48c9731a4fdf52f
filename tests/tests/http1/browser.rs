//! The cases by Chromium, where it is installed: a page that fetches them one by one.

use std::io::Write as _;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use crate::cases::{CHROMIUM, Case};
use crate::commands::{compare, output, serve, verdict};

/// A page that reports, in one request, what each path gave: `!` for an error, else the content.
const PAGE: &str = r#"<!doctype html><script>
    (async () => {
        const seen = [];
        for (let n = 0; n < COUNT; n++) {
            try {
                const response = await fetch(`/${n}`, { cache: "no-store" });
                seen.push("=" + encodeURIComponent(await response.text()));
            } catch (error) {
                seen.push("!");
            }
        }
        await fetch("/seen/" + seen.join(","));
    })();
</script>"#;

pub(crate) fn chromium(cases: &[Case]) -> Vec<String> {
    let Some(version) = output(Command::new("chromium").arg("--version")) else {
        println!("Chromium is not installed: its column of the table is not compared");
        return Vec::new();
    };
    let version = version.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    let (report, reports) = mpsc::channel();
    let report = Mutex::new(report);
    let page = PAGE.replace("COUNT", &cases.len().to_string());
    let address = serve(cases, move |path, socket| other(path, socket, &page, &report));
    let browser = Browser::open(&format!("http://{address}/page"));
    let seen = reports.recv_timeout(Duration::from_secs(60));
    drop(browser);
    let Ok(seen) = seen else {
        println!("{version} did not get through the cases in a minute: not compared");
        return Vec::new();
    };
    let seen: Vec<_> = seen.split(',').collect();
    assert_eq!(seen.len(), cases.len());
    compare(
        cases,
        &version,
        CHROMIUM,
        |case| case.chromium,
        |n| verdict(seen[n].strip_prefix('=').map(|content| content.as_bytes().to_vec())),
    )
}

/// Answers what is no case: the page, and its report.
fn other(path: &str, socket: &mut TcpStream, page: &str, report: &Mutex<mpsc::Sender<String>>) {
    let (status, content) = match path.strip_prefix("/seen/") {
        Some(seen) => {
            // The test may be over.
            let _ = report.lock().expect("no panic").send(seen.to_owned());
            (204, "")
        }
        None if path == "/page" => (200, page),
        None => (404, ""),
    };
    let _ = write!(
        socket,
        "HTTP/1.1 {status} \r\ncontent-type: text/html\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{content}",
        content.len(),
    );
}

/// A browser that ends with the test, and its folder with it.
struct Browser(Child, PathBuf);

impl Browser {
    fn open(url: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("restless-http1-{}", std::process::id()));
        let child = Command::new("chromium")
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"])
            .args(["--no-first-run", "--disable-background-networking"])
            .args(["--disable-component-update", "--disable-sync"])
            .args(["--remote-debugging-port=0", "--no-proxy-server"])
            .arg(format!("--user-data-dir={}", folder.display()))
            .arg(url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(child.expect("Chromium, which has just told its version"), folder)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
        let _ = std::fs::remove_dir_all(&self.1);
    }
}
