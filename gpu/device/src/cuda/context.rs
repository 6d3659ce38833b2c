//! What all streams and buffers of one CUDA device share: the context, its compiled kernels, its faults.

#![expect(
    unsafe_code,
    reason = "the driver is a C library; every call of it is unsafe"
)]

use std::any::Any;
use std::collections::HashMap;
use std::ffi::CString;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use cudarc::driver::result::{self, DriverError};
use cudarc::driver::sys::{self, CUstreamCaptureMode as CaptureMode};

use super::driver::{capability, is_loss, refused, words};
use super::nvrtc::{Compiler, Target};
use crate::error::DeviceError;
use crate::kind::DeviceKind;
use crate::lent::NativeContext;
use crate::source::KernelSource;
use crate::transfer::TransferCounters;

#[derive(Debug)]
pub(super) struct Context {
    raw: sys::CUcontext,
    device: sys::CUdevice,
    total_bytes: usize,
    /// 10 × major + minor.
    capability: u32,
    target: Target,
    compiler: Compiler,
    kernel_cache: Option<PathBuf>,
    counters: Arc<TransferCounters>,
    /// Loaded kernels, by their source's address.
    kernels: Mutex<HashMap<usize, Kernel>>,
    /// Why the device is gone: stays for ever.
    lost: OnceLock<String>,
}

/// A kernel that the driver has loaded. It lives as long as its context.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kernel {
    module: sys::CUmodule,
    pub(super) function: sys::CUfunction,
}

// SAFETY: the handles belong to the driver, which may be called from any thread; each thread binds the context before it calls.
unsafe impl Send for Context {}
// SAFETY: as above; what is ours and changes is behind a lock.
unsafe impl Sync for Context {}

impl Context {
    /// Takes the device's primary context. The driver must have been started.
    pub(super) fn open(
        index: usize,
        compiler: Compiler,
        kernel_cache: Option<PathBuf>,
    ) -> Result<Arc<Self>, DeviceError> {
        let own = |error| refused(error, 0, "context");
        let ordinal = i32::try_from(index).unwrap_or(i32::MAX);
        let device = result::device::get(ordinal).map_err(own)?;
        let capability = capability(device).map_err(own)?;
        let target = Target::for_capability(capability, compiler.architectures());
        let target = target.ok_or_else(|| DeviceError::Failed {
            kind: DeviceKind::Cuda,
            detail: format!(
                "NVRTC {} compiles nothing for sm_{capability}",
                compiler.version()
            ),
        })?;
        // SAFETY: `device` came from the driver.
        let total_bytes = unsafe { result::device::total_mem(device) }.map_err(own)?;
        // SAFETY: as above; it is released once, when the context is dropped.
        let raw = unsafe { result::primary_ctx::retain(device) }.map_err(own)?;
        Ok(Arc::new(Context {
            raw,
            device,
            total_bytes,
            capability,
            target,
            compiler,
            kernel_cache,
            counters: Arc::new(TransferCounters::default()),
            kernels: Mutex::new(HashMap::new()),
            lost: OnceLock::new(),
        }))
    }

    pub(super) fn counters(&self) -> &Arc<TransferCounters> {
        &self.counters
    }

    /// Itself, for other libraries.
    pub(super) fn native(context: &Arc<Self>) -> Option<NativeContext> {
        Some(NativeContext {
            handle: NonZeroUsize::new(context.raw.addr())?,
            ordinal: context.device,
            owner: Arc::clone(context) as Arc<dyn Any + Send + Sync>,
        })
    }

    /// What the GPU can do, 10 × major + minor.
    pub(super) fn capability(&self) -> u32 {
        self.capability
    }

    /// Memory of the device, bytes.
    pub(super) fn total_bytes(&self) -> usize {
        self.total_bytes
    }

    /// Fails when the device is lost.
    pub(super) fn check_lost(&self) -> Result<(), DeviceError> {
        match self.lost.get() {
            None => Ok(()),
            Some(detail) => Err(DeviceError::Lost {
                kind: DeviceKind::Cuda,
                detail: detail.clone(),
            }),
        }
    }

    /// Makes it the calling thread's context. Fails when the device is lost.
    pub(super) fn bind(&self) -> Result<(), DeviceError> {
        self.check_lost()?;
        // SAFETY: the context is retained while `self` lives.
        self.check(unsafe { result::ctx::set_current(self.raw) }, 0, "context")
    }

    /// Types the driver's answer, and notes the loss of the device.
    pub(super) fn check<T>(
        &self,
        outcome: Result<T, DriverError>,
        bytes: usize,
        label: &str,
    ) -> Result<T, DeviceError> {
        outcome.map_err(|error| {
            if is_loss(error) {
                let _ = self.lost.set(words(error));
            }
            refused(error, bytes, label)
        })
    }

    /// The loaded form of a kernel, compiled at its first use unless it is kept on disk.
    pub(super) fn kernel(&self, source: &'static KernelSource) -> Result<Kernel, DeviceError> {
        let mut kernels = held(&self.kernels);
        if let Some(kernel) = kernels.get(&source.address()) {
            return Ok(*kernel);
        }
        let folder = self.kernel_cache.as_deref();
        let (name, text) = (source.name, source.cuda);
        let image = self.compiler.image(folder, name, text, self.target)?;
        let kernel = match self.load(source, image.bytes) {
            // What was kept is whole, yet another driver than the one it was kept by may refuse it.
            Err(_) if image.is_kept => {
                let fresh = self.compiler.fresh_image(folder, name, text, self.target)?;
                self.load(source, fresh.bytes)?
            }
            loaded => loaded?,
        };
        kernels.insert(source.address(), kernel);
        Ok(kernel)
    }

    fn load(&self, source: &KernelSource, mut image: Vec<u8>) -> Result<Kernel, DeviceError> {
        let rejected = |detail: String| DeviceError::Rejected {
            what: source.name.to_owned(),
            detail,
        };
        let name = CString::new(source.name).map_err(|error| rejected(error.to_string()))?;
        // PTX is text and ends with a zero; a binary carries its own length and does not mind one.
        image.push(0);
        self.bind()?;
        let was = exchange(CaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED);
        // SAFETY: the image is whole (compiled just now, or read with its checksum), ends with a zero, and is copied by the driver.
        let module = unsafe { result::module::load_data(image.as_ptr().cast()) };
        exchange(was);
        let module = module.map_err(|error| rejected(words(error)))?;
        // SAFETY: the module was loaded just now.
        match unsafe { result::module::get_function(module, name) } {
            Ok(function) => Ok(Kernel { module, function }),
            Err(error) => {
                // SAFETY: nobody else knows the module.
                let _ = unsafe { result::module::unload(module) };
                Err(rejected(words(error)))
            }
        }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        let is_bound = self.bind().is_ok();
        let kernels = self
            .kernels
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        for (_, kernel) in kernels.drain().filter(|_| is_bound) {
            // SAFETY: every stream holds the context, so none is left that could still run the kernel.
            let _ = unsafe { result::module::unload(kernel.module) };
        }
        // SAFETY: retained once in `open`, released once here.
        let _ = unsafe { result::primary_ctx::release(self.device) };
    }
}

/// Sets what the calling thread may do while a stream records, and returns what it was.
fn exchange(mut mode: CaptureMode) -> CaptureMode {
    // SAFETY: the pointer is valid for a read and a write. It fails only where the driver is gone, and then nothing records.
    let _ = unsafe { sys::cuThreadExchangeStreamCaptureMode(&raw mut mode) };
    mode
}

/// Takes a lock whose content is whole after a panic elsewhere.
pub(super) fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
