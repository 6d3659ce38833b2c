//! A stream of a wgpu device: launches, waits, reads back, records, and knows how long the last launch took.

use std::any::Any;
use std::sync::{Arc, Mutex};

use ::wgpu::{
    Buffer, BufferDescriptor, BufferUsages, ComputePassTimestampWrites, Features, MapMode,
    QuerySet, QuerySetDescriptor, QueryType,
};

use super::context::{failed, held};
use super::memory::{Pieces, WgpuMemory, Words};
use super::queue::{Dispatch, Queue};
use super::tape::{DeviceCopy, Note, WgpuTape};
use crate::backend::{
    Fetch, Lane, Memory, Reader, Recorder, Tape, Work, as_memory, during_recording,
};
use crate::error::DeviceError;
use crate::kind::DeviceKind;
use crate::source::KernelSource;

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
    queue: Arc<Queue>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Where copies to the host land; grows to the largest one.
    staging: Option<Buffer>,
    timer: Option<Timer>,
    /// What was noted so far, while the stream records.
    recording: Option<Vec<Note>>,
}

/// The device's clock at the beginning and the end of the last launch; off until somebody asks, because it costs time.
#[derive(Debug)]
struct Timer {
    queries: QuerySet,
    resolved: Buffer,
    is_used: bool,
}

impl WgpuLane {
    pub(super) fn new(queue: &Arc<Queue>) -> Self {
        WgpuLane {
            queue: Arc::clone(queue),
            state: Mutex::default(),
        }
    }

