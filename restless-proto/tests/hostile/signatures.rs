//! Signatures that somebody has had a hand in: nothing without a good one comes out as an event.

use restless_proto::signature::{Error, Signer};
use restless_proto::subscription::{Continuity, Event, Item, RejectReason};

use super::memory;
use super::peer::{follow, frame, frames, stream};

const SECRET: &str = "whsec_of_a_test";

fn signed(data: &str, signature: &str, id: u32) -> String {
    format!(
        r#"{{"type":"update","meta":{{"timestamp":"2026-03-24T00:00:00Z"}},"data":{data},"signature":{signature},"event_id":"{id}"}}"#
    )
}

fn of(data: &str) -> String {
    Signer::new(SECRET).sign(data).unwrap().to_string()
}

/// Each with a signature that is not its own.
fn forged() -> Vec<(&'static str, String, Error)> {
    let data = r#"{"total":42}"#;
    let good = of(data);
    let tampered = data.replace("42", "43");
    let quoted = |signature: &str| format!("\"{signature}\"");
    let mut flipped = good.clone();
    flipped.replace_range(..1, if good.starts_with('0') { "1" } else { "0" });
    vec![
        ("data that was changed", signed(&tampered, &quoted(&good), 1), Error::Mismatch),
        ("a digit that was changed", signed(data, &quoted(&flipped), 1), Error::Mismatch),
        ("one that was cut", signed(data, &quoted(&good[..63]), 1), Error::Malformed),
        ("half of one", signed(data, &quoted(&good[..32]), 1), Error::Malformed),
        ("upper case", signed(data, &quoted(&good.to_uppercase()), 1), Error::Malformed),
        ("another event's", signed(data, &quoted(&of("1")), 1), Error::Mismatch),
        ("none", signed(data, "null", 1), Error::Missing),
        ("an empty one", signed(data, "\"\"", 1), Error::Missing),
        (
            "a second one, for it is the last that counts",
            signed(data, &format!("{},\"signature\":\"{}\"", quoted(&good), of("1")), 1),
            Error::Mismatch,
        ),
        (
            "data that stands twice",
            signed(&format!("{data},\"data\":{tampered}"), &quoted(&good), 1),
            Error::Mismatch,
        ),
    ]
}

#[test]
fn what_has_no_good_signature_is_rejected_over_both_transports() {
    let _alone = memory::alone();
    for (name, text, due) in forged() {
        let verified = stream().verify(Signer::new(SECRET));
        let mut peer = follow(verified).opens();
        peer.say(format!("data: {text}\n\n").as_bytes(), 1);
        let reason = peer.rejected().map(|it| &it.reason);
        assert!(
            matches!(reason, Some(RejectReason::Signature(seen)) if *seen == due),
            "{name}: {:?}",
            peer.told
        );
        let mut peer = follow(frames().verify(Signer::new(SECRET))).upgrades("");
        peer.say(&frame(0x81, text.as_bytes()), 1);
        let reason = peer.rejected().map(|it| &it.reason);
        assert!(
            matches!(reason, Some(RejectReason::Signature(seen)) if *seen == due),
            "{name}: {:?}",
            peer.told
        );
    }
}

#[test]
fn a_signed_event_that_comes_again_is_told_to_be_repeated_or_dropped_where_asked_for() {
    let _alone = memory::alone();
    let text = signed("1", &format!("\"{}\"", of("1")), 7);
    for dedupe in [false, true] {
        let subscription = stream().verify(Signer::new(SECRET));
        let subscription =
            if dedupe { subscription.dedupe(100) } else { subscription.continuity() };
        let mut peer = follow(subscription).opens();
        for _ in 0..2 {
            peer.say(format!("data: {text}\n\n").as_bytes(), 1);
        }
        let items = peer.told.iter().filter(|it| matches!(it, Event::Item(Item::Event(_))));
        assert_eq!(items.count(), if dedupe { 1 } else { 2 }, "{:?}", peer.told);
        let repeated = |it: &Event| matches!(it, Event::Continuity(Continuity::Repeated));
        assert_eq!(peer.told.iter().any(repeated), !dedupe, "{:?}", peer.told);
    }
}
