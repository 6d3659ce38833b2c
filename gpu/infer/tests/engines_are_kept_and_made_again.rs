//! The engine cache: one engine per key, and nothing that is damaged or foreign is ever used.

#![expect(clippy::unwrap_used, reason = "set-up of a test")]

use std::cell::Cell;
use std::fs;

use lsie_infer::engine_cache::{EngineCache, EngineKey, EngineOrigin};
use lsie_infer::{Capability, InferError};
use lsie_schemas::device::Precision;
use tempfile::TempDir;

fn key() -> EngineKey {
    EngineKey {
        model_sha256: "ab".repeat(32),
        library: "tensorrt-rtx 1.7.1".to_owned(),
        gpu: "a GPU".to_owned(),
        capabilities: vec![Capability { major: 8, minor: 9 }],
        driver: "580.1".to_owned(),
        precision: Precision::F16,
        shapes: vec![("image".to_owned(), vec![1, 3, 256, 256])],
    }
}

/// The engine as text, and whether it came from the cache. What `build` gives is `text`.
fn get(cache: &EngineCache, key: &EngineKey, text: &str) -> (String, EngineOrigin) {
    let open = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    cache
        .get_or_build(key, open, || Ok(text.as_bytes().to_vec()))
        .unwrap()
}

#[test]
fn an_engine_is_built_once() {
    let folder = TempDir::new().unwrap();
    let cache = EngineCache::new(folder.path());
    assert_eq!(
        get(&cache, &key(), "one"),
        ("one".to_owned(), EngineOrigin::Built)
    );
    assert_eq!(
        get(&cache, &key(), "two"),
        ("one".to_owned(), EngineOrigin::Cached)
    );
    let files = fs::read_dir(folder.path().join("engines")).unwrap().count();
    assert_eq!(files, 1, "nothing half-written is left");
}

#[test]
fn every_part_of_the_key_counts() {
    let folder = TempDir::new().unwrap();
    let cache = EngineCache::new(folder.path());
    get(&cache, &key(), "first");
    let changes: [fn(&mut EngineKey); 8] = [
        |key| key.model_sha256 = "cd".repeat(32),
        |key| key.library = "tensorrt-rtx 1.7.2".to_owned(),
        |key| key.gpu = "another GPU".to_owned(),
        |key| key.capabilities[0].minor = 6,
        |key| key.driver = "581.0".to_owned(),
        |key| key.precision = Precision::F32,
        |key| key.shapes[0].1[0] = 2,
        |key| key.shapes[0].0 = "picture".to_owned(),
    ];
    for (n, change) in changes.into_iter().enumerate() {
        let mut other = key();
        change(&mut other);
        let text = format!("other {n}");
        assert_eq!(
            get(&cache, &other, &text),
            (text.clone(), EngineOrigin::Built)
        );
    }
    assert_eq!(get(&cache, &key(), "-").1, EngineOrigin::Cached);
}

#[test]
fn damaged_and_foreign_files_are_made_again() {
    let folder = TempDir::new().unwrap();
    let cache = EngineCache::new(folder.path());
    get(&cache, &key(), "engine");
    let path = cache.path(&key());
    let good = fs::read(&path).unwrap();
    let mut damages: Vec<Vec<u8>> = vec![Vec::new(), b"no engine at all".to_vec()];
    damages.extend((0..good.len()).step_by(7).map(|end| good[..end].to_vec()));
    damages.extend((0..good.len()).step_by(5).map(|place| {
        let mut bytes = good.clone();
        bytes[place] ^= 0x40;
        bytes
    }));
    let mut longer = good.clone();
    longer.push(0);
    damages.push(longer);
    // The engine of another GPU under this one's name.
    let mut other = key();
    other.gpu = "b GPU".to_owned();
    get(&cache, &other, "foreign");
    damages.push(fs::read(cache.path(&other)).unwrap());
    for damage in damages {
        fs::write(&path, &damage).unwrap();
        assert_eq!(
            get(&cache, &key(), "engine").1,
            EngineOrigin::Built,
            "{damage:?}"
        );
        assert_eq!(fs::read(&path).unwrap(), good);
    }
}

#[test]
fn an_engine_that_the_library_refuses_is_made_again() {
    let folder = TempDir::new().unwrap();
    let cache = EngineCache::new(folder.path());
    get(&cache, &key(), "old");
    let builds = Cell::new(0);
    let open = |bytes: &[u8]| (bytes == b"new").then_some(());
    let build = || {
        builds.set(builds.get() + 1);
        Ok(b"new".to_vec())
    };
    let ((), origin) = cache.get_or_build(&key(), open, build).unwrap();
    assert_eq!((origin, builds.get()), (EngineOrigin::Built, 1));
    assert_eq!(get(&cache, &key(), "-").0, "new");
}

#[test]
fn what_cannot_be_built_opened_or_stored_is_a_typed_error() {
    let folder = TempDir::new().unwrap();
    let cache = EngineCache::new(folder.path());
    let refused = cache.get_or_build(&key(), |_| None::<()>, || Ok(vec![1]));
    assert!(matches!(refused, Err(InferError::Runtime { .. })));
    assert!(
        !cache.path(&key()).exists(),
        "it would only be refused again"
    );
    let nowhere = EngineCache::new(std::path::Path::new("/proc/no/such"));
    let refused = nowhere.get_or_build(&key(), |_| Some(()), || Ok(vec![1]));
    assert!(matches!(refused, Err(InferError::Io { .. })));
}
