//! Content codings (RFC 9110 §8.4), of replies and of event streams.

use restless_emulator::{Coding, Emulator, Fault};
use restless_hyper::Runtime;
use restless_hyper::proto::coding::CodingError;
use restless_hyper::proto::subscription::{Ended, LossReason, Lost};
use restless_hyper::proto::{ContentError, Error, Limits, TransportErrorKind, streams};

use super::support::{
    Stage, all_of, builder, ended, event, failure, frame, ids, lost, opened, take, take_ids,
};
use crate::causes;

const CODINGS: [(&str, Coding); 3] =
    [("br", Coding::Brotli), ("deflate", Coding::Deflate), ("gzip", Coding::Gzip)];

/// A content in a coding, whoever asked for it.
fn coded(status: u16, name: &str, content: impl Into<bytes::Bytes>) -> Fault {
    Fault::status(status).header("content-encoding", name).body(content)
}

fn coding_error(error: &Error) -> &CodingError {
    match error {
        Error::Content(content) => match &**content {
            ContentError::Coding(error) => error,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn cause(lost: &Lost) -> &CodingError {
    match &lost.reason {
        LossReason::Error(error) => coding_error(error),
        other => panic!("{other:?}"),
    }
}

// Replies

/// A call asks for the codings that it reads, and reads them.
pub async fn a_call_asks_for_a_coding_and_reads_it<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    assert_eq!(stage.client.send(streams::get(&id)).await.expect("a stream").id, id);
    let asked = stage.sent("accept-encoding").remove(0).expect("a field");
    for (name, coding) in CODINGS {
        assert!(asked.split(", ").any(|one| one == name), "{asked}");
        let content = coding.code(br#"{"id":"a","affected":true}"#);
        stage.emulator.inject(coded(200, name, content).on_rest());
        assert_eq!(stage.client.send(streams::delete("a")).await.expect("a reply").id, "a");
    }
}

/// What the service says to a call that it refuses is read, too.
pub async fn a_refusal_in_a_coding_is_read<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let message = |error: Error| match error {
        Error::Refused(refused) => refused.message().to_owned(),
        other => panic!("{other:?}"),
    };
    // The emulator codes it, as it does all that is asked for in a coding.
    let error = stage.client.send(streams::get("none")).await.expect_err("no such stream");
    assert!(message(error).contains("not found"));
    for (name, coding) in CODINGS {
        let content = coding.code(br#"{"message":"no"}"#);
        stage.emulator.inject(coded(403, name, content.clone()));
        let mut events = stage.subscribe(all_of("a"));
        assert_eq!(message(failure(&mut events).await), "no");
        stage.emulator.inject(coded(403, name, content));
        let mut events = stage.subscribe(all_of("a").websocket());
        assert_eq!(message(failure(&mut events).await), "no");
    }
}

/// A reply that ends within its coding, or breaks it, is an error that says so.
pub async fn a_reply_that_breaks_its_coding_is_an_error<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.emulator.inject(Fault::end_after(30).on_rest());
    let error = stage.client.send(streams::get(&id)).await.expect_err("half a reply");
    assert!(matches!(coding_error(&error), CodingError::Truncated { .. }), "{error:?}");
    stage.emulator.inject(Fault::corrupt_at(0).on_rest());
    let error = stage.client.send(streams::get(&id)).await.expect_err("no gzip");
    assert!(matches!(coding_error(&error), CodingError::Corrupt { .. }), "{error:?}");
    stage.emulator.inject(coded(200, "compress", "{}").on_rest());
    let error = stage.client.send(streams::get(&id)).await.expect_err("not understood");
    let due = CodingError::Unknown { coding: "compress".to_owned() };
    assert_eq!(coding_error(&error), &due);
    // None of it was the connection's fault, or the next call's.
    stage.client.send(streams::get(&id)).await.expect("a stream");
}

/// A coding that is in no registry changes nothing: the bytes of replies, of refusals and of event
/// streams are read as they are. Seen with object stores (`aws-chunked`), file servers (`utf-8`,
/// `binary`) and hand-written back ends (`none`).
pub async fn a_coding_that_no_registry_has_changes_nothing<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    for name in ["none", "utf-8", "binary", "aws-chunked", "none, identity"] {
        stage.emulator.inject(coded(200, name, r#"{"id":"a","affected":true}"#).on_rest());
        assert_eq!(stage.client.send(streams::delete("a")).await.expect("a reply").id, "a");

        stage.emulator.inject(coded(403, name, r#"{"message":"no"}"#).on_rest());
        let error = stage.client.send(streams::delete("a")).await.expect_err("a refusal");
        let Error::Refused(refused) = &error else { panic!("{error:?}") };
        assert_eq!(refused.message(), "no", "{name}");

        let script = Fault::raw([frame("1", "1")]).header("content-encoding", name);
        stage.emulator.inject(script.then_stall());
        assert_eq!(take_ids(&mut stage.subscribe(all_of("a")), 1).await, ["1"], "{name}");
    }
}

/// A transfer coding beside `chunked`, which hyper 1 passes over in a call's reply, is an error
/// that says so; and for a subscription the end, since it would come again.
pub async fn a_transfer_coding_is_an_error_that_says_so<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let due = CodingError::Transfer { coding: "gzip".to_owned() };
    let content = Coding::Gzip.code(br#"{"id":"a","affected":true}"#);
    let transfer = |fault: Fault| fault.header("transfer-encoding", "gzip, chunked");
    stage.emulator.inject(transfer(Fault::status(200).body(content)).on_rest());
    let error = stage.client.send(streams::delete("a")).await.expect_err("a transfer coding");
    assert_eq!(coding_error(&error), &due);

    let events = Coding::Gzip.code(frame("1", "1").as_bytes());
    stage.emulator.inject(transfer(Fault::raw([events])).then_stall());
    let error = failure(&mut stage.subscribe(all_of("a"))).await;
    assert!(
        matches!(&error, Error::Transport(error) if error.kind() == TransportErrorKind::Unsupported)
    );
    assert!(causes(&error).contains("the transfer coding is gzip, chunked"), "{}", causes(&error));
}

/// What pads a coded content, behind its end or between its members, says nothing. Seen
/// with replies that are made of files: gunzip reads them.
pub async fn padding_behind_a_coding_s_end_says_nothing<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    for (name, coding) in CODINGS {
        for padding in [&b"\r\n"[..], &[0; 1024]] {
            let reply = coding.code(br#"{"id":"a","affected":true}"#);
            stage.emulator.inject(coded(200, name, [&reply, padding].concat()).on_rest());
            assert_eq!(stage.client.send(streams::delete("a")).await.expect("a reply").id, "a");
        }
    }
    let member = |id: &str| Coding::Gzip.code(frame(id, id).as_bytes());
    let chunks = [member("1"), bytes::Bytes::from_static(&[0; 512]), member("2")];
    stage.emulator.inject(Fault::raw(chunks).header("content-encoding", "gzip").then_stall());
    assert_eq!(take_ids(&mut stage.subscribe(all_of("a")), 2).await, ["1", "2"]);
}

/// A reply without content is empty in any coding.
pub async fn no_content_is_none_in_any_coding<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    for name in ["gzip", "br", "compress"] {
        for status in [200, 204] {
            stage.emulator.inject(coded(status, name, "").on_rest());
            let error = stage.client.send(streams::delete("a")).await.expect_err("nothing");
            let Error::Content(content) = &error else { panic!("{error:?}") };
            assert!(matches!(**content, ContentError::Missing { .. }), "{name}: {error:?}");
        }
    }
}

/// However much a reply decodes to, no more of it is decoded than the limit allows.
pub async fn a_bomb_stops_at_the_limit<R: Runtime>(rt: R) {
    let emulator = Emulator::start().expect("an emulator");
    let client = builder(&rt, &emulator).limits(Limits::default().content_bytes(1000));
    let client = client.build().expect("a client");
    let spaces = vec![b' '; 16 << 20];
    for (name, coding) in CODINGS {
        emulator.inject(coded(200, name, coding.code(&spaces)).on_rest());
        let error = client.send(streams::list()).await.expect_err("too much");
        let Error::Limit(limit) = &error else { panic!("{error:?}") };
        assert_eq!(limit.maximum(), 1000);
        assert!(limit.seen() <= 1000 + (16 << 10), "{error}");
    }
}

// Event streams

/// A subscription asks for a coding only where it was told to; what comes in one is read anyway.
pub async fn a_stream_that_is_coded_unasked_is_read<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    for (name, coding) in CODINGS {
        let content = coding.code([frame("1", "1"), frame("2", "2")].concat().as_bytes());
        stage.emulator.inject(Fault::raw([content]).header("content-encoding", name).then_stall());
        let mut events = stage.subscribe(all_of("a"));
        assert_eq!(take_ids(&mut events, 2).await, ["1", "2"]);
    }
    assert_eq!(stage.sent("accept-encoding"), [None, None, None]);
}

/// Each event comes out as soon as it is flushed: the next one is only made after that.
pub async fn an_event_comes_out_when_it_is_flushed<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    let subscriptions = CODINGS
        .map(|(name, _)| all_of(&id).header("accept-encoding", name))
        .into_iter()
        .chain([all_of(&id).accept_encoding(true)]);
    for subscription in subscriptions {
        let mut events = stage.subscribe(subscription);
        let replayed = stage.log(&id).len();
        assert_eq!(ids(&take(&mut events, replayed).await), stage.log(&id));
        for _ in 0..3 {
            stage.publish(&id, 1);
            let seen = event(&mut events).await;
            assert_eq!(seen.event_id(), stage.log(&id).last().map(String::as_str));
        }
    }
    let asked = stage.sent("accept-encoding");
    assert_eq!(asked.len(), 4, "none of them came to an end");
    assert!(asked[3].as_deref().is_some_and(|asked| asked.starts_with("gzip, deflate, br")));
}

/// The content is cut after any byte, or ends there in good order: the sequence is the log's.
pub async fn a_coded_stream_cut_after_any_byte_loses_nothing<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 3);
    let log = stage.log(&id);
    for (name, _) in CODINGS {
        for bytes in (0..400).step_by(7) {
            for fault in [Fault::cut_after(bytes), Fault::end_after(bytes)] {
                stage.emulator.inject(fault);
                let mut events = stage.subscribe(all_of(&id).header("accept-encoding", name));
                assert_eq!(take_ids(&mut events, 3).await, log, "{name}, {bytes} bytes");
            }
        }
    }
}

