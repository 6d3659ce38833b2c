//! The crop on the processor: chunks of output pixels, each step a plain loop over arrays.

#![expect(
    clippy::inline_always,
    reason = "the loops must land in the function that may use wider vectors, or they stay narrow"
)]

use lsie_device::{DeviceError, Frame, PixelFormat};

use super::{Border, CropParams, Sampling, TensorOrder, YuvToRgb};
use crate::error::KernelError;

/// Adding and subtracting this number rounds to a whole number, to even where undecided: SSE2 has no other vector rounding.
const WHOLE: f32 = 12_582_912.0;
/// The same for 1/32.
const THIRTY_SECOND: f32 = WHOLE / 32.0;
/// Output pixels per chunk: all arrays of a chunk stay in the first-level cache.
const CHUNK: usize = 64;

/// One channel of a picture: sample `(x, y)` is byte `y·pitch + x·step`.
struct Channel<'a> {
    bytes: &'a [u8],
    pitch_bytes: u32,
    step_bytes: u32,
}

/// A picture as three channels; the last two may have half the size.
pub(super) struct Picture<'a> {
    channels: [Channel<'a>; 3],
    size: [i32; 2],
    is_chroma_half: bool,
    /// `None` for a picture that is R, G, B already.
    to_rgb: Option<YuvToRgb>,
}

/// Where the four taps of a bilinear sample are and how they weigh, for a chunk.
struct Taps {
    /// Byte offset of the upper left tap.
    offset: [u32; CHUNK],
    /// From a tap to the one on its right, bytes; 0 in a picture one sample wide.
    to_right: usize,
    /// From a tap to the one below it, bytes; 0 in a picture one sample high.
    to_bottom: usize,
    weight_right: [f32; CHUNK],
    weight_bottom: [f32; CHUNK],
}

impl<'a> Picture<'a> {
    /// Borrows the planes of a frame. Fails for planes that 32-bit offsets do not reach, which no checked frame of a
    /// sensible pitch has.
    pub(super) fn of(frame: &'a Frame) -> Result<Self, KernelError> {
        let found = frame.buffer().kind();
        let bytes = frame
            .buffer()
            .host::<u8>()
            .ok_or(DeviceError::WrongDevice {
                wanted: lsie_device::DeviceKind::Cpu,
                found,
            })?;
        let channel = |plane: usize, step_bytes: u32, first: usize| {
            let layout = frame.planes().get(plane).copied().unwrap_or_default();
            let start = layout.offset_bytes.saturating_add(first);
            let pitch_bytes = u32::try_from(layout.pitch_bytes).unwrap_or(u32::MAX);
            let is_reachable =
                layout.pitch_bytes.saturating_mul(frame.height() as usize) < u32::MAX as usize;
            if !is_reachable {
                return Err(KernelError::OutOfRange {
                    what: "plane pitch",
                });
            }
            Ok(Channel {
                bytes: bytes.get(start..).unwrap_or_default(),
                pitch_bytes,
                step_bytes,
            })
        };
        let channels = match frame.format() {
            PixelFormat::Nv12 => [channel(0, 1, 0)?, channel(1, 2, 0)?, channel(1, 2, 1)?],
            PixelFormat::I420 => [channel(0, 1, 0)?, channel(1, 1, 0)?, channel(2, 1, 0)?],
            PixelFormat::Rgb8 => [channel(0, 3, 0)?, channel(0, 3, 1)?, channel(0, 3, 2)?],
        };
        let is_yuv = frame.format() != PixelFormat::Rgb8;
        Ok(Picture {
            channels,
            size: [frame.width().cast_signed(), frame.height().cast_signed()],
            is_chroma_half: is_yuv,
            to_rgb: is_yuv.then(|| YuvToRgb::new(frame.color())),
        })
    }

