//! Direct streams: how to set one up, and sessions with a stable URL.

use std::sync::Arc;

use http::{Method, StatusCode};
use serde::Serialize;
use serde_json::value::RawValue;

use super::snippets::{self, Snippets};
use super::{Answer, check_body_key};
use crate::fields::Fields;
use crate::hub::Hub;
use crate::reply::Reply;
use crate::source::Source;
use crate::{time, urls};

/// What stands where the caller's key belongs: no reply repeats a key.
const KEY_VARIABLE: &str = "$RESTLESS_API_KEY";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Setup {
    commands: Commands,
    runtime: Runtime,
    snippets: Snippets,
    stream_config: StreamConfig,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Commands {
    header: Pair,
    url_param: Pair,
}

#[derive(Serialize)]
struct Pair {
    curl: String,
    wget: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Runtime {
    auth: Auth,
    direct_sse_url: String,
    direct_websocket_url: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Auth {
    api_key_location: &'static str,
    header_example: String,
}

/// The source under the names of this model.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StreamConfig {
    target_url: String,
    #[serde(serialize_with = "crate::source::as_text")]
    method: Method,
    headers: Option<Box<RawValue>>,
    body: Option<Box<RawValue>>,
    jq_filter: Option<String>,
    payload_mode: crate::source::PayloadMode,
    polling_interval: u64,
    polling_strategies: Option<Vec<crate::source::Strategy>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Session {
    session_id: String,
    ws_url: String,
    sse_url: String,
    expires_at: String,
    created: bool,
    dedupe_key: String,
}

pub(super) async fn setup(hub: &Arc<Hub>, body: &[u8]) -> Answer {
    let mut fields = Fields::parse(body)?;
    check_body_key(hub, &mut fields)?;
    let language = snippets::language(&mut fields)?;
    let source = Source::create(&hub.config.engine, &mut fields).await?;
    let query = source.to_query();
    let warnings = source.warnings.clone();
    let sse_url = urls::sse(&hub.base_url(), &query);
    let websocket_url = urls::websocket(&hub.base_url(), &query);
    // The variable is the shell's to fill in, so it stands in the URL as it is.
    let with_key = format!("{sse_url}&apiKey={KEY_VARIABLE}");
    let setup = Setup {
        commands: Commands {
            header: Pair { curl: snippets::curl(&sse_url), wget: snippets::wget(&sse_url) },
            url_param: Pair {
                curl: format!("curl -N \"{with_key}\""),
                wget: format!("wget -qO- \"{with_key}\""),
            },
        },
        runtime: Runtime {
            auth: Auth {
                api_key_location: "header",
                header_example: format!("Authorization: Bearer {KEY_VARIABLE}"),
            },
            direct_sse_url: sse_url.clone(),
            direct_websocket_url: websocket_url.clone(),
        },
        snippets: Snippets::new(language, &sse_url, &websocket_url),
        stream_config: StreamConfig {
            target_url: source.url,
            method: source.method,
            headers: source.headers,
            body: source.body,
            jq_filter: source.jq_filter,
            payload_mode: source.payload_mode,
            polling_interval: source.polling_interval,
            polling_strategies: source.polling_strategies,
        },
    };
    Ok(Reply::json(StatusCode::OK, &setup).warning_of(&warnings))
}

/// Creates a session, or gives the session that has the dedupe key, with the settings it was made
/// with.
pub(super) async fn session(hub: &Arc<Hub>, body: &[u8]) -> Answer {
    let mut fields = Fields::parse(body)?;
    check_body_key(hub, &mut fields)?;
    let dedupe_key = fields.take_text("dedupeKey")?.value().filter(|key| !key.is_empty());
    let source = Source::create(&hub.config.engine, &mut fields).await?;
    let warnings = source.warnings.clone();
    let (session, created) = hub.session(dedupe_key, source);
    let query = [("sessionId", session.id.as_str())];
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok(Reply::json(
        status,
        &Session {
            sse_url: urls::sse(&hub.base_url(), &query),
            ws_url: urls::websocket(&hub.base_url(), &query),
            expires_at: time::model_timestamp(session.expires_at_ms),
            created,
            dedupe_key: session.dedupe_key,
            session_id: session.id,
        },
    )
    .warning_of(&warnings))
}
