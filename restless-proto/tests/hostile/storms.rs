//! Servers that say "not now" all day: the client keeps its distance, and says what it waits for.

use std::time::Duration;

use restless_proto::subscription::SubscriptionMachine;
use restless_proto::{CallOptions, Entropy, Error, Instant, Service, streams};

use super::memory;
use super::peer::{Peer, event, follow, frame, frames, stream};

const MINUTES: Duration = Duration::from_secs(3 * 60);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Lets so much time pass, with what `answer` says to each request, by its number, and an end.
fn lets_pass(
    time: Duration,
    mut peer: Peer<SubscriptionMachine>,
    mut answer: impl FnMut(usize, &mut Peer<SubscriptionMachine>),
) -> Peer<SubscriptionMachine> {
    for number in 0.. {
        while !peer.is_open() && peer.deadline.is_some() {
            peer.elapse();
        }
        if peer.now > Instant::ORIGIN + time || peer.is_over {
            break;
        }
        answer(number, &mut peer);
        peer.end();
    }
    assert!(!peer.is_over, "{:?}", peer.told);
    assert!(peer.most_held < MOST_HELD, "{} bytes were held", peer.most_held);
    peer
}

/// As much as a subscription holds, and room for the times of its connects.
const MOST_HELD: usize = 256 << 10;

/// Lets a day pass, with these answers in turn.
fn a_day_of(answers: &[&str], peer: Peer<SubscriptionMachine>) -> Vec<Instant> {
    let answer = |number, peer: &mut Peer<_>| {
        let answer: &str = answers[number % answers.len()];
        peer.say(answer.as_bytes(), usize::MAX);
    };
    lets_pass(DAY, peer, answer).connects
}

/// The most connects within any minute.
fn most_within_a_minute(connects: &[Instant]) -> usize {
    let until = |from: Instant| connects.partition_point(|at| *at < from);
    let within = |(first, from): (usize, &Instant)| until(*from + Duration::from_secs(60)) - first;
    connects.iter().enumerate().map(within).max().unwrap_or(0)
}

const ANSWERS: &[&str] = &[
    "HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n",
    "HTTP/1.1 429 No\r\ncontent-length: 0\r\nretry-after: 0\r\n\r\n",
    "HTTP/1.1 503 No\r\ncontent-length: 0\r\nretry-after: -1\r\n\r\n",
    "HTTP/1.1 429 No\r\ncontent-length: 0\r\nretry-after: soon\r\n\r\n",
    "HTTP/1.1 503 No\r\ncontent-length: 0\r\nretry-after: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n",
];

#[test]
fn a_storm_of_429_and_503_is_asked_a_few_times_a_minute_and_no_more() {
    let _alone = memory::alone();
    for websocket in [false, true] {
        for retry in [Duration::ZERO, Duration::from_secs(1)] {
            let subscription = if websocket { frames() } else { stream() };
            let connects = a_day_of(ANSWERS, follow(subscription.retry(retry)));
            let most = most_within_a_minute(&connects);
            // At first it is asked more often than later: the delays grow to a minute.
            assert!(most <= 16, "{most} connects within a minute");
            let minutes = DAY.as_secs() as usize / 60;
            assert!(connects.len() > minutes / 2, "{} connects a day", connects.len());
            assert!(connects.len() < 2 * minutes + 120, "{} connects a day", connects.len());
        }
    }
}

#[test]
fn a_server_that_opens_and_ends_at_once_all_day_is_asked_a_few_times_a_minute() {
    let _alone = memory::alone();
    let opens = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 10\r\n\r\n\
                 retry: 0\n\n";
    for retry in [Duration::ZERO, Duration::from_secs(1)] {
        let most = most_within_a_minute(&a_day_of(&[opens], follow(stream().retry(retry))));
        assert!(most <= 16, "{most} connects within a minute");
    }
}

/// An event in each connection keeps the delays from growing. What is drawn, on top of the least
/// delay, is a quarter of it at most: that close to the ceiling the client has to come.
#[test]
fn a_server_that_sends_an_event_and_ends_at_once_is_asked_as_often_as_the_ceiling_allows() {
    let _alone = memory::alone();
    const NONE: Duration = Duration::ZERO;
    const SECOND: Duration = Duration::from_secs(1);
    for (over, fields, retry, within) in [
        ("an event stream", "", NONE, 480..=604),
        ("an event stream", "retry: 0\n", NONE, 480..=604),
        ("an event stream", "retry: 0\n", SECOND, 480..=604),
        ("an event stream", "retry: 100\n", SECOND, 480..=601),
        ("an event stream", "", SECOND, 48..=61),
        ("a WebSocket", "", NONE, 480..=604),
        ("a WebSocket", "", SECOND, 48..=61),
    ] {
        let is_websocket = over == "a WebSocket";
        let subscription = if is_websocket { frames() } else { stream() };
        let mut events = 0;
        let peer = lets_pass(MINUTES, follow(subscription.retry(retry)), |number, peer| {
            let told = peer.count;
            let text = event(&number.to_string());
            if is_websocket {
                let head = peer.upgrade("");
                peer.say(head.as_bytes(), usize::MAX);
                peer.say(&frame(0x81, text.as_bytes()), usize::MAX);
            } else {
                let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
                peer.say(format!("{head}{fields}data: {text}\n\n").as_bytes(), usize::MAX);
            }
            events += usize::from(peer.data() == Some(&*number.to_string()));
            assert!(peer.count > told, "{over}: nothing is told");
        });
        let most = most_within_a_minute(&peer.connects);
        println!("{most} connects within a minute: {over}, {fields:?}, {retry:?}");
        assert!(within.contains(&most), "{over}, {fields:?}, {retry:?}: {most} within a minute");
        assert_eq!(events, peer.connects.len() - 1, "each connection brings its event");
    }
}

#[test]
fn a_call_into_a_storm_is_made_as_often_as_allowed_and_tells_the_last_answer() {
    let _alone = memory::alone();
    for answer in ANSWERS {
        for most in [0, 2, 5] {
            let call: restless_proto::Call<_> = streams::list().into();
            let options = CallOptions::default().max_retries(most).timeout(DAY);
            let service = Service::new("rs_test");
            let entropy = Entropy::from_seed(1);
            let machine = call.start(&service, options, entropy, Instant::ORIGIN).unwrap();
            let mut peer = Peer::new(machine, memory::held());
            while !peer.is_over {
                if peer.is_open() {
                    peer.say(answer.as_bytes(), usize::MAX);
                } else {
                    peer.elapse();
                }
            }
            assert_eq!(peer.connects.len() as u32, most + 1);
            let Some(Err(error)) = peer.told.last() else { panic!("{:?}", peer.told) };
            assert!(error.status().is_some_and(|it| matches!(it.as_u16(), 429 | 503)));
            assert_eq!(matches!(error, Error::GaveUp(_)), most > 0, "{error:?}");
        }
    }
}
