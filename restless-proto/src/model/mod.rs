//! What the service answers.
//!
//! A model keeps fields and values of later versions: unknown fields, at every level, are in
//! `extra` and are written back, and an enum reads an unknown value as `Other`. A field in
//! snake_case is read as its camelCase twin. Of the two, the one with a value counts; if both have
//! a value, the one in snake_case counts. Whole numbers may be spelt as floats. A field that may be
//! absent may be null.
//!
//! `Debug` hides what looks like a key, the query of the caller's own API, and the caller's own
//! JSON. Only `serde_json` reads and writes models; other formats can't.

#[macro_use]
mod fields;
mod enums;
mod json;
pub(crate) mod names;
mod replies;
mod stream;

pub use enums::{HttpMethod, PayloadMode, StreamStatus};
pub use fields::Extra;
pub use json::Json;
pub use replies::{
    BaseActionResponse, ConnectionRuntime, ConnectionSnippetsResponse,
    CreditUsageChargeTypeBreakdown, DailyCreditUsage, DirectAuth, DirectCommand, DirectCommands,
    DirectRuntime, DirectSessionResponse, DirectSetupResponse, DirectStreamConfig, SnippetLanguage,
    SnippetSet, Snippets, StreamCreditUsageStats,
};
pub use stream::{PaginationInfo, PollingStrategy, Stream, StreamsResponse};

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use serde::Serialize;
    use serde::de::DeserializeOwned;

    use super::*;

    const STREAM: &str = r#"{"id":"s","name":"n","status":"ACTIVE","method":"GET","url":"u","payloadMode":"FULL_DATA","hmacSignatureEnabled":false,"pollingInterval":60"#;

    fn stream(more: &str) -> Result<Stream, serde_json::Error> {
        serde_json::from_str(&format!("{STREAM}{more}}}"))
    }

    /// Reads a text, writes it, and compares all that is in both, number spelling included.
    fn goes_round<T: DeserializeOwned + Serialize + PartialEq + Debug + Clone>(text: &str) -> T {
        let model: T = serde_json::from_str(text).unwrap();
        let written = serde_json::to_string(&model).unwrap();
        let canonical = |text: &str| crate::signature::canonicalize(text).map(String::from);
        assert_eq!(canonical(&written), canonical(text));
        assert_eq!(serde_json::from_str::<T>(&written).unwrap(), model.clone());
        model
    }

    #[test]
    fn unknown_fields_are_kept_at_every_level_and_written_back() {
        let text = format!(
            r#"{{"streams":[{STREAM},"pollingStrategies":[{{"startTime":"a","endTime":"b","intervalSeconds":1,"zone":"UTC"}}],"headers":{{"x_y":1.0}},"new":{{"a_b":18446744073709551616}}}}],"paginationInfo":{{"hasNextPage":true,"next":20}},"total":1.0}}"#
        );
        let list: StreamsResponse = goes_round(&text);
        assert_eq!(list.extra.get("total").map(Json::get), Some("1.0"));
        let stream = list.streams.first().unwrap();
        assert_eq!(stream.extra.get("new").map(Json::get), Some(r#"{"a_b":18446744073709551616}"#));
        let strategies = stream.polling_strategies.as_deref().unwrap();
        assert!(strategies[0].extra.get("zone").is_some());

        goes_round::<StreamCreditUsageStats>(
            r#"{"totalBurnedLastWeek":1,"totalBurnedLastMonth":2,"dailyUsage":[{"date":"d","creditsUsed":1,"chargeTypeBreakdown":[{"chargeType":"c","creditsUsed":1,"x":1}],"x":1}],"x":1}"#,
        );
        let set = r#"{"curl":"c","wget":"w","sse":"s","websocket":"ws","x":1}"#;
        let snippets = format!(
            r#"{{"availableLanguages":[{{"label":"l","value":"v","x":1}}],"selectedLanguage":"l","selectedSnippets":{set},"snippetsByLanguage":{{"go":{set},"c_c":{set}}},"x":1}}"#
        );
        goes_round::<ConnectionSnippetsResponse>(&format!(
            r#"{{"runtime":{{"sseUrl":"s","websocketUrl":"w","x":1}},"snippets":{snippets},"x":1}}"#
        ));
        goes_round::<DirectSetupResponse>(&format!(
            r#"{{"commands":{{"header":{{"curl":"c","wget":"w","x":1}},"urlParam":{{"curl":"c","wget":"w"}},"x":1}},"runtime":{{"auth":{{"apiKeyLocation":"l","headerExample":"h","x":1}},"directSseUrl":"s","directWebsocketUrl":"w","x":1}},"snippets":{snippets},"streamConfig":{{"targetUrl":"t","method":"GET","body":{{"a_b":1}},"x":1}},"x":1}}"#
        ));
        goes_round::<DirectSessionResponse>(
            r#"{"sessionId":"i","wsUrl":"w","sseUrl":"s","expiresAt":"e","created":true,"dedupeKey":"d","x":1}"#,
        );
        goes_round::<BaseActionResponse>(r#"{"id":"i","affected":true,"x":null}"#);
    }

    #[test]
    fn unknown_enum_values_are_kept() {
        let stream: Stream = goes_round(
            &format!("{STREAM}}}")
                .replace("ACTIVE", "PAUSED")
                .replace("GET", "get")
                .replace("FULL_DATA", "DIFF"),
        );
        assert_eq!(stream.status, StreamStatus::Other("PAUSED".to_owned()));
        assert_eq!(stream.method, HttpMethod::Other("get".to_owned()));
        assert_eq!(stream.payload_mode, PayloadMode::Other("DIFF".to_owned()));
        assert_eq!(PayloadMode::from("JSON_PATCH"), PayloadMode::JsonPatch);
    }

    #[test]
    fn of_two_spellings_the_one_with_a_value_counts() {
        for (more, due) in [
            (r#","jqFilter":null,"jq_filter":".a""#, Some(".a")),
            (r#","jqFilter":".a","jq_filter":null"#, Some(".a")),
            (r#","jq_filter":"","jqFilter":".a""#, Some(".a")),
            (r#","jqFilter":".b","jq_filter":".a""#, Some(".a")),
            (r#","jq_filter":null"#, None),
            ("", None),
        ] {
            let stream = stream(more).unwrap();
            assert_eq!(stream.jq_filter.as_deref(), due, "{more}");
            assert!(stream.extra.is_empty(), "{more}");
        }
    }

    #[test]
    fn of_one_spelling_the_last_counts() {
        assert_eq!(stream(r#","name":"second""#).unwrap().name, "second");
    }

    #[test]
    fn whole_floats_are_integers_and_nothing_else_is() {
        for (text, due) in [
            ("7", Some(7)),
            ("-7", Some(-7)),
            ("7.0", Some(7)),
            ("7e1", Some(70)),
            ("-0.0", Some(0)),
            ("0.5", None),
            ("1e300", None),
            ("1e400", None),
            ("9223372036854775808", None),
            (r#""7""#, None),
            ("true", None),
            ("null", None),
        ] {
            let read = stream(&format!(r#","pollingInterval":{text}"#));
            assert_eq!(read.ok().map(|stream| stream.polling_interval), due, "{text}");
        }
    }

    #[test]
    fn half_a_surrogate_pair_is_replaced_and_spoils_nothing_else() {
        let odd = STREAM.replace(r#""name":"n""#, r#""name":"a\ud83d""#);
        let text = format!(
            r#"{{"streams":[{odd},"description":"\ude00","body":{{"\ud83d":"\ud83d"}},"\ud83d":1}},{STREAM}}}]}}"#
        );
        let list: StreamsResponse = serde_json::from_str(&text).unwrap();
        let [first, second] = list.streams.as_slice() else { panic!("{list:?}") };
        assert_eq!((first.name.as_str(), second.name.as_str()), ("a\u{fffd}", "n"));
        assert_eq!(first.description.as_deref(), Some("\u{fffd}"));
        assert_eq!(first.extra.get("\u{fffd}").map(Json::get), Some("1"));
    }

    #[test]
    fn an_error_names_the_field() {
        let text = format!(r#"{{"streams":[{STREAM}}},{{"id":"x"}}]}}"#);
        let error = serde_json::from_str::<StreamsResponse>(&text).unwrap_err().to_string();
        assert!(
            error.contains("streams") && error.contains("[1]") && error.contains("name"),
            "{error}"
        );
    }

    #[test]
    fn debug_shows_no_key() {
        let stream = stream(
            r#","apiKey":"canary","wsUrl":"wss://u:canary@s/ws?apiKey=canary&headers=canary&x=1",
            "description":"rs_0ca4a4","headers":{"Authorization":"canary"},"body":{"k":"canary"},
            "new":{"auth":"canary"}"#,
        )
        .unwrap();
        let set = r#"{"curl":"curl -H 'X-API-Key: canary' -N 'u'","wget":"wget --header=\"Authorization: Bearer canary\"","sse":"{apiKey:'canary'}","websocket":"wss://s/ws?apiKey=canary"}"#;
        let setup: DirectSetupResponse = serde_json::from_str(&format!(
            r#"{{"commands":{{"header":{{"curl":"-H 'x-api-key:canary'","wget":"rs_0ca4a4"}},"urlParam":{{"curl":"https://s?url=u&apiKey=canary","wget":"w"}}}},"runtime":{{"auth":{{"apiKeyLocation":"header","headerExample":"Authorization: Bearer canary"}},"directSseUrl":"https://s?apiKey=canary","directWebsocketUrl":"w"}},"snippets":{{"availableLanguages":[],"selectedLanguage":"l","selectedSnippets":{set},"snippetsByLanguage":{{"go":{set}}}}},"streamConfig":{{"targetUrl":"https://u:canary@a/","method":"GET","headers":{{"k":"canary"}}}}}}"#
        ))
        .unwrap();
        let shown = format!("{stream:?} {stream:#?} {setup:?} {setup:#?}");
        for key in ["canary", "0ca4a4"] {
            assert!(!shown.contains(key), "{shown}");
        }
        assert!(shown.contains("https://s?url=…&apiKey=…"), "{shown}");
    }

    #[test]
    fn debug_shows_no_query_of_the_caller_s_api() {
        let stream: Stream = serde_json::from_str(
            &format!("{STREAM},\"sseUrl\":\"https://s/?x=1&url=https%3A%2F%2Fa.test%2F%3Fk%3Dcanary&jq=.a\"}}")
                .replace(r#""url":"u""#, r#""url":"https://a.test/o?token=canary#canary""#),
        )
        .unwrap();
        let config: DirectStreamConfig = serde_json::from_str(
            r#"{"targetUrl":"https://a.test/\"o?token=canary","method":"GET"}"#,
        )
        .unwrap();
        let list = serde_json::json!({ "streams": [stream] });
        let list: StreamsResponse = serde_json::from_value(list).unwrap();
        let shown = format!("{list:?} {list:#?} {config:?} {config:#?}");
        assert!(!shown.contains("canary"), "{shown}");
        for kept in ["\"https://a.test/o?…\"", "https://s/?x=1&url=…&jq=.a", "a.test/\\\"o?…\""]
        {
            assert!(shown.contains(kept), "{kept}: {shown}");
        }
        let plain = format!("{STREAM}}}").replace(r#""url":"u""#, r#""url":"https://a.test/o""#);
        let plain: Stream = serde_json::from_str(&plain).unwrap();
        assert!(format!("{plain:?}").contains("url: \"https://a.test/o\""), "{plain:?}");
    }
}
