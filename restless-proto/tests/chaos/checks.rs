//! What must hold, looked at from outside.

use std::collections::VecDeque;

use bytes::Bytes;
use http::Request;
use restless_proto::machine::End;
use restless_proto::subscription::{Ended, Event, GapReason, Item, LossReason};
use restless_proto::{Error, TransportErrorKind};

use super::log::{Entry, Ms, unix_ms};
use super::order::Order;
use super::script::{Fate, Key, Setting, Start};
use super::server::{Exchange, KEY, Served};

/// What the checks remember of one machine, and of those before it.
pub(crate) struct Checks {
    setting: Setting,
    /// The cursor of the last item, stored by the user.
    pub(crate) stored: Option<String>,
    /// The `Date` of the first good answer of this machine, in milliseconds.
    answered: Option<u64>,
    /// When connects went out within the last minute.
    connects: VecDeque<Ms>,
    /// The shortest reconnection time that was ever in force.
    shortest_retry: Ms,
    /// Redirects that were followed in a row.
    redirects: u32,
    /// What has led here, where it was no new connect.
    pub(crate) on_the_way: bool,
    /// Whether the present machine has had a connection that stood.
    has_stood: bool,
    /// Whether a redirect has left the origin.
    left_origin: bool,
    pub(crate) closed_by_user: bool,
    key_given: bool,
    /// Whether the key that was given last was refused.
    key_refused: bool,
    /// The entries that were handed out, by their numbers.
    pub(crate) handed_out: Vec<usize>,
    /// Whether the position was given up, or missing, so that what came since is another part of
    /// the log.
    pub(crate) began_anew: bool,
    /// Whether the present machine has given up its position.
    given_up: bool,
    /// How one item follows the other, where that is asked for.
    pub(crate) order: Option<Order>,
}

impl Checks {
    pub(crate) fn new(setting: &Setting, log: &[Entry]) -> Self {
        let stored = match setting.start {
            Start::Cursor(number) => Some(log[number].cursor()),
            Start::Now | Start::Since(_) => None,
        };
        let at = |cursor: &String| log.iter().find(|entry| entry.cursor() == *cursor);
        Self {
            setting: setting.clone(),
            order: Order::new(setting, stored.as_ref().and_then(at)),
            stored,
            answered: None,
            connects: VecDeque::new(),
            shortest_retry: setting.retry,
            redirects: 0,
            on_the_way: false,
            has_stood: false,
            left_origin: false,
            closed_by_user: false,
            key_given: false,
            key_refused: false,
            handed_out: Vec::new(),
            began_anew: false,
            given_up: false,
        }
    }

    /// Another machine starts, at the stored cursor.
    pub(crate) fn restarted(&mut self, log: &[Entry]) {
        let at = |cursor: &String| log.iter().find(|entry| entry.cursor() == *cursor);
        self.order = Order::new(&self.setting, self.stored.as_ref().and_then(at));
        (self.given_up, self.has_stood) = (false, false);
        self.answered = None;
        self.connects.clear();
        self.shortest_retry = self.setting.retry;
        self.on_the_way = false;
        self.closed_by_user = false;
        (self.key_given, self.key_refused) = (false, false);
        self.began_anew |= self.stored.is_none();
    }

    /// The position is given up.
    pub(crate) fn gives_up(&mut self, why: GapReason) {
        if let Some(order) = &mut self.order {
            order.gives_up(why, self.stored.is_some());
            order.is_cut_short();
        }
        self.stored = None;
        (self.given_up, self.began_anew) = (true, true);
    }

    /// The position is refused. The time of an answer, which the user never named, makes way for
    /// the time of the next answer.
    fn is_refused_the_position(&mut self) {
        if !self.is_at_an_answer() {
            return self.gives_up(GapReason::Refused);
        }
        if let Some(order) = &mut self.order {
            order.gives_up(GapReason::NoPosition, false);
            order.is_cut_short();
        }
        (self.answered, self.began_anew) = (None, true);
    }

    /// Whether the position is the time of an answer.
    fn is_at_an_answer(&self) -> bool {
        let is_named = matches!(self.setting.start, Start::Since(_)) || self.stored.is_some();
        !is_named && !self.given_up && self.answered.is_some()
    }

