//! `restless streams` and `restless direct`.

use restless_emulator::Fault;

use crate::stage::{ORDERS, Stage};
use crate::terminal::{self, Terminal};

#[test]
fn a_stream_is_created_changed_started_stopped_and_deleted() {
    let stage = Stage::new();
    let json = |arguments: &[&str]| {
        let run = stage.run(&[&["streams", "-o", "json"], arguments].concat());
        assert_eq!(run.status, Some(0), "{arguments:?}: {run:?}");
        run.json()
    };
    let made = json(&[
        "create",
        "--name",
        "Prices",
        "--url",
        "http://127.0.0.1:9/p",
        "--method",
        "POST",
        "--header",
        "X-A: b:c",
        "--body",
        r#"{"q":1}"#,
        "--payload-mode",
        "JSON_PATCH",
        "--jq-filter",
        ".a",
        "--hmac-signature-enabled",
        "true",
        "--polling-interval",
        "30",
        "--description",
        "all of them",
        "--status",
        "INACTIVE",
        "--polling-strategy",
        "09:00-17:00=60",
    ]);
    let id = made["id"].as_str().expect("an id").to_owned();
    assert_eq!(made["headers"]["X-A"], "b:c");
    assert_eq!(made["body"]["q"], 1);
    assert_eq!(made["payloadMode"], "JSON_PATCH");
    assert_eq!(made["hmacSignatureEnabled"], true);
    assert_eq!(made["pollingStrategies"][0]["intervalSeconds"], 60);
    let changed = json(&["update", &id, "--name", "Prices 2", "--clear", "jqFilter"]);
    assert_eq!((&changed["name"], changed["jqFilter"].is_null()), (&"Prices 2".into(), true));
    assert_eq!(json(&["start", &id])["status"], "ACTIVE");
    assert_eq!(json(&["stop", &id])["status"], "INACTIVE");
    assert_eq!(json(&["get", &id])["description"], "all of them");
    assert!(json(&["usage", &id])["dailyUsage"].is_array());
    assert!(json(&["snippets", &id])["snippets"].is_object());
    assert_eq!(json(&["rm", "--yes", &id])["id"], id.as_str());
    assert!(!stage.emulator.ids().contains(&id));
}

#[test]
fn on_a_terminal_a_long_list_says_how_far_it_is_and_the_line_is_gone_at_the_end() {
    let stage = Stage::new();
    for _ in 0..24 {
        stage.emulator.add_stream(ORDERS).expect("a stream");
    }
    stage.emulator.inject(Fault::none().on_rest());
    stage.emulator.inject(Fault::stall_head().on_rest());
    let list = terminal::line(&stage.emulator, "streams ls -o json | grep -c createdAt");
    let Some(terminal) = Terminal::start("list", &list) else { return };
    terminal.until(|text| text.contains(" 20 streams …"));
    // The second page has been asked for, and is asked for again.
    stage.emulator.until(|emulator| emulator.pending_faults() == 0).wait().expect("asked");
    stage.emulator.disconnect_all();
    terminal.until(|text| text.starts_with("before\n25\nafter 0\n"));
}

#[test]
fn code_is_printed_to_be_copied() {
    let stage = Stage::new();
    let target = "https://api.example.com/orders";
    for arguments in [&["streams", "snippets", &stage.id][..], &["direct", "setup", target]] {
        let run = stage.run(&[arguments, &["--language", "rust"]].concat());
        assert_eq!(run.status, Some(0), "{run:?}");
        let below = |title: &str| {
            let found = run.out.lines().skip_while(|line| *line != title).nth(1);
            found.unwrap_or_else(|| panic!("no {title}: {}", run.out))
        };
        assert!(below("# curl").starts_with("curl -N "), "{}", run.out);
        assert!(below("# sse rust").contains("client.subscribe("), "{}", run.out);
        assert!(run.out.contains("# --language takes javascript, python, rust\n"), "{}", run.out);
        assert!(run.out.contains("seUrl "), "{}", run.out);
    }
}

