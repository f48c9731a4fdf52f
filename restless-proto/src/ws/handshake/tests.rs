use super::*;

fn handshake() -> Handshake {
    let url = "ws://server.example.com:81/chat?a=b".parse().expect("a URL");
    let mut handshake = Handshake::new(&url, &mut Entropy::from_seed(1)).expect("a WebSocket URL");
    handshake.key = "dGhlIHNhbXBsZSBub25jZQ==".to_owned();
    handshake
}

fn response(changes: &[(&'static str, &str)]) -> HeaderMap {
    let mut fields = HeaderMap::new();
    fields.insert(UPGRADE, HeaderValue::from_static("websocket"));
    fields.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    let accept = HeaderValue::from_static("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    fields.insert(SEC_WEBSOCKET_ACCEPT, accept);
    for &(name, value) in changes {
        match value {
            "" => drop(fields.remove(name)),
            value => {
                fields.insert(name, HeaderValue::from_str(value).expect("a value"));
            }
        }
    }
    fields
}

fn check(changes: &[(&'static str, &str)]) -> Result<Accepted, HandshakeError> {
    handshake()
        .subprotocol("chat")
        .expect("a token")
        .check(StatusCode::SWITCHING_PROTOCOLS, &response(changes))
}

#[test]
fn the_example_of_rfc_6455_section_1_3_is_accepted() {
    assert_eq!(accept_for("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    let accepted = check(&[("sec-websocket-protocol", "chat")]).expect("all is well");
    assert_eq!((accepted.subprotocol(), accepted.deflate()), (Some("chat"), None));
}

#[test]
fn the_request_has_every_field_of_section_4_1() {
    let value = HeaderValue::from_static("Bearer x");
    let request = handshake()
        .subprotocol("chat")
        .and_then(|h| h.subprotocol("superchat"))
        .and_then(|h| h.header(http::header::AUTHORIZATION, value))
        .expect("all allowed")
        .request();
    assert_eq!(request.method(), "GET");
    assert_eq!(request.uri(), "http://server.example.com:81/chat?a=b");
    let fields = request.headers();
    for (name, value) in [
        ("host", "server.example.com:81"),
        ("upgrade", "websocket"),
        ("connection", "Upgrade"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "chat, superchat"),
        ("sec-websocket-extensions", "permessage-deflate; client_max_window_bits"),
        ("authorization", "Bearer x"),
    ] {
        assert_eq!(fields[name], value, "{name}");
    }
    assert_eq!(fields.len(), 8);
}

#[test]
fn keys_differ_and_are_16_bytes() {
    let mut entropy = Entropy::from_seed(1);
    let url = "wss://example.com".parse().expect("a URL");
    let [a, b] = [0; 2].map(|_| Handshake::new(&url, &mut entropy).expect("a URL").key);
    assert_ne!(a, b);
    assert_eq!((a.len(), a.ends_with("==")), (24, true));
}

#[test]
fn the_default_port_is_left_out_of_host() {
    for (url, host) in [
        ("wss://a.example:443/", "a.example"),
        ("wss://a.example:80/", "a.example:80"),
        ("ws://[::1]:80/", "[::1]"),
        ("http://a.example:8080/", "a.example:8080"),
    ] {
        let url = url.parse().expect("a URL");
        let handshake = Handshake::new(&url, &mut Entropy::from_seed(1)).expect("usable");
        assert_eq!(handshake.request().headers()[HOST], host);
    }
}

#[test]
fn urls_that_are_no_websocket_urls_are_refused_without_printing_their_secrets() {
    for url in ["ftp://a.example", "ws://a.example/#top", "ws://me:secret@a.example/"] {
        let url = url.parse().expect("a URL");
        let error = Handshake::new(&url, &mut Entropy::from_seed(1)).expect_err("refused");
        assert!(!format!("{error:?}").contains("secret"));
    }
}

#[test]
fn fields_of_the_handshake_are_not_the_caller_s() {
    for name in [
        "host",
        "connection",
        "upgrade",
        "sec-websocket-key",
        "sec-websocket-foo",
        "proxy-authorization",
    ] {
        let value = HeaderValue::from_static("x");
        let seen = handshake().header(HeaderName::from_static(name), value);
        assert_eq!(seen.expect_err("refused").value(), name);
    }
}

#[test]
fn subprotocols_are_tokens_offered_once() {
    for name in ["", "a b", "a,b", "a\r\nx: y", "é"] {
        assert!(handshake().subprotocol(name).is_err(), "{name:?}");
    }
    assert!(handshake().subprotocol("a").and_then(|h| h.subprotocol("a")).is_err());
}

#[test]
fn a_status_other_than_101_is_a_refusal() {
    let status = StatusCode::UNAUTHORIZED;
    assert_eq!(handshake().check(status, &response(&[])), Err(HandshakeError::Status { status }));
}

#[test]
fn upgrade_must_be_websocket_in_any_case() {
    assert!(check(&[("upgrade", "WebSocket")]).is_ok());
    let seen = Some("h2c".to_owned());
    assert_eq!(check(&[("upgrade", "h2c")]), Err(HandshakeError::Upgrade { seen }));
    assert_eq!(check(&[("upgrade", "")]), Err(HandshakeError::Upgrade { seen: None }));
}

#[test]
fn connection_must_list_upgrade() {
    assert!(check(&[("connection", "keep-alive, upgrade")]).is_ok());
    let seen = Some("keep-alive".to_owned());
    assert_eq!(check(&[("connection", "keep-alive")]), Err(HandshakeError::Connection { seen }));
    assert_eq!(check(&[("connection", "")]), Err(HandshakeError::Connection { seen: None }));
}

#[test]
fn accept_must_answer_the_key() {
    let expected = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".to_owned();
    assert_eq!(
        check(&[("sec-websocket-accept", "")]),
        Err(HandshakeError::Accept { expected: expected.clone(), seen: None })
    );
    let wrong = "S3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    assert_eq!(
        check(&[("sec-websocket-accept", wrong)]),
        Err(HandshakeError::Accept { expected: expected.clone(), seen: Some(wrong.into()) })
    );
    let mut twice = response(&[]);
    twice.append(SEC_WEBSOCKET_ACCEPT, HeaderValue::from_str(&expected).expect("a value"));
    let seen = handshake().check(StatusCode::SWITCHING_PROTOCOLS, &twice);
    assert!(matches!(seen, Err(HandshakeError::Accept { .. })), "§11.3.3: {seen:?}");
}

#[test]
fn the_subprotocol_must_be_one_that_was_offered() {
    for seen in ["superchat", "Chat", "chat, chat"] {
        let offered = vec!["chat".to_owned()];
        assert_eq!(
            check(&[("sec-websocket-protocol", seen)]),
            Err(HandshakeError::Subprotocol { offered, seen: seen.into() })
        );
    }
}

#[test]
fn extensions_must_have_been_offered() {
    let extensions = "sec-websocket-extensions";
    let accepted = check(&[(extensions, "permessage-deflate; server_max_window_bits=10")]);
    let parameters = DeflateParameters { server_max_window_bits: 10, ..Default::default() };
    assert_eq!(accepted.expect("offered").deflate(), Some(&parameters));
    let unoffered = |seen: &str| {
        Err(HandshakeError::UnofferedExtension { offered: Some(deflate::NAME), seen: seen.into() })
    };
    assert_eq!(
        check(&[(extensions, "x-webkit-deflate-frame")]),
        unoffered("x-webkit-deflate-frame")
    );
    let twice = "permessage-deflate, permessage-deflate";
    assert_eq!(check(&[(extensions, twice)]), unoffered("permessage-deflate"));
    let none = handshake().deflate(None);
    let seen = none
        .check(StatusCode::SWITCHING_PROTOCOLS, &response(&[(extensions, "permessage-deflate")]));
    assert!(matches!(seen, Err(HandshakeError::UnofferedExtension { offered: None, .. })));
    assert!(none.request().headers().get(SEC_WEBSOCKET_EXTENSIONS).is_none());
    assert!(matches!(
        check(&[(extensions, "permessage-deflate;")]),
        Err(HandshakeError::Extensions { .. })
    ));
}

#[test]
fn a_bad_parameter_says_what_was_offered_and_seen() {
    let field = "permessage-deflate; client_max_window_bits=99";
    let error = check(&[("sec-websocket-extensions", field)]).expect_err("out of range");
    assert_eq!(
        error.to_string(),
        "the response to the offer \"permessage-deflate; client_max_window_bits\" has the \
         parameter \"client_max_window_bits\" as \"99\": window bits are 8 to 15"
    );
}
