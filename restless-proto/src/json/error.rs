//! What is wrong with JSON text.

use std::fmt;

/// The fault of a text that breaks the grammar of JSON or the rules below, and its place.
///
/// Beyond the grammar of RFC 8259, three kinds of text are refused: its strings are no Unicode text
/// (half a surrogate pair, RFC 8259 §8.2), its floats are beyond a double's range (§6), or it nests
/// deeper than its reader says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonError {
    offset: u32,
    problem: JsonProblem,
}

impl JsonError {
    /// All offsets fit 32 bits: a longer text is refused.
    #[cold]
    pub(super) fn too_long() -> Self {
        Self { offset: 0, problem: JsonProblem::TooLong }
    }

    /// Returns the place of the fault, in bytes from the start of the text.
    pub fn offset(&self) -> usize {
        self.offset as usize
    }

    /// Returns what is wrong there.
    pub fn problem(&self) -> JsonProblem {
        self.problem
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.problem, self.offset)
    }
}

impl std::error::Error for JsonError {}

/// What can be wrong with JSON text, by the sections of RFC 8259.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JsonProblem {
    /// The text ends before its value does (§2).
    EndsEarly,
    /// Something else must come here, or nothing more (§2 to §5).
    Unexpected,
    /// A number is not spelt as numbers are (§6).
    Number,
    /// A float is beyond what a double can hold, such as `1e400` (§6). Integers have no bound.
    NumberRange,
    /// A character below U+0020 stands in a string unescaped (§7).
    ControlCharacter,
    /// An escape is unknown (§7).
    Escape,
    /// An escape gives one half of a surrogate pair without the other (§8.2).
    LoneSurrogate,
    /// The text nests deeper than the reader goes (§9).
    TooDeep,
    /// The text is 4 GiB or longer (§9).
    TooLong,
}

impl fmt::Display for JsonProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EndsEarly => "the text ends too early",
            Self::Unexpected => "unexpected character",
            Self::Number => "malformed number",
            Self::NumberRange => "number out of range",
            Self::ControlCharacter => "control character in a string",
            Self::Escape => "malformed escape",
            Self::LoneSurrogate => "half a surrogate pair",
            Self::TooDeep => "value nested too deep",
            Self::TooLong => "text too long",
        })
    }
}

/// Where reading stopped, told from the text's end: how much is left from there on.
///
/// Whoever reads keeps what is left instead of the distance from the start, so the place is counted
/// out only here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stop {
    left: usize,
    problem: JsonProblem,
}

impl Stop {
    #[cold]
    pub(crate) fn new(rest: &[u8], problem: JsonProblem) -> Self {
        Self { left: rest.len(), problem }
    }

    /// Something else must come here, or more of the text.
    #[cold]
    pub(crate) fn unexpected(rest: &[u8]) -> Self {
        let ends = rest.is_empty();
        Self::new(rest, if ends { JsonProblem::EndsEarly } else { JsonProblem::Unexpected })
    }

    /// Returns the error in the whole text that was read.
    #[cold]
    pub(crate) fn in_text(self, text: &str) -> JsonError {
        // All offsets fit 32 bits: see `start`.
        JsonError { offset: (text.len() - self.left) as u32, problem: self.problem }
    }
}
