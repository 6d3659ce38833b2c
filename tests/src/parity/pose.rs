//! The rotation of the head.

use anyhow::ensure;
use lsie_kernels::pose::{MODEL, Pose, launch, reference};
use lsie_kernels::project::LANDMARK_COUNT;

use super::{Budget, Case, Place};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "pose/angles_of_a_turned_head_come_back",
        run: turned_heads,
    },
    Case {
        name: "pose/points_without_a_rotation_have_none",
        run: nothing,
    },
    Case {
        name: "pose/no_face_is_no_work",
        run: no_face,
    },
];

type Face = Vec<[f32; 3]>;

/// The model head turned by angles in degrees, scaled and moved; every other landmark is no number.
pub(super) fn head(angles: [f64; 3], scale: f64, shift: [f64; 3]) -> Face {
    let rotation = reference::rotation(angles[0], angles[1], angles[2]);
    let mut face = vec![[f32::NAN; 3]; LANDMARK_COUNT];
    for (index, point) in MODEL {
        let turned = rotation.map(|row| row.iter().zip(point).map(|(a, b)| a * b).sum::<f64>());
        face[index] = [0, 1, 2].map(|axis| (scale * turned[axis] + shift[axis]) as f32);
    }
    face
}

fn fit(place: &Place, faces: &[Face]) -> anyhow::Result<Vec<Pose>> {
    let landmarks = place.holding(&faces.concat(), "landmarks")?;
    let mut out = place.poisoned::<Pose>(faces.len(), "poses")?;
    launch(&place.stream, &landmarks, faces.len(), &mut out)?;
    place.values::<Pose>(&out, faces.len())
}

fn turned_heads(place: &Place) -> anyhow::Result<()> {
    let bound = Budget::absolute("pose")?;
    let mut state = 5_u32;
    let mut within = |low: f64, high: f64| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        low + (high - low) * f64::from(state >> 8) / f64::from(1 << 24)
    };
    let mut faces = Vec::new();
    let mut wanted = Vec::new();
    for _ in 0..203 {
        let angles = [
            within(-80.0, 80.0),
            within(-80.0, 80.0),
            within(-170.0, 170.0),
        ];
        let scale = within(0.3, 20.0);
        let shift = [within(0.0, 300.0) * scale, within(0.0, 300.0) * scale, 1.0];
        faces.push(head(angles, scale, shift));
        wanted.push(angles);
    }
    for (pose, wanted) in fit(place, &faces)?.into_iter().zip(wanted) {
        ensure!(pose.is_measured == 1, "{wanted:?}");
        let got = [pose.yaw_deg, pose.pitch_deg, pose.roll_deg].map(f64::from);
        let worst = got
            .iter()
            .zip(wanted)
            .map(|(got, wanted)| (got - wanted).abs())
            .fold(0.0, f64::max);
        ensure!(worst <= bound, "{got:?} {wanted:?}");
    }
    Ok(())
}

fn nothing(place: &Place) -> anyhow::Result<()> {
    let upright = head([0.0; 3], 1.0, [0.0; 3]);
    let mut faces = vec![head([0.0; 3], 0.0, [3.0, 4.0, 5.0])];
    // Points on a line may turn about it.
    let mut line = upright.clone();
    for (index, point) in MODEL {
        line[index] = [point[0] as f32, 0.0, 0.0];
    }
    faces.push(line);
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for axis in 0..3 {
            let mut face = upright.clone();
            face[MODEL[4].0][axis] = bad;
            faces.push(face);
        }
    }
    for pose in fit(place, &faces)? {
        ensure!(pose == Pose::default(), "{pose:?}");
    }
    ensure!(fit(place, &[upright])?[0].is_measured == 1);
    Ok(())
}

fn no_face(place: &Place) -> anyhow::Result<()> {
    ensure!(fit(place, &[])?.is_empty());
    Ok(())
}
