//! A stream of a CUDA device: launches, copies, waits, records, and knows how long the last launch took.

#![expect(
    unsafe_code,
    reason = "the driver is a C library; every call of it is unsafe"
)]

use std::ffi::c_void;
use std::sync::{Arc, Mutex};

use cudarc::driver::result::{self, stream};
use cudarc::driver::sys::{CUdeviceptr, CUevent_flags, CUstream};

use super::context::{Context, held};
use super::graph::Graph;
use super::memory::CudaMemory;
use super::staging::{Downloads, Event, Uploads};
use crate::backend::{
    Fetch, Lane, Memory, Passed, Reader, Recorder, Tape, Work, as_memory, during_recording,
};
use crate::error::DeviceError;
use crate::kind::DeviceKind;
use crate::source::MAX_PARAMS_BYTES;

/// Most buffers of one launch.
const MAX_BUFFERS: usize = 16;

#[derive(Debug)]
pub(super) struct CudaLane {
    raw: CUstream,
    context: Arc<Context>,
    /// One call at a time; its drop waits, see there.
    state: Mutex<State>,
}

// SAFETY: the handle belongs to the driver, which may be called from any thread; what is ours and changes is behind a lock.
unsafe impl Send for CudaLane {}
// SAFETY: as above.
unsafe impl Sync for CudaLane {}

#[derive(Debug)]
struct State {
    uploads: Uploads,
    downloads: Downloads,
    params: Params,
    timer: Timer,
    is_recording: bool,
}

/// Room for the largest parameters: the driver copies as many bytes as the kernel declares, whatever a launch brings.
type Params = Vec<u128>;

/// The device's clock around launches; off until somebody asks, because it costs time.
#[derive(Debug)]
struct Timer {
    is_on: bool,
    is_used: bool,
    begin: Event,
    end: Event,
}

impl CudaLane {
    pub(super) fn new(context: &Arc<Context>) -> Result<Self, DeviceError> {
        let event = || Event::new(context, CUevent_flags::CU_EVENT_DEFAULT);
        let state = State {
            uploads: Uploads::new(context)?,
            downloads: Downloads::new(context)?,
            params: vec![0; MAX_PARAMS_BYTES / size_of::<u128>()],
            timer: Timer {
                is_on: false,
                is_used: false,
                begin: event()?,
                end: event()?,
            },
            is_recording: false,
        };
        context.bind()?;
        let raw = stream::create(stream::StreamKind::NonBlocking);
        Ok(CudaLane {
            raw: context.check(raw, 0, "stream")?,
            context: Arc::clone(context),
            state: Mutex::new(state),
        })
    }

    fn own<'a>(&self, memory: &'a dyn Memory) -> Result<&'a CudaMemory, DeviceError> {
        as_memory(memory, self.kind())
    }

    /// Copies values to the host, `total` bytes in all.
    fn fetch_from<'a>(
        &self,
        total: usize,
        values: impl Iterator<Item = (CUdeviceptr, &'a mut [u8])>,
    ) -> Result<(), DeviceError> {
        let mut state = held(&self.state);
        state.outside_recording("a copy to the host")?;
        self.context.bind()?;
        let fetched = state.downloads.fetch(self.raw, values);
        self.context.check(fetched, total, "copy to host")
    }

    fn wait(&self) -> Result<(), DeviceError> {
        self.context.bind()?;
        // SAFETY: the stream is alive.
        let waited = unsafe { stream::synchronize(self.raw) };
        self.context.check(waited, 0, "stream")
    }
}

impl State {
    /// Fails while the stream records.
    fn outside_recording(&self, what: &str) -> Result<(), DeviceError> {
        if !self.is_recording {
            return Ok(());
        }
        Err(during_recording(what))
    }
}

impl Lane for CudaLane {
    fn kind(&self) -> DeviceKind {
        DeviceKind::Cuda
    }

    fn launch(&self, work: &Work<'_>) -> Result<(), DeviceError> {
        let mut addresses = [0_u64; MAX_BUFFERS];
        if work.memories.len() > MAX_BUFFERS {
            return Err(DeviceError::Rejected {
                what: work.source.name.to_owned(),
                detail: format!("more than {MAX_BUFFERS} buffers"),
            });
        }
        for (address, operand) in addresses.iter_mut().zip(work.memories) {
            *address = self.own(operand.memory)?.address();
        }
        let kernel = self.context.kernel(work.source)?;
        let mut state = held(&self.state);
        self.context.bind()?;
        let State {
            params,
            timer,
            is_recording,
            ..
        } = &mut *state;
        let room: &mut [u8] = bytemuck::cast_slice_mut(params.as_mut_slice());
        if let Some(target) = room.get_mut(..work.params.len()) {
            target.copy_from_slice(work.params);
        }
        let mut arguments = [std::ptr::null_mut::<c_void>(); MAX_BUFFERS + 1];
        let pointers = std::iter::once(room.as_mut_ptr().cast()).chain(
            addresses
                .iter_mut()
                .map(|address| (&raw mut *address).cast()),
        );
        for (slot, pointer) in arguments.iter_mut().zip(pointers) {
            *slot = pointer;
        }
        let is_timed = timer.is_on && !*is_recording;
        if is_timed {
            let marked = timer.begin.record(self.raw);
            self.context.check(marked, 0, work.source.name)?;
        }
        let ([x, y, z], [i, j, k]) = (work.groups, work.source.group);
        // SAFETY: the function is loaded while the context lives. Its first parameter is at most as long as the room for it, the
        // others are addresses of buffers that the launch borrows; the driver copies all of them before it returns. What the kernel
        // does with the buffers is what its text says, which the tests run with every access checked.
        let launched = unsafe {
            result::launch_kernel(
                kernel.function,
                (x, y, z),
                (i, j, k),
                0,
                self.raw,
                &mut arguments,
            )
        };
        self.context.check(launched, 0, work.source.name)?;
        if is_timed {
            timer.is_used = true;
            let marked = timer.end.record(self.raw);
            self.context.check(marked, 0, work.source.name)?;
        }
        Ok(())
    }

