//! Searches target `phone_streams`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lsie_tests::fuzz::run("phone_streams", data));
