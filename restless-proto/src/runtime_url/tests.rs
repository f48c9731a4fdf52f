use super::*;

#[test]
fn other_parameters_stay_as_they_are_spelt() {
    for (url, due) in [
        (
            "https://s.test/a%2Fb?x=%41&b&&c=d+e%20f&cursor=1&x=2&cursor=9#f",
            "https://s.test/a%2Fb?x=%41&b&&c=d+e%20f&cursor=%C3%A9+%2B&x=2#f",
        ),
        ("https://s.test", "https://s.test?cursor=%C3%A9+%2B"),
        ("https://s.test/?#f", "https://s.test/?cursor=%C3%A9+%2B#f"),
        ("https://s.test/?Cursor=1", "https://s.test/?Cursor=1&cursor=%C3%A9+%2B"),
        ("https://s.test/?cursor", "https://s.test/?cursor=%C3%A9+%2B"),
        ("https://s.test/?%63ursor=1", "https://s.test/?cursor=%C3%A9+%2B"),
    ] {
        assert_eq!(set_cursor(url, "é +"), due);
    }
}

#[test]
fn what_is_no_part_of_a_url_comes_into_no_other() {
    for (url, due) in [
        ("https://s.test/ ", "https://s.test/?cursor=2"),
        (" https://s.test/?a=b\n", "https://s.test/?a=b&cursor=2"),
        ("https://s.test/?cur\tsor=1&a=b", "https://s.test/?cursor=2&a=b"),
        ("https://s.test/?a=b #f", "https://s.test/?a=b &cursor=2#f"),
    ] {
        assert_eq!(set_cursor(url, "2"), due);
    }
}

#[test]
fn exactly_one_id_is_due() {
    let built = |stream: &str, session: &str| {
        let url = sse().stream_id(stream).session_id(session).base_url("http://s").build();
        url.map(|url| url.expose().to_owned()).map_err(|error| error.field())
    };
    assert_eq!(built("a", ""), Ok("http://s?streamId=a".to_owned()));
    assert_eq!(built("", "b"), Ok("http://s?sessionId=b".to_owned()));
    assert_eq!(built("", ""), Err("stream_id"));
    assert_eq!(built("a", "b"), Err("stream_id"));
}

#[test]
fn a_base_is_normalized_and_only_its_path_loses_a_slash() {
    for (base, due) in [
        ("HTTPS://u:Pass@S.Test:443/Path//", "https://u:Pass@s.test/Path?streamId=a"),
        ("wss://s.test", "wss://s.test?streamId=a"),
        ("https://s.test?x=/", "https://s.test?x=/&streamId=a"),
        ("https://s.test/é b/", "https://s.test/%C3%A9%20b?streamId=a"),
        ("https://bücher.test", "https://xn--bcher-kva.test?streamId=a"),
        (r"https:\\s.test\a", "https://s.test/a?streamId=a"),
        ("https:s.test", "https://s.test?streamId=a"),
    ] {
        assert_eq!(sse().base_url(base).stream_id("a").build().unwrap().expose(), due);
    }
    for base in ["", "s.test", "/path", "ftp://s.test", "https://", "https://s.test:x/"] {
        let error = sse().base_url(base).stream_id("a").build().unwrap_err();
        assert_eq!(error.field(), "stream_base_url", "{base}");
    }
}

#[test]
fn a_websocket_url_ends_in_ws_once() {
    for (url, due) in [
        ("https://s.test?a=1#f", "wss://s.test/ws?a=1#f"),
        ("http://s.test:8080/ws/", "ws://s.test:8080/ws"),
        ("wss://s.test/a%2Fb/", "wss://s.test/a%2Fb/ws"),
        ("ws://s.test/aws", "ws://s.test/aws/ws"),
    ] {
        assert_eq!(to_websocket_url(url).unwrap().expose(), due);
    }
}

#[test]
fn a_direct_url_says_what_is_not_the_default_in_the_order_of_the_contract() {
    let target = crate::direct::target("https://api.test/?q=a b")
        .api_key_in_url("rs_1")
        .polling_strategies([crate::model::PollingStrategy::new("09:00", "17:00", 5)])
        .polling_interval(30)
        .payload_mode("json_patch")
        .jq_filter(".a")
        .body(serde_json::json!({"a_b": "é"}))
        .headers(serde_json::json!({"x_y": 1}))
        .method(" post");
    let url = direct_sse(target).base_url("http://s").cursor("4").since("5").build().unwrap();
    let url = Url::parse(url.expose()).unwrap();
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let due = [
        ("url", "https://api.test/?q=a b"),
        ("cursor", "4"),
        ("since", "5"),
        ("method", "POST"),
        ("headers", r#"{"x_y":1}"#),
        ("body", r#"{"a_b":"\u00e9"}"#),
        ("jq", ".a"),
        ("payloadMode", "JSON_PATCH"),
        ("pollingInterval", "30"),
        ("pollingStrategies", r#"[{"startTime":"09:00","endTime":"17:00","intervalSeconds":5}]"#),
        ("apiKey", "rs_1"),
    ];
    assert_eq!(pairs, due.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let silent = crate::direct::target("u")
        .method("get")
        .payload_mode("full_data")
        .headers(serde_json::json!({}))
        .body(())
        .jq_filter("")
        .polling_interval(0)
        .polling_strategies([])
        .api_key_in_url("");
    let url = direct_websocket(silent).base_url("http://s").build().unwrap();
    assert_eq!(url.expose(), "ws://s/ws?url=u");
}

#[test]
fn a_target_that_can_t_work_is_an_error() {
    let built = |target: Target| direct_sse(target).build().map_err(|error| error.field());
    assert_eq!(built(crate::direct::target("u").body(f64::NAN)), Err("body"));
    assert_eq!(built(crate::direct::target("")), Err("url"));
}

#[test]
fn printing_a_url_shows_no_key() {
    let target = crate::direct::target("https://u:p@api.test/?token=t")
        .headers(serde_json::json!({"authorization": "secret"}))
        .api_key_in_url("rs_0123");
    let url = direct_sse(target).base_url("http://me:pass@s.test").build().unwrap();
    assert!(url.expose().contains("rs_0123") && url.expose().contains("me:pass"));
    for text in [format!("{url:?}"), format!("{url:#?}")] {
        for secret in ["rs_0123", "secret", "pass", "token"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[test]
fn json_in_a_url_is_compact_and_ascii() {
    assert_eq!(
        ascii_json("{ \"a b\" : [1.0, \"\\\" é😀\"] }"),
        r#"{"a b":[1.0,"\" \u00e9\ud83d\ude00"]}"#
    );
}
