//! Frames of a stream of sound through the kernel: upload, launch, copy to the host.

use lsie_device::{Buffer, Device, DeviceError, Stream};

use super::{MAX_FRAMES, ROW, WINDOW, launch, upload_tables};
use crate::error::KernelError;

/// Most samples between the first and the last window of a batch.
const MAX_SPAN: usize = MAX_FRAMES * 161;

/// Correlates frames on one device. Allocates when made, not per batch.
#[derive(Debug)]
pub struct Correlator {
    stream: Stream,
    samples: Buffer,
    tables: Buffer,
    out: Buffer,
    staged: Vec<f32>,
    starts: Vec<u32>,
    rows: Vec<f32>,
}

impl Correlator {
    /// Allocates for the largest batch.
    pub fn new(device: &dyn Device) -> Result<Self, DeviceError> {
        let stream = device.stream("pitch")?;
        Ok(Correlator {
            samples: device.alloc((MAX_SPAN + WINDOW) * size_of::<f32>(), "pitch samples")?,
            tables: upload_tables(device, &stream)?,
            out: device.alloc(MAX_FRAMES * ROW * size_of::<f32>(), "pitch rows")?,
            staged: Vec::with_capacity(MAX_SPAN + WINDOW),
            starts: Vec::with_capacity(MAX_FRAMES),
            rows: vec![0.0; MAX_FRAMES * ROW],
            stream,
        })
    }

    /// How many of the windows at `starts`, ascending, one batch takes.
    pub fn batch_of(starts: &[usize]) -> usize {
        let first = starts.first().copied().unwrap_or(0);
        let within = starts.iter().take(MAX_FRAMES);
        within
            .take_while(|start| (first..=first + MAX_SPAN).contains(start))
            .count()
    }

    /// Rows of the frames whose windows begin at `starts`, which must be one batch and lie within `samples`.
    pub fn run(&mut self, samples: &[f64], starts: &[usize]) -> Result<&[f32], KernelError> {
        let (Some(first), Some(last)) = (starts.first(), starts.last()) else {
            return Ok(&[]);
        };
        let outside = KernelError::OutOfRange {
            what: "pitch frames",
        };
        if Self::batch_of(starts) < starts.len() {
            return Err(outside);
        }
        let span = samples.get(*first..*last + WINDOW).ok_or(outside)?;
        self.staged.clear();
        self.staged.extend(span.iter().map(|sample| *sample as f32));
        self.starts.clear();
        self.starts
            .extend(starts.iter().map(|start| (start - first) as u32));
        self.samples
            .upload(&self.stream, 0, bytemuck::cast_slice(&self.staged))?;
        launch(
            &self.stream,
            &self.samples,
            &self.tables,
            &self.starts,
            &mut self.out,
        )?;
        let rows = self.rows.get_mut(..starts.len() * ROW).unwrap_or_default();
        self.out
            .copy_to_host(&self.stream, 0, bytemuck::cast_slice_mut(rows))?;
        Ok(rows)
    }
}
