//! Loaded networks: recorded numbers, the same bits every time, and buffers that do not fit are refused.

#![expect(clippy::unwrap_used, reason = "set-up of a test")]

mod installed;

use installed::{Rig, must, store};
use lsie_infer::manifest::{Manifest, ModelKind};
use lsie_infer::{InferError, ModelStore, Provider, Runtime, TELEMETRY_OFF, landmark_indices};

#[test]
fn every_model_of_the_cache_passes_its_self_test() {
    let store = store();
    for entry in &store.manifest().models {
        must(store.verify(&entry.name));
    }
}

#[test]
fn a_self_test_with_other_numbers_fails() {
    let store = store();
    must(store.path("silero_vad"));
    let mut manifest = Manifest::embedded().unwrap();
    for entry in &mut manifest.models {
        if entry.kind == ModelKind::Network {
            entry.self_test.as_mut().unwrap().expect[0].value += 1.0;
        }
    }
    let cache = store.path("silero_vad").unwrap();
    let cache = cache.ancestors().nth(3).unwrap();
    let other = ModelStore::with_manifest(cache, manifest);
    for name in ["face_detector", "face_mesh", "silero_vad"] {
        assert!(
            matches!(other.verify(name), Err(InferError::SelfTest { .. })),
            "{name}"
        );
    }
}

#[test]
fn shapes_are_those_of_the_manifest() {
    let store = store();
    for entry in &store.manifest().models {
        if entry.kind == ModelKind::Network {
            let network = Rig::new(&entry.name).network;
            let documented = |notes: &[lsie_infer::manifest::TensorNote]| {
                let pairs = notes
                    .iter()
                    .map(|note| (note.name.clone(), note.shape.clone()));
                pairs.collect::<Vec<_>>()
            };
            let loaded = |infos: &[lsie_infer::TensorInfo]| {
                let pairs = infos
                    .iter()
                    .map(|info| (info.name.clone(), info.shape.clone()));
                pairs.collect::<Vec<_>>()
            };
            assert_eq!(documented(&entry.inputs), loaded(network.inputs()));
            assert_eq!(documented(&entry.outputs), loaded(network.outputs()));
        }
    }
}

#[test]
fn the_same_input_gives_the_same_bits() {
    let mut rig = Rig::new("face_mesh");
    for (place, value) in rig.inputs[0]
        .host_mut::<f32>()
        .unwrap()
        .iter_mut()
        .enumerate()
    {
        *value = (place % 251) as f32 / 250.0;
    }
    rig.run().unwrap();
    let first = rig.output(0).to_vec();
    rig.inputs[0].host_mut::<f32>().unwrap().fill(0.5);
    rig.run().unwrap();
    assert_ne!(rig.output(0), first);
    let mut fresh = Rig::new("face_mesh");
    for (place, value) in fresh.inputs[0]
        .host_mut::<f32>()
        .unwrap()
        .iter_mut()
        .enumerate()
    {
        *value = (place % 251) as f32 / 250.0;
    }
    fresh.run().unwrap();
    let bits = |numbers: &[f32]| {
        numbers
            .iter()
            .map(|number| number.to_bits())
            .collect::<Vec<_>>()
    };
    assert_eq!(bits(fresh.output(0)), bits(&first));
}

#[test]
fn leaving_the_irises_out_changes_no_other_bit() {
    let (mut whole, mut part) = (Rig::new("face_mesh"), Rig::new("face_shape"));
    for rig in [&mut whole, &mut part] {
        let values = rig.inputs[0].host_mut::<f32>().unwrap();
        for (place, value) in values.iter_mut().enumerate() {
            *value = (place % 241) as f32 / 240.0;
        }
        rig.run().unwrap();
    }
    let names = |rig: &Rig| -> Vec<String> {
        let infos = rig.network.outputs().iter();
        infos.map(|info| info.name.clone()).collect()
    };
    let (all, kept) = (names(&whole), names(&part));
    assert_eq!((all.len(), kept.len()), (7, 5));
    let bits = |numbers: &[f32]| numbers.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    for (position, name) in kept.iter().enumerate() {
        let same = all.iter().position(|other| other == name).unwrap();
        assert_eq!(
            bits(part.output(position)),
            bits(whole.output(same)),
            "{name}"
        );
    }
    let indices = |rig: &Rig| landmark_indices(rig.network.as_ref());
    assert_eq!(indices(&whole), indices(&part));
}

#[test]
fn a_constant_picture_gives_a_finite_mesh_and_nan_does_not_crash() {
    let mut rig = Rig::new("face_mesh");
    for value in [0.0, 1.0, f32::MAX, f32::INFINITY, f32::NAN] {
        rig.inputs[0].host_mut::<f32>().unwrap().fill(value);
        rig.run().unwrap();
        if value.abs() <= 1.0 {
            assert!(
                rig.output(0).iter().all(|number| number.is_finite()),
                "{value}"
            );
        }
    }
}