/// A stream that ends within its coding, or breaks it, is a loss with that cause, after the events
/// before it; and it goes on from there.
pub async fn a_stream_that_breaks_its_coding_is_a_loss<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.publish(&id, 3);
    let log = stage.log(&id);
    let subscription = || all_of(&id).accept_encoding(true);

    stage.emulator.inject(Fault::end_after(20));
    let mut events = stage.subscribe(subscription());
    opened(&mut events).await;
    assert!(matches!(cause(&lost(&mut events).await), CodingError::Truncated { .. }));
    assert_eq!(take_ids(&mut events, 3).await, log);

    stage.emulator.inject(Fault::corrupt_at(0));
    let mut events = stage.subscribe(subscription());
    opened(&mut events).await;
    assert!(matches!(cause(&lost(&mut events).await), CodingError::Corrupt { .. }));
    assert_eq!(take_ids(&mut events, 3).await, log);

    let first = Coding::Gzip.code(frame(&log[0], "0").as_bytes());
    let chunks = [first, bytes::Bytes::from_static(b"no gzip")];
    stage.emulator.inject(Fault::raw(chunks).header("content-encoding", "gzip").then_stall());
    let mut events = stage.subscribe(subscription());
    opened(&mut events).await;
    assert_eq!(take_ids(&mut events, 3).await, log);
    let cursors = stage.queried("cursor");
    assert_eq!(cursors.last(), Some(&Some(log[0].clone())), "it resumes after the first");

    // Whole events and the coding's own end: nothing is wrong with that.
    stage.emulator.inject(Fault::end_after_events(2));
    let mut events = stage.subscribe(subscription());
    opened(&mut events).await;
    take(&mut events, 2).await;
    let lost = lost(&mut events).await;
    assert!(matches!(lost.reason, LossReason::Complete), "{lost:?}");
}

