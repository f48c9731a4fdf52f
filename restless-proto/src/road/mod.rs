//! One road to a response, for all machines.

mod refusal;

pub(crate) use refusal::Refusal;
