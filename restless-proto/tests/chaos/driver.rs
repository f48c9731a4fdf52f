//! The client's side: a driver that moves what comes, a user who takes what is handed out, and
//! their clock.

mod tricks;

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use restless_proto::machine::{End, ExchangeId, Input, Machine, Output};
use restless_proto::model::PayloadMode;
use restless_proto::signature::Signer;
use restless_proto::subscription::{
    Continuity, Document, Event, GapReason, Item, RejectReason, SubscriptionMachine,
};
use restless_proto::ws::{self, FrameHeader, Opcode};
use restless_proto::{ApiKey, CredentialsError, Entropy, Instant, Service, Subscription};

use super::bounds;
use super::checks::Checks;
use super::log::{self, Entry, Form, Ms, START, unix_ms};
use super::memory;
use super::outcome::{Outcome, Weakness};
use super::script::{
    Fate, Key, KeyAnswer, KeyPlan, Payload, Plan, Script, Setting, Start, Told, Transport, Trick,
};
use super::server::{self, Boundary, CLOSE, Coming, Exchange, FIN, KEY, PONG};

/// Plays a script: what happened, where that is asked for, and what it came to.
pub(crate) fn run(
    script: &Script,
    weakness: Weakness,
    traces: bool,
) -> (String, Result<Outcome, String>) {
    let mut run = Run::new(script, weakness, traces);
    let played = run.play();
    let outcome = std::mem::take(&mut run.outcome);
    (std::mem::take(&mut run.trace), played.map(|()| outcome))
}

struct Run<'a> {
    script: &'a Script,
    weakness: Weakness,
    log: Vec<Entry>,
    machine: SubscriptionMachine,
    checks: Checks,
    /// What the user holds, where there is a document, and the entry that it is due to be of.
    held: Option<Document>,
    holds: Option<usize>,
    now: Ms,
    /// The latest time that the machine knows of.
    told_at: Ms,
    exchange: Option<Exchange>,
    /// The exchanges before the present one, for what comes late.
    old: Vec<ExchangeId>,
    /// How many exchanges and questions there were, over all machines.
    exchanges: usize,
    keys: usize,
    /// When a question is answered, and how.
    key_comes: Option<(Ms, KeyAnswer)>,
    /// Whether one is open.
    asked: bool,
    waits: u32,
    tricks: std::vec::IntoIter<(u32, Trick)>,
    time_first: bool,
    interleaves: bool,
    slow: Option<Ms>,
    /// What is told of an exchange once more, right behind its end.
    behind_the_end: Option<Told>,
    content: u32,
    held_before: usize,
    /// What the present exchange took when it was made up.
    wire: usize,
    starts: u64,
    outcome: Outcome,
    traces: bool,
    trace: String,
}

/// What to go on with after a wait.
enum Turn {
    Go,
    Over,
}

impl<'a> Run<'a> {
    fn new(script: &'a Script, weakness: Weakness, traces: bool) -> Self {
        let held_before = memory::held();
        let log = log::write(&script.setting);
        let checks = Checks::new(&script.setting, &log);
        let machine = start(script, checks.stored.as_deref(), &log, START, 0);
        Self {
            script,
            weakness,
            log,
            machine,
            checks,
            held: empty(&script.setting),
            holds: None,
            now: START,
            told_at: START,
            exchange: None,
            old: Vec::new(),
            exchanges: 0,
            keys: 0,
            key_comes: None,
            asked: false,
            waits: 0,
            tricks: script.tricks.clone().into_iter(),
            time_first: false,
            interleaves: false,
            slow: None,
            behind_the_end: None,
            content: 0,
            held_before,
            wire: 0,
            starts: 0,
            outcome: Outcome::default(),
            traces,
            trace: String::new(),
        }
    }

    fn play(&mut self) -> Result<(), String> {
        // More than any script takes.
        for _ in 0..300_000 {
            match self.turn()? {
                Turn::Go => {}
                Turn::Over => return self.judge(),
            }
        }
        Err("it never comes to an end".to_owned())
    }

