//! The landmark networks' outputs merged into one face and brought back into the frame.
//!
//! ```text
//! 468 mesh + 80 lip + 2×71 eye + 2×5 iris points to 478 landmarks.   in: f32 in pixels of the 192×192 crop, mesh x y z, the others
//! x y   out: 478 × (x, y, z) f32 in frame pixels, z in the same unit, smaller is nearer
//! v1 one pass        tolerance 2^-22 × (distance from the origin + crop size)
//! moves 8 KiB in, 6 KiB out
//! ```
//!
//! Lips and eyes replace x and y of the mesh points that [`MeshSubsets`] names; z stays the mesh's. The iris points are 468 to
//! 472 (of the eye with corner 33) and 473 to 477; their z is the mean z of the first 16 points of their eye, its contour.
//! z is scaled by the width of the crop in the frame.

pub mod reference;

use lsie_device::{Argument, Buffer, Device, DeviceError, KernelSource, Launch, Stream};

use crate::error::KernelError;
use crate::launch::{check, input, output, runs_text};
use crate::region::Region;

/// Points of the mesh.
pub const MESH_COUNT: usize = 468;
/// Points of the mouth.
pub const LIP_COUNT: usize = 80;
/// Points around one eye.
pub const EYE_COUNT: usize = 71;
/// Points of one iris.
pub const IRIS_COUNT: usize = 5;
/// All landmarks: mesh and both irises.
pub const LANDMARK_COUNT: usize = MESH_COUNT + 2 * IRIS_COUNT;
/// Bytes of the output buffer: x, y, z as f32 for each landmark.
pub const OUTPUT_BYTES: usize = LANDMARK_COUNT * 12;
/// Side of the network's input, pixels.
pub const INPUT_SIDE_PX: u32 = 192;

/// The first points of an eye's subset are its contour.
const EYE_CONTOUR_COUNT: usize = 16;
const SUBSET_TOTAL: usize = LIP_COUNT + 2 * EYE_COUNT;

/// Which mesh points the refined parts replace, in the order of their tensors. Stored in the model itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeshSubsets {
    indices: [u32; SUBSET_TOTAL],
}

impl MeshSubsets {
    /// Takes the three lists of the model: lips, the eye with corner 33, the eye with corner 263. `None` unless they have 80,
    /// 71 and 71 entries below 468.
    pub fn new(lips: &[u32], left_eye: &[u32], right_eye: &[u32]) -> Option<Self> {
        let is_complete =
            lips.len() == LIP_COUNT && left_eye.len() == EYE_COUNT && right_eye.len() == EYE_COUNT;
        let mut indices = [0; SUBSET_TOTAL];
        for (slot, index) in indices
            .iter_mut()
            .zip(lips.iter().chain(left_eye).chain(right_eye))
        {
            *slot = *index;
        }
        let is_in_mesh = indices.iter().all(|index| (*index as usize) < MESH_COUNT);
        (is_complete && is_in_mesh).then_some(MeshSubsets { indices })
    }

    /// Lips, then the eye with corner 33, then the eye with corner 263.
    pub fn indices(&self) -> &[u32] {
        &self.indices
    }

    /// Puts the lists on a device, once at start-up.
    pub fn upload(&self, device: &dyn Device, stream: &Stream) -> Result<Buffer, DeviceError> {
        let mut buffer = device.alloc(size_of_val(&self.indices), "mesh subsets")?;
        buffer.upload(stream, 0, bytemuck::cast_slice(&self.indices))?;
        Ok(buffer)
    }
}

/// The outputs of the attention mesh network, and the subsets.
#[derive(Debug, Clone, Copy)]
pub struct MeshOutputs<'a> {
    /// 468×3.
    pub mesh: &'a Buffer,
    /// 80×2.
    pub lips: &'a Buffer,
    /// 71×2, the eye with corner 33.
    pub left_eye: &'a Buffer,
    /// 71×2, the eye with corner 263.
    pub right_eye: &'a Buffer,
    /// 5×2, the eye with corner 33.
    pub left_iris: &'a Buffer,
    /// 5×2, the eye with corner 263.
    pub right_iris: &'a Buffer,
    /// From [`MeshSubsets::upload`].
    pub subsets: &'a Buffer,
}

/// Merging and projecting as text.
pub static SOURCE: KernelSource = KernelSource {
    name: "project_landmarks",
    group: [64, 1, 1],
    arguments: 8,
    wgsl: include_str!("kernel.wgsl"),
    cuda: include_str!("kernel.cu"),
};

