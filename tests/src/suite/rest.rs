//! REST calls over real sockets: each of them, what is refused, what breaks, and how
//! connections are used again.

use std::io::Write as _;
use std::time::Duration;

use restless_emulator::{Emulator, Fault};
use restless_hyper::proto::model::{HttpMethod, PayloadMode, StreamStatus};
use restless_hyper::proto::{
    ContentError, Error, Limits, Timer, TransportErrorKind, direct, snippets, streams, usage,
};
use restless_hyper::{ClientBuilder, Runtime};

use super::probe::Probe;
use super::relay::{read_head, serving};
use super::support::{Either, Stage, both, builder, race, yield_now};

/// An upstream that nobody asks, since these streams are created inactive.
const NOWHERE: &str = "http://127.0.0.1:9/orders";

fn inactive(name: &str) -> streams::Create {
    streams::create(name, NOWHERE).status(StreamStatus::Inactive)
}

/// `POST /streams` gives the stream, with what it was created with.
pub async fn create_gives_the_stream<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let create = inactive("Orders")
        .payload_mode(PayloadMode::JsonPatch)
        .method(HttpMethod::Post)
        .headers(serde_json::json!({"X-Own_Name": "as given"}))
        .polling_interval(30)
        .hmac_signature_enabled(true);
    let stream = stage.client.send(create).await.expect("a stream");
    assert_eq!(stream.name, "Orders");
    assert_eq!(stream.payload_mode, PayloadMode::JsonPatch);
    assert_eq!(stream.method, HttpMethod::Post);
    assert_eq!(stream.polling_interval, 30);
    assert!(stream.hmac_signature_enabled);
    assert_eq!(stream.headers.expect("headers").get(), r#"{"X-Own_Name":"as given"}"#);
    assert!(stream.sse_url.expect("an SSE URL").contains(&stream.id));
}

/// `GET /streams/{id}` gives the stream that was created.
pub async fn get_gives_what_was_created<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let created = stage.client.send(inactive("Orders")).await.expect("a stream");
    assert_eq!(stage.client.send(streams::get(&created.id)).await.expect("it"), created);
}

/// `GET /streams` gives a page, and says whether there are more.
pub async fn list_gives_a_page<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    for name in ["a", "b", "c"] {
        stage.client.send(inactive(name)).await.expect("a stream");
    }
    let page = stage.client.send(streams::list().limit(2)).await.expect("a page");
    assert_eq!(page.streams.iter().map(|stream| &*stream.name).collect::<Vec<_>>(), ["a", "b"]);
    assert!(page.pagination_info.has_next_page);
    let page = stage.client.send(streams::list().limit(2).offset(2)).await.expect("a page");
    assert_eq!(page.streams.len(), 1);
    assert!(!page.pagination_info.has_next_page);
}

/// `PATCH /streams/{id}` changes what is set, clears what is cleared, and leaves the rest.
pub async fn update_sets_clears_and_leaves<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let create = inactive("Orders").description("all of them").jq_filter(".items");
    let created = stage.client.send(create).await.expect("a stream");
    let update = streams::update(&created.id).name("Orders v2").clear_jq_filter();
    let updated = stage.client.send(update).await.expect("the stream");
    assert_eq!(updated.name, "Orders v2");
    assert_eq!(updated.jq_filter, None);
    assert_eq!(updated.description.as_deref(), Some("all of them"));
}

/// `POST /streams/{id}/start` and `/stop` change the status, without content.
pub async fn start_and_stop_change_the_status<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    let started = stage.client.send(streams::start(&id)).await.expect("the stream");
    assert_eq!(started.status, StreamStatus::Active);
    let stopped = stage.client.send(streams::stop(&id)).await.expect("the stream");
    assert_eq!(stopped.status, StreamStatus::Inactive);
    assert!(stage.emulator.requests().iter().all(|request| request.body.is_empty()));
}

