//! The service that the environment names.

use restless_emulator::Emulator;
use restless_hyper::{ClientBuilder, Runtime};
use restless_proto::streams;
use serde_json::json;

use super::child;
use super::support::{all_of, take_ids};

const SCENARIO: &str = "environment::the_environment_names_the_service";

/// The key and both base URLs come from the environment. Where neither the environment nor the
/// caller gives a key, the error comes before anything is sent.
pub async fn the_environment_names_the_service<R: Runtime>(rt: R) {
    if let Some(said) = child::said() {
        let builder = ClientBuilder::new(rt).no_proxy();
        let builder = match said["key"].as_str() {
            Some(key) => builder.api_key(key),
            None => builder,
        };
        let builder = match (builder.environment(), said["error"].as_str()) {
            (Ok(builder), None) => builder,
            (Err(error), Some(due)) => return assert_eq!(error.to_string(), due),
            (result, due) => panic!("{result:?}, and not {due:?}"),
        };
        let client = builder.build().expect("a client");
        client.send(streams::list()).await.expect("a page");
        let id = said["id"].as_str().expect("an id");
        let mut events = client.subscribe(all_of(id)).expect("a subscription");
        take_ids(&mut events, 1).await;
        return;
    }
    let emulator = Emulator::start().expect("an emulator");
    let id = emulator
        .add_stream(r#"{"name":"Orders","url":"http://127.0.0.1:9/","status":"INACTIVE"}"#)
        .expect("a stream");
    emulator.publish(&id, "1").expect("an event");
    let (api, stream) = (emulator.api_base_url(), emulator.stream_base_url());
    let bases = [("RESTLESS_API_BASE_URL", &*api), ("RESTLESS_STREAM_BASE_URL", &*stream)];
    let run = |key: Option<&str>, said| {
        let key = key.map(|key| ("RESTLESS_API_KEY", key));
        child::run(SCENARIO, &said, &bases.into_iter().chain(key).collect::<Vec<_>>());
    };
    run(Some(emulator.api_key()), json!({ "id": id }));
    // A key in the environment takes the place of an earlier one, and only that.
    run(Some(emulator.api_key()), json!({ "id": id, "key": "rs_other" }));
    run(None, json!({ "id": id, "key": emulator.api_key() }));
    let before = emulator.requests().len();
    let missing = "RESTLESS_API_KEY is missing: an API key in the environment";
    for key in [None, Some("")] {
        run(key, json!({ "error": missing }));
        run(key, json!({ "error": missing, "key": "" }));
    }
    assert_eq!(emulator.requests().len(), before);
}
