//! Calls of REST beside the subscription, through servers and networks that go wrong: a call is
//! made as often as its rule allows, and one that was answered, and may not be repeated, once.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Response};
use restless_proto::machine::{End, ExchangeId, Input, Machine, Output};
use restless_proto::{
    ApiKey, Call, CallOptions, CredentialsError, Entropy, Error, Instant, Service, TimeoutError,
    Timer, TransportErrorKind, streams,
};

use super::outcome::Outcome;
use super::server::KEY;

/// The answer to a call that creates a stream.
const STREAM: &str = r#"{"id":"s","name":"n","status":"ACTIVE","method":"GET","url":"u",
    "payloadMode":"FULL_DATA","hmacSignatureEnabled":false,"pollingInterval":60}"#;

/// When each call is over, whatever happens.
const DEADLINE: Duration = Duration::from_secs(40);

/// What befalls one exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The answer, whole or cut.
    Answer(Option<Cut>),
    Status(u16, Option<u64>),
    Redirect(u16, bool),
    Fails(TransportErrorKind),
    ConnectTimeout,
    /// Nothing ever comes.
    Silence,
    /// The exchange ends in good order, without an answer.
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    Broken,
    Complete,
}

/// What is known of the call so far.
struct Tries {
    method: Method,
    is_idempotent: bool,
    most: u32,
    /// The requests that began a try, those with a new key left out.
    begun: u32,
    /// Whether the service may have acted on a request.
    acted: bool,
    keys: u32,
    left_origin: bool,
    follows: bool,
    /// Whether an exchange is open.
    is_open: bool,
    /// What befell each request, for whoever looks into a failure.
    fates: Vec<Fate>,
    /// Whether all of the last answer came.
    whole: bool,
}

/// Plays a call of this seed.
pub(crate) fn play(seed: u64, outcome: &mut Outcome) -> Result<(), String> {
    let mut dice = Entropy::from_seed(seed ^ 0xCA11);
    let is_post = dice.up_to(1) == 0;
    let most = dice.up_to(3) as u32;
    let options = CallOptions::default().max_retries(most).timeout(DEADLINE);
    let on_demand = dice.up_to(1) == 0;
    let service =
        if on_demand { Service::default().with_credentials_on_demand() } else { Service::new(KEY) };
    let service = service.with_api_base_url("https://api.test").unwrap();
    let told = if is_post {
        drive(streams::create("n", "https://b/"), &service, options, most, &mut dice, outcome)
    } else {
        drive(streams::list(), &service, options, most, &mut dice, outcome)
    };
    told.map_err(|why| format!("a call, a POST: {is_post}, {most} further tries: {why}"))
}

fn drive<T>(
    call: impl Into<Call<T>>,
    service: &Service,
    options: CallOptions,
    most: u32,
    dice: &mut Entropy,
    outcome: &mut Outcome,
) -> Result<(), String> {
    let call = call.into();
    let mut tries = Tries {
        method: call.method().clone(),
        is_idempotent: call.is_idempotent(),
        most,
        begun: 0,
        acted: false,
        keys: 0,
        left_origin: false,
        follows: false,
        is_open: false,
        fates: Vec::new(),
        whole: false,
    };
    let told = play_out(call, service, options, &mut tries, dice, outcome);
    told.map_err(|why| format!("{why}; its requests met {:?}", tries.fates))
}

