//! A synthetic head whose expression is known, seen by a camera from many sides with a depth that is wrong by a fifth.

use lsie_device::{CpuDevice, Device};
use lsie_kernels::action_units::{self, Shape};
use lsie_kernels::au12::Absent;
use lsie_kernels::pose::{self, Pose, reference};
use lsie_kernels::project::LANDMARK_COUNT;

/// Distance of the eye middles of the head, millimetres.
const IOD_MM: f64 = 62.0;
const CAMERA_MM: f64 = 600.0;
const FOCAL_PX: f64 = 1000.0;

/// What the face does, millimetres from neutral; lids 0 open to 1 shut.
#[derive(Debug, Clone, Copy, Default)]
struct Expression {
    brow_inner: f64,
    brow_outer: f64,
    lips: f64,
    jaw: f64,
    lids: f64,
    /// Each mouth corner outward; it rises half as much.
    smile: [f64; 2],
}

/// How the head is seen: turned, and with a depth that the network gets wrong by a factor.
#[derive(Debug, Clone, Copy)]
struct View {
    yaw: f64,
    pitch: f64,
    roll: f64,
    depth: f64,
}

const FRONTAL: View = View {
    yaw: 0.0,
    pitch: 0.0,
    roll: 0.0,
    depth: 1.0,
};

/// The points of the head: the pose model's and those of the formulas, x right, y down, z away, millimetres.
fn head(e: &Expression) -> Vec<(usize, [f64; 3])> {
    let mut points = pose::MODEL.to_vec();
    let mut pair = |left: usize, right: usize, [x, y, z]: [f64; 3]| {
        points.push((left, [-x, y, z]));
        points.push((right, [x, y, z]));
    };
    let lid = |open: f64, rest: f64| rest + (open - rest) * (1.0 - e.lids);
    pair(160, 387, [38.0, lid(-5.0, 3.0), 17.0]);
    pair(158, 385, [26.0, lid(-5.0, 3.0), 14.0]);
    pair(144, 373, [38.0, 4.0, 17.0]);
    pair(153, 380, [26.0, 4.0, 14.0]);
    pair(55, 285, [12.0, -18.0 - e.brow_inner, 8.0]);
    pair(107, 336, [12.0, -24.0 - e.brow_inner, 8.0]);
    pair(46, 276, [48.0, -14.0 - e.brow_outer, 24.0]);
    pair(53, 283, [42.0, -18.0 - e.brow_outer, 18.0]);
    pair(63, 293, [40.0, -24.0 - e.brow_outer, 17.0]);
    pair(70, 300, [48.0, -20.0 - e.brow_outer, 24.0]);
    pair(82, 312, [6.0, 72.0, -5.0]);
    pair(87, 317, [6.0, 72.5 + e.lips, -5.0]);
    points.push((13, [0.0, 72.0, -6.0]));
    points.push((14, [0.0, 72.5 + e.lips, -6.0]));
    points.push((152, [0.0, 108.0 + e.jaw, 4.0]));
    for (index, side, smile) in [(61, -1.0, e.smile[0]), (291, 1.0, e.smile[1])] {
        let back = 4.0 + smile / 3.0;
        points.push((index, [side * (25.0 + smile), 72.0 - smile / 2.0, back]));
    }
    points
}

/// The face as the network would give it: projected by a camera, depth in the same pixels.
fn seen(expression: &Expression, view: View) -> Vec<[f32; 3]> {
    let rotation = reference::rotation(view.yaw, view.pitch, view.roll);
    let mut landmarks = vec![[0.0; 3]; LANDMARK_COUNT];
    for (index, point) in head(expression) {
        // The head turns about the neck.
        let from_neck = [point[0], point[1] - 30.0, point[2] - 70.0];
        let [x, y, z] =
            rotation.map(|row| row.iter().zip(from_neck).map(|(a, b)| a * b).sum::<f64>());
        let scale = FOCAL_PX / (CAMERA_MM + z + 70.0);
        landmarks[index] = [
            (640.0 + scale * x) as f32,
            (360.0 + scale * y) as f32,
            (view.depth * z * FOCAL_PX / CAMERA_MM) as f32,
        ];
    }
    landmarks
}

