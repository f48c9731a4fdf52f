//! The bodies of the fuzz targets, as plain functions.
//!
//! Each takes any bytes and panics where a promise is broken. `cargo fuzz` calls them with bytes
//! that it makes up; `tests/replay.rs` calls them with those that are kept in `corpus/`, so that
//! no fuzzer is needed to find an old fault again.

mod call_response;
mod canonical_json;
mod coding_split;
mod document_patch;
mod event_envelope;
mod http1;
mod http_fields;
mod machine_ops;
mod proxy_reply;
mod read_buffer;
mod redirect;
mod scan;
mod sse_split;
mod urls;
pub mod ws;

pub use call_response::call_response;
pub use canonical_json::canonical_json;
pub use coding_split::coding_split;
pub use document_patch::document_patch;
pub use event_envelope::event_envelope;
pub use http_fields::http_fields;
pub use http1::http1;
pub use machine_ops::{road_ops, subscription_ops};
pub use proxy_reply::proxy_reply;
pub use read_buffer::read_buffer;
pub use redirect::redirect;
pub use scan::scan;
pub use sse_split::sse_split;
pub use urls::runtime_url;

/// A target: its name, which is also that of its folder in `corpus/`, and its body.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: &[Target] = &[
    ("call_response", call_response),
    ("canonical_json", canonical_json),
    ("coding_split", coding_split),
    ("document_patch", document_patch),
    ("event_envelope", event_envelope),
    ("http1", http1),
    ("http_fields", http_fields),
    ("proxy_reply", proxy_reply),
    ("read_buffer", read_buffer),
    ("redirect", redirect),
    ("road_ops", road_ops),
    ("runtime_url", runtime_url),
    ("scan", scan),
    ("sse_split", sse_split),
    ("subscription_ops", subscription_ops),
    ("ws_deflate", ws::deflate),
    ("ws_split", ws::split),
];
