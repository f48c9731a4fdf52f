//! A trial that every driver passes shows little: a driver with one vice breaks the rules about it.

use std::time::Duration;

use restless_blocking::{Client, ClientBuilder, Events};
use restless_proto::subscription::{Event, LossReason, Lost};
use restless_proto::{Error, TransportErrorKind, streams};
use restless_trial::{
    Answer, Call, Driver, Ending, Endpoint, Failure, Follow, Following, How, Skills, Told, Trial,
};

/// What is wrong with a driver that is right otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Vice {
    None,
    LosesTheSecondEvent,
    RepeatsTheFirstEvent,
    RepeatsTheLastEventThatIsKept,
    ReadsDataAsNumbers,
    NeverAsksAgain,
    KeepsReasonsToItself,
    TellsTheKey,
    StaysConnected,
    IgnoresTheCursor,
    WantsTheHeadAtOnce,
    NeverCalls,
    AnswersWithAnotherStream,
    CallsAgain,
    TakesAnyReply,
    WantsTheReplySoon,
    WaitsForReplies,
    OffersNoCompression,
    AcceptsSilence,
    NeverGivesUp,
    EndsWithABadEvent,
    TakesOneEventOfEachStream,
    HidesErrors,
    StaysAtItsCursor,
    CallsEachEndGood,
    TakesARefusedConnectionForTheEnd,
    TellsTheKeyAtTheEnd,
}

struct Flawed(Vice);

impl Driver for Flawed {
    fn skills(&self) -> Skills {
        Skills::ALL
    }

    fn call(&self, call: &Call) -> Result<Answer, Failure> {
        if self.0 == Vice::NeverCalls {
            return Ok(Answer::default());
        }
        let (endpoint, timeout, call) = match call {
            Call::Create { endpoint, name, url, timeout } => {
                (endpoint, timeout, streams::create(name.as_str(), url.as_str()).into())
            }
            Call::Get { endpoint, id, timeout } => (endpoint, timeout, streams::get(id)),
            _ => return Err(Failure::new("a call that is not known here")),
        };
        let timeout = match self.0 {
            Vice::WantsTheReplySoon => Some(Duration::from_secs(3)),
            Vice::WaitsForReplies => None,
            _ => *timeout,
        };
        let builder = builder(endpoint);
        let client = match timeout {
            Some(timeout) => builder.timeout(timeout),
            None => builder,
        };
        let client = client.build().map_err(Error::from)?;
        let answer = client.send(call.clone());
        if answer.is_err() && self.0 == Vice::TakesAnyReply {
            return Ok(Answer::default());
        }
        let again = answer.is_err() && self.0 == Vice::CallsAgain;
        let id = if again { client.send(call)?.id } else { answer?.id };
        Ok(Answer::new(if self.0 == Vice::AnswersWithAnotherStream { "another" } else { &id }))
    }

    fn follow(&self, follow: &Follow) -> Box<dyn Following> {
        let mut follow = follow.clone();
        if self.0 == Vice::IgnoresTheCursor && follow.cursor.take().is_some() {
            follow.since = Some("0".to_owned());
        }
        match self.0 {
            Vice::AcceptsSilence => follow.idle = None,
            Vice::NeverGivesUp => follow.max_reconnects = None,
            _ => {}
        }
        let mut subscription = follow.subscription();
        if self.0 == Vice::OffersNoCompression {
            subscription = subscription.deflate(None);
        }
        if self.0 == Vice::NeverAsksAgain {
            subscription = subscription.reconnect(false);
        }
        if self.0 == Vice::WantsTheHeadAtOnce {
            subscription = subscription.response_head_timeout(Duration::from_secs(1));
        }
        let client = builder(&follow.endpoint).build();
        let events = client.and_then(|client| client.subscribe(subscription)).map_err(Error::from);
        let key = follow.endpoint.api_key;
        Box::new(Running { vice: self.0, key, events, count: 0, again: None })
    }
}

fn builder(endpoint: &Endpoint) -> ClientBuilder {
    let builder = Client::builder().api_key(endpoint.api_key.as_str());
    let builder = builder.base_url(endpoint.api_base_url.as_str());
    builder.stream_base_url(endpoint.stream_base_url.as_str())
}

