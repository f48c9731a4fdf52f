//! See [`restless_fuzz::road_ops`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| restless_fuzz::road_ops(data));
