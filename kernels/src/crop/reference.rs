//! The crop, one pixel at a time in `f64`: what every version must agree with.

use lsie_device::{Frame, PixelFormat};

use super::{Border, CropParams, Sampling, TensorOrder, YuvToRgb};
use crate::error::KernelError;

/// Crops one region. Allocates its result, in the order that `params` asks for.
pub fn crop(frame: &Frame, params: &CropParams) -> Result<Vec<f64>, KernelError> {
    params.check()?;
    let (width, height) = (params.out_width as usize, params.out_height as usize);
    let [a, b, c, d, e, f] = params.frame_from_output.map(f64::from);
    let mut out = vec![0.0; params.out_len()];
    for j in 0..height {
        for i in 0..width {
            let mut x = a * i as f64 + b * j as f64 + c;
            let mut y = d * i as f64 + e * j as f64 + f;
            if params.sampling == Sampling::Codes as u32 {
                (x, y) = (
                    (x * 32.0).round_ties_even() / 32.0,
                    (y * 32.0).round_ties_even() / 32.0,
                );
            }
            let mut rgb = pixel(frame, x, y);
            if params.border == Border::Black as u32 {
                let shown = coverage(x, frame.width()) * coverage(y, frame.height());
                rgb = rgb.map(|value| value * shown);
            }
            if params.sampling == Sampling::Codes as u32 {
                rgb = rgb.map(f64::round_ties_even);
            }
            for (channel, value) in rgb.iter().enumerate() {
                let index = if params.order == TensorOrder::Nhwc as u32 {
                    (j * width + i) * 3 + channel
                } else {
                    (channel * height + j) * width + i
                };
                if let Some(slot) = out.get_mut(index) {
                    *slot = value * f64::from(params.scale) + f64::from(params.bias);
                }
            }
        }
    }
    Ok(out)
}

/// R, G, B on 0 to 255 at a sample position, edges replicated.
fn pixel(frame: &Frame, x: f64, y: f64) -> [f64; 3] {
    let (width, height) = (frame.width() as usize, frame.height() as usize);
    let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
    let (half_x, half_y) = ((x + 0.5) * 0.5 - 0.5, (y + 0.5) * 0.5 - 0.5);
    let chroma = |plane, step, first| {
        bilinear(
            frame,
            plane,
            step,
            first,
            [half_width, half_height],
            half_x,
            half_y,
        ) - 128.0
    };
    let (u, v) = match frame.format() {
        PixelFormat::Rgb8 => {
            return [0, 1, 2].map(|first| bilinear(frame, 0, 3, first, [width, height], x, y));
        }
        PixelFormat::Nv12 => (chroma(1, 2, 0), chroma(1, 2, 1)),
        PixelFormat::I420 => (chroma(1, 1, 0), chroma(2, 1, 0)),
    };
    let to_rgb = YuvToRgb::new(frame.color());
    let luma = (bilinear(frame, 0, 1, 0, [width, height], x, y) - to_rgb.black) * to_rgb.luma;
    [
        luma + to_rgb.red_v * v,
        luma + to_rgb.green_u * u + to_rgb.green_v * v,
        luma + to_rgb.blue_u * u,
    ]
    .map(|value| value.clamp(0.0, 255.0))
}

fn bilinear(
    frame: &Frame,
    plane: usize,
    step: usize,
    first: usize,
    size: [usize; 2],
    x: f64,
    y: f64,
) -> f64 {
    let bytes = frame.buffer().host::<u8>().unwrap_or_default();
    let layout = frame.planes().get(plane).copied().unwrap_or_default();
    let tap = |column: f64, row: f64| {
        let column = column.clamp(0.0, (size[0] - 1) as f64) as usize;
        let row = row.clamp(0.0, (size[1] - 1) as f64) as usize;
        let index = layout.offset_bytes + row * layout.pitch_bytes + column * step + first;
        bytes.get(index).copied().map_or(0.0, f64::from)
    };
    let (x0, y0) = (x.floor(), y.floor());
    let (right, down) = (x - x0, y - y0);
    let top = tap(x0, y0) * (1.0 - right) + tap(x0 + 1.0, y0) * right;
    let bottom = tap(x0, y0 + 1.0) * (1.0 - right) + tap(x0 + 1.0, y0 + 1.0) * right;
    top * (1.0 - down) + bottom * down
}

/// How much of a bilinear sample lies on the picture in one direction.
fn coverage(position: f64, size: u32) -> f64 {
    (position + 1.0)
        .min(f64::from(size) - position)
        .clamp(0.0, 1.0)
}