    /// Whether this exchange refuses its position, which is no end for who is told of gaps, and
    /// none where the user did not name the position.
    fn refuses_the_position(&self, exchange: &Exchange, log: &[Entry]) -> bool {
        let refuses = |status| matches!(status, 400 | 410 | 416 | 422);
        let brought = || {
            let mut arrived = exchange.served[..exchange.arrived()].iter();
            arrived.any(|it| !log[it.number].is_silent(it.form))
        };
        let refused = match (exchange.plan.fate, closed_by(exchange)) {
            (Fate::Status(status, _), _) if exchange.head_came => refuses(status),
            (_, Some(code)) => code.checked_sub(4000).is_some_and(refuses) && !brought(),
            _ => false,
        };
        refused && exchange.resumes && (self.order.is_some() || self.is_at_an_answer())
    }

    pub(crate) fn key_given(&mut self, given: bool) {
        (self.key_given, self.key_refused) = (given, false);
    }

    pub(crate) fn retry_came(&mut self, retry: Ms) {
        self.shortest_retry = self.shortest_retry.min(retry);
    }

    /// A request goes out.
    pub(crate) fn opens(
        &mut self,
        request: &Request<Bytes>,
        before: Option<&Exchange>,
        cursor: Option<&str>,
        log: &[Entry],
        now: Ms,
    ) -> Result<(), String> {
        let redirected = before.is_some_and(|it| {
            it.head_came && matches!(it.plan.fate, Fate::Redirect { .. }) && it.end_came.is_none()
        });
        if before.is_some_and(|it| it.is_open) && !redirected {
            return Err("opens an exchange beside another".to_owned());
        }
        if !self.on_the_way {
            (self.redirects, self.left_origin) = (0, false);
            self.connects(now)?;
        }
        self.moves_to(before, cursor, log)?;
        self.asks_from(request, log)?;
        self.shows_its_key_to(request)
    }

    /// The connects of any minute stay under the ceiling that `Backoff` tells.
    fn connects(&mut self, now: Ms) -> Result<(), String> {
        self.connects.push_back(now);
        while self.connects.front().is_some_and(|at| at + 60_000 <= now) {
            self.connects.pop_front();
        }
        let most = match self.shortest_retry {
            0..100 => 604,
            retry => 60_000 / retry + 1,
        };
        let seen = self.connects.len() as u64;
        if seen > most { Err(format!("connects {seen} times within a minute")) } else { Ok(()) }
    }

    /// The cursor is that of the last item, or of an id behind it that came without one.
    pub(crate) fn moves_to(
        &mut self,
        exchange: Option<&Exchange>,
        cursor: Option<&str>,
        log: &[Entry],
    ) -> Result<(), String> {
        if cursor == self.stored.as_deref() {
            return Ok(());
        }
        if cursor.is_none() && exchange.is_some_and(|it| self.refuses_the_position(it, log)) {
            self.is_refused_the_position();
            return Ok(());
        }
        let order = self.order.as_ref();
        let is_dropped = |it: &&Served| {
            let entry = &log[it.number];
            entry.is_silent(it.form) || order.is_some_and(|order| order.drops(entry, it.form))
        };
        let behind = exchange.into_iter().flat_map(|it| {
            it.served[..it.may_have_arrived()].iter().skip(it.handed_out).take_while(is_dropped)
        });
        let mut silent = behind.filter(|it| log[it.number].is_silent(it.form));
        let known = silent.find(|it| cursor == Some(log[it.number].cursor().as_str())).copied();
        let Some(known) = known else {
            return Err(format!("the cursor is {cursor:?}, and was {:?}", self.stored));
        };
        if let Some(order) = &mut self.order {
            order.moves_past(known.number);
        }
        self.stored = cursor.map(str::to_owned);
        Ok(())
    }

    fn asks_from(&self, request: &Request<Bytes>, log: &[Entry]) -> Result<(), String> {
        let since = match (self.setting.start, self.answered) {
            _ if self.given_up => None,
            (Start::Since(number), _) => Some(unix_ms(log[number].at)),
            (Start::Now | Start::Cursor(_), answered) => answered,
        };
        let due = match (&self.stored, since) {
            (Some(cursor), _) => Some(format!("cursor={cursor}")),
            (None, Some(since)) => Some(format!("since={since}")),
            (None, None) => None,
        };
        let query = request.uri().query().unwrap_or_default();
        let asked =
            query.split('&').find(|pair| pair.starts_with("cursor=") || pair.starts_with("since="));
        if asked == due.as_deref() {
            return Ok(());
        }
        Err(format!("asks for {asked:?} where {due:?} is due"))
    }

