//! Searches target `adb_devices`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lsie_tests::fuzz::run("adb_devices", data));
