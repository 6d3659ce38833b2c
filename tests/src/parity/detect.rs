//! Faces from the detector's tensors.

use anyhow::ensure;
use lsie_kernels::KernelError;
use lsie_kernels::detect::{
    ANCHOR_COUNT, DetectParams, Detection, MAX_FACES, REGRESSORS_PER_ANCHOR, launch, read,
    reference,
};

use super::{Budget, Case, Place};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "detect/random_tensors",
        run: random,
    },
    Case {
        name: "detect/no_face_and_every_anchor_a_face",
        run: none_and_all,
    },
    Case {
        name: "detect/the_threshold_is_exclusive",
        run: threshold,
    },
    Case {
        name: "detect/numbers_that_are_not_finite_are_dropped",
        run: not_finite,
    },
    Case {
        name: "detect/a_small_buffer_is_refused",
        run: small,
    },
];

/// What the network said.
struct Tensors {
    regressors: Vec<f32>,
    scores: Vec<f32>,
}

impl Tensors {
    fn all(regressor: f32, score: f32) -> Self {
        Tensors {
            regressors: vec![regressor; ANCHOR_COUNT * REGRESSORS_PER_ANCHOR],
            scores: vec![score; ANCHOR_COUNT],
        }
    }

    fn faces(&self, place: &Place, params: DetectParams) -> anyhow::Result<Vec<Detection>> {
        let regressors = place.holding(&self.regressors, "regressors")?;
        let scores = place.holding(&self.scores, "scores")?;
        let mut out = place.poisoned::<Detection>(MAX_FACES, "faces")?;
        launch(&place.stream, &regressors, &scores, &params, &mut out)?;
        let faces = read(&place.stream, &out)?;
        let count = faces.iter().take_while(|face| face.score > 0.0).count();
        let (found, unused) = faces.split_at(count);
        ensure!(unused.iter().all(|face| *face == Detection::default()));
        Ok(found.to_vec())
    }

    fn agree(&self, place: &Place) -> anyhow::Result<usize> {
        let params = DetectParams::default();
        let (got, bound) = (self.faces(place, params)?, Budget::absolute("detect")?);
        let wanted = reference::detect(&self.regressors, &self.scores, &params);
        ensure!(got.len() == wanted.len(), "{} {}", got.len(), wanted.len());
        for (got, wanted) in got.iter().zip(&wanted) {
            let numbers: &[f32] = bytemuck::cast_slice(std::slice::from_ref(got));
            let all = std::iter::once(wanted.score).chain(wanted.numbers);
            for (number, wanted) in numbers.iter().zip(all) {
                let error = (f64::from(*number) - wanted).abs();
                ensure!(error <= bound, "{number} {wanted}");
            }
        }
        Ok(got.len())
    }
}

fn random(place: &Place) -> anyhow::Result<()> {
    let mut state = 7_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32
    };
    for _ in 0..12 {
        let mut tensors = Tensors::all(0.0, 0.0);
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
        ensure!(tensors.agree(place)? > 3, "a case without faces");
    }
    Ok(())
}

fn none_and_all(place: &Place) -> anyhow::Result<()> {
    ensure!(Tensors::all(3.0, -50.0).agree(place)? == 0);
    // Boxes without area never overlap, and among equal scores the first anchors come first.
    let faces = Tensors::all(0.0, 2.0).faces(place, DetectParams::default())?;
    ensure!(faces.len() == MAX_FACES);
    let wanted = (0..MAX_FACES).map(lsie_kernels::detect::anchor);
    for (face, anchor) in faces.iter().zip(wanted) {
        let [x, y] = face.center;
        ensure!(
            (x - anchor[0]).abs() < 1e-6 && (y - anchor[1]).abs() < 1e-6,
            "{face:?} {anchor:?}"
        );
    }
    Ok(())
}

fn threshold(place: &Place) -> anyhow::Result<()> {
    let mut tensors = Tensors::all(5.0, -50.0);
    tensors.scores[3] = 0.0;
    ensure!(tensors.faces(place, DetectParams::default())?.is_empty());
    let lower = DetectParams {
        min_score: 0.499,
        ..DetectParams::default()
    };
    ensure!(tensors.faces(place, lower)?.len() == 1);
    Ok(())
}

fn not_finite(place: &Place) -> anyhow::Result<()> {
    let mut tensors = Tensors::all(5.0, -50.0);
    for (index, logit) in [(1, 9.0), (2, 9.0), (3, f32::NAN), (4, f32::INFINITY)] {
        tensors.scores[index] = logit;
    }
    tensors.regressors[REGRESSORS_PER_ANCHOR + 9] = f32::NAN;
    tensors.regressors[2 * REGRESSORS_PER_ANCHOR] = f32::INFINITY;
    ensure!(tensors.agree(place)? == 1);
    Ok(())
}

fn small(place: &Place) -> anyhow::Result<()> {
    let tensors = Tensors::all(0.0, 0.0);
    let regressors = place.holding(&tensors.regressors, "regressors")?;
    let scores = place.holding(&tensors.scores[1..], "scores")?;
    let mut out = place.poisoned::<Detection>(MAX_FACES, "faces")?;
    let params = DetectParams::default();
    let refused = launch(&place.stream, &regressors, &scores, &params, &mut out);
    ensure!(
        matches!(refused, Err(KernelError::Size { .. })),
        "{refused:?}"
    );
    Ok(())
}
