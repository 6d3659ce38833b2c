//! Stretches of sound against what lies around them, what glottal pulses are found by (math 10.3): a batch in one launch.
//!
//! ```text
//! samples to sums of products.   in: s16 at 16 kHz, a row a stretch   out: N × 128 s64, one a shift
//! v1 on the processor, the reference sum after sum      text: kernel.wgsl, kernel.cu, a group a row
//! tolerance none: whole numbers are equal everywhere        moves at most 766 B in, 1 KiB out a row
//! ```
//!
//! A row's sum k is that of its stretch and of the stretch of the same length k samples after `from`. At most 256 products of two
//! 16-bit numbers are below 2³⁹: what the host divides and decides in `f64` is the same, bit for bit, wherever they were summed.

mod batch;
pub mod reference;

use bytemuck::{Pod, Zeroable};
use lsie_device::{Argument, Buffer, KernelSource, Launch, Stream};

use crate::error::KernelError;
use crate::launch::{check, input, output, runs_text};
pub use batch::PeriodMatcher;

/// Most stretches of one launch, of any streams whose samples lie in one buffer.
pub const MAX_ROWS: usize = 64;
/// Most samples of a stretch: a period of 75 Hz and some more.
pub const MAX_LENGTH: usize = 256;
/// Most shifts of a row; the sums of a row are so far apart.
pub const MAX_SHIFTS: usize = 128;
/// Most samples that a [`PeriodMatcher`] holds: 32 s.
pub const MAX_SAMPLES: usize = 32 * 16_000;

/// The batch as text.
pub static SOURCE: KernelSource = KernelSource {
    name: "match_periods",
    group: [128, 1, 1],
    arguments: 2,
    wgsl: include_str!("kernel.wgsl"),
    cuda: include_str!("kernel.cu"),
};

/// A stretch and its shifts, as a device reads them. 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Row {
    /// First sample of the stretch.
    pub first: u32,
    /// Its samples, 1 to [`MAX_LENGTH`].
    pub length: u32,
    /// First sample of what it is compared with at shift 0.
    pub from: u32,
    /// Shifts, 1 to [`MAX_SHIFTS`].
    pub shifts: u32,
}

impl Row {
    /// Samples up to the last one that the row touches.
    fn samples(&self) -> usize {
        let (first, from) = (self.first as usize, self.from as usize);
        let (length, shifts) = (self.length as usize, self.shifts as usize);
        (first + length).max(from + length + shifts - 1)
    }
}

/// The parameters as a device reads them. 1040 bytes.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Params {
    count: u32,
    padding: [u32; 3],
    rows: [Row; MAX_ROWS],
}

/// Sums the products of at most [`MAX_ROWS`] rows; `out` takes [`MAX_SHIFTS`] sums a row, of which those beyond the row's shifts are
/// left as they are. Allocates nothing.
pub fn launch(
    stream: &Stream,
    samples: &Buffer,
    rows: &[Row],
    out: &mut Buffer,
) -> Result<(), KernelError> {
    let is_possible = |row: &Row| {
        (1..=MAX_LENGTH).contains(&(row.length as usize))
            && (1..=MAX_SHIFTS).contains(&(row.shifts as usize))
    };
    if rows.len() > MAX_ROWS || !rows.iter().all(is_possible) {
        return Err(KernelError::OutOfRange {
            what: "pulse stretches",
        });
    }
    let sample_count = rows.iter().map(Row::samples).max().unwrap_or(0);
    let count = rows.len() * MAX_SHIFTS;
    if runs_text(stream) {
        check::<i16>(stream, samples, sample_count, "samples")?;
        check::<i64>(stream, out, count, "products")?;
        let mut params = Params::zeroed();
        params.count = rows.len() as u32;
        for (slot, row) in params.rows.iter_mut().zip(rows) {
            *slot = *row;
        }
        return Ok(stream.launch(&Launch {
            source: &SOURCE,
            groups: [params.count, 1, 1],
            params: bytemuck::bytes_of(&params),
            arguments: &[Argument::Input(samples), Argument::Output(out)],
        })?);
    }
    let samples = input::<i16>(stream, samples, sample_count, "samples")?;
    let products = output::<i64>(stream, out, count, "products")?;
    for (row, sums) in rows.iter().zip(products.chunks_exact_mut(MAX_SHIFTS)) {
        let (first, length) = (row.first as usize, row.length as usize);
        let others = (row.from as usize..).take(row.shifts as usize);
        for (other, sum) in others.zip(sums) {
            *sum = reference::product(samples, first, other, length).unwrap_or_default();
        }
    }
    stream.launched(&SOURCE);
    Ok(())
}
