//! Searches target `word_pieces`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lsie_tests::fuzz::run("word_pieces", data));
