//! See [`restless_fuzz::scan`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| restless_fuzz::scan(data));
