//! How light and how sharp a part of a picture is: what the operator is told about the camera.
//!
//! ```text
//! luma of a region to sums.   in: Y of NV12 or I420, RGB8 (luma from it in whole codes), any pitch   out: one Exposure
//! v1 the reference: a grid of at most 256 × 256 points, whole numbers        text: kernel.wgsl, kernel.cu, one group
//! tolerance none: whole numbers are equal everywhere
//! moves at most 5 B a grid point in, 32 B out
//! ```
//!
//! Sharpness is the mean square of the four-neighbour Laplacian over the variance of what it is taken of (Pech-Pacheco et al.,
//! "Diatom autofocusing in brightfield microscopy", ICPR 2000, made independent of contrast): neighbours are one pixel away
//! whatever the grid, so that it says what the lens and the encoder left of the finest detail.

pub mod reference;

use bytemuck::{Pod, Zeroable};
use lsie_device::{Argument, Buffer, ColorRange, Frame, KernelSource, Launch, PixelFormat, Stream};

use crate::error::KernelError;
use crate::launch::{check, output, runs_text};

/// Grid points of the longer side at most.
pub const MAX_GRID: u32 = 256;
/// Below this share of the range from black to white a point is dark.
const DARK: f64 = 0.1;
/// Above this share it is bright.
const BRIGHT: f64 = 0.95;

/// The sums as text.
pub static SOURCE: KernelSource = KernelSource {
    name: "measure_exposure",
    group: [256, 1, 1],
    arguments: 2,
    wgsl: include_str!("kernel.wgsl"),
    cuda: include_str!("kernel.cu"),
};

/// A part of a frame in whole pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Area {
    /// First column.
    pub left: u32,
    /// First row.
    pub top: u32,
    /// Columns, at least 1.
    pub width: u32,
    /// Rows, at least 1.
    pub height: u32,
}

impl Area {
    /// The whole frame.
    pub fn whole(frame: &Frame) -> Self {
        Area {
            left: 0,
            top: 0,
            width: frame.width(),
            height: frame.height(),
        }
    }
}

/// What a device sums up. 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Pod, Zeroable)]
#[repr(C)]
pub struct Exposure {
    /// Points of the grid.
    pub points: u32,
    /// Sum of their codes.
    pub luma: u32,
    /// Sum of their squared codes.
    pub luma_square: u32,
    /// Points that are dark.
    pub dark: u32,
    /// Points that are bright.
    pub bright: u32,
    /// Points with four neighbours in the frame.
    pub edges: u32,
    /// Sum of their squared Laplacians, each divided by 16 and rounded down.
    pub edge_power: u32,
    /// Without meaning.
    pub padding: u32,
}

impl Exposure {
    /// Mean share of the range from black to white, 0 to 1; `None` without points.
    pub fn mean(&self, range: ColorRange) -> Option<f64> {
        let (black, white) = ends(range);
        let mean = (self.points > 0).then(|| f64::from(self.luma) / f64::from(self.points))?;
        Some(((mean - black) / (white - black)).clamp(0.0, 1.0))
    }

    /// Share of dark points, 0 to 1.
    pub fn dark_share(&self) -> Option<f64> {
        (self.points > 0).then(|| f64::from(self.dark) / f64::from(self.points))
    }

    /// Share of bright points, 0 to 1.
    pub fn bright_share(&self) -> Option<f64> {
        (self.points > 0).then(|| f64::from(self.bright) / f64::from(self.points))
    }

    /// Mean square of the Laplacian over the variance of luma; `None` for a picture without contrast (a deviation below
    /// 2 codes), which is neither sharp nor blurred.
    pub fn sharpness(&self) -> Option<f64> {
        if self.points == 0 || self.edges == 0 {
            return None;
        }
        let points = f64::from(self.points);
        let mean = f64::from(self.luma) / points;
        let variance = f64::from(self.luma_square) / points - mean * mean;
        let power = 16.0 * f64::from(self.edge_power) / f64::from(self.edges);
        (variance >= 4.0).then(|| power / variance)
    }
}

