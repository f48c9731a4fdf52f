//! What came of a trial.

use std::fmt;
use std::time::Duration;

use crate::rule::{Over, Rule};

/// Rule by rule, what held and what broke. A report prints as a table.
#[derive(Clone, Debug, Default)]
#[must_use = "a report says what does not hold"]
pub struct Report {
    pub(crate) entries: Vec<Entry>,
}

/// One rule, over one thing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Entry {
    /// The rule.
    pub rule: Rule,
    /// What the rule was tried over.
    pub over: Over,
    /// What came of the rule.
    pub verdict: Verdict,
    /// How long the rule took.
    pub took: Duration,
}

/// What came of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The rule holds.
    Held,
    /// The rule is broken; in words, what was seen.
    Broken(String),
    /// The rule was left out; in words, why.
    LeftOut(String),
}

impl Report {
    /// Returns all entries, in the order of [`rules`](crate::rules).
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Returns the entries whose rule is broken.
    pub fn broken(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| matches!(entry.verdict, Verdict::Broken(_)))
    }

    /// Returns how many rules held.
    pub fn held(&self) -> usize {
        self.entries.iter().filter(|entry| entry.verdict == Verdict::Held).count()
    }

    /// Whether all that was tried held, and something was tried.
    pub fn is_good(&self) -> bool {
        self.broken().next().is_none() && self.held() > 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Entry { rule, over, verdict, took } in &self.entries {
            let word = match verdict {
                Verdict::Held => "held",
                Verdict::Broken(_) => "BROKEN",
                Verdict::LeftOut(_) => "left out",
            };
            write!(f, "{word:<9}{:<10}{:<54}{}", over.as_str(), rule.name, rule.section)?;
            if *took > SLOW {
                write!(f, "  {:.1} s", took.as_secs_f64())?;
            }
            writeln!(f)?;
            if let Verdict::Broken(why) | Verdict::LeftOut(why) = verdict {
                writeln!(f, "         {why}")?;
            }
        }
        let broken = self.broken().count();
        let left_out = self.entries.len() - self.held() - broken;
        writeln!(f, "{} held, {broken} broken, {left_out} left out", self.held())
    }
}

/// The time from which a rule is shown with its time.
const SLOW: Duration = Duration::from_secs(2);
