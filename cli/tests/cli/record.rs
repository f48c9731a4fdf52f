//! `restless record` and `restless replay`: what was recorded is served again.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use restless_emulator::{Emulator, Fault};

#[test]
fn a_recording_is_served_again_with_its_bytes_and_no_key() {
    const PIECES: [&str; 3] = ["id: 1\ndata: \"rs_012345", "6789abcdef\"\n\n", ": heartbeat\n\n"];
    let emulator = Emulator::start().unwrap();
    let pieces = PIECES.map(|piece| (Duration::from_millis(50), piece));
    emulator.inject(Fault::recording(pieces));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("feed.ndjson");
    let recorded = Command::new(env!("CARGO_BIN_EXE_restless"))
        .arg("record")
        .arg(&file)
        .args(["--url", &emulator.sse_url("s")])
        .env("RESTLESS_API_KEY", emulator.api_key())
        .output()
        .unwrap();
    assert!(recorded.status.success(), "{}", String::from_utf8_lossy(&recorded.stderr));
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains("rs_01") && !text.contains("6789abcdef"), "{text}");

    let mut replay = Command::new(env!("CARGO_BIN_EXE_restless"))
        .arg("replay")
        .arg(&file)
        .args(["--speed", "10", "--port", "0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(replay.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().rsplit_once("//").unwrap().1.to_owned();
    let mut socket = TcpStream::connect(&address).unwrap();
    let request = "GET /?streamId=x HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    socket.write_all(request.as_bytes()).unwrap();
    // The recording, and then silence.
    let mut said = String::new();
    for line in BufReader::new(socket).lines() {
        said += &(line.unwrap() + "\n");
        if said.contains(": heartbeat") {
            break;
        }
    }
    replay.kill().unwrap();
    replay.wait().unwrap();
    assert!(said.contains("id: 1\n"), "{said}");
}
