//! The autocorrelation of windowed frames of sound, in which pitch candidates are found (math 10.2): a batch in one launch.
//!
//! ```text
//! samples to rows.   in: f32 in [-1, 1) at 16 kHz, first sample of each window   out: N × (local peak, r of lag 1 to 319) f32
//! v1 on the processor lag by lag in f64, for tests; sessions there use the transform of the reference
//! text: kernel.wgsl, kernel.cu, a group a frame, f32
//! tolerance 1e-4 of r        moves 2.6 KiB in, 1.3 KiB out a frame
//! ```
//!
//! The window is Hann's, 638 samples about the frame's centre; the mean of the middle 426 is taken off before. r is divided by its
//! value at lag 0 and by the window's own autocorrelation. A frame whose local peak is 0 has no r: what
//! stands there means nothing.

pub mod reference;

use bytemuck::{Pod, Zeroable};
use lsie_device::{Argument, Buffer, Device, DeviceError, KernelSource, Launch, Stream};

use crate::audio::FrameCorrelator;
use crate::error::KernelError;
use crate::launch::{check, input, output, runs_text};

/// Samples of a frame's window.
pub const WINDOW: usize = 638;
/// Lags of a row.
pub const LAGS: usize = 319;
/// Numbers of a row: the local peak, then the lags from 1.
pub const ROW: usize = LAGS + 1;
/// Most frames of one launch.
pub const MAX_FRAMES: usize = 64;

/// The middle over which the mean is taken.
pub(crate) const MEAN: std::ops::Range<usize> = 106..532;
/// The middle in which the local peak is looked for.
const PEAK: std::ops::Range<usize> = 212..426;

/// The batch as text.
pub static SOURCE: KernelSource = KernelSource {
    name: "correlate_frames",
    group: [256, 1, 1],
    arguments: 3,
    wgsl: include_str!("kernel.wgsl"),
    cuda: include_str!("kernel.cu"),
};

/// The parameters as a device reads them. 272 bytes.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Params {
    frames: u32,
    padding: [u32; 3],
    starts: [u32; MAX_FRAMES],
}

/// The window.
pub(crate) fn window() -> Vec<f64> {
    FrameCorrelator::new().window().to_vec()
}

/// Puts the window and the factors of the lags on a device, once at start-up.
pub fn upload_tables(device: &dyn Device, stream: &Stream) -> Result<Buffer, DeviceError> {
    let correlator = FrameCorrelator::new();
    let tables: Vec<f32> = correlator
        .window()
        .iter()
        .chain(correlator.factors())
        .map(|number| *number as f32)
        .collect();
    let mut buffer = device.alloc(size_of_val(tables.as_slice()), "pitch window")?;
    buffer.upload(stream, 0, bytemuck::cast_slice(&tables))?;
    Ok(buffer)
}

/// Correlates the frames whose windows begin at `starts`, at most [`MAX_FRAMES`]. `tables` come from [`upload_tables`]; `out` takes
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
            what: "pitch frames",
        });
    }
    let ends = starts.iter().map(|start| *start as usize + WINDOW);
    let sample_count = ends.max().unwrap_or(0);
    let count = starts.len() * ROW;
    if runs_text(stream) {
        check::<f32>(stream, samples, sample_count, "samples")?;
        check::<f32>(stream, tables, WINDOW + LAGS, "pitch window")?;
        check::<f32>(stream, out, count, "correlations")?;
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
    let tables = input::<f32>(stream, tables, WINDOW + LAGS, "pitch window")?;
    let rows = output::<f32>(stream, out, count, "correlations")?;
    for (start, row) in starts.iter().zip(rows.chunks_exact_mut(ROW)) {
        let first = *start as usize;
        let window = samples.get(first..first + WINDOW).unwrap_or_default();
        correlate_frame(window, tables, row);
    }
    stream.launched(&SOURCE);
    Ok(())
}

fn correlate_frame(window: &[f32], tables: &[f32], row: &mut [f32]) {
    let (hann, factors) = tables.split_at(WINDOW);
    let middle = window.get(MEAN).unwrap_or_default();
    let mean = middle.iter().map(|x| f64::from(*x)).sum::<f64>() / MEAN.len() as f64;
    let mut windowed = [0.0; WINDOW];
    for ((slot, x), h) in windowed.iter_mut().zip(window).zip(hann) {
        *slot = (f64::from(*x) - mean) * f64::from(*h);
    }
    let peak = windowed
        .get(PEAK)
        .unwrap_or_default()
        .iter()
        .fold(0.0, |peak: f64, x| peak.max(x.abs()));
    let energy: f64 = windowed.iter().map(|x| x * x).sum();
    let Some((first, lags)) = row.split_first_mut() else {
        return;
    };
    *first = peak as f32;
    for ((lag, slot), factor) in (1..).zip(lags).zip(factors) {
        let later = windowed.get(lag..).unwrap_or_default();
        let sum: f64 = windowed.iter().zip(later).map(|(a, b)| a * b).sum();
        let scale = if energy > 0.0 { 1.0 / energy } else { 0.0 };
        *slot = (sum * scale * f64::from(*factor)) as f32;
    }
}
