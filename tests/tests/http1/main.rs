//! `restless_proto::http1` beside others: what all read is read the same, and each difference has a
//! rule.

mod browser;
mod by_hyper;
mod cases;
mod commands;
mod generate;
mod outcome;

use cases::{Case, Verdict, cases};
use generate::Generator;
use outcome::{Outcome, cut, ours};

/// How many responses are made up; `RESTLESS_HTTP1_RESPONSES` says another number.
const RESPONSES: u64 = 3_000;

fn verdict(outcome: &Outcome) -> Verdict {
    match outcome {
        None => Verdict::Refuses,
        Some(read) if read.content == b"hello" => Verdict::Reads,
        Some(_) => Verdict::Differs,
    }
}

/// Each case of the table is what it says, however it is cut.
#[test]
fn the_table_is_what_happens() {
    let mut differences = Vec::new();
    for Case { name, response, ours: due, hyper, .. } in cases() {
        assert_eq!(verdict(&ours(&[&response])), due, "{name}");
        assert_eq!(verdict(&ours(&cut(&response, &[1]))), due, "{name}, byte by byte");
        let seen = verdict(&by_hyper::hyper(&[&response]));
        if seen != hyper {
            differences.push(format!("{name}: {seen:?}, not {hyper:?}"));
        }
    }
    assert!(differences.is_empty(), "by hyper: {differences:#?}");
}

/// The table in the docs of `restless_proto::http1` is this one.
#[test]
fn the_docs_have_the_table() {
    let docs = include_str!("../../../restless-proto/src/http1/mod.rs");
    let word = |verdict| match verdict {
        Verdict::Reads => "read",
        Verdict::Differs => "read as something else",
        Verdict::Refuses => "refused",
    };
    let mut missing = Vec::new();
    for Case { name, ours, hyper, curl, node, chromium, .. } in cases() {
        let words = [ours, hyper, curl, node, chromium].map(word).join(" | ");
        let row = format!("//! | {name} | {words} |");
        if !docs.contains(&row) {
            missing.push(row);
        }
    }
    assert!(missing.is_empty(), "missing:\n{}", missing.join("\n"));
}

/// Generated responses that the standard allows, cut at random places, are read as they were meant,
/// by hyper too; where hyper refuses them, the table says why.
#[test]
fn what_is_well_formed_is_read_as_it_was_meant() {
    let count = std::env::var("RESTLESS_HTTP1_RESPONSES").ok();
    let count = count.map_or(RESPONSES, |count| count.parse().expect("a number"));
    let (mut refused, mut generator) = (0, Generator::new(7));
    for n in 0..count {
        let made = generator.response();
        let reads = cut(&made.bytes, &made.cuts);
        let shown = || format!("response {n}: {:?}", String::from_utf8_lossy(&made.bytes));
        let read = ours(&reads);
        assert_eq!(read.as_ref(), Some(&made.meant), "{}", shown());
        match by_hyper::hyper(&reads) {
            Some(other) => assert_eq!(Some(other), read, "{}", shown()),
            None => {
                assert!(made.hyper_refuses, "hyper refuses {}", shown());
                refused += 1;
            }
        }
    }
    println!("{count} responses, {refused} of them refused by hyper as the table says");
    assert!(refused < count, "hyper reads some");
}

/// Where one byte is changed, ours and hyper both read the same, or the change is one that the
/// table tells apart: then ours refuses, or hyper does.
#[test]
fn what_is_broken_is_read_the_same_or_refused() {
    let mut generator = Generator::new(8);
    for n in 0..RESPONSES {
        let mut made = generator.response();
        generator.spoil(&mut made.bytes);
        let reads = cut(&made.bytes, &made.cuts);
        let (read, other) = (ours(&reads), by_hyper::hyper(&reads));
        assert_eq!(ours(&[&made.bytes]), read, "response {n} depends on its cuts");
        if let (Some(read), Some(other)) = (read, other) {
            assert_eq!(read, other, "response {n}: {:?}", String::from_utf8_lossy(&made.bytes));
        }
    }
}

/// Heads say what httparse reads in them.
#[test]
fn heads_are_what_httparse_reads() {
    let mut generator = Generator::new(9);
    for n in 0..RESPONSES {
        let made = generator.response();
        let mut fields = [httparse::EMPTY_HEADER; 256];
        let mut head = httparse::Response::new(&mut fields);
        let config = httparse::ParserConfig::default();
        let parsed = config.parse_response(&mut head, &made.bytes);
        let (Ok(httparse::Status::Complete(_)), Some(status)) = (parsed, head.code) else {
            continue;
        };
        if status < 200 {
            continue;
        }
        let read = ours(&[&made.bytes]).expect("well formed");
        assert_eq!(read.status, status, "response {n}");
        assert_eq!(read.fields.len(), head.headers.len(), "response {n}");
        for field in head.headers.iter() {
            let mut values = read.fields.get_all(field.name).iter();
            assert!(values.any(|value| value.as_bytes() == field.value), "response {n}");
        }
    }
}

/// curl, Node and Chromium read the cases as the table says, where they are installed and of its
/// version.
#[test]
fn commands_read_the_cases_as_the_table_says() {
    let cases = cases();
    let (curl, node) = (commands::curl(&cases), commands::node(&cases));
    let differences = [curl, node, browser::chromium(&cases)].concat();
    assert!(differences.is_empty(), "{differences:#?}");
}
