//! The one queue of a device. Work is written down and handed over together: handing over costs more than all the rest of a launch.
//!
//! ```text
//! launch, copy on the device ──▶ written down (at most 32) ──┐
//! upload, copy to the host, wait, mark ──────────────────────┴──▶ handed over, then their own work
//! ```
//!
//! All streams share it, so that everything runs in the order of the calls, as if each was handed over at once. What nobody waits
//! for may stay written down: nobody can see the difference.

use std::sync::Mutex;

use ::wgpu::{
    Buffer, BufferDescriptor, BufferUsages, CommandEncoder, CommandEncoderDescriptor,
    ComputePassDescriptor, ComputePassTimestampWrites, SubmissionIndex,
};

use super::context::{Context, held};
use super::groups::Groups;
use crate::error::DeviceError;
use crate::source::{KernelSource, MAX_PARAMS_BYTES};

/// Most launches and copies that wait.
const MOST_WAITING: usize = 32;
/// Bytes of parameters that wait.
const ROOM_BYTES: usize = 128 * 1024;
/// Parameters of a launch begin at a multiple of this: what every device takes.
pub(super) const ALIGN_BYTES: usize = 256;

const _: () = assert!(ROOM_BYTES >= MAX_PARAMS_BYTES);

/// An open device and what waits for it.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) context: Context,
    pub(super) groups: Groups,
    waiting: Mutex<Waiting>,
}

/// What waits.
#[derive(Debug, Default)]
struct Waiting {
    /// Where parameters lie on the device; made at the first launch.
    room: Option<Buffer>,
    /// Parameters of the launches that wait.
    params: Vec<u8>,
    encoder: Option<CommandEncoder>,
    count: usize,
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

impl Waiting {
    fn has_room(&self, params_bytes: usize) -> bool {
        self.count < MOST_WAITING && self.params.len() + params_bytes <= ROOM_BYTES
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

impl Queue {
    pub(super) fn new(context: Context) -> Self {
        Queue {
            context,
            groups: Groups::default(),
            waiting: Mutex::default(),
        }
    }

    /// Writes a launch down.
    pub(super) fn dispatch(&self, dispatch: &Dispatch<'_>) -> Result<(), DeviceError> {
        let name = dispatch.source.name;
        let kernel = self.context.kernel(dispatch.source)?;
        let mut waiting = held(&self.waiting);
        if !waiting.has_room(dispatch.params.len()) {
            self.hand_over(&mut waiting)?;
        }
        let room = match &waiting.room {
            Some(room) => room.clone(),
            None => waiting.room.insert(self.params_room()?).clone(),
        };
        let params = (waiting.take_params(dispatch.params), dispatch.params.len());
        let group = self.groups.get(
            &self.context,
            (dispatch.source, &kernel),
            &room,
            params,
            dispatch.buffers,
        )?;
        let mut pass = self
            .encoder(&mut waiting)
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
        let mut waiting = held(&self.waiting);
        if !waiting.has_room(0) {
            self.hand_over(&mut waiting)?;
        }
        write(self.encoder(&mut waiting));
        Ok(())
    }

    /// Uploads whole words behind everything that was written down before.
    pub(super) fn upload(&self, to: &Buffer, at: u64, words: &[u8]) -> Result<(), DeviceError> {
        let mut waiting = held(&self.waiting);
        if waiting.encoder.is_some() {
            self.hand_over(&mut waiting)?;
        }
        self.context.queue.write_buffer(to, at, words);
        Ok(())
    }

    /// Hands over what waits, and uploads with it.
    pub(super) fn submit(&self) -> Result<SubmissionIndex, DeviceError> {
        self.hand_over(&mut held(&self.waiting))
    }

    fn encoder<'a>(&self, waiting: &'a mut Waiting) -> &'a mut CommandEncoder {
        waiting.count += 1;
        waiting.encoder.get_or_insert_with(|| {
            self.context
                .device
                .create_command_encoder(&CommandEncoderDescriptor::default())
        })
    }

    fn hand_over(&self, waiting: &mut Waiting) -> Result<SubmissionIndex, DeviceError> {
        let encoder = waiting.encoder.take();
        waiting.count = 0;
        if let Some(room) = waiting.room.as_ref().filter(|_| !waiting.params.is_empty()) {
            self.context.queue.write_buffer(room, 0, &waiting.params);
            waiting.params.clear();
        }
        let commands = match encoder {
            Some(encoder) => Some(self.context.guarded("launches", 0, |_| encoder.finish())?),
            None => None,
        };
        let last = self.context.queue.submit(commands);
        self.context.check()?;
        Ok(last)
    }

    fn params_room(&self) -> Result<Buffer, DeviceError> {
        self.context.guarded("parameters", ROOM_BYTES, |device| {
            device.create_buffer(&BufferDescriptor {
                label: Some("parameters"),
                size: ROOM_BYTES as u64,
                usage: BufferUsages::UNIFORM | BufferUsages::STORAGE | BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        })
    }
}
