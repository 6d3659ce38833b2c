//! Searches target `time_and_numbers`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lsie_tests::fuzz::run("time_and_numbers", data));
