//! What machines tell, in the words of a script.

use restless_proto::subscription::{
    Continuity, Ended, Event, Item, LossReason, RejectReason, State,
};
use restless_proto::ws::Closed;
use restless_proto::{Error, Instant, websocket};

pub(crate) fn describe(event: &Event, now: Instant) -> String {
    match event {
        Event::Opened(opened) => {
            let mut text = "opened".to_owned();
            for (word, value) in [("at", &opened.cursor), ("by", &opened.request_id)] {
                if let Some(value) = value {
                    text.push_str(&format!(" {word} {value}"));
                }
            }
            text
        }
        Event::Continuity(Continuity::Gap { from, to, why }) => {
            let word = |cursor: &Option<String>| cursor.clone().unwrap_or_else(|| "-".to_owned());
            format!("gap {} {} {}", word(from), word(to), why.as_str())
        }
        Event::Continuity(continuity) => continuity.as_str().to_owned(),
        Event::Item(Item::Event(event)) => {
            let id = event.event_id().unwrap_or("-").to_owned();
            let data = event.data().map(|data| data.get().to_owned());
            format!("event {id} {}", data.unwrap_or_else(|| "none".to_owned()))
        }
        Event::Item(Item::Rejected(rejected)) => {
            let reason = match &rejected.reason {
                RejectReason::Malformed(_) => "malformed",
                RejectReason::Signature(_) => "signature",
                RejectReason::TooLarge(_) => "too-large",
                _ => "?",
            };
            format!("rejected {reason} {}", rejected.id.as_deref().unwrap_or("-"))
        }
        Event::Unanswered => "unanswered".to_owned(),
        Event::Lost(lost) => {
            let retry = lost.retry_at.saturating_duration_since(now).as_secs_f64();
            format!("lost {} #{} retry {retry}", reason(&lost.reason), lost.attempt)
        }
        Event::Ended(ended) => match ended {
            Ended::Closed => "ended closed".to_owned(),
            Ended::Complete => "ended complete".to_owned(),
            Ended::NoContent => "ended no-content".to_owned(),
            Ended::Failed(error) => format!("ended {}", failure(error)),
            Ended::GaveUp { reconnects, last } => {
                format!("ended gave-up {reconnects} {}", reason(last))
            }
            _ => "ended ?".to_owned(),
        },
        _ => "?".to_owned(),
    }
}

pub(crate) fn standing(state: &State) -> &'static str {
    match state {
        State::Connecting => "connecting",
        State::Redirected { .. } => "redirected",
        State::Unanswered => "unanswered",
        State::Open => "open",
        State::Closing => "closing",
        State::Waiting(_) => "waiting",
        State::Ended(_) => "ended",
        _ => "?",
    }
}

pub(crate) fn websocket_event(event: &websocket::Event) -> String {
    use websocket::Event;
    match event {
        Event::Open(_) => "open".to_owned(),
        Event::Message(message) => {
            format!("message {}", String::from_utf8_lossy(message.as_bytes()))
        }
        Event::TooLarge(_) => "too-large".to_owned(),
        Event::Ping(payload) => format!("ping {}", payload.len()),
        Event::Pong(payload) => format!("pong {}", payload.len()),
        Event::Closed(Closed::Clean { .. }) => "closed clean".to_owned(),
        Event::Closed(_) => "closed".to_owned(),
        Event::Failed(error) => format!("failed {}", failure(error)),
        _ => "?".to_owned(),
    }
}

fn reason(reason: &LossReason) -> String {
    match reason {
        LossReason::Complete => "complete".to_owned(),
        LossReason::Snapshot => "snapshot".to_owned(),
        LossReason::Error(error) => failure(error),
        _ => "?".to_owned(),
    }
}

pub(crate) fn failure(error: &Error) -> String {
    match error {
        Error::Refused(refused) => format!("status {}", refused.status().as_u16()),
        Error::Transport(error) => format!("{:?}", error.kind()).to_lowercase(),
        Error::Timeout(error) => format!("{:?}", error.timer()).to_lowercase(),
        Error::Content(_) => "content-type".to_owned(),
        Error::Redirect(_) => "redirect".to_owned(),
        Error::Handshake(_) => "handshake".to_owned(),
        Error::Protocol(_) => "websocket".to_owned(),
        Error::Closed(closed) => format!("closed {}", closed.code().get()),
        Error::Limit(_) => "limit".to_owned(),
        Error::Config(error) => format!("config {}", error.field()),
        Error::Credentials(_) => "credentials".to_owned(),
        Error::GaveUp(gave_up) => {
            format!("gave-up {} {}", gave_up.retries(), failure(gave_up.last()))
        }
        _ => "?".to_owned(),
    }
}
