//! A call at the wrong time.

/// A call that the present state forbids.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{call} makes no sense here: {state}")]
pub struct Misuse {
    call: &'static str,
    state: &'static str,
}

impl Misuse {
    /// States the call and the state that forbids it.
    pub fn new(call: &'static str, state: &'static str) -> Self {
        Self { call, state }
    }
}
