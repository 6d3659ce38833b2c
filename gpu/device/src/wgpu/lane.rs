//! A stream of a wgpu device: launches, waits, reads back, and knows how long the last launch took.

use std::sync::{Arc, Mutex};

use ::wgpu::{
    BindGroupDescriptor, BindGroupEntry, BindingResource, Buffer, BufferBinding, BufferDescriptor,
    BufferUsages, CommandEncoderDescriptor, ComputePassDescriptor, ComputePassTimestampWrites,
    Features, MapMode, QuerySet, QuerySetDescriptor, QueryType, SubmissionIndex,
};

use super::context::{Context, failed, held};
use super::memory::Patch;
use crate::device::DeviceKind;
use crate::error::DeviceError;
use crate::launch::{KernelSource, Launch, MAX_PARAMS_BYTES};
use crate::transfer::TransferCounters;

static PATCH: KernelSource = KernelSource {
    name: "patch_ends",
    group: [1, 1, 1],
    arguments: 1,
    wgsl: include_str!("patch.wgsl"),
    cuda: "",
};

/// Bytes of two timestamps.
const TIMESTAMPS_BYTES: u64 = 16;

#[derive(Debug)]
pub(crate) struct WgpuLane {
    context: Arc<Context>,
    /// One launch at a time: its parameters are written and read in the queue's order.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Parameters of the launch that is being queued.
    params: Buffer,
    /// Where copies to the host land; grows to the largest one.
    staging: Option<Buffer>,
    timer: Option<Timer>,
    last: Option<SubmissionIndex>,
}

/// The device's clock at the beginning and the end of the last launch.
#[derive(Debug)]
struct Timer {
    queries: QuerySet,
    resolved: Buffer,
    is_used: bool,
}

impl WgpuLane {
    pub(super) fn new(context: &Arc<Context>) -> Result<Self, DeviceError> {
        let has_clock = context
            .device
            .features()
            .contains(Features::TIMESTAMP_QUERY);
        let state = context.guarded("stream", MAX_PARAMS_BYTES, |device| {
            let buffer = |label, size, usage| {
                device.create_buffer(&BufferDescriptor {
                    label: Some(label),
                    size,
                    usage,
                    mapped_at_creation: false,
                })
            };
            let timer = has_clock.then(|| Timer {
                queries: device.create_query_set(&QuerySetDescriptor {
                    label: Some("launch time"),
                    ty: QueryType::Timestamp,
                    count: 2,
                }),
                resolved: buffer(
                    "launch time",
                    TIMESTAMPS_BYTES,
                    BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC,
                ),
                is_used: false,
            });
            State {
                params: buffer(
                    "parameters",
                    MAX_PARAMS_BYTES as u64,
                    BufferUsages::UNIFORM | BufferUsages::STORAGE | BufferUsages::COPY_DST,
                ),
                staging: None,
                timer,
                last: None,
            }
        })?;
        Ok(WgpuLane {
            context: Arc::clone(context),
            state: Mutex::new(state),
        })
    }

    pub(super) fn context(&self) -> &Arc<Context> {
        &self.context
    }

    pub(crate) fn counters(&self) -> &Arc<TransferCounters> {
        &self.context.counters
    }

    /// Queues a launch. Allocates no device memory.
    pub(crate) fn launch(&self, launch: &Launch<'_>) -> Result<(), DeviceError> {
        let mut buffers = Vec::with_capacity(launch.arguments.len());
        for argument in launch.arguments {
            buffers.push(
                argument
                    .buffer()
                    .wgpu()
                    .ok_or_else(|| DeviceError::WrongDevice {
                        wanted: DeviceKind::Wgpu,
                        found: argument.buffer().kind(),
                    })?,
            );
        }
        let buffers: Vec<&Buffer> = buffers.into_iter().map(super::WgpuMemory::buffer).collect();
        self.queue(launch.source, launch.groups, launch.params, &buffers)
    }

    /// Replaces bytes within words.
    pub(super) fn patch(&self, buffer: &Buffer, ends: &[Patch; 2]) -> Result<(), DeviceError> {
        self.queue(&PATCH, [1, 1, 1], bytemuck::bytes_of(ends), &[buffer])
    }

