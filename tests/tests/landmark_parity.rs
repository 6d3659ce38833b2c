//! The face mesh against the reference implementation, on a picture that both have seen.
//!
//! The recorded numbers are of `tests/record_landmarks.py`. Where the reference is installed it is asked anew: by the Python
//! that `LSIE_MEDIAPIPE_PYTHON` names, by the one that the bench `face_peer` made in the cache folder, or by `python3`.

#![expect(clippy::unwrap_used, reason = "set-up of a test")]
#![expect(
    clippy::print_stderr,
    reason = "what was compared, and what was not, is worth reading"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use lsie_analysis::face::{FaceNetworks, FaceTracker, SubjectRules};
use lsie_device::{CpuDevice, Device, Frame, FrameLayout, FrameMeta, FramePool, PixelFormat};
use lsie_infer::{ModelStore, Network};
use serde_json::Value;

/// Largest distance of a coordinate from the reference's, pixels.
const TOLERANCE_PX: f64 = 0.02;

const PYTHON: &str = "LSIE_MEDIAPIPE_PYTHON";

struct Picture {
    rgb: Vec<u8>,
    width: u32,
    height: u32,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn picture() -> Picture {
    let bytes = std::fs::read(root().join("media/ingest/assets/presenter.png")).unwrap();
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes))
        .read_info()
        .unwrap();
    let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut rgb).unwrap();
    assert_eq!(
        (info.color_type, info.bit_depth),
        (png::ColorType::Rgb, png::BitDepth::Eight)
    );
    Picture {
        rgb,
        width: info.width,
        height: info.height,
    }
}

fn cache_dir() -> PathBuf {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(cache) = folder("LSIE_CACHE_DIR").or_else(|| folder("LSIE_ENGINE_CACHE_DIR")) {
        return cache.into();
    }
    let user = folder("XDG_CACHE_HOME").map(PathBuf::from);
    user.unwrap_or_else(|| PathBuf::from(folder("HOME").unwrap()).join(".cache"))
        .join("lsie")
}

fn network(store: &ModelStore, name: &str) -> Box<dyn Network> {
    let opened = store
        .check(name)
        .and_then(|path| store.runtime()?.open(&path));
    match opened {
        Ok(network) => Box::new(network),
        Err(error) => {
            panic!("{error}. This test needs the models: run `./test`, which fetches them first")
        }
    }
}

/// Landmarks in pixels as our pipeline measures them.
fn measured(picture: &Picture) -> Vec<[f32; 3]> {
    let (device, store) = (CpuDevice::new(), ModelStore::open(&cache_dir()).unwrap());
    let networks = FaceNetworks::new(
        &device,
        network(&store, "face_detector"),
        network(&store, "face_mesh"),
    )
    .unwrap();
    let mut tracker = FaceTracker::new(networks, SubjectRules::default());
    let layout = FrameLayout::tight(PixelFormat::Rgb8, picture.width, picture.height).unwrap();
    let device: &dyn Device = &device;
    let pool = FramePool::new(device, 1, layout.bytes()).unwrap();
    let mut slot = pool.acquire().unwrap();
    let bytes = slot.buffer_mut().host_mut::<u8>().unwrap();
    bytes[..picture.rgb.len()].copy_from_slice(&picture.rgb);
    let frame = Frame::new(slot, FrameMeta::still(layout)).unwrap();
    let observation = tracker.process(&frame);
    assert!(observation.face.is_ok(), "{:?}", observation.face);
    tracker.landmarks().unwrap().to_vec()
}

fn recorded() -> Value {
    let path = root().join("tests/fixtures/face/landmarks_astronaut.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn compare(what: &str, ours: &[[f32; 3]], reference: &Value) {
    let reference: Vec<[f64; 3]> = serde_json::from_value(reference.clone()).unwrap();
    assert_eq!((ours.len(), reference.len()), (478, 478));
    let mut distances = Vec::new();
    for (index, (our, their)) in ours.iter().zip(&reference).enumerate() {
        for (a, b) in our.iter().zip(their) {
            let distance = (f64::from(*a) - b).abs();
            assert!(distance.is_finite(), "landmark {index}");
            distances.push((distance, index));
        }
    }
    distances.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (median, (worst, index)) = (
        distances[distances.len() / 2].0,
        distances[distances.len() - 1],
    );
    say(&format!(
        "{what}: coordinates differ by {median:.5} px in the median, {worst:.5} px at most (landmark {index})"
    ));
    assert!(worst <= TOLERANCE_PX, "landmark {index} is {worst} px away");
}

fn say(words: &str) {
    eprintln!("{words}");
}

/// A Python with the reference: the named one, which must have it, else one that has.
fn python() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os(PYTHON).filter(|path| !path.is_empty()) {
        return Some(named.into());
    }
    let bench = cache_dir().join("bench/peer-mediapipe-0.10.14/bin/python");
    let has_reference = |python: &PathBuf| {
        let check = Command::new(python)
            .args(["-c", "import mediapipe, numpy, PIL"])
            .output();
        check.is_ok_and(|output| output.status.success())
    };
    [bench, "python3".into()].into_iter().find(has_reference)
}

#[test]
fn all_landmarks_are_where_the_recorded_reference_has_them() {
    let recorded = recorded();
    let picture = picture();
    let hash = lsie_schemas::text::sha256_hex(&picture.rgb);
    assert_eq!(recorded["picture"]["rgb_sha256"], hash.as_str());
    compare("recorded", &measured(&picture), &recorded["landmarks"]);
}

#[test]
fn all_landmarks_are_where_an_installed_reference_has_them() {
    let Some(python) = python() else {
        return say(&format!(
            "SKIPPED: {PYTHON} names no Python with mediapipe, nothing was compared with a live reference"
        ));
    };
    let answer = Command::new(&python)
        .arg(root().join("tests/record_landmarks.py"))
        .arg("--print")
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&answer.stderr);
    assert!(answer.status.success(), "{}: {words}", python.display());
    let live: Value = serde_json::from_slice(&answer.stdout).unwrap();
    let recorded = recorded();
    assert_eq!(live["reference"], recorded["reference"], "another version");
    assert_eq!(
        live["picture"]["rgb_sha256"],
        recorded["picture"]["rgb_sha256"]
    );
    compare("live", &measured(&picture()), &live["landmarks"]);
    let numbers = |value: &Value| -> Vec<[f64; 3]> {
        serde_json::from_value(value["landmarks"].clone()).unwrap()
    };
    let drift = std::iter::zip(
        numbers(&recorded).into_flattened(),
        numbers(&live).into_flattened(),
    )
    .map(|(recorded, live)| (recorded - live).abs())
    .fold(0.0, f64::max);
    say(&format!(
        "live against recorded: {drift:.5} px at most, {}",
        live["reference"]
    ));
    assert!(drift <= TOLERANCE_PX, "the recorded numbers are not live");
}
