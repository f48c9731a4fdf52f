//! See [`restless_fuzz::subscription_ops`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| restless_fuzz::subscription_ops(data));
