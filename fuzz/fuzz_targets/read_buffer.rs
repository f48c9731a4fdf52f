//! See [`restless_fuzz::read_buffer`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| restless_fuzz::read_buffer(data));
