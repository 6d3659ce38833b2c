//! The tests of the test: callers that break one rule are caught, each by the check that is meant for it.

use std::process::Command;

use super::{Flavour, compile};

/// How a caller errs, and what the stand-in must note: nothing more and nothing less.
const MISTAKES: &[(&str, &str)] = &[
    ("none", ""),
    ("no_load", "used_before_load"),
    ("no_handle", "wrapped_no_context"),
    ("no_answer", "own_context"),
    ("host_map", "mapped_for_host"),
    ("write_map", "mapped_for_writing"),
    ("no_sync", "read_without_sync"),
    ("pitch_from_width", "wrong_address"),
    ("chroma_behind_luma", "wrong_address"),
    ("address_off_by_one", "wrong_address"),
    ("read_after_unmap", "read_without_map"),
    ("early_release", "released_while_read"),
    ("hold_all", "decoder_starved"),
];

#[test]
fn every_mistake_is_caught_by_its_own_check() {
    let program = compile(
        "wrong_callers.c",
        &["-Wno-unused-function"],
        "wrong-callers",
    );
    for (mistake, check) in MISTAKES {
        let done = Command::new(&program).arg(mistake).output().unwrap();
        assert!(done.status.success(), "{mistake}: {done:?}");
        let noted = String::from_utf8(done.stdout).unwrap();
        // Before 1.24 the decoder has waited itself: this mistake cannot be seen there.
        let is_harmless = *mistake == "no_sync" && crate::FLAVOUR == Flavour::V1_22;
        let expected = if is_harmless { "" } else { check };
        assert_eq!(noted.trim_end(), expected, "{mistake}");
    }
}