    fn own<'a>(&self, memory: &'a dyn Memory) -> Result<&'a WgpuMemory, DeviceError> {
        as_memory(memory, self.kind())
    }

    fn dispatch(
        &self,
        source: &'static KernelSource,
        groups: [u32; 3],
        params: &[u8],
        buffers: &[&Buffer],
    ) -> Result<(), DeviceError> {
        let mut state = held(&self.state);
        if let Some(notes) = &mut state.recording {
            notes.push(Note::Launch {
                source,
                groups,
                params: params.to_vec(),
                buffers: buffers.iter().map(|buffer| (*buffer).clone()).collect(),
            });
            return Ok(());
        }
        let times = state
            .timer
            .as_ref()
            .map(|timer| ComputePassTimestampWrites {
                query_set: &timer.queries,
                beginning_of_pass_write_index: Some(0),
                end_of_pass_write_index: Some(1),
            });
        self.queue.dispatch(&Dispatch {
            source,
            groups,
            params,
            buffers,
            times,
        })?;
        if let Some(timer) = &mut state.timer {
            timer.is_used = true;
        }
        Ok(())
    }

    /// Fails while the stream records, which takes nothing but launches and copies on the device.
    fn outside_recording(&self, what: &str) -> Result<(), DeviceError> {
        held(&self.state).outside_recording(what)
    }

    fn timer(&self) -> Result<Option<Timer>, DeviceError> {
        let features = self.queue.context.device.features();
        if !features.contains(Features::TIMESTAMP_QUERY) {
            return Ok(None);
        }
        let made = self
            .queue
            .context
            .guarded("launch time", 0, |device| Timer {
                queries: device.create_query_set(&QuerySetDescriptor {
                    label: Some("launch time"),
                    ty: QueryType::Timestamp,
                    count: 2,
                }),
                resolved: device.create_buffer(&BufferDescriptor {
                    label: Some("launch time"),
                    size: TIMESTAMPS_BYTES,
                    usage: BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC,
                    mapped_at_creation: false,
                }),
                is_used: false,
            })?;
        Ok(Some(made))
    }

    /// Copies words to the host, one part behind the other, and shows them. Waits for everything queued before.
    fn read_into(
        &self,
        state: &mut State,
        parts: &[Words<'_>],
        show: impl FnOnce(&[u8]),
    ) -> Result<(), DeviceError> {
        state.outside_recording("a copy to the host")?;
        let bytes = parts.iter().map(|part| part.bytes).sum();
        let staging = match state
            .staging
            .take()
            .filter(|staging| staging.size() >= bytes)
        {
            Some(staging) => staging,
            None => self.staging(bytes)?,
        };
        self.queue.note(|encoder| {
            let mut at = 0;
            for part in parts {
                encoder.copy_buffer_to_buffer(part.buffer, part.from, &staging, at, part.bytes);
                at += part.bytes;
            }
        })?;
        let submitted = self.queue.submit()?;
        // The outcome is asked for below: a range that was not mapped cannot be had.
        staging.map_async(MapMode::Read, 0..bytes, |_| {});
        self.queue.context.wait(Some(submitted))?;
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
        self.queue
            .context
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

impl State {
    fn outside_recording(&self, what: &str) -> Result<(), DeviceError> {
        if self.recording.is_none() {
            return Ok(());
        }
        Err(during_recording(what))
    }
}

impl Lane for WgpuLane {
    fn kind(&self) -> DeviceKind {
        DeviceKind::Wgpu
    }

    /// Allocates no device memory.
    fn launch(&self, work: &Work<'_>) -> Result<(), DeviceError> {
        let mut buffers = Vec::with_capacity(work.memories.len());
        for operand in work.memories {
            buffers.push(self.own(operand.memory)?.buffer());
        }
        self.dispatch(work.source, work.groups, work.params, &buffers)
    }

    fn owns(&self, memory: &dyn Memory) -> bool {
        let own = self.own(memory);
        own.is_ok_and(|own| own.is_of(&self.queue))
    }

    fn upload(
        &self,
        to: &dyn Memory,
        offset_bytes: usize,
        bytes: &[u8],
    ) -> Result<(), DeviceError> {
        self.outside_recording("an upload")?;
        let to = self.own(to)?.buffer();
        let pieces = Pieces::of(offset_bytes, bytes);
        if !pieces.body.is_empty() {
            self.queue.upload(to, pieces.body_at as u64, pieces.body)?;
        }
        if pieces.ends.iter().any(|patch| patch.mask != 0) {
            let ends = bytemuck::bytes_of(&pieces.ends);
            self.dispatch(&PATCH, [1, 1, 1], ends, &[to])?;
        }
        self.queue.context.check()
    }

    fn copy_to_host(
        &self,
        from: &dyn Memory,
        offset_bytes: usize,
        bytes: &mut [u8],
    ) -> Result<(), DeviceError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let (words, skipped) = self.own(from)?.words(offset_bytes, bytes.len());
        self.read_into(&mut held(&self.state), &[words], |words| {
            if let Some(source) = words.get(skipped..skipped + bytes.len()) {
                bytes.copy_from_slice(source);
            }
        })
    }

    fn copy(
        &self,
        from: &dyn Memory,
        from_bytes: usize,
        to: &dyn Memory,
        bytes: usize,
    ) -> Result<(), DeviceError> {
        let copy = DeviceCopy {
            from: self.own(from)?.buffer().clone(),
            at: from_bytes as u64,
            to: self.own(to)?.buffer().clone(),
            bytes: bytes as u64,
        };
        let mut state = held(&self.state);
        if let Some(notes) = &mut state.recording {
            notes.push(Note::Copy(copy));
            return Ok(());
        }
        self.queue.note(|encoder| copy.write(encoder))
    }

    fn reader(&self) -> Option<&dyn Reader> {
        Some(self)
    }

    fn recorder(&self) -> Option<&dyn Recorder> {
        Some(self)
    }

    /// Waits for the last launch of this stream, and whatever the queue did before it.
    fn synchronize(&self) -> Result<(), DeviceError> {
        self.outside_recording("waiting")?;
        let last = self.queue.submit()?;
        self.queue.context.wait(Some(last))
    }

    /// Nanoseconds the device spent on the last launch, by its own clock; `None` without a clock, or without a launch since it
    /// was asked for first. Waits.
    fn last_launch_ns(&self) -> Result<Option<u64>, DeviceError> {
        let mut state = held(&self.state);
        let Some(timer) = &state.timer else {
            state.timer = self.timer()?;
            return Ok(None);
        };
        if !timer.is_used {
            return Ok(None);
        }
        let resolved = timer.resolved.clone();
        self.queue.note(|encoder| {
            encoder.resolve_query_set(&timer.queries, 0..2, &resolved, 0);
        })?;
        let mut ticks = [0_u64; 2];
        let ticks_there = Words {
            buffer: &resolved,
            from: 0,
            bytes: TIMESTAMPS_BYTES,
        };
        self.read_into(&mut state, &[ticks_there], |bytes| {
            if bytes.len() == size_of_val(&ticks) {
                bytemuck::bytes_of_mut(&mut ticks).copy_from_slice(bytes);
            }
        })?;
        let period_ns = f64::from(self.queue.context.queue.get_timestamp_period());
        let [begin, end] = ticks;
        Ok(Some((end.saturating_sub(begin) as f64 * period_ns) as u64))
    }
}

impl Recorder for WgpuLane {
    fn begin(&self) -> Result<(), DeviceError> {
        let mut state = held(&self.state);
        state.outside_recording("a second recording")?;
        state.recording = Some(Vec::new());
        Ok(())
    }

    /// Always made anew: nothing of the old one could stay but the compiled kernels, which are kept elsewhere.
    fn end(&self, _: Option<Box<dyn Tape>>) -> Result<Box<dyn Tape>, DeviceError> {
        let notes = held(&self.state).recording.take().unwrap_or_default();
        Ok(Box::new(WgpuTape::new(&self.queue, notes)?))
    }

    fn abandon(&self) {
        held(&self.state).recording = None;
    }

    fn replay(&self, tape: &dyn Tape) -> Result<(), DeviceError> {
        self.outside_recording("a replay")?;
        let own = (tape as &dyn Any)
            .downcast_ref::<WgpuTape>()
            .filter(|own| own.is_of(&self.queue))
            .ok_or(DeviceError::WrongDevice {
                wanted: DeviceKind::Wgpu,
                found: DeviceKind::Wgpu,
            })?;
        self.queue.note(|encoder| own.write(encoder))
    }
}

impl Reader for WgpuLane {
    fn fetch(&self, values: &mut [Fetch<'_>]) -> Result<(), DeviceError> {
        let mut parts = Vec::with_capacity(values.len());
        for value in values.iter().filter(|value| !value.bytes.is_empty()) {
            parts.push(self.own(value.memory)?.words(0, value.bytes.len()).0);
        }
        if parts.is_empty() {
            return Ok(());
        }
        self.read_into(&mut held(&self.state), &parts, |mut words| {
            for value in values.iter_mut() {
                let bytes = &mut *value.bytes;
                let taken = bytes.len().next_multiple_of(4).min(words.len());
                let (own, rest) = words.split_at(taken);
                if let Some(own) = own.get(..bytes.len()) {
                    bytes.copy_from_slice(own);
                }
                words = rest;
            }
        })
    }
}
