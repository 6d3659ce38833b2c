//! The face mesh against the reference implementation, on a picture that both have seen.
//!
//! The recorded numbers are of `tests/record_landmarks.py`. Where the reference is installed it is asked anew.

#![expect(clippy::unwrap_used, reason = "set-up of a test")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use lsie_analysis::face::{FaceNetworks, FaceTracker, SubjectRules};
use lsie_device::{CpuDevice, Device, Frame, FrameLayout, FrameMeta, FramePool, PixelFormat};
use lsie_infer::{ModelStore, Network};
use serde_json::Value;

/// Largest distance of a coordinate from the reference's, pixels.
const TOLERANCE_PX: f64 = 0.02;

/// Asks the installed reference; the picture's bytes come through standard input.
const ASK: &str = "
import json, sys, numpy, mediapipe
w, h = int(sys.argv[1]), int(sys.argv[2])
picture = numpy.frombuffer(sys.stdin.buffer.read(), dtype=numpy.uint8).reshape(h, w, 3)
mesh = mediapipe.solutions.face_mesh.FaceMesh(static_image_mode=True, max_num_faces=1, refine_landmarks=True, min_detection_confidence=0.5)
face = mesh.process(picture).multi_face_landmarks[0]
print(json.dumps([[p.x * w, p.y * h, p.z * w] for p in face.landmark]))
";

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

fn compare(ours: &[[f32; 3]], reference: &Value) {
    let reference: Vec<[f64; 3]> = serde_json::from_value(reference.clone()).unwrap();
    assert_eq!((ours.len(), reference.len()), (478, 478));
    let mut worst = (0.0_f64, 0);
    for (index, (our, their)) in ours.iter().zip(&reference).enumerate() {
        for (a, b) in our.iter().zip(their) {
            let distance = (f64::from(*a) - b).abs();
            assert!(distance.is_finite(), "landmark {index}");
            if distance > worst.0 {
                worst = (distance, index);
            }
        }
    }
    let (distance, index) = worst;
    assert!(
        distance <= TOLERANCE_PX,
        "landmark {index} is {distance} px away"
    );
}

#[test]
fn all_landmarks_are_where_the_recorded_reference_has_them() {
    let recorded =
        std::fs::read_to_string(root().join("tests/fixtures/face/landmarks_astronaut.json"));
    let recorded: Value = serde_json::from_str(&recorded.unwrap()).unwrap();
    let picture = picture();
    let hash = lsie_schemas::text::sha256_hex(&picture.rgb);
    assert_eq!(recorded["picture"]["rgb_sha256"], hash.as_str());
    compare(&measured(&picture), &recorded["landmarks"]);
}

#[test]
fn all_landmarks_are_where_an_installed_reference_has_them() {
    let has_reference = Command::new("python3")
        .args(["-c", "import mediapipe"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !has_reference {
        let note =
            "NOT RUN: python3 has no mediapipe, nothing was compared with a live reference\n";
        std::io::stderr().write_all(note.as_bytes()).unwrap();
        return;
    }
    let picture = picture();
    let mut asked = Command::new("python3")
        .args([
            "-c",
            ASK,
            &picture.width.to_string(),
            &picture.height.to_string(),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    asked.stdin.take().unwrap().write_all(&picture.rgb).unwrap();
    let answer = asked.wait_with_output().unwrap();
    assert!(answer.status.success());
    compare(
        &measured(&picture),
        &serde_json::from_slice(&answer.stdout).unwrap(),
    );
}
