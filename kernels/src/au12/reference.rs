//! The ratio in `f64`, as math 4.2 and 4.3 print it.

use super::{Absent, MIN_IOD};

/// The ratio of six isotropic points in the order of [`super::POINTS`].
pub fn raw_ratio(points: &[[f64; 3]; 6]) -> Result<f64, Absent> {
    if points
        .iter()
        .flatten()
        .any(|coordinate| !coordinate.is_finite())
    {
        return Err(Absent::NotFinite);
    }
    let [p33, p133, p362, p263, p61, p291] = *points;
    let middle = |a: [f64; 3], b: [f64; 3]| [0, 1, 2].map(|axis| f64::midpoint(a[axis], b[axis]));
    let distance = |a: [f64; 3], b: [f64; 3]| {
        [0, 1, 2]
            .map(|axis| (b[axis] - a[axis]).powi(2))
            .iter()
            .sum::<f64>()
            .sqrt()
    };
    let iod = distance(middle(p33, p133), middle(p362, p263));
    if iod < MIN_IOD {
        return Err(Absent::Degenerate);
    }
    let ratio = distance(p61, p291) / iod;
    if ratio.is_finite() && iod.is_finite() {
        Ok(ratio)
    } else {
        Err(Absent::NotFinite)
    }
}

/// The ratio of points normalised by the frame: x and z in widths, y in heights (math 4.2).
pub fn raw_ratio_aspect(points: &[[f64; 3]; 6], width: f64, height: f64) -> Result<f64, Absent> {
    raw_ratio(&points.map(|[x, y, z]| [x * width, y * height, z * width]))
}
