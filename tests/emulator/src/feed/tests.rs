use super::*;

fn feed(mode: PayloadMode, ring: usize) -> Arc<Feed> {
    let form = Form { mode, signer: None };
    Feed::new("stream_1".to_owned(), ring, form, Arc::new(Signal::default()))
}

fn put(feed: &Feed, data: &str) -> i64 {
    feed.update(data, Attempt::default(), false).expect("JSON").expect("an event")
}

fn take(subscription: &mut Subscription) -> serde_json::Value {
    let Read::Event(frame) = subscription.read(Transport::Sse) else { panic!("nothing to read") };
    let frame = String::from_utf8(frame.to_vec()).expect("UTF-8");
    let data = frame.lines().filter_map(|line| line.strip_prefix("data: "));
    serde_json::from_str(&data.collect::<Vec<_>>().join("\n")).expect("JSON")
}

#[test]
fn ids_rise_within_one_millisecond() {
    let feed = feed(PayloadMode::FullData, 1000);
    let ids: Vec<_> = (0..500).map(|_| put(&feed, "1")).collect();
    assert!(ids.is_sorted_by(|a, b| a < b));
}

#[test]
fn cursor_starts_at_the_next_event() {
    let feed = feed(PayloadMode::FullData, 10);
    let ids: Vec<_> = (0..5).map(|n| put(&feed, &n.to_string())).collect();
    let mut reader = feed.subscribe(Start::Cursor(ids[2]));
    assert_eq!(take(&mut reader)["data"], 3);
    assert_eq!(take(&mut reader)["data"], 4);
    assert!(matches!(reader.read(Transport::Sse), Read::Nothing));
}

#[test]
fn without_a_cursor_the_latest_update_comes_and_then_what_is_new() {
    let feed = feed(PayloadMode::FullData, 10);
    put(&feed, "1");
    put(&feed, "2");
    let mut reader = feed.subscribe(Start::Latest);
    assert_eq!(take(&mut reader)["data"], 2);
    assert!(matches!(reader.read(Transport::Sse), Read::Nothing));
    put(&feed, "3");
    assert_eq!(take(&mut reader)["data"], 3);
}

#[test]
fn without_a_cursor_and_without_an_event_nothing_comes() {
    let feed = feed(PayloadMode::FullData, 10);
    let mut reader = feed.subscribe(Start::Latest);
    assert!(matches!(reader.read(Transport::Sse), Read::Nothing));
    put(&feed, "1");
    assert_eq!(take(&mut reader)["data"], 1);
}

#[test]
fn without_a_cursor_an_error_comes_behind_the_update_before_it() {
    let feed = feed(PayloadMode::FullData, 10);
    feed.error("A", "m", Attempt::default(), true).expect("an event");
    put(&feed, "1");
    feed.error("B", "m", Attempt::default(), true).expect("an event");
    let mut reader = feed.subscribe(Start::Latest);
    assert_eq!(take(&mut reader)["data"], 1);
    assert_eq!(take(&mut reader)["error"]["code"], "B");
}

#[test]
fn without_a_cursor_and_without_an_update_the_latest_error_comes() {
    let feed = feed(PayloadMode::FullData, 10);
    for code in ["A", "B"] {
        feed.error(code, "m", Attempt::default(), true).expect("an event");
    }
    let mut reader = feed.subscribe(Start::Latest);
    assert_eq!(take(&mut reader)["error"]["code"], "B");
}

