//! What a rule is tried on: a service, a stream, and what the driver hands out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use restless_emulator::{Emulator, Fault, LoggedEvent, RecordedRequest, Upstream};
use serde_json::Value;

use crate::between::{Between, Then};
use crate::driver::{
    Answer, Call, Driver, Ending, Endpoint, Event, Failure, Follow, How, Told, Transport,
};
use crate::rule::{Check, Over};

/// Ends a check where something does not hold, with what was seen.
macro_rules! ensure {
    ($held:expr, $($seen:tt)+) => {
        if !$held {
            return Err(format!($($seen)+));
        }
    };
}
pub(crate) use ensure;

/// A span longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// The service and the driver of one rule.
pub(crate) struct Stage {
    driver: Arc<dyn Driver>,
    pub(crate) over: Over,
    pub(crate) emulator: Emulator,
    pub(crate) stream: String,
    upstream: Upstream,
    /// The distance between two cuts, in bytes.
    pub(crate) step: usize,
    /// Whether a text that the user is told had the key in it.
    told_the_key: AtomicBool,
}

/// What was handed out up to an end, or to as much as was wanted.
#[derive(Debug, Default)]
pub(crate) struct Story {
    pub(crate) opened: usize,
    pub(crate) events: Vec<Event>,
    pub(crate) rejected: usize,
    pub(crate) lost: Vec<String>,
    pub(crate) ending: Option<Ending>,
}

impl Stage {
    pub(crate) fn new(driver: Arc<dyn Driver>, over: Over, step: usize) -> Result<Self, String> {
        let emulator = start(&Emulator::builder().heartbeat(Duration::from_secs(1)))?;
        let stream = emulator.add_stream(INACTIVE).map_err(|error| error.to_string())?;
        let upstream = Upstream::start("[0]").map_err(|error| error.to_string())?;
        let told_the_key = AtomicBool::new(false);
        let stage = Self { driver, over, emulator, stream, upstream, step, told_the_key };
        stage.clear_faults();
        Ok(stage)
    }

    // What the service does

    /// Takes away all faults that are left. A driver that makes a stream first finds the stream
    /// that is there.
    pub(crate) fn clear_faults(&self) {
        self.emulator.clear_faults();
        if self.over.transport().is_some() && self.driver.skills().creates_first {
            let made = Fault::status(201).header("content-type", "application/json");
            self.fault(made.body(self.reply()).on_rest().times(usize::MAX));
        }
    }

    pub(crate) fn fault(&self, fault: Fault) {
        self.emulator.inject(fault);
    }

    /// A call's reply, which has the stream in it.
    pub(crate) fn reply(&self) -> String {
        REPLY.replace("ID", &self.stream)
    }

    /// Puts something before the service, for one connection.
    pub(crate) fn between(&self, first: Vec<(usize, Then)>) -> Result<Between, String> {
        Between::start(self.emulator.address(), first).map_err(|error| error.to_string())
    }