struct Running {
    vice: Vice,
    key: String,
    events: Result<Events, Error>,
    count: usize,
    again: Option<Told>,
}

impl Following for Running {
    fn next(&mut self) -> Told {
        loop {
            if let Some(told) = self.again.take() {
                return told;
            }
            let events = match &mut self.events {
                Ok(events) => events,
                Err(error) => return Told::Ended(Ending::new(How::Failed, error.to_string())),
            };
            let Some(event) = events.next_event() else {
                return Told::Ended(Ending::new(How::Failed, "nothing more"));
            };
            if self.vice == Vice::TakesARefusedConnectionForTheEnd && is_refused(&event) {
                return Told::Ended(Ending::new(How::Failed, "nobody is there"));
            }
            let Some(mut told) = Told::of(event, events.cursor()) else { continue };
            if let Told::Event(event) = &mut told {
                self.count += 1;
                match (self.vice, self.count) {
                    (Vice::LosesTheSecondEvent, 2) => continue,
                    (Vice::RepeatsTheFirstEvent, 1) | (Vice::RepeatsTheLastEventThatIsKept, 20) => {
                        self.again = Some(Told::Event(event.clone()))
                    }
                    (Vice::ReadsDataAsNumbers, _) => event.data = Some("1.0".to_owned()),
                    (Vice::TakesOneEventOfEachStream, 2) => {
                        return Told::Ended(Ending::new(How::Failed, "enough"));
                    }
                    (Vice::HidesErrors, _) => event.error = None,
                    (Vice::StaysAtItsCursor, _) => event.cursor = Some("0".to_owned()),
                    _ => {}
                }
            }
            match (&mut told, self.vice) {
                (Told::Ended(ending), Vice::KeepsReasonsToItself) => ending.text.clear(),
                (Told::Ended(ending), Vice::TellsTheKey) => ending.text.push_str(&self.key),
                (Told::Ended(ending), Vice::CallsEachEndGood) => ending.how = How::Complete,
                (Told::Rejected(why), Vice::EndsWithABadEvent) => {
                    return Told::Ended(Ending::new(How::Failed, why.as_str()));
                }
                _ => {}
            }
            return told;
        }
    }

    fn close(&mut self) {
        let events = std::mem::replace(&mut self.events, Err(Error::from(gone())));
        match events {
            Ok(events) if self.vice == Vice::StaysConnected => std::mem::forget(events),
            events => drop(events),
        }
    }

    fn last_words(&mut self) -> Option<String> {
        (self.vice == Vice::TellsTheKeyAtTheEnd).then(|| format!("bye, {}", self.key))
    }
}

/// Whether this tells that nobody took a connection.
fn is_refused(event: &Event) -> bool {
    let Event::Lost(Lost { reason: LossReason::Error(Error::Transport(why)), .. }) = event else {
        return false;
    };
    why.kind() == TransportErrorKind::Connect
}

/// What is said of a subscription that was closed.
fn gone() -> restless_proto::TransportError {
    TransportErrorKind::Broken.into()
}

/// For a rule: one that waits for an event that was lost waits for ever. The longest that a rule
/// that holds takes by design is ten seconds.
const PATIENCE: Duration = Duration::from_secs(15);

/// The rules that a driver breaks.
fn broken(vice: Vice, rules: &[&str], jobs: usize) -> Vec<&'static str> {
    let trial = Trial::new().jobs(jobs).step(32).patience(PATIENCE);
    let trial = rules.iter().fold(trial, |trial, rule| trial.only(*rule));
    let report = trial.run(Flawed(vice));
    println!("{vice:?}:\n{report}");
    let mut names: Vec<_> = report.broken().map(|entry| entry.rule.name).collect();
    names.dedup();
    names
}

/// Each vice breaks these of the rules, and holds the others.
fn each_breaks(vices: &[(Vice, &[&str])], rules: &[&str], jobs: usize) {
    // Beside each other, as most of the time is waited.
    std::thread::scope(|scope| {
        for (vice, due) in vices {
            scope.spawn(move || assert_eq!(broken(*vice, rules, jobs), *due, "{vice:?}"));
        }
    });
}