#[expect(clippy::unwrap_used, reason = "set-up of a test")]
fn measure(landmarks: &[[f32; 3]]) -> (Result<Shape, Absent>, Pose) {
    let device = CpuDevice::new();
    let stream = device.stream("test").unwrap();
    let mut points = device.alloc(LANDMARK_COUNT * 12, "landmarks").unwrap();
    let mut pose = device.alloc(size_of::<Pose>(), "pose").unwrap();
    let mut out = device.alloc(size_of::<Shape>(), "shape").unwrap();
    points
        .host_mut::<[f32; 3]>()
        .unwrap()
        .copy_from_slice(landmarks);
    pose::launch(&stream, &points, 1, &mut pose).unwrap();
    action_units::launch(&stream, &points, &pose, 1, &mut out).unwrap();
    (
        out.host::<Shape>().unwrap()[0].checked(),
        pose.host::<Pose>().unwrap()[0],
    )
}

#[expect(clippy::unwrap_used, reason = "the head is measurable")]
fn shape(expression: &Expression, view: View) -> Shape {
    measure(&seen(expression, view)).0.unwrap()
}

/// Every view up to these angles, each with three depths.
fn views(yaw: f64, pitch: f64, roll: f64) -> impl Iterator<Item = View> {
    let steps = [-1.0, -0.5, 0.0, 0.5, 1.0];
    steps.into_iter().flat_map(move |a| {
        steps.into_iter().flat_map(move |b| {
            [-1.0, 1.0].into_iter().flat_map(move |c| {
                [0.8, 1.0, 1.2].map(|depth| View {
                    yaw: yaw * a,
                    pitch: pitch * b,
                    roll: roll * c,
                    depth,
                })
            })
        })
    })
}

fn mean(pair: [f32; 2]) -> f64 {
    f64::midpoint(f64::from(pair[0]), f64::from(pair[1]))
}

/// Largest error of a measure over views of several strengths, against the change that the head truly makes.
fn worst(
    views: impl Iterator<Item = View>,
    make: impl Fn(f64) -> Expression,
    read: impl Fn(&Shape) -> f64,
    truth_per_mm: f64,
    strengths_mm: &[f64],
) -> f64 {
    let neutral = read(&shape(&Expression::default(), FRONTAL));
    let mut worst: f64 = 0.0;
    for view in views {
        for strength in strengths_mm {
            let found = read(&shape(&make(*strength), view)) - neutral;
            worst = worst.max((found - truth_per_mm * strength).abs());
        }
    }
    worst
}

#[test]
fn a_frontal_face_gives_what_its_millimetres_say() {
    let none = shape(&Expression::default(), FRONTAL);
    let all = shape(
        &Expression {
            brow_inner: 6.0,
            brow_outer: 9.0,
            lips: 12.0,
            jaw: 15.0,
            lids: 0.0,
            smile: [5.0, 5.0],
        },
        FRONTAL,
    );
    // A camera at 600 mm shows what is nearer than the eyes larger by some percent.
    for (found, wanted) in [
        (mean(all.brow_inner) - mean(none.brow_inner), 6.0),
        (mean(all.brow_outer) - mean(none.brow_outer), 9.0),
        (f64::from(all.lip_gap - none.lip_gap), 12.0),
        (f64::from(all.jaw_drop - none.jaw_drop), 15.0),
        (f64::from(all.mouth_width - none.mouth_width), 10.0),
        (mean(all.corner_out) - mean(none.corner_out), 5.0),
        (mean(all.corner_up) - mean(none.corner_up), 2.5),
    ] {
        let wanted = wanted / IOD_MM;
        assert!(
            (found - wanted).abs() < 0.05 * wanted + 0.002,
            "{found} {wanted}"
        );
    }
    let shut = shape(
        &Expression {
            lids: 1.0,
            ..Expression::default()
        },
        FRONTAL,
    );
    assert!(
        mean(shut.eye_aspect) < 0.2 * mean(none.eye_aspect),
        "{shut:?} {none:?}"
    );
    assert!(
        (mean(none.eye_aspect) - 9.0 / 28.0).abs() < 0.02,
        "{none:?}"
    );
}

