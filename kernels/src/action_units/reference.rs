//! The formulas of the table, in `f64`.

use super::Shape;
use crate::au12::{Absent, MIN_IOD};
use crate::pose::{self, Pose};

/// Eye corners and lids p₁ to p₆ of Soukupová & Čech, on the picture's left and right.
const LIDS: [[usize; 6]; 2] = [
    [33, 160, 158, 133, 153, 144],
    [362, 385, 387, 263, 373, 380],
];
const BROW_INNER: [&[usize]; 2] = [&[55, 107], &[285, 336]];
const BROW_OUTER: [&[usize]; 2] = [&[46, 53, 63, 70], &[276, 283, 293, 300]];
/// Upper and lower inner lip.
const LIPS: [(usize, usize); 3] = [(82, 87), (13, 14), (312, 317)];
const MOUTH_CORNERS: [usize; 2] = [61, 291];
const NOSE_BASE: usize = 2;
const CHIN: usize = 152;

/// The shape of a face of 478 landmarks in frame pixels whose head is turned by `pose`.
pub fn shape(landmarks: &[[f32; 3]], pose: &Pose) -> Result<Shape, Absent> {
    if pose.is_measured != 1 {
        return Err(Absent::Degenerate);
    }
    let turned = Turned::new(landmarks, pose);
    let eyes = LIDS.map(|[outer, _, _, inner, ..]| turned.middle(&[outer, inner]));
    let [left, right] = eyes;
    let unit = right[0] - left[0];
    if !unit.is_finite() {
        return Err(Absent::NotFinite);
    }
    if unit < MIN_IOD {
        return Err(Absent::Degenerate);
    }
    let middle = [0, 1].map(|axis| f64::midpoint(left[axis], right[axis]));
    let above = |side: usize, points: &[usize]| (eyes[side][1] - turned.middle(points)[1]) / unit;
    let gaps: f64 = LIPS
        .iter()
        .map(|(upper, lower)| turned.at(*lower)[1] - turned.at(*upper)[1])
        .sum();
    let corners = MOUTH_CORNERS.map(|corner| turned.at(corner));
    let outward = [-1.0, 1.0];
    let numbers = Shape {
        brow_inner: [0, 1].map(|side| above(side, BROW_INNER[side]) as f32),
        brow_outer: [0, 1].map(|side| above(side, BROW_OUTER[side]) as f32),
        lip_gap: (gaps / LIPS.len() as f64 / unit).max(0.0) as f32,
        jaw_drop: ((turned.at(CHIN)[1] - turned.at(NOSE_BASE)[1]) / unit) as f32,
        eye_aspect: LIDS.map(|lids| turned.aspect(lids) as f32),
        mouth_width: ((corners[1][0] - corners[0][0]) / unit) as f32,
        corner_out: [0, 1].map(|s: usize| (outward[s] * (corners[s][0] - middle[0]) / unit) as f32),
        corner_up: corners.map(|corner| ((middle[1] - corner[1]) / unit) as f32),
        state: 0,
    };
    // `max` drops a NaN, so the gap is asked before.
    if gaps.is_finite() && is_finite(&numbers) {
        Ok(numbers)
    } else {
        Err(Absent::NotFinite)
    }
}

/// Landmarks in the head's axes: x along the eyes, y down the face. A point that is not there is NaN.
struct Turned<'a> {
    landmarks: &'a [[f32; 3]],
    head_from_frame: [[f64; 3]; 2],
}

impl<'a> Turned<'a> {
    fn new(landmarks: &'a [[f32; 3]], pose: &Pose) -> Self {
        let [yaw, pitch, roll] = [pose.yaw_deg, pose.pitch_deg, pose.roll_deg].map(f64::from);
        let frame_from_head = pose::reference::rotation(yaw, pitch, roll);
        // The inverse of a rotation is its transpose.
        let head_from_frame = [0, 1].map(|axis| frame_from_head.map(|row| row[axis]));
        Turned {
            landmarks,
            head_from_frame,
        }
    }

    fn at(&self, index: usize) -> [f64; 2] {
        let point = self.landmarks.get(index).copied().unwrap_or([f32::NAN; 3]);
        self.head_from_frame
            .map(|row| row.iter().zip(point).map(|(a, b)| a * f64::from(b)).sum())
    }

    fn middle(&self, points: &[usize]) -> [f64; 2] {
        let sum = points.iter().fold([0.0; 2], |sum, point| {
            let [x, y] = self.at(*point);
            [sum[0] + x, sum[1] + y]
        });
        sum.map(|sum| sum / points.len() as f64)
    }

    /// Height over width of an eye's opening.
    fn aspect(&self, [p1, p2, p3, p4, p5, p6]: [usize; 6]) -> f64 {
        let distance = |a, b| {
            let ([ax, ay], [bx, by]) = (self.at(a), self.at(b));
            (ax - bx).hypot(ay - by)
        };
        (distance(p2, p6) + distance(p3, p5)) / (2.0 * distance(p1, p4))
    }
}

fn is_finite(shape: &Shape) -> bool {
    let singles = [shape.lip_gap, shape.jaw_drop, shape.mouth_width];
    let pairs = [
        shape.brow_inner,
        shape.brow_outer,
        shape.eye_aspect,
        shape.corner_out,
        shape.corner_up,
    ];
    singles
        .iter()
        .chain(pairs.iter().flatten())
        .all(|number| number.is_finite())
}
