//! The sums, one grid point after the other, in whole numbers.

use lsie_device::Frame;

use super::{Area, Exposure, Params};
use crate::error::KernelError;

/// Sums over an area of a frame of the `cpu` device.
pub fn measure(frame: &Frame, area: &Area) -> Result<Exposure, KernelError> {
    Ok(sums(frame, &Params::new(frame, area)?))
}

pub(super) fn sums(frame: &Frame, params: &Params) -> Exposure {
    let bytes = frame.buffer().host::<u8>().unwrap_or_default();
    let code = |x: u32, y: u32| {
        let first = params.offset + y * params.pitch + x * params.step;
        let byte = |at: u32| bytes.get(at as usize).copied().map_or(0, u32::from);
        if params.step == 1 {
            return byte(first);
        }
        // ITU-R BT.709 in 256ths.
        (54 * byte(first) + 183 * byte(first + 1) + 19 * byte(first + 2) + 128) / 256
    };
    let mut sums = Exposure::default();
    for row in 0..params.rows {
        for column in 0..params.columns {
            let (x, y) = (
                params.left + column * params.stride,
                params.top + row * params.stride,
            );
            let own = code(x, y);
            sums.points += 1;
            sums.luma += own;
            sums.luma_square += own * own;
            sums.dark += u32::from(own < params.dark_below);
            sums.bright += u32::from(own > params.bright_above);
            let has_neighbours = (1..params.width.saturating_sub(1)).contains(&x)
                && (1..params.height.saturating_sub(1)).contains(&y);
            if has_neighbours {
                let around = code(x - 1, y) + code(x + 1, y) + code(x, y - 1) + code(x, y + 1);
                let laplacian = (4 * own).abs_diff(around);
                sums.edges += 1;
                sums.edge_power += laplacian * laplacian / 16;
            }
        }
    }
    sums
}
