//! Head rotation from the landmarks: a rigid fit of a small neutral head.
//!
//! ```text
//! landmarks to yaw, pitch, roll.   in: N × 478 × (x, y, z) f32, frame pixels, y down, smaller z nearer   out: N × Pose
//! v1 one face after the other, best rotation by quaternion (Horn 1987), Jacobi sweeps in f64
//! text: kernel.wgsl, the same in f32; coordinates beyond 1e35 are no pose there
//! tolerance 0.01 degrees        moves 132 B in, 16 B out a face
//! ```
//!
//! Convention, in degrees: yaw is positive when the face turns to the picture's right, pitch when it looks up, roll when it
//! tilts clockwise in the picture. The head is turned by roll first, then pitch, then yaw: R = Ry·Rx·Rz.
//! The model is ours: round numbers of an adult head in millimetres at points that expressions move little. The network's
//! depth is an estimate, so take the angles as good to some degrees.

pub mod reference;

use bytemuck::{Pod, Zeroable};
use lsie_device::{Argument, Buffer, KernelSource, Launch, Stream};

use crate::error::KernelError;
use crate::launch::{MAX_TEXT_FACES, check, input, output, runs_text};
use crate::project::LANDMARK_COUNT;

/// Points of the fit.
pub const POINT_COUNT: usize = 11;

/// Landmark index and place on the model head: x to the picture's right, y down, z away from the camera, millimetres.
pub const MODEL: [(usize, [f64; 3]); POINT_COUNT] = [
    (33, [-45.0, 0.0, 22.0]),
    (133, [-17.0, 2.0, 14.0]),
    (362, [17.0, 2.0, 14.0]),
    (263, [45.0, 0.0, 22.0]),
    (168, [0.0, 0.0, 0.0]),
    (6, [0.0, 10.0, -4.0]),
    (1, [0.0, 42.0, -24.0]),
    (2, [0.0, 54.0, -10.0]),
    (10, [0.0, -62.0, 10.0]),
    (234, [-72.0, 22.0, 82.0]),
    (454, [72.0, 22.0, 82.0]),
];

/// Eigenvalues closer than this do not determine a rotation; the largest entry of the covariance is 1.
const MIN_GAP: f64 = 1e-5;

/// The fit as text.
pub static SOURCE: KernelSource = KernelSource {
    name: "fit_pose",
    group: [32, 1, 1],
    arguments: 2,
    wgsl: include_str!("kernel.wgsl"),
    cuda: include_str!("kernel.cu"),
};

/// The result for one face, as a device writes it. 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Default, Pod, Zeroable)]
#[repr(C)]
pub struct Pose {
    /// Turn to the picture's right, degrees, -180 to 180.
    pub yaw_deg: f32,
    /// Look up, degrees, -90 to 90.
    pub pitch_deg: f32,
    /// Clockwise tilt in the picture, degrees, -180 to 180.
    pub roll_deg: f32,
    /// 1 measured; 0 without meaning, because points coincide or are not finite.
    pub is_measured: u32,
}

