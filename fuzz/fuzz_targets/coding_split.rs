//! Fuzz target: see the function of the same name in `restless_fuzz`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| restless_fuzz::coding_split(data));