    fn shows_its_key_to(&self, request: &Request<Bytes>) -> Result<(), String> {
        let uri = request.uri();
        let ours = uri.host() == Some("stream.test");
        let shown = request.headers().contains_key("authorization")
            || uri.to_string().contains(KEY)
            || request.headers().values().any(|value| value.as_bytes().ends_with(KEY.as_bytes()));
        let has_key = match self.setting.key {
            Key::None => false,
            Key::Fixed => true,
            Key::OnDemand => self.key_given,
        };
        match (shown, ours && !self.left_origin) {
            (true, true) if has_key => Ok(()),
            (false, true) if !has_key => Ok(()),
            (false, false) => Ok(()),
            (true, _) => Err(format!("shows its key to {:?}", uri.host())),
            (false, true) => Err("does not show its key".to_owned()),
        }
    }

    /// What the user is told.
    pub(crate) fn told(
        &mut self,
        event: &Event,
        exchange: Option<&mut Exchange>,
        log: &[Entry],
        now: Ms,
    ) -> Result<(), String> {
        let printed = format!("{event:?}");
        if printed.contains(KEY) {
            return Err(format!("prints its key: {printed}"));
        }
        match event {
            Event::Opened(_) => {
                let exchange = exchange.ok_or("opened without an exchange")?;
                if !exchange.head_came {
                    return Err("opened before the head".to_owned());
                }
                let date = unix_ms(exchange.asked_at) / 1000 * 1000;
                let date = Some(date).filter(|_| exchange.plan.dated);
                if let Some(order) = &mut self.order {
                    order.stands(exchange.resumes, date);
                }
                // Without a `Date` of the first answer there may be no position to resume at.
                let is_first = !matches!(self.setting.start, Start::Since(_))
                    && self.stored.is_none()
                    && !self.given_up;
                if is_first {
                    self.began_anew |= self.answered.or(date).is_none();
                    self.answered = self.answered.or(date);
                }
                self.on_the_way = false;
                self.has_stood = true;
                Ok(())
            }
            Event::Continuity(continuity) => match &mut self.order {
                Some(order) => order.tells(continuity),
                None => Err(format!("tells {continuity:?}, and nobody asked")),
            },
            Event::Item(item) => {
                let exchange = exchange.ok_or("an item without an exchange")?;
                self.item(item, exchange, log)
            }
            Event::Lost(lost) => {
                self.on_the_way = false;
                if matches!(lost.reason, LossReason::Snapshot) {
                    let asked = self.given_up && self.stored.is_none();
                    return asked
                        .then_some(())
                        .ok_or_else(|| "lost for a snapshot unasked".to_owned());
                }
                let exchange = exchange.map(|it| &*it);
                self.all_came_out(exchange, log)?;
                if exchange.is_some_and(|it| self.refuses_the_position(it, log)) {
                    self.is_refused_the_position();
                } else if let Some(why) = exchange.and_then(|it| is_final(it, self.has_stood)) {
                    return Err(format!("{why} is no reason to connect again"));
                }
                let wait = (lost.retry_at.since_origin().as_millis() as u64).saturating_sub(now);
                let asked = exchange.map_or(0, |it| asked_to_wait(it, lost.reason.clone()));
                if wait + 1 < asked {
                    return Err(format!("connects in {wait} ms, and was asked to wait {asked} ms"));
                }
                Ok(())
            }
            Event::Ended(ended) => self.ended(ended, exchange.map(|it| &*it), log),
            _ => Ok(()),
        }
    }

    /// An item is the next of what the server has sent, and has come whole.
    fn item(&mut self, item: &Item, exchange: &mut Exchange, log: &[Entry]) -> Result<(), String> {
        if self.closed_by_user {
            return Err("an item after the user has closed it".to_owned());
        }
        let arrived = exchange.may_have_arrived();
        let (next, form) = loop {
            let Some(sent) = exchange.served[..arrived].get(exchange.handed_out) else {
                return Err(format!("{item:?} is nothing that has come"));
            };
            exchange.handed_out += 1;
            let entry = &log[sent.number];
            match &mut self.order {
                Some(order) if entry.is_silent(sent.form) => order.moves_past(sent.number),
                Some(order) if order.drops(entry, sent.form) => {}
                None if entry.is_silent(sent.form) => {}
                _ => break (entry, sent.form),
            }
        };
        if !next.is(item, form) {
            return Err(format!("{item:?} is not what the server sent, {}", next.cursor()));
        }
        if let Some(order) = &mut self.order {
            order.item(next, form, self.stored.as_deref())?;
        }
        self.handed_out.push(next.number);
        if next.is_event(form) || next.moves(&self.setting) {
            self.stored = Some(next.cursor());
        }
        Ok(())
    }