    /// Polls until there is nothing to do, and waits.
    fn turn(&mut self) -> Result<Turn, String> {
        for _ in 0..2_000 {
            match self.machine.poll() {
                Output::Open { exchange, request } => self.open(exchange, &request)?,
                Output::Send(bytes) => self.send(&bytes)?,
                Output::Hangup => {
                    self.note(|| "hangup".to_owned());
                    self.asked = false;
                    self.hang_up();
                }
                Output::Authorize { rejected } => {
                    self.count("authorize");
                    self.note(|| format!("authorize, rejected: {rejected}"));
                    self.checks.asks_for_a_key(rejected)?;
                    if self.is_open() {
                        return Err("asks for a key with an exchange open".to_owned());
                    }
                    self.old.extend(self.exchange.take().map(|it| it.id));
                    let calm = KeyPlan { delay: 5, answer: KeyAnswer::Key };
                    let plan = self.script.keys.get(self.keys).cloned().unwrap_or(calm);
                    self.keys += 1;
                    self.asked = true;
                    self.key_comes = Some((self.now + plan.delay, plan.answer));
                }
                Output::Event(event) => self.event(&event)?,
                Output::Wait(deadline) => return self.wait(deadline),
                Output::Done => return self.done(),
            }
            let cursor = self.machine.cursor();
            self.checks.moves_to(self.exchange.as_ref(), cursor, &self.log)?;
            if self.interleaves {
                self.interleaves = false;
                self.take_what_is_due();
            }
        }
        Err("it talks without end".to_owned())
    }

    fn open(&mut self, id: ExchangeId, request: &http::Request<Bytes>) -> Result<(), String> {
        self.note(|| format!("open {}", request.uri()));
        let before = self.exchange.take();
        let cursor = self.machine.cursor();
        self.checks.opens(request, before.as_ref(), cursor, &self.log, self.now)?;
        self.old.extend(before.map(|it| it.id));
        if self.old.last().is_some_and(|last| *last >= id) {
            return Err("the ids of exchanges do not rise".to_owned());
        }
        self.asked = false;
        let plan = self.script.exchanges.get(self.exchanges).cloned().unwrap_or_else(Plan::calm);
        self.exchanges += 1;
        if let (Some(retry), Transport::EventStream) = (plan.retry, self.script.setting.transport) {
            self.checks.retry_came(retry);
        }
        let setting = &self.script.setting;
        let before = memory::held();
        self.exchange = Some(server::answer(setting, &self.log, id, plan, request, self.now)?);
        self.wire = memory::held().saturating_sub(before);
        Ok(())
    }

    fn hang_up(&mut self) {
        if let Some(exchange) = &mut self.exchange {
            exchange.is_open = false;
            exchange.coming.clear();
            exchange.owed.clear();
        }
    }

    fn is_open(&self) -> bool {
        self.exchange.as_ref().is_some_and(|exchange| exchange.is_open)
    }

