//! See [`restless_fuzz::document_patch`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| restless_fuzz::document_patch(data));
