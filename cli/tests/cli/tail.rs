//! `restless tail`.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use restless_emulator::Fault;

use crate::stage::Stage;

fn three_events() -> (Stage, Vec<String>) {
    let stage = Stage::new();
    let ids = (1..=3)
        .map(|n| {
            stage.emulator.publish(&stage.id, &format!(r#"{{"total":{n}.0}}"#)).expect("an event")
        })
        .collect();
    (stage, ids)
}

#[test]
fn on_a_pipe_an_event_is_one_json_object_a_line_with_its_data_as_it_came() {
    let (stage, ids) = three_events();
    let run = stage.run(&["tail", "--stream", &stage.id, "--since", "0", "-n", "3"]);
    assert_eq!(run.status, Some(0), "{run:?}");
    let found: Vec<_> = run.lines().iter().map(|line| line["event_id"].clone()).collect();
    assert_eq!(found, ids, "{run:?}");
    assert!(run.out.lines().next().unwrap().contains(r#""data":{"total":1.0}"#), "{run:?}");
    assert_eq!(run.err, "connected\n");
}

#[test]
fn a_word_that_is_no_url_is_a_stream_s_id_or_its_name() {
    let (stage, ids) = three_events();
    for what in [stage.id.as_str(), "Orders"] {
        let run = stage.run(&["tail", what, "--since", "0", "-n", "3", "-q", "--ws"]);
        assert_eq!((run.status, run.err.as_str()), (Some(0), ""), "{what}: {run:?}");
        assert_eq!(run.lines()[2]["event_id"], ids[2].as_str(), "{what}");
    }
    let run = stage.run(&["tail", "Nobody"]);
    assert_eq!(run.status, Some(3), "{run:?}");
    assert!(run.err.contains("no stream has the id or the name \"Nobody\""), "{run:?}");
}

#[test]
fn each_form_has_the_same_events() {
    let (stage, ids) = three_events();
    let tail = |output| {
        let limit = ["tail", "--stream", &stage.id, "--since", "0", "-n", "3", "-q", "-o", output];
        let run = stage.run(&limit);
        assert_eq!(run.status, Some(0), "{output}: {run:?}");
        run.out
    };
    assert_eq!(tail("raw"), "{\"total\":1.0}\n{\"total\":2.0}\n{\"total\":3.0}\n");
    let csv = tail("csv");
    let lines: Vec<&str> = csv.lines().collect();
    assert!(lines[0].starts_with("type,event_id,cursor,"), "{csv}");
    assert!(lines[3].starts_with(&format!("update,{},", ids[2])), "{csv}");
    assert!(lines[3].ends_with(r#","{""total"":3.0}""#), "{csv}");
    assert!(tail("json").contains("\n  \"data\": {\n    \"total\": 1.0\n  }\n}\n{\n"));
    let pretty = tail("pretty");
    assert!(pretty.contains("- /total: 1.0\n+ /total: 2.0\n"), "{pretty}");
    assert!(!pretty.contains('\u{1b}'), "no colour on a pipe: {pretty}");
}

#[test]
fn the_document_is_followed_with_what_has_changed_in_it() {
    let (stage, _) = three_events();
    let run = stage.run(&["tail", "Orders", "--since", "0", "-n", "2", "-q", "--document"]);
    let lines = run.lines();
    assert_eq!(lines[0]["changed"][0], "", "{run:?}");
    assert_eq!(lines[1]["changed"][0], "/total", "{run:?}");
    assert_eq!(lines[1]["document"]["total"], 2.0, "{run:?}");
    assert!(lines[1]["stale"].is_null(), "{run:?}");
}

#[test]
fn a_saved_cursor_is_where_the_next_run_goes_on() {
    let (stage, ids) = three_events();
    let path = stage.path("orders.cursor");
    let file = path.to_str().expect("a path");
    let begin = ["tail", "--stream", &stage.id, "--since", "0", "-q", "--save-cursor", file];
    let first = stage.run(&[&begin[..], &["-n", "1"]].concat());
    assert_eq!(first.status, Some(0), "{first:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{}\n", ids[0]));
    let go_on = [&begin[..], &["-n", "2", "--resume"]].concat();
    let second = stage.run(&go_on);
    let found: Vec<_> = second.lines().iter().map(|line| line["event_id"].clone()).collect();
    assert_eq!(found, ids[1..], "{second:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{}\n", ids[2]));
}

#[test]
fn an_interrupt_closes_and_saves_where_it_was() {
    let (stage, ids) = three_events();
    let path = stage.path("orders.cursor");
    let file = path.to_str().expect("a path");
    let mut command = stage.command(&["tail", "Orders", "--since", "0", "--save-cursor", file]);
    let pipes = command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = pipes.spawn().expect("the program");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    for _ in 0..3 {
        lines.next().expect("a line").expect("UTF-8");
    }
    let pid = child.id().to_string();
    let sent = std::process::Command::new("kill").args(["-INT", &pid]).status();
    assert!(sent.expect("kill").success());
    assert_eq!(child.wait().expect("its end").code(), Some(0));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{}\n", ids[2]));
}

#[test]
fn what_can_t_go_on_exits_by_who_must_act() {
    let stage = Stage::new();
    stage.emulator.inject(Fault::status(403));
    let run = stage.run(&["tail", "--stream", &stage.id]);
    assert_eq!(run.status, Some(3), "{run:?}");
    assert!(run.err.contains("403"), "{run:?}");
    let arguments = ["tail", "http://127.0.0.1:9/", "--max-reconnects", "0", "-q"];
    let run = stage.run(&arguments);
    assert_eq!(run.status, Some(4), "{run:?}");
    assert_eq!(run.err.lines().count(), 1, "{run:?}");
    let verbose = stage.run(&[&arguments[..], &["--verbose"]].concat());
    assert!(verbose.err.contains("\n  because: "), "{verbose:?}");
}

#[test]
fn what_is_not_signed_with_the_secret_of_a_file_is_told_on_stderr() {
    let (stage, _) = three_events();
    let path = stage.path("secret");
    std::fs::write(&path, "another\n").unwrap();
    let file = path.to_str().expect("a path");
    let begin = ["tail", "--stream", &stage.id, "--since", "0", "--no-reconnect"];
    stage.emulator.inject(Fault::end_after_events(3));
    let run = stage.run(&[&begin[..], &["--secret-file", file]].concat());
    assert_eq!((run.status, run.out.as_str()), (Some(0), ""), "{run:?}");
    assert_eq!(run.err.matches("signature").count(), 3, "{run:?}");
    let variables = [("RESTLESS_HMAC_SECRET", "another")];
    let run = stage.run_with(&[&begin[..], &["-n", "3", "-q"]].concat(), &variables);
    assert_eq!(run.out.lines().count(), 3, "nothing is verified unasked: {run:?}");
}
