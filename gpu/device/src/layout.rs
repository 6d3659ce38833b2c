//! How pixels lie in memory: formats, planes, colour.

/// Largest side of a frame that is accepted, in pixels (16 k).
pub const MAX_FRAME_SIDE_PX: u32 = 16_384;

/// Pixel formats that sources deliver and kernels read. 8 bits a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PixelFormat {
    /// Plane 0 luma; plane 1 U and V interleaved, half size in both directions (rounded up).
    Nv12,
    /// Plane 0 luma; planes 1 and 2 U and V, half size in both directions (rounded up).
    I420,
    /// One packed plane R, G, B.
    Rgb8,
}

impl PixelFormat {
    /// How many planes it has.
    pub const fn plane_count(self) -> usize {
        match self {
            PixelFormat::Nv12 => 2,
            PixelFormat::I420 => 3,
            PixelFormat::Rgb8 => 1,
        }
    }

    /// Bytes of one row and number of rows of a plane, for a picture of `width`×`height`.
    pub const fn plane_size(self, plane: usize, width: u32, height: u32) -> (usize, usize) {
        let (width, height) = (width as usize, height as usize);
        let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
        match (self, plane) {
            (PixelFormat::Nv12 | PixelFormat::I420, 0) => (width, height),
            (PixelFormat::Nv12, _) => (2 * half_width, half_height),
            (PixelFormat::I420, _) => (half_width, half_height),
            (PixelFormat::Rgb8, _) => (3 * width, height),
        }
    }
}

/// Where a plane starts in its slot and how far apart its rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Plane {
    /// First byte in the slot.
    pub offset_bytes: usize,
    /// Distance between the starts of two rows; at least the bytes of one row.
    pub pitch_bytes: usize,
}

/// The matrix between R'G'B' and Y'CbCr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ColorMatrix {
    /// ITU-R BT.601, standard definition and JPEG.
    Bt601,
    /// ITU-R BT.709, high definition.
    Bt709,
}

/// Which codes mean black and white.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ColorRange {
    /// Luma 16–235, chroma 16–240.
    Limited,
    /// 0–255.
    Full,
}

/// What the samples of a Y'CbCr picture mean. Without meaning for [`PixelFormat::Rgb8`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ColorSpace {
    /// The matrix.
    pub matrix: ColorMatrix,
    /// The range.
    pub range: ColorRange,
}

impl Default for ColorSpace {
    /// BT.709, limited range: what decoders of phone video deliver.
    fn default() -> Self {
        ColorSpace {
            matrix: ColorMatrix::Bt709,
            range: ColorRange::Limited,
        }
    }
}

/// The description of a frame does not fit its pixels. The source that made it is at fault; drop the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A side is zero or above [`crate::MAX_FRAME_SIDE_PX`].
    #[error("a frame of {width}x{height} is not possible")]
    Size {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// Rows of a plane overlap: the pitch is below the bytes of one row.
    #[error(
        "plane {plane} of {format:?} has a pitch of {pitch_bytes} bytes, a row needs {row_bytes}"
    )]
    Pitch {
        /// The pixel format.
        format: PixelFormat,
        /// Index of the plane.
        plane: usize,
        /// The given pitch.
        pitch_bytes: usize,
        /// The least pitch.
        row_bytes: usize,
    },
    /// A plane ends beyond its slot.
    #[error("plane {plane} of {format:?} ends at byte {end_bytes}, the slot has {slot_bytes}")]
    BeyondSlot {
        /// The pixel format.
        format: PixelFormat,
        /// Index of the plane.
        plane: usize,
        /// One past the last byte of the plane (saturated).
        end_bytes: usize,
        /// Bytes of the slot.
        slot_bytes: usize,
    },
}

/// Size, format and planes of a picture in a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameLayout {
    /// The pixel format.
    pub format: PixelFormat,
    /// Width in pixels, 1 to [`MAX_FRAME_SIDE_PX`].
    pub width: u32,
    /// Height in pixels, 1 to [`MAX_FRAME_SIDE_PX`].
    pub height: u32,
    /// The planes; only the first [`PixelFormat::plane_count`] count.
    pub planes: [Plane; 3],
}

impl FrameLayout {
    /// The layout without padding, planes one after the other.
    pub fn tight(format: PixelFormat, width: u32, height: u32) -> Result<Self, FrameError> {
        check_size(width, height)?;
        let mut planes = [Plane::default(); 3];
        let mut offset_bytes = 0;
        for (index, plane) in planes.iter_mut().enumerate().take(format.plane_count()) {
            let (row_bytes, rows) = format.plane_size(index, width, height);
            *plane = Plane {
                offset_bytes,
                pitch_bytes: row_bytes,
            };
            offset_bytes += row_bytes * rows;
        }
        Ok(FrameLayout {
            format,
            width,
            height,
            planes,
        })
    }