    /// A server that reads what a client sends.
    fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        let Some(exchange) = self.exchange.as_mut().filter(|it| it.is_open) else {
            return Err("sends, and there is no connection".to_owned());
        };
        exchange.sent.extend(bytes);
        while let Some((header, used)) =
            FrameHeader::decode(&exchange.sent).map_err(|error| error.to_string())?
        {
            let end = used + header.length as usize;
            if exchange.sent.len() < end {
                break;
            }
            let key = header.key.ok_or("a frame of a client's has no mask")?;
            let payload: Vec<u8> = exchange.sent[used..end]
                .iter()
                .zip(key.iter().cycle())
                .map(|(a, b)| a ^ b)
                .collect();
            exchange.sent.drain(..end);
            if exchange.is_mute() {
                continue;
            }
            match header.opcode {
                Opcode::Ping => exchange.owed.push_back(server::frame(FIN | PONG, &payload).into()),
                Opcode::Close if exchange.close_came.is_none() => {
                    exchange.owed.push_back(server::frame(FIN | CLOSE, &payload).into());
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn event(&mut self, event: &Event) -> Result<(), String> {
        let now = self.told_at;
        // Whatever comes out before the answer takes the question back.
        self.asked = false;
        self.note(|| short(event));
        self.count(match event {
            Event::Item(Item::Event(_)) => "event",
            Event::Item(Item::Rejected(it)) => match it.reason {
                RejectReason::Signature(_) => "tampered",
                _ => "rejected",
            },
            Event::Lost(_) => "lost",
            Event::Unanswered => "unanswered",
            Event::Ended(ended) => match ended {
                restless_proto::subscription::Ended::Closed => "closed",
                restless_proto::subscription::Ended::GaveUp { .. } => "gave up",
                restless_proto::subscription::Ended::NoContent => "no content",
                _ => "failed",
            },
            Event::Continuity(continuity) => continuity.as_str(),
            _ => "opened",
        });
        if self.weakness == Weakness::LosesEvents && matches!(event, Event::Item(_)) {
            self.checks.stored = self.machine.cursor().map(str::to_owned);
            return Ok(());
        }
        self.checks.told(event, self.exchange.as_mut(), &self.log, now)?;
        let told = self.checks.order.as_ref().and_then(|order| order.told.as_ref());
        if self.machine.continuity() != told && !matches!(event, Event::Ended(_)) {
            return Err(format!("{:?} is not {told:?}", self.machine.continuity()));
        }
        self.hold(event)?;
        if matches!(event, Event::Lost(_)) {
            self.old.extend(self.exchange.take().map(|it| it.id));
        }
        if let (Some(span), Event::Item(_)) = (self.slow, event) {
            self.slow = None;
            self.now += span;
        }
        Ok(())
    }

    /// The user keeps the document: it is the server's, or says that it is stale.
    fn hold(&mut self, event: &Event) -> Result<(), String> {
        let Some(held) = &mut self.held else { return Ok(()) };
        held.take_event(event);
        let is_repeated = self.machine.continuity() == Some(&Continuity::Repeated);
        let number = self.checks.handed_out.last().copied();
        if let (Event::Item(Item::Event(event)), false) = (event, is_repeated) {
            let is_error = event.kind() == restless_proto::event::Kind::Error;
            // What is stale stays as it was.
            if !is_error && held.stale().is_none() {
                self.holds = number;
            }
            if held.stale().is_none() && held.error().is_some() != is_error {
                return Err(format!("the document says of an error: {:?}", held.error()));
            }
        }
        if held.wants_snapshot() && self.script.setting.heals {
            self.note(|| "! asks for a snapshot".to_owned());
            self.count("snapshot");
            self.checks.gives_up(GapReason::Snapshot);
            self.machine.ask_for_snapshot(self.at());
        }
        self.judge_what_is_held()
    }

    fn judge_what_is_held(&self) -> Result<(), String> {
        let Some(held) = &self.held else { return Ok(()) };
        let due = self.holds.map(|number| &*self.log[number].document);
        if held.text().as_deref() == due {
            return Ok(());
        }
        Err(format!("the document is {:?}, and the server's is {due:?}", held.text()))
    }

    /// At the end of the log nothing is stale that could be healed.
    fn judge_the_document(&self) -> Result<(), String> {
        let Some(held) = &self.held else { return Ok(()) };
        // Who has no position, and gets nothing, has nothing to heal by.
        let Setting { heals, .. } = self.script.setting;
        let heals = heals && self.script.setting.has_patches() && self.checks.stored.is_some();
        if let (Some(why), true) = (held.stale(), heals) {
            return Err(format!("the document stays stale: {why}"));
        }
        let is_last = self.checks.handed_out.last().is_some_and(|it| it + 2 >= self.log.len());
        if !self.script.is_honest() || held.stale().is_some() || held.is_empty() || !is_last {
            return Ok(());
        }
        let due = self.log.last().map(|entry| &*entry.document);
        if held.text().as_deref() == due {
            return Ok(());
        }
        Err(format!("the document ends as {:?}, and the server's as {due:?}", held.text()))
    }

    /// Takes the machine's end: the next machine starts at the stored cursor, as long as there is
    /// something to see.
    fn done(&mut self) -> Result<Turn, String> {
        self.note(|| "done".to_owned());
        if self.is_open() {
            return Err("it is done with an exchange open".to_owned());
        }
        self.tell(Told::Head, self.exchange.as_ref().map(|it| it.id));
        self.tell(Told::Data, self.exchange.as_ref().map(|it| it.id));
        self.hand_in(Input::Elapsed, self.at());
        for _ in 0..3 {
            if !matches!(self.machine.poll(), Output::Done) {
                return Err("it is over and says something".to_owned());
            }
        }
        self.restart()
    }

    fn restart(&mut self) -> Result<Turn, String> {
        self.hang_up();
        self.checks.restarted(&self.log);
        // Nobody tells the next machine of a gap before its first item. A document is kept where
        // the cursor is, and where each patch tests that it fits.
        if self.script.setting.payload == Payload::Blind || self.checks.stored.is_none() {
            (self.held, self.holds) = (empty(&self.script.setting), None);
        }
        self.starts += 1;
        self.now += 10;
        let stored = match self.weakness {
            Weakness::ForgetsTheCursor => self.log.first().map(Entry::cursor),
            _ => self.checks.stored.clone(),
        };
        self.machine = start(self.script, stored.as_deref(), &self.log, self.now, self.starts);
        self.exchange = None;
        self.old.clear();
        (self.asked, self.key_comes) = (false, None);
        Ok(Turn::Go)
    }

    /// Waits for what is first: what comes, a key, or the deadline.
    fn wait(&mut self, deadline: Option<Instant>) -> Result<Turn, String> {
        bounds::within_bounds(self.held_before + self.wire)?;
        let cursor = self.machine.cursor();
        self.checks.moves_to(self.exchange.as_ref(), cursor, &self.log)?;
        self.waits += 1;
        let deadline = deadline.map(|at| at.since_origin().as_nanos().div_ceil(1_000_000) as Ms);
        if self.is_complete() {
            self.count("log complete");
            return Ok(Turn::Over);
        }
        if let Some(turn) = self.play_tricks(deadline)? {
            return Ok(turn);
        }
        let comes = self.next_coming().into_iter().chain(self.key_comes.map(|(at, _)| at)).min();
        let due = deadline.filter(|_| self.weakness != Weakness::KnowsNoTime);
        let time_first = std::mem::take(&mut self.time_first);
        match (comes, due) {
            // Bytes before time.
            (Some(at), due) if due.is_none_or(|due| at.max(self.now) <= due.max(self.now)) => {
                let passed = due.is_some_and(|due| due <= self.now);
                if time_first && passed {
                    self.hand_in(Input::Elapsed, self.at());
                    return Ok(Turn::Go);
                }
                self.now = self.now.max(at);
                self.take_next();
                Ok(Turn::Go)
            }
            (_, Some(due)) => {
                self.now = self.now.max(due);
                self.hand_in(Input::Elapsed, self.at());
                Ok(Turn::Go)
            }
            _ => self.nothing_comes(deadline),
        }
    }

    /// Checks that there is an end or a timer, save where any silence is allowed.
    fn nothing_comes(&mut self, deadline: Option<Ms>) -> Result<Turn, String> {
        if deadline.is_some() {
            return Err("time goes by, and nobody tells the machine".to_owned());
        }
        let setting = &self.script.setting;
        let may = setting.idle.is_none() && setting.transport != Transport::Frames;
        if !may || !self.is_open() || self.asked {
            return Err("it waits for ever, and for nothing".to_owned());
        }
        // Who has set it up so has somebody who starts it again.
        self.count("stuck for ever, as it was set up");
        self.note(|| "stuck, and started again".to_owned());
        self.restart()
    }

    /// When the next thing comes over the network.
    fn next_coming(&self) -> Option<Ms> {
        let exchange = self.exchange.as_ref().filter(|it| it.is_open)?;
        if !exchange.owed.is_empty() && !exchange.is_within_frame {
            return Some(self.now);
        }
        exchange.coming.front().map(|(at, _)| *at)
    }

    fn take_what_is_due(&mut self) {
        while self.next_coming().is_some_and(|at| at <= self.now) {
            self.take_next();
        }
    }

    /// Hands in the next thing that comes: over the network, or a key.
    fn take_next(&mut self) {
        let now = self.at();
        match self.key_comes {
            Some((at, answer)) if self.next_coming().is_none_or(|coming| at <= coming) => {
                self.key_comes = None;
                self.answer_for_a_key(answer);
                return;
            }
            _ => {}
        }
        let Some(exchange) = &mut self.exchange else { return };
        let id = exchange.id;
        if !exchange.is_within_frame {
            if let Some(bytes) = exchange.owed.pop_front() {
                // A Close frame that answers ours is the last word.
                if bytes.first() == Some(&(FIN | CLOSE)) {
                    exchange.coming.clear();
                    exchange.coming.push_back((self.now + 50, Coming::End(End::Complete)));
                }
                self.hand_in(Input::Data { exchange: id, bytes }, now);
                return;
            }
        }
        let Some((_, coming)) = exchange.coming.pop_front() else { return };
        let input = match coming {
            Coming::Connected => Input::Connected { exchange: id },
            Coming::Head(head) => {
                exchange.head_came = true;
                self.checks.head_came(exchange);
                if matches!(exchange.plan.fate, Fate::Redirect { .. }) {
                    *self.outcome.seen.entry("redirect").or_default() += 1;
                }
                Input::Response { exchange: id, head }
            }
            Coming::Bytes(bytes, boundary) => {
                exchange.came += bytes.len();
                exchange.is_within_frame = boundary == Boundary::Within;
                self.content += 1;
                match self.weakness {
                    Weakness::LosesContent if self.content % 3 == 0 => return,
                    Weakness::RepeatsContent if self.content % 3 == 0 => {
                        let bytes = bytes.clone();
                        self.hand_in(Input::Data { exchange: id, bytes }, now);
                    }
                    _ => {}
                }
                Input::Data { exchange: id, bytes }
            }
            Coming::Message(message) if message.is_empty() => {
                Input::Data { exchange: id, bytes: message }
            }
            Coming::Message(message) => {
                exchange.came += message.len();
                Input::Message { exchange: id, message }
            }
            Coming::Close(bytes, code) => {
                exchange.close_came = Some(code);
                Input::Data { exchange: id, bytes }
            }
            Coming::End(why) => {
                exchange.end_came = Some(why.clone());
                exchange.is_open = false;
                exchange.coming.clear();
                exchange.owed.clear();
                Input::Ended { exchange: id, why }
            }
        };
        if self.traces {
            let _ = writeln!(self.trace, "  {:>9} ms  < {}", self.now - START, name(&input));
        }
        let ends = matches!(input, Input::Ended { .. });
        self.hand_in(input, now);
        if let (true, Some(told)) = (ends, self.behind_the_end) {
            self.behind_the_end = None;
            self.count("late input");
            self.tell(told, Some(id));
        }
    }

    fn hand_in(&mut self, input: Input, now: Instant) {
        self.told_at = self.told_at.max(now.since_origin().as_millis() as Ms);
        self.machine.handle(input, now);
    }

    fn answer_for_a_key(&mut self, answer: KeyAnswer) {
        let answer = match answer {
            KeyAnswer::Key => Ok(Some(ApiKey::new(KEY))),
            KeyAnswer::None => Ok(None),
            KeyAnswer::Fails => Err(CredentialsError::new("the vault is closed")),
            KeyAnswer::Never => return,
        };
        self.note(|| format!("< key {}", matches!(answer, Ok(Some(_)))));
        if let (true, Ok(key)) = (self.asked, &answer) {
            self.checks.key_given(key.is_some());
            self.asked = false;
        }
        self.hand_in(Input::Credentials(answer), self.at());
    }

    /// Whether the whole log has come, over a connection that stays.
    fn is_complete(&self) -> bool {
        let Some(exchange) = self.exchange.as_ref().filter(|it| it.is_open) else { return false };
        let last = self.log.iter().rev().find(|it| !it.is_silent(Form::Own)).map(|it| it.number);
        let none_left = exchange.served.iter().all(|it| self.log[it.number].is_silent(it.form));
        // A whole document is still to come.
        let is_new = self.checks.stored.is_none() && exchange.handed_out == 0;
        let waits = self.held.is_some() && is_new && !none_left;
        // An event that is dropped as repeated may lie behind what was handed out last.
        let seen = &self.checks.handed_out;
        let is_dropped =
            |number: &&usize| self.script.setting.dedupe && self.log[**number].is_event(Form::Own);
        let newest = seen.iter().filter(is_dropped).chain(seen.last()).max().copied();
        exchange.is_held()
            && !waits
            && (newest.is_some_and(|it| Some(it) >= last)
                || (none_left && self.now > self.log.last().map_or(0, |entry| entry.at)))
    }

    /// Of a server that keeps to its cursor, the whole log has come, once and in order; and a
    /// document is the server's.
    fn judge(&self) -> Result<(), String> {
        self.judge_the_document()?;
        let first = match self.script.setting.start {
            Start::Now => None,
            Start::Cursor(number) => Some(number + 1),
            Start::Since(number) => Some(number),
        };
        let mut seen: Vec<usize> = self.checks.handed_out.clone();
        // What is rejected without an id comes again.
        seen.dedup_by(|a, b| a == b && !self.log[*a].moves(&self.script.setting));
        // And before there is a position, so does all of the second in which it came.
        if self.script.setting.start == Start::Now {
            let moves = |number: &usize| self.log[*number].moves(&self.script.setting);
            seen.drain(..seen.iter().position(moves).unwrap_or(seen.len()));
        }
        // A machine that had no cursor to start at starts at whatever is the present then.
        if !self.script.is_honest() || self.checks.began_anew {
            return Ok(());
        }
        let Some(first) = first.or_else(|| seen.first().copied()) else { return Ok(()) };
        // A whole document takes the place of whatever is first.
        let whole = Some(&first).filter(|first| seen.first() == Some(*first));
        let is_due = |it: &&Entry| Some(&it.number) == whole || !it.is_silent(Form::Own);
        let due: Vec<usize> = self.log[first..].iter().filter(is_due).map(|it| it.number).collect();
        if seen == due { Ok(()) } else { Err(format!("{seen:?} has come, and {due:?} was due")) }
    }

    fn at(&self) -> Instant {
        at(self.now)
    }

    fn count(&mut self, what: &'static str) {
        *self.outcome.seen.entry(what).or_default() += 1;
    }

    fn note(&mut self, what: impl Fn() -> String) {
        if self.traces {
            let _ = writeln!(self.trace, "  {:>9} ms  {}", self.now - START, what());
        }
    }
}

fn empty(setting: &Setting) -> Option<Document> {
    let mode = match setting.payload {
        Payload::Loose => return None,
        Payload::Full => PayloadMode::FullData,
        Payload::Tested | Payload::Blind => PayloadMode::JsonPatch,
    };
    Some(Document::new(mode))
}

fn at(ms: Ms) -> Instant {
    Instant::from_origin(Duration::from_millis(ms))
}

fn start(
    script: &Script,
    cursor: Option<&str>,
    log: &[Entry],
    now: Ms,
    starts: u64,
) -> SubscriptionMachine {
    let Setting { transport, start, key, retry, idle, max_reconnects, .. } = script.setting;
    let mut subscription = match transport {
        Transport::EventStream => Subscription::url("https://stream.test/sse?streamId=a"),
        Transport::Frames => Subscription::url("wss://stream.test/ws?streamId=a"),
        Transport::Messages => {
            Subscription::url("wss://stream.test/ws?streamId=a").whole_messages()
        }
    };
    subscription = subscription.retry(Duration::from_millis(retry));
    subscription = match idle {
        Some(idle) => subscription.idle_timeout(Duration::from_millis(idle)),
        None => subscription.no_idle_timeout(),
    };
    if let Some(most) = max_reconnects {
        subscription = subscription.max_reconnects(most);
    }
    if let Start::Since(number) = start {
        subscription = subscription.since(unix_ms(log[number].at).to_string());
    }
    if let Some(cursor) = cursor {
        subscription = subscription.cursor(cursor);
    }
    if script.setting.coding.is_some() {
        subscription = subscription.accept_encoding(true);
    }
    if script.setting.signed {
        subscription = subscription.verify(Signer::new(log::SECRET));
    }
    if script.setting.continuity {
        subscription = subscription.continuity();
    }
    if script.setting.dedupe {
        subscription = subscription.dedupe(script.setting.entries);
    }
    subscription = subscription.websocket_options(ws::Options::default());
    let service = match key {
        Key::None => Service::default(),
        Key::Fixed => Service::new(KEY),
        Key::OnDemand => Service::default().with_credentials_on_demand(),
    };
    let entropy = Entropy::from_seed(script.seed ^ (starts << 48));
    subscription.start(&service, entropy, at(now)).expect("a subscription that can work")
}

fn short(event: &Event) -> String {
    match event {
        Event::Item(item) => match item.event() {
            Some(event) => format!("event {:?}", event.data().map(|data| data.get())),
            None => "rejected".to_owned(),
        },
        Event::Lost(lost) => format!("lost: {}", lost.reason),
        other => format!("{other:?}"),
    }
}

fn name(input: &Input) -> String {
    match input {
        Input::Response { head, .. } => format!("response {}", head.status),
        Input::Data { bytes, .. } => format!("data {:?}", String::from_utf8_lossy(bytes)),
        other => format!("{other:?}"),
    }
}
