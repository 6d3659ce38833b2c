//! The BERT converter: recorded embeddings, padding without effect, pairs, and damaged or hostile weights.

#![expect(clippy::unwrap_used, reason = "set-up of a test")]

mod installed;

use std::path::Path;

use installed::{Rig, must, store};
use lsie_device::{DeviceKind, open};
use lsie_infer::convert::{TOKENS_AXIS, bert_to_onnx};
use lsie_infer::{ConvertError, InferError, Network};

/// A small generator of its own, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        self.0 >> 33
    }

    fn below(&mut self, bound: usize) -> usize {
        self.next() as usize % bound
    }
}

/// Whole weights of a tiny encoder, from the fuzzer's corpus.
fn weights(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus/safetensors");
    std::fs::read(folder.join(name)).unwrap()
}

fn opened(onnx: &[u8]) -> Box<dyn Network> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("network.onnx");
    std::fs::write(&path, onnx).unwrap();
    Box::new(must(store().runtime()).open(&path).unwrap())
}

/// Runs a network on inputs of one length.
fn run(network: &mut dyn Network, inputs: &[&[f32]]) -> Result<Vec<f32>, InferError> {
    network.set_axis(TOKENS_AXIS, inputs[0].len())?;
    let device = open(DeviceKind::Cpu).unwrap();
    let stream = device.stream("test").unwrap();
    let buffers: Vec<_> = inputs
        .iter()
        .map(|numbers| {
            let mut buffer = device.alloc(numbers.len() * 4, "input").unwrap();
            buffer.host_mut::<f32>().unwrap().copy_from_slice(numbers);
            buffer
        })
        .collect();
    let elements = network.outputs()[0].elements();
    let mut output = device.alloc(elements * 4, "output").unwrap();
    let inputs: Vec<_> = buffers.iter().collect();
    network.run(&stream, &inputs, &mut [&mut output])?;
    Ok(output.host::<f32>().unwrap().to_vec())
}

fn recorded() -> serde_json::Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fixtures/semantic/embeddings_minilm.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn floats(value: &serde_json::Value) -> Vec<f32> {
    let numbers = value.as_array().unwrap().iter();
    numbers
        .map(|number| number.as_f64().unwrap() as f32)
        .collect()
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let products = a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y));
    products.sum()
}

#[test]
fn embeddings_agree_with_the_recorded_ones() {
    let recorded = recorded();
    let mut network = Rig::new("sentence_embedding").network;
    let source = std::fs::read(must(store().source_path("sentence_embedding"))).unwrap();
    assert_eq!(
        recorded["weights_sha256"],
        lsie_schemas::text::sha256_hex(&source)
    );
    let sentences = recorded["sentences"].as_array().unwrap();
    assert!(sentences.len() > 10);
    for sentence in sentences {
        let wanted = floats(&sentence["embedding"]);
        let found = run(network.as_mut(), &[&floats(&sentence["ids"])]).unwrap();
        let worst = found.iter().zip(&wanted).map(|(a, b)| (a - b).abs());
        let worst = worst.fold(0.0, f32::max);
        assert!(worst <= 2e-6, "{}: {worst}", sentence["text"]);
        assert!((1.0 - cosine(&found, &wanted)).abs() <= 1e-6);
    }
}

#[test]
fn two_conversions_give_the_bytes_that_the_manifest_records() {
    let source = std::fs::read(must(store().source_path("sentence_embedding"))).unwrap();
    let converted = bert_to_onnx(&source, 12).unwrap();
    let store = store();
    let recorded = &store.manifest().entry("sentence_embedding").unwrap().derive[0];
    assert_eq!(lsie_schemas::text::sha256_hex(&converted), recorded.sha256);
    assert_eq!(converted.len() as u64, recorded.size_bytes);
}

