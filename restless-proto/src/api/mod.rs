//! The REST calls, a file a resource: builders that end in a [`Call`](crate::Call).
//!
//! | the official SDK says | here |
//! | --- | --- |
//! | `list_streams(limit, offset)` | [`streams::list`], and [`streams::Pages`] for all of it |
//! | `get_stream(id)` | [`streams::get`] |
//! | `create_stream(..)` | [`streams::create`], [`streams::create_from`] |
//! | `update_stream(id, ..)` | [`streams::update`] |
//! | `start_stream(id)`, `stop_stream(id)` | [`streams::start`], [`streams::stop`] |
//! | `delete_stream(id)` | [`streams::delete`] |
//! | `validate_stream_api_key(key)` | [`streams::validate_api_key`] |
//! | `credit_usage_stats(id)` | [`usage::credit_usage_stats`] |
//! | `connection_snippets(..)` | [`snippets::connection_snippets`] |
//! | `direct_setup(..)` | [`direct::setup`], [`direct::setup_from`] |
//! | `direct_session(..)` | [`direct::session`], [`direct::session_from`] |
//! | `subscribe_sse(url)`, `subscribe_direct_sse(..)` | [`Subscription`](crate::Subscription) |
//!
//! A builder takes every value. [`Call::request`](crate::Call::request), and so `client.send(..)`,
//! refuses a value that can't work.
//!
//! What the service adds later goes into a builder's `field` or `fields`, or into the `query` of a
//! list. A call that is made of an id alone lacks a body, and therefore such a method. A builder
//! sends a body even where nothing was set: `{}`.

mod checked;
pub mod direct;
mod pages;
pub mod snippets;
pub mod streams;
pub mod usage;

/// Methods that several builders share. Each builder has a `body`, and a `Call` made of it.
macro_rules! body_builder {
    ($name:ident) => {
        impl $name {
            /// Sets a field that this version does not know. A name in snake_case goes out in
            /// camelCase; the value goes out as it is.
            pub fn field(mut self, name: &str, value: impl serde::Serialize) -> Self {
                self.body.set_other(name, value);
                self
            }

            /// Sets all fields of a JSON object, each as [`field`](Self::field) does.
            pub fn fields(mut self, object: impl serde::Serialize) -> Self {
                self.body.merge(object);
                self
            }
        }

        /// Prints the names of the fields that are set.
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).field("fields", &self.body).finish()
            }
        }
    };
}

