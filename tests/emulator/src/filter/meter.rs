//! What a run may use up, counted from within: jaq cannot be interrupted, so the filter itself asks
//! at each step whether it may go on.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use jaq_core::box_iter::box_once;
use jaq_core::data::HasLut;
use jaq_core::native::{Fun, v};
use jaq_core::{Cv, DataT, Error, Exn, Lut, Native, ValX, ValXs};
use jaq_json::{Num, Val, read};

use super::MAX_RUN;
use crate::json::{self, MAX_DEPTH};

/// Longest text that a regular expression is matched against, and longest expression, in bytes.
const MAX_MATCHED: usize = 64 * 1024;
const MAX_PATTERN: usize = 256;
/// Largest number that is multiplied, in digits.
const MAX_FACTOR: usize = 1_000;

/// Passes a value on, at its cost.
pub(super) const PASS: &str = "pass!";
/// Passes a value on at the cost of one: for what is known to be cheap.
pub(super) const STEP: &str = "step!";
/// Passes a value on to what compares each of its parts with each of another.
pub(super) const SQUARE: &str = "square!";
/// Passes on what may be multiplied: no text, which would be repeated.
pub(super) const FACTOR: &str = "factor!";
/// Passes on what may be looked up: no array, which would be searched for.
pub(super) const KEY: &str = "key!";
/// Passes on a text that is short enough to be matched.
pub(super) const MATCHED: &str = "matched!";
/// Passes on a regular expression that is short enough.
pub(super) const PATTERN: &str = "pattern!";

/// Why a run was stopped.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stop {
    Cancelled,
    Depth,
    Time,
    Work,
}

impl Stop {
    pub(super) fn why(self) -> String {
        match self {
            Self::Cancelled => "the filter was stopped".to_owned(),
            Self::Depth => format!("the filter goes deeper than {MAX_DEPTH} levels"),
            Self::Time => format!("the filter ran for more than {} s", MAX_RUN.as_secs()),
            Self::Work => "the filter takes too many steps".to_owned(),
        }
    }
}

/// The budget of one run.
#[derive(Debug)]
pub(super) struct Meter {
    left: Cell<u64>,
    /// How many updates of a part of a part are under way: each is a call within the last.
    updates: Cell<usize>,
    deadline: Instant,
    cancelled: Arc<AtomicBool>,
    stopped: Cell<Option<Stop>>,
}

impl Meter {
    /// Allows so much work at the most, until `cancelled` says so.
    pub(super) fn new(work: u64, cancelled: Arc<AtomicBool>) -> Self {
        Self {
            left: Cell::new(work),
            updates: Cell::new(0),
            // The work is bounded anyway; this is for steps that take long.
            deadline: Instant::now() + MAX_RUN,
            cancelled,
            stopped: Cell::new(None),
        }
    }

    pub(super) fn stopped(&self) -> Option<Stop> {
        self.stopped.get()
    }

    fn charge(&self, cost: u64) -> Result<(), Stop> {
        if let Some(stop) = self.stopped.get() {
            return Err(stop);
        }
        match self.left.get().checked_sub(cost) {
            None => Err(self.stop(Stop::Work)),
            Some(_) if self.cancelled.load(Ordering::Relaxed) => Err(self.stop(Stop::Cancelled)),
            Some(_) if Instant::now() > self.deadline => Err(self.stop(Stop::Time)),
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
        }
    }

    /// Returns what a value costs; only as much of the value is looked at as can be paid for.
    fn weigh(&self, value: &Val) -> Result<u64, Stop> {
        let mut cost = 0;
        self.add(value, 0, &mut cost)?;
        Ok(cost)
    }

    fn add(&self, value: &Val, depth: usize, cost: &mut u64) -> Result<(), Stop> {
        if depth > MAX_DEPTH {
            return Err(self.stop(Stop::Depth));
        }
        *cost += 1 + match value {
            Val::TStr(text) | Val::BStr(text) => text.len() as u64 / 16,
            Val::Num(Num::Dec(digits)) => digits.len() as u64 / 16,
            Val::Num(Num::BigInt(number)) => number.bits() / 128,
            _ => 0,
        };
        if *cost > self.left.get() {
            return Err(self.stop(Stop::Work));
        }
        match value {
            Val::Arr(items) => items.iter().try_for_each(|item| self.add(item, depth + 1, cost)),
            Val::Obj(members) => members.iter().try_for_each(|(key, item)| {
                self.add(key, depth + 1, cost)?;
                self.add(item, depth + 1, cost)
            }),
            _ => Ok(()),
        }
    }

    fn stop(&self, stop: Stop) -> Stop {
        self.stopped.set(Some(stop));
        stop
    }
}

/// Filters over JSON whose steps are counted.
pub(super) struct Metered;

impl DataT for Metered {
    type V<'a> = Val;
    type Data<'a> = Run<'a>;
}

/// One run of one filter.
#[derive(Clone)]
pub(super) struct Run<'a> {
    pub(super) lut: &'a Lut<Metered>,
    pub(super) meter: &'a Meter,
}

impl<'a> HasLut<'a, Metered> for Run<'a> {
    fn lut(&self) -> &'a Lut<Metered> {
        self.lut
    }
}

