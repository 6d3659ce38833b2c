//! Several values to the host with one wait.

use bytemuck::Pod;

use crate::backend::Fetch;
use crate::buffer::Buffer;
use crate::error::DeviceError;
use crate::stream::Stream;

/// The beginning of a buffer, and where on the host it goes.
#[derive(Debug)]
pub struct Read<'a> {
    buffer: &'a Buffer,
    bytes: &'a mut [u8],
}

impl<'a> Read<'a> {
    /// As many values as there is place for.
    pub fn of<T: Pod>(buffer: &'a Buffer, values: &'a mut [T]) -> Self {
        let bytes = bytemuck::cast_slice_mut(values);
        Read { buffer, bytes }
    }
}

impl Stream {
    /// As [`Buffer::copy_to_host`] of each, but for one wait for all of them where the device can.
    pub fn read(&self, reads: &mut [Read<'_>]) -> Result<(), DeviceError> {
        for read in reads.iter() {
            read.buffer.check_read(self, 0, read.bytes.len())?;
        }
        let Some(reader) = self.lane().reader() else {
            return reads
                .iter_mut()
                .try_for_each(|read| read.buffer.copy_to_host(self, 0, read.bytes));
        };
        let mut values = Vec::with_capacity(reads.len());
        for read in reads.iter_mut() {
            // A stream that reads has no buffers of the host.
            if let Some(memory) = read.buffer.memory() {
                let bytes = &mut *read.bytes;
                values.push(Fetch { memory, bytes });
            }
        }
        reader.fetch(&mut values)?;
        for read in reads.iter() {
            read.buffer.was_read(read.bytes.len());
        }
        Ok(())
    }
}
