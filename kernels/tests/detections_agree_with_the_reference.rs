//! Decoding and weighted suppression against the `f64` definition and against hand-made tensors.

use lsie_device::{Buffer, CpuDevice, Device};
use lsie_kernels::KernelError;
use lsie_kernels::detect::{
    ANCHOR_COUNT, DetectParams, Detection, MAX_FACES, OUTPUT_BYTES, REGRESSORS_PER_ANCHOR, anchor,
    launch, read, reference,
};

const NEVER: f32 = -50.0;

/// The raw tensors of a network that answers with these faces.
struct Tensors {
    regressors: Vec<f32>,
    scores: Vec<f32>,
}

impl Tensors {
    fn empty() -> Self {
        Tensors {
            regressors: vec![0.0; ANCHOR_COUNT * REGRESSORS_PER_ANCHOR],
            scores: vec![NEVER; ANCHOR_COUNT],
        }
    }

    fn with(mut self, index: usize, logit: f32, numbers: [f32; REGRESSORS_PER_ANCHOR]) -> Self {
        self.scores[index] = logit;
        let first = index * REGRESSORS_PER_ANCHOR;
        self.regressors[first..first + REGRESSORS_PER_ANCHOR].copy_from_slice(&numbers);
        self
    }
}

#[expect(clippy::unwrap_used, reason = "set-up of a test")]
fn buffer(device: &CpuDevice, values: &[f32]) -> Buffer {
    let mut buffer = device.alloc(values.len() * 4, "input").unwrap();
    buffer.host_mut::<f32>().unwrap().copy_from_slice(values);
    buffer
}

#[expect(clippy::unwrap_used, reason = "set-up of a test")]
fn detect(tensors: &Tensors, params: DetectParams) -> Vec<Detection> {
    let device = CpuDevice::new();
    let stream = device.stream("test").unwrap();
    let mut out = device.alloc(OUTPUT_BYTES, "faces").unwrap();
    let (regressors, scores) = (
        buffer(&device, &tensors.regressors),
        buffer(&device, &tensors.scores),
    );
    launch(&stream, &regressors, &scores, &params, &mut out).unwrap();
    let faces = read(&stream, &out).unwrap();
    assert_eq!(device.transfers().download_bytes, OUTPUT_BYTES as u64);
    faces
        .into_iter()
        .take_while(|face| face.score > 0.0)
        .collect()
}

fn assert_agrees(tensors: &Tensors) {
    let params = DetectParams::default();
    let got = detect(tensors, params);
    let wanted = reference::detect(&tensors.regressors, &tensors.scores, &params);
    assert_eq!(got.len(), wanted.len());
    for (got, wanted) in got.iter().zip(&wanted) {
        assert!((f64::from(got.score) - wanted.score).abs() < 1e-6);
        let numbers: &[f32] = &bytemuck::cast_slice(std::slice::from_ref(got))[1..];
        for (number, wanted) in numbers.iter().zip(wanted.numbers) {
            assert!(
                (f64::from(*number) - wanted).abs() < 1e-5,
                "{number} {wanted}"
            );
        }
    }
}

fn assert_near(got: [f32; 2], wanted: [f32; 2]) {
    assert!(
        (got[0] - wanted[0]).abs() < 1e-6 && (got[1] - wanted[1]).abs() < 1e-6,
        "{got:?} {wanted:?}"
    );
}

#[test]
fn anchors_stand_at_the_cells_centres() {
    assert_eq!(anchor(0), [1.0 / 32.0, 1.0 / 32.0]);
    assert_eq!(anchor(1), anchor(0));
    assert_eq!(anchor(2), [3.0 / 32.0, 1.0 / 32.0]);
    assert_eq!(anchor(511), [31.0 / 32.0, 31.0 / 32.0]);
    assert_eq!(anchor(512), [1.0 / 16.0, 1.0 / 16.0]);
    assert_eq!(anchor(895), [15.0 / 16.0, 15.0 / 16.0]);
}

#[test]
fn one_anchor_is_decoded_as_written() {
    let mut numbers = [0.0; REGRESSORS_PER_ANCHOR];
    for (index, number) in numbers.iter_mut().enumerate() {
        *number = index as f32 * 2.0;
    }
    let faces = detect(
        &Tensors::empty().with(895, 1.0, numbers),
        DetectParams::default(),
    );
    let [face] = faces[..] else {
        panic!("{faces:?}")
    };
    assert!((face.score - 0.731_058_6).abs() < 1e-6);
    assert_near(face.center, [0.9375, 0.9375 + 2.0 / 128.0]);
    assert_near(face.size, [4.0 / 128.0, 6.0 / 128.0]);
    assert_near(
        face.key_points[5],
        [0.9375 + 28.0 / 128.0, 0.9375 + 30.0 / 128.0],
    );
}

