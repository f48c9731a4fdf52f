//! See [`restless_fuzz::http_fields`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| restless_fuzz::http_fields(data));
