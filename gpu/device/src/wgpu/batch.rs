//! Work that is written down and handed to the device together: handing over costs more than all the rest of a launch.
//!
//! ```text
//! launch, copy on the device ──▶ written down (at most 32) ──┐
//! upload, copy to the host, wait, mark ──────────────────────┴──▶ handed over, then their own work
//! ```
//!
//! One for all streams of a device, so that its queue runs everything in the order of the calls, as if each was handed over at
//! once. What nobody waits for may stay written down: nobody can see the difference.

use std::num::NonZero;

use ::wgpu::{
    BindGroupDescriptor, BindGroupEntry, BindingResource, Buffer, BufferBinding, BufferDescriptor,
    BufferUsages, CommandEncoder, CommandEncoderDescriptor, ComputePassDescriptor,
    ComputePassTimestampWrites, SubmissionIndex,
};

use super::context::{Context, held};
use crate::error::DeviceError;
use crate::source::{KernelSource, MAX_PARAMS_BYTES};

/// Most launches and copies that wait.
const MOST_WAITING: usize = 32;
/// Bytes of parameters that wait.
const ROOM_BYTES: usize = 128 * 1024;
/// Parameters of a launch begin at a multiple of this: what every device takes.
const ALIGN_BYTES: usize = 256;

const _: () = assert!(ROOM_BYTES >= MAX_PARAMS_BYTES);

/// What waits.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Where parameters lie on the device; made at the first launch.
    room: Option<Buffer>,
    /// Parameters of the launches that wait.
    params: Vec<u8>,
    encoder: Option<CommandEncoder>,
    waiting: usize,
}

/// A launch as wgpu takes it.
#[derive(Debug)]
pub(super) struct Dispatch<'a> {
    pub(super) source: &'static KernelSource,
    pub(super) groups: [u32; 3],
    pub(super) params: &'a [u8],
    pub(super) buffers: &'a [&'a Buffer],
    /// Where the device notes begin and end.
    pub(super) times: Option<ComputePassTimestampWrites<'a>>,
}

impl Batch {
    fn has_room(&self, params_bytes: usize) -> bool {
        self.waiting < MOST_WAITING && self.params.len() + params_bytes <= ROOM_BYTES
    }

    /// Takes a launch's parameters; gives where they begin.
    fn take_params(&mut self, params: &[u8]) -> u64 {
        let offset = self.params.len();
        self.params.extend_from_slice(params);
        let end = self.params.len().next_multiple_of(ALIGN_BYTES);
        self.params.resize(end, 0);
        offset as u64
    }
}

impl Context {
    /// Writes a launch down.
    pub(super) fn dispatch(&self, dispatch: &Dispatch<'_>) -> Result<(), DeviceError> {
        let name = dispatch.source.name;
        let kernel = self.kernel(dispatch.source)?;
        let mut batch = held(&self.batch);
        if !batch.has_room(dispatch.params.len()) {
            self.hand_over(&mut batch)?;
        }
        let room = match &batch.room {
            Some(room) => room.clone(),
            None => batch.room.insert(self.params_room()?).clone(),
        };
        let params = BindingResource::Buffer(BufferBinding {
            buffer: &room,
            offset: batch.take_params(dispatch.params),
            size: NonZero::new(dispatch.params.len() as u64),
        });
        let others = dispatch
            .buffers
            .iter()
            .map(|buffer| buffer.as_entire_binding());
        let entries: Vec<_> = (0_u32..)
            .zip(std::iter::once(params).chain(others))
            .map(|(binding, resource)| BindGroupEntry { binding, resource })
            .collect();
        let group = self.guarded(name, 0, |device| {
            device.create_bind_group(&BindGroupDescriptor {
                label: Some(name),
                layout: &kernel.layout,
                entries: &entries,
            })
        })?;
        let mut pass = self
            .encoder(&mut batch)
            .begin_compute_pass(&ComputePassDescriptor {
                label: Some(name),
                timestamp_writes: dispatch.times.clone(),
            });
        pass.set_pipeline(&kernel.pipeline);
        pass.set_bind_group(0, &group, &[]);
        let [x, y, z] = dispatch.groups;
        pass.dispatch_workgroups(x, y, z);
        Ok(())
    }

    /// Writes something else down.
    pub(super) fn note(&self, write: impl FnOnce(&mut CommandEncoder)) -> Result<(), DeviceError> {
        let mut batch = held(&self.batch);
        if !batch.has_room(0) {
            self.hand_over(&mut batch)?;
        }
        write(self.encoder(&mut batch));
        Ok(())
    }

    /// Uploads whole words behind everything that was written down before.
    pub(super) fn upload(&self, to: &Buffer, at: u64, words: &[u8]) -> Result<(), DeviceError> {
        let mut batch = held(&self.batch);
        if batch.encoder.is_some() {
            self.hand_over(&mut batch)?;
        }
        self.queue.write_buffer(to, at, words);
        Ok(())
    }

    /// Hands over what waits, and uploads with it.
    pub(super) fn submit(&self) -> Result<SubmissionIndex, DeviceError> {
        self.hand_over(&mut held(&self.batch))
    }

    fn encoder<'a>(&self, batch: &'a mut Batch) -> &'a mut CommandEncoder {
        batch.waiting += 1;
        batch.encoder.get_or_insert_with(|| {
            self.device
                .create_command_encoder(&CommandEncoderDescriptor::default())
        })
    }

    fn hand_over(&self, batch: &mut Batch) -> Result<SubmissionIndex, DeviceError> {
        let encoder = batch.encoder.take();
        batch.waiting = 0;
        if let Some(room) = batch.room.as_ref().filter(|_| !batch.params.is_empty()) {
            self.queue.write_buffer(room, 0, &batch.params);
            batch.params.clear();
        }
        let commands = match encoder {
            Some(encoder) => Some(self.guarded("launches", 0, |_| encoder.finish())?),
            None => None,
        };
        let last = self.queue.submit(commands);
        self.check()?;
        Ok(last)
    }

    fn params_room(&self) -> Result<Buffer, DeviceError> {
        self.guarded("parameters", ROOM_BYTES, |device| {
            device.create_buffer(&BufferDescriptor {
                label: Some("parameters"),
                size: ROOM_BYTES as u64,
                usage: BufferUsages::UNIFORM | BufferUsages::STORAGE | BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        })
    }
}
