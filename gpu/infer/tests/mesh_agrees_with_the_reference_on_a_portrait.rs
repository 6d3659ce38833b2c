//! The converted mesh on the portrait, against 478 landmarks recorded with the reference package.
//!
//! The reference crops with coordinates rounded to 1/32 px and colours rounded to 8 bits. This test crops the same way, so
//! that it judges the network alone; an exact crop differs from it by up to 0.03 px.

#![expect(clippy::unwrap_used, reason = "set-up of a test")]

mod installed;

use std::path::{Path, PathBuf};

use installed::Rig;
use lsie_infer::landmark_indices;

const CROP_SIDE: usize = 192;
/// The mesh sees the detector's box, enlarged.
const ENLARGEMENT: f64 = 1.5;
const LARGEST_ERROR_PX: f64 = 0.02;
const LARGEST_HALF_ERROR_PX: f64 = 0.1;

struct Picture {
    side: usize,
    rgb: Vec<u8>,
}

/// The upright square of the frame that the mesh sees.
struct Region {
    center: [f64; 2],
    side: f64,
    sine: f64,
    cosine: f64,
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn picture() -> Picture {
    let path = repository().join("media/ingest/assets/presenter.png");
    let file = std::io::BufReader::new(std::fs::File::open(path).unwrap());
    let mut reader = png::Decoder::new(file).read_info().unwrap();
    let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut rgb).unwrap();
    assert_eq!(info.color_type, png::ColorType::Rgb);
    Picture {
        side: info.width as usize,
        rgb,
    }
}

fn recorded() -> serde_json::Value {
    let path = repository().join("tests/fixtures/face/landmarks_astronaut.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn numbers(value: &serde_json::Value) -> Vec<f64> {
    let numbers = value.as_array().unwrap().iter();
    numbers.map(|number| number.as_f64().unwrap()).collect()
}

impl Region {
    /// Level with the line between the eyes, around the detector's box.
    fn from_detection(detection: &serde_json::Value) -> Self {
        let bounds = numbers(&detection["box_x_y_width_height"]);
        let left = numbers(&detection["key_points"][0]);
        let right = numbers(&detection["key_points"][1]);
        let angle = (right[1] - left[1]).atan2(right[0] - left[0]);
        Region {
            center: [bounds[0] + bounds[2] / 2.0, bounds[1] + bounds[3] / 2.0],
            side: bounds[2].max(bounds[3]) * ENLARGEMENT,
            sine: angle.sin(),
            cosine: angle.cos(),
        }
    }

    fn frame_from_crop(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let dx = (x / CROP_SIDE as f64 - 0.5) * self.side;
        let dy = (y / CROP_SIDE as f64 - 0.5) * self.side;
        [
            self.center[0] + dx * self.cosine - dy * self.sine,
            self.center[1] + dx * self.sine + dy * self.cosine,
        ]
    }
}

impl Picture {
    fn sample(&self, [x, y]: [f64; 2], channel: usize) -> f32 {
        let [x, y] = [x, y].map(|place| (place * 32.0).round() / 32.0);
        let (left, top) = (x.floor(), y.floor());
        let last = self.side as f64 - 1.0;
        let pixel = |x: f64, y: f64| {
            let (x, y) = (x.clamp(0.0, last) as usize, y.clamp(0.0, last) as usize);
            f64::from(self.rgb[(y * self.side + x) * 3 + channel])
        };
        let row = |y: f64| pixel(left, y) * (1.0 - x + left) + pixel(left + 1.0, y) * (x - left);
        let value = row(top) * (1.0 - y + top) + row(top + 1.0) * (y - top);
        (value.round() / 255.0) as f32
    }
}

/// The 478 points in crop pixels: the mesh with its refined points put in, then the irises.
fn landmarks_in_crop(rig: &Rig) -> Vec<[f64; 2]> {
    let output = |name: &str| {
        let infos = rig.network.outputs().iter();
        rig.output(
            infos
                .into_iter()
                .position(|info| info.name == name)
                .unwrap(),
        )
    };
    let point = |point: &[f32]| [f64::from(point[0]), f64::from(point[1])];
    let mut points: Vec<_> = output("output_mesh_identity")
        .chunks(3)
        .map(point)
        .collect();
    for (name, indices) in landmark_indices(rig.network.as_ref()) {
        for (index, refined) in indices.into_iter().zip(output(&name).chunks(2)) {
            points[index] = point(refined);
        }
    }
    for iris in ["output_left_iris", "output_right_iris"] {
        points.extend(output(iris).chunks(2).map(point));
    }
    points
}

#[test]
fn all_landmarks_lie_within_two_hundredths_of_a_pixel() {
    let largest_px = largest_error_px(&mut Rig::new("face_mesh"));
    assert!(largest_px <= LARGEST_ERROR_PX, "{largest_px} px");
}

/// The network with 16-bit floats inside, as GPUs run it. The processor's library computes some operations in 32 bits all the
/// same, so this judges the rounded weights and most of the values between.
#[test]
fn sixteen_bits_move_no_landmark_by_a_tenth_of_a_pixel() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("half.onnx");
    let whole = std::fs::read(installed::must(installed::store().path("face_mesh"))).unwrap();
    let half = lsie_infer::convert::to_half(&whole).unwrap();
    assert!(half.len() < whole.len() * 6 / 10);
    std::fs::write(&path, half).unwrap();
    let largest_px = largest_error_px(&mut Rig::of_file(&path));
    println!("largest error {largest_px} px");
    assert!(largest_px <= LARGEST_HALF_ERROR_PX, "{largest_px} px");
}

/// Greatest distance of a landmark from its recorded place, pixels of the portrait.
fn largest_error_px(rig: &mut Rig) -> f64 {
    let (picture, recorded) = (picture(), recorded());
    let rgb_sha256 = lsie_schemas::text::sha256_hex(&picture.rgb);
    assert_eq!(
        recorded["picture"]["rgb_sha256"], rgb_sha256,
        "another picture was recorded"
    );
    let region = Region::from_detection(&recorded["detection"]);
    let input = rig.inputs[0].host_mut::<f32>().unwrap();
    for (place, value) in input.iter_mut().enumerate() {
        let (channel, pixel) = (
            place / (CROP_SIDE * CROP_SIDE),
            place % (CROP_SIDE * CROP_SIDE),
        );
        let place_in_crop = [(pixel % CROP_SIDE) as f64, (pixel / CROP_SIDE) as f64];
        *value = picture.sample(region.frame_from_crop(place_in_crop), channel);
    }
    rig.run().unwrap();

    let reference = recorded["landmarks"].as_array().unwrap();
    let found = landmarks_in_crop(rig);
    assert_eq!((found.len(), reference.len()), (478, 478));
    let errors_px = found.iter().zip(reference).map(|(point, reference)| {
        let ([x, y], reference) = (region.frame_from_crop(*point), numbers(reference));
        (x - reference[0]).hypot(y - reference[1])
    });
    errors_px.fold(0.0, f64::max)
}
