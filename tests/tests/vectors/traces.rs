//! `reconnect_traces.json`: whole subscriptions against a scripted server.

use restless_proto::{Entropy, Instant, Service, Subscription};
use serde_json::{Value, json};
use url::Url;

use crate::direct;
use crate::harness::{Case, Checked};
use crate::script::{Happened, Options, Outcome, Run, Step, play};

/// `reconnect_traces.json`: every connect, sleep and event in order.
pub(crate) fn run_trace(case: &Case) -> Checked {
    let websocket = match case.input::<String>("transport").as_deref() {
        Some("sse") => false,
        Some("websocket") => true,
        other => return Checked::Failed(format!("unknown transport {other:?}")),
    };
    let options: Options = case.input("options").unwrap_or_default();
    let take: Option<usize> = case.input("take");
    let key = match case.raw_input("api_key") {
        None => Some("rs_test".to_owned()),
        Some(_) => case.input::<String>("api_key"),
    };
    let steps: Vec<Step> = case.input("server").unwrap_or_default();
    let mut service = key.as_deref().map_or_else(Service::default, Service::new);
    let subscription = match case.raw_input("direct") {
        Some(raw) => match direct::subscription(raw, &mut service) {
            Ok(subscription) => subscription,
            Err(error) => return Checked::Failed(error),
        },
        None => Subscription::url(case.input::<String>("url").unwrap_or_default()),
    };
    let subscription = if websocket { subscription.whole_messages() } else { subscription };
    let machine =
        match options.apply(subscription).start(&service, Entropy::from_seed(5), Instant::ORIGIN) {
            Ok(machine) => machine,
            Err(error) => return Checked::Failed(error.to_string()),
        };
    let run = play(machine, &steps, take);
    let due = Trace::due(case.expect("trace").unwrap_or_default(), case.expect("outcome"));
    let documented = case.more.get("documented").map(|documented| {
        let part = |name: &str| documented.get(name).cloned().unwrap_or_default();
        Trace::due(part("trace"), Some(part("outcome")))
    });
    judge(case, &run, &due, documented.as_ref())
}

/// An expected trace, in our words.
#[derive(Debug)]
struct Trace {
    steps: Vec<Happened>,
    outcome: Value,
}

impl Trace {
    fn due(trace: Value, outcome: Option<Value>) -> Self {
        let steps = trace
            .as_array()
            .into_iter()
            .flatten()
            .map(|step| {
                if let Some(url) = step.get("connect") {
                    Happened::Connect(url.as_str().unwrap_or_default().to_owned())
                } else if let Some(seconds) = step.get("sleep") {
                    Happened::Sleep(seconds.as_f64().unwrap_or_default())
                } else {
                    Happened::Event(step["event"].clone())
                }
            })
            .collect();
        Self { steps, outcome: outcome.unwrap_or_default() }
    }

    fn is_error(&self) -> bool {
        self.outcome.get("error").is_some()
    }

    /// The same connects and events in the same order; each sleep no shorter than the SDK's
    /// constant one, and no longer than our growth allows.
    fn matches(&self, run: &Run) -> Result<(), String> {
        let fail = |what: &str| Err(format!("{what}: expected {self:?}, got {:?}", run.trace));
        // We may back off where the SDK does not sleep at all.
        let no_sleep = !self.steps.iter().any(|step| matches!(step, Happened::Sleep(_)));
        let ours: Vec<&Happened> = run
            .trace
            .iter()
            .filter(|step| !(no_sleep && matches!(step, Happened::Sleep(s) if *s <= 60.0)))
            .collect();
        if ours.len() != self.steps.len() {
            return fail("length");
        }
        let mut losses = 0;
        for (ours, due) in ours.iter().zip(&self.steps) {
            let same = match (ours, due) {
                (Happened::Sleep(ours), Happened::Sleep(due)) => {
                    let most =
                        if losses == 0 { due * 1.25 } else { (due * 2_f64.powi(losses)).min(60.0) };
                    losses += 1;
                    (*due..=most + 1e-6).contains(ours)
                }
                (Happened::Connect(ours), Happened::Connect(due)) => same_url(ours, due),
                (Happened::Event(ours), Happened::Event(due)) => {
                    losses = 0;
                    ours == due
                }
                _ => false,
            };
            if !same {
                return fail("step");
            }
        }
        let outcome = match &run.outcome {
            Outcome::Ended => json!({"ended": true}),
            Outcome::ConsumerStopped => json!({"consumer_stopped": true}),
            Outcome::WouldConnectAgain => json!({"would_connect_again": true}),
            Outcome::Error(_) if self.is_error() => return Ok(()),
            Outcome::Error(error) => json!({"error": error}),
        };
        if outcome == self.outcome { Ok(()) } else { fail(&format!("outcome {outcome}")) }
    }
}