/// What this crate adds to jaq's functions. A filter can't write their names, save that of
/// `fromjson`, whose version here reads only as deep as others look.
pub(super) fn functions() -> impl Iterator<Item = Fun<Metered>> {
    [
        (PASS, v(0), passing(|cv| checked(cv, |meter, value| meter.charge(meter.weigh(value)?)))),
        (STEP, v(0), passing(|cv| checked(cv, |meter, _| meter.charge(1)))),
        (SQUARE, v(0), Native::<Metered>::new(square)),
        (FACTOR, v(0), Native::<Metered>::new(|cv| judged(cv, is_factor, "a text or a number of such length can't be multiplied"))),
        (KEY, v(0), Native::<Metered>::new(|cv| judged(cv, |key| !matches!(key, Val::Arr(_)), "an array is no key: see indices"))),
        (MATCHED, v(0), Native::<Metered>::new(|cv| judged(cv, |text| length(text) <= MAX_MATCHED, "a text of more than 64 KiB can't be matched"))),
        (PATTERN, v(0), Native::<Metered>::new(|cv| judged(cv, is_pattern, "a regular expression has at most 256 bytes, and no number in braces of more than 2 digits"))),
        ("fromjson", v(0), Native::<Metered>::new(from_json)),
    ]
    .into_iter()
}

/// A filter that gives what it is given, also as a path and to an update.
fn passing(run: jaq_core::RunPtr<Metered>) -> Native<Metered> {
    Native::<Metered>::new(run)
        .with_paths(|(ctx, (value, path))| {
            let meter = ctx.data().meter;
            let result = match path.get(MAX_DEPTH) {
                Some(_) => Err(meter.stop(Stop::Depth)),
                None => meter.charge(1),
            };
            box_once(match result {
                Ok(()) => Ok((value, path)),
                Err(_) => Err(Exn::halt(0)),
            })
        })
        .with_update(|(ctx, value), update| {
            let meter = ctx.data().meter;
            let depth = meter.updates.get() + 1;
            let allowed =
                if depth > MAX_DEPTH { Err(meter.stop(Stop::Depth)) } else { meter.charge(1) };
            if allowed.is_err() {
                return box_once(Err(Exn::halt(0)));
            }
            meter.updates.set(depth);
            let mut results = update(value);
            // Lazy as it is, the first result takes all the calls that one may take.
            let first = results.next();
            meter.updates.set(depth - 1);
            Box::new(first.into_iter().chain(results))
        })
}

fn checked<'a>(
    (ctx, value): Cv<'a, Metered>,
    check: impl FnOnce(&Meter, &Val) -> Result<(), Stop>,
) -> ValXs<'a, Val> {
    // Unlike an error, a halt is caught by no `try`.
    box_once(match check(ctx.data().meter, &value) {
        Ok(()) => Ok(value),
        Err(_) => Err(Exn::halt(0)),
    })
}

fn square<'a>(cv: Cv<'a, Metered>) -> ValXs<'a, Val> {
    checked(cv, |meter, value| {
        let cost = meter.weigh(value)?;
        meter.charge(cost.saturating_add(cost.saturating_mul(cost) / 64))
    })
}

fn judged<'a>(
    cv: Cv<'a, Metered>,
    good: impl FnOnce(&Val) -> bool,
    why: &'static str,
) -> ValXs<'a, Val> {
    if good(&cv.1) {
        checked(cv, |meter, value| meter.charge(meter.weigh(value)?))
    } else {
        box_once(Err(Error::str(why).into()))
    }
}

fn is_factor(value: &Val) -> bool {
    match value {
        Val::TStr(_) | Val::BStr(_) => false,
        Val::Num(Num::Dec(digits)) => digits.len() <= MAX_FACTOR,
        Val::Num(Num::BigInt(number)) => number.bits() <= 3 * MAX_FACTOR as u64,
        _ => true,
    }
}

/// Of a text, in bytes.
fn length(value: &Val) -> usize {
    match value {
        Val::TStr(text) | Val::BStr(text) => text.len(),
        _ => 0,
    }
}

/// Whether a regular expression compiles to little: `(a{99}){99}` is much already.
fn is_pattern(value: &Val) -> bool {
    let (Val::TStr(text) | Val::BStr(text)) = value else { return true };
    let digits = |piece: &[u8]| piece.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let counts = text.split(|byte| matches!(byte, b'{' | b',')).skip(1);
    let braces = text.iter().filter(|byte| **byte == b'{').count();
    text.len() <= MAX_PATTERN && braces <= 2 && counts.map(digits).all(|digits| digits <= 2)
}

fn from_json<'a>((_, value): Cv<'a, Metered>) -> ValXs<'a, Val> {
    let read = || -> Result<Val, jaq_json::Error> {
        let bytes = value.try_as_utf8_bytes_owned()?;
        let text = std::str::from_utf8(&bytes).map_err(Error::str)?;
        json::parse(text).map_err(Error::str)?;
        read::parse_single(&bytes).map_err(Error::str)
    };
    let result: ValX<'a, Val> = read().map_err(Exn::from);
    box_once(result)
}
