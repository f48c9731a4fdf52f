//! The URL builders: `urls_managed`, `urls_direct`, `to_websocket_url`, `url_with_params`.

use restless_proto::machine::{Machine, Output};
use restless_proto::signature::canonicalize;
use restless_proto::url::{
    RuntimeUrl, direct_sse, direct_websocket, set_cursor, set_since, sse, to_websocket_url,
    websocket,
};
use restless_proto::{ConfigError, Entropy, Instant, Service, Subscription};

use url::Url;

use crate::direct::{self, Arguments};
use crate::harness::{Case, Checked};

/// The text if it is as recorded; else its parts, with the query decoded.
fn compare(case: &Case, url: Result<String, String>) -> Checked {
    let url = match (url, case.expects_error()) {
        (Err(_), true) => return Checked::Ok,
        (Ok(url), true) => return Checked::Failed(format!("an error is due, got {url}")),
        (Err(error), false) => return Checked::Failed(error),
        (Ok(url), false) => url,
    };
    let raw: Option<String> = case.expect("raw");
    if raw.as_deref() == Some(&url) {
        return Checked::Ok;
    }
    let parsed = match Url::parse(&url) {
        Ok(parsed) => parsed,
        Err(error) => return Checked::Failed(format!("{url}: {error}")),
    };
    let due = raw.as_deref().and_then(|raw| Url::parse(raw).ok());
    let same = due.is_some_and(|due| {
        due.scheme() == parsed.scheme()
            && due.host() == parsed.host()
            && due.port() == parsed.port()
            && due.path() == parsed.path()
            && due.fragment() == parsed.fragment()
            && (due.username(), due.password()) == (parsed.username(), parsed.password())
            && pairs(&due) == pairs(&parsed)
    });
    if same { Checked::Ok } else { Checked::Failed(format!("{raw:?} is due, got {url}")) }
}

/// The query, decoded. JSON in it is compared as JSON.
fn pairs(url: &Url) -> Vec<(String, String)> {
    let value = |name: &str, value: String| match name {
        "headers" | "body" | "pollingStrategies" => {
            canonicalize(&value).map(String::from).unwrap_or(value)
        }
        _ => value,
    };
    url.query_pairs().into_owned().map(|(name, text)| (name.clone(), value(&name, text))).collect()
}

fn text(url: Result<RuntimeUrl, ConfigError>) -> Result<String, String> {
    url.map(|url| url.expose().to_owned()).map_err(|error| error.to_string())
}

fn unknown(result: &Result<String, String>) -> Checked {
    Checked::Unknown(format!("{result:?}"))
}

pub(crate) fn run_managed(case: &Case) -> Checked {
    let Some(arguments) = case.input::<Arguments>("args") else {
        return Checked::Failed("no args".to_owned());
    };
    let builder = match case.input::<String>("fn").as_deref() {
        Some("build_sse_url") => sse(),
        Some("build_websocket_url") => websocket(),
        other => return Checked::Failed(format!("unknown function {other:?}")),
    };
    let mut builder = builder
        .stream_id(arguments.text("stream_id").unwrap_or_default())
        .session_id(arguments.text("session_id").unwrap_or_default());
    if let Some(base) = arguments.text("stream_base_url") {
        builder = builder.base_url(base);
    }
    if let Some(cursor) = arguments.text("cursor") {
        builder = builder.cursor(cursor);
    }
    if let Some(since) = arguments.text("since") {
        builder = builder.since(since);
    }
    let url = text(builder.build());
    if case.better() { unknown(&url) } else { compare(case, url) }
}

pub(crate) fn run_direct(case: &Case) -> Checked {
    let Some(arguments) = case.input::<Arguments>("args") else {
        return Checked::Failed("no args".to_owned());
    };
    let target = match direct::target(&arguments) {
        Ok(target) => target,
        Err(error) if case.expects_error() => {
            return Checked::equal("refused", &error.is_empty(), &false);
        }
        Err(error) if case.better() => return Checked::Unknown(error),
        Err(error) => return Checked::Failed(error),
    };
    let builder = match case.input::<String>("fn").as_deref() {
        Some("build_direct_sse_url") => direct_sse(target),
        Some("build_direct_websocket_url") => direct_websocket(target),
        other => return Checked::Failed(format!("unknown function {other:?}")),
    };
    let mut builder = builder;
    if let Some(base) = arguments.text("stream_base_url") {
        builder = builder.base_url(base);
    }
    if let Some(cursor) = arguments.text("cursor") {
        builder = builder.cursor(cursor);
    }
    if let Some(since) = arguments.text("since") {
        builder = builder.since(since);
    }
    let url = text(builder.build());
    if !case.better() {
        return compare(case, url);
    }
    match case.name.as_str() {
        "strategies-snake-case" => {
            let pairs = |url: &str| -> Vec<(String, String)> {
                Url::parse(url)
                    .map(|url| url.query_pairs().into_owned().collect())
                    .unwrap_or_default()
            };
            let json = r#"[{"startTime":"09:00","endTime":"17:00","intervalSeconds":30}]"#;
            let due = ("pollingStrategies".to_owned(), json.to_owned());
            Checked::equal("strategies", &pairs(&url.unwrap_or_default()).last(), &Some(&due))
        }
        _ => unknown(&url),
    }
}

pub(crate) fn run_to_websocket(case: &Case) -> Checked {
    let url = text(to_websocket_url(case.input::<String>("url").unwrap_or_default()));
    if !case.better() {
        return compare(case, url);
    }
    match case.name.as_str() {
        "encoded-slash" => {
            Checked::equal("url", &url, &Ok("wss://stream.test/a%2Fb/ws".to_owned()))
        }
        "ftp" => Checked::equal("refused", &url.is_err(), &true),
        _ => unknown(&url),
    }
}

pub(crate) fn run_with_params(case: &Case) -> Checked {
    let mut url: String = case.input("url").unwrap_or_default();
    let given = url.clone();
    let cursor: Option<String> = case.input("cursor");
    if let Some(cursor) = &cursor {
        url = set_cursor(&url, cursor);
    }
    if let Some(since) = case.input::<String>("since") {
        url = set_since(&url, &since);
    }
    if !case.better() {
        return compare(case, Ok(url));
    }
    match case.name.as_str() {
        "repeated-key" => {
            let due = "https://stream.test/?a=1&b=2&a=3&cursor=1".to_owned();
            Checked::equal("url", &url, &due)
        }
        // What a subscription sends once it has a cursor.
        "since-kept-with-cursor" => {
            let machine = Subscription::url(given).cursor(cursor.unwrap_or_default()).start(
                &Service::default(),
                Entropy::from_seed(1),
                Instant::ORIGIN,
            );
            let sent = machine.ok().and_then(|mut machine| match machine.poll() {
                Output::Open { request, .. } => Some(request.uri().to_string()),
                _ => None,
            });
            let due = "https://stream.test/?streamId=s1&cursor=9".to_owned();
            Checked::equal("url", &sent, &Some(due))
        }
        _ => Checked::Unknown(url),
    }
}
