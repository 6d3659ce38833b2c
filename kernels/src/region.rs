//! The place of a network's input picture within a frame: a rotated rectangle, and the maps both ways.

/// A rotated rectangle of a frame that is shown to a network.
///
/// Lengths are in pixels of the frame; a point of the crop is given as a fraction, (0, 0) its first corner and (1, 1) the
/// opposite one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Region {
    /// Centre in the frame.
    pub center: [f32; 2],
    /// Width and height before rotation.
    pub size: [f32; 2],
    /// Clockwise turn in the picture (y points down), radians.
    pub rotation_rad: f32,
}

impl Region {
    /// The upright square that holds a whole frame, the frame in its middle: the letterbox of the detector.
    pub fn letterbox(frame_width: u32, frame_height: u32) -> Self {
        let side = frame_width.max(frame_height) as f32;
        Region {
            center: [frame_width as f32 / 2.0, frame_height as f32 / 2.0],
            size: [side, side],
            rotation_rad: 0.0,
        }
    }

    /// Maps a fraction of the crop to frame pixels.
    pub fn frame_from_crop(&self, point_in_crop: [f32; 2]) -> [f32; 2] {
        let (sin, cos) = self.rotation_rad.sin_cos();
        let dx = (point_in_crop[0] - 0.5) * self.size[0];
        let dy = (point_in_crop[1] - 0.5) * self.size[1];
        [
            dx * cos - dy * sin + self.center[0],
            dx * sin + dy * cos + self.center[1],
        ]
    }

    /// Whether all numbers are finite and both sides positive.
    pub fn is_valid(&self) -> bool {
        let numbers = [
            self.center[0],
            self.center[1],
            self.size[0],
            self.size[1],
            self.rotation_rad,
        ];
        numbers.iter().all(|number| number.is_finite()) && self.size[0] > 0.0 && self.size[1] > 0.0
    }
}