    fn synchronize(&self) -> Result<(), DeviceError> {
        held(&self.state).outside_recording("waiting")?;
        self.wait()
    }

    fn owns(&self, memory: &dyn Memory) -> bool {
        let own = self.own(memory);
        own.is_ok_and(|own| own.is_of(&self.context))
    }

    fn upload(
        &self,
        to: &dyn Memory,
        offset_bytes: usize,
        bytes: &[u8],
    ) -> Result<(), DeviceError> {
        let to = self.own(to)?.address() + offset_bytes as u64;
        let mut state = held(&self.state);
        state.outside_recording("an upload")?;
        self.context.bind()?;
        let sent = state.uploads.send(self.raw, to, bytes);
        self.context.check(sent, bytes.len(), "upload")
    }

    fn copy_to_host(
        &self,
        from: &dyn Memory,
        offset_bytes: usize,
        bytes: &mut [u8],
    ) -> Result<(), DeviceError> {
        let from = self.own(from)?.address() + offset_bytes as u64;
        self.fetch_from(bytes.len(), [(from, bytes)].into_iter())
    }

    /// It may be recorded.
    fn copy(
        &self,
        from: &dyn Memory,
        from_bytes: usize,
        to: &dyn Memory,
        bytes: usize,
    ) -> Result<(), DeviceError> {
        let from = self.own(from)?.address() + from_bytes as u64;
        let to = self.own(to)?.address();
        self.context.bind()?;
        // SAFETY: both ranges lie in buffers that the caller borrows; what follows in this stream waits for the copy.
        let copied = unsafe { result::memcpy_dtod_async(to, from, bytes, self.raw) };
        self.context.check(copied, bytes, "copy on the device")
    }

    fn last_launch_ns(&self) -> Result<Option<u64>, DeviceError> {
        let mut state = held(&self.state);
        let timer = &mut state.timer;
        timer.is_on = true;
        if !timer.is_used {
            return Ok(None);
        }
        self.context.bind()?;
        let millis = timer
            .end
            .wait()
            .and_then(|()| timer.begin.millis_to(&timer.end));
        let millis = self.context.check(millis, 0, "launch time")?;
        Ok(Some((f64::from(millis) * 1e6) as u64))
    }

    fn raw_handle(&self) -> Option<usize> {
        Some(self.raw.addr())
    }

    fn mark(&self) -> Result<Box<dyn Passed>, DeviceError> {
        held(&self.state).outside_recording("a mark")?;
        let event = Event::new(&self.context, CUevent_flags::CU_EVENT_DISABLE_TIMING)?;
        self.context.check(event.record(self.raw), 0, "mark")?;
        Ok(Box::new(event))
    }

    fn recorder(&self) -> Option<&dyn Recorder> {
        Some(self)
    }

    fn reader(&self) -> Option<&dyn Reader> {
        Some(self)
    }
}

impl Reader for CudaLane {
    fn fetch(&self, values: &mut [Fetch<'_>]) -> Result<(), DeviceError> {
        let mut parts = Vec::with_capacity(values.len());
        let mut total = 0;
        for value in values {
            let from = self.own(value.memory)?.address();
            total += value.bytes.len();
            parts.push((from, &mut *value.bytes));
        }
        self.fetch_from(total, parts.into_iter())
    }
}

impl Recorder for CudaLane {
    fn begin(&self) -> Result<(), DeviceError> {
        let mut state = held(&self.state);
        state.outside_recording("a second recording")?;
        self.context.bind()?;
        self.context.check(Graph::begin(self.raw), 0, "recording")?;
        state.is_recording = true;
        Ok(())
    }

    fn end(&self, old: Option<Box<dyn Tape>>) -> Result<Box<dyn Tape>, DeviceError> {
        held(&self.state).is_recording = false;
        self.context.bind()?;
        Graph::end(&self.context, self.raw, old)
    }

    fn abandon(&self) {
        held(&self.state).is_recording = false;
        if self.context.bind().is_ok() {
            Graph::abandon(self.raw);
        }
    }

    fn replay(&self, tape: &dyn Tape) -> Result<(), DeviceError> {
        held(&self.state).outside_recording("a replay")?;
        self.context.bind()?;
        Graph::replay(&self.context, self.raw, tape)
    }
}

impl Drop for CudaLane {
    fn drop(&mut self) {
        // The pinned memory goes after this: copies out of it must be over.
        if self.wait().is_ok() {
            // SAFETY: made in `new` and destroyed once.
            let _ = unsafe { stream::destroy(self.raw) };
        }
    }
}
