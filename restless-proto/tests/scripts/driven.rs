//! What a script talks to, as its first line says: a subscription, a call, or a WebSocket of any
//! kind.

use restless_proto::machine::{Input, Machine, Output};
use restless_proto::signature::Signer;
use restless_proto::subscription::SubscriptionMachine;
use restless_proto::websocket::WebSocketMachine;
use restless_proto::ws::{self, CloseCode, Handshake};
use restless_proto::{
    Call, CallMachine, CallOptions, Entropy, Instant, Limits, Reply, Service, Subscription, direct,
    streams,
};

use serde::de::DeserializeOwned;

use super::span;
use super::words::{describe, failure, standing, websocket_event};

pub(crate) trait Driven {
    fn handle(&mut self, input: Input, now: Instant);
    fn poll(&mut self, now: Instant) -> Output<String>;

    fn close(&mut self, _now: Instant) {
        panic!("a call is dropped, not closed");
    }

    fn ask_for_snapshot(&mut self, _now: Instant) {
        panic!("only a subscription has a snapshot");
    }

    fn send(&mut self, _kind: &str, _text: &str) {
        panic!("only a WebSocket of its own sends");
    }

    /// Where it stands, in a word: a subscription alone says so.
    fn standing(&self) -> Option<&'static str> {
        None
    }
}

impl Driven for SubscriptionMachine {
    fn handle(&mut self, input: Input, now: Instant) {
        Machine::handle(self, input, now);
    }

    fn poll(&mut self, now: Instant) -> Output<String> {
        told(Machine::poll(self), |event| describe(&event, now))
    }

    fn close(&mut self, now: Instant) {
        self.close(now);
    }

    fn ask_for_snapshot(&mut self, now: Instant) {
        self.ask_for_snapshot(now);
    }

    fn standing(&self) -> Option<&'static str> {
        Some(standing(&self.status().state))
    }
}

impl<T> Driven for CallMachine<Reply<T>> {
    fn handle(&mut self, input: Input, now: Instant) {
        Machine::handle(self, input, now);
    }

    fn poll(&mut self, _now: Instant) -> Output<String> {
        told(Machine::poll(self), |answer| match answer {
            Ok(reply) => {
                let others =
                    reply.fields().iter().filter(|(name, _)| name.as_str().starts_with("x-"));
                let others =
                    others.map(|(name, value)| format!(" {name}={}", value.to_str().unwrap()));
                format!("answer{}", others.collect::<String>())
            }
            Err(error) => format!("failed {}", failure(&error)),
        })
    }
}

impl Driven for WebSocketMachine {
    fn handle(&mut self, input: Input, now: Instant) {
        Machine::handle(self, input, now);
    }

    fn poll(&mut self, _now: Instant) -> Output<String> {
        told(Machine::poll(self), |event| websocket_event(&event))
    }

    fn close(&mut self, now: Instant) {
        self.close(CloseCode::NORMAL, "", now).unwrap();
    }

    fn send(&mut self, kind: &str, text: &str) {
        match kind {
            "text" => self.send_text(text),
            "binary" => self.send_binary(text.as_bytes()),
            _ => self.ping(text.as_bytes()),
        }
        .unwrap();
    }
}

fn told<E>(output: Output<E>, describe: impl FnOnce(E) -> String) -> Output<String> {
    match output {
        Output::Open { exchange, request } => Output::Open { exchange, request },
        Output::Send(bytes) => Output::Send(bytes),
        Output::Hangup => Output::Hangup,
        Output::Authorize { rejected } => Output::Authorize { rejected },
        Output::Event(event) => Output::Event(describe(event)),
        Output::Wait(deadline) => Output::Wait(deadline),
        Output::Done => Output::Done,
    }
}

pub(crate) fn configure(settings: &str) -> Result<Box<dyn Driven>, String> {
    match settings.split_once(' ') {
        Some(("set", rest)) => subscription(rest),
        Some(("call", rest)) => call(rest),
        Some(("websocket", url)) => Ok(Box::new(websocket(url)?)),
        _ => Err("the first line must be `set URL …`, `call NAME …` or `websocket URL`".to_owned()),
    }
}

