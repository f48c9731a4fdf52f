//! Redirects (RFC 9110 §15.4): what goes along, and what stays behind.

use restless_emulator::{Emulator, Fault};

use super::losses::one_event;
use super::{BOTH, table};
use crate::driver::How;
use crate::rule::Check;
use crate::stage::{Stage, ended, ensure, field, other_service, runtime_requests};

table! {
    a_redirect_within_the_origin_takes_the_key_along: BOTH, "RFC 9110 §15.4", needs Redirects;
    a_redirect_to_another_origin_leaves_the_key_behind: BOTH, "RFC 9110 §15.4, RFC 6454 §4", needs Answers;
    a_reconnect_goes_to_the_first_url: BOTH, "RFC 9110 §15.4.8", needs Redirects;
    a_redirect_is_followed_at_once: BOTH, "RFC 9110 §15.4", needs Redirects;
    redirects_in_a_row_have_an_end: BOTH, "RFC 9110 §15.4", needs Redirects;
    a_redirect_to_nowhere_ends_it: BOTH, "RFC 9110 §10.2.2", needs Redirects;
}

fn target(stage: &Stage, base: &str, stream: &str) -> String {
    let path =
        if stage.over.transport() == Some(crate::Transport::WebSocket) { "/ws" } else { "/" };
    format!("{base}{path}?streamId={stream}&since=0")
}

fn a_redirect_within_the_origin_takes_the_key_along(stage: &Stage) -> Check {
    stage.fault(Fault::redirect(307, target(stage, "", &stage.stream)));
    stage.publish(2)?;
    stage.take_log(2)?;
    let requests = stage.requests();
    ensure!(requests.len() == 2, "{} requests came, not two", requests.len());
    let sent = requests.iter().all(|request| field(request, "authorization").is_some());
    ensure!(sent, "the key stayed behind within its origin");
    Ok(())
}

/// Starts another service, to which the first one redirects: it sends one event, and asks for no
/// key.
fn elsewhere(stage: &Stage) -> Result<Emulator, String> {
    let other = other_service()?;
    other.inject(Fault::raw([one_event(stage, "7")]).then_cut());
    stage.fault(Fault::redirect(302, target(stage, &other.api_base_url(), "elsewhere")));
    Ok(other)
}

fn a_redirect_to_another_origin_leaves_the_key_behind(stage: &Stage) -> Check {
    let other = elsewhere(stage)?;
    if stage.follows_redirects() {
        let story = stage.take(stage.follow(), 1);
        ensure!(story.ids() == ["7"], "{story:?}");
    } else {
        // A stack that was left to follow by itself would have made a second request.
        stage.end(stage.follow())?;
        let (first, second) = (stage.requests().len(), other.requests().len());
        ensure!((first, second) == (1, 0), "{first} and {second} requests came");
    }
    let key = stage.emulator.api_key();
    for request in runtime_requests(&other) {
        let told = request.uri.contains(key)
            || request
                .headers
                .values()
                .any(|value| String::from_utf8_lossy(value.as_bytes()).contains(key));
        ensure!(!told, "the other origin was sent the key");
    }
    Ok(())
}

fn a_reconnect_goes_to_the_first_url(stage: &Stage) -> Check {
    let other = elsewhere(stage)?;
    stage.publish(2)?;
    let story = stage.take(stage.follow(), 3);
    ensure!(story.events.len() == 3, "{story:?}");
    let (first, second) = (stage.requests(), runtime_requests(&other).len());
    ensure!(first.len() == 2 && second == 1, "{} and {second} requests came", first.len());
    let keyed = first.iter().all(|request| field(request, "authorization").is_some());
    ensure!(keyed, "back at the first origin, the key is missing");
    Ok(())
}

/// A redirect is followed at once, while a reconnect waits before.
fn a_redirect_is_followed_at_once(stage: &Stage) -> Check {
    for _ in 0..4 {
        stage.fault(Fault::redirect(307, target(stage, "", &stage.stream)));
    }
    stage.publish(1)?;
    let mut follow = stage.follow();
    follow.retry = Some(std::time::Duration::from_secs(60));
    follow.max_reconnects = Some(0);
    let story = stage.take(follow, 1);
    story.is_log(&stage.log(), 1)
}

fn redirects_in_a_row_have_an_end(stage: &Stage) -> Check {
    stage.fault(Fault::redirect(307, target(stage, "", "round")).times(50));
    stage.publish(1)?;
    let ending = stage.end(stage.follow())?;
    ended(&ending, How::Refused, &["redirect"])?;
    let count = stage.requests().len();
    ensure!((2..=21).contains(&count), "it was asked {count} times");
    Ok(())
}

fn a_redirect_to_nowhere_ends_it(stage: &Stage) -> Check {
    stage.fault(Fault::status(302));
    stage.publish(1)?;
    let ending = stage.end(stage.follow())?;
    ended(&ending, How::Refused, &[])?;
    let count = stage.requests().len();
    ensure!(count == 1, "it was asked {count} times");
    Ok(())
}
