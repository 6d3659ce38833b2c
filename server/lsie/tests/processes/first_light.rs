//! `lsie check`: the demo from decoded frames to the committed row, and the same with the face masked.

use serde_json::Value;

use crate::server::lsie;

#[test]
fn the_self_check_passes_and_says_what_it_saw() {
    let done = lsie().args(["check", "--json"]).output().unwrap();
    let words = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{words}");
    let report: Value = serde_json::from_slice(&done.stdout).unwrap();
    for counter in [
        "frames_decoded",
        "mesh_inferences",
        "voice_inferences",
        "committed_rows",
    ] {
        assert!(report[counter].as_u64().unwrap() > 0, "{counter}: {report}");
    }
    let number = |key: &str| report[key].as_f64().unwrap();
    assert!(
        (number("measured_p90") - number("true_p90")).abs() <= 0.10,
        "{report}"
    );
    assert!(number("true_p90") > 0.0, "{report}");
    assert_eq!(report["masked_skip_reason"], "no_frames", "{report}");
    assert_eq!(report["masked_posterior_unchanged"], true, "{report}");
    assert_eq!(report["passed"], true, "{report}");
}
