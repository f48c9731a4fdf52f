//! The REST API.

mod common;

use common::{call, exchange, quiet_stream, quiet_stream_with, subscribe};
use restless_emulator::Emulator;
use serde_json::{Value, json};

fn start() -> Emulator {
    Emulator::start().expect("an emulator")
}

/// A create call's body with `fields` over the required ones.
fn create(emulator: &Emulator, fields: Value) -> common::Response {
    let mut body = json!({"name":"Orders","url":"http://127.0.0.1:9/","status":"INACTIVE"});
    body.as_object_mut().expect("object").extend(fields.as_object().expect("object").clone());
    call(emulator, "POST", "/streams", &body.to_string())
}

#[test]
fn created_stream_has_its_fields_and_the_defaults() {
    let emulator = start();
    let response = create(&emulator, json!({"description":"d","apiKey":emulator.api_key()}));
    assert_eq!(response.status, 201);
    let stream = response.json();
    let id = stream["id"].as_str().expect("id");
    assert!(id.starts_with("stream_"));
    let base = emulator.stream_base_url();
    for (field, value) in [
        ("name", json!("Orders")),
        ("description", json!("d")),
        ("status", json!("INACTIVE")),
        ("method", json!("GET")),
        ("payloadMode", json!("FULL_DATA")),
        ("hmacSignatureEnabled", json!(false)),
        ("pollingInterval", json!(60)),
        ("jqFilter", json!(null)),
        ("sseUrl", json!(format!("{base}?streamId={id}"))),
        ("wsUrl", json!(format!("{}/ws?streamId={id}", base.replace("http", "ws")))),
    ] {
        assert_eq!(stream[field], value, "{field}");
    }
    assert_eq!(stream.get("apiKey"), None);
}

#[test]
fn stream_without_a_status_is_active() {
    let emulator = start();
    let body = r#"{"name":"Orders","url":"https://api.example.com/orders","status":null}"#;
    assert_eq!(call(&emulator, "POST", "/streams", body).json()["status"], "ACTIVE");
}

