//! See [`restless_fuzz::event_envelope`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| restless_fuzz::event_envelope(data));