#[test]
fn each_vice_breaks_the_rules_about_it() {
    const RULES: [&str; 12] = [
        "a_key_goes_in_its_field",
        "a_reply_in_pieces_is_whole",
        "a_post_without_an_answer_is_made_once",
        "events_come_in_order_and_once",
        "data_keeps_its_spelling",
        "it_begins_at_a_cursor",
        "enough_closes_the_connection",
        "a_cut_between_events_loses_nothing",
        "a_connection_that_is_refused_is_tried_again",
        "a_late_head_is_no_failure",
        "a_refusal_ends_it_with_its_reason",
        "a_wrong_content_type_ends_it",
    ];
    let [key, pieces, post, order, spelling, cursor, closes, cut, away, late, refusal, content] =
        RULES;
    let vices = [
        (Vice::None, &[][..]),
        (Vice::LosesTheSecondEvent, &[order, cursor, cut, away, late]),
        (Vice::RepeatsTheFirstEvent, &[order, cursor, cut, away, late]),
        (Vice::RepeatsTheLastEventThatIsKept, &[order]),
        (Vice::ReadsDataAsNumbers, &[order, spelling, closes, cut, away, late]),
        (Vice::NeverAsksAgain, &[cut, away]),
        (Vice::KeepsReasonsToItself, &[refusal]),
        (Vice::TellsTheKey, &[refusal, content]),
        (Vice::StaysConnected, &[closes]),
        (Vice::IgnoresTheCursor, &[cursor]),
        (Vice::WantsTheHeadAtOnce, &[late]),
        (Vice::NeverCalls, &[key, pieces, post]),
        (Vice::AnswersWithAnotherStream, &[pieces]),
        (Vice::CallsAgain, &[post]),
        (Vice::TakesARefusedConnectionForTheEnd, &[away]),
        (Vice::TellsTheKeyAtTheEnd, &[order, spelling, cursor, closes, cut, away, late]),
    ];
    each_breaks(&vices, &RULES, 16);
    more_vices();
}

/// More of both, behind the others and fewer at once: time counts for some of these calls.
fn more_vices() {
    const RULES: [&str; 13] = [
        "a_reply_that_breaks_is_not_taken_for_whole",
        "a_coded_reply_is_decoded",
        "a_late_reply_is_no_failure",
        "a_stalled_reply_is_an_error",
        "an_error_of_the_service_is_an_event",
        "the_cursor_moves_with_each_event",
        "silence_is_a_loss",
        "tries_without_an_event_have_a_bound",
        "a_bad_event_does_no_harm",
        "coded_content_is_decoded",
        "a_close_that_refuses_ends_it_with_its_reason",
        "a_message_that_is_no_event_does_no_harm",
        "compressed_messages_are_read",
    ];
    let [breaks, coded, late, stalled, errors, moves, silence, bound, ..] = RULES;
    let [.., bad, coding, close, message, compressed] = RULES;
    let vices = [
        (Vice::None, &[][..]),
        (Vice::NeverCalls, &[breaks, coded, late, stalled]),
        (Vice::AnswersWithAnotherStream, &[breaks, coded, late]),
        (Vice::TakesAnyReply, &[breaks, stalled]),
        (Vice::WantsTheReplySoon, &[late]),
        (Vice::WaitsForReplies, &[stalled]),
        (Vice::TakesOneEventOfEachStream, &[moves, silence, bad, coding, message, compressed]),
        (Vice::HidesErrors, &[errors]),
        (Vice::StaysAtItsCursor, &[moves]),
        (Vice::AcceptsSilence, &[silence]),
        (Vice::NeverGivesUp, &[bound]),
        (Vice::EndsWithABadEvent, &[bad, message]),
        (Vice::CallsEachEndGood, &[bound, close]),
        (Vice::OffersNoCompression, &[compressed]),
    ];
    each_breaks(&vices, &RULES, 6);
}

/// Whatever its exit status says.
#[cfg(unix)]
#[test]
fn a_program_that_does_nothing_holds_nothing() {
    std::thread::scope(|scope| {
        for status in [0, 1, 3, 4] {
            scope.spawn(move || {
                let program = restless_trial::Program::new("sh").by_stdin();
                let program = program.arg("-c").arg(format!("exit {status}"));
                let report = Trial::new().jobs(16).run(program);
                assert_eq!(report.held(), 0, "exit {status}:\n{report}");
            });
        }
    });
}