#[test]
fn a_list_has_all_pages_in_each_form() {
    let stage = Stage::new();
    for n in 0..45 {
        let body = format!(r#"{{"name":"s{n}","url":"http://127.0.0.1:9/","status":"INACTIVE"}}"#);
        stage.emulator.add_stream(&body).expect("a stream");
    }
    let run = stage.run(&["streams", "ls", "-o", "json"]);
    assert_eq!(run.json().as_array().map(Vec::len), Some(46));
    let table = stage.run(&["streams", "ls", "--limit", "30"]);
    assert_eq!(table.out.lines().count(), 31, "{}", table.out);
    assert!(table.out.starts_with("ID "), "{}", table.out);
    let yaml = stage.run(&["streams", "ls", "--limit", "1", "-o", "yaml"]);
    assert!(yaml.out.contains("\n  id: stream_"), "{}", yaml.out);
}

#[test]
fn data_is_a_file_or_a_text_and_flags_come_before_it() {
    let stage = Stage::new();
    let path = stage.path("stream.json");
    std::fs::write(&path, r#"{"name":"of the file","url":"http://127.0.0.1:9/x"}"#).unwrap();
    let data = format!("@{}", path.display());
    let create = ["streams", "create", "-o", "json", "--status", "INACTIVE", "--data", &data];
    assert_eq!(stage.run(&create).json()["name"], "of the file");
    let named = stage.run(&[&create[..], &["--name", "of the flag"]].concat());
    assert_eq!(named.json()["name"], "of the flag");
    let wrong = stage.run(&["streams", "create", "--data", "@/nowhere"]);
    assert_eq!(wrong.status, Some(2), "{wrong:?}");
}

#[test]
fn a_dry_run_sends_nothing_and_hides_the_key() {
    let stage = Stage::new();
    let run = stage.run(&[
        "streams",
        "--dry-run",
        "create",
        "--name",
        "it's",
        "--url",
        "https://a.test/",
    ]);
    assert_eq!(run.status, Some(0), "{run:?}");
    assert!(run.out.starts_with("curl -X POST 'http://127.0.0.1:"), "{run:?}");
    assert!(run.out.contains(r#""$RESTLESS_API_KEY""#), "{run:?}");
    assert!(run.out.contains(r"it'\''s"), "{run:?}");
    assert!(stage.emulator.requests().is_empty());
}

#[test]
fn deleting_asks_and_where_nobody_can_be_asked_wants_a_yes() {
    let stage = Stage::new();
    let run = stage.run(&["streams", "rm", &stage.id]);
    assert_eq!(run.status, Some(2), "{run:?}");
    assert!(run.err.contains("--yes"), "{run:?}");
    assert!(stage.emulator.ids().contains(&stage.id));
}

#[test]
fn deleting_several_prints_one_array_also_of_those_before_a_failure() {
    let stage = Stage::new();
    let body = r#"{"name":"a","url":"https://a.test","status":"INACTIVE"}"#;
    let ids = [(); 2].map(|()| stage.emulator.add_stream(body).expect("a stream"));
    let run = stage.run(&["streams", "rm", "--yes", &ids[0], "none", &ids[1], "-o", "json"]);
    assert_eq!(run.status, Some(3), "{run:?}");
    assert_eq!(run.json()[0]["id"], &*ids[0], "{run:?}");
    assert_eq!(run.json().as_array().map(Vec::len), Some(1), "{run:?}");
    assert!(
        run.err.contains("none: ") && run.err.contains(&format!("{} is deleted", ids[0])),
        "{run:?}"
    );
    let run = stage.run(&["streams", "rm", "--yes", &ids[1], &stage.id, "-o", "yaml"]);
    assert_eq!(run.out.matches("- affected:").count(), 2, "{run:?}");
}

#[test]
fn a_rest_api_has_a_setup_a_session_and_a_url() {
    let stage = Stage::new();
    let target = "https://api.example.com/orders?a=b";
    let setup = stage.run(&["direct", "setup", target, "-o", "json"]);
    assert_eq!(setup.json()["streamConfig"]["targetUrl"], target, "{setup:?}");
    let session = stage.run(&["direct", "session", target, "--dedupe-key", "k", "-o", "json"]);
    assert_eq!(session.json()["dedupeKey"], "k", "{session:?}");
    let url = stage.run(&["direct", "url", target, "--ws", "--polling-interval", "5"]);
    assert!(url.out.starts_with("ws://127.0.0.1:"), "{url:?}");
    assert!(url.out.contains("pollingInterval=5"), "{url:?}");
}
