//! The geometry of action unit 12: how wide the mouth is, measured in distances between the eyes (math 4).
//!
//! ```text
//! landmarks to ratio, one face per entry of a batch.   in: N × 478 × (x, y, z) f32, isotropic (frame pixels)   out: N × Au12
//! v1 one face after the other        tolerance 2e-4 absolute on the ratio
//! moves 72 B in, 8 B out a face
//! ```
//!
//! With E the middle of the two corners of an eye: IOD = |E_R − E_L|, D = |P291 − P61|, ratio = D / IOD (math 4.3).

pub mod reference;

use bytemuck::{Pod, Zeroable};
use lsie_device::{Argument, Buffer, KernelSource, Launch, Stream};

use crate::error::KernelError;
use crate::launch::{MAX_TEXT_FACES, check, input, output, runs_text};
use crate::project::LANDMARK_COUNT;

/// Eye corners outer and inner of one eye, inner and outer of the other, mouth corners: the landmarks that the formula uses.
pub const POINTS: [usize; 6] = [33, 133, 362, 263, 61, 291];
/// Below this distance of the eyes there is no ratio; at it there is one.
pub const MIN_IOD: f64 = 1e-6;
/// Gain of the score (math 4.5).
pub const ALPHA: f64 = 6.0;
/// Largest diagnostic score (math 4.5).
pub const MAX_DIAGNOSTIC_SCORE: f64 = 5.0;

/// The ratio as text.
pub static SOURCE: KernelSource = KernelSource {
    name: "measure_au12",
    group: [64, 1, 1],
    arguments: 2,
    wgsl: include_str!("kernel.wgsl"),
    cuda: include_str!("kernel.cu"),
};

/// Why a face has no ratio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// The eyes coincide.
    Degenerate,
    /// A coordinate is NaN or infinite, or the ratio overflows.
    NotFinite,
}

/// The result for one face, as a device writes it. 8 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Default, Pod, Zeroable)]
#[repr(C)]
pub struct Au12 {
    /// The ratio; 0 without meaning when `state` is not 0.
    ratio: f32,
    /// 0 measured, 1 degenerate, 2 not finite.
    state: u32,
}

impl Au12 {
    /// The ratio, or why there is none.
    pub fn ratio(self) -> Result<f32, Absent> {
        match self.state {
            0 => Ok(self.ratio),
            1 => Err(Absent::Degenerate),
            _ => Err(Absent::NotFinite),
        }
    }
}

impl From<Result<f32, Absent>> for Au12 {
    fn from(ratio: Result<f32, Absent>) -> Self {
        match ratio {
            Ok(ratio) => Au12 { ratio, state: 0 },
            Err(Absent::Degenerate) => Au12 {
                ratio: 0.0,
                state: 1,
            },
            Err(Absent::NotFinite) => Au12 {
                ratio: 0.0,
                state: 2,
            },
        }
    }
}

/// Measures `count` faces. `out` takes `count` × 8 bytes. Allocates nothing.
pub fn launch(
    stream: &Stream,
    landmarks: &Buffer,
    count: usize,
    out: &mut Buffer,
) -> Result<(), KernelError> {
    let point_count = count.saturating_mul(LANDMARK_COUNT);
    if runs_text(stream) {
        check::<[f32; 3]>(stream, landmarks, point_count, "landmarks")?;
        check::<Au12>(stream, out, count, "ratios")?;
        if count > MAX_TEXT_FACES {
            return Err(KernelError::OutOfRange { what: "faces" });
        }
        let count = count as u32;
        return Ok(stream.launch(&Launch {
            source: &SOURCE,
            groups: [count.div_ceil(SOURCE.group[0]), 1, 1],
            params: bytemuck::bytes_of(&[count, 0, 0, 0]),
            arguments: &[Argument::Input(landmarks), Argument::Output(out)],
        })?);
    }
    let points = input::<[f32; 3]>(stream, landmarks, point_count, "landmarks")?;
    let results = output::<Au12>(stream, out, count, "ratios")?;
    for (face, result) in points.chunks_exact(LANDMARK_COUNT).zip(results) {
        let used = POINTS.map(|index| face.get(index).copied().unwrap_or([f32::NAN; 3]));
        *result = ratio(&used).into();
    }
    stream.launched(&SOURCE);
    Ok(())
}

/// Score of a ratio above its neutral baseline, in [0, 1) (math 4.5).
///
/// The largest value is the last number below 1, which `tanh` itself would round up to 1.
/// A number that is not finite has no score: NaN must not read as "no smile".
pub fn score(ratio: f64, baseline: f64, alpha: f64) -> Result<f64, Absent> {
    let raised = deviation(ratio, baseline, alpha)?.max(0.0);
    Ok(raised.tanh().min(1.0_f64.next_down()))
}

/// The unbounded score cut to 0..5, for people who look for faults (math 4.5).
pub fn diagnostic_score(ratio: f64, baseline: f64, alpha: f64) -> Result<f64, Absent> {
    let raised = deviation(ratio, baseline, alpha)?;
    Ok(raised.clamp(0.0, MAX_DIAGNOSTIC_SCORE))
}

/// alpha (ratio - baseline), never NaN; it may overflow to an infinity, which both scores bound.
fn deviation(ratio: f64, baseline: f64, alpha: f64) -> Result<f64, Absent> {
    let deviation = alpha * (ratio - baseline);
    if [ratio, baseline, alpha].iter().all(|v| v.is_finite()) && !deviation.is_nan() {
        Ok(deviation)
    } else {
        Err(Absent::NotFinite)
    }
}

fn ratio(points: &[[f32; 3]; 6]) -> Result<f32, Absent> {
    if !points
        .iter()
        .flatten()
        .all(|coordinate| coordinate.is_finite())
    {
        return Err(Absent::NotFinite);
    }
    let middle = |a: [f32; 3], b: [f32; 3]| [0, 1, 2].map(|axis| f32::midpoint(a[axis], b[axis]));
    let distance = |a: [f32; 3], b: [f32; 3]| {
        let [x, y, z] = [0, 1, 2].map(|axis| b[axis] - a[axis]);
        (x * x + y * y + z * z).sqrt()
    };
    let [
        outer_left,
        inner_left,
        inner_right,
        outer_right,
        mouth_left,
        mouth_right,
    ] = *points;
    let eyes = distance(
        middle(outer_left, inner_left),
        middle(inner_right, outer_right),
    );
    if f64::from(eyes) < MIN_IOD {
        return Err(Absent::Degenerate);
    }
    let ratio = distance(mouth_left, mouth_right) / eyes;
    if ratio.is_finite() && eyes.is_finite() {
        Ok(ratio)
    } else {
        Err(Absent::NotFinite)
    }
}
