//! Rows of any number through the kernel: upload, launch, copy to the host.

use lsie_device::{Buffer, Device, DeviceError, Stream};

use super::{MAX_ROWS, MAX_VALUES, Row, Statistics, launch, reference};
use crate::error::KernelError;

/// Most values of one upload.
const MOST: usize = 4 * MAX_VALUES;

/// Summarises rows on one device. Takes device memory when made, not per call.
#[derive(Debug)]
pub struct RowStatistics {
    stream: Stream,
    values: Buffer,
    out: Buffer,
    staged: Vec<f32>,
    rows: Vec<Row>,
    results: Vec<Statistics>,
}

impl RowStatistics {
    /// Allocates for the largest batch.
    pub fn new(device: &dyn Device) -> Result<Self, DeviceError> {
        Ok(RowStatistics {
            stream: device.stream("statistics")?,
            values: device.alloc(MOST * size_of::<f32>(), "rows")?,
            out: device.alloc(MAX_ROWS * size_of::<Statistics>(), "statistics")?,
            staged: Vec::with_capacity(MOST),
            rows: Vec::with_capacity(MAX_ROWS),
            results: Vec::new(),
        })
    }

    /// The statistics of each row, in order. A row of more than [`MAX_VALUES`] is summarised on the host.
    pub fn summarise<'a>(
        &mut self,
        rows: impl IntoIterator<Item = &'a [f32]>,
    ) -> Result<&[Statistics], KernelError> {
        self.results.clear();
        for row in rows {
            if row.len() > MAX_VALUES {
                self.flush()?;
                self.results.push(reference::summarise(row));
                continue;
            }
            if self.rows.len() == MAX_ROWS || self.staged.len() + row.len() > MOST {
                self.flush()?;
            }
            self.rows.push(Row {
                first: self.staged.len() as u32,
                count: row.len() as u32,
            });
            self.staged.extend_from_slice(row);
        }
        self.flush()?;
        Ok(&self.results)
    }

    /// Summarises what is staged.
    fn flush(&mut self) -> Result<(), KernelError> {
        let (done, count) = (self.results.len(), self.rows.len());
        let staged = bytemuck::cast_slice(&self.staged);
        let outcome = if count == 0 {
            Ok(())
        } else {
            self.results.resize(done + count, Statistics::default());
            let results = self.results.get_mut(done..).unwrap_or_default();
            let (stream, values, out) = (&self.stream, &mut self.values, &mut self.out);
            values
                .upload(stream, 0, staged)
                .map_err(KernelError::from)
                .and_then(|()| launch(stream, values, &self.rows, out))
                .and_then(|()| {
                    Ok(out.copy_to_host(stream, 0, bytemuck::cast_slice_mut(results))?)
                })
        };
        self.rows.clear();
        self.staged.clear();
        outcome
    }
}
