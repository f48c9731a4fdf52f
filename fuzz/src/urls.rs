use http::{Response, Uri};
use restless_proto::machine::{Input, Machine, Output};
use restless_proto::url::{set_cursor, set_since, sse, to_websocket_url};
use restless_proto::{Entropy, Instant, Service, Subscription};

/// What goes out is a URL that reads as what was put into it.
///
/// `data` is two texts with a line feed between them: a URL, and a position.
pub fn runtime_url(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (url, position) = text.split_once('\n').unwrap_or((text, ""));
    if let Ok(over_websocket) = to_websocket_url(url) {
        let once = over_websocket.expose();
        let parsed = url::Url::parse(once).expect("a URL");
        assert!(matches!(parsed.scheme(), "ws" | "wss") && parsed.path().ends_with("/ws"));
        let twice = to_websocket_url(once).expect("a URL still");
        assert_eq!(twice.expose(), once, "once is enough");
    }
    if url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https")) {
        for (set, name) in
            [(set_cursor(url, position), "cursor"), (set_since(url, position), "since")]
        {
            if let Ok(parsed) = url::Url::parse(&set) {
                let mut found = parsed.query_pairs().filter(|(key, _)| key == name);
                assert_eq!(
                    found.next().map(|(_, value)| value.into_owned()),
                    Some(position.into())
                );
                assert_eq!(found.next(), None, "{name} is there once");
            }
        }
    }
    let (id, cursor) = (position, url);
    if let Ok(built) = sse().stream_id(id).cursor(cursor).build() {
        let parsed = url::Url::parse(built.expose()).expect("a URL");
        let pairs: Vec<_> = parsed.query_pairs().map(|(_, value)| value.into_owned()).collect();
        assert_eq!(pairs, [id, cursor]);
    }
}

/// Wherever a `Location` leads, a key goes to its own origin alone, and only over https.
///
/// | bytes of `data` | mean |
/// | --- | --- |
/// | 0 | the status: 301, 302, 303, 307 or 308 |
/// | the rest, by lines | the locations, one redirect after the other |
pub fn redirect(data: &[u8]) {
    let [status, locations @ ..] = data else { return };
    let status = [301, 302, 303, 307, 308][usize::from(status % 5)];
    let started = Subscription::url("https://s.test/?streamId=a").start(
        &Service::new("rs_0123456789abcdef"),
        Entropy::from_seed(1),
        Instant::ORIGIN,
    );
    let mut machine = started.expect("a subscription that can work");
    let mut left = false;
    for (number, location) in locations.split(|byte| *byte == b'\n').enumerate() {
        let Some((exchange, request)) = opened(&mut machine) else { return };
        assert!(number <= 10, "more redirects than are followed");
        let uri: &Uri = request.uri();
        assert!(matches!(uri.scheme_str(), Some("http" | "https")), "{uri}");
        let at_home = uri.scheme_str() == Some("https")
            && uri.host() == Some("s.test")
            && matches!(uri.port_u16(), None | Some(443));
        left |= !at_home;
        assert_eq!(request.headers().contains_key("authorization"), !left, "{uri}");
        let Ok(location) = http::HeaderValue::from_bytes(location) else { return };
        let head = Response::builder().status(status).header("location", location);
        let head = Box::new(head.body(()).expect("a head").into_parts().0);
        machine.handle(Input::Response { exchange, head }, Instant::ORIGIN);
    }
}

fn opened<M: Machine>(
    machine: &mut M,
) -> Option<(restless_proto::machine::ExchangeId, Box<http::Request<bytes::Bytes>>)> {
    for _ in 0..8 {
        match machine.poll() {
            Output::Open { exchange, request } => return Some((exchange, request)),
            Output::Wait(_) | Output::Done => return None,
            _ => {}
        }
    }
    panic!("it talks without end")
}