pub(crate) use body_builder;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::call::Call;
    use crate::kinds::ConfigError;
    use crate::model::{HttpMethod, PayloadMode, PollingStrategy, StreamStatus};
    use crate::service::Service;

    /// Returns method, path with query, and body of a call of a client with a key.
    fn sent<T>(call: impl Into<Call<T>>) -> String {
        sent_to(&Service::new("rs_1"), call).unwrap()
    }

    fn sent_to<T>(service: &Service, call: impl Into<Call<T>>) -> Result<String, ConfigError> {
        let request = call.into().request(service)?;
        let body = String::from_utf8(request.body().to_vec()).unwrap();
        let typed = request.headers().get("content-type").map(|value| value.to_str().unwrap());
        assert_eq!(typed, (!body.is_empty()).then_some("application/json"));
        assert_eq!(request.headers().contains_key("x-api-key"), service.api_key().is_some());
        let target = request.uri().path_and_query().unwrap();
        Ok(format!("{} {target} {body}", request.method()).trim_end().to_owned())
    }

    #[test]
    fn each_call_is_the_request_of_the_contract() {
        let url = "https://a.test/orders";
        for (sent, due) in [
            (sent(streams::list()), "GET /streams?limit=20&offset=0"),
            (sent(streams::list().limit(5).offset(40)), "GET /streams?limit=5&offset=40"),
            (sent(streams::get("s 1")), "GET /streams/s%201"),
            (
                sent(streams::create("Orders", url)),
                r#"POST /streams {"name":"Orders","url":"https://a.test/orders","apiKey":"rs_1"}"#,
            ),
            (sent(streams::update("s")), r#"PATCH /streams/s {"apiKey":"rs_1"}"#),
            (sent(streams::start("s")), "POST /streams/s/start"),
            (sent(streams::stop("s")), "POST /streams/s/stop"),
            (sent(streams::delete("s")), "DELETE /streams/s"),
            (
                sent(streams::validate_api_key()),
                r#"POST /streams/validate-api-key {"apiKey":"rs_1"}"#,
            ),
            (
                sent(streams::validate_api_key().key("rs_2")),
                r#"POST /streams/validate-api-key {"apiKey":"rs_2"}"#,
            ),
            (
                sent(streams::validate_api_key().key("").field("new_thing", [1])),
                r#"POST /streams/validate-api-key {"newThing":[1],"apiKey":"rs_1"}"#,
            ),
            (
                sent(streams::validate_api_key().fields(json!({"api_key": "rs_2", "x": 1}))),
                r#"POST /streams/validate-api-key {"apiKey":"rs_2","x":1}"#,
            ),
            (
                sent(streams::list().query("sort by", "name&x=1/é").query("Tag", "a+b")),
                "GET /streams?limit=20&offset=0&sort%20by=name%26x%3D1%2F%C3%A9&Tag=a%2Bb",
            ),
            (sent(usage::credit_usage_stats("s")), "GET /streams/s/credit-usage-stats"),
            (sent(snippets::connection_snippets()), "POST /streams/connection-snippets {}"),
            (
                sent(snippets::connection_snippets().stream_id("s").language("go")),
                r#"POST /streams/connection-snippets {"streamId":"s","language":"go"}"#,
            ),
            (
                sent(direct::setup(url).language("go")),
                r#"POST /streams/direct/setup {"url":"https://a.test/orders","language":"go"}"#,
            ),
            (
                sent(direct::session(url).dedupe_key("d")),
                r#"POST /streams/direct/sessions {"url":"https://a.test/orders","dedupeKey":"d"}"#,
            ),
        ] {
            assert_eq!(sent, due);
        }
    }

    #[test]
    fn every_field_of_a_stream_has_a_method() {
        let create = streams::create("n", "u")
            .description("d")
            .status(StreamStatus::Active)
            .method(HttpMethod::Post)
            .headers(json!({"x_y": "1"}))
            .body(json!({"a_b": [1.0]}))
            .payload_mode(PayloadMode::JsonPatch)
            .jq_filter(".a")
            .hmac_signature_enabled(true)
            .polling_interval(30)
            .polling_strategies([PollingStrategy::new("09:00", "17:00", 5)])
            .api_key("rs_2");
        assert_eq!(
            sent(create),
            r#"POST /streams {"name":"n","url":"u","description":"d","status":"ACTIVE","method":"POST","headers":{"x_y":"1"},"body":{"a_b":[1.0]},"payloadMode":"JSON_PATCH","jqFilter":".a","hmacSignatureEnabled":true,"pollingInterval":30,"pollingStrategies":[{"startTime":"09:00","endTime":"17:00","intervalSeconds":5}],"apiKey":"rs_2"}"#
        );
    }

    #[test]
    fn every_field_of_a_target_goes_into_its_calls() {
        let target = direct::target("u")
            .method("POST")
            .headers(json!({"x_y": "1"}))
            .body(json!({"a_b": 1}))
            .jq_filter(".a")
            .payload_mode("JSON_PATCH")
            .polling_interval(30)
            .polling_strategies([PollingStrategy::new("09:00", "17:00", 5)])
            .api_key_in_url("rs_2");
        let body = r#"{"url":"u","method":"POST","headers":{"x_y":"1"},"body":{"a_b":1},"jqFilter":".a","payloadMode":"JSON_PATCH","pollingInterval":30,"pollingStrategies":[{"startTime":"09:00","endTime":"17:00","intervalSeconds":5}],"apiKey":"rs_2"}"#;
        assert_eq!(
            sent(direct::setup(target.clone())),
            format!("POST /streams/direct/setup {body}")
        );
        assert_eq!(sent(direct::session(target)), format!("POST /streams/direct/sessions {body}"));
    }

    #[test]
    fn an_update_tells_leave_set_and_clear_apart() {
        let update = streams::update("s").name("n").url("u").description("");
        assert_eq!(
            sent(update),
            r#"PATCH /streams/s {"name":"n","url":"u","description":"","apiKey":"rs_1"}"#
        );
        let update = streams::update("s")
            .clear_description()
            .clear_headers()
            .clear_body()
            .clear_jq_filter()
            .clear_polling_strategies();
        assert_eq!(
            sent(update),
            r#"PATCH /streams/s {"description":null,"headers":null,"body":null,"jqFilter":null,"pollingStrategies":null,"apiKey":"rs_1"}"#
        );
        let update = streams::update("s").jq_filter(".a").clear_jq_filter().jq_filter(".b");
        assert_eq!(sent(update), r#"PATCH /streams/s {"jqFilter":".b","apiKey":"rs_1"}"#);
    }

    #[test]
    fn whole_bodies_get_the_wire_s_names_and_the_caller_s_own_stay() {
        let object = json!({
            "polling_interval": 30,
            "headers": {"x_y": 1},
            "body": {"a_b": {"c_d": 1}},
            "new_thing": {"e_f": 1},
            "polling_strategies": [{"start_time": "a", "time_zone": "UTC"}],
        });
        // `json!` sorts names.
        let fields = r#"{"body":{"a_b":{"c_d":1}},"headers":{"x_y":1},"newThing":{"e_f":1},"pollingInterval":30,"pollingStrategies":[{"startTime":"a","timeZone":"UTC"}]"#;
        assert_eq!(
            sent(streams::create_from(&object)),
            format!(r#"POST /streams {fields},"apiKey":"rs_1"}}"#)
        );
        assert_eq!(
            sent(streams::update("s").fields(&object)),
            format!(r#"PATCH /streams/s {fields},"apiKey":"rs_1"}}"#)
        );
        assert_eq!(
            sent(direct::setup_from(&object)),
            format!("POST /streams/direct/setup {fields}}}")
        );
        assert_eq!(
            sent(direct::session_from(&object).field("dedupe_key", "d")),
            format!(r#"POST /streams/direct/sessions {fields},"dedupeKey":"d"}}"#)
        );
    }

    #[test]
    fn raw_json_keeps_its_spelling() {
        let raw: crate::model::Json = r#"{"b": 1.0, "a": 18446744073709551616}"#.parse().unwrap();
        assert_eq!(
            sent(streams::create("n", "u").body(&raw)),
            format!(
                r#"POST /streams {{"name":"n","url":"u","body":{},"apiKey":"rs_1"}}"#,
                raw.get()
            )
        );
    }

    #[test]
    fn the_client_s_key_goes_into_a_body_that_has_none() {
        let keyless = Service::default();
        for (sent, due) in [
            (sent(streams::create_from(json!({}))), r#"POST /streams {"apiKey":"rs_1"}"#),
            (
                sent(streams::create_from(json!({"api_key": null}))),
                r#"POST /streams {"apiKey":null}"#,
            ),
            (sent(streams::update("s").api_key("")), r#"PATCH /streams/s {"apiKey":"rs_1"}"#),
            (sent_to(&keyless, streams::update("s")).unwrap(), "PATCH /streams/s {}"),
        ] {
            assert_eq!(sent, due);
        }
        let error = sent_to(&keyless, streams::validate_api_key()).unwrap_err();
        assert_eq!(error.field(), "api_key");
    }

    #[test]
    fn a_value_that_can_t_be_sent_is_an_error_before_anything_is() {
        let service = Service::default();
        for (sent, due) in [
            (sent_to(&service, streams::create("n", "u").body(f64::NAN)), "body"),
            (sent_to(&service, streams::create("n", "u").headers([f32::INFINITY])), "headers"),
            (sent_to(&service, streams::update("s").field("new", f64::NAN)), "field"),
            (sent_to(&service, streams::update("")), "id"),
            (sent_to(&service, streams::create_from([1])), "body"),
            (sent_to(&service, direct::session(direct::target("u").body(f64::NAN))), "body"),
            // The service keeps objects, and a stream with anything else could not be read back.
            (sent_to(&service, streams::create("n", "u").body([1])), "body"),
            (sent_to(&service, streams::update("s").headers("x: y")), "headers"),
            (sent_to(&service, direct::setup(direct::target("u").body("text"))), "body"),
            (sent_to(&service, direct::setup(direct::target("u").headers([1]))), "headers"),
            // RFC 9110 §5.6.2.
            (sent_to(&service, streams::create("n", "u").method("G T")), "method"),
            (sent_to(&service, streams::update("s").method("")), "method"),
            (sent_to(&service, direct::session(direct::target("u").method("G\r\nT"))), "method"),
        ] {
            assert_eq!(sent.unwrap_err().field(), due);
        }
    }

    #[test]
    fn a_method_that_this_version_does_not_know_goes_out_as_it_is() {
        let call = streams::update("s").method("fetch").body(()).headers(json!({}));
        assert_eq!(
            sent(call),
            r#"PATCH /streams/s {"method":"fetch","body":null,"headers":{},"apiKey":"rs_1"}"#
        );
    }

    #[test]
    fn no_error_shows_a_key_that_was_given_in_the_place_of_another_value() {
        let key = "rs_0123456789abcdef";
        let spaced = "rs_0123456789abcdef x";
        let service = Service::default();
        let target = || direct::target(key);
        for sent in [
            sent_to(&service, streams::create_from(key)),
            sent_to(&service, streams::create_from(json!({})).field(key, f64::NAN)),
            sent_to(&service, streams::create(key, key).headers(key)),
            sent_to(&service, streams::create(key, key).body([key])),
            sent_to(&service, streams::create(key, key).method(spaced)),
            sent_to(&service, streams::update(key).fields(key)),
            sent_to(&service, streams::update(key).method(spaced)),
            sent_to(&service, streams::validate_api_key().fields(key)),
            sent_to(&service, snippets::connection_snippets().stream_id(key).fields(key)),
            sent_to(&service, direct::setup_from(key)),
            sent_to(&service, direct::setup(target().headers(key))),
            sent_to(&service, direct::setup(target().body(key))),
            sent_to(&service, direct::session(target().method(spaced)).dedupe_key(key)),
            sent_to(&Service::new(spaced), streams::get(key)),
        ] {
            let error = sent.unwrap_err();
            let shown = format!("{error} {error:?} {:?}", std::error::Error::source(&error));
            assert!(!shown.contains("0123"), "{shown}");
        }
    }
}
