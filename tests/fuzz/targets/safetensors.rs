//! Searches target `safetensors`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lsie_tests::fuzz::run("safetensors", data));