    /// Has the connection cut behind so many events. The rule calls what is returned with the count
    /// of events that are handed out: where a break takes along what the driver has not read, that
    /// cuts once they are.
    pub(crate) fn cut_behind(
        &self,
        events: u64,
        retry: Option<Duration>,
    ) -> impl FnMut(usize) + use<'_> {
        let at_once = self.driver.skills().reads_to_the_break;
        let cut = if at_once { Fault::cut_after_events } else { Fault::stall_after_events };
        self.fault(match retry {
            Some(retry) => cut(events).and_retry(retry),
            None => cut(events),
        });
        move |count| {
            if !at_once && count as u64 == events {
                self.emulator.disconnect_all();
            }
        }
    }

    /// Leaves nobody there: for new connections, and for those that a driver has kept.
    pub(crate) fn stop_listening(&self) -> Check {
        self.emulator.stop_listening().map_err(|error| error.to_string())?;
        self.emulator.disconnect_all();
        Ok(())
    }

    /// Is there again.
    pub(crate) fn listen_again(&self) -> Check {
        self.emulator.listen_again().map_err(|error| error.to_string())
    }

    /// Publishes updates, each with a number and a text that is not ASCII.
    pub(crate) fn publish(&self, count: usize) -> Check {
        (0..count).try_for_each(|n| self.publish_data(&format!(r#"{{"n":{n},"text":"é 😀"}}"#)))
    }

    pub(crate) fn publish_data(&self, data: &str) -> Check {
        self.emulator.publish(&self.stream, data).map(drop).map_err(|error| error.to_string())
    }

    pub(crate) fn log(&self) -> Vec<LoggedEvent> {
        self.emulator.log(&self.stream)
    }

    /// Returns what came for the stream, calls left out.
    pub(crate) fn requests(&self) -> Vec<RecordedRequest> {
        runtime_requests(&self.emulator)
    }

    /// Waits until so many requests for a stream have come.
    pub(crate) fn until_requests(&self, count: usize) -> Check {
        let there = self.emulator.until(|emulator| runtime_requests(emulator).len() >= count);
        there
            .wait()
            .map_err(|_| format!("{} requests for the stream, not {count}", self.requests().len()))
    }

    // What the driver does

    /// Whether the driver goes where a redirect leads, or ends with it.
    pub(crate) fn follows_redirects(&self) -> bool {
        self.driver.skills().redirects
    }

    /// Whether the driver's stack leaves it to the driver to send a request again.
    pub(crate) fn sends_once(&self) -> bool {
        self.driver.skills().sends_once
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint {
            api_key: self.emulator.api_key().to_owned(),
            api_base_url: self.emulator.api_base_url(),
            stream_base_url: self.emulator.stream_base_url(),
        }
    }

    /// Returns what to follow: the stream from its first event on, without a pause before a
    /// reconnect.
    pub(crate) fn follow(&self) -> Follow {
        Follow {
            endpoint: self.endpoint(),
            stream: self.stream.clone(),
            transport: self.over.transport().unwrap_or(Transport::Events),
            cursor: None,
            since: Some("0".to_owned()),
            retry: Some(Duration::ZERO),
            idle: None,
            max_reconnects: None,
            limit: usize::MAX,
        }
    }

    /// Follows up to this many events, or to the end, and then closes.
    pub(crate) fn take(&self, follow: Follow, count: usize) -> Story {
        self.take_and(follow, count, |_| {})
    }

    /// Does what [`take`](Self::take) does, and `then` after each event, with how many have come.
    pub(crate) fn take_and(
        &self,
        mut follow: Follow,
        count: usize,
        mut then: impl FnMut(usize),
    ) -> Story {
        follow.limit = count;
        let mut running = self.driver.follow(&follow);
        let mut story = Story::default();
        while story.events.len() < count && story.ending.is_none() {
            let told = running.next();
            match &told {
                Told::Rejected(text) | Told::Lost(text) => self.hear(text, &follow.endpoint),
                Told::Ended(ending) => self.hear(&ending.text, &follow.endpoint),
                Told::Opened | Told::Event(_) => {}
            }
            let is_event = matches!(told, Told::Event(_));
            story.add(told);
            if is_event {
                then(story.events.len());
            }
        }
        if story.ending.is_none() {
            running.close();
            self.hear(&running.last_words().unwrap_or_default(), &follow.endpoint);
        }
        story
    }

    /// Follows a stream that must end by itself, without an event.
    pub(crate) fn end(&self, follow: Follow) -> Result<Ending, String> {
        let story = self.take(follow, 1);
        story.ending.ok_or_else(|| format!("it goes on, with {:?}", story.events))
    }

    /// Follows, and compares what is handed out with the first so many events of the service.
    pub(crate) fn take_log(&self, count: usize) -> Result<Story, String> {
        self.take_log_and(count, |_| {})
    }

    /// Does what [`take_log`](Self::take_log) does, and `then` after each event, with how many have
    /// come.
    pub(crate) fn take_log_and(
        &self,
        count: usize,
        then: impl FnMut(usize),
    ) -> Result<Story, String> {
        let story = self.take_and(self.follow(), count, then);
        story.is_log(&self.log(), count)?;
        Ok(story)
    }

    pub(crate) fn create(&self) -> Result<Answer, Failure> {
        self.create_at(self.endpoint(), None)
    }

    fn create_at(&self, endpoint: Endpoint, timeout: Option<Duration>) -> Result<Answer, Failure> {
        let (name, url) = ("A trial".to_owned(), self.upstream.url());
        self.call(&Call::Create { endpoint, name, url, timeout })
    }

    pub(crate) fn get(&self, id: &str) -> Result<Answer, Failure> {
        self.call(&Call::Get { endpoint: self.endpoint(), id: id.to_owned(), timeout: None })
    }

    /// Runs the call that the rule is tried over: one that makes a stream, or one that asks for the
    /// stream that is there.
    pub(crate) fn ask(
        &self,
        endpoint: Endpoint,
        timeout: Option<Duration>,
    ) -> Result<Answer, Failure> {
        if self.over == Over::Get {
            return self.call(&Call::Get { endpoint, id: self.stream.clone(), timeout });
        }
        self.create_at(endpoint, timeout)
    }

    /// Does what [`ask`](Self::ask) does, through what is in between.
    pub(crate) fn ask_through(&self, between: &Between) -> Result<Answer, Failure> {
        self.ask(Endpoint { api_base_url: between.url(), ..self.endpoint() }, None)
    }

    fn call(&self, call: &Call) -> Result<Answer, Failure> {
        self.driver.call(call).inspect_err(|failure| self.hear(&failure.text, &self.endpoint()))
    }

    /// Looks for the key in what the user is told.
    fn hear(&self, text: &str, endpoint: &Endpoint) {
        if text.contains(&endpoint.api_key) {
            self.told_the_key.store(true, Ordering::Relaxed);
        }
    }

    /// Whether no text that the user was told had the key in it.
    pub(crate) fn kept_the_key(&self) -> Check {
        ensure!(!self.told_the_key.load(Ordering::Relaxed), "the user is told the key");
        Ok(())
    }
}

/// Starts a second service, which is another origin.
pub(crate) fn other_service() -> Result<Emulator, String> {
    start(&Emulator::builder())
}

fn start(builder: &restless_emulator::Builder) -> Result<Emulator, String> {
    builder.clone().start().map_err(|error| error.to_string())
}

/// Returns what came for streams.
pub(crate) fn runtime_requests(emulator: &Emulator) -> Vec<RecordedRequest> {
    let mut requests = emulator.requests();
    requests.retain(|request| !request.uri.starts_with("/streams"));
    requests
}

/// Returns a field of a request, where the value is text.
pub(crate) fn field<'a>(request: &'a RecordedRequest, name: &str) -> Option<&'a str> {
    request.headers.get(name).and_then(|value| value.to_str().ok())
}

