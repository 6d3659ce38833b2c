//! Launches recorded as a CUDA graph.

#![expect(
    unsafe_code,
    reason = "the driver is a C library; every call of it is unsafe"
)]

use std::any::Any;
use std::sync::{Arc, Mutex};

use cudarc::driver::result::{DriverError, graph, stream};
use cudarc::driver::sys::{
    self, CUgraph, CUgraphExec, CUgraphExecUpdateResultInfo_st as UpdateInfo,
    CUgraphInstantiate_flags, CUresult, CUstream, CUstreamCaptureMode,
};

use super::context::{Context, held};
use crate::backend::Tape;
use crate::error::DeviceError;
use crate::kind::DeviceKind;

/// A graph that can be queued.
#[derive(Debug)]
pub(super) struct Graph {
    exec: CUgraphExec,
    context: Arc<Context>,
    /// One call with the handle at a time, whatever stream it is for.
    gate: Mutex<()>,
}

// SAFETY: the handle belongs to the driver, which may be called from any thread; the gate keeps two threads apart.
unsafe impl Send for Graph {}
// SAFETY: as above.
unsafe impl Sync for Graph {}

/// A recorded graph that cannot be queued yet.
struct Template(CUgraph);

impl Graph {
    /// From here on the stream notes instead of running. Other threads go on as they were.
    pub(super) fn begin(raw: CUstream) -> Result<(), DriverError> {
        // SAFETY: the caller's stream is alive and its context bound.
        unsafe {
            stream::begin_capture(
                raw,
                CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL,
            )
        }
    }

    /// Ends the recording. An old graph of the same shape is changed in place.
    pub(super) fn end(
        context: &Arc<Context>,
        raw: CUstream,
        old: Option<Box<dyn Tape>>,
    ) -> Result<Box<dyn Tape>, DeviceError> {
        // SAFETY: the caller's stream is alive and records.
        let template = context.check(unsafe { stream::end_capture(raw) }, 0, "recording")?;
        let template = Template(template);
        let old = old.and_then(|old| (old as Box<dyn Any>).downcast::<Graph>().ok());
        if let Some(mut old) = old.filter(|old| Arc::ptr_eq(&old.context, context))
            && old.take(&template)
        {
            return Ok(old);
        }
        // SAFETY: the template is alive.
        let exec = unsafe { graph::instantiate(template.0, CUgraphInstantiate_flags(0)) };
        Ok(Box::new(Graph {
            exec: context.check(exec, 0, "recording")?,
            context: Arc::clone(context),
            gate: Mutex::new(()),
        }))
    }

    /// Ends the recording and throws it away.
    pub(super) fn abandon(raw: CUstream) {
        // SAFETY: the caller's stream is alive. A recording that failed has no graph; otherwise the template's drop frees it.
        if let Ok(recorded) = unsafe { stream::end_capture(raw) } {
            drop(Template(recorded));
        }
    }

    /// Queues all of it.
    pub(super) fn replay(
        context: &Arc<Context>,
        raw: CUstream,
        tape: &dyn Tape,
    ) -> Result<(), DeviceError> {
        let own = (tape as &dyn Any)
            .downcast_ref::<Graph>()
            .filter(|own| Arc::ptr_eq(&own.context, context))
            .ok_or(DeviceError::WrongDevice {
                wanted: DeviceKind::Cuda,
                found: DeviceKind::Cuda,
            })?;
        let gate = held(&own.gate);
        // SAFETY: graph and stream are alive; that the recorded buffers are too is the contract of `Recorded`.
        let launched = unsafe { graph::launch(own.exec, raw) };
        drop(gate);
        context.check(launched, 0, "replay")
    }

    /// Takes parameters and addresses from a recording of the same shape. False, and unchanged, when the shape differs.
    fn take(&mut self, template: &Template) -> bool {
        let mut info = UpdateInfo {
            result: sys::CUgraphExecUpdateResult::CU_GRAPH_EXEC_UPDATE_SUCCESS,
            errorNode: std::ptr::null_mut(),
            errorFromNode: std::ptr::null_mut(),
        };
        // SAFETY: both graphs are alive and the pointer is valid for one write.
        let outcome = unsafe { sys::cuGraphExecUpdate_v2(self.exec, template.0, &raw mut info) };
        outcome == CUresult::CUDA_SUCCESS
    }
}

impl Tape for Graph {}

impl Drop for Graph {
    fn drop(&mut self) {
        if self.context.bind().is_ok() {
            // SAFETY: made in `end` and destroyed once; the driver lets a replay that runs come to its end.
            let _ = unsafe { graph::exec_destroy(self.exec) };
        }
    }
}

impl Drop for Template {
    fn drop(&mut self) {
        // SAFETY: recorded once and destroyed once; what was made of it is independent.
        let _ = unsafe { graph::destroy(self.0) };
    }
}
