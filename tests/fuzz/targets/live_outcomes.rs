//! Searches target `live_outcomes`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lsie_tests::fuzz::run("live_outcomes", data));
