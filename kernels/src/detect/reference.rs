//! Decoding and weighted suppression in `f64`, as the definition reads.

use super::{ANCHOR_COUNT, DetectParams, MAX_FACES, REGRESSORS_PER_ANCHOR};

/// A face: score, then centre, size and six key points as 16 numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Face {
    /// Score, 0 to 1.
    pub score: f64,
    /// Centre x, y, width, height, then x and y of six key points, in fractions of the crop.
    pub numbers: [f64; REGRESSORS_PER_ANCHOR],
}

/// All faces, best first, at most [`MAX_FACES`].
pub fn detect(regressors: &[f32], scores: &[f32], params: &DetectParams) -> Vec<Face> {
    let mut anchors = Vec::with_capacity(ANCHOR_COUNT);
    for (cells, per_cell) in [(16, 2), (8, 6)] {
        for y in 0..cells {
            for x in 0..cells {
                let center = [x, y].map(|step| (f64::from(step) + 0.5) / f64::from(cells));
                anchors.extend(std::iter::repeat_n(center, per_cell));
            }
        }
    }
    let mut rest = Vec::new();
    for ((raw, logit), anchor) in regressors
        .chunks_exact(REGRESSORS_PER_ANCHOR)
        .zip(scores)
        .zip(anchors)
    {
        let score = 1.0 / (1.0 + (-f64::from(*logit).clamp(-100.0, 100.0)).exp());
        let mut numbers = [0.0; REGRESSORS_PER_ANCHOR];
        for (index, (number, raw)) in numbers.iter_mut().zip(raw).enumerate() {
            let is_size = index == 2 || index == 3;
            let origin = if is_size { 0.0 } else { anchor[index % 2] };
            *number = f64::from(*raw) / 128.0 + origin;
        }
        if score > f64::from(params.min_score) && numbers.iter().all(|number| number.is_finite()) {
            rest.push(Face { score, numbers });
        }
    }
    rest.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut faces = Vec::new();
    while let Some(best) = rest.first().copied() {
        let mut same = vec![best];
        let mut others = Vec::new();
        for candidate in rest.split_off(1) {
            let is_same = overlap(&best, &candidate) > f64::from(params.min_overlap);
            let list = if is_same { &mut same } else { &mut others };
            list.push(candidate);
        }
        let total: f64 = same.iter().map(|face| face.score).sum();
        let mut numbers = [0.0; REGRESSORS_PER_ANCHOR];
        for face in &same {
            for (number, own) in numbers.iter_mut().zip(face.numbers) {
                *number += own * face.score / total;
            }
        }
        faces.push(Face {
            score: best.score,
            numbers,
        });
        rest = others;
    }
    faces.truncate(MAX_FACES);
    faces
}

fn overlap(a: &Face, b: &Face) -> f64 {
    let span = |face: &Face, axis: usize| {
        let half = face.numbers[axis + 2] / 2.0;
        (face.numbers[axis] - half, face.numbers[axis] + half)
    };
    let shared: f64 = (0..2)
        .map(|axis| {
            let ((a_low, a_high), (b_low, b_high)) = (span(a, axis), span(b, axis));
            (a_high.min(b_high) - a_low.max(b_low)).max(0.0)
        })
        .product();
    let area = |face: &Face| face.numbers[2].max(0.0) * face.numbers[3].max(0.0);
    let all = area(a) + area(b) - shared;
    if all > 0.0 { shared / all } else { 0.0 }
}
