//! Blocks of one stream of sound through the kernel: upload, launch, copy to the host.

use lsie_device::{Buffer, Device, DeviceError, Stream};

use super::{Filter, MAX_OUTPUTS, Row, Shape, launch, upload_table};
use crate::error::KernelError;

/// Samples beyond this are no sound; what is larger would overflow 32 bits.
const LARGEST: f64 = 1e30;

/// A filter on one device. Allocates when made, not per block.
#[derive(Debug)]
pub struct DeviceFilter {
    stream: Stream,
    shape: Shape,
    samples: Buffer,
    table: Buffer,
    out: Buffer,
    staged: Vec<f32>,
    outputs: Vec<f32>,
}

impl DeviceFilter {
    /// Puts the filter on the device and allocates for [`MAX_OUTPUTS`] at a time.
    pub fn new(device: &dyn Device, filter: &Filter) -> Result<Self, DeviceError> {
        let (stream, shape) = (device.stream("resampler")?, Shape::of(filter));
        let most = shape.span(shape.up.saturating_sub(1), MAX_OUTPUTS as u32);
        Ok(DeviceFilter {
            samples: device.alloc(most * size_of::<f32>(), "resampler samples")?,
            table: upload_table(device, &stream, filter)?,
            out: device.alloc(MAX_OUTPUTS * size_of::<f32>(), "resampled")?,
            staged: Vec::with_capacity(most),
            outputs: vec![0.0; MAX_OUTPUTS],
            stream,
            shape,
        })
    }

    /// `count` outputs, at most [`MAX_OUTPUTS`]; `samples` begin with the window of the first, which has this phase.
    pub fn run(
        &mut self,
        samples: &[f64],
        phase: u32,
        count: usize,
    ) -> Result<&[f32], KernelError> {
        let row = Row {
            first: 0,
            phase,
            count: u32::try_from(count.min(MAX_OUTPUTS + 1)).unwrap_or(u32::MAX),
            out: 0,
        };
        if count == 0 {
            return Ok(&[]);
        }
        self.shape.check(&row)?;
        let outside = KernelError::OutOfRange {
            what: "resampled block",
        };
        let window = samples.get(..self.shape.span(phase, row.count));
        self.staged.clear();
        let limited = |x: &f64| x.clamp(-LARGEST, LARGEST) as f32;
        self.staged
            .extend(window.ok_or(outside)?.iter().map(limited));
        self.samples
            .upload(&self.stream, 0, bytemuck::cast_slice(&self.staged))?;
        launch(
            &self.stream,
            &self.samples,
            &self.table,
            self.shape,
            &[row],
            &mut self.out,
        )?;
        let outputs = self.outputs.get_mut(..count).unwrap_or_default();
        self.out
            .copy_to_host(&self.stream, 0, bytemuck::cast_slice_mut(outputs))?;
        Ok(outputs)
    }
}
