//! What a step has found.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Good,
    /// The step's part of the way works, and something about the part is worth knowing.
    Note,
    Failed,
    /// A step before it, or an option, leaves nothing to try.
    Skipped,
}

impl Verdict {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Note => "note",
            Self::Failed => "FAILED",
            Self::Skipped => "skipped",
        }
    }
}

#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) verdict: Verdict,
    pub(crate) found: String,
    /// What to do about it.
    pub(crate) advice: Option<String>,
}

impl Finding {
    pub(crate) fn good(found: impl Into<String>) -> Self {
        Self { verdict: Verdict::Good, found: found.into(), advice: None }
    }

    pub(crate) fn note(found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { verdict: Verdict::Note, found: found.into(), advice: Some(advice.into()) }
    }

    pub(crate) fn failed(found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { verdict: Verdict::Failed, found: found.into(), advice: Some(advice.into()) }
    }

    pub(crate) fn skipped(why: impl Into<String>) -> Self {
        Self { verdict: Verdict::Skipped, found: why.into(), advice: None }
    }
}
