//! The committed portrait, decoded and enlarged once to the planes of a video frame.

use crate::demo::picture::{CROP_LEFT, CROP_TOP, HEIGHT_PX, SCALE, WIDTH_PX};
use crate::error::IngestError;

/// NASA portrait of Eileen Collins, public domain; 512×512 RGB.
pub(crate) const PORTRAIT_PNG: &[u8] = include_bytes!("../../assets/presenter.png");

/// One plane of 8-bit samples without padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plane8 {
    pub(crate) data: Vec<u8>,
    pub(crate) width: usize,
    pub(crate) height: usize,
}

/// A whole picture in I420, BT.709 limited range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BasePicture {
    pub(crate) y: Plane8,
    pub(crate) u: Plane8,
    pub(crate) v: Plane8,
}

/// The decoded portrait, 3 bytes a pixel.
struct Portrait {
    rgb: Vec<u8>,
    width: usize,
    height: usize,
}

impl BasePicture {
    /// Decodes the portrait and enlarges it to the demo's frame.
    pub(crate) fn load() -> Result<Self, IngestError> {
        let portrait = Portrait::decode(PORTRAIT_PNG)?;
        let (width, height) = (WIDTH_PX as usize, HEIGHT_PX as usize);
        let mut y = Plane8::empty(width, height);
        let mut cb = Vec::with_capacity(width * height);
        let mut cr = Vec::with_capacity(width * height);
        for row in 0..height {
            for column in 0..width {
                let rgb = portrait.sample(
                    column as f64 / SCALE + CROP_LEFT,
                    row as f64 / SCALE + CROP_TOP,
                );
                let [luma, blue, red] = bt709(rgb);
                y.data.push((luma + 0.5).clamp(16.0, 235.0) as u8);
                cb.push(blue);
                cr.push(red);
            }
        }
        Ok(BasePicture {
            y,
            u: halve(&cb, width, height),
            v: halve(&cr, width, height),
        })
    }
}

impl Plane8 {
    fn empty(width: usize, height: usize) -> Self {
        Plane8 {
            data: Vec::with_capacity(width * height),
            width,
            height,
        }
    }
}

impl Portrait {
    fn decode(bytes: &[u8]) -> Result<Self, IngestError> {
        let unreadable = |reason: String| IngestError::Cache {
            path: "presenter.png".into(),
            reason,
        };
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes))
            .read_info()
            .map_err(|error| unreadable(error.to_string()))?;
        let size = reader
            .output_buffer_size()
            .ok_or_else(|| unreadable("too large".to_owned()))?;
        let mut rgb = vec![0; size];
        let info = reader
            .next_frame(&mut rgb)
            .map_err(|error| unreadable(error.to_string()))?;
        if info.color_type != png::ColorType::Rgb || info.bit_depth != png::BitDepth::Eight {
            return Err(unreadable("not 8-bit RGB".to_owned()));
        }
        Ok(Portrait {
            rgb,
            width: info.width as usize,
            height: info.height as usize,
        })
    }

    /// Catmull-Rom sample at a point in portrait pixels; beyond the edge the edge goes on.
    fn sample(&self, x: f64, y: f64) -> [f64; 3] {
        let (left, top) = (x.floor(), y.floor());
        let (wx, wy) = (catmull_rom(x - left), catmull_rom(y - top));
        let mut sum = [0.0; 3];
        for (j, weight_y) in wy.iter().enumerate() {
            for (i, weight_x) in wx.iter().enumerate() {
                let pixel = self.at(
                    left as isize + i.cast_signed() - 1,
                    top as isize + j.cast_signed() - 1,
                );
                for (total, part) in sum.iter_mut().zip(pixel) {
                    *total += weight_x * weight_y * f64::from(*part);
                }
            }
        }
        sum
    }

    fn at(&self, x: isize, y: isize) -> &[u8] {
        let x = x.clamp(0, self.width.cast_signed() - 1) as usize;
        let y = y.clamp(0, self.height.cast_signed() - 1) as usize;
        let first = 3 * (y * self.width + x);
        self.rgb.get(first..first + 3).unwrap_or(&[0, 0, 0])
    }
}

/// Weights of the four neighbours for a fraction in [0, 1).
fn catmull_rom(f: f64) -> [f64; 4] {
    let (f2, f3) = (f * f, f * f * f);
    [
        -0.5 * f + f2 - 0.5 * f3,
        1.0 - 2.5 * f2 + 1.5 * f3,
        0.5 * f + 2.0 * f2 - 1.5 * f3,
        -0.5 * f2 + 0.5 * f3,
    ]
}

/// R'G'B' 0–255 to Y'CbCr, ITU-R BT.709, limited range.
fn bt709(rgb: [f64; 3]) -> [f64; 3] {
    let [r, g, b] = rgb.map(|part| part.clamp(0.0, 255.0) / 255.0);
    let luma = 0.2126 * r + 0.7152 * g + 0.0722 * b;
    [
        16.0 + 219.0 * luma,
        128.0 + 224.0 * (b - luma) / 1.8556,
        128.0 + 224.0 * (r - luma) / 1.5748,
    ]
}

/// Means of 2×2; width and height are even.
fn halve(full: &[f64], width: usize, height: usize) -> Plane8 {
    let mut plane = Plane8::empty(width / 2, height / 2);
    let at = |x: usize, y: usize| full.get(y * width + x).copied().unwrap_or(128.0);
    for row in 0..height / 2 {
        for column in 0..width / 2 {
            let (x, y) = (2 * column, 2 * row);
            let mean = (at(x, y) + at(x + 1, y) + at(x, y + 1) + at(x + 1, y + 1)) / 4.0;
            plane.data.push((mean + 0.5).clamp(16.0, 240.0) as u8);
        }
    }
    plane
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_enlarged_portrait_has_the_planes_of_a_720p_frame() {
        let base = BasePicture::load().unwrap();
        assert_eq!(base.y.data.len(), 1280 * 720);
        assert_eq!(base.u.data.len(), 640 * 360);
        assert_eq!(base.v.data.len(), 640 * 360);
    }

    #[test]
    fn primaries_have_their_codes() {
        assert_eq!(bt709([0.0; 3]).map(f64::round), [16.0, 128.0, 128.0]);
        assert_eq!(bt709([255.0; 3]).map(f64::round), [235.0, 128.0, 128.0]);
        assert_eq!(
            bt709([255.0, 0.0, 0.0]).map(f64::round),
            [63.0, 102.0, 240.0]
        );
    }

    #[test]
    fn garbage_is_no_portrait() {
        assert!(matches!(
            Portrait::decode(b"nothing"),
            Err(IngestError::Cache { .. })
        ));
        assert!(Portrait::decode(PORTRAIT_PNG.get(..5000).unwrap()).is_err());
    }
}