/// Merges and projects one face. `out` takes [`OUTPUT_BYTES`]. Allocates nothing.
///
/// Numbers that are not finite pass through: the formulas that use a landmark decide what its loss means.
pub fn launch(
    stream: &Stream,
    outputs: &MeshOutputs<'_>,
    region: &Region,
    out: &mut Buffer,
) -> Result<(), KernelError> {
    if !region.is_valid() {
        return Err(KernelError::NotFinite {
            what: "crop region",
        });
    }
    if runs_text(stream) {
        return launch_text(stream, outputs, region, out);
    }
    let pairs = |buffer, count, what| input::<[f32; 2]>(stream, buffer, count, what);
    let mesh = input::<[f32; 3]>(stream, outputs.mesh, MESH_COUNT, "mesh")?;
    let subsets = input::<u32>(stream, outputs.subsets, SUBSET_TOTAL, "mesh subsets")?;
    let lips = pairs(outputs.lips, LIP_COUNT, "lips")?;
    let left_eye = pairs(outputs.left_eye, EYE_COUNT, "left eye")?;
    let right_eye = pairs(outputs.right_eye, EYE_COUNT, "right eye")?;
    let left_iris = pairs(outputs.left_iris, IRIS_COUNT, "left iris")?;
    let right_iris = pairs(outputs.right_iris, IRIS_COUNT, "right iris")?;
    let landmarks = output::<[f32; 3]>(stream, out, LANDMARK_COUNT, "landmarks")?;

    let (mesh_part, iris_part) = landmarks.split_at_mut(MESH_COUNT);
    mesh_part.copy_from_slice(mesh);
    for (index, refined) in subsets
        .iter()
        .zip(lips.iter().chain(left_eye).chain(right_eye))
    {
        if let Some(point) = mesh_part.get_mut(*index as usize) {
            *point = [refined[0], refined[1], point[2]];
        }
    }
    let (_, eyes) = subsets.split_at(LIP_COUNT);
    let depths = eyes
        .chunks_exact(EYE_COUNT)
        .map(|eye| contour_depth(mesh, eye));
    for ((points, depth), slots) in [left_iris, right_iris]
        .into_iter()
        .zip(depths)
        .zip(iris_part.chunks_exact_mut(IRIS_COUNT))
    {
        for (slot, point) in slots.iter_mut().zip(points) {
            *slot = [point[0], point[1], depth];
        }
    }
    let unit = 1.0 / INPUT_SIDE_PX as f32;
    let (sin, cos) = region.rotation_rad.sin_cos();
    let ([width, height], [center_x, center_y]) = (region.size, region.center);
    for point in landmarks {
        let dx = (point[0] * unit - 0.5) * width;
        let dy = (point[1] * unit - 0.5) * height;
        *point = [
            dx * cos - dy * sin + center_x,
            dx * sin + dy * cos + center_y,
            point[2] * unit * width,
        ];
    }
    stream.launched(&SOURCE);
    Ok(())
}

fn launch_text(
    stream: &Stream,
    outputs: &MeshOutputs<'_>,
    region: &Region,
    out: &mut Buffer,
) -> Result<(), KernelError> {
    check::<[f32; 3]>(stream, outputs.mesh, MESH_COUNT, "mesh")?;
    check::<u32>(stream, outputs.subsets, SUBSET_TOTAL, "mesh subsets")?;
    check::<[f32; 2]>(stream, outputs.lips, LIP_COUNT, "lips")?;
    check::<[f32; 2]>(stream, outputs.left_eye, EYE_COUNT, "left eye")?;
    check::<[f32; 2]>(stream, outputs.right_eye, EYE_COUNT, "right eye")?;
    check::<[f32; 2]>(stream, outputs.left_iris, IRIS_COUNT, "left iris")?;
    check::<[f32; 2]>(stream, outputs.right_iris, IRIS_COUNT, "right iris")?;
    check::<[f32; 3]>(stream, out, LANDMARK_COUNT, "landmarks")?;
    let (sin, cos) = region.rotation_rad.sin_cos();
    let ([center_x, center_y], [width, height]) = (region.center, region.size);
    let params = [center_x, center_y, width, height, sin, cos, 0.0, 0.0];
    Ok(stream.launch(&Launch {
        source: &SOURCE,
        groups: [(LANDMARK_COUNT as u32).div_ceil(SOURCE.group[0]), 1, 1],
        params: bytemuck::bytes_of(&params),
        arguments: &[
            Argument::Input(outputs.mesh),
            Argument::Input(outputs.lips),
            Argument::Input(outputs.left_eye),
            Argument::Input(outputs.right_eye),
            Argument::Input(outputs.left_iris),
            Argument::Input(outputs.right_iris),
            Argument::Input(outputs.subsets),
            Argument::Output(out),
        ],
    })?)
}

/// Mean z of an eye's contour.
fn contour_depth(mesh: &[[f32; 3]], eye: &[u32]) -> f32 {
    let contour = eye.iter().take(EYE_CONTOUR_COUNT);
    let sum: f32 = contour
        .filter_map(|index| mesh.get(*index as usize))
        .map(|point| point[2])
        .sum();
    sum / EYE_CONTOUR_COUNT as f32
}
