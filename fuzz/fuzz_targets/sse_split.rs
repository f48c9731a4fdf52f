//! See [`restless_fuzz::sse_split`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| restless_fuzz::sse_split(data));
