//! The AU12 ratio and score: the shared cases, and the device form against the `f64` reference.

use std::path::PathBuf;

use lsie_device::{CpuDevice, Device};
use lsie_kernels::au12::{ALPHA, Absent, Au12, POINTS, diagnostic_score, launch, reference, score};
use lsie_kernels::project::LANDMARK_COUNT;
use proptest::prelude::{prop_assert, proptest};
use serde_json::Value;

#[expect(clippy::unwrap_used, reason = "set-up of a test")]
fn cases() -> Vec<Value> {
    let default = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/vectors");
    let folder = std::env::var_os("LSIE_VECTORS_DIR").map_or(default, PathBuf::from);
    let text = std::fs::read_to_string(folder.join("au12.json")).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    let cases = file["cases"].as_array().unwrap().clone();
    assert!(!cases.is_empty());
    cases
}

fn points(input: &Value) -> [[f64; 3]; 6] {
    POINTS.map(|index| {
        let point = &input["points"][index.to_string()];
        [0, 1, 2].map(|axis| match &point[axis] {
            Value::String(word) => match word.as_str() {
                "Infinity" => f64::INFINITY,
                "-Infinity" => f64::NEG_INFINITY,
                _ => f64::NAN,
            },
            number => number.as_f64().unwrap_or(f64::NAN),
        })
    })
}

/// The device form on one face.
#[expect(clippy::unwrap_used, reason = "set-up of a test")]
fn on_device(points: &[[f64; 3]; 6]) -> Result<f32, Absent> {
    let device = CpuDevice::new();
    let mut landmarks = device.alloc(LANDMARK_COUNT * 12, "landmarks").unwrap();
    let mut out = device.alloc(size_of::<Au12>(), "ratio").unwrap();
    let face = landmarks.host_mut::<[f32; 3]>().unwrap();
    for (index, point) in POINTS.into_iter().zip(points) {
        face[index] = point.map(|coordinate| coordinate as f32);
    }
    launch(&device.stream("test").unwrap(), &landmarks, 1, &mut out).unwrap();
    out.host::<Au12>().unwrap()[0].ratio()
}

fn assert_case(id: &str, got: Result<f64, Absent>, wanted: &Value, tolerance: f64) {
    match wanted.as_f64() {
        Some(wanted) => {
            let got = got.unwrap_or(f64::NAN);
            assert!(
                (got - wanted).abs() <= tolerance * (1.0 + wanted.abs()),
                "{id}: {got} {wanted}"
            );
        }
        None => assert!(got.is_err(), "{id}: {got:?}"),
    }
}

#[test]
fn every_shared_case_holds() {
    for case in cases() {
        let (id, input, expect) = (
            case["id"].as_str().unwrap_or_default(),
            &case["input"],
            &case["expect"],
        );
        match case["op"].as_str() {
            Some("raw_ratio") => {
                let points = points(input);
                assert_case(id, reference::raw_ratio(&points), &expect["ratio"], 1e-9);
                // The units of f32 near the limit of the eyes' distance are the case's own business.
                if !id.contains("1e-6") && !id.contains("iod") {
                    assert_case(
                        id,
                        on_device(&points).map(f64::from),
                        &expect["ratio"],
                        2e-4,
                    );
                }
            }
            Some("raw_ratio_aspect") => {
                let [width, height] =
                    ["width", "height"].map(|side| input[side].as_f64().unwrap_or(0.0));
                let tolerance = case["tol"]["abs"].as_f64().unwrap_or(1e-9);
                let got = reference::raw_ratio_aspect(&points(input), width, height);
                assert_case(id, got, &expect["ratio"], tolerance);
                let pixels = points(input).map(|[x, y, z]| [x * width, y * height, z * width]);
                assert_case(
                    id,
                    on_device(&pixels).map(f64::from),
                    &expect["ratio"],
                    2e-4,
                );
            }
            // State over frames is tested where it lives, with the calibration.
            Some("sequence") => {}
            other => panic!("{id}: unknown operation {other:?}"),
        }
    }
}

#[test]
fn the_distance_of_the_eyes_decides_at_its_limit() {
    let eyes_apart = |iod: f64| {
        let (left, right) = ([0.0, 0.0, 0.0], [iod, 0.0, 0.0]);
        reference::raw_ratio(&[left, left, right, right, [0.0; 3], [1.0, 0.0, 0.0]])
    };
    assert_eq!(eyes_apart(1e-6), Ok(1e6), "equality is allowed");
    assert_eq!(eyes_apart(0.99e-6), Err(Absent::Degenerate));
    assert_eq!(eyes_apart(0.0), Err(Absent::Degenerate));
}