/// A coding that is not understood and comes unasked would come again: the end.
pub async fn a_stream_in_an_unknown_coding_ends<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let id = stage.stream();
    stage.emulator.inject(Fault::none().header("content-encoding", "compress"));
    let error = failure(&mut stage.subscribe(all_of(&id))).await;
    let due = CodingError::Unknown { coding: "compress".to_owned() };
    assert_eq!(coding_error(&error), &due);
}

/// Endless comments in a few bytes do not keep a client busy.
pub async fn a_bomb_without_an_event_ends_the_subscription<R: Runtime>(rt: R) {
    let stage = Stage::new(rt);
    let limits = Limits::default().line_bytes(1 << 16).event_bytes(1 << 16);
    // Of what may be decoded in vain, 32 MiB are the least.
    let nothing = format!(": {}\n", "nothing ".repeat(100)).repeat(45_000);
    for (name, coding) in CODINGS {
        let bomb = coding.code(nothing.as_bytes());
        stage.emulator.inject(Fault::raw([bomb]).header("content-encoding", name).then_stall());
        let mut events = stage.subscribe(all_of("a").limits(limits));
        opened(&mut events).await;
        let ended = ended(&mut events).await;
        assert!(matches!(ended, Ended::Failed(Error::Limit(_))), "{name}: {ended:?}");
    }
}
