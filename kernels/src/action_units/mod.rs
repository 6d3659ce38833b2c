//! The shape of a face in its own axes: brows, lids, lips, jaw and mouth corners, for the action units beside AU12.
//!
//! ```text
//! landmarks and head rotation to a shape.   in: N × 478 × (x, y, z) f32, frame pixels, N × Pose   out: N × Shape
//! v1 one face after the other, the reference in f64: forty points are too little work to pay for more
//! text: kernel.wgsl, in f32 about one of the eye corners
//! tolerance 2e-5 of an inter-ocular distance       moves 0.5 KiB in, 56 B out a face
//! ```
//!
//! The points are turned back by the head's rotation, so that x runs along the head and y down it, and divided by the distance of
//! the eye middles along x. A width or height then changes little with the pose; what is left is the error of the
//! network's depth, which is why every unit has a pose limit where it is scored.
//!
//! Which facial movement a unit means follows the Facial Action Coding System (Ekman & Friesen 1978; Ekman, Friesen & Hager 2002).
//! Distances of brows, lips and corners over the distance of the eyes as its measures: Tian, Kanade & Cohn, "Recognizing
//! action units for facial expression analysis", PAMI 23(2), 2001. Lids: the eye aspect ratio of Soukupová & Čech, "Real-time eye
//! blink detection using facial landmarks", CVWW 2016. With q the turned points and u the distance of the eyes:
//!
//! | field | formula | unit |
//! |---|---|---|
//! | `brow_inner` | (y of the eye middle − mean y of 55, 107 or 285, 336) / u | AU1 |
//! | `brow_outer` | (y of the eye middle − mean y of 46, 53, 63, 70 or 276, 283, 293, 300) / u | AU2 |
//! | `lip_gap` | mean of y₈₇ − y₈₂, y₁₄ − y₁₃, y₃₁₇ − y₃₁₂, at least 0, / u | AU25 |
//! | `jaw_drop` | (y₁₅₂ − y₂) / u | AU26 |
//! | `eye_aspect` | (‖p₂−p₆‖ + ‖p₃−p₅‖) / (2 ‖p₁−p₄‖) of the lids | AU45 |
//! | `mouth_width` | (x₂₉₁ − x₆₁) / u: the ratio of math 4.3 along the head's own axis | AU12 |
//! | `corner_out`, `corner_up` | corner from the middle of the eyes, outward and upward, / u | AU12, per side |

pub mod reference;

use bytemuck::{Pod, Zeroable};
use lsie_device::{Argument, Buffer, KernelSource, Launch, Stream};

use crate::au12::Absent;
use crate::error::KernelError;
use crate::launch::{MAX_TEXT_FACES, check, input, output, runs_text};
use crate::pose::Pose;
use crate::project::LANDMARK_COUNT;

/// The measurement as text.
pub static SOURCE: KernelSource = KernelSource {
    name: "measure_shape",
    group: [32, 1, 1],
    arguments: 3,
    wgsl: include_str!("kernel.wgsl"),
    cuda: include_str!("kernel.cu"),
};

/// The shape of one face, as a device writes it. 56 bytes. Lengths in inter-ocular distances; of a pair the first is the side of
/// the eye with corner 33, which is on the picture's left.
#[derive(Debug, Clone, Copy, PartialEq, Default, Pod, Zeroable)]
#[repr(C)]
pub struct Shape {
    /// Height of the inner brow above the eye.
    pub brow_inner: [f32; 2],
    /// Height of the outer brow above the eye.
    pub brow_outer: [f32; 2],
    /// Opening between the inner lips, at least 0.
    pub lip_gap: f32,
    /// From the base of the nose down to the chin.
    pub jaw_drop: f32,
    /// Height over width of the eye's opening.
    pub eye_aspect: [f32; 2],
    /// Mouth width.
    pub mouth_width: f32,
    /// Mouth corner outward from the middle of the eyes.
    pub corner_out: [f32; 2],
    /// Mouth corner upward from the middle of the eyes: negative, more when it hangs.
    pub corner_up: [f32; 2],
    /// 0 measured, 1 degenerate, 2 not finite; the numbers mean nothing unless it is 0.
    pub state: u32,
}

impl Shape {
    /// The shape, or why there is none.
    pub fn checked(self) -> Result<Shape, Absent> {
        match self.state {
            0 => Ok(self),
            1 => Err(Absent::Degenerate),
            _ => Err(Absent::NotFinite),
        }
    }

    fn absent(why: Absent) -> Shape {
        Shape {
            state: match why {
                Absent::Degenerate => 1,
                Absent::NotFinite => 2,
            },
            ..Shape::default()
        }
    }
}

/// Measures `count` faces whose rotations [`crate::pose::launch`] found. `out` takes `count` × 56 bytes. Allocates nothing.
pub fn launch(
    stream: &Stream,
    landmarks: &Buffer,
    poses: &Buffer,
    count: usize,
    out: &mut Buffer,
) -> Result<(), KernelError> {
    let point_count = count.saturating_mul(LANDMARK_COUNT);
    if runs_text(stream) {
        check::<[f32; 3]>(stream, landmarks, point_count, "landmarks")?;
        check::<Pose>(stream, poses, count, "poses")?;
        check::<Shape>(stream, out, count, "shapes")?;
        if count > MAX_TEXT_FACES {
            return Err(KernelError::OutOfRange { what: "faces" });
        }
        let count = count as u32;
        return Ok(stream.launch(&Launch {
            source: &SOURCE,
            groups: [count.div_ceil(SOURCE.group[0]), 1, 1],
            params: bytemuck::bytes_of(&[count, 0, 0, 0]),
            arguments: &[
                Argument::Input(landmarks),
                Argument::Input(poses),
                Argument::Output(out),
            ],
        })?);
    }
    let points = input::<[f32; 3]>(stream, landmarks, point_count, "landmarks")?;
    let poses = input::<Pose>(stream, poses, count, "poses")?;
    let results = output::<Shape>(stream, out, count, "shapes")?;
    for ((face, pose), result) in points.chunks_exact(LANDMARK_COUNT).zip(poses).zip(results) {
        *result = reference::shape(face, pose).unwrap_or_else(Shape::absent);
    }
    stream.launched(&SOURCE);
    Ok(())
}
