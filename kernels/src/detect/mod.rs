//! Faces from the short-range detector's raw tensors: anchors, sigmoid, weighted suppression.
//!
//! ```text
//! 896 anchors to at most 16 faces.   in: regressors 896×16 f32 (x, y, w, h, six key points, in 128-pixel units, relative to the
//! anchor), scores 896 f32 (logits)   out: 16 × Detection, best first, unused ones zero; all in fractions of the 128×128 crop
//! v1 one pass to decode, repeated passes to merge        tolerance 1e-5 (exp and order of sums)
//! moves 61 KiB in, 1 KiB out
//! ```
//!
//! Anchors: 16×16 cells with two, then 8×8 cells with six, centres of the cells, all of size 1. A score is the sigmoid of
//! the logit clipped to ±100; anchors at or below the threshold, and anchors with a number that is not finite, are dropped.
//! Weighted suppression: the best remaining anchor gathers all remaining ones with an overlap (intersection over union)
//! above 0.3; box and key points become their mean weighted by score, the score stays the best one's.

pub mod reference;

use bytemuck::{Pod, Zeroable};
use lsie_device::{Argument, Buffer, KernelSource, Launch, Stream};

use crate::error::KernelError;
use crate::launch::{check, input, output, runs_text};

/// Anchors of the network.
pub const ANCHOR_COUNT: usize = 896;
/// Numbers per anchor: box and six key points.
pub const REGRESSORS_PER_ANCHOR: usize = 16;
/// Side of the network's input, pixels.
pub const INPUT_SIDE_PX: u32 = 128;
/// Most faces that are reported; the least certain ones beyond are dropped.
pub const MAX_FACES: usize = 16;

/// Decoding and suppression as text.
pub static SOURCE: KernelSource = KernelSource {
    name: "detect_faces",
    group: [256, 1, 1],
    arguments: 3,
    wgsl: include_str!("kernel.wgsl"),
    cuda: include_str!("kernel.cu"),
};

const SCORE_CLIP: f32 = 100.0;

/// What counts as a face and as the same face.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DetectParams {
    /// A face needs a score above this, 0 to 1.
    pub min_score: f32,
    /// Two anchors show the same face above this intersection over union, 0 to 1.
    pub min_overlap: f32,
}

impl Default for DetectParams {
    fn default() -> Self {
        DetectParams {
            min_score: 0.5,
            min_overlap: 0.3,
        }
    }
}

/// One face, in fractions of the detector's crop. 68 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Default, Pod, Zeroable)]
#[repr(C)]
pub struct Detection {
    /// Score, above 0 to 1; 0 marks an unused entry.
    pub score: f32,
    /// Centre of the box.
    pub center: [f32; 2],
    /// Width and height of the box.
    pub size: [f32; 2],
    /// Right eye, left eye (the person's), nose tip, mouth, right ear, left ear.
    pub key_points: [[f32; 2]; 6],
}

impl Detection {
    /// Intersection over union of the boxes; 0 when either is empty.
    pub fn overlap(&self, other: &Detection) -> f32 {
        let side = |axis: usize| {
            let low = (self.center[axis] - self.size[axis] / 2.0)
                .max(other.center[axis] - other.size[axis] / 2.0);
            let high = (self.center[axis] + self.size[axis] / 2.0)
                .min(other.center[axis] + other.size[axis] / 2.0);
            (high - low).max(0.0)
        };
        let shared = side(0) * side(1);
        let all = self.area() + other.area() - shared;
        if all > 0.0 { shared / all } else { 0.0 }
    }

    fn area(&self) -> f32 {
        self.size[0].max(0.0) * self.size[1].max(0.0)
    }

    fn is_finite(&self) -> bool {
        bytemuck::cast_slice::<Detection, f32>(std::slice::from_ref(self))
            .iter()
            .all(|number| number.is_finite())
    }
}

/// Bytes of the output buffer.
pub const OUTPUT_BYTES: usize = MAX_FACES * size_of::<Detection>();

/// Centre of an anchor as fractions of the crop.
pub fn anchor(index: usize) -> [f32; 2] {
    const FINE: usize = 16 * 16 * 2;
    let (cell, cells) = if index < FINE {
        (index / 2, 16)
    } else {
        ((index - FINE) / 6, 8)
    };
    let fraction = |step: usize| (step as f32 + 0.5) / cells as f32;
    [fraction(cell % cells), fraction(cell / cells)]
}

