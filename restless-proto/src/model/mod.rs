//! What the service answers.
//!
//! A model keeps what it does not know: unknown fields, at every level, are in `extra` and are
//! written back, and a value that an enum does not know is its `Other`. A field in snake_case is
//! read as its camelCase twin; of both, the one with a value counts, and snake_case if both
//! have one. Whole numbers may be spelt as floats. A field that may be absent may be null.
//!
//! `Debug` hides what looks like a key, and the caller's own JSON. Models are read and written by
//! `serde_json`, not by other formats.

#[macro_use]
mod fields;
mod enums;
mod json;
mod replies;
mod stream;

pub use enums::{HttpMethod, PayloadMode, StreamStatus};
pub use fields::Extra;
pub use json::Json;
pub use replies::{
    BaseActionResponse, ConnectionRuntime, ConnectionSnippetsResponse,
    CreditUsageChargeTypeBreakdown, DailyCreditUsage, DirectAuth, DirectCommand, DirectCommands,
    DirectRuntime, DirectSessionResponse, DirectSetupResponse, DirectStreamConfig, SnippetLanguage,
    SnippetSet, Snippets, StreamCreditUsageStats,
};
pub use stream::{PaginationInfo, PollingStrategy, Stream, StreamsResponse};