/// `DELETE /streams/{id}` takes the stream away.
pub async fn delete_takes_the_stream_away<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    let done = stage.client.send(streams::delete(&id)).await.expect("an answer");
    assert!(done.affected);
    assert_eq!(done.id, id);
    let error = stage.client.send(streams::get(&id)).await.expect_err("it is gone");
    assert_eq!(error.status().map(|status| status.as_u16()), Some(404));
}

/// `POST /streams/validate-api-key` asks about the client's own key, or about another.
pub async fn validate_api_key_asks_about_a_key<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let own = stage.client.send(streams::validate_api_key()).await.expect("an answer");
    assert!(own.affected);
    let other = streams::validate_api_key().key("rs_another");
    assert!(!stage.client.send(other).await.expect("an answer").affected);
}

/// `GET /streams/{id}/credit-usage-stats` counts what was emitted.
pub async fn credit_usage_counts_events<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 3);
    let stats = stage.client.send(usage::credit_usage_stats(&id)).await.expect("stats");
    assert_eq!(stats.total_burned_last_week, 3);
    assert_eq!(stats.daily_usage.iter().map(|day| day.credits_used).sum::<i64>(), 3);
}

/// `POST /streams/connection-snippets` gives URLs and code.
pub async fn connection_snippets_give_urls_and_code<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    let call = snippets::connection_snippets().stream_id(&id).language("python");
    let answer = stage.client.send(call).await.expect("snippets");
    assert_eq!(answer.runtime.sse_url, stage.emulator.sse_url(&id));
    assert_eq!(answer.snippets.selected_language, "python");
}

/// `POST /streams/direct/setup` says how a REST API would be followed.
pub async fn direct_setup_describes_the_target<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let target = direct::target(NOWHERE).polling_interval(30).jq_filter(".items");
    let setup = stage.client.send(direct::setup(target)).await.expect("a setup");
    assert_eq!(setup.stream_config.target_url, NOWHERE);
    assert_eq!(setup.stream_config.polling_interval, Some(30));
    assert_eq!(setup.stream_config.jq_filter.as_deref(), Some(".items"));
}

/// `POST /streams/direct/sessions` gives the session that has the dedupe key.
pub async fn direct_session_is_found_again_by_its_key<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let session = || direct::session(NOWHERE).dedupe_key("orders-v1");
    let first = stage.client.send(session()).await.expect("a session");
    let again = stage.client.send(session()).await.expect("a session");
    assert!(first.created && !again.created);
    assert_eq!(first.session_id, again.session_id);
}

/// A list is walked page by page, and only as far as it is asked for; dropping `next` anywhere
/// loses nothing. An error is the end.
pub async fn pages_are_walked_to_the_end<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let ids: Vec<_> = (0..5).map(|_| stage.stream()).collect();
    let mut pages = stage.client.pages(streams::list().limit(2));
    assert!(stage.emulator.requests().is_empty());
    let mut walked = Vec::new();
    loop {
        match race(pages.next(), yield_now()).await {
            Either::First(Some(stream)) => walked.push(stream.expect("a stream").id),
            Either::First(None) => break,
            Either::Second(()) => {}
        }
    }
    assert!(pages.next().await.is_none());
    let mut sorted = walked.clone();
    sorted.sort();
    let mut due = ids.clone();
    due.sort();
    assert_eq!(sorted, due);
    let offsets: Vec<_> = stage.queried("offset").into_iter().flatten().collect();
    assert_eq!(offsets, ["0", "2", "4"]);

    stage.emulator.clear_requests();
    let mut pages = stage.client.pages(streams::list().limit(2));
    for _ in 0..2 {
        pages.next().await.expect("a stream").expect("a stream");
    }
    assert_eq!(stage.emulator.requests().len(), 1);
    stage.emulator.inject(Fault::status(403).on_rest());
    let error = pages.next().await.expect("an error").expect_err("403");
    assert_eq!(error.status().map(|status| status.as_u16()), Some(403));
    assert!(pages.next().await.is_none());
}