#[test]
fn any_bad_coordinate_means_no_ratio() {
    let good = [
        [0.0, 0.0, 0.0],
        [1.0, 0.0, 0.0],
        [3.0, 0.0, 0.0],
        [4.0, 0.0, 0.0],
        [1.0, 2.0, 0.0],
        [3.0, 2.0, 0.0],
    ];
    assert_eq!(reference::raw_ratio(&good), Ok(2.0 / 3.0));
    for point in 0..6 {
        for axis in 0..3 {
            for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                let mut points = good;
                points[point][axis] = bad;
                assert_eq!(reference::raw_ratio(&points), Err(Absent::NotFinite));
                assert_eq!(on_device(&points), Err(Absent::NotFinite));
            }
        }
    }
    let huge = good.map(|point| point.map(|coordinate| coordinate * 1e30));
    assert!(
        on_device(&huge).is_err(),
        "squares that overflow f32 are no ratio"
    );
}

#[test]
fn scores_stay_in_their_ranges() {
    assert!((score(1.05, 0.9, ALPHA).unwrap() - 0.9_f64.tanh()).abs() < 1e-12);
    assert_eq!(
        score(0.5, 0.9, ALPHA),
        Ok(0.0),
        "below the baseline there is no smile"
    );
    assert!(score(1e9, 0.9, ALPHA).unwrap() < 1.0);
    assert_eq!(diagnostic_score(1e9, 0.9, ALPHA), Ok(5.0));
    assert_eq!(diagnostic_score(0.0, 0.9, ALPHA), Ok(0.0));
    assert!((diagnostic_score(1.0, 0.9, ALPHA).unwrap() - 0.6).abs() < 1e-9);
}

#[test]
fn a_broken_number_has_no_score() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for [ratio, baseline, alpha] in [[bad, 0.9, ALPHA], [1.0, bad, ALPHA], [1.0, 0.9, bad]] {
            assert_eq!(score(ratio, baseline, alpha), Err(Absent::NotFinite));
            assert_eq!(
                diagnostic_score(ratio, baseline, alpha),
                Err(Absent::NotFinite)
            );
        }
    }
    // Finite numbers whose difference overflows are bounded, and 0 times it is no number.
    assert_eq!(diagnostic_score(1e308, -1e308, ALPHA), Ok(5.0));
    assert_eq!(score(1e308, -1e308, 0.0), Err(Absent::NotFinite));
}

proptest! {
    #[test]
    fn the_device_form_agrees(coordinates in proptest::array::uniform18(-1000.0..1000.0_f64)) {
        let points = [0, 1, 2, 3, 4, 5].map(|point| [0, 1, 2].map(|axis| coordinates[point * 3 + axis]));
        if let (Ok(wanted), Ok(got)) = (reference::raw_ratio(&points), on_device(&points)) {
            prop_assert!((f64::from(got) - wanted).abs() < 2e-4 * (1.0 + wanted), "{got} {wanted}");
        } else {
            prop_assert!(on_device(&points).is_err());
        }
    }

    #[test]
    fn the_ratio_ignores_size_place_and_tilt(scale in 0.1..50.0_f64, place in proptest::array::uniform3(-1e3..1e3_f64), angle in -3.0..3.0_f64) {
        let face = [[-45.0, 0.0, 2.0], [-17.0, 1.0, 0.0], [17.0, 1.0, 0.0], [45.0, 0.0, 2.0], [-25.0, 70.0, 5.0], [26.0, 69.0, 5.0]];
        let (sin, cos) = angle.sin_cos();
        let moved = face.map(|[px, py, pz]| [(px * cos - py * sin) * scale + place[0], (px * sin + py * cos) * scale + place[1], pz * scale + place[2]]);
        let (still, moved) = (reference::raw_ratio(&face), reference::raw_ratio(&moved));
        prop_assert!((still.unwrap() - moved.unwrap()).abs() < 1e-9);
    }

    #[test]
    fn a_score_is_bounded_for_any_ratio_and_baseline(ratio in proptest::num::f64::ANY, baseline in proptest::num::f64::ANY) {
        match score(ratio, baseline, ALPHA) {
            Ok(score) => prop_assert!((0.0..1.0).contains(&score)),
            Err(_) => prop_assert!(!ratio.is_finite() || !baseline.is_finite()),
        }
    }
}
