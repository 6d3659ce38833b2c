//! Searches target `shell_and_sync`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lsie_tests::fuzz::run("shell_and_sync", data));
