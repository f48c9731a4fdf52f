//! See [`restless_fuzz::redirect`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| restless_fuzz::redirect(data));
