//! TensorRT engines of the manifest's networks, built on a machine without GPU. Needs the library, which `./test` fetches into
//! the cache (`tensorrt-rtx/` beside the models); without it nothing is run, and that is said.

#![cfg(feature = "tensorrt")]
#![expect(clippy::unwrap_used, reason = "set-up of a test")]
#![expect(clippy::print_stdout, reason = "what was not run is said")]

mod installed;

use std::path::PathBuf;
use std::time::Instant;

use installed::{must, store};
use lsie_infer::convert::to_half;
use lsie_infer::engine_cache::{EngineCache, EngineKey, EngineOrigin};
use lsie_infer::manifest::ModelKind;
use lsie_infer::tensorrt::{GraphUse, TensorRt};
use lsie_infer::{Capability, InferError, Provider};
use lsie_schemas::device::Precision;

const TURING: Capability = Capability { major: 7, minor: 5 };

fn newer() -> Vec<Capability> {
    [(8, 0), (8, 6), (8, 9), (12, 0)]
        .map(|(major, minor)| Capability { major, minor })
        .to_vec()
}

/// The opened library, or `None` with words.
fn library() -> Option<TensorRt> {
    let folder = installed::cache_dir().join("tensorrt-rtx");
    if !folder.is_dir() {
        println!("not run: {} is not there", folder.display());
        return None;
    }
    Some(TensorRt::open(Some(&folder)).unwrap())
}

/// Files of the networks whose sizes are fixed, by name.
fn networks() -> Vec<(String, PathBuf)> {
    let store = store();
    let networks = store.manifest().models.iter();
    let networks = networks.filter(|entry| entry.kind == ModelKind::Network);
    networks
        .filter(|entry| {
            if entry.scorer.is_some() {
                println!("{}: left out, its sizes are not fixed", entry.name);
            }
            entry.scorer.is_none()
        })
        .map(|entry| (entry.name.clone(), must(store.path(&entry.name))))
        .collect()
}

#[test]
fn every_network_of_fixed_size_becomes_an_engine_for_every_gpu() {
    let Some(tensorrt) = library() else { return };
    println!("{}", tensorrt.version());
    for (name, path) in networks() {
        let whole = std::fs::read(path).unwrap();
        let half = to_half(&whole).unwrap();
        for (precision, bytes) in [("f32", &whole), ("f16", &half)] {
            for capabilities in [vec![TURING], newer()] {
                let began = Instant::now();
                let built = tensorrt.build(&name, bytes, &capabilities);
                let words = match &built {
                    Ok(engine) => format!("{} bytes", engine.len()),
                    Err(error) => error.to_string(),
                };
                println!(
                    "{name} {precision} {capabilities:?}: {words}, {:?}",
                    began.elapsed()
                );
                // Turing's compiler has no product of matrices in 32 bits, which the voice network needs.
                let is_known =
                    name == "silero_vad" && precision == "f32" && capabilities[0] == TURING;
                assert_eq!(built.is_ok(), !is_known, "{name} {precision} {words}");
            }
        }
    }
}

#[test]
fn an_engine_comes_from_the_cache_the_second_time() {
    let Some(tensorrt) = library() else { return };
    let folder = tempfile::TempDir::new().unwrap();
    let cache = EngineCache::new(folder.path());
    let (name, path) = networks().swap_remove(0);
    let model = std::fs::read(path).unwrap();
    let key = EngineKey {
        model_sha256: lsie_schemas::text::sha256_hex(&model),
        library: tensorrt.version().to_owned(),
        gpu: "none".to_owned(),
        capabilities: newer(),
        driver: "none".to_owned(),
        precision: Precision::F32,
        shapes: Vec::new(),
    };
    let get = || {
        let open = |bytes: &[u8]| Some(bytes.len());
        let build = || tensorrt.build(&name, &model, &key.capabilities);
        cache.get_or_build(&key, open, build).unwrap()
    };
    let (bytes, origin) = get();
    assert_eq!(origin, EngineOrigin::Built);
    assert_eq!(get(), (bytes, EngineOrigin::Cached));
}

#[test]
fn what_is_no_network_and_what_is_no_gpu_is_a_typed_error() {
    let Some(tensorrt) = library() else { return };
    let refused = tensorrt.build("noise", b"no network at all", &newer());
    assert!(
        matches!(refused, Err(InferError::Runtime { .. })),
        "{refused:?}"
    );
    let (name, path) = networks().swap_remove(0);
    let model = std::fs::read(path).unwrap();
    let hopper = [Capability { major: 9, minor: 0 }];
    let refused = tensorrt.build(&name, &model, &hopper);
    assert!(matches!(refused, Err(InferError::ProviderAbsent { .. })));
    let refused = tensorrt.open_engine("noise", b"no engine at all", GraphUse::Caller);
    assert!(refused.is_err());
}

#[test]
fn a_missing_library_is_a_typed_error_with_the_way_to_get_it() {
    let refused = TensorRt::open(Some(std::path::Path::new("/nonexistent")));
    let Err(InferError::ProviderAbsent {
        provider,
        how_to_get,
        ..
    }) = refused
    else {
        panic!("{refused:?}");
    };
    assert_eq!(provider, Provider::TensorRt);
    assert!(how_to_get.contains("tensorrt-rtx-cu13-libs"));
}
