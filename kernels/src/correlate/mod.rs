//! The autocorrelation of windowed frames of sound, in which pitch candidates are found (math 10.2): a batch in one launch.
//!
//! ```text
//! spectra of crate::stft to rows.   in: N × (local peak, |X|² of 513 bins) f32   out: N × r of lag 1 to 319, f32
//! v2 the transform of the powers
//! text: kernel.wgsl, kernel.cu behind the transform of crate::stft, 64 threads a frame, f32
//! tolerance 1e-4 of r        moves 2.0 KiB in, 1.3 KiB out a frame
//! ```
//!
//! r is divided by its value at lag 0 and by the window's own autocorrelation. A frame without power has no r: it is 0.

pub mod reference;

use bytemuck::{Pod, Zeroable};
use lsie_device::{Argument, Buffer, Device, DeviceError, KernelSource, Launch, Stream};

use crate::audio::FrameCorrelator;
use crate::error::KernelError;
use crate::launch::{check, input, output, runs_text};
use crate::stft::{self, LENGTH, MAX_FRAMES};

/// Lags of a row, from 1.
pub const LAGS: usize = 319;

/// Cosine and sine of every 1024th of a turn, then the factors of the lags.
const TABLE: usize = 2 * LENGTH + LAGS;

/// The batch as text.
pub static SOURCE: KernelSource = KernelSource {
    name: "correlate_frames",
    group: [64, 1, 1],
    arguments: 3,
    wgsl: concat!(
        include_str!("../stft/transform.wgsl"),
        include_str!("kernel.wgsl")
    ),
    cuda: concat!(
        include_str!("../stft/transform.cu"),
        include_str!("kernel.cu")
    ),
};

/// The parameters as a device reads them. 16 bytes.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Params {
    frames: u32,
    padding: [u32; 3],
}

/// Puts the turns and the factors of the lags on a device, once at start-up.
pub fn upload_tables(device: &dyn Device, stream: &Stream) -> Result<Buffer, DeviceError> {
    let factors = FrameCorrelator::new();
    let tables: Vec<f32> = stft::turns()
        .chain(factors.factors().iter().copied())
        .map(|number| number as f32)
        .collect();
    let mut buffer = device.alloc(size_of_val(tables.as_slice()), "pitch tables")?;
    buffer.upload(stream, 0, bytemuck::cast_slice(&tables))?;
    Ok(buffer)
}

/// Correlates the first `frames` spectra, at most [`MAX_FRAMES`]. `tables` come from [`upload_tables`]; `out` takes [`LAGS`] numbers a
/// frame. Allocates nothing.
pub fn launch(
    stream: &Stream,
    spectra: &Buffer,
    tables: &Buffer,
    frames: usize,
    out: &mut Buffer,
) -> Result<(), KernelError> {
    if frames > MAX_FRAMES {
        return Err(KernelError::OutOfRange {
            what: "pitch frames",
        });
    }
    let (given, wanted) = (frames * stft::ROW, frames * LAGS);
    if runs_text(stream) {
        check::<f32>(stream, spectra, given, "spectra")?;
        check::<f32>(stream, tables, TABLE, "pitch tables")?;
        check::<f32>(stream, out, wanted, "correlations")?;
        let mut params = Params::zeroed();
        params.frames = frames as u32;
        return Ok(stream.launch(&Launch {
            source: &SOURCE,
            groups: [params.frames, 1, 1],
            params: bytemuck::bytes_of(&params),
            arguments: &[
                Argument::Input(spectra),
                Argument::Input(tables),
                Argument::Output(out),
            ],
        })?);
    }
    let spectra = input::<f32>(stream, spectra, given, "spectra")?;
    let tables = input::<f32>(stream, tables, TABLE, "pitch tables")?;
    let rows = output::<f32>(stream, out, wanted, "correlations")?;
    let (turns, factors) = tables.split_at(2 * LENGTH);
    let spectra = spectra.chunks_exact(stft::ROW);
    for (spectrum, row) in spectra.zip(rows.chunks_exact_mut(LAGS)) {
        let powers = spectrum.get(1..).unwrap_or_default();
        correlate_frame(powers, turns, factors, row);
    }
    stream.launched(&SOURCE);
    Ok(())
}

/// Sums cosines: the powers are real, and those above the last bin mirror those below.
fn correlate_frame(powers: &[f32], turns: &[f32], factors: &[f32], row: &mut [f32]) {
    let sum = |lag: usize| -> f64 {
        let bins = powers.iter().enumerate().map(|(bin, power)| {
            let share = if bin % (LENGTH / 2) == 0 { 0.5 } else { 1.0 };
            let cosine = turns.get(2 * (bin * lag % LENGTH)).copied().unwrap_or(0.0);
            share * f64::from(*power) * f64::from(cosine)
        });
        bins.sum()
    };
    let energy = sum(0);
    let scale = if energy > 0.0 { 1.0 / energy } else { 0.0 };
    for ((lag, slot), factor) in (1..).zip(row).zip(factors) {
        *slot = (sum(lag) * scale * f64::from(*factor)) as f32;
    }
}
