//! Servers that say "not now" all day: the client keeps its distance, and says what it waits for.

use std::time::Duration;

use restless_proto::subscription::SubscriptionMachine;
use restless_proto::{CallOptions, Entropy, Error, Instant, Service, streams};

use super::memory;
use super::peer::{Peer, follow, frames, stream};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Lets a day pass, with this answer to each request.
fn a_day_of(answers: &[&str], mut peer: Peer<SubscriptionMachine>) -> Vec<Instant> {
    for answer in answers.iter().cycle() {
        while !peer.is_open() && peer.deadline.is_some() {
            peer.elapse();
        }
        if peer.now > Instant::ORIGIN + DAY || peer.is_over {
            break;
        }
        peer.say(answer.as_bytes(), usize::MAX);
        peer.end();
    }
    assert!(!peer.is_over, "{:?}", peer.told);
    assert!(peer.most_held < 256 << 10, "{} bytes were held", peer.most_held);
    peer.connects
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
fn a_server_that_opens_and_ends_at_once_all_day_stays_under_the_ceiling() {
    let _alone = memory::alone();
    let opens = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 10\r\n\r\n\
                 retry: 0\n\n";
    let opens_with = |retry| a_day_of(&[opens], follow(stream().retry(retry)));
    assert!(most_within_a_minute(&opens_with(Duration::from_secs(1))) <= 604);
    assert!(most_within_a_minute(&opens_with(Duration::ZERO)) <= 604);
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