    /// Writes one crop; `out` has the crop's length.
    pub(super) fn crop(&self, params: &CropParams, out: &mut [f32]) {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            #[expect(
                unsafe_code,
                reason = "code for instructions that not every processor has"
            )]
            // SAFETY: the processor has just said that it has AVX2, all that the function asks for.
            unsafe {
                self.crop_avx2(params, out);
            }
            return;
        }
        self.crop_rows(params, out);
    }

    /// The same loops in vectors of eight: no product is fused with a sum, so every bit is that of the portable form.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn crop_avx2(&self, params: &CropParams, out: &mut [f32]) {
        self.crop_rows(params, out);
    }

    #[inline(always)]
    fn crop_rows(&self, params: &CropParams, out: &mut [f32]) {
        let (width, height) = (params.out_width as usize, params.out_height as usize);
        let [a, b, c, d, e, f] = params.frame_from_output;
        for j in 0..height {
            let (row_x, row_y) = (b * j as f32 + c, e * j as f32 + f);
            for first in (0..width).step_by(CHUNK) {
                let (mut x, mut y) = ([0.0; CHUNK], [0.0; CHUNK]);
                for lane in 0..CHUNK {
                    let i = (first + lane) as f32;
                    x[lane] = a * i + row_x;
                    y[lane] = d * i + row_y;
                }
                if params.sampling == Sampling::Codes as u32 {
                    for position in x.iter_mut().chain(&mut y) {
                        *position = (*position + THIRTY_SECOND) - THIRTY_SECOND;
                    }
                }
                let rgb = self.chunk(params, &x, &y);
                store(&rgb, out, params, j, first, (width - first).min(CHUNK));
            }
        }
    }

    /// Finished R, G, B of one chunk.
    #[inline(always)]
    fn chunk(&self, params: &CropParams, x: &[f32; CHUNK], y: &[f32; CHUNK]) -> [[f32; CHUNK]; 3] {
        let [first, second, third] = &self.channels;
        let full = Taps::new(x, y, self.size, first);
        let mut rgb = if self.is_chroma_half {
            let half_size = self.size.map(|side| (side + 1) / 2);
            let half_x = x.map(|position| (position + 0.5) * 0.5 - 0.5);
            let half_y = y.map(|position| (position + 0.5) * 0.5 - 0.5);
            // U and V planes of I420 may differ in pitch.
            let half = Taps::new(&half_x, &half_y, half_size, second);
            let luma = full.sample(first);
            let u = half.sample(second);
            let v = if third.pitch_bytes == second.pitch_bytes {
                half.sample(third)
            } else {
                Taps::new(&half_x, &half_y, half_size, third).sample(third)
            };
            [luma, u, v]
        } else {
            [full.sample(first), full.sample(second), full.sample(third)]
        };
        if let Some(to_rgb) = &self.to_rgb {
            convert(&mut rgb, to_rgb);
        }
        if params.border == Border::Black as u32 {
            self.blacken(&mut rgb, x, y);
        }
        for value in rgb.iter_mut().flatten() {
            if params.sampling == Sampling::Codes as u32 {
                *value = (*value + WHOLE) - WHOLE;
            }
            *value = *value * params.scale + params.bias;
        }
        rgb
    }

    /// Fades to black over the pixel outside the picture's edge.
    #[inline(always)]
    fn blacken(&self, rgb: &mut [[f32; CHUNK]; 3], x: &[f32; CHUNK], y: &[f32; CHUNK]) {
        let [width, height] = self.size.map(|side| side as f32);
        for lane in 0..CHUNK {
            // A position that is no number lies outside, too.
            let inside = |position: f32, size: f32| {
                below(above((position + 1.0).min(size - position), 0.0), 1.0)
            };
            let shown = inside(x[lane], width) * inside(y[lane], height);
            for channel in rgb.iter_mut() {
                channel[lane] *= shown;
            }
        }
    }
}

