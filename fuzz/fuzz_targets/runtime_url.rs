//! See [`restless_fuzz::runtime_url`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| restless_fuzz::runtime_url(data));
