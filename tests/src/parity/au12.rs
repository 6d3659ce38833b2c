//! The ratio of the mouth and the eyes.

use anyhow::ensure;
use lsie_kernels::au12::{Absent, Au12, POINTS, launch, reference};
use lsie_kernels::project::LANDMARK_COUNT;

use super::{Budget, Case, Place};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "au12/a_batch_of_random_faces",
        run: random,
    },
    Case {
        name: "au12/absence_has_its_reason",
        run: absence,
    },
    Case {
        name: "au12/no_face_is_no_work",
        run: no_face,
    },
];

type Points = [[f32; 3]; 6];

const FACE: Points = [
    [0.0, 0.0, 0.0],
    [1.0, 0.0, 0.0],
    [3.0, 0.0, 0.0],
    [4.0, 0.0, 0.0],
    [1.0, 2.0, 0.0],
    [3.0, 2.0, 0.0],
];

fn measure(place: &Place, faces: &[Points]) -> anyhow::Result<Vec<Result<f32, Absent>>> {
    let mut landmarks = vec![[f32::NAN; 3]; faces.len() * LANDMARK_COUNT];
    for (face, points) in landmarks.chunks_exact_mut(LANDMARK_COUNT).zip(faces) {
        for (index, point) in POINTS.iter().zip(points) {
            face[*index] = *point;
        }
    }
    let landmarks = place.holding(&landmarks, "landmarks")?;
    let mut out = place.poisoned::<Au12>(faces.len(), "ratios")?;
    launch(&place.stream, &landmarks, faces.len(), &mut out)?;
    let results = place.values::<Au12>(&out, faces.len())?;
    Ok(results.into_iter().map(Au12::ratio).collect())
}

fn random(place: &Place) -> anyhow::Result<()> {
    let mut state = 3_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        2000.0 * ((state >> 8) as f32 / (1 << 24) as f32) - 1000.0
    };
    let mut point = || [next(), next(), next()];
    let faces: Vec<Points> = (0..131).map(|_| std::array::from_fn(|_| point())).collect();
    let bound = Budget::absolute("au12")?;
    for (got, points) in measure(place, &faces)?.into_iter().zip(&faces) {
        let wanted = reference::raw_ratio(&points.map(|point| point.map(f64::from)));
        match (got, wanted) {
            (Ok(got), Ok(wanted)) => {
                let error = (f64::from(got) - wanted).abs();
                ensure!(error <= bound * (1.0 + wanted), "{got} {wanted}");
            }
            (got, wanted) => anyhow::bail!("{got:?} {wanted:?}"),
        }
    }
    Ok(())
}

fn absence(place: &Place) -> anyhow::Result<()> {
    let mut faces = vec![FACE];
    let mut wanted = vec![Ok(2.0_f32 / 3.0)];
    for point in 0..POINTS.len() {
        for axis in 0..3 {
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let mut face = FACE;
                face[point][axis] = bad;
                faces.push(face);
                wanted.push(Err(Absent::NotFinite));
            }
        }
    }
    let eyes_apart = |distance: f32| {
        let (left, right) = ([0.0; 3], [distance, 0.0, 0.0]);
        [left, left, right, right, [0.0; 3], [1.0, 0.0, 0.0]]
    };
    faces.extend([
        eyes_apart(0.0),
        eyes_apart(0.99e-6),
        FACE.map(|point| point.map(|coordinate| coordinate * 1e30)),
    ]);
    wanted.extend([
        Err(Absent::Degenerate),
        Err(Absent::Degenerate),
        Err(Absent::NotFinite),
    ]);
    let got = measure(place, &faces)?;
    for ((got, wanted), face) in got.iter().zip(&wanted).zip(&faces) {
        let is_equal = match (got, wanted) {
            (Ok(got), Ok(wanted)) => (got - wanted).abs() < 1e-5,
            (got, wanted) => got == wanted,
        };
        ensure!(is_equal, "{got:?} {wanted:?} {face:?}");
    }
    Ok(())
}

fn no_face(place: &Place) -> anyhow::Result<()> {
    ensure!(measure(place, &[])?.is_empty());
    Ok(())
}
