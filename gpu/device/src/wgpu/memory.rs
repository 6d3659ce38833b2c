//! Memory of a wgpu device. wgpu moves whole aligned words; bytes at odd places are merged on the device.

use std::sync::Arc;

use ::wgpu::{Buffer, BufferDescriptor, BufferUsages};

use super::queue::Queue;
use crate::backend::Memory;
use crate::error::DeviceError;
use crate::kind::DeviceKind;

/// The unit that wgpu copies.
const WORD_BYTES: usize = 4;

/// One storage buffer, its size rounded up to whole words.
#[derive(Debug)]
pub(crate) struct WgpuMemory {
    buffer: Buffer,
    queue: Arc<Queue>,
}

/// Whole words of a buffer that are read.
#[derive(Debug)]
pub(super) struct Words<'a> {
    pub(super) buffer: &'a Buffer,
    pub(super) from: u64,
    pub(super) bytes: u64,
}

/// A word of which only some bytes are replaced, as the merging kernel reads it.
#[derive(Debug, Clone, Copy, Default, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(super) struct Patch {
    /// Index of the word.
    word: u32,
    /// Bits that are replaced; 0 replaces nothing.
    pub(super) mask: u32,
    /// Their new values.
    value: u32,
    padding: u32,
}

/// An upload as words, and the two words at its ends that are not whole.
#[derive(Debug, Default)]
pub(super) struct Pieces<'a> {
    pub(super) ends: [Patch; 2],
    /// First byte of the whole words, in the buffer.
    pub(super) body_at: usize,
    pub(super) body: &'a [u8],
}

impl WgpuMemory {
    pub(super) fn new(queue: &Arc<Queue>, bytes: usize, label: &str) -> Result<Self, DeviceError> {
        let context = &queue.context;
        let limits = context.device.limits();
        let size = (bytes as u64)
            .max(1)
            .checked_next_multiple_of(WORD_BYTES as u64)
            .filter(|size| *size <= limits.max_buffer_size)
            .filter(|size| *size <= limits.max_storage_buffer_binding_size)
            .ok_or_else(|| DeviceError::OutOfMemory {
                bytes,
                label: label.to_owned(),
            })?;
        let buffer = context.guarded(label, bytes, |device| {
            device.create_buffer(&BufferDescriptor {
                label: Some(label),
                size,
                usage: BufferUsages::STORAGE | BufferUsages::COPY_DST | BufferUsages::COPY_SRC,
                mapped_at_creation: false,
            })
        })?;
        Ok(WgpuMemory {
            buffer,
            queue: Arc::clone(queue),
        })
    }

    pub(super) fn buffer(&self) -> &Buffer {
        &self.buffer
    }

    pub(super) fn is_of(&self, queue: &Arc<Queue>) -> bool {
        Arc::ptr_eq(&self.queue, queue)
    }

    /// The words that hold some bytes, and how many bytes of them stand before those.
    pub(super) fn words(&self, offset_bytes: usize, bytes: usize) -> (Words<'_>, usize) {
        let first = offset_bytes / WORD_BYTES * WORD_BYTES;
        let end = (offset_bytes + bytes).next_multiple_of(WORD_BYTES);
        let words = Words {
            buffer: &self.buffer,
            from: first as u64,
            bytes: (end - first) as u64,
        };
        (words, offset_bytes - first)
    }
}

impl Drop for WgpuMemory {
    fn drop(&mut self) {
        self.queue.groups.forget(&self.buffer);
    }
}

impl Memory for WgpuMemory {
    fn kind(&self) -> DeviceKind {
        DeviceKind::Wgpu
    }
}

impl<'a> Pieces<'a> {
    pub(super) fn of(offset_bytes: usize, bytes: &'a [u8]) -> Self {
        let to_word = offset_bytes.next_multiple_of(WORD_BYTES) - offset_bytes;
        let (head, rest) = bytes.split_at(to_word.min(bytes.len()));
        let (body, tail) = rest.split_at(rest.len() / WORD_BYTES * WORD_BYTES);
        let body_at = offset_bytes + head.len();
        Pieces {
            ends: [
                Patch::of(offset_bytes, head),
                Patch::of(body_at + body.len(), tail),
            ],
            body_at,
            body,
        }
    }
}

impl Patch {
    /// The bytes must lie in one word.
    fn of(offset_bytes: usize, bytes: &[u8]) -> Self {
        let mut patch = Patch {
            word: u32::try_from(offset_bytes / WORD_BYTES).unwrap_or(u32::MAX),
            ..Patch::default()
        };
        for (index, byte) in bytes.iter().enumerate() {
            let shift = 8 * ((offset_bytes + index) % WORD_BYTES);
            patch.mask |= 0xff << shift;
            patch.value |= u32::from(*byte) << shift;
        }
        patch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Carries an upload out on plain memory.
    fn carried_out(offset_bytes: usize, bytes: &[u8]) -> Vec<u8> {
        let mut words = [0xEEEE_EEEE_u32; 5];
        let pieces = Pieces::of(offset_bytes, bytes);
        assert!(pieces.body.is_empty() || pieces.body_at.is_multiple_of(4));
        assert!(pieces.body.len().is_multiple_of(4));
        let all: &mut [u8] = bytemuck::cast_slice_mut(&mut words);
        all[pieces.body_at..][..pieces.body.len()].copy_from_slice(pieces.body);
        for patch in pieces.ends.iter().filter(|patch| patch.mask != 0) {
            let word = &mut words[patch.word as usize];
            *word = (*word & !patch.mask) | patch.value;
        }
        bytemuck::cast_slice(&words).to_vec()
    }

    #[test]
    fn any_range_is_cut_into_words_and_two_ends() {
        for offset in 0..9 {
            for count in 0..11 {
                let bytes: Vec<u8> = (1..=count).collect();
                let mut wanted = vec![0xEE; 20];
                wanted[offset..offset + bytes.len()].copy_from_slice(&bytes);
                assert_eq!(carried_out(offset, &bytes), wanted, "{count} at {offset}");
            }
        }
    }
}