/// The parameters as a device reads them. 56 bytes.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Params {
    width: u32,
    height: u32,
    offset: u32,
    pitch: u32,
    /// Bytes between two columns: 1 luma, 3 R, G, B.
    step: u32,
    left: u32,
    top: u32,
    columns: u32,
    rows: u32,
    /// Pixels between two grid points.
    stride: u32,
    dark_below: u32,
    bright_above: u32,
    padding: [u32; 2],
}

/// Codes of black and white.
fn ends(range: ColorRange) -> (f64, f64) {
    match range {
        ColorRange::Limited => (16.0, 235.0),
        ColorRange::Full => (0.0, 255.0),
    }
}

/// The range of the luma that is measured: [`PixelFormat::Rgb8`] is always full.
pub fn range_of(frame: &Frame) -> ColorRange {
    match frame.format() {
        PixelFormat::Rgb8 => ColorRange::Full,
        PixelFormat::Nv12 | PixelFormat::I420 => frame.color().range,
    }
}

impl Params {
    fn new(frame: &Frame, area: &Area) -> Result<Self, KernelError> {
        let ends_in = |first: u32, length: u32, size: u32| {
            length > 0 && first.checked_add(length).is_some_and(|end| end <= size)
        };
        let is_inside = ends_in(area.left, area.width, frame.width())
            && ends_in(area.top, area.height, frame.height());
        if !is_inside {
            return Err(KernelError::OutOfRange {
                what: "exposure area",
            });
        }
        let plane = frame.planes().first().copied().unwrap_or_default();
        let narrow = |bytes: usize| {
            u32::try_from(bytes).map_err(|_| KernelError::OutOfRange {
                what: "exposure frame",
            })
        };
        // The text counts bytes with 32 bits.
        narrow(frame.buffer().len_bytes())?;
        let stride = area.width.max(area.height).div_ceil(MAX_GRID);
        let (black, white) = ends(range_of(frame));
        let code = |share: f64| (black + share * (white - black)).round() as u32;
        Ok(Params {
            width: frame.width(),
            height: frame.height(),
            offset: narrow(plane.offset_bytes)?,
            pitch: narrow(plane.pitch_bytes)?,
            step: if frame.format() == PixelFormat::Rgb8 {
                3
            } else {
                1
            },
            left: area.left,
            top: area.top,
            columns: area.width.div_ceil(stride),
            rows: area.height.div_ceil(stride),
            stride,
            dark_below: code(DARK),
            bright_above: code(BRIGHT),
            padding: [0; 2],
        })
    }
}

/// Measures an area of a frame. `out` takes 32 bytes. Allocates nothing.
pub fn launch(
    stream: &Stream,
    frame: &Frame,
    area: &Area,
    out: &mut Buffer,
) -> Result<(), KernelError> {
    frame.buffer().check_stream(stream)?;
    let params = Params::new(frame, area)?;
    if runs_text(stream) {
        check::<Exposure>(stream, out, 1, "exposure")?;
        return Ok(stream.launch(&Launch {
            source: &SOURCE,
            groups: [1, 1, 1],
            params: bytemuck::bytes_of(&params),
            arguments: &[Argument::Input(frame.buffer()), Argument::Output(out)],
        })?);
    }
    let measured = reference::sums(frame, &params);
    if let [result] = output::<Exposure>(stream, out, 1, "exposure")? {
        *result = measured;
    }
    stream.launched(&SOURCE);
    Ok(())
}

/// The sums of an output buffer, copied to the host.
pub fn read(stream: &Stream, out: &Buffer) -> Result<Exposure, KernelError> {
    let mut exposure = Exposure::default();
    out.copy_to_host(stream, 0, bytemuck::bytes_of_mut(&mut exposure))?;
    Ok(exposure)
}
