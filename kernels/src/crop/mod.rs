//! Rotated crop of a frame to a network's input, colour conversion and normalisation in one pass.
//!
//! ```text
//! NV12, I420 or RGB8 planes to R, G, B f32.   in: u8, any pitch and offset, chroma at half size (rounded up), centred between
//! luma samples; BT.601 or BT.709, limited or full range   out: H×W×3 or 3×H×W, value 0..255 × scale + bias
//! v1 chunks of 64 output pixels: tap addresses, then bytes, then arithmetic, each in a loop that vectorises
//! text: kernel.wgsl, kernel.cu, behind pixels (what reads a picture) and pixel (one pixel of a crop), which other kernels share
//! tolerance 2e-5 × 255 × scale near the origin, plus one rounding of the f32 coordinate times the local contrast
//! moves: reads 12 B, writes 12 B an output pixel
//! ```
//!
//! Samples are bilinear for luma and chroma. Output pixel `(i, j)` looks at the sample position
//! `frame_from_output · (i, j, 1)`, where the samples of the frame sit at whole numbers. [`CropParams::new`] lets output
//! pixel 0 look at the corner of the region and pixel `width` at the opposite one, the convention the face networks were
//! made for (OpenCV's warp from corner to corner, no half-pixel shift).

mod cpu;
pub mod reference;
pub(crate) mod text;

use bytemuck::{Pod, Zeroable};
use lsie_device::{Buffer, ColorMatrix, ColorRange, ColorSpace, Frame, Stream};

use crate::error::KernelError;
use crate::launch::{check, output, runs_text};
use crate::region::Region;
pub(crate) use text::Picture;
pub use text::SOURCE;

/// Largest side of an output picture, pixels.
pub const MAX_CROP_SIDE_PX: u32 = 4096;

/// What lies beyond the frame's edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Border {
    /// The nearest pixel of the frame.
    Replicate = 0,
    /// Black, blended over one pixel at the edge.
    Black = 1,
}

/// Order of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum TensorOrder {
    /// Height, width, channel.
    Nhwc = 0,
    /// Channel, height, width.
    Nchw = 1,
}

/// How exact samples are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Sampling {
    /// As exact as `f32`.
    Exact = 0,
    /// Positions rounded to 1/32 of a pixel and values to whole codes before the output's scale, as OpenCV's 8-bit warp does: what
    /// the face networks were made and checked with.
    Codes = 1,
}

/// The range of output values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueRange {
    /// 0 to 1.
    Unit,
    /// -1 to 1.
    Symmetric,
}

/// Parameters of one crop, as a device reads them. 52 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct CropParams {
    /// Rows `[a, b, c]` and `[d, e, f]` of the map from output pixel indices to sample positions in the frame.
    pub frame_from_output: [f32; 6],
    /// Output width, 1 to [`MAX_CROP_SIDE_PX`].
    pub out_width: u32,
    /// Output height, 1 to [`MAX_CROP_SIDE_PX`].
    pub out_height: u32,
    /// Factor on values 0 to 255.
    pub scale: f32,
    /// Added after the factor.
    pub bias: f32,
    /// [`Border`] as a number.
    pub border: u32,
    /// [`TensorOrder`] as a number.
    pub order: u32,
    /// [`Sampling`] as a number.
    pub sampling: u32,
}

impl CropParams {
    /// The crop of `region` to `out_size` (width, height), corner to corner, with [`Sampling::Exact`].
    pub fn new(
        region: &Region,
        out_size: [u32; 2],
        range: ValueRange,
        border: Border,
        order: TensorOrder,
    ) -> Self {
        let (sin, cos) = f64::from(region.rotation_rad).sin_cos();
        let [width, height] = region.size.map(f64::from);
        let [center_x, center_y] = region.center.map(f64::from);
        let (step_x, step_y) = (
            width / f64::from(out_size[0]),
            height / f64::from(out_size[1]),
        );
        let map = [
            step_x * cos,
            -step_y * sin,
            center_x - 0.5 * (width * cos - height * sin),
            step_x * sin,
            step_y * cos,
            center_y - 0.5 * (width * sin + height * cos),
        ];
        let (scale, bias) = match range {
            ValueRange::Unit => (1.0 / 255.0, 0.0),
            ValueRange::Symmetric => (2.0 / 255.0, -1.0),
        };
        CropParams {
            frame_from_output: map.map(|number| number as f32),
            out_width: out_size[0],
            out_height: out_size[1],
            scale,
            bias,
            border: border as u32,
            order: order as u32,
            sampling: Sampling::Exact as u32,
        }
    }

    /// The same crop with another exactness; [`CropParams::new`] gives [`Sampling::Exact`].
    #[must_use]
    pub fn with_sampling(self, sampling: Sampling) -> Self {
        CropParams {
            sampling: sampling as u32,
            ..self
        }
    }

