//! Merging and projecting in `f64`, point by point.

use super::{EYE_CONTOUR_COUNT, EYE_COUNT, LIP_COUNT, MESH_COUNT, MeshSubsets};
use crate::region::Region;

/// The tensors of the network: mesh x y z, and the refined parts x y, all in pixels of the 192×192 crop.
#[derive(Debug, Clone)]
pub struct Parts {
    /// 468 points.
    pub mesh: Vec<[f32; 3]>,
    /// Lips, then the eye with corner 33, then the eye with corner 263: 222 points in the order of [`MeshSubsets`].
    pub refined: Vec<[f32; 2]>,
    /// The iris of the eye with corner 33, then the other: 10 points.
    pub irises: Vec<[f32; 2]>,
}

/// Where landmark `index` of 478 lies in the frame. `None` for an index without a point.
pub fn landmark(
    parts: &Parts,
    subsets: &MeshSubsets,
    region: &Region,
    index: usize,
) -> Option<[f64; 3]> {
    let [x, y, z] = if index < MESH_COUNT {
        let [x, y, z] = parts.mesh.get(index)?.map(f64::from);
        let refined = subsets
            .indices()
            .iter()
            .rposition(|subset| *subset as usize == index);
        match refined.and_then(|position| parts.refined.get(position)) {
            Some(point) => [f64::from(point[0]), f64::from(point[1]), z],
            None => [x, y, z],
        }
    } else {
        let point = parts.irises.get(index - MESH_COUNT)?;
        let first = LIP_COUNT + if index < MESH_COUNT + 5 { 0 } else { EYE_COUNT };
        let contour = subsets.indices().get(first..first + EYE_CONTOUR_COUNT)?;
        let depths = contour
            .iter()
            .filter_map(|subset| parts.mesh.get(*subset as usize));
        let sum: f64 = depths.map(|point| f64::from(point[2])).sum();
        [
            f64::from(point[0]),
            f64::from(point[1]),
            sum / EYE_CONTOUR_COUNT as f64,
        ]
    };
    let angle = f64::from(region.rotation_rad);
    let [width, height] = region.size.map(f64::from);
    let (dx, dy) = ((x / 192.0 - 0.5) * width, (y / 192.0 - 0.5) * height);
    Some([
        f64::from(region.center[0]) + dx * angle.cos() - dy * angle.sin(),
        f64::from(region.center[1]) + dx * angle.sin() + dy * angle.cos(),
        z / 192.0 * width,
    ])
}
