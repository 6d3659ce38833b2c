//! A picture in the decoder's own memory.

use std::sync::Arc;

use lsie_device::{ColorSpace, FrameError, PixelFormat};

use super::bay::Bay;
use super::surface::{MappedPlane, Surface};
use crate::gst::stamps::Stamp;

/// Where a plane begins on the device and how far apart its rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CudaPlane {
    /// First byte, an address of the device in our primary context. Never to be followed on the host.
    pub address: u64,
    /// Distance between the starts of two rows; at least the bytes of one row.
    pub pitch_bytes: usize,
}

/// An NV12 picture where the decoder wrote it: luma, then U and V interleaved at half size.
///
/// Drop it when everything that reads it is queued on the share's [`super::WorkQueue`]: its surface goes back to the decoder
/// once the device has come that far, never before. Of one source at most [`super::MAX_SURFACES`] are held.
pub struct CudaFrame {
    planes: [CudaPlane; 2],
    width: u32,
    height: u32,
    color: ColorSpace,
    pts_ns: i64,
    stamp: Stamp,
    surface: Option<Surface>,
    bay: Arc<Bay>,
}

impl CudaFrame {
    /// Checks the planes of a mapped surface. Its place in the bay is taken already.
    pub(super) fn new(
        surface: Surface,
        bay: Arc<Bay>,
        size: (u32, u32),
        color: ColorSpace,
        pts_ns: i64,
        stamp: Stamp,
    ) -> Result<Self, FrameError> {
        let [luma, chroma] = surface.planes();
        let planes = check(0, luma, size).and_then(|luma| Ok([luma, check(1, chroma, size)?]));
        let planes = match planes {
            Ok(planes) => planes,
            Err(error) => {
                bay.give_place_back();
                return Err(error);
            }
        };
        Ok(CudaFrame {
            planes,
            width: size.0,
            height: size.1,
            color,
            pts_ns,
            stamp,
            surface: Some(surface),
            bay,
        })
    }

    /// Luma, then chroma.
    pub fn planes(&self) -> [CudaPlane; 2] {
        self.planes
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// What the samples mean.
    pub fn color(&self) -> ColorSpace {
        self.color
    }

    /// Media time on the source's clock, nanoseconds.
    pub fn pts_ns(&self) -> i64 {
        self.pts_ns
    }

    /// When the picture arrived, nanoseconds of the host's monotonic clock.
    pub fn host_time_ns(&self) -> u64 {
        self.stamp.host_time_ns
    }

    /// The picture's number within its source.
    pub fn seq(&self) -> u64 {
        self.stamp.seq
    }
}

impl Drop for CudaFrame {
    fn drop(&mut self) {
        if let Some(surface) = self.surface.take() {
            self.bay.retire(surface);
        }
    }
}

impl std::fmt::Debug for CudaFrame {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("CudaFrame")
            .field("planes", &self.planes)
            .field("size", &(self.width, self.height))
            .field("pts_ns", &self.pts_ns)
            .finish_non_exhaustive()
    }
}

/// A plane whose rows fit their pitch and whose last row lies within its memory.
fn check(index: usize, plane: MappedPlane, size: (u32, u32)) -> Result<CudaPlane, FrameError> {
    let format = PixelFormat::Nv12;
    let (row_bytes, rows) = format.plane_size(index, size.0, size.1);
    let pitch_bytes = usize::try_from(plane.stride_bytes).unwrap_or(0);
    if pitch_bytes < row_bytes {
        return Err(FrameError::Pitch {
            format,
            plane: index,
            pitch_bytes,
            row_bytes,
        });
    }
    let end_bytes = pitch_bytes
        .saturating_mul(rows.saturating_sub(1))
        .saturating_add(row_bytes);
    let slot_bytes = usize::try_from(plane.bytes).unwrap_or(usize::MAX);
    if plane.address == 0 || end_bytes > slot_bytes {
        return Err(FrameError::BeyondSlot {
            format,
            plane: index,
            end_bytes,
            slot_bytes,
        });
    }
    Ok(CudaPlane {
        address: plane.address,
        pitch_bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLANE: MappedPlane = MappedPlane {
        address: 0x7000_0000,
        stride_bytes: 512,
        bytes: 512 * 32,
    };

    #[test]
    fn planes_that_cannot_be_are_refused() {
        let good = CudaPlane {
            address: 0x7000_0000,
            pitch_bytes: 512,
        };
        assert_eq!(check(0, PLANE, (500, 32)), Ok(good));
        assert_eq!(check(1, PLANE, (511, 64)), Ok(good), "chroma is rounded up");
        for (plane, size) in [
            (PLANE, (513, 32)),
            (PLANE, (500, 33)),
            (
                MappedPlane {
                    stride_bytes: -512,
                    ..PLANE
                },
                (500, 32),
            ),
            (
                MappedPlane {
                    stride_bytes: i64::MAX,
                    ..PLANE
                },
                (500, 32),
            ),
            (
                MappedPlane {
                    address: 0,
                    ..PLANE
                },
                (500, 32),
            ),
            (MappedPlane { bytes: 0, ..PLANE }, (1, 1)),
        ] {
            assert!(check(0, plane, size).is_err(), "{plane:?} {size:?}");
        }
    }
}
