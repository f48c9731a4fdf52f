use bytes::Bytes;

use super::*;
use crate::event::SseId;
use crate::subscription::{RejectReason, Rejected};

fn update(data: &str, fallback: Option<&str>) -> StreamEvent {
    let fallback = fallback.map_or_else(|| "null".to_owned(), |mode| format!("\"{mode}\""));
    let meta =
        format!(r#"{{"timestamp":"2026-03-24T00:00:00Z","payload_mode_fallback":{fallback}}}"#);
    let text = format!(r#"{{"type":"update","meta":{meta},"data":{data}}}"#);
    StreamEvent::parse(text, SseId::None).unwrap()
}

fn error() -> StreamEvent {
    let meta = r#"{"timestamp":"2026-03-24T00:00:00Z"}"#;
    let text = format!(r#"{{"type":"error","meta":{meta},"error":{{"code":"X","message":"y"}}}}"#);
    StreamEvent::parse(text, SseId::None).unwrap()
}

fn rejected() -> Item {
    let reason = RejectReason::Malformed(StreamEvent::parse("", SseId::None).unwrap_err());
    Item::Rejected(Rejected { data: Bytes::new(), id: None, reason })
}

fn holding(data: &str) -> Document {
    let mut document = Document::new(PayloadMode::JsonPatch);
    document.take(&update(data, Some("FULL_DATA")));
    document
}

/// What becomes of a document by a patch.
fn patched(document: &str, patch: &str) -> Result<String, Stale> {
    let mut document = holding(document);
    match document.take(&update(patch, None)) {
        Change::Value(_) => Ok(document.text().unwrap()),
        Change::Error | Change::Stale => Err(document.stale().unwrap().clone()),
    }
}

#[test]
fn each_operation_does_what_its_section_says() {
    for (document, patch, due) in [
        (r#"{"a":1}"#, r#"[{"op":"add","path":"/b","value":2}]"#, r#"{"a":1,"b":2}"#),
        ("[1,3]", r#"[{"op":"add","path":"/1","value":2}]"#, "[1,2,3]"),
        ("[1]", r#"[{"op":"add","path":"/-","value":[2]}]"#, "[1,[2]]"),
        ("[1]", r#"[{"op":"add","path":"/1","value":2}]"#, "[1,2]"),
        ("1", r#"[{"op":"add","path":"","value":{}}]"#, "{}"),
        (r#"{"a":1}"#, r#"[{"op":"add","path":"/a","value":null}]"#, r#"{"a":null}"#),
        (r#"{"a":1,"b":2}"#, r#"[{"op":"remove","path":"/a"}]"#, r#"{"b":2}"#),
        ("[1,2,3]", r#"[{"op":"remove","path":"/1"}]"#, "[1,3]"),
        ("[1,2]", r#"[{"op":"replace","path":"/0","value":9}]"#, "[9,2]"),
        (
            r#"{"a":{"b":1},"c":{}}"#,
            r#"[{"op":"move","from":"/a/b","path":"/c/d"}]"#,
            r#"{"a":{},"c":{"d":1}}"#,
        ),
        ("[1,2,3]", r#"[{"op":"move","from":"/0","path":"/2"}]"#, "[2,3,1]"),
        (r#"{"a":[1]}"#, r#"[{"op":"move","from":"/a/0","path":"/a"}]"#, r#"{"a":1}"#),
        (r#"{"a":1}"#, r#"[{"op":"move","from":"/a","path":"/a"}]"#, r#"{"a":1}"#),
        (r#"{"a":[1]}"#, r#"[{"op":"copy","from":"/a","path":"/a/0"}]"#, r#"{"a":[[1],1]}"#),
        (
            r#"{"a":1.0,"b":[true]}"#,
            r#"[{"op":"test","path":"/a","value":1},{"op":"test","path":"/b","value":[true]}]"#,
            r#"{"a":1.0,"b":[true]}"#,
        ),
        (
            r#"{"a/b":1,"~":2}"#,
            r#"[{"op":"replace","path":"/a~1b","value":3},{"op":"remove","path":"/~0"}]"#,
            r#"{"a/b":3}"#,
        ),
        (r#"{"":1}"#, r#"[{"op":"replace","path":"/","value":2}]"#, r#"{"":2}"#),
        (
            "[1]",
            r#"[{"op":"replace","path":"/0","value":12345678901234567890.10}]"#,
            "[12345678901234567890.10]",
        ),
        ("1", "[]", "1"),
        ("1", r#"[{"op":"test","path":"","value":1,"comment":"ignored"}]"#, "1"),
    ] {
        assert_eq!(patched(document, patch).as_deref(), Ok(due), "{patch}");
    }
}

#[test]
fn a_patch_that_fails_changes_nothing_and_says_where() {
    let document = r#"{"a":[1,{"b":2}],"c":"x"}"#;
    // Each is preceded by one of each kind that succeeds, which is to be taken back.
    let before = r#"{"op":"add","path":"/a/0","value":0},{"op":"remove","path":"/a/2/b"},
        {"op":"replace","path":"/c","value":[1]},{"op":"move","from":"/a/2","path":"/m"},
        {"op":"copy","from":"/a","path":"/c/-"},{"op":"add","path":"","value":{"n":[]}}"#;
    type Due = fn(usize) -> PatchError;
    let malformed: Due = |operation| PatchError::Malformed { operation };
    let no_place: Due = |operation| PatchError::NoSuchPlace { operation };
    let test_failed: Due = |operation| PatchError::TestFailed { operation };
    for (operation, due) in [
        (r#"{"op":"test","path":"/n","value":1}"#, test_failed),
        (r#"{"op":"test","path":"/x","value":1}"#, no_place),
        (r#"{"op":"remove","path":"/x"}"#, no_place),
        (r#"{"op":"remove","path":""}"#, no_place),
        (r#"{"op":"remove","path":"/n/-"}"#, no_place),
        (r#"{"op":"replace","path":"/n/0","value":1}"#, no_place),
        (r#"{"op":"add","path":"/n/1","value":1}"#, no_place),
        (r#"{"op":"add","path":"/n/01","value":1}"#, no_place),
        (r#"{"op":"add","path":"/x/y","value":1}"#, no_place),
        (r#"{"op":"move","from":"/n","path":"/n/0"}"#, no_place),
        (r#"{"op":"move","from":"/n","path":"/x/y"}"#, no_place),
        (r#"{"op":"copy","from":"/x","path":"/y"}"#, no_place),
        (r#"{"op":"add","path":"/x"}"#, malformed),
        (r#"{"op":"add","path":"x","value":1}"#, malformed),
        (r#"{"op":"move","path":"/x"}"#, malformed),
        (r#"{"op":"other","path":"/n"}"#, malformed),
        (r#"{"path":"/n"}"#, malformed),
        ("1", malformed),
    ] {
        let mut held = holding(document);
        let patch = format!("[{before},{operation}]");
        assert_eq!(held.take(&update(&patch, None)), Change::Stale, "{operation}");
        assert_eq!(held.text().as_deref(), Some(document), "{operation}");
        assert_eq!(held.stale(), Some(&Stale::Patch(due(6))), "{operation}");
    }
}

#[test]
fn what_changed_is_told_by_its_pointers() {
    let mut document = holding(r#"{"a":1,"b":{"c":2}}"#);
    let patch = r#"[{"op":"test","path":"/a","value":1},{"op":"move","from":"/a","path":"/d"},{"op":"remove","path":"/b/c"}]"#;
    let Change::Value(paths) = document.take(&update(patch, None)) else { panic!() };
    assert_eq!(paths, ["/a", "/d", "/b/c"]);
    let full = update(r#"{"b":{"c":3},"d":1}"#, Some("FULL_DATA"));
    assert_eq!(document.take(&full), Change::Value(vec!["/b/c".into()]));
    assert_eq!(document.take(&full), Change::Value(Vec::new()));
}

/// The places that a patch of one document changes.
fn changed(document: &str, patch: &str) -> Vec<String> {
    match holding(document).take(&update(patch, None)) {
        Change::Value(places) => places,
        other => panic!("{patch}: {other:?}"),
    }
}

#[test]
fn an_element_at_an_array_s_end_is_told_by_its_index_and_any_other_by_the_array() {
    for (patch, due) in [
        (r#"[{"op":"add","path":"/l/-","value":2}]"#, "/l/2"),
        (r#"[{"op":"add","path":"/l/2","value":2}]"#, "/l/2"),
        (r#"[{"op":"add","path":"/l/0","value":2}]"#, "/l"),
        (r#"[{"op":"add","path":"/l/1","value":2}]"#, "/l"),
        (r#"[{"op":"remove","path":"/l/1"}]"#, "/l/1"),
        (r#"[{"op":"remove","path":"/l/0"}]"#, "/l"),
        (r#"[{"op":"replace","path":"/l/0","value":2}]"#, "/l/0"),
        (r#"[{"op":"copy","from":"/-","path":"/l/-"}]"#, "/l/2"),
        (r#"[{"op":"copy","from":"/-","path":"/l/0"}]"#, "/l"),
        (r#"[{"op":"move","from":"/l/0","path":"/l/1"}]"#, "/l"),
        (r#"[{"op":"move","from":"/l/1","path":"/l/-"}]"#, "/l/1"),
        (r#"[{"op":"move","from":"/l/1","path":"/l/0"}]"#, "/l"),
        (r#"[{"op":"move","from":"/l/1","path":"/n"}]"#, "/l/1 /n"),
        (r#"[{"op":"move","from":"/l/0","path":"/n"}]"#, "/l /n"),
        (r#"[{"op":"move","from":"/-","path":"/l/-"}]"#, "/- /l/2"),
        (r#"[{"op":"move","from":"/-","path":"/l/0"}]"#, "/- /l"),
    ] {
        let places = changed(r#"{"l":[[0],1],"-":3}"#, patch);
        assert_eq!(places.join(" "), due, "{patch}");
    }
    assert_eq!(changed("[1,2]", r#"[{"op":"remove","path":"/0"}]"#), [""]);
    // An element that was added at the end, and moves with those before it.
    let both = r#"[{"op":"add","path":"/l/-","value":2},{"op":"add","path":"/l/0","value":0}]"#;
    assert_eq!(changed(r#"{"l":[1]}"#, both), ["/l"]);
}

#[test]
fn places_that_are_too_many_or_too_long_are_all_of_the_document() {
    let numbers = |n: usize, number| format!("[{}]", vec![number; n].join(","));
    let of_both = |old: &str, new: &str| match holding(old).take(&update(new, Some("FULL_DATA"))) {
        Change::Value(places) => places,
        other => panic!("{other:?}"),
    };
    let places = of_both(&numbers(10_000, "0"), &numbers(10_000, "1"));
    assert_eq!((places.len(), &*places[9_999]), (10_000, "/9999"));
    assert_eq!(of_both(&numbers(10_001, "0"), &numbers(10_001, "1")), [""]);

    let name = "k".repeat(300_000);
    let under = |array: String| format!(r#"{{"{name}":{array},"z":0}}"#);
    assert_eq!(of_both(&under(numbers(3, "0")), &under(numbers(3, "1"))).len(), 3);
    assert_eq!(of_both(&under(numbers(4, "0")), &under(numbers(4, "1"))), [""]);

    let add = |n: usize| format!(r#"{{"op":"add","path":"/{name}/{n}","value":1}}"#);
    let patch = |n: usize| format!("[{}]", (0..n).map(add).collect::<Vec<_>>().join(","));
    assert_eq!(changed(&under("[]".into()), &patch(3)).len(), 3);
    assert_eq!(changed(&under("[]".into()), &patch(4)), [""]);
}

#[test]
fn the_limit_counts_names_as_they_are_written() {
    let limits = DocumentLimits::default().bytes(100);
    let text = format!(r#"{{"{}":1}}"#, "\\u0001".repeat(16));
    let mut document = holding(&text).limits(limits);
    assert_eq!(document.text().as_deref(), Some(&*text));
    assert!(text.len() > 100);
    document.take(&update(&text, Some("FULL_DATA")));
    assert!(matches!(document.stale(), Some(Stale::Limit(_))), "{:?}", document.stale());

    let mut document = holding(r#"{"\n\n\n\n\n\n\n\n":1}"#).limits(limits);
    document.take(&update(r#"[{"op":"copy","from":"","path":"/a"}]"#, None));
    let Some(Stale::Patch(PatchError::Limit(_))) = document.stale() else {
        panic!("{:?}", document.text().map(|text| text.len()))
    };
}

#[test]
fn a_stale_document_says_so_until_full_data_has_come() {
    let mut document = Document::new(PayloadMode::JsonPatch);
    let patch = update(r#"[{"op":"add","path":"","value":1}]"#, None);
    assert_eq!(document.take(&patch), Change::Stale);
    assert_eq!(document.stale(), Some(&Stale::NoBase));
    assert!(document.wants_snapshot());
    assert!(!document.wants_snapshot(), "it asks once");
    document.take(&patch);
    assert!(!document.wants_snapshot());
    document.take(&update("7", Some("FULL_DATA")));
    assert_eq!((document.stale(), document.text().as_deref()), (None, Some("7")));
    document.skipped();
    assert_eq!(document.stale(), Some(&Stale::Skipped));
    assert!(document.wants_snapshot());
    assert_eq!(document.take(&patch), Change::Stale, "a patch does not heal");
    assert_eq!(document.text().as_deref(), Some("7"), "the last value stays");
}

#[test]
fn an_error_event_leaves_the_value_and_marks_it_until_the_next_update() {
    let mut document = holding("7");
    assert_eq!(document.take(&error()), Change::Error);
    assert_eq!((document.text().as_deref(), document.error().is_some()), (Some("7"), true));
    document.take(&update(r#"[{"op":"replace","path":"","value":8}]"#, None));
    assert!(document.error().is_none());
}

#[test]
fn a_mode_that_is_not_known_is_never_guessed() {
    let mut document = holding("7");
    assert_eq!(document.take(&update("[]", Some("MERGE_PATCH"))), Change::Stale);
    assert!(matches!(document.stale(), Some(Stale::Unknown { .. })));
}

#[test]
fn a_patch_that_would_double_a_document_again_and_again_is_refused_before_it_does() {
    let doubling = r#"{"op":"copy","from":"","path":"/-"},"#.repeat(40);
    let patch = format!("[{}]", doubling.trim_end_matches(','));
    let mut document = holding(r#"["0123456789"]"#).limits(DocumentLimits::default().bytes(10_000));
    document.take(&update(&patch, None));
    let Some(Stale::Patch(PatchError::Limit(error))) = document.stale() else { panic!() };
    assert_eq!((error.limit(), error.maximum()), ("the document's size", 10_000));
    assert_eq!(document.text().as_deref(), Some(r#"["0123456789"]"#));
}

#[test]
fn depth_operations_and_work_have_limits() {
    let limits = DocumentLimits::default().levels(3).operations(50).bytes(1_000);
    let limit = |document: &str, patch: &str| {
        let mut document = holding(document).limits(limits);
        document.take(&update(patch, None));
        match document.stale() {
            Some(Stale::Patch(PatchError::Limit(error))) => error.limit(),
            other => panic!("{other:?}"),
        }
    };
    let deep = r#"[{"op":"add","path":"/0/0","value":[[1]]}]"#;
    assert_eq!(limit("[[]]", deep), "the document's depth");
    let many = format!("[{}]", vec![r#"{"op":"test","path":"","value":1}"#; 51].join(","));
    assert_eq!(limit("1", &many), "the operations of a patch");
    let work = DocumentLimits::default().bytes(200_000);
    let text = format!("[\"{}\",0]", "x".repeat(150_000));
    let moves = r#"{"op":"move","from":"/0","path":"/1"},{"op":"move","from":"/1","path":"/0"},"#;
    let patch = format!("[{}]", moves.repeat(20).trim_end_matches(','));
    let mut document = holding(&text).limits(work);
    document.take(&update(&patch, None));
    let Some(Stale::Patch(PatchError::Limit(error))) = document.stale() else { panic!() };
    assert_eq!(error.limit(), "the work of a patch");
    assert_eq!(document.text().as_deref(), Some(&*text));
}

/// What a patch comes to in a document of 1 MiB at the most.
fn limit_of(document: &str, patch: &str) -> &'static str {
    let mut held = holding(document).limits(DocumentLimits::default().bytes(1 << 20));
    held.take(&update(patch, None));
    assert!(held.text().as_deref() == Some(document), "it is another document");
    match held.stale() {
        Some(Stale::Patch(PatchError::Limit(error))) => error.limit(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_test_of_a_long_number_is_work_however_short_the_value_is() {
    let document = format!("[1.{}]", "0".repeat(900_000));
    let patch = vec![r#"{"op":"test","path":"/0","value":1}"#; 100].join(",");
    assert_eq!(limit_of(&document, &format!("[{patch}]")), "the work of a patch");
}

#[test]
fn what_a_patch_takes_away_is_kept_to_put_it_back_and_has_a_limit() {
    let document = format!(r#"{{"a":0,"s":[{}0]}}"#, "0,".repeat(220_000));
    let copies = r#"{"op":"copy","from":"/s","path":"/a"},{"op":"replace","path":"/a","value":0}"#;
    let patch = vec![copies; 16].join(",");
    assert_eq!(limit_of(&document, &format!("[{patch}]")), "what a patch takes away");
}

#[test]
fn a_value_is_read_at_a_pointer_and_as_a_type() {
    let document = holding(r#"{"a":[{"b":9007199254740993}]}"#);
    assert_eq!(document.at("/a/0/b").as_deref(), Some("9007199254740993"));
    assert_eq!(document.at("/a/1"), None);
    let parsed: serde_json::Value = document.parse().unwrap().unwrap();
    assert_eq!(parsed["a"][0]["b"], 9_007_199_254_740_993_u64);
}

fn told(continuity: Continuity) -> Event {
    Event::Continuity(continuity)
}

fn item(event: StreamEvent) -> Event {
    Event::Item(Item::Event(event))
}

fn gap(why: GapReason) -> Event {
    told(Continuity::Gap { from: None, to: None, why })
}

#[test]
fn a_patch_that_comes_again_changes_nothing_though_it_fits() {
    let mut document = holding("[1]");
    let patch = item(update(r#"[{"op":"add","path":"/-","value":2}]"#, None));
    document.take_event(&told(Continuity::Live));
    document.take_event(&patch);
    document.take_event(&told(Continuity::Repeated));
    assert_eq!(document.take_event(&patch), Change::Value(Vec::new()));
    assert_eq!(document.text().as_deref(), Some("[1,2]"));
    document.take_event(&told(Continuity::Live));
    document.take_event(&patch);
    assert_eq!(document.text().as_deref(), Some("[1,2,2]"));
}

#[test]
fn a_gap_makes_it_stale_unless_full_data_follows() {
    for (why, due) in [
        (GapReason::WentBack, Change::Stale),
        (GapReason::NoPosition, Change::Stale),
        (GapReason::Refused, Change::Stale),
        (GapReason::Snapshot, Change::Value(Vec::new())),
    ] {
        let mut document = holding("[1]");
        assert_eq!(document.take_event(&gap(why)), due, "{why}");
        let asks = matches!(why, GapReason::WentBack | GapReason::NoPosition);
        assert_eq!(document.wants_snapshot(), asks, "{why}: or full data is on its way");
        document.take_event(&item(update("[2]", Some("FULL_DATA"))));
        assert_eq!((document.stale(), document.text().as_deref()), (None, Some("[2]")));
    }
}

#[test]
fn an_error_behind_a_refused_position_heals_nothing() {
    let mut document = holding("[1]");
    document.take_event(&gap(GapReason::Refused));
    document.take_event(&item(error()));
    assert_eq!(document.stale(), Some(&Stale::Skipped));
}

#[test]
fn a_rejected_event_makes_full_data_stale_until_the_next() {
    let mut document = Document::new(PayloadMode::FullData);
    document.take(&update("[1]", None));
    assert_eq!(document.take_item(&rejected()), Change::Stale);
    assert!(!document.wants_snapshot(), "the next update has all");
    assert_eq!(document.stale(), Some(&Stale::Rejected));
    document.take(&update("[2]", None));
    assert_eq!((document.stale(), document.text().as_deref()), (None, Some("[2]")));
}

#[test]
fn a_connection_that_did_not_heal_it_is_followed_by_another() {
    let opened = || {
        let opened =
            crate::subscription::Opened { cursor: None, request_id: None, subprotocol: None };
        Event::Opened(opened)
    };
    let patch = item(update(r#"[{"op":"remove","path":"/x"}]"#, None));
    let mut document = holding("[1]");
    document.take_event(&patch);
    assert!(document.wants_snapshot());
    for _ in 0..2 {
        document.take_event(&opened());
        document.take_event(&patch);
        assert!(document.wants_snapshot(), "the connection brought no full data");
        document.take_event(&patch);
        assert!(!document.wants_snapshot(), "once a connection");
    }
}