impl Taps {
    #[inline(always)]
    fn new(x: &[f32; CHUNK], y: &[f32; CHUNK], size: [i32; 2], channel: &Channel<'_>) -> Self {
        let (column, weight_right) = axis(x, size[0]);
        let (row, weight_bottom) = axis(y, size[1]);
        let mut offset = [0; CHUNK];
        for lane in 0..CHUNK {
            offset[lane] = row[lane] * channel.pitch_bytes + column[lane] * channel.step_bytes;
        }
        Taps {
            offset,
            to_right: if size[0] > 1 {
                channel.step_bytes as usize
            } else {
                0
            },
            to_bottom: if size[1] > 1 {
                channel.pitch_bytes as usize
            } else {
                0
            },
            weight_right,
            weight_bottom,
        }
    }

    #[inline(always)]
    fn sample(&self, channel: &Channel<'_>) -> [f32; CHUNK] {
        let mut corners = [0; CHUNK];
        match self.to_right {
            0 => self.gather::<1>(channel, &mut corners),
            1 => self.gather::<2>(channel, &mut corners),
            2 => self.gather::<3>(channel, &mut corners),
            _ => self.gather::<4>(channel, &mut corners),
        }
        let mut values = [0.0; CHUNK];
        for lane in 0..CHUNK {
            // Signed, because SSE2 converts no unsigned numbers.
            let code = |shift: u32| (corners[lane] >> shift & 255).cast_signed() as f32;
            let top = code(0) + (code(8) - code(0)) * self.weight_right[lane];
            let bottom = code(16) + (code(24) - code(16)) * self.weight_right[lane];
            values[lane] = top + (bottom - top) * self.weight_bottom[lane];
        }
        values
    }

    /// Packs the four taps of each lane into one number, upper left lowest. `SPAN` bytes reach from a tap to the one on its
    /// right, both included.
    ///
    /// A loop of loads and one store, so that the arithmetic can be vectors.
    #[inline(always)]
    fn gather<const SPAN: usize>(&self, channel: &Channel<'_>, corners: &mut [u32; CHUNK]) {
        let row = |start: usize| {
            let bytes = channel
                .bytes
                .get(start..)
                .and_then(<[u8]>::first_chunk::<SPAN>);
            bytes.map_or(0, |bytes| {
                u32::from(bytes[0]) | u32::from(bytes[SPAN - 1]) << 8
            })
        };
        for (corner, offset) in corners.iter_mut().zip(&self.offset) {
            let start = *offset as usize;
            *corner = row(start) | row(start + self.to_bottom) << 16;
        }
    }
}

/// The first of the two samples around each position and the weight of the second, edges replicated.
///
/// A position is clamped to the samples, and the first sample to the last but one: at the far edge the second sample has
/// all the weight, so both taps are always inside.
#[inline(always)]
fn axis(positions: &[f32; CHUNK], size: i32) -> ([u32; CHUNK], [f32; CHUNK]) {
    // Rounding after subtracting a half is `floor` between two whole numbers; on a whole number either neighbour will do,
    // because the weight follows. The low bits of the rounded sum are the number itself.
    let (mut first, mut weight) = ([0; CHUNK], [0.0; CHUNK]);
    let (last, last_first) = ((size - 1) as f32, (size - 2).max(0) as f32);
    for lane in 0..CHUNK {
        let position = below(above(positions[lane], 0.0), last);
        let floor = below(above(((position - 0.5) + WHOLE) - WHOLE, 0.0), last_first);
        first[lane] = (floor + WHOLE).to_bits() - WHOLE.to_bits();
        weight[lane] = position - floor;
    }
    (first, weight)
}

/// The larger one, `limit` for NaN: one instruction, where `f32::max` takes four.
#[inline(always)]
fn above(value: f32, limit: f32) -> f32 {
    if value > limit { value } else { limit }
}

/// The smaller one, `limit` for NaN.
#[inline(always)]
fn below(value: f32, limit: f32) -> f32 {
    if value < limit { value } else { limit }
}

