//! A picture in the decoder's own memory.

use std::sync::{Arc, Mutex};

use lsie_device::{
    ColorSpace, DeviceError, Frame, FrameError, FrameLayout, FrameMeta, LentMemory, PixelFormat,
    Plane,
};

use super::bay::Bay;
use super::share::CudaShare;
use super::surface::{MappedPlane, Surface};
use crate::error::IngestError;
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

    /// The same picture as a frame of the device whose context the decoder shares. The surface is held until the last clone of the
    /// frame is dropped, and goes back as that of a [`CudaFrame`] does. [`DeviceError::Rejected`] for a share that is of no device.
    pub(super) fn lend(self, share: &CudaShare) -> Result<Frame, IngestError> {
        let device = share.frames_on().ok_or_else(|| DeviceError::Rejected {
            what: "a decoder's surface".to_owned(),
            detail: "its context was lent by no device".to_owned(),
        })?;
        let format = PixelFormat::Nv12;
        let mut layout = FrameLayout::tight(format, self.width, self.height)?;
        let [luma, chroma] = self.planes;
        let address = luma.address.min(chroma.address);
        let mut bytes = 0;
        let slots = layout.planes.iter_mut().zip(self.planes).enumerate();
        for (index, (slot, plane)) in slots {
            let (row_bytes, rows) = format.plane_size(index, self.width, self.height);
            let offset_bytes = usize::try_from(plane.address - address).unwrap_or(usize::MAX);
            let last_row = plane.pitch_bytes.saturating_mul(rows.saturating_sub(1));
            let plane_bytes = last_row.saturating_add(row_bytes);
            bytes = bytes.max(offset_bytes.saturating_add(plane_bytes));
            *slot = Plane {
                offset_bytes,
                pitch_bytes: plane.pitch_bytes,
            };
        }
        let meta = FrameMeta {
            layout,
            color: self.color,
            pts_ns: self.pts_ns,
            host_time_ns: self.stamp.host_time_ns,
            seq: self.stamp.seq,
        };
        let memory = LentMemory {
            address,
            bytes,
            // A surface may be moved between threads, not shared.
            owner: Box::new(Mutex::new(self)),
        };
        // SAFETY: both planes lie in the one piece of memory that was mapped, in the context that this very device lent; the decoder
        // has written them, and gets the surface back only after the owner's drop.
        let buffer = unsafe { device.borrow_memory(memory, "decoder surface") }?;
        Ok(Frame::lent(buffer, meta)?)
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
