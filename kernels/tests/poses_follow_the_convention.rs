//! The rigid fit recovers rotations of the model head, in the stated convention.

use lsie_device::{CpuDevice, Device};
use lsie_kernels::pose::{MODEL, Pose, launch, reference};
use lsie_kernels::project::LANDMARK_COUNT;
use proptest::prelude::{prop_assert, proptest};

/// The model head turned, scaled and moved.
fn turned(rotation: &[[f64; 3]; 3], scale: f64, shift: [f64; 3]) -> Vec<(usize, [f64; 3])> {
    let place = |point: [f64; 3]| {
        [0, 1, 2].map(|row| {
            scale
                * (0..3)
                    .map(|column| rotation[row][column] * point[column])
                    .sum::<f64>()
                + shift[row]
        })
    };
    MODEL
        .iter()
        .map(|(index, point)| (*index, place(*point)))
        .collect()
}

#[expect(clippy::unwrap_used, reason = "set-up of a test")]
fn fit(points: &[(usize, [f64; 3])]) -> Pose {
    let device = CpuDevice::new();
    let mut landmarks = device.alloc(LANDMARK_COUNT * 12, "landmarks").unwrap();
    let mut out = device.alloc(size_of::<Pose>(), "pose").unwrap();
    let face = landmarks.host_mut::<[f32; 3]>().unwrap();
    for (index, point) in points {
        face[*index] = point.map(|coordinate| coordinate as f32);
    }
    launch(&device.stream("test").unwrap(), &landmarks, 1, &mut out).unwrap();
    out.host::<Pose>().unwrap()[0]
}

#[test]
fn the_signs_are_those_of_the_words() {
    let landmark = |points: &[(usize, [f64; 3])], wanted: usize| {
        points
            .iter()
            .find(|(index, _)| *index == wanted)
            .map_or([f64::NAN; 3], |(_, point)| *point)
    };
    let nose = 1;
    let right = turned(&reference::rotation(30.0, 0.0, 0.0), 1.0, [0.0; 3]);
    assert!(
        landmark(&right, nose)[0] > 5.0,
        "turned to the picture's right, the nose moves right"
    );
    let up = turned(&reference::rotation(0.0, 30.0, 0.0), 1.0, [0.0; 3]);
    assert!(
        landmark(&up, nose)[1]
            < landmark(
                &turned(&reference::rotation(0.0, 0.0, 0.0), 1.0, [0.0; 3]),
                nose
            )[1]
    );
    let tilted = turned(&reference::rotation(0.0, 0.0, 30.0), 1.0, [0.0; 3]);
    assert!(
        landmark(&tilted, 263)[1] > landmark(&tilted, 33)[1] + 10.0,
        "clockwise: the eye on the right is lower"
    );
}

#[test]
fn points_without_a_rotation_have_no_pose() {
    let identity = reference::rotation(0.0, 0.0, 0.0);
    let together = turned(&identity, 0.0, [3.0, 4.0, 5.0]);
    assert_eq!(fit(&together), Pose::default());
    for bad in [f64::NAN, f64::INFINITY] {
        let mut points = turned(&identity, 1.0, [0.0; 3]);
        points[4].1[2] = bad;
        assert_eq!(fit(&points).is_measured, 0);
    }
    let line: Vec<_> = MODEL
        .iter()
        .map(|(index, point)| (*index, [point[0], 0.0, 0.0]))
        .collect();
    assert_eq!(
        fit(&line).is_measured,
        0,
        "points on a line may turn about it"
    );
}

proptest! {
    #[test]
    fn angles_are_recovered(yaw in -80.0..80.0_f64, pitch in -80.0..80.0_f64, roll in -170.0..170.0_f64, scale in 0.01..20.0_f64, x in -2000.0..2000.0_f64) {
        let rotation = reference::rotation(yaw, pitch, roll);
        let points = turned(&rotation, scale, [x * scale, -x * scale, 1.0]);
        let pose = fit(&points);
        prop_assert!(pose.is_measured == 1);
        for (got, wanted) in [(pose.yaw_deg, yaw), (pose.pitch_deg, pitch), (pose.roll_deg, roll)] {
            prop_assert!((f64::from(got) - wanted).abs() < 0.01, "{pose:?} {yaw} {pitch} {roll}");
        }
    }

    #[test]
    fn noise_moves_the_angles_little(yaw in -40.0..40.0_f64, pitch in -30.0..30.0_f64, seed in 0_u32..1000) {
        let mut points = turned(&reference::rotation(yaw, pitch, 5.0), 1.0, [300.0, 200.0, 0.0]);
        for (k, (_, point)) in points.iter_mut().enumerate() {
            for (axis, coordinate) in point.iter_mut().enumerate() {
                *coordinate += 2.0 * f64::from(seed + 17 * k as u32 + 5 * axis as u32).sin();
            }
        }
        let pose = fit(&points);
        prop_assert!((f64::from(pose.yaw_deg) - yaw).abs() < 4.0 && (f64::from(pose.pitch_deg) - pitch).abs() < 4.0);
    }
}