fn play_out<T>(
    call: Call<T>,
    service: &Service,
    options: CallOptions,
    tries: &mut Tries,
    dice: &mut Entropy,
    outcome: &mut Outcome,
) -> Result<(), String> {
    let entropy = Entropy::from_seed(dice.up_to(u64::MAX - 1));
    let mut now = Instant::ORIGIN;
    let mut machine = call.start(service, options, entropy, now).map_err(|it| it.to_string())?;
    let mut coming: Vec<(Duration, Input)> = Vec::new();
    let (mut exchange, mut answers) = (None, 0);
    for _ in 0..2_000 {
        match machine.poll() {
            Output::Open { exchange: id, request } => {
                if now.since_origin() >= DEADLINE {
                    return Err(format!("it is made at {now:?}"));
                }
                let fate = fate(dice);
                tries.opens(&request, fate)?;
                exchange = Some(id);
                coming = arriving(id, fate, &tries.method, dice);
            }
            Output::Hangup => {
                tries.is_open = false;
                coming.clear();
            }
            Output::Authorize { .. } => {
                tries.keys += 1;
                let key = match dice.up_to(4) {
                    0 => Err(CredentialsError::new("the vault is closed")),
                    _ => Ok(Some(ApiKey::new(KEY))),
                };
                coming = vec![(wait(dice), Input::Credentials(key))];
            }
            Output::Event(answer) => {
                answers += 1;
                let what = tries.answered(answer.as_ref().err(), now)?;
                *outcome.seen.entry(what).or_default() += 1;
            }
            Output::Send(_) => return Err("it sends more than its request".to_owned()),
            Output::Wait(deadline) => {
                let deadline = deadline.ok_or("it waits for ever")?;
                let late = deadline <= now;
                // Late word of an exchange that is over, now and then.
                if dice.up_to(9) == 0 {
                    if let Some(input) = stale(exchange, coming.is_empty()) {
                        machine.handle(input, now);
                        continue;
                    }
                }
                if coming.is_empty() || (late && dice.up_to(1) == 0) {
                    now = now.max(deadline);
                    machine.handle(Input::Elapsed, now);
                } else {
                    let (after, input) = coming.remove(0);
                    now = (now + after).min(deadline.max(now));
                    if let Input::Ended { why, .. } = &input {
                        tries.is_open = false;
                        let answered = tries.fates.last() == Some(&Fate::Answer(None));
                        tries.whole = answered
                            && matches!(why, End::Complete)
                            && now.since_origin() < DEADLINE;
                    }
                    machine.handle(input, now);
                }
            }
            Output::Done => {
                return if answers == 1 { Ok(()) } else { Err(format!("{answers} answers")) };
            }
        }
    }
    Err("it never comes to an end".to_owned())
}

impl Tries {
    fn opens(&mut self, request: &http::Request<Bytes>, fate: Fate) -> Result<(), String> {
        let follows = std::mem::take(&mut self.follows);
        if !follows {
            self.begun += 1;
            self.left_origin = false;
        }
        // A redirect's exchange takes the place of the one before it.
        if std::mem::replace(&mut self.is_open, true) && !follows {
            return Err("opens an exchange beside another".to_owned());
        }
        self.fates.push(fate);
        let is_ours = request.uri().host() == Some("api.test") && !self.left_origin;
        let shown = request.headers().values().any(|value| value.as_bytes() == KEY.as_bytes());
        if shown && !is_ours {
            return Err(format!("shows its key to {:?}", request.uri().host()));
        }
        // The first, those for failures that pass, and one with another key.
        if self.begun > 1 + self.most + u32::from(self.keys > 1) {
            return Err(format!("it is made {} times", self.begun));
        }
        let is_same = *request.method() == self.method;
        if self.acted && is_same && !self.is_idempotent {
            return Err("a call that was answered, or may have been acted on, is made again".into());
        }
        match fate {
            Fate::Redirect(status, elsewhere) => {
                self.follows = true;
                self.left_origin |= elsewhere;
                // With these the method may change, for the service has acted.
                self.acted |= is_same && matches!(status, 301..=303);
            }
            Fate::Status(401, _) | Fate::ConnectTimeout => {}
            Fate::Fails(TransportErrorKind::Resolve | TransportErrorKind::Connect) => {}
            _ => self.acted |= is_same,
        }
        Ok(())
    }

    fn answered(&self, error: Option<&Error>, now: Instant) -> Result<&'static str, String> {
        if now.since_origin() > DEADLINE + Duration::from_millis(20) {
            return Err(format!("it is answered at {now:?}"));
        }
        if error.is_none() != self.whole {
            return Err(format!("it comes to {error:?}, and a whole answer: {}", self.whole));
        }
        let Some(error) = error else { return Ok("call answered") };
        let printed = format!("{error:?} {error}");
        if printed.contains(KEY) {
            return Err(format!("prints its key: {printed}"));
        }
        Ok(match error {
            Error::GaveUp(_) => "call gave up",
            _ => "call failed",
        })
    }
}

