//! See [`restless_fuzz::proxy_reply`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| restless_fuzz::proxy_reply(data));