fn same_url(ours: &str, due: &str) -> bool {
    let parts = |text: &str| {
        let url = Url::parse(text).ok()?;
        let pairs: Vec<_> =
            url.query_pairs().map(|(k, v)| (k.into_owned(), v.into_owned())).collect();
        Some((url.origin(), url.path().to_owned(), pairs))
    };
    parts(ours).is_some() && parts(ours) == parts(due)
}

fn judge(case: &Case, run: &Run, due: &Trace, documented: Option<&Trace>) -> Checked {
    if let Err(why) = first_request(case, run) {
        return Checked::Failed(why);
    }
    let matched = |trace: &Trace| match trace.matches(run) {
        Ok(()) => Checked::Ok,
        Err(why) => Checked::Failed(why),
    };
    let outcome = |due: Outcome, connects: usize| {
        Checked::equal("outcome", &run.outcome, &due)
            .and(|| Checked::equal("connects", &run.requests.len(), &connects))
    };
    let error = |kind: &str| Outcome::Error(kind.to_owned());
    let last_query = || {
        run.requests.last().and_then(|request| request.uri().query()).unwrap_or_default().to_owned()
    };
    if !case.better() {
        // A parse error ends the SDK's stream; ours gives it out and goes on, as the issue asks.
        if run.trace.contains(&Happened::Rejected) && due.is_error() {
            let events = |steps: &[Happened]| -> Vec<Happened> {
                steps.iter().filter(|h| matches!(h, Happened::Event(_))).cloned().collect()
            };
            let (ours, theirs) = (events(&run.trace), events(&due.steps));
            return Checked::equal(
                "events before it",
                &ours.get(..theirs.len()).map(<[Happened]>::to_vec),
                &Some(theirs),
            );
        }
        return matched(due);
    }
    match case.name.as_str() {
        // Judged by the status, which the SDK never reads.
        "sse-204" | "sse-204-event-stream" => outcome(Outcome::Ended, 1),
        "sse-401" | "sse-401-event-stream-empty" => outcome(error("401"), 1),
        "sse-404" => outcome(error("404"), 1),
        "sse-500-event-stream" => {
            let event = run.trace.iter().any(|h| matches!(h, Happened::Event(_)));
            Checked::equal("an event of a refusal", &event, &false)
                .and(|| outcome(Outcome::Ended, 2))
        }
        "sse-503" => outcome(error("503"), 2),
        "sse-429" => {
            let slept = run.trace.iter().find_map(|h| match h {
                Happened::Sleep(seconds) => Some(*seconds),
                _ => None,
            });
            Checked::equal("Retry-After kept", &slept.is_some_and(|s| s >= 3.0), &true)
                .and(|| outcome(Outcome::Ended, 3))
        }
        // Followed, which the script has no step for.
        "sse-redirect" => outcome(Outcome::WouldConnectAgain, 1),
        // The server's own delay takes the place of ours.
        "sse-server-retry-ignored" => {
            let slept: Vec<bool> = run
                .trace
                .iter()
                .filter_map(|h| match h {
                    Happened::Sleep(seconds) => Some((0.05..=0.0625).contains(seconds)),
                    _ => None,
                })
                .collect();
            Checked::equal("sleeps", &slept, &vec![true])
        }
        // `since` goes once there is a cursor.
        "sse-url-since-stays" | "direct-sse-since" | "direct-sse-cursor-since" => {
            let query = last_query();
            Checked::equal("since", &query.contains("since="), &false)
                .and(|| Checked::equal("cursor", &query.contains("cursor=a"), &true))
        }
        // One credential is enough.
        "direct-sse-own-key" => {
            let field = run.requests[0].headers().contains_key("authorization");
            Checked::equal("a key beside the URL's", &field, &false)
        }
        // The first reconnect is at once, as asked for; then it backs off.
        "sse-unbounded" => matched(due).and(|| {
            let total: f64 = run
                .trace
                .iter()
                .map(|h| if let Happened::Sleep(seconds) = h { *seconds } else { 0.0 })
                .sum();
            Checked::equal("a tight loop", &(total < 0.5), &false)
        }),
        // Over WebSocket: what would come back the same is not tried again.
        "ws-handshake-401" => outcome(error("401"), 1),
        "ws-close-1008" => outcome(error("1008"), 1),
        "ws-close-4401" => outcome(error("4401"), 1),
        "ws-invalid-uri" | "ws-tls" => outcome(error("transport"), 1),
        // Nothing bounds the number of connects, but the delays grow.
        "ws-unbounded-errors" => matched(due).and(|| {
            let sleeps: Vec<f64> = run
                .trace
                .iter()
                .filter_map(
                    |h| if let Happened::Sleep(seconds) = h { Some(*seconds) } else { None },
                )
                .collect();
            let (early, late) = (sleeps.first(), sleeps.iter().copied().reduce(f64::max));
            Checked::equal("delays that grow", &(early.copied() < late), &true)
        }),
        // An empty message is skipped, and one that is no text is given out; the stream goes on.
        "ws-empty-message" => {
            let events = run.trace.iter().filter(|h| matches!(h, Happened::Event(_))).count();
            let rejected = run.trace.contains(&Happened::Rejected);
            Checked::equal("events, rejected", &(events, rejected), &(1, false))
        }
        "ws-binary-bad-utf8" => {
            let rejected = run.trace.contains(&Happened::Rejected);
            Checked::equal("rejected", &rejected, &true)
        }
        // The SDK raises the transport's error at once; the README's words are the better trace.
        "sse-refused"
        | "sse-refused-always"
        | "sse-connect-timeout"
        | "sse-refused-later"
        | "sse-reset-mid-stream"
        | "sse-reset-mid-event"
        | "sse-read-timeout"
        | "sse-dns"
        | "sse-500"
        | "sse-incomplete-body" => {
            documented.map_or_else(|| Checked::Failed("no documented trace".to_owned()), matched)
        }
        _ => Checked::Unknown(format!("{:?}, {:?}", run.trace, run.outcome)),
    }
}

/// The SDK's fields, save `x-api-key`, which the runtime does not need, and its read timeout,
/// which bounds silence; ours has a timer for that.
fn first_request(case: &Case, run: &Run) -> Result<(), String> {
    let Some(due) = case.expect::<Value>("first_request") else { return Ok(()) };
    let Some(request) = run.requests.first() else { return Err("no request".to_owned()) };
    if due.get("method").is_some_and(|due| due != request.method().as_str()) {
        return Err(format!("method {}", request.method()));
    }
    let url_key = request.uri().query().is_some_and(|query| query.contains("apiKey="));
    for (name, value) in due["headers"].as_object().into_iter().flatten() {
        if name == "x-api-key" || (name == "authorization" && url_key) {
            continue;
        }
        let ours = request.headers().get(name).and_then(|value| value.to_str().ok());
        if ours != value.as_str() {
            return Err(format!("field {name}: expected {value}, got {ours:?}"));
        }
    }
    if request.headers().contains_key("x-api-key") {
        return Err("x-api-key on a runtime request".to_owned());
    }
    let key_due = due["headers"].get("authorization").is_some() && !url_key;
    if request.headers().contains_key("authorization") != key_due {
        return Err("authorization".to_owned());
    }
    Ok(())
}