#[test]
fn without_a_cursor_full_data_comes_before_the_first_patch() {
    let feed = feed(PayloadMode::JsonPatch, 10);
    put(&feed, r#"{"n":1}"#);
    put(&feed, r#"{"n":2}"#);
    let mut reader = feed.subscribe(Start::Latest);
    let first = take(&mut reader);
    assert_eq!(first["data"], serde_json::json!({"n":2}));
    assert_eq!(first["meta"]["payload_mode_fallback"], "FULL_DATA");
    put(&feed, r#"{"n":3}"#);
    assert_eq!(take(&mut reader)["data"][0]["op"], "replace");
}

#[test]
fn cursor_older_than_the_ring_resumes_at_the_oldest_event() {
    let feed = feed(PayloadMode::FullData, 2);
    let first = put(&feed, "1");
    for n in 2..=4 {
        put(&feed, &n.to_string());
    }
    let mut reader = feed.subscribe(Start::Cursor(first));
    assert_eq!(take(&mut reader)["data"], 3);
}

#[test]
fn reader_that_the_ring_overtook_goes_on_with_full_data() {
    let feed = feed(PayloadMode::JsonPatch, 2);
    put(&feed, "[1]");
    let mut reader = feed.subscribe(Start::Since(0));
    take(&mut reader);
    for n in 2..=4 {
        put(&feed, &format!("[{n}]"));
    }
    let event = take(&mut reader);
    assert_eq!(event["data"], serde_json::json!([3]));
    assert_eq!(event["meta"]["payload_mode_fallback"], "FULL_DATA");
}

#[test]
fn patch_goes_to_who_has_the_base() {
    let feed = feed(PayloadMode::JsonPatch, 10);
    let first = put(&feed, r#"{"n":1}"#);
    put(&feed, r#"{"n":2}"#);
    let event = take(&mut feed.subscribe(Start::Cursor(first)));
    assert_eq!(event["data"][0]["op"], "replace");
    assert_eq!(event["meta"]["payload_mode_fallback"], serde_json::Value::Null);
}

#[test]
fn since_holds_no_base() {
    let feed = feed(PayloadMode::JsonPatch, 10);
    let first = put(&feed, r#"{"n":1}"#);
    put(&feed, r#"{"n":2}"#);
    let event = take(&mut feed.subscribe(Start::Since(first)));
    assert_eq!(event["data"]["n"], 2);
    assert_eq!(event["meta"]["payload_mode_fallback"], "FULL_DATA");
}

#[test]
fn error_between_updates_does_not_break_the_chain_of_patches() {
    let feed = feed(PayloadMode::JsonPatch, 10);
    let mut reader = feed.subscribe(Start::Latest);
    put(&feed, "[1]");
    feed.error("C", "m", Attempt::default(), true).expect("an event");
    put(&feed, "[2]");
    take(&mut reader);
    take(&mut reader);
    assert_eq!(take(&mut reader)["data"][0]["value"], 2);
}

#[test]
fn cursor_of_an_error_holds_no_base() {
    // Its owner may have subscribed after the document and before the error.
    let feed = feed(PayloadMode::JsonPatch, 10);
    let document = put(&feed, "[1]");
    let error = feed.error("C", "m", Attempt::default(), true).expect("an event");
    let mut reader = feed.subscribe(Start::Since(document));
    assert_eq!(take(&mut reader)["type"], "error");
    drop(reader);
    put(&feed, "[2]");
    let event = take(&mut feed.subscribe(Start::Cursor(error)));
    assert_eq!(event["data"], serde_json::json!([2]));
    assert_eq!(event["meta"]["payload_mode_fallback"], "FULL_DATA");
}

#[test]
fn same_data_after_an_error_is_an_event() {
    let feed = feed(PayloadMode::JsonPatch, 10);
    let poll = || feed.update("[1]", Attempt::default(), true).expect("JSON");
    let mut reader = feed.subscribe(Start::Latest);
    assert!(poll().is_some());
    feed.error("C", "m", Attempt::default(), true).expect("an event");
    assert!(poll().is_some());
    assert!(poll().is_none());
    take(&mut reader);
    take(&mut reader);
    // A patch that changes nothing.
    assert_eq!(take(&mut reader)["data"], serde_json::json!([]));
}

#[test]
fn same_data_is_no_event_when_polled() {
    let feed = feed(PayloadMode::FullData, 10);
    let poll = |data| feed.update(data, Attempt::default(), true).expect("JSON");
    assert!(poll(r#"{"a":1,"b":2}"#).is_some());
    assert!(poll(r#"{ "b": 2, "a": 1 }"#).is_none());
    assert!(poll(r#"{"a":1,"b":3}"#).is_some());
}

#[test]
fn error_that_lasts_is_one_event() {
    let feed = feed(PayloadMode::FullData, 10);
    assert!(feed.error("C", "m", Attempt::default(), true).is_some());
    assert!(feed.error("C", "m", Attempt::default(), true).is_none());
    assert!(feed.error("C", "other", Attempt::default(), true).is_some());
}

#[test]
fn closed_feed_ends_after_its_last_event() {
    let feed = feed(PayloadMode::FullData, 10);
    put(&feed, "1");
    feed.close();
    let mut reader = feed.subscribe(Start::Since(0));
    take(&mut reader);
    assert!(matches!(reader.read(Transport::Sse), Read::Closed));
}