/// Y, U, V codes to R, G, B in place.
#[inline(always)]
fn convert(channels: &mut [[f32; CHUNK]; 3], to_rgb: &YuvToRgb) {
    let [black, gain] = [to_rgb.black, to_rgb.luma].map(|number| number as f32);
    let [red_v, green_u, green_v, blue_u] =
        [to_rgb.red_v, to_rgb.green_u, to_rgb.green_v, to_rgb.blue_u].map(|number| number as f32);
    let [first, second, third] = channels;
    for lane in 0..CHUNK {
        let luma = (first[lane] - black) * gain;
        let (u, v) = (second[lane] - 128.0, third[lane] - 128.0);
        first[lane] = below(above(luma + red_v * v, 0.0), 255.0);
        second[lane] = below(above(luma + green_u * u + green_v * v, 0.0), 255.0);
        third[lane] = below(above(luma + blue_u * u, 0.0), 255.0);
    }
}

/// Writes `count` pixels of output row `j` from column `first` on.
#[inline(always)]
fn store(
    rgb: &[[f32; CHUNK]; 3],
    out: &mut [f32],
    params: &CropParams,
    j: usize,
    first: usize,
    count: usize,
) {
    let (width, height) = (params.out_width as usize, params.out_height as usize);
    if params.order == TensorOrder::Nhwc as u32 {
        let start = (j * width + first) * 3;
        let Some(target) = out.get_mut(start..start + 3 * count) else {
            return;
        };
        for (lane, pixel) in target.chunks_exact_mut(3).enumerate().take(CHUNK) {
            pixel.copy_from_slice(&[rgb[0][lane], rgb[1][lane], rgb[2][lane]]);
        }
        return;
    }
    for (index, channel) in rgb.iter().enumerate() {
        let start = (index * height + j) * width + first;
        if let (Some(target), Some(values)) =
            (out.get_mut(start..start + count), channel.get(..count))
        {
            target.copy_from_slice(values);
        }
    }
}

#[cfg(test)]
mod tests {
    use lsie_device::{CpuDevice, Device, FrameLayout, FrameMeta, FramePool};

    use super::*;
    use crate::crop::ValueRange;
    use crate::region::Region;

    #[test]
    fn wide_vectors_give_every_bit_of_the_portable_form() {
        let device = CpuDevice::new();
        let stream = device.stream("test").unwrap();
        for (format, width, height) in [
            (PixelFormat::I420, 97, 61),
            (PixelFormat::Nv12, 64, 64),
            (PixelFormat::Rgb8, 33, 40),
        ] {
            let layout = FrameLayout::tight(format, width, height).unwrap();
            let pool = FramePool::new(&device, 1, layout.bytes()).unwrap();
            let mut slot = pool.acquire().unwrap();
            let bytes: Vec<u8> = (0..layout.bytes())
                .map(|i| (i * 7919 % 251) as u8)
                .collect();
            slot.buffer_mut().upload(&stream, 0, &bytes).unwrap();
            let frame = Frame::new(slot, FrameMeta::still(layout)).unwrap();
            let region = Region {
                center: [40.0, 25.0],
                size: [70.0, 70.0],
                rotation_rad: 0.3,
            };
            for border in [Border::Replicate, Border::Black] {
                for sampling in [Sampling::Exact, Sampling::Codes] {
                    let params = CropParams::new(
                        &region,
                        [77, 50],
                        ValueRange::Unit,
                        border,
                        TensorOrder::Nchw,
                    )
                    .with_sampling(sampling);
                    let picture = Picture::of(&frame).unwrap();
                    let mut outs = [vec![0.0; params.out_len()], vec![1.0; params.out_len()]];
                    picture.crop_rows(&params, &mut outs[0]);
                    picture.crop(&params, &mut outs[1]);
                    let [portable, chosen] =
                        outs.map(|out| out.iter().map(|v| v.to_bits()).collect::<Vec<_>>());
                    assert_eq!(portable, chosen);
                }
            }
        }
    }
}
