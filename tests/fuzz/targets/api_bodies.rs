//! Searches target `api_bodies`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lsie_tests::fuzz::run("api_bodies", data));
