//! Rounds of one segment of sound through the kernel: one upload of the samples, then a launch and a copy to the host a round.

use lsie_device::{Buffer, Device, DeviceError, Stream};

use super::{MAX_ROWS, MAX_SAMPLES, MAX_SHIFTS, Row, launch};
use crate::error::KernelError;

/// Matches stretches of one segment at a time on one device. Allocates when made, not per segment.
#[derive(Debug)]
pub struct PeriodMatcher {
    stream: Stream,
    samples: Buffer,
    out: Buffer,
    products: Vec<i64>,
}

impl PeriodMatcher {
    /// Allocates for the longest segment and the largest round.
    pub fn new(device: &dyn Device) -> Result<Self, DeviceError> {
        let products = vec![0; MAX_ROWS * MAX_SHIFTS];
        Ok(PeriodMatcher {
            stream: device.stream("pulses")?,
            samples: device.alloc(MAX_SAMPLES * size_of::<i16>(), "pulse samples")?,
            out: device.alloc(size_of_val(products.as_slice()), "pulse products")?,
            products,
        })
    }

    /// Puts a segment of at most [`MAX_SAMPLES`] samples on the device; rows from here on mean its samples.
    pub fn hold(&mut self, samples: &[i16]) -> Result<(), KernelError> {
        self.samples
            .upload(&self.stream, 0, bytemuck::cast_slice(samples))?;
        Ok(())
    }

    /// [`MAX_SHIFTS`] sums for each of at most [`MAX_ROWS`] rows, of which a row's first `shifts` have a meaning.
    pub fn run(&mut self, rows: &[Row]) -> Result<&[i64], KernelError> {
        if rows.is_empty() {
            return Ok(&[]);
        }
        launch(&self.stream, &self.samples, rows, &mut self.out)?;
        let products = self.products.get_mut(..rows.len() * MAX_SHIFTS);
        let products = products.unwrap_or_default();
        self.out
            .copy_to_host(&self.stream, 0, bytemuck::cast_slice_mut(products))?;
        Ok(products)
    }
}
