//! Header fields of the caller's own, for each request or for one, and those of a good answer.

use restless_hyper::proto::url::to_websocket_url;
use restless_hyper::proto::{Entropy, streams, ws};
use restless_hyper::{Client, ClientBuilder, Runtime};

use super::support::{Stage, all_of, builder, opened};

fn set<R: Runtime>(builder: ClientBuilder<R>) -> Client<R> {
    let builder = builder.user_agent("mine/1").header("x-tenant", "old").header("X-Tenant", "all");
    builder.build().expect("a client")
}

/// What a client is given goes with each of its requests: of calls and of both transports. Any
/// other WebSocket gets the user agent alone.
pub async fn a_client_s_fields_go_with_each_request<R: Runtime>(rt: R) {
    let mut stage = Stage::new(rt);
    stage.client = set(builder(&stage.rt, &stage.emulator));
    let id = stage.stream();
    let said = || ["user-agent", "x-tenant"].map(|name| stage.sent(name).pop().flatten());
    let due = ["mine/1", "all"].map(|value| Some(value.to_owned()));
    stage.client.send(streams::get(&id)).await.expect("a stream");
    assert_eq!(said(), due);
    for subscription in [all_of(&id), all_of(&id).websocket()] {
        opened(&mut stage.subscribe(subscription)).await;
        assert_eq!(said(), due);
    }
    let url = to_websocket_url(stage.emulator.sse_url(&id)).expect("a URL");
    let url = url.expose().parse().expect("a URL");
    let handshake = ws::Handshake::new(&url, &mut Entropy::from_seed(1)).expect("a handshake");
    let mut socket = stage.client.websocket(handshake, ws::Options::default()).expect("a socket");
    socket.next().await;
    assert_eq!(said(), [Some("mine/1".to_owned()), None]);
}

/// A field of one call's goes before the client's, and with that call alone. A subscription's goes
/// before the client's likewise.
pub async fn a_field_of_one_request_goes_before_the_client_s<R: Runtime>(rt: R) {
    let mut stage = Stage::new(rt);
    stage.client = set(builder(&stage.rt, &stage.emulator));
    let id = stage.stream();
    let call = || streams::get(&id);
    stage.client.send(call().header("x-tenant", "one").header("x-trace", "7")).await.expect("it");
    stage.client.send(call()).await.expect("a stream");
    opened(&mut stage.subscribe(all_of(&id).header("x-tenant", "two"))).await;
    let values = |name| stage.sent(name).into_iter().map(Option::unwrap_or_default);
    assert_eq!(values("x-tenant").collect::<Vec<_>>(), ["one", "all", "two"]);
    assert_eq!(values("x-trace").collect::<Vec<_>>(), ["7", "", ""]);
}

/// The fields of a good answer can be had with it: the request's id, for one.
pub async fn a_good_answer_has_its_fields<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    let reply = stage.client.send(streams::get(&id).with_head()).await.expect("a stream");
    assert_eq!((&*reply.id, reply.status().as_u16()), (&*id, 200));
    assert!(reply.request_id().is_some());
    let field = reply.fields().get("x-request-id").and_then(|value| value.to_str().ok());
    assert_eq!(field, reply.request_id().as_deref());
}

/// A field that can't be sent, or that the client sets itself, is an error before there is a
/// client.
pub async fn a_field_that_can_t_be_sent_makes_no_client<R: Runtime>(rt: R) {
    let new = || ClientBuilder::new(rt.clone());
    for (name, value) in [("x-tenant", "a\nb"), ("no name", "a"), ("x-api-key", "a"), ("host", "a")]
    {
        let error = new().header(name, value).build().expect_err("no client");
        assert_eq!(error.field(), "header", "{name}");
    }
    new().user_agent("a\r\nb").build().expect_err("no client");
}
