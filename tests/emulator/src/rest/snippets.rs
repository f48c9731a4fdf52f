//! Runtime URLs and snippets that use them. No snippet holds a key, only the variable to put it in.

use std::collections::BTreeMap;

use http::StatusCode;
use serde::Serialize;

use super::{Answer, stream_not_found};
use crate::fields::{Fields, Invalid};
use crate::hub::Hub;
use crate::reply::Reply;
use crate::urls;

/// The languages: label, value.
const LANGUAGES: [(&str, &str); 3] =
    [("JavaScript", "javascript"), ("Python", "python"), ("Rust", "rust")];
const DEFAULT_LANGUAGE: &str = "python";

#[derive(Serialize)]
struct Connection {
    runtime: Runtime,
    snippets: Snippets,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Runtime {
    sse_url: String,
    websocket_url: String,
}

/// The `snippets` of two replies.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Snippets {
    available_languages: Vec<Language>,
    selected_language: &'static str,
    selected_snippets: Snippet,
    snippets_by_language: BTreeMap<&'static str, Snippet>,
}

#[derive(Serialize)]
struct Language {
    label: &'static str,
    value: &'static str,
}

#[derive(Serialize)]
struct Snippet {
    curl: String,
    wget: String,
    sse: String,
    websocket: String,
}

pub(super) fn connection(hub: &Hub, body: &[u8]) -> Answer {
    let mut fields = Fields::parse(body)?;
    let language = language(&mut fields)?;
    let id = fields
        .take_text("streamId")?
        .value()
        .ok_or_else(|| Invalid::new("streamId is required"))?;
    hub.get(&id).ok_or_else(stream_not_found)?;
    let query = [("streamId", id.as_str())];
    let sse_url = urls::sse(&hub.base_url(), &query);
    let websocket_url = urls::websocket(&hub.base_url(), &query);
    let snippets = Snippets::new(language, &sse_url, &websocket_url);
    Ok(Reply::json(
        StatusCode::OK,
        &Connection { runtime: Runtime { sse_url, websocket_url }, snippets },
    ))
}

/// Takes the `language` out of a body.
pub(super) fn language(fields: &mut Fields) -> Result<&'static str, Invalid> {
    let Some(wanted) = fields.take_text("language")?.value() else { return Ok(DEFAULT_LANGUAGE) };
    LANGUAGES
        .into_iter()
        .find_map(|(_, value)| (value == wanted).then_some(value))
        .ok_or_else(|| Invalid::new("language must be javascript, python or rust"))
}

pub(super) fn curl(url: &str) -> String {
    format!("curl -N -H \"Authorization: Bearer $RESTLESS_API_KEY\" '{url}'")
}

pub(super) fn wget(url: &str) -> String {
    format!("wget -qO- --header=\"Authorization: Bearer $RESTLESS_API_KEY\" '{url}'")
}

impl Snippets {
    pub(super) fn new(selected: &'static str, sse_url: &str, websocket_url: &str) -> Self {
        let snippet = |language| Snippet::new(language, sse_url, websocket_url);
        Self {
            available_languages: LANGUAGES.map(|(label, value)| Language { label, value }).into(),
            selected_language: selected,
            selected_snippets: snippet(selected),
            snippets_by_language: LANGUAGES.map(|(_, value)| (value, snippet(value))).into(),
        }
    }
}

impl Snippet {
    fn new(language: &str, sse_url: &str, websocket_url: &str) -> Self {
        let (sse, websocket) = match language {
            "javascript" => (
                format!(
                    "const response = await fetch(\"{sse_url}\", {{\n  headers: {{ Authorization: \
                     `Bearer ${{process.env.RESTLESS_API_KEY}}` }},\n}});\nfor await (const chunk \
                     of response.body) process.stdout.write(chunk);"
                ),
                format!(
                    "import WebSocket from \"ws\";\n\nconst socket = new WebSocket(\
                     \"{websocket_url}\", {{\n  headers: {{ Authorization: \
                     `Bearer ${{process.env.RESTLESS_API_KEY}}` }},\n}});\nsocket.on(\"message\", \
                     (message) => console.log(String(message)));"
                ),
            ),
            "rust" => (
                format!("let mut events = client.subscribe(Subscription::url(\"{sse_url}\")?);"),
                format!(
                    "let mut events = client.subscribe(Subscription::url(\"{websocket_url}\")?);"
                ),
            ),
            _ => (
                format!(
                    "for event in client.streams.subscribe_sse(\"{sse_url}\"):\n    \
                     print(event.data)"
                ),
                format!(
                    "async for event in client.streams.subscribe_websocket(\"{websocket_url}\"):\n\
                     \x20   print(event.data)"
                ),
            ),
        };
        Self { curl: curl(sse_url), wget: wget(sse_url), sse, websocket }
    }
}