/// A service that gives one page for ever is left when it comes again.
pub async fn a_page_that_comes_again_is_the_end<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    let page = format!(
        r#"{{"streams":[{{"id":"{id}","name":"n","status":"ACTIVE","method":"GET","url":"u",
            "payloadMode":"FULL_DATA","pollingInterval":30}}],"paginationInfo":{{"hasNextPage":true}}}}"#
    );
    stage.emulator.inject(Fault::status(200).body(page).on_rest().times(10));
    let mut pages = stage.client.pages(streams::list());
    assert_eq!(pages.next().await.expect("a stream").expect("a stream").id, id);
    assert!(pages.next().await.is_none());
    assert_eq!(stage.emulator.requests().len(), 2);
}

/// An id is one path segment, whatever is in it.
pub async fn an_id_is_one_path_segment<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let error = stage.client.send(streams::get("a/../b?c#d é")).await.expect_err("no such stream");
    assert_eq!(error.status().map(|status| status.as_u16()), Some(404));
    let request = stage.emulator.requests().pop().expect("a request");
    assert_eq!(request.uri, "/streams/a%2F..%2Fb%3Fc%23d%20%C3%A9");
}

// Refusals

/// A wrong key is refused with 401; the error never shows it.
pub async fn a_wrong_key_is_refused_with_401<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let client = builder(&rt, &emulator).api_key("rs_wrong").build().expect("a client");
    let error = client.send(streams::list()).await.expect_err("a wrong key");
    assert_eq!(error.status().map(|status| status.as_u16()), Some(401));
    assert!(!format!("{error:?} {error} {client:?}").contains("rs_wrong"));
}

/// A value that the service does not take is refused with 400, a message and a request id.
pub async fn a_bad_value_is_refused_with_a_message_and_a_request_id<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let create = inactive("Orders").field("status", "ASLEEP");
    let error = stage.client.send(create).await.expect_err("a bad status");
    let Error::Refused(refused) = &error else { panic!("{error:?}") };
    assert_eq!(refused.status(), 400);
    assert_eq!(refused.message(), "status must be ACTIVE or INACTIVE");
    assert!(error.request_id().is_some_and(|id| id.starts_with("req_")), "{error:?}");
}

/// A reply that is not JSON is an error that shows how it begins.
pub async fn a_reply_that_is_not_json_is_an_error<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    stage.emulator.inject(Fault::status(200).body("<html>").on_rest());
    let error = stage.client.send(streams::list()).await.expect_err("no JSON");
    let Error::Content(content) = &error else { panic!("{error:?}") };
    let ContentError::Json { call, excerpt, .. } = &**content else { panic!("{content:?}") };
    assert_eq!((&**call, &**excerpt), ("GET /streams", &b"<html>"[..]));
}

/// A good status without content, where a model is due, is an error.
pub async fn a_reply_without_content_is_an_error<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    stage.emulator.inject(Fault::status(204).on_rest());
    let error = stage.client.send(streams::list()).await.expect_err("no content");
    let Error::Content(content) = &error else { panic!("{error:?}") };
    assert!(matches!(**content, ContentError::Missing { .. }), "{content:?}");
}

/// A reply over the limit is an error, and is not read to its end.
pub async fn a_reply_over_the_limit_is_an_error<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let client = builder(&rt, &emulator).limits(Limits::default().content_bytes(1000));
    let client = client.build().expect("a client");
    emulator.inject(Fault::status(200).body(vec![b' '; 8 << 20]).on_rest());
    let error = client.send(streams::list()).await.expect_err("too much");
    let Error::Limit(limit) = &error else { panic!("{error:?}") };
    assert_eq!(limit.maximum(), 1000);
    assert!(limit.seen() < 8 << 20);
    emulator.until_connections(0).await;
}

// Time, and what breaks

