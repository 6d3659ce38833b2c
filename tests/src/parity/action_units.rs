//! The shape of a face.

use anyhow::ensure;
use bytemuck::Zeroable as _;
use lsie_kernels::action_units::{Shape, launch, reference};
use lsie_kernels::au12::Absent;
use lsie_kernels::pose::Pose;
use lsie_kernels::project::LANDMARK_COUNT;

use super::{Budget, Case, Place};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "action_units/a_batch_of_faces_that_are_turned_and_moved",
        run: random,
    },
    Case {
        name: "action_units/absence_has_its_reason",
        run: absence,
    },
    Case {
        name: "action_units/no_face_is_no_work",
        run: no_face,
    },
];

type Face = Vec<[f32; 3]>;

/// Numbers of a shape before its state.
const NUMBERS: usize = 13;

fn measure(place: &Place, faces: &[(Face, Pose)]) -> anyhow::Result<Vec<Shape>> {
    let points: Vec<[f32; 3]> = faces.iter().flat_map(|(face, _)| face.clone()).collect();
    let poses: Vec<Pose> = faces.iter().map(|(_, pose)| *pose).collect();
    let landmarks = place.holding(&points, "landmarks")?;
    let poses = place.holding(&poses, "poses")?;
    let mut out = place.poisoned::<Shape>(faces.len(), "shapes")?;
    launch(&place.stream, &landmarks, &poses, faces.len(), &mut out)?;
    place.values::<Shape>(&out, faces.len())
}

/// Eyes one unit apart where a face has them, everything else within a face's width; scaled and moved.
fn face(next: &mut impl FnMut() -> f32, scale: f32, shift: [f32; 2]) -> Face {
    let mut points: Face = (0..LANDMARK_COUNT)
        .map(|_| [2.0 * next() - 1.0, 2.0 * next() - 1.0, next() - 0.5])
        .collect();
    for (index, x) in [(33, -0.7), (133, -0.3), (362, 0.3), (263, 0.7)] {
        points[index] = [x, 0.02 * next(), 0.05 * next()];
    }
    for point in &mut points {
        *point = [
            point[0] * scale + shift[0],
            point[1] * scale + shift[1],
            point[2] * scale,
        ];
    }
    points
}

fn generator(seed: u32) -> impl FnMut() -> f32 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32
    }
}

fn pose(yaw_deg: f32, pitch_deg: f32, roll_deg: f32) -> Pose {
    Pose {
        yaw_deg,
        pitch_deg,
        roll_deg,
        is_measured: 1,
    }
}

fn random(place: &Place) -> anyhow::Result<()> {
    let mut next = generator(9);
    let mut faces = Vec::new();
    for _ in 0..131 {
        let turn = pose(
            80.0 * next() - 40.0,
            60.0 * next() - 30.0,
            60.0 * next() - 30.0,
        );
        let (scale, shift) = (20.0 + 600.0 * next(), [3000.0 * next(), 2000.0 * next()]);
        faces.push((face(&mut next, scale, shift), turn));
    }
    let bound = Budget::absolute("action_units")?;
    for (got, (face, pose)) in measure(place, &faces)?.into_iter().zip(&faces) {
        let wanted = reference::shape(face, pose)
            .map_err(|why| anyhow::anyhow!("the reference measures nothing: {why:?}"))?;
        ensure!(got.state == 0, "{got:?}");
        let numbers = |shape: &Shape| -> Vec<f32> {
            bytemuck::cast_slice::<Shape, f32>(std::slice::from_ref(shape))[..NUMBERS].to_vec()
        };
        for (got, wanted) in numbers(&got).into_iter().zip(numbers(&wanted)) {
            let error = f64::from((got - wanted).abs());
            ensure!(
                error <= bound * (1.0 + f64::from(wanted.abs())),
                "{got} {wanted} {pose:?}"
            );
        }
    }
    Ok(())
}

fn absence(place: &Place) -> anyhow::Result<()> {
    let mut next = generator(4);
    let good = face(&mut next, 100.0, [500.0, 400.0]);
    let ahead = pose(1.0, 2.0, 3.0);
    let with = |index: usize, axis: usize, value: f32| {
        let mut points = good.clone();
        points[index][axis] = value;
        (points, ahead)
    };
    let mut faces = vec![(good.clone(), ahead), (good.clone(), Pose::zeroed())];
    let mut wanted = vec![Ok(()), Err(Absent::Degenerate)];
    for index in [33, 263, 55, 300, 87, 14, 61, 152, 380] {
        for (axis, bad) in [(0, f32::NAN), (1, f32::INFINITY), (2, f32::NEG_INFINITY)] {
            faces.push(with(index, axis, bad));
            wanted.push(Err(Absent::NotFinite));
        }
    }
    faces.push((good.clone(), pose(f32::NAN, 0.0, 0.0)));
    wanted.push(Err(Absent::NotFinite));
    faces.push((vec![[7.0; 3]; LANDMARK_COUNT], ahead));
    wanted.push(Err(Absent::Degenerate));
    for ((got, wanted), (face, pose)) in measure(place, &faces)?.iter().zip(&wanted).zip(&faces) {
        let state = got.checked().map(|_| ());
        ensure!(state == *wanted, "{got:?} {wanted:?}");
        let told = reference::shape(face, pose).map(|_| ());
        ensure!(told == *wanted, "the reference says {told:?}");
    }
    Ok(())
}

fn no_face(place: &Place) -> anyhow::Result<()> {
    ensure!(measure(place, &[])?.is_empty());
    Ok(())
}
