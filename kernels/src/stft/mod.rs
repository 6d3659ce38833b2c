//! The short-time Fourier transform of windowed frames of sound, as power: a batch in one launch.
//!
//! ```text
//! samples to rows.   in: f32 in [-1, 1) at 16 kHz, first sample of each window   out: N × (local peak, |X|² of 513 bins) f32
//! v1 radix 8: three passes over 512 complex numbers (even samples and odd ones), of which the first is loaded from the samples,
//!    then the bins of the real transform
//! text: kernel.wgsl, kernel.cu behind transform, which crate::correlate shares; 64 threads a frame, f32
//! on the processor radix 2 in f64
//! tolerance 1e-5 of the frame's largest bin        moves 2.6 KiB in, 2.0 KiB out a frame
//! ```
//!
//! Frames are those of the pitch (math 10.2): Hann's window of 638 samples about the centre, the mean of the middle 426 taken off
//! before; zeros up to 1024. The local peak is the largest magnitude of the middle 214. Bin `k` stands for `k` × 15.625 Hz; a steady
//! tone of amplitude a has its largest bin near (160 a)².

pub mod reference;
mod transform;

use bytemuck::{Pod, Zeroable};
use lsie_device::{Argument, Buffer, Device, DeviceError, KernelSource, Launch, Stream};

use crate::audio::FrameCorrelator;
use crate::error::KernelError;
use crate::launch::{check, input, output, runs_text};

/// Samples of a frame's window.
pub const WINDOW: usize = 638;
/// Length of the transform.
pub const LENGTH: usize = 1024;
/// Bins of a spectrum.
pub const BINS: usize = LENGTH / 2 + 1;
/// Numbers of a row: the local peak, then the power of each bin.
pub const ROW: usize = 1 + BINS;
/// Distance of bins, Hz.
pub const BIN_HZ: f64 = 16_000.0 / LENGTH as f64;
/// Most frames of one launch.
pub const MAX_FRAMES: usize = 64;

/// The middle over which the mean is taken.
const MEAN: std::ops::Range<usize> = 106..532;
/// The middle in which the local peak is looked for.
const PEAK: std::ops::Range<usize> = 212..426;
/// Cosine and sine of every 1024th of a turn, then the window.
const TABLE: usize = 2 * LENGTH + WINDOW;

/// The batch as text.
pub static SOURCE: KernelSource = KernelSource {
    name: "transform_frames",
    group: [64, 1, 1],
    arguments: 3,
    wgsl: concat!(include_str!("transform.wgsl"), include_str!("kernel.wgsl")),
    cuda: concat!(include_str!("transform.cu"), include_str!("kernel.cu")),
};

/// The parameters as a device reads them. 272 bytes.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Params {
    frames: u32,
    padding: [u32; 3],
    starts: [u32; MAX_FRAMES],
}

/// Cosine and sine of every 1024th of a turn.
pub(crate) fn turns() -> impl Iterator<Item = f64> {
    (0..LENGTH).flat_map(|k| {
        let (sin, cos) = (std::f64::consts::TAU * k as f64 / LENGTH as f64).sin_cos();
        [cos, sin]
    })
}

/// Puts the turns and the window on a device, once at start-up.
pub fn upload_tables(device: &dyn Device, stream: &Stream) -> Result<Buffer, DeviceError> {
    let window = FrameCorrelator::new();
    let tables: Vec<f32> = turns()
        .chain(window.window().iter().copied())
        .map(|number| number as f32)
        .collect();
    let mut buffer = device.alloc(size_of_val(tables.as_slice()), "transform tables")?;
    buffer.upload(stream, 0, bytemuck::cast_slice(&tables))?;
    Ok(buffer)
}

/// Transforms the frames whose windows begin at `starts`, at most [`MAX_FRAMES`]. `tables` come from [`upload_tables`]; `out` takes
/// [`ROW`] numbers a frame. Allocates nothing.
pub fn launch(
    stream: &Stream,
    samples: &Buffer,
    tables: &Buffer,
    starts: &[u32],
    out: &mut Buffer,
) -> Result<(), KernelError> {
    if starts.len() > MAX_FRAMES {
        return Err(KernelError::OutOfRange {
            what: "frames of a transform",
        });
    }
    let ends = starts.iter().map(|start| *start as usize + WINDOW);
    let sample_count = ends.max().unwrap_or(0);
    let count = starts.len() * ROW;
    if runs_text(stream) {
        check::<f32>(stream, samples, sample_count, "samples")?;
        check::<f32>(stream, tables, TABLE, "transform tables")?;
        check::<f32>(stream, out, count, "spectra")?;
        let mut params = Params::zeroed();
        params.frames = starts.len() as u32;
        for (slot, start) in params.starts.iter_mut().zip(starts) {
            *slot = *start;
        }
        return Ok(stream.launch(&Launch {
            source: &SOURCE,
            groups: [params.frames, 1, 1],
            params: bytemuck::bytes_of(&params),
            arguments: &[
                Argument::Input(samples),
                Argument::Input(tables),
                Argument::Output(out),
            ],
        })?);
    }
    let samples = input::<f32>(stream, samples, sample_count, "samples")?;
    let tables = input::<f32>(stream, tables, TABLE, "transform tables")?;
    let rows = output::<f32>(stream, out, count, "spectra")?;
    let (turns, hann) = tables.split_at(2 * LENGTH);
    for (start, row) in starts.iter().zip(rows.chunks_exact_mut(ROW)) {
        let first = *start as usize;
        let window = samples.get(first..first + WINDOW).unwrap_or_default();
        transform_frame(window, hann, turns, row);
    }
    stream.launched(&SOURCE);
    Ok(())
}

fn transform_frame(window: &[f32], hann: &[f32], turns: &[f32], row: &mut [f32]) {
    let middle = window.get(MEAN).unwrap_or_default();
    let mean = middle.iter().map(|x| f64::from(*x)).sum::<f64>() / MEAN.len() as f64;
    let mut windowed = [0.0; WINDOW];
    for ((slot, x), h) in windowed.iter_mut().zip(window).zip(hann) {
        *slot = (f64::from(*x) - mean) * f64::from(*h);
    }
    let middle = windowed.get(PEAK).unwrap_or_default().iter();
    let Some((peak, powers)) = row.split_first_mut() else {
        return;
    };
    *peak = middle.fold(0.0, |peak: f64, x| peak.max(x.abs())) as f32;
    transform::powers(windowed.into_iter(), turns, powers);
}