    /// The planes that count.
    pub fn planes(&self) -> &[Plane] {
        self.planes
            .get(..self.format.plane_count())
            .unwrap_or_default()
    }

    /// One past the last byte that the picture uses (saturated): the least size of its slot.
    pub fn bytes(&self) -> usize {
        (0..self.format.plane_count())
            .map(|plane| self.plane_end(plane))
            .max()
            .unwrap_or(0)
    }

    /// Checks it against a slot of `slot_bytes`.
    pub fn check(&self, slot_bytes: usize) -> Result<(), FrameError> {
        check_size(self.width, self.height)?;
        for (index, plane) in self.planes().iter().enumerate() {
            let (row_bytes, _) = self.format.plane_size(index, self.width, self.height);
            if plane.pitch_bytes < row_bytes {
                return Err(FrameError::Pitch {
                    format: self.format,
                    plane: index,
                    pitch_bytes: plane.pitch_bytes,
                    row_bytes,
                });
            }
            let end_bytes = self.plane_end(index);
            if end_bytes > slot_bytes {
                return Err(FrameError::BeyondSlot {
                    format: self.format,
                    plane: index,
                    end_bytes,
                    slot_bytes,
                });
            }
        }
        Ok(())
    }

    fn plane_end(&self, index: usize) -> usize {
        let (row_bytes, rows) = self.format.plane_size(index, self.width, self.height);
        let Some(plane) = self.planes.get(index) else {
            return 0;
        };
        plane
            .pitch_bytes
            .saturating_mul(rows.saturating_sub(1))
            .saturating_add(row_bytes)
            .saturating_add(plane.offset_bytes)
    }
}

fn check_size(width: u32, height: u32) -> Result<(), FrameError> {
    let possible = 1..=MAX_FRAME_SIDE_PX;
    if possible.contains(&width) && possible.contains(&height) {
        return Ok(());
    }
    Err(FrameError::Size { width, height })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tight_layouts_round_chroma_up() {
        let even = FrameLayout::tight(PixelFormat::Nv12, 1920, 1080).unwrap();
        assert_eq!(even.bytes(), 3_110_400);
        assert_eq!(
            even.planes()[1],
            Plane {
                offset_bytes: 2_073_600,
                pitch_bytes: 1920
            }
        );

        let odd = FrameLayout::tight(PixelFormat::I420, 5, 3).unwrap();
        assert_eq!(odd.planes().len(), 3);
        assert_eq!(
            odd.planes()[2],
            Plane {
                offset_bytes: 15 + 6,
                pitch_bytes: 3
            }
        );
        assert_eq!(odd.bytes(), 15 + 6 + 6);

        let one = FrameLayout::tight(PixelFormat::Nv12, 1, 1).unwrap();
        assert_eq!(one.bytes(), 3);
    }

    #[test]
    fn sizes_pitches_and_ends_are_checked() {
        assert_eq!(
            FrameLayout::tight(PixelFormat::Rgb8, 0, 4),
            Err(FrameError::Size {
                width: 0,
                height: 4
            })
        );
        assert!(FrameLayout::tight(PixelFormat::Rgb8, 4, MAX_FRAME_SIDE_PX + 1).is_err());

        let mut layout = FrameLayout::tight(PixelFormat::I420, 8, 8).unwrap();
        assert_eq!(layout.check(96), Ok(()));
        assert!(matches!(
            layout.check(95),
            Err(FrameError::BeyondSlot {
                plane: 2,
                end_bytes: 96,
                ..
            })
        ));
        layout.planes[1].pitch_bytes = 3;
        assert!(matches!(
            layout.check(96),
            Err(FrameError::Pitch {
                plane: 1,
                row_bytes: 4,
                ..
            })
        ));
        layout.planes[1] = Plane {
            offset_bytes: usize::MAX,
            pitch_bytes: usize::MAX,
        };
        assert!(matches!(
            layout.check(usize::MAX - 1),
            Err(FrameError::BeyondSlot { plane: 1, .. })
        ));
    }

    #[test]
    fn the_last_row_needs_no_padding() {
        let mut layout = FrameLayout::tight(PixelFormat::Rgb8, 2, 3).unwrap();
        layout.planes[0].pitch_bytes = 64;
        assert_eq!(layout.bytes(), 64 * 2 + 6);
        assert_eq!(layout.check(134), Ok(()));
    }
}
