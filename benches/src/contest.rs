//! The same work for several contenders, in turns.

use std::fmt::Debug;
use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::{Allocations, allocations};

/// Work on one input, an answer that is due, and who does it.
///
/// The first contender is ours; the others are measured against it.
pub struct Contest<'a, A> {
    name: String,
    input_bytes: usize,
    due: A,
    contenders: Vec<(&'static str, Turn<'a, A>)>,
}

type Turn<'a, A> = Box<dyn FnMut() -> A + 'a>;

/// How one contender did.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// The contender.
    pub name: &'static str,
    /// The median time of one turn in nanoseconds; `None` where nothing was measured.
    pub median_ns: Option<f64>,
    /// What it allocates in one turn.
    pub allocations: Allocations,
}

impl<'a, A: Debug + PartialEq + 'a> Contest<'a, A> {
    /// Names the contest, and states the size of its input and the answer that is due.
    pub fn new(name: impl Into<String>, input_bytes: usize, due: A) -> Self {
        Self { name: name.into(), input_bytes, due, contenders: Vec::new() }
    }

    /// Adds a contender: one turn of its work, which gives its answer.
    #[must_use]
    pub fn contender(mut self, name: &'static str, turn: impl FnMut() -> A + 'a) -> Self {
        self.contenders.push((name, Box::new(turn)));
        self
    }

    /// Runs the contest and prints a table: for each contender the median, how many times ours
    /// that is, and what it allocates.
    ///
    /// # Panics
    ///
    /// If an answer is not the one due.
    pub fn run(mut self) -> Vec<Outcome> {
        let mut outcomes: Vec<Outcome> = Vec::new();
        for (name, turn) in &mut self.contenders {
            assert_eq!(turn(), self.due, "{}: {name} is wrong", self.name);
            let allocations = allocations(&mut *turn);
            outcomes.push(Outcome { name, median_ns: None, allocations });
        }
        if is_measuring() {
            for (outcome, median) in outcomes.iter_mut().zip(self.medians()) {
                outcome.median_ns = Some(median);
            }
        }
        self.print(&outcomes);
        outcomes
    }

    fn medians(&mut self) -> Vec<f64> {
        let turns: Vec<u32> = self.contenders.iter_mut().map(|(_, turn)| warm_up(turn)).collect();
        let mut times = vec![Vec::with_capacity(ROUNDS); turns.len()];
        let start = Instant::now();
        let mut order: Vec<usize> = (0..turns.len()).collect();
        for round in 0..ROUNDS {
            if round >= FEWEST_ROUNDS && start.elapsed() > LONG {
                break;
            }
            for &next in &order {
                let (name, turn) = &mut self.contenders[next];
                let start = Instant::now();
                for _ in 0..turns[next] {
                    assert_eq!(black_box(turn()), self.due, "{}: {name} is wrong", self.name);
                }
                let time = start.elapsed().as_secs_f64() * 1e9 / f64::from(turns[next]);
                times[next].push(time);
            }
            // Who comes after one that leaves the heap and the caches in disorder pays for it: so
            // each comes after each.
            order.rotate_left(1);
            if (round + 1) % order.len() == 0 {
                order.reverse();
            }
        }
        times.iter_mut().map(|times| median(times)).collect()
    }

    fn print(&self, outcomes: &[Outcome]) {
        println!("\n{}, {} bytes", self.name, self.input_bytes);
        let ours = outcomes.first().and_then(|outcome| outcome.median_ns);
        for Outcome { name, median_ns, allocations: Allocations { count, bytes } } in outcomes {
            let time = match (median_ns, ours) {
                (Some(median), Some(ours)) => format!(
                    "{median:>10.0} ns  {:>7.0} MB/s  {:>5.2} x ours",
                    self.input_bytes as f64 * 1e3 / median,
                    median / ours,
                ),
                _ => "right".to_owned(),
            };
            println!("  {name:<28} {time}  {count:>6} allocations  {bytes:>8} bytes");
        }
    }
}

/// Whether times are asked for: by `cargo bench`, and without `RESTLESS_BENCH_QUICK`.
pub fn is_measuring() -> bool {
    std::env::args().any(|argument| argument == "--bench")
        && std::env::var_os("RESTLESS_BENCH_QUICK").is_none()
}

/// How often the contenders take turns.
const ROUNDS: usize = 101;

/// What takes longer takes fewer rounds, down to the fewest that a median can be taken of.
const LONG: Duration = Duration::from_secs(3);
const FEWEST_ROUNDS: usize = 5;

/// How many turns of a contender take about two milliseconds.
fn warm_up<A>(turn: &mut dyn FnMut() -> A) -> u32 {
    let start = Instant::now();
    let mut turns = 0;
    while start.elapsed() < Duration::from_millis(20) {
        black_box(turn());
        turns += 1;
    }
    turns / 10 + 1
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}