/// Fits `count` faces. `out` takes `count` × 16 bytes. Allocates nothing.
pub fn launch(
    stream: &Stream,
    landmarks: &Buffer,
    count: usize,
    out: &mut Buffer,
) -> Result<(), KernelError> {
    let point_count = count.saturating_mul(LANDMARK_COUNT);
    if runs_text(stream) {
        check::<[f32; 3]>(stream, landmarks, point_count, "landmarks")?;
        check::<Pose>(stream, out, count, "poses")?;
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
    let results = output::<Pose>(stream, out, count, "poses")?;
    for (face, result) in points.chunks_exact(LANDMARK_COUNT).zip(results) {
        let seen = MODEL.map(|(index, _)| {
            face.get(index)
                .map_or([f64::NAN; 3], |point| point.map(f64::from))
        });
        *result = rotation(&seen).map_or(Pose::default(), |rotation| reference::angles(&rotation));
    }
    stream.launched(&SOURCE);
    Ok(())
}

/// The rotation that turns the model into the seen points, least squares. `None` when it is not determined.
fn rotation(seen: &[[f64; 3]; POINT_COUNT]) -> Option<[[f64; 3]; 3]> {
    let model = MODEL.map(|(_, point)| point);
    let (model_mean, seen_mean) = (mean(&model), mean(seen));
    let mut covariance = [[0.0; 3]; 3];
    for (model, seen) in model.iter().zip(seen) {
        for (row, entries) in covariance.iter_mut().enumerate() {
            for (column, entry) in entries.iter_mut().enumerate() {
                *entry += (model[row] - model_mean[row]) * (seen[column] - seen_mean[column]);
            }
        }
    }
    // Scale drops out of a rotation; dividing by it keeps the numbers in range.
    let size = covariance
        .iter()
        .flatten()
        .fold(0.0_f64, |size, entry| size.max(entry.abs()));
    if !size.is_finite()
        || size < f64::MIN_POSITIVE
        || covariance.iter().flatten().any(|entry| entry.is_nan())
    {
        return None;
    }
    let covariance = covariance.map(|row| row.map(|entry| entry / size));
    let (quaternion, gap) = largest_eigenvector(horn_matrix(&covariance));
    (gap > MIN_GAP).then(|| matrix_of(quaternion))
}

fn mean(points: &[[f64; 3]; POINT_COUNT]) -> [f64; 3] {
    [0, 1, 2].map(|axis| points.iter().map(|point| point[axis]).sum::<f64>() / POINT_COUNT as f64)
}

/// Horn's symmetric matrix, whose largest eigenvector is the quaternion w, x, y, z.
fn horn_matrix(covariance: &[[f64; 3]; 3]) -> [[f64; 4]; 4] {
    let [[xx, xy, xz], [yx, yy, yz], [zx, zy, zz]] = *covariance;
    [
        [xx + yy + zz, yz - zy, zx - xz, xy - yx],
        [yz - zy, xx - yy - zz, xy + yx, zx + xz],
        [zx - xz, xy + yx, yy - xx - zz, yz + zy],
        [xy - yx, zx + xz, yz + zy, zz - xx - yy],
    ]
}

/// The unit eigenvector of the largest eigenvalue, by Jacobi rotations, and that value's distance from the next one.
fn largest_eigenvector(mut matrix: [[f64; 4]; 4]) -> ([f64; 4], f64) {
    // Row k is the eigenvector that belongs to diagonal entry k.
    let mut vectors = [
        [1.0, 0.0, 0.0, 0.0],
        [0.0, 1.0, 0.0, 0.0],
        [0.0, 0.0, 1.0, 0.0],
        [0.0, 0.0, 0.0, 1.0],
    ];
    for _ in 0..12 {
        for p in 0..3 {
            for q in p + 1..4 {
                if matrix[p][q] == 0.0 {
                    continue;
                }
                let theta = (matrix[q][q] - matrix[p][p]) / (2.0 * matrix[p][q]);
                let tan = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
                let cos = 1.0 / (tan * tan + 1.0).sqrt();
                let sin = tan * cos;
                for row in &mut matrix {
                    (row[p], row[q]) = (cos * row[p] - sin * row[q], sin * row[p] + cos * row[q]);
                }
                for k in 0..4 {
                    (matrix[p][k], matrix[q][k]) = (
                        cos * matrix[p][k] - sin * matrix[q][k],
                        sin * matrix[p][k] + cos * matrix[q][k],
                    );
                    (vectors[p][k], vectors[q][k]) = (
                        cos * vectors[p][k] - sin * vectors[q][k],
                        sin * vectors[p][k] + cos * vectors[q][k],
                    );
                }
            }
        }
    }
    let values = [0, 1, 2, 3].map(|k| matrix[k][k]);
    let mut best = 0;
    for k in 1..4 {
        if values[k] > values[best] {
            best = k;
        }
    }
    let next = (0..4)
        .filter(|k| *k != best)
        .map(|k| values[k])
        .fold(f64::NEG_INFINITY, f64::max);
    (vectors[best], values[best] - next)
}

fn matrix_of([w, x, y, z]: [f64; 4]) -> [[f64; 3]; 3] {
    [
        [
            1.0 - 2.0 * (y * y + z * z),
            2.0 * (x * y - w * z),
            2.0 * (x * z + w * y),
        ],
        [
            2.0 * (x * y + w * z),
            1.0 - 2.0 * (x * x + z * z),
            2.0 * (y * z - w * x),
        ],
        [
            2.0 * (x * z - w * y),
            2.0 * (y * z + w * x),
            1.0 - 2.0 * (x * x + y * y),
        ],
    ]
}
