//! Statistics of rows of scores, of action units over a window for instance: a batch of rows in one launch.
//!
//! ```text
//! rows of f32 to Statistics (32 B each)   in: any count of values up to 4096 a row; those that are not finite are left out
//! v1 a group a row: sums by halves, then a bitonic sort in shared memory, percentiles between ranks (math 1.6)
//! text: kernel.wgsl, kernel.cu, f32   on the processor sums in f64
//! tolerance 2e-6 of the row's largest magnitude        moves 4 B a value in, 32 B a row out
//! ```

mod batch;
pub mod reference;

use bytemuck::{Pod, Zeroable};
use lsie_device::{Argument, Buffer, KernelSource, Launch, Stream};

use crate::error::KernelError;
use crate::launch::{check, input, output, runs_text};
pub use batch::RowStatistics;

/// Most values of a row.
pub const MAX_VALUES: usize = 4096;
/// Most rows of one launch.
pub const MAX_ROWS: usize = 64;

/// The batch as text.
pub static SOURCE: KernelSource = KernelSource {
    name: "summarise_rows",
    group: [256, 1, 1],
    arguments: 2,
    wgsl: include_str!("kernel.wgsl"),
    cuda: include_str!("kernel.cu"),
};

/// A row of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Row {
    /// Its first value.
    pub first: u32,
    /// How many, at most [`MAX_VALUES`].
    pub count: u32,
}

/// What is said of a row, as a device writes it. 32 bytes. All 0 where no value was finite.
#[derive(Debug, Clone, Copy, PartialEq, Default, Pod, Zeroable)]
#[repr(C)]
pub struct Statistics {
    /// Finite values.
    pub count: u32,
    /// Their mean.
    pub mean: f32,
    /// Their sample standard deviation; 0 of a single one.
    pub deviation: f32,
    /// The least.
    pub least: f32,
    /// 10th percentile.
    pub p10: f32,
    /// 50th percentile.
    pub median: f32,
    /// 90th percentile.
    pub p90: f32,
    /// The largest.
    pub largest: f32,
}

/// The parameters as a device reads them. 528 bytes.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Params {
    rows: u32,
    padding: [u32; 3],
    places: [Row; MAX_ROWS],
}

/// Summarises at most [`MAX_ROWS`] rows of `values` into one [`Statistics`] each. Allocates nothing.
pub fn launch(
    stream: &Stream,
    values: &Buffer,
    rows: &[Row],
    out: &mut Buffer,
) -> Result<(), KernelError> {
    let is_too_long = rows.iter().any(|row| row.count as usize > MAX_VALUES);
    if rows.len() > MAX_ROWS || is_too_long {
        return Err(KernelError::OutOfRange {
            what: "rows of statistics",
        });
    }
    let ends = rows
        .iter()
        .map(|row| row.first as usize + row.count as usize);
    let value_count = ends.max().unwrap_or(0);
    if runs_text(stream) {
        check::<f32>(stream, values, value_count, "values")?;
        check::<Statistics>(stream, out, rows.len(), "statistics")?;
        let mut params = Params::zeroed();
        params.rows = rows.len() as u32;
        for (slot, row) in params.places.iter_mut().zip(rows) {
            *slot = *row;
        }
        return Ok(stream.launch(&Launch {
            source: &SOURCE,
            groups: [params.rows, 1, 1],
            params: bytemuck::bytes_of(&params),
            arguments: &[Argument::Input(values), Argument::Output(out)],
        })?);
    }
    let values = input::<f32>(stream, values, value_count, "values")?;
    let all = output::<Statistics>(stream, out, rows.len(), "statistics")?;
    for (row, slot) in rows.iter().zip(all) {
        let (first, count) = (row.first as usize, row.count as usize);
        *slot = summarise(values.get(first..first + count).unwrap_or_default());
    }
    stream.launched(&SOURCE);
    Ok(())
}

fn summarise(values: &[f32]) -> Statistics {
    let mut sorted = [0.0; MAX_VALUES];
    let finite = values.iter().filter(|value| value.is_finite());
    let mut count = 0;
    for (slot, value) in sorted.iter_mut().zip(finite) {
        *slot = *value;
        count += 1;
    }
    let sorted = sorted.get_mut(..count).unwrap_or_default();
    sorted.sort_unstable_by(f32::total_cmp);
    let (Some(least), Some(largest)) = (sorted.first(), sorted.last()) else {
        return Statistics::default();
    };
    let mean = sorted.iter().map(|value| f64::from(*value)).sum::<f64>() / count as f64;
    let squares = sorted
        .iter()
        .map(|value| (f64::from(*value) - mean).powi(2));
    let variance = squares.sum::<f64>() / count.saturating_sub(1).max(1) as f64;
    Statistics {
        count: count as u32,
        mean: mean as f32,
        deviation: variance.sqrt() as f32,
        least: *least,
        p10: percentile(sorted, 10),
        median: percentile(sorted, 50),
        p90: percentile(sorted, 90),
        largest: *largest,
    }
}

/// Math 1.6 in `f32`; the rank is a whole number and hundredths, so every version takes the same two values.
fn percentile(sorted: &[f32], percent: usize) -> f32 {
    let rank = sorted.len().saturating_sub(1) * percent;
    let (index, share) = (rank / 100, (rank % 100) as f32 / 100.0);
    let low = sorted.get(index).copied().unwrap_or(0.0);
    let high = sorted.get(index + 1).copied().unwrap_or(low);
    if share < 0.5 {
        low + share * (high - low)
    } else {
        high - (high - low) * (1.0 - share)
    }
}
