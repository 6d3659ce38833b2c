//! Sound of any rate to 16 kHz by a polyphase filter: blocks of several streams in one launch (math 3.1).
//!
//! ```text
//! samples to outputs.   in: f32 mono, table of the filter, a row a stream   out: f32 at 16 kHz
//! v1 on the processor tap by tap in f64, for tests; sessions there use the dot product of the reference
//! text: kernel.wgsl, kernel.cu, four lanes an output, f32
//! tolerance 3e-6 of full scale        moves 12 B in and 4 B out a sample from 48 kHz, the table and 303 samples before once
//! ```
//!
//! Output n of a row takes the taps of phase (phase + n · down) mod up over the samples from first + (phase + n · down) / up on.
//! Rounding to 16 bits is left to the host, which rounds all devices' outputs alike.

mod batch;
mod filter;
pub mod reference;

use bytemuck::{Pod, Zeroable};
use lsie_device::{Argument, Buffer, Device, DeviceError, KernelSource, Launch, Stream};

use crate::error::KernelError;
use crate::launch::{check, input, output, runs_text};
pub use batch::DeviceFilter;
pub use filter::Filter;
pub(crate) use filter::bessel_i0;

/// Most streams of one launch.
pub const MAX_ROWS: usize = 32;
/// Most outputs of a row: a quarter of a second.
pub const MAX_OUTPUTS: usize = 4096;

/// Outputs of a group.
const GROUP_OUTPUTS: u32 = 64;

/// The batch as text.
pub static SOURCE: KernelSource = KernelSource {
    name: "resample_blocks",
    group: [256, 1, 1],
    arguments: 3,
    wgsl: include_str!("kernel.wgsl"),
    cuda: include_str!("kernel.cu"),
};

/// A block of one stream, as a device reads it. 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Row {
    /// First sample of the first output's window.
    pub first: u32,
    /// Phase of the first output, below the filter's `up`.
    pub phase: u32,
    /// Outputs, at most [`MAX_OUTPUTS`].
    pub count: u32,
    /// Where the first output goes.
    pub out: u32,
}

/// What a device knows of a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    up: u32,
    down: u32,
    taps: u32,
}

impl Shape {
    /// The shape of a filter.
    pub fn of(filter: &Filter) -> Self {
        // Rates end at 384 kHz: all three are far below.
        let narrow = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        Shape {
            up: narrow(filter.up()),
            down: narrow(filter.down()),
            taps: narrow(2 * filter.reach()),
        }
    }

    /// Samples from the first to the last one that `count` outputs need.
    pub fn span(&self, phase: u32, count: u32) -> usize {
        let last = u64::from(phase) + u64::from(count.saturating_sub(1)) * u64::from(self.down);
        (last / u64::from(self.up.max(1))) as usize + self.taps as usize
    }

    /// Fails for a row that the text cannot count.
    fn check(&self, row: &Row) -> Result<(), KernelError> {
        let is_possible = row.count as usize <= MAX_OUTPUTS && row.phase < self.up;
        is_possible.then_some(()).ok_or(KernelError::OutOfRange {
            what: "resampled block",
        })
    }
}

/// The parameters as a device reads them. 528 bytes.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Params {
    up: u32,
    down: u32,
    taps: u32,
    padding: u32,
    rows: [Row; MAX_ROWS],
}

/// Puts a filter's table on a device, once at start-up.
pub fn upload_table(
    device: &dyn Device,
    stream: &Stream,
    filter: &Filter,
) -> Result<Buffer, DeviceError> {
    let table = filter.table();
    let mut buffer = device.alloc(size_of_val(table.as_slice()), "resampler table")?;
    buffer.upload(stream, 0, bytemuck::cast_slice(&table))?;
    Ok(buffer)
}

/// Resamples a block of each row, at most [`MAX_ROWS`], all of one rate. `table` comes from [`upload_table`]; rows write from their
/// place in `out` on and must not overlap there. Allocates nothing.
pub fn launch(
    stream: &Stream,
    samples: &Buffer,
    table: &Buffer,
    shape: Shape,
    rows: &[Row],
    out: &mut Buffer,
) -> Result<(), KernelError> {
    if rows.len() > MAX_ROWS {
        return Err(KernelError::OutOfRange {
            what: "resampled streams",
        });
    }
    let (mut sample_count, mut out_count, mut longest) = (0, 0, 0);
    for row in rows {
        shape.check(row)?;
        let end = row.first as usize + shape.span(row.phase, row.count);
        sample_count = sample_count.max(if row.count > 0 { end } else { 0 });
        out_count = out_count.max(row.out as usize + row.count as usize);
        longest = longest.max(row.count);
    }
    let table_count = shape.up as usize * shape.taps as usize;
    if runs_text(stream) {
        check::<f32>(stream, samples, sample_count, "samples")?;
        check::<f32>(stream, table, table_count, "resampler table")?;
        check::<f32>(stream, out, out_count, "resampled")?;
        let mut params = Params::zeroed();
        (params.up, params.down, params.taps) = (shape.up, shape.down, shape.taps);
        for (slot, row) in params.rows.iter_mut().zip(rows) {
            *slot = *row;
        }
        return Ok(stream.launch(&Launch {
            source: &SOURCE,
            groups: [longest.div_ceil(GROUP_OUTPUTS), rows.len() as u32, 1],
            params: bytemuck::bytes_of(&params),
            arguments: &[
                Argument::Input(samples),
                Argument::Input(table),
                Argument::Output(out),
            ],
        })?);
    }
    let samples = input::<f32>(stream, samples, sample_count, "samples")?;
    let table = input::<f32>(stream, table, table_count, "resampler table")?;
    let out = output::<f32>(stream, out, out_count, "resampled")?;
    for row in rows {
        let outputs = out.get_mut(row.out as usize..).unwrap_or_default();
        resample_row(samples, table, shape, row, outputs);
    }
    stream.launched(&SOURCE);
    Ok(())
}

fn resample_row(samples: &[f32], table: &[f32], shape: Shape, row: &Row, out: &mut [f32]) {
    for (number, slot) in (0..row.count).zip(out) {
        let at = row.phase + number * shape.down;
        let window = samples.get((row.first + at / shape.up) as usize..);
        let taps = table.get((at % shape.up * shape.taps) as usize..);
        let pairs = window
            .unwrap_or_default()
            .iter()
            .zip(taps.unwrap_or_default().iter().take(shape.taps as usize));
        let sum: f64 = pairs.map(|(x, h)| f64::from(*x) * f64::from(*h)).sum();
        *slot = sum as f32;
    }
}
