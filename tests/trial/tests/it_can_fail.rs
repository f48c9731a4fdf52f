//! A trial that every driver passes shows little: a driver with one vice breaks the rules about it.

use std::time::Duration;

use restless_blocking::{Client, Events};
use restless_proto::Error;
use restless_trial::{
    Answer, Call, Driver, Ending, Failure, Follow, Following, How, Skills, Told, Trial,
};

/// What is wrong with a driver that is right otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Vice {
    None,
    LosesTheSecondEvent,
    RepeatsTheFirstEvent,
    ReadsDataAsNumbers,
    NeverAsksAgain,
    KeepsReasonsToItself,
    StaysConnected,
    IgnoresTheCursor,
}

struct Flawed(Vice);

impl Driver for Flawed {
    fn skills(&self) -> Skills {
        Skills { creates: false, gets: false, ..Skills::ALL }
    }

    fn call(&self, _: &Call) -> Result<Answer, Failure> {
        Err(Failure::new("no calls here"))
    }

    fn follow(&self, follow: &Follow) -> Box<dyn Following> {
        let mut follow = follow.clone();
        if self.0 == Vice::IgnoresTheCursor && follow.cursor.take().is_some() {
            follow.since = Some("0".to_owned());
        }
        let mut subscription = follow.subscription();
        if self.0 == Vice::NeverAsksAgain {
            subscription = subscription.reconnect(false);
        }
        let endpoint = &follow.endpoint;
        let client = Client::builder()
            .api_key(endpoint.api_key.as_str())
            .base_url(endpoint.api_base_url.as_str())
            .stream_base_url(endpoint.stream_base_url.as_str())
            .build();
        let events = client.and_then(|client| client.subscribe(subscription)).map_err(Error::from);
        Box::new(Running { vice: self.0, events, count: 0, again: None })
    }
}

struct Running {
    vice: Vice,
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
            let Some(mut told) = Told::of(event, events.cursor()) else { continue };
            if let Told::Event(event) = &mut told {
                self.count += 1;
                match (self.vice, self.count) {
                    (Vice::LosesTheSecondEvent, 2) => continue,
                    (Vice::RepeatsTheFirstEvent, 1) => {
                        self.again = Some(Told::Event(event.clone()))
                    }
                    (Vice::ReadsDataAsNumbers, _) => event.data = Some("1.0".to_owned()),
                    _ => {}
                }
            }
            if let (Told::Ended(ending), Vice::KeepsReasonsToItself) = (&mut told, self.vice) {
                ending.text.clear();
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
}

/// What is said of a subscription that was closed.
fn gone() -> restless_proto::TransportError {
    restless_proto::TransportErrorKind::Broken.into()
}

/// For a rule: one that waits for an event that was lost waits for ever.
const PATIENCE: Duration = Duration::from_secs(4);

/// The rules that a driver breaks.
fn broken(vice: Vice, rules: &[&str]) -> Vec<&'static str> {
    let trial = rules
        .iter()
        .fold(Trial::new().jobs(12).patience(PATIENCE), |trial, rule| trial.only(*rule));
    let report = trial.run(Flawed(vice));
    println!("{vice:?}:\n{report}");
    let mut names: Vec<_> = report.broken().map(|entry| entry.rule.name).collect();
    names.dedup();
    names
}

#[test]
fn each_vice_breaks_the_rules_about_it() {
    const RULES: [&str; 6] = [
        "events_come_in_order_and_once",
        "data_keeps_its_spelling",
        "it_begins_at_a_cursor",
        "enough_closes_the_connection",
        "a_cut_between_events_loses_nothing",
        "a_refusal_ends_it_with_its_reason",
    ];
    let [order, spelling, cursor, closes, cut, refusal] = RULES;
    for (vice, due) in [
        (Vice::None, &[][..]),
        (Vice::LosesTheSecondEvent, &[order, cursor, cut]),
        (Vice::RepeatsTheFirstEvent, &[order, cursor, cut]),
        (Vice::ReadsDataAsNumbers, &[order, spelling, closes, cut]),
        (Vice::NeverAsksAgain, &[cut]),
        (Vice::KeepsReasonsToItself, &[refusal]),
        (Vice::StaysConnected, &[closes]),
        (Vice::IgnoresTheCursor, &[cursor]),
    ] {
        assert_eq!(broken(vice, &RULES), due, "{vice:?}");
    }
}
