//! The shared AU12 sequences: baseline and score over frames, some of them broken.

use std::path::PathBuf;

use lsie_analysis::face::Calibrator;
use lsie_kernels::au12::{POINTS, reference, score};
use serde_json::Value;

#[expect(clippy::unwrap_used, reason = "set-up of a test")]
fn cases() -> Vec<Value> {
    let default = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/vectors");
    let folder = std::env::var_os("LSIE_VECTORS_DIR").map_or(default, PathBuf::from);
    let text = std::fs::read_to_string(folder.join("au12.json")).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    file["cases"].as_array().unwrap().clone()
}

fn points(frame: &Value) -> [[f64; 3]; 6] {
    POINTS.map(|index| {
        let point = &frame["points"][index.to_string()];
        [0, 1, 2].map(|axis| match point[axis].as_str() {
            Some("Infinity") => f64::INFINITY,
            Some("-Infinity") => f64::NEG_INFINITY,
            _ => point[axis].as_f64().unwrap_or(f64::NAN),
        })
    })
}

fn assert_near(id: &str, got: Option<f64>, wanted: &Value) {
    match (got, wanted.as_f64()) {
        (Some(got), Some(wanted)) => {
            assert!(
                (got - wanted).abs() <= 1e-9 + 1e-9 * wanted.abs(),
                "{id}: {got} {wanted}"
            );
        }
        (None, None) => {}
        other => panic!("{id}: {other:?}"),
    }
}

#[test]
fn every_shared_sequence_holds() {
    let mut count = 0;
    for case in cases() {
        let id = case["id"].as_str().unwrap_or_default();
        if case["op"] != "sequence" {
            continue;
        }
        count += 1;
        let (input, expect) = (&case["input"], &case["expect"]);
        let alpha = input["alpha"].as_f64().unwrap_or(f64::NAN);
        let mut calibrator = Calibrator::default();
        let mut intensities = Vec::new();
        for frame in input["frames"].as_array().into_iter().flatten() {
            let ratio = reference::raw_ratio(&points(frame)).ok();
            intensities.push(if frame["calibrating"].as_bool() == Some(true) {
                // A calibration frame shows 0 and enters no series.
                ratio.map(|ratio| {
                    assert!(calibrator.accept(ratio));
                    0.0
                })
            } else {
                let baseline = calibrator.state().baseline();
                ratio
                    .zip(baseline)
                    .and_then(|(ratio, baseline)| score(ratio, baseline, alpha).ok())
            });
        }
        let state = calibrator.state();
        assert_near(id, state.baseline(), &expect["b_neutral"]);
        assert_eq!(
            Some(u64::from(state.accepted)),
            expect["calibration_frames"].as_u64(),
            "{id}"
        );
        if let Some(wanted) = expect["intensity"].as_array() {
            assert_eq!(intensities.len(), wanted.len(), "{id}");
            for (got, wanted) in intensities.into_iter().zip(wanted) {
                assert_near(id, got, wanted);
            }
        } else {
            assert_eq!(expect["error"], "not_calibrated", "{id}: {expect}");
            assert_eq!(state.baseline(), None, "{id}");
        }
    }
    assert!(count > 0, "the file has no sequence");
}