#[test]
fn the_mesh_says_which_points_it_refines() {
    let rig = Rig::new("face_mesh");
    let indices = landmark_indices(rig.network.as_ref());
    let counts: Vec<_> = indices
        .iter()
        .map(|(name, list)| (name.as_str(), list.len()))
        .collect();
    assert_eq!(
        counts,
        [
            ("output_left_eye", 71),
            ("output_lips", 80),
            ("output_right_eye", 71)
        ]
    );
    assert!(indices["output_lips"].contains(&61) && indices["output_lips"].contains(&291));
    assert!(landmark_indices(Rig::new("silero_vad").network.as_ref()).is_empty());
}

#[test]
fn buffers_that_do_not_fit_are_refused() {
    let mut rig = Rig::new("silero_vad");
    let small = rig.device.alloc(8, "small").unwrap();
    let whole = rig.inputs.pop().unwrap();
    let sample = rig.inputs.pop().unwrap();
    for inputs in [
        vec![],
        vec![&sample],
        vec![&small, &whole],
        vec![&sample, &small],
    ] {
        let mut outputs: Vec<_> = rig.outputs.iter_mut().collect();
        let result = rig.network.run(&rig.stream, &inputs, &mut outputs);
        assert!(matches!(result, Err(InferError::Binding { .. })));
    }
    let mut tiny = rig.device.alloc(2, "tiny").unwrap();
    let mut outputs = [&mut tiny];
    let result = rig
        .network
        .run(&rig.stream, &[&sample, &whole], &mut outputs);
    assert!(matches!(result, Err(InferError::Binding { .. })));
}

/// Runs itself without the variable: a process cannot safely change its own environment.
#[test]
fn the_library_is_not_opened_while_it_would_gather_usage_data() {
    const NAME: &str = "the_library_is_not_opened_while_it_would_gather_usage_data";
    const INSIDE: &str = "LSIE_TEST_INSIDE";
    if std::env::var_os(INSIDE).is_some() {
        let result = Runtime::load(std::path::Path::new("/nonexistent/libonnxruntime.so"));
        assert!(matches!(result, Err(InferError::TelemetryOn { .. })));
        return;
    }
    for value in [None, Some("0"), Some("")] {
        let mut again = std::process::Command::new(std::env::current_exe().unwrap());
        again.args(["--exact", NAME]).env(INSIDE, "1");
        match value {
            Some(value) => again.env(TELEMETRY_OFF, value),
            None => again.env_remove(TELEMETRY_OFF),
        };
        let done = again.output().unwrap();
        assert!(done.status.success(), "{value:?}: {done:?}");
        assert!(String::from_utf8_lossy(&done.stdout).contains("1 passed"));
    }
}

#[test]
fn a_missing_library_or_model_is_a_typed_error() {
    let nowhere = std::path::Path::new("/nonexistent/libonnxruntime.so");
    assert!(matches!(
        Runtime::load(nowhere),
        Err(InferError::RuntimeUnavailable { .. })
    ));
    let runtime = must(store().runtime());
    let no_library = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    assert!(matches!(
        Runtime::load(&no_library),
        Err(InferError::RuntimeUnavailable { .. })
    ));
    for model in [no_library.as_path(), nowhere] {
        let result = runtime.open(model);
        assert!(matches!(
            result,
            Err(InferError::Runtime {
                operation: "load",
                ..
            })
        ));
    }
    assert!(
        Runtime::load(runtime.library()).is_ok(),
        "the same library again is free"
    );
}

#[test]
fn asking_for_cuda_without_its_provider_is_that_error_and_never_the_processor() {
    let store = store();
    let runtime = must(store.runtime());
    println!("{}: {:?}", runtime.description(), runtime.providers());
    assert!(runtime.providers().contains(&"CPUExecutionProvider"));
    if runtime.providers().contains(&"CUDAExecutionProvider") {
        println!("not run: this library has the provider");
        return;
    }
    let stream = Rig::new("silero_vad").stream;
    let refused = runtime.open_on_cuda(&must(store.path("silero_vad")), 0, &stream);
    let Err(InferError::ProviderAbsent {
        provider,
        how_to_get,
        ..
    }) = refused
    else {
        panic!("{refused:?}");
    };
    assert_eq!(provider, Provider::OnnxCuda);
    assert!(how_to_get.contains("onnxruntime-gpu"));
    assert!(matches!(
        runtime.check_cuda(0),
        Err(InferError::ProviderAbsent { .. })
    ));
}
