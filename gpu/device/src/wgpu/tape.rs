//! Launches that are noted once and queued again and again: what a launch is made of is made once, at the end of the recording.

use std::num::NonZero;
use std::sync::Arc;

use ::wgpu::{
    BindGroup, Buffer, BufferBinding, BufferDescriptor, BufferUsages, CommandEncoder,
    ComputePassDescriptor, ComputePipeline,
};

use super::context::Context;
use super::queue::{ALIGN_BYTES, Queue};
use crate::backend::Tape;
use crate::error::DeviceError;
use crate::source::KernelSource;

/// What a stream notes while it records.
#[derive(Debug)]
pub(super) enum Note {
    /// A launch.
    Launch {
        source: &'static KernelSource,
        groups: [u32; 3],
        params: Vec<u8>,
        buffers: Vec<Buffer>,
    },
    /// A copy.
    Copy(DeviceCopy),
}

/// A copy on the device to the beginning of a buffer.
#[derive(Debug)]
pub(super) struct DeviceCopy {
    pub(super) from: Buffer,
    /// First byte in `from`.
    pub(super) at: u64,
    pub(super) to: Buffer,
    pub(super) bytes: u64,
}

/// A recording that can be queued.
#[derive(Debug)]
pub(super) struct WgpuTape {
    queue: Arc<Queue>,
    steps: Vec<Step>,
}

#[derive(Debug)]
enum Step {
    Launch {
        pipeline: ComputePipeline,
        group: BindGroup,
        groups: [u32; 3],
    },
    Copy(DeviceCopy),
}

impl WgpuTape {
    pub(super) fn new(queue: &Arc<Queue>, notes: Vec<Note>) -> Result<Self, DeviceError> {
        let context = &queue.context;
        let params = params_of(context, &notes)?;
        let mut offset = 0;
        let mut steps = Vec::with_capacity(notes.len());
        for note in notes {
            steps.push(match note {
                Note::Copy(copy) => Step::Copy(copy),
                Note::Launch {
                    source,
                    groups,
                    params: own,
                    buffers,
                } => {
                    let kernel = context.kernel(source)?;
                    let own_params = BufferBinding {
                        buffer: &params,
                        offset,
                        size: NonZero::new(own.len() as u64),
                    };
                    offset += own.len().next_multiple_of(ALIGN_BYTES) as u64;
                    let group = context.bind(&kernel, source.name, own_params, buffers.iter())?;
                    Step::Launch {
                        pipeline: kernel.pipeline,
                        group,
                        groups,
                    }
                }
            });
        }
        Ok(WgpuTape {
            queue: Arc::clone(queue),
            steps,
        })
    }

    pub(super) fn is_of(&self, queue: &Arc<Queue>) -> bool {
        Arc::ptr_eq(&self.queue, queue)
    }

    /// Writes everything down: launches that follow each other share a pass, in which each sees what the ones before it wrote.
    pub(super) fn write(&self, encoder: &mut CommandEncoder) {
        let mut rest = self.steps.as_slice();
        while let Some(first) = rest.first() {
            if let Step::Copy(copy) = first {
                copy.write(encoder);
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor::default());
            while let Some(Step::Launch {
                pipeline,
                group,
                groups: [x, y, z],
            }) = rest.first()
            {
                pass.set_pipeline(pipeline);
                pass.set_bind_group(0, group, &[]);
                pass.dispatch_workgroups(*x, *y, *z);
                rest = rest.get(1..).unwrap_or_default();
            }
        }
    }
}

impl DeviceCopy {
    pub(super) fn write(&self, encoder: &mut CommandEncoder) {
        encoder.copy_buffer_to_buffer(&self.from, self.at, &self.to, 0, self.bytes);
    }
}

impl Tape for WgpuTape {}

/// The parameters of all launches, one behind the other, each at the next place where one may begin.
fn params_of(context: &Context, notes: &[Note]) -> Result<Buffer, DeviceError> {
    let mut all = Vec::new();
    for note in notes {
        if let Note::Launch { params, .. } = note {
            all.extend_from_slice(params);
            all.resize(all.len().next_multiple_of(ALIGN_BYTES), 0);
        }
    }
    let room = all.len().max(ALIGN_BYTES);
    all.resize(room, 0);
    let buffer = context.guarded("recorded parameters", room, |device| {
        device.create_buffer(&BufferDescriptor {
            label: Some("recorded parameters"),
            size: room as u64,
            usage: BufferUsages::UNIFORM | BufferUsages::STORAGE | BufferUsages::COPY_DST,
            mapped_at_creation: false,
        })
    })?;
    context.queue.write_buffer(&buffer, 0, &all);
    Ok(buffer)
}
