//! Redirects, and what goes along.

use std::fmt::Debug;

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use restless_proto::machine::{ExchangeId, Input, Machine, Output};
use restless_proto::{
    Call, CallOptions, Entropy, Instant, Service, Subscription, direct, is_loopback, streams,
};
use url::Url;

/// Wherever a `Location` leads, what is secret goes to its own origin alone: the key in a field, in
/// the URL or in content, and the caller's own fields and subprotocols. Credentials that a
/// `Location` brings itself go over https or to this machine. Content stays at its origin; a
/// fragment goes nowhere; no opening handshake has the key of another. At most ten redirects are
/// followed, and no error prints a secret.
///
/// | bytes of `data` | mean |
/// | --- | --- |
/// | 0 | modulo 5 the status: 301, 302, 303, 307 or 308; of the rest, modulo 6, who asks: an event |
/// | | stream, with the key in a field and with keys in the URL, a WebSocket in frames and in |
/// | | messages, a call without and with content |
/// | the rest, by lines | the locations, one redirect after the other |
pub fn redirect(data: &[u8]) {
    let [how, locations @ ..] = data else { return };
    let status = [301, 302, 303, 307, 308][usize::from(how % 5)];
    let mut lead = Lead { status, locations, keyed: true, handshakes: Vec::new() };
    let (entropy, now) = (Entropy::from_seed(1), Instant::ORIGIN);
    let service = Service::new(KEY).with_api_base_url("https://s.test").expect("a base");
    let service = service.with_stream_base_url("https://s.test").expect("a base");
    let subscription = match how / 5 % 6 {
        0 => Subscription::url("https://s.test/?streamId=a"),
        1 => {
            lead.keyed = false;
            let target = direct::target("https://b.test/").api_key_in_url(KEY_IN_URL);
            Subscription::direct(target.headers(serde_json::json!({"a": KEY_IN_URL})))
        }
        2 => Subscription::stream("a").websocket().subprotocol(OWN),
        3 => Subscription::stream("a").whole_messages().subprotocol(OWN),
        4 => {
            let call = streams::get("a").header("x-own", OWN);
            let call = call.start(&service, CallOptions::default(), entropy, now);
            return lead.follow(&mut call.expect("a call that can be made"));
        }
        _ => {
            let call = Call::from(direct::session("https://b.test/")).header("x-own", OWN);
            let call = call.start(&service, CallOptions::default(), entropy, now);
            return lead.follow(&mut call.expect("a call that can be made"));
        }
    };
    let subscription = subscription.header("x-own", OWN).header("cookie", OWN);
    let machine = subscription.start(&service, entropy, now);
    lead.follow(&mut machine.expect("a subscription that can work"));
}

const KEY: &str = "canary-of-the-service";
const KEY_IN_URL: &str = "canary-in-the-url";
const OWN: &str = "canary-of-the-caller";

fn has_secret(text: &str) -> bool {
    [KEY, KEY_IN_URL, OWN].iter().any(|secret| text.contains(secret))
}

/// Where redirects lead.
struct Lead<'a> {
    status: u16,
    locations: &'a [u8],
    /// Whether the key goes in a field.
    keyed: bool,
    /// The keys of handshakes so far.
    handshakes: Vec<String>,
}

impl Lead<'_> {
    fn follow(&mut self, machine: &mut impl Machine<Event: Debug>) {
        // A secret that a server says itself is no longer one. A URL has no tabs.
        let said: Vec<u8> = self.locations.iter().copied().filter(|byte| *byte != b'\t').collect();
        let told = has_secret(&String::from_utf8_lossy(&said).to_lowercase());
        let mut left = false;
        let mut locations = self.locations.split(|byte| *byte == b'\n');
        for number in 0.. {
            let Some((exchange, request)) = opened(machine) else { return };
            assert!(number <= 10, "more redirects than are followed");
            left |= !self.is_at_home(&request);
            self.judge(&request, left, told);
            let location = locations.next().map(HeaderValue::from_bytes);
            let Some(Ok(location)) = location else { return };
            let head = Response::builder().status(self.status).header("location", location);
            let head = Box::new(head.body(()).expect("a head").into_parts().0);
            machine.handle(Input::Response { exchange, head }, Instant::ORIGIN);
        }
    }

    fn is_at_home(&self, request: &Request<Bytes>) -> bool {
        let uri = request.uri();
        matches!(uri.scheme_str(), Some("https" | "wss"))
            && uri.host() == Some("s.test")
            && matches!(uri.port_u16(), None | Some(443))
    }

    /// Judges a request of a chain that has `left` its origin, or not.
    fn judge(&mut self, request: &Request<Bytes>, left: bool, told: bool) {
        let (uri, fields) = (request.uri(), request.headers());
        let url = Url::parse(&uri.to_string()).expect("a URL");
        assert!(matches!(url.scheme(), "http" | "https" | "ws" | "wss"), "{uri}");
        assert_eq!(url.fragment(), None);
        let has_key = ["authorization", "x-api-key"].iter().any(|name| fields.contains_key(*name));
        let has_own = fields.values().any(|value| value == OWN);
        assert_eq!((has_key, has_own), (self.keyed && !left, !left), "{uri}");
        if left {
            let sent = format!("{uri} {:?}", request.body());
            assert!(told || !has_secret(&sent), "{sent}");
            assert!(request.body().is_empty(), "content leaves its origin");
        }
        let private = matches!(url.scheme(), "https" | "wss");
        if !private && !url.host_str().is_some_and(is_loopback) {
            assert!(url.username().is_empty() && url.password().is_none(), "{uri}");
            let is_credentials = |name: &str| matches!(name, "apiKey" | "headers");
            let mut pairs = url.query_pairs();
            assert!(
                !pairs.any(|(name, value)| is_credentials(&name) && !value.is_empty()),
                "{uri}"
            );
        }
        if let Some(key) = fields.get("sec-websocket-key") {
            let key = key.to_str().expect("Base64").to_owned();
            assert!(!self.handshakes.contains(&key), "two handshakes have one key");
            self.handshakes.push(key);
        }
    }
}

fn opened(machine: &mut impl Machine<Event: Debug>) -> Option<(ExchangeId, Box<Request<Bytes>>)> {
    for _ in 0..8 {
        match machine.poll() {
            Output::Open { exchange, request } => return Some((exchange, request)),
            Output::Wait(_) | Output::Done => return None,
            Output::Event(event) => {
                let printed = format!("{event:?}");
                assert!(!has_secret(&printed), "{printed}");
            }
            _ => {}
        }
    }
    panic!("it talks without end")
}