#[test]
fn headers_and_body_come_back_as_they_were_given() {
    let emulator = start();
    let body = r#"{"name":"n","url":"http://127.0.0.1:9/","status":"INACTIVE","method":"POST","headers":{"X-Order_Id":"1","n":2},"body":{"order_id":1.0,"big":123456789012345678901234567890,"b":[ 1 ]}}"#;
    let text = call(&emulator, "POST", "/streams", body).text();
    assert!(text.contains(r#""headers":{"X-Order_Id":"1","n":2}"#), "{text}");
    assert!(
        text.contains(r#""body":{"order_id":1.0,"big":123456789012345678901234567890,"b":[ 1 ]}"#),
        "{text}"
    );
}

#[test]
fn unknown_fields_are_kept() {
    let emulator = start();
    let id = create(&emulator, json!({"newField":{"a_b":[1]}})).json()["id"].clone();
    let id = id.as_str().expect("id");
    let stream = call(&emulator, "GET", &format!("/streams/{id}"), "").json();
    assert_eq!(stream["newField"], json!({"a_b":[1]}));
}

#[test]
fn the_services_own_fields_are_not_the_callers_to_set() {
    let emulator = start();
    let stream = create(&emulator, json!({"id":"mine","sseUrl":"http://example.com"})).json();
    assert_ne!(stream["id"], "mine");
    assert_ne!(stream["sseUrl"], "http://example.com");
}

#[test]
fn wrong_create_body_is_400_with_a_message() {
    let emulator = start();
    for (fields, message) in [
        (json!({"name":null}), "name is required"),
        (json!({"name":1}), "name must be a string"),
        (json!({"url":null}), "url is required"),
        (json!({"url":"orders"}), "url must be an http or https URL"),
        (json!({"url":"ftp://x/"}), "url must be an http or https URL"),
        (json!({"status":"ON"}), "status must be ACTIVE or INACTIVE"),
        (json!({"method":"FETCH"}), "method must be GET, POST, PUT, PATCH, DELETE or OPTIONS"),
        (json!({"payloadMode":"DIFF"}), "payloadMode must be FULL_DATA or JSON_PATCH"),
        (json!({"pollingInterval":0}), "pollingInterval must be between 1 and 86400 seconds"),
        (json!({"pollingInterval":1.5}), "pollingInterval must be a whole number of seconds"),
        (json!({"pollingInterval":"30"}), "pollingInterval must be a whole number of seconds"),
        (json!({"hmacSignatureEnabled":1}), "hmacSignatureEnabled must be a boolean"),
        (json!({"headers":[]}), "headers must be an object"),
        (json!({"headers":{"a":{}}}), "header a must be a string"),
        (json!({"headers":{"a":"b\r\nc: d"}}), "header a has a value that can't be sent"),
        (
            json!({"pollingStrategies":[{"startTime":"a","endTime":"b","intervalSeconds":1}]}),
            "startTime and endTime must be HH:MM or HH:MM:SS",
        ),
    ] {
        let response = create(&emulator, fields.clone());
        assert_eq!(response.status, 400, "{fields}");
        assert_eq!(response.message(), message, "{fields}");
    }
}

#[test]
fn bad_jq_filter_is_400() {
    let emulator = start();
    let response = create(&emulator, json!({"jqFilter":".a |"}));
    assert_eq!(response.status, 400);
    assert!(response.message().starts_with("jqFilter is not a jq filter: "));
}

#[test]
fn filter_that_meets_a_difference_from_jq_is_warned_of() {
    let emulator = start();
    let warned = |response: &common::Response| {
        response.header("x-emulator-warning").is_some_and(|text| text.contains("`join`"))
    };
    let created = create(&emulator, json!({"jqFilter":".tags | join(\",\")"}));
    assert_eq!(created.status, 201);
    assert!(warned(&created), "{created:?}");
    let id = created.json()["id"].as_str().expect("an id").to_owned();
    let path = format!("/streams/{id}");
    assert!(warned(&call(&emulator, "GET", &path, "")));
    let direct = json!({"url":"http://127.0.0.1:9/","jqFilter":"join(\"-\")"}).to_string();
    for call_path in ["/streams/direct/setup", "/streams/direct/sessions"] {
        assert!(warned(&call(&emulator, "POST", call_path, &direct)), "{call_path}");
    }
    for filter in ["\".tags\"", "null"] {
        call(&emulator, "PATCH", &path, r#"{"jqFilter":"join(\"-\")"}"#);
        let updated = call(&emulator, "PATCH", &path, &format!(r#"{{"jqFilter":{filter}}}"#));
        assert_eq!((updated.status, warned(&updated)), (200, false), "{filter}");
    }
}

#[test]
fn body_that_is_no_json_object_is_400() {
    let emulator = start();
    for body in ["{", "[]", "1", "\"a\""] {
        let response = call(&emulator, "POST", "/streams", body);
        assert_eq!(response.status, 400, "{body}");
        assert!(response.message().starts_with("body must be"), "{body}");
    }
}

#[test]
fn body_over_the_limit_is_413() {
    let emulator = start();
    let body = format!(r#"{{"name":"{}"}}"#, "x".repeat(1024 * 1024));
    assert_eq!(call(&emulator, "POST", "/streams", &body).status, 413);
}

#[test]
fn missing_or_wrong_key_is_401() {
    let emulator = start();
    for headers in ["", "x-api-key: rs_other\r\n", "authorization: Bearer rs_0123456789abcdef\r\n"]
    {
        let response = exchange(&emulator, "GET", "/streams", headers, "").expect("a response");
        assert_eq!(response.status, 401, "{headers}");
        assert_eq!(response.message(), "Invalid or missing API key");
    }
}

#[test]
fn wrong_key_in_the_body_is_401() {
    let emulator = start();
    assert_eq!(create(&emulator, json!({"apiKey":"rs_other"})).status, 401);
}

#[test]
fn every_response_has_a_request_id_of_its_own() {
    let emulator = start();
    let id = |target| {
        call(&emulator, "GET", target, "").header("x-request-id").expect("an id").to_owned()
    };
    assert_ne!(id("/streams"), id("/streams/none"));
}

#[test]
fn unknown_stream_is_404_for_every_call() {
    let emulator = start();
    for (method, target) in [
        ("GET", "/streams/none"),
        ("PATCH", "/streams/none"),
        ("DELETE", "/streams/none"),
        ("POST", "/streams/none/start"),
        ("POST", "/streams/none/stop"),
        ("GET", "/streams/none/credit-usage-stats"),
    ] {
        let response = call(&emulator, method, target, "");
        assert_eq!((response.status, response.message()), (404, "Stream not found".to_owned()));
    }
}

#[test]
fn unknown_path_is_404_and_unknown_method_405() {
    let emulator = start();
    assert_eq!(call(&emulator, "GET", "/nothing", "").status, 404);
    let response = call(&emulator, "PUT", "/streams", "");
    assert_eq!(response.status, 405);
    assert_eq!(response.header("allow"), Some("GET, POST"));
}

#[test]
fn encoded_slash_stays_in_its_segment() {
    let emulator = start();
    let id = quiet_stream(&emulator);
    let response = call(&emulator, "DELETE", &format!("/streams/other%2F..%2F{id}"), "");
    assert_eq!(response.status, 404);
    assert_eq!(call(&emulator, "GET", &format!("/streams/{id}"), "").status, 200);
}

#[test]
fn list_is_paged_in_the_order_of_creation() {
    let emulator = start();
    let ids: Vec<_> = (0..3).map(|_| quiet_stream(&emulator)).collect();
    let page = |query: &str| {
        let page = call(&emulator, "GET", &format!("/streams{query}"), "").json();
        let streams = page["streams"].as_array().expect("streams").clone();
        let ids: Vec<_> =
            streams.iter().map(|stream| stream["id"].as_str().expect("id").to_owned()).collect();
        (ids, page["paginationInfo"]["hasNextPage"].as_bool().expect("hasNextPage"))
    };
    assert_eq!(page(""), (ids.clone(), false));
    assert_eq!(page("?limit=2&offset=0"), (ids[..2].to_vec(), true));
    assert_eq!(page("?limit=2&offset=2"), (ids[2..].to_vec(), false));
    assert_eq!(page("?limit=0&offset=0"), (vec![], true));
    assert_eq!(page("?limit=20&offset=18446744073709551615"), (vec![], false));
}

#[test]
fn limit_that_is_no_number_is_400() {
    let emulator = start();
    assert_eq!(call(&emulator, "GET", "/streams?limit=-1", "").status, 400);
}

#[test]
fn update_changes_what_it_names_and_null_clears() {
    let emulator = start();
    let id = quiet_stream_with(&emulator, r#","description":"d","jqFilter":".a""#);
    let target = format!("/streams/{id}");
    let stream = call(&emulator, "PATCH", &target, r#"{"name":"Other","jqFilter":null}"#).json();
    assert_eq!(stream["name"], "Other");
    assert_eq!(stream["jqFilter"], Value::Null);
    assert_eq!(stream["description"], "d");
    assert_eq!(call(&emulator, "GET", &target, "").json(), stream);
}

#[test]
fn update_that_is_wrong_changes_nothing() {
    let emulator = start();
    let id = quiet_stream(&emulator);
    let target = format!("/streams/{id}");
    let response = call(&emulator, "PATCH", &target, r#"{"name":"Other","pollingInterval":0}"#);
    assert_eq!(response.status, 400);
    assert_eq!(call(&emulator, "GET", &target, "").json()["name"], "Quiet");
}

#[test]
fn null_for_a_required_field_is_400() {
    let emulator = start();
    let id = quiet_stream(&emulator);
    let response = call(&emulator, "PATCH", &format!("/streams/{id}"), r#"{"url":null}"#);
    assert_eq!((response.status, response.message()), (400, "url must not be null".to_owned()));
}

#[test]
fn start_and_stop_set_the_status() {
    let emulator = start();
    let id = quiet_stream(&emulator);
    let status = |action: &str| {
        call(&emulator, "POST", &format!("/streams/{id}/{action}"), "").json()["status"].clone()
    };
    assert_eq!(status("start"), "ACTIVE");
    assert_eq!(status("stop"), "INACTIVE");
}

#[test]
fn deleted_stream_is_gone_and_its_subscribers_end() {
    let emulator = start();
    let id = quiet_stream(&emulator);
    let mut wire = subscribe(&emulator, &format!("streamId={id}"));
    let response = call(&emulator, "DELETE", &format!("/streams/{id}"), "");
    assert_eq!(response.json(), json!({"id":id,"affected":true}));
    assert_eq!(wire.rest().1, common::Ending::Clean);
    assert_eq!(call(&emulator, "GET", &format!("/streams/{id}"), "").status, 404);
}

#[test]
fn api_key_is_validated_without_one_in_the_header() {
    let emulator = start();
    let affected = |key: &str| {
        let body = json!({ "apiKey": key }).to_string();
        let target = "/streams/validate-api-key";
        let response = exchange(&emulator, "POST", target, "", &body).expect("a response");
        assert_eq!(response.status, 200);
        response.json()["affected"].clone()
    };
    assert_eq!(affected(emulator.api_key()), true);
    assert_eq!(affected("rs_other"), false);
    let body = r#"{"apiKey":null}"#;
    assert_eq!(call(&emulator, "POST", "/streams/validate-api-key", body).status, 400);
}

#[test]
fn credits_count_the_events() {
    let emulator = start();
    let id = quiet_stream(&emulator);
    for n in 0..3 {
        emulator.publish(&id, &n.to_string()).expect("an event");
    }
    let stats = call(&emulator, "GET", &format!("/streams/{id}/credit-usage-stats"), "").json();
    assert_eq!(stats["totalBurnedLastWeek"], 3);
    assert_eq!(stats["totalBurnedLastMonth"], 3);
    let used = |days: &Value| -> u64 {
        days.as_array().expect("days").iter().filter_map(|day| day["creditsUsed"].as_u64()).sum()
    };
    // Two days where the test runs over midnight.
    assert_eq!(used(&stats["dailyUsage"]), 3);
    assert_eq!(stats["dailyUsage"][0]["chargeTypeBreakdown"][0]["chargeType"], "runtime");
}

#[test]
fn connection_snippets_have_urls_that_work_and_no_key() {
    let emulator = start();
    let id = quiet_stream(&emulator);
    let body = json!({"streamId":id,"language":"rust"}).to_string();
    let response = call(&emulator, "POST", "/streams/connection-snippets", &body);
    let reply = response.json();
    assert_eq!(reply["snippets"]["selectedLanguage"], "rust");
    assert_eq!(
        reply["snippets"]["selectedSnippets"],
        reply["snippets"]["snippetsByLanguage"]["rust"]
    );
    let url = reply["runtime"]["sseUrl"].as_str().expect("a URL");
    subscribe(&emulator, url.split_once('?').expect("a query").1);
    assert!(!response.text().contains(emulator.api_key()));
}

#[test]
fn connection_snippets_need_a_stream_and_a_known_language() {
    let emulator = start();
    let id = quiet_stream(&emulator);
    let status = |body: Value| {
        call(&emulator, "POST", "/streams/connection-snippets", &body.to_string()).status
    };
    assert_eq!(status(json!({})), 400);
    assert_eq!(status(json!({"streamId":"none"})), 404);
    assert_eq!(status(json!({"streamId":id,"language":"cobol"})), 400);
}
