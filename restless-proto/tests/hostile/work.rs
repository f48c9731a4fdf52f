//! Instructions, counted by callgrind: this program runs in it, and is told by the environment.

use std::path::Path;

use restless_proto::streams;

use super::attacks::{ATTACKS, Attack};
use super::json;
use super::memory;
use super::peer::{call, follow, stream};

/// Tells that this is the program within.
const WITHIN: &str = "RESTLESS_WITHIN_CALLGRIND";

/// Bytes of each attack: with three sizes, what is the same for each of them falls out.
const SIZES: [usize; 3] = [256, 512, 1024];

/// Twice the bytes take twice the work, where it is linear, and four times the work where each
/// piece begins anew. Where hardly anything is done with a byte, a buffer that doubles shows.
const MOST: f64 = 2.5;

/// So few instructions for each further byte are linear work, whatever they were before: where an
/// attack is over with its first bytes, what is left is the allocator's housekeeping.
const HARDLY_ANY: f64 = 8.0;

/// What is counted: its name is what callgrind is told.
#[inline(never)]
fn hostile_work(work: &mut dyn FnMut()) {
    work();
    std::hint::black_box(());
}

/// Work that is not linear, to see that it is found.
fn searches_anew_with_each_piece(bytes: usize) {
    let mut received = Vec::new();
    for _ in 0..bytes {
        received.push(b'a');
        assert!(memchr::memchr(b'\n', std::hint::black_box(&received)).is_none());
    }
}

#[test]
fn work_is_linear_in_the_bytes() {
    let _alone = memory::alone();
    if variable_is_set() {
        return run_within();
    }
    let folder = std::env::temp_dir().join(format!("restless-hostile-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let counts = counts(&folder);
    std::fs::remove_dir_all(&folder).unwrap();
    let Some(counts) = counts else {
        println!("valgrind is not installed: instructions are not counted");
        return;
    };
    assert_eq!(counts.len(), (works().len() + 1) * SIZES.len());
    let mut counts = counts.chunks(SIZES.len());
    let [_, half, whole] = SIZES;
    let mut ratio = || {
        let [small, medium, large] = counts.next().unwrap() else { panic!("three sizes") };
        let is_hardly_any = large - medium < HARDLY_ANY * (whole - half) as f64;
        if is_hardly_any { 0.0 } else { (large - medium) / (medium - small) }
    };
    let anew = ratio();
    assert!(anew > MOST, "what is not linear is not found: {anew:.2}");
    for (name, _) in works() {
        let ratio = ratio();
        println!("{ratio:4.2} for twice the bytes: {name}");
        assert!(ratio < MOST, "{name}: {ratio:.2} times the work for twice the bytes");
    }
}

/// All that is counted: attacks in pieces of one byte, and JSON.
fn works() -> Vec<(&'static str, Work)> {
    let attack = |attack: &'static Attack| -> (_, Work) {
        (attack.name, Box::new(|bytes| _ = attack.play(bytes, 1)))
    };
    let reading =
        |(name, read): &(&'static str, json::Reading)| -> (_, Work) { (*name, Box::new(*read)) };
    ATTACKS.iter().map(attack).chain(json::WORK.iter().chain(TEXTS).map(reading)).collect()
}

/// Texts that are looked through for what is in them.
const TEXTS: &[(&str, json::Reading)] = &[
    ("a name full of URLs, printed", |bytes| print_a_name(&"&url=a".repeat(bytes / 6))),
    ("a name full of backslashes, printed", |bytes| print_a_name(&"\\\\".repeat(bytes / 2))),
    ("backslashes in a reply, where another thing is due", |bytes| {
        let mut peer = call(streams::list());
        peer.say(b"HTTP/1.1 200 OK\r\n\r\n", usize::MAX);
        let content = format!(r#"{{"streams":"{}"}}"#, "\\\\".repeat(bytes / 2));
        peer.say(content.as_bytes(), usize::MAX);
        peer.end();
        // The error is told without the key that went out.
        assert!(peer.told.last().is_some_and(Result::is_err), "{:?}", peer.told);
    }),
    ("a long charset before many types", |bytes| {
        let (charset, types) = ("c".repeat(bytes / 2), ",a/b".repeat(bytes / 8));
        let mut peer = follow(stream());
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: a/b;charset={charset}{types}\r\n\r\n");
        peer.say(head.as_bytes(), usize::MAX);
    }),
];

/// Prints a stream of this name, as its JSON spells the name.
fn print_a_name(name: &str) {
    let head = http::Response::new(()).into_parts().0;
    let text = format!(
        r#"{{"id":"s","name":"{name}","status":"ACTIVE","method":"GET","url":"u",
            "payloadMode":"FULL_DATA","hmacSignatureEnabled":false,"pollingInterval":60}}"#
    );
    let stream = streams::get("s").response(&head, text.into());
    let _ = format!("{:?}", stream.unwrap());
}

/// What is done with so many bytes.
type Work = Box<dyn Fn(usize)>;

/// All attacks in all sizes, one after the other.
fn run_within() {
    // What is counted first has all that was before it.
    hostile_work(&mut || {});
    for bytes in SIZES {
        hostile_work(&mut || searches_anew_with_each_piece(bytes));
    }
    for (_, work) in works() {
        for bytes in SIZES {
            hostile_work(&mut || work(bytes));
        }
    }
}

/// The instructions of each piece of work, in order; `None` where there is no valgrind.
#[expect(clippy::disallowed_types, reason = "valgrind is another program")]
fn counts(folder: &Path) -> Option<Vec<f64>> {
    let out = folder.join("out");
    let ran = std::process::Command::new("valgrind")
        .args(["-q", "--tool=callgrind", "--dump-after=*hostile_work*"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "work::work_is_linear_in_the_bytes", "--test-threads=1"])
        .env(WITHIN, "1")
        .output()
        .ok()?;
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let count = |number: usize| {
        let dump = std::fs::read_to_string(format!("{}.{number}", out.display())).ok()?;
        let of = |name| dump.lines().find_map(|line| line.strip_prefix(name));
        of("totals: ").or_else(|| of("summary: "))?.trim().parse::<f64>().ok()
    };
    Some((2..).map_while(count).collect())
}

#[expect(clippy::disallowed_methods, reason = "it is told so by the program without")]
fn variable_is_set() -> bool {
    std::env::var_os(WITHIN).is_some()
}