#[test]
fn padding_changes_nothing_and_nothing_but_padding_gives_zeros() {
    let mut network = Rig::new("sentence_embedding").network;
    let ids = [101.0, 7592.0, 2088.0, 102.0];
    let plain = run(network.as_mut(), &[&ids]).unwrap();
    let mut padded = ids.to_vec();
    padded.resize(40, 0.0);
    let padded = run(network.as_mut(), &[&padded]).unwrap();
    assert!((1.0 - cosine(&plain, &padded)).abs() < 1e-6);
    assert_eq!(run(network.as_mut(), &[&[0.0; 6]]).unwrap(), [0.0; 384]);
    let again = run(network.as_mut(), &[&ids]).unwrap();
    assert_eq!(plain, again, "the same input gives the same bits");
}

#[test]
fn ids_and_sizes_that_the_model_cannot_have_are_errors_and_not_the_end() {
    let mut network = Rig::new("sentence_embedding").network;
    for bad in [30522.0, -99999.0, f32::NAN, f32::INFINITY] {
        let result = run(network.as_mut(), &[&[101.0, bad, 102.0]]);
        assert!(matches!(result, Err(InferError::Runtime { .. })), "{bad}");
    }
    // One more than there are positions.
    assert!(run(network.as_mut(), &[&[101.0; 513]]).is_err());
    for (axis, size) in [("tokens", 0), ("tokens", usize::MAX), ("batch", 1)] {
        let result = network.set_axis(axis, size);
        assert!(
            matches!(result, Err(InferError::Axis { .. })),
            "{axis} {size}"
        );
    }
    assert!(run(network.as_mut(), &[&[101.0, 102.0]]).is_ok());
    assert!(Rig::new("face_mesh").network.set_axis("tokens", 2).is_err());
}

#[test]
fn weights_with_a_classifier_become_a_network_for_pairs() {
    let mut network = opened(&bert_to_onnx(&weights("pair.safetensors"), 2).unwrap());
    let names: Vec<_> = network
        .inputs()
        .iter()
        .map(|info| info.name.clone())
        .collect();
    assert_eq!(names, ["input_ids", "token_type_ids"]);
    assert_eq!(
        (
            network.outputs()[0].name.as_str(),
            network.outputs()[0].elements()
        ),
        ("score", 1)
    );
    let ids = [1.0, 5.0, 2.0, 7.0, 2.0];
    let first = run(network.as_mut(), &[&ids, &[0.0, 0.0, 0.0, 1.0, 1.0]]).unwrap();
    let other = run(network.as_mut(), &[&ids, &[0.0; 5]]).unwrap();
    assert!(first[0].is_finite() && first != other);
    let padded = [1.0, 5.0, 2.0, 7.0, 2.0, 0.0, 0.0];
    let types = [0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0];
    let padded = run(network.as_mut(), &[&padded, &types]).unwrap();
    assert!((first[0] - padded[0]).abs() < 1e-5);
}

#[test]
fn weights_that_do_not_fit_together_are_refused() {
    let whole = weights("sentence.safetensors");
    assert!(bert_to_onnx(&whole, 2).is_ok());
    for heads in [0, 3, 16, usize::MAX] {
        let result = bert_to_onnx(&whole, heads);
        assert!(
            matches!(result, Err(ConvertError::Unsupported { .. })),
            "{heads} heads"
        );
    }
    for len in 0..whole.len() {
        assert!(
            bert_to_onnx(&whole[..len], 2).is_err(),
            "cut to {len} bytes"
        );
    }
    let mut spoiled = whole.clone();
    let last = spoiled.len() - 4;
    spoiled[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    assert!(matches!(
        bert_to_onnx(&spoiled, 2),
        Err(ConvertError::Malformed { .. })
    ));
}

#[test]
fn random_changes_of_the_weights_never_panic() {
    let whole = weights("pair.safetensors");
    let mut random = Random(19);
    let mut accepted = 0;
    for _ in 0..4000 {
        let mut changed = whole.clone();
        for _ in 0..=random.below(4) {
            // The table is where a change hurts.
            let end = if random.below(4) == 0 {
                changed.len()
            } else {
                3000
            };
            let place = random.below(end);
            changed[place] =
                [0, b'0', b'9', b'"', 0x7f, 0xff, random.below(256) as u8][random.below(7)];
        }
        accepted += usize::from(bert_to_onnx(&changed, 2).is_ok());
    }
    assert!(accepted < 4000, "nothing was ever refused");
}