impl Story {
    fn add(&mut self, told: Told) {
        match told {
            Told::Opened => self.opened += 1,
            Told::Event(event) => self.events.push(event),
            Told::Rejected(_) => self.rejected += 1,
            Told::Lost(why) => self.lost.push(why),
            Told::Ended(ending) => self.ending = Some(ending),
        }
    }

    pub(crate) fn ids(&self) -> Vec<&str> {
        self.events.iter().map(|event| event.id.as_deref().unwrap_or_default()).collect()
    }

    /// Whether these are the first so many events of the service, each of them once.
    pub(crate) fn is_log(&self, log: &[LoggedEvent], count: usize) -> Check {
        let due: Vec<_> = log.iter().take(count).map(|event| event.id.as_str()).collect();
        ensure!(
            self.ids() == due,
            "events {:?} came, the service sent {due:?}; the end: {:?}",
            self.ids(),
            self.ending
        );
        for (event, sent) in self.events.iter().zip(log) {
            let same = value(event.data.as_deref()) == value(sent.data.as_deref());
            ensure!(same, "event {}: the data is {:?}, not {:?}", sent.id, event.data, sent.data);
        }
        Ok(())
    }
}

/// Reads a text as a value, so that a driver may write the same value in another way.
fn value(text: Option<&str>) -> Option<Value> {
    text.and_then(|text| serde_json::from_str(text).ok())
}

/// Whether the subscription ended in this way, and said so in these words.
pub(crate) fn ended(ending: &Ending, how: How, words: &[&str]) -> Check {
    ensure!(ending.how == how, "it ended {:?}, not {how:?}: {}", ending.how, ending.text);
    says(&ending.text, words)
}

/// Whether the user is told these words.
pub(crate) fn says(text: &str, words: &[&str]) -> Check {
    let missing = words.iter().find(|word| !text.contains(**word));
    missing.map_or(Ok(()), |word| Err(format!("the user is not told {word:?}, but {text:?}")))
}

/// Waits until nobody holds a connection.
pub(crate) fn until_left(emulator: &Emulator) -> Check {
    let left = emulator.until_connections(0).wait_for(PATIENCE);
    left.map_err(|_| format!("{} connections are left open", emulator.connections()))
}

/// A stream that is asked for by nobody but its subscribers.
const INACTIVE: &str = r#"{"name":"Trial","url":"http://127.0.0.1:9/","status":"INACTIVE"}"#;
/// What the trial answers in the service's place.
const REPLY: &str = r#"{"id":"ID","name":"Trial","status":"ACTIVE","method":"GET",
    "url":"http://127.0.0.1:9/","payloadMode":"FULL_DATA","hmacSignatureEnabled":false,
    "pollingInterval":30}"#;