    /// A loss comes after all that has come.
    fn all_came_out(&self, exchange: Option<&Exchange>, log: &[Entry]) -> Result<(), String> {
        let Some(exchange) = exchange else { return Ok(()) };
        let left =
            &exchange.served[exchange.handed_out..exchange.arrived().max(exchange.handed_out)];
        let order = self.order.as_ref();
        let is_due = |it: &&Served| {
            let entry = &log[it.number];
            !entry.is_silent(it.form) && !order.is_some_and(|order| order.drops(entry, it.form))
        };
        match left.iter().find(is_due) {
            Some(it) => Err(format!("{} has come and is lost", log[it.number].cursor())),
            None => Ok(()),
        }
    }

    fn ended(
        &self,
        ended: &Ended,
        exchange: Option<&Exchange>,
        log: &[Entry],
    ) -> Result<(), String> {
        let why = exchange.and_then(|it| is_final(it, self.has_stood));
        let due = match ended {
            Ended::Closed => self.closed_by_user,
            Ended::GaveUp { reconnects, .. } => {
                self.all_came_out(exchange, log)?;
                Some(*reconnects) == self.setting.max_reconnects
            }
            Ended::NoContent => why == Some("204"),
            // One redirect after the other may come to too many.
            Ended::Failed(_) if self.redirects >= 10 => true,
            Ended::Failed(_) => {
                self.all_came_out(exchange, log)?;
                why.is_some()
            }
            _ => false,
        };
        if due { Ok(()) } else { Err(format!("there is no reason to end: {ended:?}")) }
    }

    /// The head of an exchange was handed in.
    pub(crate) fn head_came(&mut self, exchange: &Exchange) {
        match exchange.plan.fate {
            Fate::Redirect { elsewhere, .. } => {
                self.redirects += 1;
                self.left_origin |= elsewhere;
                self.on_the_way = true;
            }
            // Another key may do.
            Fate::Status(401, _) if self.setting.key == Key::OnDemand && !self.left_origin => {
                (self.on_the_way, self.key_refused) = (true, true);
            }
            _ => {}
        }
    }

    /// A question for a key says whether the last one was refused.
    pub(crate) fn asks_for_a_key(&mut self, rejected: bool) -> Result<(), String> {
        if self.setting.key != Key::OnDemand {
            return Err("asks for a key that it has".to_owned());
        }
        if rejected != self.key_refused {
            return Err(format!("says of a key's refusal: {rejected}"));
        }
        self.redirects = 0;
        self.left_origin = false;
        Ok(())
    }
}

/// The code of the Close frame that has come.
fn closed_by(exchange: &Exchange) -> Option<u16> {
    match &exchange.end_came {
        Some(End::Closed { code, .. }) => Some(code.get()),
        _ => exchange.close_came,
    }
}

/// Why nobody should connect again, by the table of the policy.
fn is_final(exchange: &Exchange, has_stood: bool) -> Option<&'static str> {
    use TransportErrorKind as Failure;
    let closed = closed_by(exchange);
    let stops = |code| {
        matches!(
            code,
            1002 | 1003 | 1007..=1010 | 3000 | 3003 | 4400..=4407 | 4409..=4428 | 4430..=4499
        )
    };
    if closed.is_some_and(stops) {
        return Some("the code of its Close frame");
    }
    if let Some(End::Failed(error)) = &exchange.end_came {
        let stops = match error.kind() {
            Failure::Certificate => !has_stood,
            kind => matches!(kind, Failure::Unsupported | Failure::Proxy | Failure::Request),
        };
        return stops.then_some("a failure that stays");
    }
    match exchange.plan.fate {
        _ if !exchange.head_came => None,
        Fate::Status(429 | 500..=599, _) => None,
        Fate::Status(..) => Some("a refusal"),
        Fate::WrongType => Some("a wrong type"),
        Fate::WrongAccept => Some("no WebSocket"),
        Fate::NoContent => Some("204"),
        _ => None,
    }
}

/// How long the peer asks to be left alone, in milliseconds.
fn asked_to_wait(exchange: &Exchange, reason: LossReason) -> Ms {
    let closed = closed_by(exchange);
    match (closed, exchange.plan.fate, reason) {
        (Some(1012 | 1013), ..) => 5000,
        (_, Fate::Fails(_, Some(seconds)), LossReason::Error(Error::Transport(_))) => {
            seconds * 1000
        }
        (_, Fate::Status(_, Some(seconds)), LossReason::Error(_)) if exchange.head_came => {
            seconds * 1000
        }
        _ => 0,
    }
}
