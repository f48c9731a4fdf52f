//! What a script comes to, and drivers that get it wrong.

use std::collections::BTreeMap;

/// What is wrong with a driver, to see that it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weakness {
    None,
    /// The driver starts again at an older cursor than the stored one.
    ForgetsTheCursor,
    /// The driver does not hand in some of the content.
    LosesContent,
    /// The driver hands in some of the content twice.
    RepeatsContent,
    /// The driver never says that time is up.
    KnowsNoTime,
    /// The driver drops what is handed out.
    LosesEvents,
}

impl Weakness {
    pub(crate) const ALL: [Self; 5] = [
        Self::ForgetsTheCursor,
        Self::LosesContent,
        Self::RepeatsContent,
        Self::KnowsNoTime,
        Self::LosesEvents,
    ];

    /// What a check says of it.
    pub(crate) fn symptoms(self) -> &'static [&'static str] {
        match self {
            Self::None => &[],
            Self::ForgetsTheCursor => &["the cursor is"],
            Self::LosesContent => &["is not what the server sent", "is lost", "the cursor is"],
            Self::RepeatsContent => &[
                "is not what the server sent",
                "is nothing that has come",
                "is lost",
                "the cursor is",
            ],
            Self::LosesEvents => &["is lost", "of the last news has come"],
            Self::KnowsNoTime => &["time goes by"],
        }
    }
}

/// What seeds have to meet, or they would prove little.
pub(crate) const HAPPENINGS: &[&str] = &[
    "event",
    "rejected",
    "lost",
    "closed",
    "gave up",
    "no content",
    "failed",
    "unanswered",
    "authorize",
    "redirect",
    "killed",
    "stale input",
    "late input",
    "log complete",
    "live",
    "replayed",
    "repeated",
    "gap",
    "snapshot",
    "tampered",
    "call answered",
    "call failed",
    "call gave up",
    "stuck for ever, as it was set up",
];

/// What a script came to.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) seen: BTreeMap<&'static str, u64>,
}

impl Outcome {
    pub(crate) fn count_into(&self, sum: &mut BTreeMap<&'static str, u64>) {
        for (what, count) in &self.seen {
            *sum.entry(what).or_default() += count;
        }
    }
}
