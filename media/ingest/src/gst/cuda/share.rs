//! Our primary context, lent to GStreamer's decoders.

use std::any::Any;
use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::sync::Arc;

use gstreamer as gst;
use gstreamer::glib::translate::from_glib_full;
use gstreamer::prelude::*;
use lsie_device::Device;

use super::bay::WorkQueue;
use super::library::{CudaAbsent, CudaLibrary};

/// The type of the context that decoders ask for.
const CONTEXT_TYPE: &str = "gst.cuda.context";
/// Under which the wrapped context keeps its owner.
const OWNER_KEY: &str = "lsie-context-owner";

/// A CUDA context of ours, and what keeps it alive.
pub struct PrimaryContext {
    handle: NonZeroUsize,
    device: i32,
    owner: Arc<dyn Any + Send + Sync>,
}

impl PrimaryContext {
    /// Describes the context `handle` (a `CUcontext`) of `device` (a `CUdevice`).
    ///
    /// # Safety
    /// `handle` is a live context of `device` for as long as `owner` lives.
    pub unsafe fn from_raw(
        handle: NonZeroUsize,
        device: i32,
        owner: Arc<dyn Any + Send + Sync>,
    ) -> Self {
        PrimaryContext {
            handle,
            device,
            owner,
        }
    }
}

/// A CUDA context that decoders share with us, and the queue on which their pictures are read. A clone is the same.
#[derive(Clone)]
pub struct CudaShare {
    inner: Arc<Inner>,
}

struct Inner {
    library: CudaLibrary,
    context: gst::Context,
    device: i32,
    /// The device whose context it is, where frames are to be made of the pictures.
    frames_on: Option<Arc<dyn Device>>,
    queue: Arc<dyn WorkQueue>,
}

impl CudaShare {
    /// Lends the context of a device of ours, so that pictures become its frames without a copy. `queue` is the stream on which
    /// every reader of the frames works. [`CudaAbsent::NoContext`] where the device has no context to lend.
    pub fn of_device(
        library: &CudaLibrary,
        device: &Arc<dyn Device>,
        queue: Arc<dyn WorkQueue>,
    ) -> Result<Self, CudaAbsent> {
        let own = device.native_context().ok_or(CudaAbsent::NoContext)?;
        // SAFETY: the device says that the handle is its context's and lives as long as the owner.
        let context = unsafe { PrimaryContext::from_raw(own.handle, own.ordinal, own.owner) };
        Self::lend(library, context, queue, Some(Arc::clone(device)))
    }

    /// Wraps our context. It lives until GStreamer has let go of the last thing made in it, whoever is dropped last. `queue` is
    /// the one on which every reader of the pictures works.
    pub fn new(
        library: &CudaLibrary,
        context: PrimaryContext,
        queue: Arc<dyn WorkQueue>,
    ) -> Result<Self, CudaAbsent> {
        Self::lend(library, context, queue, None)
    }

    fn lend(
        library: &CudaLibrary,
        context: PrimaryContext,
        queue: Arc<dyn WorkQueue>,
        frames_on: Option<Arc<dyn Device>>,
    ) -> Result<Self, CudaAbsent> {
        let device = context.device;
        let refused = CudaAbsent::Context { device };
        let handle = context.handle.get() as *mut c_void;
        // SAFETY: the owner, which keeps the context, is handed to the wrapping object below and dropped with it.
        let wrapped = unsafe { library.wrap(handle, device) };
        if wrapped.is_null() {
            return Err(refused);
        }
        // SAFETY: the library gives a new object with a reference for the caller.
        let wrapped: gst::Object = unsafe { from_glib_full(wrapped) };
        // SAFETY: the key is this module's own and only ever holds this type; it is dropped when the object is finalised.
        unsafe { wrapped.set_data(OWNER_KEY, context.owner) };
        // SAFETY: the object lives and came from the same library.
        let context = unsafe { library.context_of(wrapped.as_ptr()) };
        if context.is_null() {
            return Err(refused);
        }
        // SAFETY: the library gives a new context with a reference for the caller.
        let context: gst::Context = unsafe { from_glib_full(context) };
        Ok(CudaShare {
            inner: Arc::new(Inner {
                library: library.clone(),
                context,
                device,
                frames_on,
                queue,
            }),
        })
    }

    /// Number of the device.
    pub fn device(&self) -> i32 {
        self.inner.device
    }

    pub(super) fn frames_on(&self) -> Option<&Arc<dyn Device>> {
        self.inner.frames_on.as_ref()
    }

    pub(super) fn library(&self) -> &CudaLibrary {
        &self.inner.library
    }

    pub(super) fn queue(&self) -> Arc<dyn WorkQueue> {
        Arc::clone(&self.inner.queue)
    }

    /// Answers every element of the pipeline that asks for a context, on the thread that asks: a decoder that gets no answer
    /// makes a context of its own, whose addresses mean nothing here.
    pub(crate) fn answer_on(&self, bus: &gst::Bus) {
        let share = self.clone();
        bus.set_sync_handler(move |_, message| {
            if let gst::MessageView::NeedContext(wanted) = message.view()
                && wanted.context_type() == CONTEXT_TYPE
                && let Some(element) = message
                    .src()
                    .and_then(|source| source.downcast_ref::<gst::Element>())
            {
                element.set_context(&share.inner.context);
                return gst::BusSyncReply::Drop;
            }
            gst::BusSyncReply::Pass
        });
    }
}

impl std::fmt::Debug for CudaShare {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("CudaShare")
            .field("library", &self.inner.library)
            .field("device", &self.inner.device)
            .finish_non_exhaustive()
    }
}