#[test]
fn the_smile_holds_to_a_twentieth_of_its_score_within_twenty_degrees() {
    let neutral = f64::from(shape(&Expression::default(), FRONTAL).mouth_width);
    let score =
        |ratio: f64| lsie_kernels::au12::score(ratio, neutral, lsie_kernels::au12::ALPHA).unwrap();
    let worst_of = |pitch: f64, roll: f64| {
        let mut worst: f64 = 0.0;
        for view in views(20.0, pitch, roll) {
            for smile in [0.0, 2.0, 4.0, 7.0] {
                let face = Expression {
                    smile: [smile; 2],
                    ..Expression::default()
                };
                let truth = score(neutral + 2.0 * smile / IOD_MM);
                worst = worst.max((score(f64::from(shape(&face, view).mouth_width)) - truth).abs());
            }
        }
        worst
    };
    let level = worst_of(0.0, 0.0);
    assert!(level <= 0.05, "{level}");
    // A nod or a tilt moves the mouth nearer to the camera than the eyes; without its focal length that cannot be taken out.
    let nodding = worst_of(10.0, 20.0);
    assert!(nodding <= 0.16, "{nodding}");
}

#[test]
fn each_unit_keeps_its_error_within_its_pose_limit() {
    let brows = [0.0, 4.0, 8.0];
    let inner = worst(
        views(25.0, 15.0, 20.0),
        |mm| Expression {
            brow_inner: mm,
            ..Expression::default()
        },
        |shape| mean(shape.brow_inner),
        1.0 / IOD_MM,
        &brows,
    );
    let outer = worst(
        views(25.0, 15.0, 20.0),
        |mm| Expression {
            brow_outer: mm,
            ..Expression::default()
        },
        |shape| mean(shape.brow_outer),
        1.0 / IOD_MM,
        &brows,
    );
    let lips = worst(
        views(30.0, 20.0, 20.0),
        |mm| Expression {
            lips: mm,
            ..Expression::default()
        },
        |shape| f64::from(shape.lip_gap),
        1.0 / IOD_MM,
        &[0.0, 6.0, 15.0],
    );
    let jaw = worst(
        views(25.0, 15.0, 20.0),
        |mm| Expression {
            jaw: mm,
            ..Expression::default()
        },
        |shape| f64::from(shape.jaw_drop),
        1.0 / IOD_MM,
        &[0.0, 10.0, 20.0],
    );
    let shut = worst(
        views(30.0, 15.0, 20.0),
        |part| Expression {
            lids: part,
            ..Expression::default()
        },
        |shape| mean(shape.eye_aspect),
        -8.0 / 28.0,
        &[0.0, 0.5, 1.0],
    );
    let found = [inner, outer, lips, jaw, shut];
    let allowed = [0.05, 0.05, 0.04, 0.13, 0.04];
    for (found, allowed) in found.iter().zip(allowed) {
        assert!(*found <= allowed, "{found:?} against {allowed:?}");
    }
}

#[test]
fn a_crooked_smile_is_told_by_its_side() {
    let none = shape(&Expression::default(), FRONTAL);
    for view in views(15.0, 10.0, 20.0) {
        let left = shape(
            &Expression {
                smile: [6.0, 0.0],
                ..Expression::default()
            },
            view,
        );
        let pull = |side: usize| {
            (left.corner_out[side] - none.corner_out[side])
                + (left.corner_up[side] - none.corner_up[side])
        };
        assert!(pull(0) > pull(1) + 0.06, "{view:?} {} {}", pull(0), pull(1));
    }
}

#[test]
fn the_head_pose_is_right_to_some_degrees_although_the_depth_is_not() {
    for view in views(30.0, 20.0, 25.0) {
        let (_, pose) = measure(&seen(&Expression::default(), view));
        for (found, wanted) in [
            (pose.yaw_deg, view.yaw),
            (pose.pitch_deg, view.pitch),
            (pose.roll_deg, view.roll),
        ] {
            assert!((f64::from(found) - wanted).abs() < 7.0, "{pose:?} {view:?}");
        }
    }
}

#[test]
fn a_broken_or_empty_face_has_a_reason() {
    let mut face = seen(&Expression::default(), FRONTAL);
    face[14][1] = f32::NAN;
    assert_eq!(measure(&face).0, Err(Absent::NotFinite));
    assert_eq!(
        measure(&vec![[5.0; 3]; LANDMARK_COUNT]).0,
        Err(Absent::Degenerate)
    );
}