/// No answer within the timeout is an error that names the timer, and closes the connection.
pub async fn no_answer_is_a_timeout<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let client = builder(&rt, &emulator).timeout(Duration::from_millis(150));
    let client = client.build().expect("a client");
    emulator.inject(Fault::stall_head().on_rest());
    let error = client.send(streams::list()).await.expect_err("silence");
    let Error::Timeout(timeout) = &error else { panic!("{error:?}") };
    assert_eq!((timeout.timer(), timeout.after()), (Timer::Total, Duration::from_millis(150)));
    emulator.until_connections(0).await;
}

/// The timeout is over the content too.
pub async fn a_reply_that_stalls_is_a_timeout<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let client = builder(&rt, &emulator).timeout(Duration::from_millis(150));
    let client = client.build().expect("a client");
    emulator.inject(Fault::stall_after(5).on_rest());
    let error = client.send(streams::list()).await.expect_err("silence");
    let Error::Timeout(timeout) = &error else { panic!("{error:?}") };
    assert_eq!(timeout.timer(), Timer::Total);
}

/// A connect that does not come to an end has a timeout of its own.
pub async fn a_connect_that_never_ends_is_a_connect_timeout<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let deaf = Probe::deaf(rt);
    let client = builder(&deaf, &emulator).connect_timeout(Duration::from_millis(50));
    let client = client.max_retries(0).build().expect("a client");
    let error = client.send(streams::list()).await.expect_err("no connection");
    let Error::Timeout(timeout) = &error else { panic!("{error:?}") };
    assert_eq!((timeout.timer(), timeout.after()), (Timer::Connect, Duration::from_millis(50)));
    assert_eq!(deaf.live(), 0, "the connect was not dropped");
}

/// A port that nobody listens on is a failure to connect.
pub async fn a_refused_connect_is_an_error<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let client = builder(&rt, &emulator).max_retries(0).build().expect("a client");
    emulator.stop_listening().expect("the emulator stands");
    let error = client.send(streams::list()).await.expect_err("nobody listens");
    let Error::Transport(transport) = &error else { panic!("{error:?}") };
    assert_eq!(transport.kind(), TransportErrorKind::Connect);
}

/// A name without an address is a failure to resolve.
pub async fn a_name_that_does_not_resolve_is_an_error<R: Runtime>(rt: R) {
    let client = ClientBuilder::new(Probe::nameless(rt)).base_url("http://service.invalid");
    let client = client.max_retries(0).build().expect("a client");
    let error = client.send(streams::list()).await.expect_err("no such name");
    let Error::Transport(transport) = &error else { panic!("{error:?}") };
    assert_eq!(transport.kind(), TransportErrorKind::Resolve);
}

/// A host may be given by name: one of the addresses that the runtime finds for it does.
pub async fn a_host_name_is_resolved<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let port = emulator.address().port();
    let addresses = rt.resolve("localhost", port).await.expect("the system knows itself");
    assert!(addresses.contains(&emulator.address()), "{addresses:?}");
    let (probe, url) = (Probe::with_addresses(rt, &addresses), format!("http://up.test:{port}"));
    let client = builder(&probe, &emulator).base_url(&url).allow_credentials_over_plain_http();
    client.build().expect("a client").send(streams::list()).await.expect("a page");
    assert_eq!(probe.lookups(), 1);
    let host = emulator.requests()[0].headers["host"].clone();
    assert_eq!(host, url.strip_prefix("http://").expect("a scheme"));
}

/// A reply that is cut, or reset, in the middle is no reply.
pub async fn a_reply_that_is_cut_is_an_error<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    for fault in [Fault::cut_after(5), Fault::reset_after(5), Fault::refuse(), Fault::reset()] {
        stage.emulator.inject(fault.clone().on_rest());
        // Not idempotent, so it is not sent again.
        let error = stage.client.send(inactive("Orders")).await.expect_err("a cut");
        let Error::Transport(transport) = &error else { panic!("{fault:?}: {error:?}") };
        assert_eq!(transport.kind(), TransportErrorKind::Broken, "{fault:?}");
    }
    assert_eq!(stage.emulator.pending_faults(), 0);
}

// Connections

