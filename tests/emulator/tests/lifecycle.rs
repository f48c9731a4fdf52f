//! Starting, asking, waiting, stopping.

mod common;

use std::net::TcpStream;
use std::time::Duration;

use common::{Ending, call, open, quiet_stream, subscribe};
use restless_emulator::{Emulator, Fault, PublishError, StartError};

fn start() -> Emulator {
    Emulator::start().expect("an emulator")
}

#[test]
fn drop_closes_every_socket_and_frees_the_port() {
    let emulator = start();
    let id = quiet_stream(&emulator);
    emulator.inject(Fault::stall_head());
    let mut silent = open(&emulator, "streamId=none");
    emulator.until(|emulator| emulator.pending_faults() == 0).wait().expect("fault met");
    let mut live = subscribe(&emulator, &format!("streamId={id}"));
    let address = emulator.address();
    drop(emulator);
    assert_eq!(silent.silence(), Ending::Cut);
    assert_eq!(live.rest().1, Ending::Cut);
    let error = TcpStream::connect(address).expect_err("refused");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[test]
fn port_in_use_is_an_error_that_names_it() {
    let emulator = start();
    let port = emulator.address().port();
    let error = Emulator::builder().port(port).start().expect_err("in use");
    assert!(matches!(error, StartError::Bind { .. }));
    assert_eq!(error.to_string(), format!("cannot listen on 127.0.0.1:{port}"));
}

#[test]
fn it_starts_fails_and_stops_inside_a_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let emulator = start();
        let id = quiet_stream(&emulator);
        emulator.publish(&id, "1").expect("an event");
        emulator.until_logged(&id, 1).await;
        let taken = emulator.address().port();
        assert!(Emulator::builder().port(taken).start().is_err());
        drop(restless_emulator::Upstream::start("1").expect("an upstream"));
        drop(emulator);
    });
}

#[test]
fn it_listens_on_loopback_only() {
    assert!(start().address().ip().is_loopback());
}

#[test]
fn own_key_is_the_only_key() {
    let emulator = Emulator::builder().api_key("rs_mine").start().expect("an emulator");
    assert_eq!(emulator.api_key(), "rs_mine");
    assert_eq!(call(&emulator, "GET", "/streams", "").status, 200);
    let other = format!("x-api-key: {}\r\n", restless_emulator::DEFAULT_API_KEY);
    let response = common::exchange(&emulator, "GET", "/streams", &other, "").expect("a response");
    assert_eq!(response.status, 401);
}

#[test]
fn requests_are_recorded_in_order_without_showing_the_key() {
    let emulator = start();
    call(&emulator, "GET", "/streams?limit=1", "");
    call(&emulator, "POST", "/streams/connection-snippets", r#"{"streamId":"a"}"#);
    let requests = emulator.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(
        (requests[0].method.as_str(), requests[0].uri.as_str()),
        ("GET", "/streams?limit=1")
    );
    assert_eq!(requests[1].body, r#"{"streamId":"a"}"#);
    assert_eq!(requests[0].headers["x-api-key"], emulator.api_key());
    assert!(!format!("{requests:?}").contains(emulator.api_key()));
    emulator.clear_requests();
    assert!(emulator.requests().is_empty());
}

#[test]
fn request_that_met_a_fault_is_recorded_too() {
    let emulator = start();
    emulator.inject(Fault::refuse());
    open(&emulator, "streamId=a").silence();
    assert_eq!(emulator.requests()[0].uri, "/?streamId=a");
}

#[test]
fn publish_says_what_is_wrong() {
    let emulator = start();
    let id = quiet_stream(&emulator);
    assert!(matches!(emulator.publish("none", "1"), Err(PublishError::UnknownStream)));
    assert!(matches!(emulator.publish(&id, "{"), Err(PublishError::Data(_))));
}

#[test]
fn add_stream_says_what_a_create_call_would() {
    let error = start().add_stream("{}").expect_err("no name");
    assert_eq!(error.to_string(), "name is required");
}

#[test]
fn wait_gives_up_and_names_what_did_not_come() {
    let emulator = start();
    let error = emulator
        .until_subscribers(1)
        .wait_for(Duration::from_millis(1))
        .expect_err("nobody subscribes");
    assert_eq!(error.to_string(), "waited 1ms for 1 subscribers");
}

#[test]
fn until_can_be_awaited() {
    let emulator = start();
    let id = quiet_stream(&emulator);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    std::thread::scope(|scope| {
        let published =
            scope.spawn(|| runtime.block_on(emulator.until_logged(&id, 3).into_future()));
        for n in 0..3 {
            emulator.publish(&id, &n.to_string()).expect("an event");
        }
        published.join().expect("woken");
    });
}

#[test]
fn stream_under_an_id_of_the_caller_s_is_there_once() {
    let emulator = Emulator::start().expect("an emulator");
    let body = r#"{"name":"Orders","url":"http://127.0.0.1:9/","status":"INACTIVE"}"#;
    emulator.add_stream_as("stream_mine", body).expect("a stream");
    assert_eq!(emulator.ids(), ["stream_mine"]);
    let error = emulator.add_stream_as("stream_mine", body).expect_err("twice");
    assert_eq!(error.to_string(), "there is a stream \"stream_mine\" already");
}
