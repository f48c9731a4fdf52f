//! See [`restless_fuzz::call_response`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| restless_fuzz::call_response(data));