fn fate(dice: &mut Entropy) -> Fate {
    use TransportErrorKind as Failure;
    let of = |dice: &mut Entropy, choices: &[u16]| {
        choices[dice.up_to(choices.len() as u64 - 1) as usize]
    };
    match dice.up_to(11) {
        0 => Fate::Fails(Failure::Resolve),
        1 => Fate::Fails(Failure::Connect),
        2 => Fate::Fails(Failure::Broken),
        3 => Fate::ConnectTimeout,
        4 => Fate::Silence,
        5 => Fate::Nothing,
        6 | 7 => {
            let after = [None, Some(0), Some(3), Some(120)][dice.up_to(3) as usize];
            Fate::Status(of(dice, &[429, 502, 503, 504]), after)
        }
        8 => Fate::Status(of(dice, &[400, 401, 404, 500]), None),
        9 => Fate::Redirect(of(dice, &[301, 302, 303, 307, 308]), dice.up_to(1) == 0),
        10 => Fate::Answer(Some([Cut::Broken, Cut::Complete][dice.up_to(1) as usize])),
        _ => Fate::Answer(None),
    }
}

fn wait(dice: &mut Entropy) -> Duration {
    Duration::from_millis([0, 1, 40, 700, 9_000, 45_000][dice.up_to(5) as usize])
}

/// What comes of a request, each some time after what comes before it.
fn arriving(
    exchange: ExchangeId,
    fate: Fate,
    method: &Method,
    dice: &mut Entropy,
) -> Vec<(Duration, Input)> {
    let mut coming = Vec::new();
    let head = |response: http::response::Builder| {
        let head = response.body(()).unwrap().into_parts().0;
        Input::Response { exchange, head: Box::new(head) }
    };
    let content = match *method {
        Method::POST => STREAM,
        _ => r#"{"streams":[],"paginationInfo":{"hasNextPage":false}}"#,
    };
    let (response, text) = match fate {
        Fate::Silence => return coming,
        Fate::Nothing => {
            coming.push((wait(dice), Input::Ended { exchange, why: End::Complete }));
            return coming;
        }
        Fate::Fails(kind) => {
            coming.push((wait(dice), Input::Ended { exchange, why: End::Failed(kind.into()) }));
            return coming;
        }
        Fate::ConnectTimeout => {
            let why = TimeoutError::new(Timer::Connect, Duration::from_secs(10));
            let why = End::TimedOut(why);
            coming.push((Duration::from_secs(10), Input::Ended { exchange, why }));
            return coming;
        }
        Fate::Status(status, after) => {
            let response = Response::builder().status(status);
            let text = format!(r#"{{"message":"no, and not with {KEY}"}}"#);
            match after {
                Some(seconds) => (response.header("retry-after", seconds), text),
                None => (response, text),
            }
        }
        Fate::Redirect(status, elsewhere) => {
            let origin = if elsewhere { "https://elsewhere.test" } else { "" };
            let response = Response::builder().status(status);
            (response.header("location", format!("{origin}/moved")), String::new())
        }
        Fate::Answer(_) => (Response::builder().status(200), content.to_owned()),
    };
    coming.push((wait(dice), head(response)));
    let is_cut = matches!(fate, Fate::Answer(Some(_)));
    let text = if is_cut { &text[..text.len() / 2] } else { &text };
    for piece in text.as_bytes().chunks(1 + dice.up_to(60) as usize) {
        let bytes = Bytes::copy_from_slice(piece);
        coming.push((Duration::from_millis(dice.up_to(20)), Input::Data { exchange, bytes }));
    }
    let why = match fate {
        Fate::Answer(Some(Cut::Broken)) => End::Failed(TransportErrorKind::Broken.into()),
        _ => End::Complete,
    };
    coming.push((Duration::from_millis(dice.up_to(20)), Input::Ended { exchange, why }));
    coming
}

/// What a driver says too late: of an exchange that is over, where it is.
fn stale(exchange: Option<ExchangeId>, is_over: bool) -> Option<Input> {
    let exchange = exchange.filter(|_| is_over)?;
    let bytes = Bytes::from_static(b"{\"streams\":[]}");
    Some(Input::Data { exchange, bytes })
}