    fn queue(
        &self,
        source: &'static KernelSource,
        groups: [u32; 3],
        params: &[u8],
        buffers: &[&Buffer],
    ) -> Result<(), DeviceError> {
        let pipeline = self.context.pipeline(source)?;
        let mut state = held(&self.state);
        let queue = &self.context.queue;
        queue.write_buffer(&state.params, 0, params);
        let params_binding = BindingResource::Buffer(BufferBinding {
            buffer: &state.params,
            offset: 0,
            size: std::num::NonZero::new(params.len() as u64),
        });
        let others = buffers.iter().map(|buffer| buffer.as_entire_binding());
        let entries: Vec<_> = (0_u32..)
            .zip(std::iter::once(params_binding).chain(others))
            .map(|(binding, resource)| BindGroupEntry { binding, resource })
            .collect();
        let commands = self.context.guarded(source.name, 0, |device| {
            let group = device.create_bind_group(&BindGroupDescriptor {
                label: Some(source.name),
                layout: &pipeline.get_bind_group_layout(0),
                entries: &entries,
            });
            let mut encoder = device.create_command_encoder(&CommandEncoderDescriptor {
                label: Some(source.name),
            });
            let timer = state.timer.as_ref();
            let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor {
                label: Some(source.name),
                timestamp_writes: timer.map(|timer| ComputePassTimestampWrites {
                    query_set: &timer.queries,
                    beginning_of_pass_write_index: Some(0),
                    end_of_pass_write_index: Some(1),
                }),
            });
            pass.set_pipeline(&pipeline);
            pass.set_bind_group(0, &group, &[]);
            let [x, y, z] = groups;
            pass.dispatch_workgroups(x, y, z);
            drop(pass);
            encoder.finish()
        })?;
        state.last = Some(queue.submit([commands]));
        if let Some(timer) = &mut state.timer {
            timer.is_used = true;
        }
        drop(state);
        self.context.check()
    }

    /// Waits for the last launch of this stream, and whatever the queue did before it.
    pub(crate) fn synchronize(&self) -> Result<(), DeviceError> {
        // Uploads wait in the queue until something is submitted.
        let last = self.context.queue.submit([]);
        held(&self.state).last = Some(last.clone());
        self.context.wait(Some(last))
    }

    /// Nanoseconds the device spent on the last launch, by its own clock; `None` without a clock or a launch. Waits.
    pub(crate) fn last_launch_ns(&self) -> Result<Option<u64>, DeviceError> {
        let mut state = held(&self.state);
        let Some(timer) = state.timer.as_ref().filter(|timer| timer.is_used) else {
            return Ok(None);
        };
        let resolved = timer.resolved.clone();
        let commands = self.context.guarded("launch time", 0, |device| {
            let mut encoder = device.create_command_encoder(&CommandEncoderDescriptor::default());
            encoder.resolve_query_set(&timer.queries, 0..2, &resolved, 0);
            encoder.finish()
        })?;
        self.context.queue.submit([commands]);
        let mut ticks = [0_u64; 2];
        self.read_into(&mut state, &resolved, 0, TIMESTAMPS_BYTES, |bytes| {
            if bytes.len() == size_of_val(&ticks) {
                bytemuck::bytes_of_mut(&mut ticks).copy_from_slice(bytes);
            }
        })?;
        let period_ns = f64::from(self.context.queue.get_timestamp_period());
        let [begin, end] = ticks;
        Ok(Some((end.saturating_sub(begin) as f64 * period_ns) as u64))
    }

    /// Copies whole words to the host and shows them. Waits for everything queued before.
    pub(super) fn read(
        &self,
        buffer: &Buffer,
        offset_bytes: u64,
        bytes: u64,
        show: impl FnOnce(&[u8]),
    ) -> Result<(), DeviceError> {
        self.read_into(&mut held(&self.state), buffer, offset_bytes, bytes, show)
    }

    fn read_into(
        &self,
        state: &mut State,
        buffer: &Buffer,
        offset_bytes: u64,
        bytes: u64,
        show: impl FnOnce(&[u8]),
    ) -> Result<(), DeviceError> {
        let staging = match state
            .staging
            .take()
            .filter(|staging| staging.size() >= bytes)
        {
            Some(staging) => staging,
            None => self.staging(bytes)?,
        };
        let commands = self.context.guarded("copy to host", 0, |device| {
            let mut encoder = device.create_command_encoder(&CommandEncoderDescriptor::default());
            encoder.copy_buffer_to_buffer(buffer, offset_bytes, &staging, 0, bytes);
            encoder.finish()
        })?;
        let submitted = self.context.queue.submit([commands]);
        // The outcome is asked for below: a range that was not mapped cannot be had.
        staging.map_async(MapMode::Read, 0..bytes, |_| {});
        self.context.wait(Some(submitted))?;
        let view = staging
            .get_mapped_range(0..bytes)
            .map_err(|error| failed(error.to_string()))?;
        show(&view);
        drop(view);
        staging.unmap();
        state.staging = Some(staging);
        Ok(())
    }

    fn staging(&self, bytes: u64) -> Result<Buffer, DeviceError> {
        let size = bytes.next_power_of_two();
        self.context
            .guarded("copy to host", bytes as usize, |device| {
                device.create_buffer(&BufferDescriptor {
                    label: Some("copy to host"),
                    size,
                    usage: BufferUsages::COPY_DST | BufferUsages::MAP_READ,
                    mapped_at_creation: false,
                })
            })
    }
}