#[test]
fn overlapping_anchors_are_averaged_by_score_and_others_stay() {
    let face = |x: f32| {
        let mut numbers = [x; REGRESSORS_PER_ANCHOR];
        (numbers[2], numbers[3]) = (30.0, 30.0);
        numbers
    };
    // Anchors 600 and 601 share a cell; 10 is far away.
    let tensors = Tensors::empty()
        .with(600, 3.0, face(0.0))
        .with(601, 1.0, face(4.0))
        .with(10, 2.0, face(0.0));
    let faces = detect(&tensors, DetectParams::default());
    assert_eq!(faces.len(), 2);
    let (strong, weak) = (0.952_574_1, 0.731_058_6);
    assert!(
        (faces[0].score - strong).abs() < 1e-6,
        "the score is the best one's"
    );
    let shift = faces[0].center[0] - anchor(600)[0];
    assert!((shift - weak * 4.0 / 128.0 / (strong + weak)).abs() < 1e-6);
    assert_near(faces[1].center, anchor(10));
    assert_agrees(&tensors);
}

#[test]
fn the_threshold_is_exclusive() {
    let tensors = Tensors::empty().with(3, 0.0, [5.0; REGRESSORS_PER_ANCHOR]);
    assert!(
        detect(&tensors, DetectParams::default()).is_empty(),
        "sigmoid(0) is exactly the threshold"
    );
    let lower = DetectParams {
        min_score: 0.499,
        ..DetectParams::default()
    };
    assert_eq!(detect(&tensors, lower).len(), 1);
}

#[test]
fn numbers_that_are_not_finite_are_dropped() {
    let mut bad = [5.0; REGRESSORS_PER_ANCHOR];
    bad[9] = f32::NAN;
    let mut infinite = [5.0; REGRESSORS_PER_ANCHOR];
    infinite[0] = f32::INFINITY;
    let tensors = Tensors::empty()
        .with(1, 9.0, bad)
        .with(2, 9.0, infinite)
        .with(3, f32::NAN, [5.0; REGRESSORS_PER_ANCHOR])
        .with(4, f32::INFINITY, [7.0; REGRESSORS_PER_ANCHOR]);
    let faces = detect(&tensors, DetectParams::default());
    assert_eq!(faces.len(), 1);
    assert_eq!(faces[0].score, 1.0);
    assert_agrees(&tensors);
}

#[test]
fn empty_boxes_end_and_every_anchor_at_once_is_bounded() {
    let mut tensors = Tensors::empty();
    tensors.scores.fill(2.0);
    assert_eq!(
        detect(&tensors, DetectParams::default()).len(),
        MAX_FACES,
        "boxes of no size never overlap"
    );
}

#[test]
fn pseudo_random_tensors_agree() {
    let mut state = 7_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32
    };
    for _ in 0..20 {
        let mut tensors = Tensors::empty();
        for score in &mut tensors.scores {
            *score = next() * 8.0 - 7.0;
        }
        for (index, number) in tensors.regressors.iter_mut().enumerate() {
            let is_size = matches!(index % REGRESSORS_PER_ANCHOR, 2 | 3);
            *number = if is_size {
                20.0 + 40.0 * next()
            } else {
                16.0 * next() - 8.0
            };
        }
        assert_agrees(&tensors);
    }
}

#[test]
fn wrong_sizes_are_refused() {
    let device = CpuDevice::new();
    let stream = device.stream("test").unwrap();
    let regressors = device
        .alloc(ANCHOR_COUNT * REGRESSORS_PER_ANCHOR * 4, "regressors")
        .unwrap();
    let scores = device.alloc(ANCHOR_COUNT * 4 - 4, "scores").unwrap();
    let mut out = device.alloc(OUTPUT_BYTES, "faces").unwrap();
    let refused = launch(
        &stream,
        &regressors,
        &scores,
        &DetectParams::default(),
        &mut out,
    );
    assert!(
        matches!(
            refused,
            Err(KernelError::Size {
                what: "detector scores",
                ..
            })
        ),
        "{refused:?}"
    );
}