    /// How many `f32` the output of one crop has.
    pub const fn out_len(&self) -> usize {
        3 * self.out_width as usize * self.out_height as usize
    }

    pub(crate) fn check(&self) -> Result<(), KernelError> {
        let numbers = self
            .frame_from_output
            .iter()
            .chain([&self.scale, &self.bias]);
        if !numbers.into_iter().all(|number| number.is_finite()) {
            return Err(KernelError::NotFinite {
                what: "crop region",
            });
        }
        let possible = 1..=MAX_CROP_SIDE_PX;
        if !possible.contains(&self.out_width) || !possible.contains(&self.out_height) {
            return Err(KernelError::OutOfRange {
                what: "crop output size",
            });
        }
        if self.border > Border::Black as u32 || self.order > TensorOrder::Nchw as u32 {
            return Err(KernelError::OutOfRange {
                what: "crop border or order",
            });
        }
        Ok(())
    }
}

/// Y'CbCr to R'G'B' on codes 0 to 255: subtract `offset`, then `luma·y + red_v·v`, and so on, then clamp to 0..255.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct YuvToRgb {
    /// Code of black.
    pub black: f64,
    /// Gain of luma.
    pub luma: f64,
    /// Red from V.
    pub red_v: f64,
    /// Green from U.
    pub green_u: f64,
    /// Green from V.
    pub green_v: f64,
    /// Blue from U.
    pub blue_u: f64,
}

impl YuvToRgb {
    /// The coefficients of a colour space, from Kr and Kb of ITU-R BT.601 and BT.709.
    pub fn new(color: ColorSpace) -> Self {
        let (kr, kb) = match color.matrix {
            ColorMatrix::Bt601 => (0.299, 0.114),
            ColorMatrix::Bt709 => (0.2126, 0.0722),
        };
        let kg = 1.0 - kr - kb;
        let (black, luma, chroma) = match color.range {
            ColorRange::Limited => (16.0, 255.0 / 219.0, 255.0 / 224.0),
            ColorRange::Full => (0.0, 1.0, 1.0),
        };
        YuvToRgb {
            black,
            luma,
            red_v: 2.0 * (1.0 - kr) * chroma,
            green_u: -2.0 * kb * (1.0 - kb) / kg * chroma,
            green_v: -2.0 * kr * (1.0 - kr) / kg * chroma,
            blue_u: 2.0 * (1.0 - kb) * chroma,
        }
    }
}

/// Crops `frame` once per entry of `batch`; crop `k` is written after crop `k - 1`. Allocates nothing.
pub fn launch(
    stream: &Stream,
    frame: &Frame,
    batch: &[CropParams],
    out: &mut Buffer,
) -> Result<(), KernelError> {
    frame.buffer().check_stream(stream)?;
    let mut total = 0_usize;
    for params in batch {
        params.check()?;
        total = total.saturating_add(params.out_len());
    }
    if runs_text(stream) {
        check::<f32>(stream, out, total, "crop output")?;
        return text::launch(stream, frame, batch, out);
    }
    run_batch_on_host(stream, frame, batch, total, out)?;
    stream.launched(&SOURCE);
    Ok(())
}

/// One crop on the `cpu` device, not counted: for the kernels that are a crop of a kind.
pub(crate) fn run_on_host(
    stream: &Stream,
    frame: &Frame,
    params: &CropParams,
    out: &mut Buffer,
) -> Result<(), KernelError> {
    frame.buffer().check_stream(stream)?;
    params.check()?;
    run_batch_on_host(stream, frame, &[*params], params.out_len(), out)
}

/// As [`run_on_host`], its output from number `first` on.
pub(crate) fn run_on_host_at(
    stream: &Stream,
    frame: &Frame,
    params: &CropParams,
    out: &mut Buffer,
    first: usize,
) -> Result<(), KernelError> {
    let picture = cpu::Picture::of(frame)?;
    let end = first.saturating_add(params.out_len());
    let all = output::<f32>(stream, out, end, "crop output")?;
    picture.crop(params, all.get_mut(first..).unwrap_or_default());
    Ok(())
}

fn run_batch_on_host(
    stream: &Stream,
    frame: &Frame,
    batch: &[CropParams],
    total: usize,
    out: &mut Buffer,
) -> Result<(), KernelError> {
    let picture = cpu::Picture::of(frame)?;
    let mut rest = output::<f32>(stream, out, total, "crop output")?;
    for params in batch {
        let Some((head, tail)) = rest.split_at_mut_checked(params.out_len()) else {
            break;
        };
        picture.crop(params, head);
        rest = tail;
    }
    Ok(())
}
