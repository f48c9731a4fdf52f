//! The cases by programs that may be installed, over loopback.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::cases::{CURL, Case, NODE, Verdict};

pub(crate) fn curl(cases: &[Case]) -> Vec<String> {
    let Some(version) = output(Command::new("curl").arg("--version")) else {
        println!("curl is not installed: its column of the table is not compared");
        return Vec::new();
    };
    let version = version.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    let address = serve(cases, |_, _| {});
    compare(
        cases,
        &version,
        CURL,
        |case| case.curl,
        |n| {
            let url = format!("http://{address}/{n}");
            let arguments =
                ["--silent", "--noproxy", "*", "--max-time", "20", "--output", "-", &url];
            let run = Command::new("curl").args(arguments).output().expect("curl");
            verdict(run.status.success().then_some(run.stdout))
        },
    )
}

/// Prints a line for each path: `!` for an error, else the content.
const SCRIPT: &str = r#"
    const http = require("http");
    const [address, count] = process.argv.slice(1);
    const one = (n) => new Promise((resolve) => {
        const request = http.get(`http://${address}/${n}`, { agent: false }, (response) => {
            let content = "";
            response.on("data", (data) => (content += data));
            response.on("end", () => resolve(response.complete ? `=${encodeURIComponent(content)}` : "!"));
            response.on("error", () => resolve("!"));
        });
        request.on("error", () => resolve("!"));
        request.setTimeout(20000, () => request.destroy());
    });
    (async () => { for (let n = 0; n < count; n++) console.log(await one(n)); })();
"#;

pub(crate) fn node(cases: &[Case]) -> Vec<String> {
    let Some(version) = output(Command::new("node").arg("--version")) else {
        println!("Node is not installed: its column of the table is not compared");
        return Vec::new();
    };
    let (address, count) = (serve(cases, |_, _| {}).to_string(), cases.len().to_string());
    let lines = output(Command::new("node").args(["-e", SCRIPT, &address, &count])).expect("Node");
    let lines: Vec<_> = lines.lines().collect();
    assert_eq!(lines.len(), cases.len());
    compare(
        cases,
        version.trim(),
        NODE,
        |case| case.node,
        |n| verdict(lines[n].strip_prefix('=').map(|content| content.as_bytes().to_vec())),
    )
}

pub(crate) fn verdict(content: Option<Vec<u8>>) -> Verdict {
    match content {
        None => Verdict::Refuses,
        Some(content) if content == b"hello" => Verdict::Reads,
        Some(_) => Verdict::Differs,
    }
}

/// Prints where it differs from the table, and gives that back if it has the table's version.
pub(crate) fn compare(
    cases: &[Case],
    version: &str,
    table: &str,
    due: impl Fn(&Case) -> Verdict,
    mut read: impl FnMut(usize) -> Verdict,
) -> Vec<String> {
    let mut differences = Vec::new();
    for (n, case) in cases.iter().enumerate() {
        let (seen, due) = (read(n), due(case));
        if seen != due {
            differences.push(format!("{version}: {}: {seen:?}, not {due:?}", case.name));
        }
    }
    println!("{version}: {} cases, {} not as the table", cases.len(), differences.len());
    differences.iter().for_each(|difference| println!("  {difference}"));
    if version == table { differences } else { Vec::new() }
}

pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok().filter(|run| run.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Answers `/n` with the response of that case, any other path by `other`, and closes. The server
/// ends with the process.
pub(crate) fn serve(
    cases: &[Case],
    other: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let responses: Vec<_> = cases.iter().map(|case| case.response.clone()).collect();
    let service = Arc::new((responses, other));
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let service = Arc::clone(&service);
            thread::spawn(move || answer(socket, &service.0, &service.1));
        }
    });
    address
}

/// Whoever hangs up in the middle has refused, and nobody need know it here.
fn answer(mut socket: TcpStream, responses: &[Vec<u8>], other: &impl Fn(&str, &mut TcpStream)) {
    let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
    while !request.ends_with(b"\r\n\r\n") {
        match socket.read(&mut buffer) {
            Ok(length @ 1..) => request.extend_from_slice(&buffer[..length]),
            _ => return,
        }
    }
    let path = String::from_utf8_lossy(&request).split(' ').nth(1).unwrap_or_default().to_owned();
    match path.trim_start_matches('/').parse::<usize>() {
        Ok(n) => {
            let _ = socket.write_all(&responses[n]);
        }
        Err(_) => other(&path, &mut socket),
    }
    let _ = socket.shutdown(std::net::Shutdown::Write);
    // A close with something unread would be a reset, and take the response along.
    let _ = socket.set_read_timeout(Some(Duration::from_secs(20)));
    while matches!(socket.read(&mut buffer), Ok(1..)) {}
}
