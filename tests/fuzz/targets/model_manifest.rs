//! Searches target `model_manifest`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lsie_tests::fuzz::run("model_manifest", data));