/// Decodes and merges. `out` takes [`OUTPUT_BYTES`]. Allocates nothing.
pub fn launch(
    stream: &Stream,
    regressors: &Buffer,
    scores: &Buffer,
    params: &DetectParams,
    out: &mut Buffer,
) -> Result<(), KernelError> {
    if !params.min_score.is_finite() || !params.min_overlap.is_finite() {
        return Err(KernelError::NotFinite {
            what: "detector threshold",
        });
    }
    if runs_text(stream) {
        check::<[f32; REGRESSORS_PER_ANCHOR]>(
            stream,
            regressors,
            ANCHOR_COUNT,
            "detector regressors",
        )?;
        check::<f32>(stream, scores, ANCHOR_COUNT, "detector scores")?;
        check::<Detection>(stream, out, MAX_FACES, "detections")?;
        let params = [params.min_score, params.min_overlap, 0.0, 0.0];
        return Ok(stream.launch(&Launch {
            source: &SOURCE,
            groups: [1, 1, 1],
            params: bytemuck::bytes_of(&params),
            arguments: &[
                Argument::Input(regressors),
                Argument::Input(scores),
                Argument::Output(out),
            ],
        })?);
    }
    let regressors = input::<f32>(
        stream,
        regressors,
        ANCHOR_COUNT * REGRESSORS_PER_ANCHOR,
        "detector regressors",
    )?;
    let scores = input::<f32>(stream, scores, ANCHOR_COUNT, "detector scores")?;
    let faces = output::<Detection>(stream, out, MAX_FACES, "detections")?;
    faces.fill(Detection::default());

    // Only scores are kept; a candidate is decoded again where its numbers are needed, which is a handful of times.
    let raw = Raw { regressors };
    let mut candidate_scores = [0.0; ANCHOR_COUNT];
    for (index, (slot, logit)) in candidate_scores.iter_mut().zip(scores).enumerate() {
        let score = 1.0 / (1.0 + (-logit.clamp(-SCORE_CLIP, SCORE_CLIP)).exp());
        // The comparison is false for NaN.
        if score > params.min_score && raw.decode(index, score).is_finite() {
            *slot = score;
        }
    }
    merge(&raw, &mut candidate_scores, params.min_overlap, faces);
    stream.launched(&SOURCE);
    Ok(())
}

/// The faces of an output buffer, copied to the host: at most 1 KiB.
pub fn read(stream: &Stream, detections: &Buffer) -> Result<[Detection; MAX_FACES], KernelError> {
    let mut faces = [Detection::default(); MAX_FACES];
    detections.copy_to_host(stream, 0, bytemuck::cast_slice_mut(&mut faces))?;
    Ok(faces)
}

/// The raw boxes and key points.
struct Raw<'a> {
    regressors: &'a [f32],
}

impl Raw<'_> {
    fn decode(&self, index: usize, score: f32) -> Detection {
        let anchor = anchor(index);
        let first = index * REGRESSORS_PER_ANCHOR;
        let unit = 1.0 / INPUT_SIDE_PX as f32;
        let number = |offset: usize| {
            self.regressors
                .get(first + offset)
                .map_or(f32::NAN, |number| number * unit)
        };
        let point = |offset: usize| [number(offset) + anchor[0], number(offset + 1) + anchor[1]];
        Detection {
            score,
            center: point(0),
            size: [number(2), number(3)],
            key_points: [
                point(4),
                point(6),
                point(8),
                point(10),
                point(12),
                point(14),
            ],
        }
    }
}

/// Merges overlapping candidates into `faces`, best first. A used candidate gets score 0, as have those that never were.
fn merge(
    raw: &Raw<'_>,
    scores: &mut [f32; ANCHOR_COUNT],
    min_overlap: f32,
    faces: &mut [Detection],
) {
    for face in faces {
        let (mut best_score, mut best_index) = (0.0, 0);
        for (index, score) in scores.iter().enumerate() {
            if *score > best_score {
                (best_score, best_index) = (*score, index);
            }
        }
        if best_score == 0.0 {
            return;
        }
        let best = raw.decode(best_index, best_score);
        let mut sum = Detection::default();
        for (index, score) in scores.iter_mut().enumerate() {
            if *score == 0.0 {
                continue;
            }
            let candidate = raw.decode(index, *score);
            if index == best_index || best.overlap(&candidate) > min_overlap {
                add(&mut sum, &candidate);
                *score = 0.0;
            }
        }
        *face = mean(&sum, best_score);
    }
}

fn add(sum: &mut Detection, candidate: &Detection) {
    let weight = candidate.score;
    sum.score += weight;
    for axis in 0..2 {
        sum.center[axis] += weight * candidate.center[axis];
        sum.size[axis] += weight * candidate.size[axis];
        for (total, point) in sum.key_points.iter_mut().zip(&candidate.key_points) {
            total[axis] += weight * point[axis];
        }
    }
}

fn mean(sum: &Detection, score: f32) -> Detection {
    let share = |pair: [f32; 2]| pair.map(|number| number / sum.score);
    Detection {
        score,
        center: share(sum.center),
        size: share(sum.size),
        key_points: sum.key_points.map(share),
    }
}
