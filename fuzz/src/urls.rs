use http::uri::Authority;
use restless_proto::machine::{Machine, Output};
use restless_proto::url::{direct_sse, set_cursor, set_since, sse, to_websocket_url};
use restless_proto::{Entropy, Instant, STREAM_BASE_URL, Service, Subscription};
use url::Url;

/// What goes out is a URL that reads as what was put into it, in all of its parts.
///
/// `data` is two texts with a line feed between them: a URL, and a position.
pub fn runtime_url(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (url, position) = text.split_once('\n').unwrap_or((text, ""));
    let given = Url::parse(url)
        .ok()
        .filter(|url| url.has_host() && matches!(url.scheme(), "http" | "https" | "ws" | "wss"));
    if let Some(given) = &given {
        let set = [(set_cursor(url, position), "cursor"), (set_since(url, position), "since")];
        for (text, name) in set {
            let due = Parts { pairs: placed(pairs(given), name, position), ..Parts::of(given) };
            assert_eq!(Parts::of(&Url::parse(&text).expect("a URL still")), due, "{text:?}");
        }
    }
    // A host in a request has fewer characters than one in a URL.
    let sendable = |url: &Url| url.host_str().is_some_and(|host| host.parse::<Authority>().is_ok());
    let Some(given) = given.filter(sendable) else {
        assert!(to_websocket_url(url).is_err());
        assert!(sse().base_url(url).stream_id("a").build().is_err());
        return;
    };
    over_websocket(url, &given);
    built(url, &given, position);
    asked(url, &given);
}

/// What a URL says. A path that is empty is that of `/`.
#[derive(Debug, PartialEq)]
struct Parts {
    scheme: String,
    user: (String, Option<String>),
    host: String,
    port: Option<u16>,
    path: String,
    pairs: Vec<(String, String)>,
    fragment: Option<String>,
}

impl Parts {
    fn of(url: &Url) -> Self {
        Self {
            scheme: url.scheme().to_owned(),
            user: (url.username().to_owned(), url.password().map(str::to_owned)),
            host: url.host_str().expect("a host").to_owned(),
            port: url.port_or_known_default(),
            path: url.path().to_owned(),
            pairs: pairs(url),
            fragment: url.fragment().map(str::to_owned),
        }
    }
}

fn pairs(url: &Url) -> Vec<(String, String)> {
    url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

/// Sets a parameter in the place of the first of its name, or at the end, and takes the others out.
fn placed(pairs: Vec<(String, String)>, name: &str, value: &str) -> Vec<(String, String)> {
    let mut set = Vec::new();
    let mut due = Some((name.to_owned(), value.to_owned()));
    for pair in pairs {
        if pair.0 == name {
            set.extend(due.take());
        } else {
            set.push(pair);
        }
    }
    set.extend(due);
    set
}

fn over_websocket(url: &str, given: &Url) {
    let over_websocket = to_websocket_url(url).expect("a URL of the runtime");
    let once = over_websocket.expose();
    let mut due = Parts::of(given);
    due.scheme = if matches!(&*due.scheme, "https" | "wss") { "wss" } else { "ws" }.to_owned();
    due.path.truncate(due.path.trim_end_matches('/').len());
    if !due.path.ends_with("/ws") {
        due.path.push_str("/ws");
    }
    assert_eq!(Parts::of(&Url::parse(once).expect("a URL still")), due, "{once:?}");
    let twice = to_websocket_url(once).expect("a URL still");
    assert_eq!(twice.expose(), once, "once is enough");
}

/// URLs that the builders make, at a base and of a target.
fn built(url: &str, given: &Url, position: &str) {
    let at_base = sse().base_url(url).stream_id(position).cursor(url).build();
    assert_eq!(at_base.is_err(), position.is_empty());
    if let Ok(built) = at_base {
        let mut due = Parts::of(given);
        if given.query().is_none() && given.fragment().is_none() {
            due.path.truncate(due.path.trim_end_matches('/').len());
        }
        if due.path.is_empty() {
            due.path.push('/');
        }
        due.pairs = placed(placed(due.pairs, "streamId", position), "cursor", url);
        assert_eq!(Parts::of(&Url::parse(built.expose()).expect("a URL")), due);
    }
    let public = Parts::of(&Url::parse(STREAM_BASE_URL).expect("a URL"));
    let direct = direct_sse(url).since(position).build().expect("a target");
    let said = [("url", url), ("since", position)];
    let pairs = said.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let built = Url::parse(direct.expose()).expect("a URL");
    assert_eq!(Parts::of(&built), Parts { pairs, ..public });
}

/// The request of a subscription to the URL.
fn asked(url: &str, given: &Url) {
    let (entropy, now) = (Entropy::from_seed(1), Instant::ORIGIN);
    let started = Subscription::url(url).start(&Service::default(), entropy, now);
    let Ok(mut machine) = started else { return };
    let Output::Open { request, .. } = machine.poll() else { panic!("it opens") };
    let uri = request.uri().to_string();
    let uri = Url::parse(&uri).unwrap_or_else(|error| panic!("{uri}: {error}, {given}"));
    let (mut due, mut asked) = (Parts::of(given), Parts::of(&uri));
    due.scheme = due.scheme.replace("ws", "http");
    due.fragment = None;
    // A subscription sets its own position.
    for parts in [&mut due, &mut asked] {
        parts.pairs.retain(|(name, _)| name != "cursor" && name != "since");
    }
    assert_eq!(asked, due);
}