/// Calls one after the other use one connection.
pub async fn idle_connections_are_used_again<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let probe = Probe::new(rt);
    let client = builder(&probe, &emulator).build().expect("a client");
    for n in 0..20 {
        // A clone has the same connections.
        let created = client.clone().send(inactive(&n.to_string())).await.expect("a stream");
        client.send(streams::get(created.id)).await.expect("a stream");
    }
    assert_eq!(probe.connects(), 1);
}

/// A refusal whose content was read leaves a connection that can be used again.
pub async fn a_refusal_leaves_its_connection_usable<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let probe = Probe::new(rt);
    let client = builder(&probe, &emulator).build().expect("a client");
    for _ in 0..3 {
        client.send(streams::get("none")).await.expect_err("no such stream");
    }
    assert_eq!(probe.connects(), 1);
}

/// A reply whose end two readers could see in two places is read, and the next call takes another
/// connection (RFC 9112 §6.3, RFC 9110 §8.6).
pub async fn a_connection_behind_an_ambiguous_reply_is_not_used_again<R: Runtime>(rt: R) {
    for (reply, connects) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", 1),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 1),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n\
             2\r\n{}\r\n0\r\n\r\n",
            2,
        ),
        ("HTTP/1.1 204 No Content\r\n\r\n", 1),
        ("HTTP/1.1 204 No Content\r\ncontent-length: 2\r\n\r\n", 2),
        ("HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n", 2),
    ] {
        let server = serving(move |_, mut stream| {
            loop {
                read_head(&mut stream, Vec::new())?;
                stream.write_all(reply.as_bytes())?;
            }
        });
        let probe = Probe::new(rt.clone());
        let client = ClientBuilder::new(probe.clone()).no_proxy();
        let client = client.base_url(format!("http://{server}")).build().expect("a client");
        for _ in 0..2 {
            // The content is no stream, which shows once all of it is read.
            let read = client.send(streams::get("any")).await;
            assert!(matches!(read, Err(Error::Content(_))), "{reply:?}: {read:?}");
        }
        assert_eq!(probe.connects(), connects, "{reply:?}");
    }
}

/// Calls side by side have a connection each.
pub async fn calls_side_by_side_have_a_connection_each<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let probe = Probe::new(rt);
    let client = builder(&probe, &emulator).build().expect("a client");
    for _ in 0..2 {
        let pair = both(client.send(streams::list()), client.send(streams::list())).await;
        pair.0.expect("a page");
        pair.1.expect("a page");
    }
    assert_eq!(probe.connects(), 2);
}

/// A kept connection that the server has closed meanwhile does not fail the next call.
pub async fn a_kept_connection_that_was_closed_is_replaced<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let probe = Probe::new(rt);
    let client = builder(&probe, &emulator).build().expect("a client");
    for _ in 0..3 {
        client.send(inactive("Orders")).await.expect("a stream");
        emulator.disconnect_all();
        emulator.until_connections(0).await;
    }
    assert_eq!(probe.connects(), 3);
}

/// A server closes a kept connection just as an idempotent call goes out on it: the call is sent
/// again on a new one (RFC 9112 §9.3.1). Other calls are in `a_reply_that_is_cut_is_an_error`, and
/// in `retry::a_dead_connection_is_no_try`.
pub async fn an_idempotent_call_on_a_connection_that_dies_is_sent_again<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    stage.client.send(streams::list()).await.expect("a page");
    stage.emulator.inject(Fault::refuse().on_rest());
    stage.client.send(streams::list()).await.expect("a page");
    assert_eq!(stage.emulator.requests().len(), 3);
}

/// A call that is dropped closes its connection, and the client goes on.
pub async fn a_dropped_call_closes_its_connection<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    stage.emulator.inject(Fault::stall_head().on_rest());
    let asked = stage.emulator.until_requests(1);
    let call = stage.client.send(streams::list());
    assert!(matches!(race(call, asked).await, Either::Second(())));
    stage.emulator.until_connections(0).await;
    stage.client.send(streams::list()).await.expect("a page");
}
