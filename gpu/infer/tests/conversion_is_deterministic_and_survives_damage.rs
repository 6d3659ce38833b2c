//! The converter on the real files: always the same bytes; damaged files give errors, never a panic.

#![expect(clippy::unwrap_used, reason = "set-up of a test")]

mod installed;

use installed::{must, store};
use lsie_infer::ConvertError;
use lsie_infer::convert::tflite_to_onnx;

const CONVERTED: [&str; 2] = ["face_detector", "face_mesh"];

fn source(name: &str) -> Vec<u8> {
    std::fs::read(must(store().source_path(name))).unwrap()
}

/// A small generator of its own, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        ((self.0 >> 33) as usize) % bound
    }
}

#[test]
fn two_conversions_give_the_bytes_that_the_manifest_records() {
    for name in CONVERTED {
        let tflite = source(name);
        let first = tflite_to_onnx(&tflite, &[]).unwrap();
        assert_eq!(first, tflite_to_onnx(&tflite, &[]).unwrap());
        let store = store();
        let recorded = &store.manifest().entry(name).unwrap().derive[0].sha256;
        assert_eq!(lsie_schemas::text::sha256_hex(&first), *recorded, "{name}");
    }
}

#[test]
fn a_file_cut_at_any_kilobyte_is_an_error() {
    for name in CONVERTED {
        let tflite = source(name);
        for len in (0..tflite.len()).step_by(1024).chain([1, 7, 8]) {
            assert!(
                tflite_to_onnx(&tflite[..len], &[]).is_err(),
                "{name} cut to {len} bytes"
            );
        }
    }
}

#[test]
fn random_changes_never_panic() {
    for (name, rounds) in [("face_detector", 600), ("face_mesh", 60)] {
        let original = source(name);
        let mut random = Random(7);
        for _ in 0..rounds {
            let mut changed = original.clone();
            for _ in 0..=random.below(8) {
                // Weights fill the middle; the tables, where a change hurts, lie at both ends.
                let len = changed.len();
                let place = match random.below(3) {
                    0 => random.below(4096),
                    1 => len - 1 - random.below(65536),
                    _ => random.below(len),
                };
                changed[place] = [0, 1, 0x7f, 0x80, 0xff, random.below(256) as u8][random.below(6)];
            }
            let _ = tflite_to_onnx(&changed, &[]);
        }
    }
}

#[test]
fn zeroed_and_repeated_stretches_never_panic() {
    let original = source("face_detector");
    let mut random = Random(11);
    for _ in 0..300 {
        let mut changed = original.clone();
        let len = changed.len();
        let (from, to) = (len - 1 - random.below(60000), random.below(len));
        let count = (1 + random.below(256)).min(len - from).min(len - to);
        if random.below(2) == 0 {
            changed[from..from + count].fill(0);
        } else {
            changed.copy_within(to..to + count, from);
        }
        let _ = tflite_to_onnx(&changed, &[]);
    }
}

#[test]
fn only_outputs_that_exist_can_be_left_out_and_one_stays() {
    let tflite = source("face_mesh");
    let left_out = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        tflite_to_onnx(&tflite, &names)
    };
    let (whole, part) = (left_out(&[]).unwrap(), left_out(&["output_lips"]).unwrap());
    assert!(part.len() < whole.len());
    for names in [&["output_lip"][..], &["output_lips", "output_lips"]] {
        assert!(matches!(
            left_out(names),
            Err(ConvertError::Unsupported { .. })
        ));
    }
    let detector = source("face_detector");
    let all = ["regressors", "classificators"].map(str::to_owned);
    assert!(matches!(
        tflite_to_onnx(&detector, &all),
        Err(ConvertError::Unsupported { .. })
    ));
}

#[test]
fn foreign_files_are_named_as_such() {
    for bytes in [b"".as_slice(), b"PK\x03\x04", &[0xff; 4096]] {
        assert!(matches!(
            tflite_to_onnx(bytes, &[]),
            Err(ConvertError::Malformed { .. })
        ));
    }
    let mut hollow = vec![0xff; 4096];
    hollow[4..8].copy_from_slice(b"TFL3");
    assert!(tflite_to_onnx(&hollow, &[]).is_err());
}