/// Calls of every kind, to `https://a`.
fn call(settings: &str) -> Result<Box<dyn Driven>, String> {
    let mut words = settings.split_whitespace();
    let name = words.next().ok_or("no call")?;
    let mut service = Service::new("rs_test").with_api_base_url("https://a").unwrap();
    let mut options = CallOptions::default();
    for word in words {
        let (option, value) = word.split_once('=').ok_or_else(|| format!("{word}: no value"))?;
        match option {
            "timeout" => options = options.timeout(span(value)?),
            "retries" => options = options.max_retries(value.parse().unwrap()),
            "content_limit" => {
                let limits = Limits::default().content_bytes(value.parse().unwrap());
                options = options.limits(limits);
            }
            "key" if value == "on-demand" => service = service.with_credentials_on_demand(),
            _ => return Err(format!("unknown option {option}")),
        }
    }
    fn start<T: DeserializeOwned + 'static>(
        call: impl Into<Call<T>>,
        service: &Service,
        options: CallOptions,
    ) -> Result<Box<dyn Driven>, String> {
        let call = call.into().with_head();
        let machine = call.start(service, options, Entropy::from_seed(42), Instant::ORIGIN);
        Ok(Box::new(machine.map_err(|error| error.to_string())?))
    }
    let session = direct::session("https://b/");
    match name {
        "get" => start(streams::get("s"), &service, options),
        "delete" => start(streams::delete("s"), &service, options),
        "create" => start(streams::create("n", "https://b/"), &service, options),
        "update" => start(streams::update("s"), &service, options),
        "validate" => start(streams::validate_api_key(), &service, options),
        "session" => start(session, &service, options),
        "session-with-dedupe-key" => start(session.dedupe_key("d"), &service, options),
        _ => Err(format!("unknown call {name}")),
    }
}

fn subscription(settings: &str) -> Result<Box<dyn Driven>, String> {
    let mut words = settings.split_whitespace();
    let mut subscription = Subscription::url(words.next().ok_or("no URL")?);
    let mut service = Service::new("rs_test");
    for word in words {
        let (option, value) = word.split_once('=').ok_or_else(|| format!("{word}: no value"))?;
        subscription = match option {
            "cursor" => subscription.cursor(value),
            "since" => subscription.since(value),
            "reconnect" => subscription.reconnect(value == "true"),
            "max_reconnects" => subscription.max_reconnects(value.parse().unwrap()),
            "retry" => subscription.retry(span(value)?),
            "idle" => subscription.idle_timeout(span(value)?),
            "head" => subscription.response_head_timeout(span(value)?),
            "message_limit" => subscription
                .websocket_options(ws::Options::default().message_bytes(value.parse().unwrap())),
            "continuity" if value == "true" => subscription.continuity(),
            "dedupe" => subscription.dedupe(value.parse().unwrap()),
            "verify" => subscription.verify(Signer::new(value)),
            "event_limit" => {
                subscription.limits(Limits::default().event_bytes(value.parse().unwrap()))
            }
            "key" if value == "none" => {
                service = Service::default();
                subscription
            }
            "key" if value == "on-demand" => {
                service = service.with_credentials_on_demand();
                subscription
            }
            _ => return Err(format!("unknown option {option}")),
        };
    }
    let machine = subscription.start(&service, Entropy::from_seed(42), Instant::ORIGIN);
    Ok(Box::new(machine.map_err(|error| error.to_string())?))
}

fn websocket(url: &str) -> Result<WebSocketMachine, String> {
    let mut entropy = Entropy::from_seed(42);
    let url = url.trim().parse().map_err(|error| format!("{error}"))?;
    let handshake = Handshake::new(&url, &mut entropy).map_err(|error| error.to_string())?;
    Ok(WebSocketMachine::new(handshake, ws::Options::default(), entropy, Instant::ORIGIN))
}
