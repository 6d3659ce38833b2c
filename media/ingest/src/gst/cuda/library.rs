//! `libgstcuda-1.0`, opened at run time.

use std::ffi::{CStr, c_int, c_void};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gstreamer as gst;
use gstreamer::ffi::{GstContext, GstMemory, GstObject};
use gstreamer::glib::ffi::gboolean;
use libloading::Library;

/// Its name, which is the same from GStreamer 1.22 on.
const FILE: &str = if cfg!(windows) {
    "gstcuda-1.0-0.dll"
} else {
    "libgstcuda-1.0.so.0"
};

/// Why pictures cannot stay in CUDA memory here. Each leaves the host path as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CudaAbsent {
    /// The library is not installed. Install `gstreamer1.0-plugins-bad`, 1.22 or newer.
    #[error("{path} cannot be opened: {reason}")]
    Library {
        /// What was tried.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// The library is another one than this crate knows. Install GStreamer 1.22 or newer.
    #[error("{path} has no {symbol}")]
    Symbol {
        /// The library.
        path: PathBuf,
        /// What it lacks.
        symbol: &'static str,
    },
    /// NVIDIA's driver is not there.
    #[error("the library finds no NVIDIA driver")]
    Driver,
    /// The device has no context to lend: it is not an NVIDIA GPU's. Use the `cuda` device.
    #[error("the device has no CUDA context")]
    NoContext,
    /// The library did not take the context. Report it with the versions of driver and GStreamer.
    #[error("the library refused the CUDA context of device {device}")]
    Context {
        /// Number of the device.
        device: i32,
    },
}

/// The functions that are called. All but `sync` are the same from 1.22 to 1.28.
struct Functions {
    init_once: unsafe extern "C" fn(),
    new_wrapped: unsafe extern "C" fn(*mut c_void, c_int) -> *mut GstObject,
    new_context: unsafe extern "C" fn(*mut GstObject) -> *mut GstContext,
    is_cuda: unsafe extern "C" fn(*mut GstMemory) -> gboolean,
    sync: Option<unsafe extern "C" fn(*mut GstMemory)>,
}

/// The opened library, with a driver behind it. A clone is the same library; it stays open for the rest of the process,
/// because the types that it registers cannot be taken back.
#[derive(Clone)]
pub struct CudaLibrary {
    functions: Arc<Functions>,
    path: PathBuf,
}

impl CudaLibrary {
    /// Opens the installed library. Says why not; never ends the process.
    pub fn open() -> Result<Self, CudaAbsent> {
        Self::open_at(Path::new(FILE))
    }

    /// Opens the library at `path`. It must be a `libgstcuda-1.0`: what else answers to its symbols is called like it.
    pub fn open_at(path: &Path) -> Result<Self, CudaAbsent> {
        let absent = |reason: String| CudaAbsent::Library {
            path: path.to_owned(),
            reason,
        };
        gst::init().map_err(|error| absent(error.to_string()))?;
        // SAFETY: the library's initialisers do what any GStreamer library's do; who names another file vouches for it.
        let library = unsafe { Library::new(path) }.map_err(|error| absent(error.to_string()))?;
        // Its types stay registered with GLib: it must never be closed.
        let library: &'static Library = Box::leak(Box::new(library));
        let functions = Functions::find(library, path)?;
        Ok(CudaLibrary {
            functions: Arc::new(functions),
            path: path.to_owned(),
        })
    }

    /// The file that was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether pictures come without the decoder having waited (GStreamer 1.24 and newer), so that each needs a wait.
    pub fn has_streams(&self) -> bool {
        self.functions.sync.is_some()
    }

    /// Wraps a context; null on refusal.
    ///
    /// # Safety
    /// `context` is a live CUDA context of `device` for as long as the returned object lives.
    pub(super) unsafe fn wrap(&self, context: *mut c_void, device: i32) -> *mut GstObject {
        // SAFETY: the driver is loaded (this value exists); the caller vouches for the context.
        unsafe { (self.functions.new_wrapped)(context, device) }
    }

    /// A `gst.cuda.context` around a wrapped context, owned by the caller; null on refusal.
    ///
    /// # Safety
    /// `wrapped` came from [`CudaLibrary::wrap`] and lives.
    pub(super) unsafe fn context_of(&self, wrapped: *mut GstObject) -> *mut GstContext {
        // SAFETY: the caller vouches for the object; the library takes its own reference to it.
        unsafe { (self.functions.new_context)(wrapped) }
    }

    /// Whether this memory lies on the device.
    ///
    /// # Safety
    /// `memory` is live or null.
    pub(super) unsafe fn is_cuda(&self, memory: *mut GstMemory) -> bool {
        // SAFETY: the function reads the memory's allocator and takes null.
        unsafe { (self.functions.is_cuda)(memory) != 0 }
    }

    /// Waits on the host until the decoder has written this memory; nothing to do before 1.24.
    ///
    /// # Safety
    /// `memory` is live, and [`CudaLibrary::is_cuda`] said so of it.
    pub(super) unsafe fn sync(&self, memory: *mut GstMemory) {
        if let Some(sync) = self.functions.sync {
            // SAFETY: the caller vouches that it is CUDA memory, which is all the function asks.
            unsafe { sync(memory) }
        }
    }
}

impl std::fmt::Debug for CudaLibrary {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("CudaLibrary")
            .field("path", &self.path)
            .field("has_streams", &self.has_streams())
            .finish_non_exhaustive()
    }
}

impl Functions {
    /// Finds everything, then asks the library to load the driver, and only then calls anything else.
    fn find(library: &'static Library, path: &Path) -> Result<Self, CudaAbsent> {
        let lacking = |symbol: &'static CStr| CudaAbsent::Symbol {
            path: path.to_owned(),
            symbol: symbol.to_str().unwrap_or("a symbol"),
        };
        macro_rules! symbol {
            ($name:expr) => {
                // SAFETY: the field's type is the documented signature, the same in every version from 1.22 on.
                unsafe { library.get($name.to_bytes_with_nul()) }
                    .map(|found| *found)
                    .map_err(|_| lacking($name))
            };
        }
        let load: unsafe extern "C" fn() -> gboolean = symbol!(c"gst_cuda_load_library")?;
        let functions = Functions {
            init_once: symbol!(c"gst_cuda_memory_init_once")?,
            new_wrapped: symbol!(c"gst_cuda_context_new_wrapped")?,
            new_context: symbol!(c"gst_context_new_cuda_context")?,
            is_cuda: symbol!(c"gst_is_cuda_memory")?,
            sync: symbol!(c"gst_cuda_memory_sync").ok(),
        };
        // SAFETY: it takes nothing, may be called any number of times, and is the one that may be called first.
        if unsafe { load() } == 0 {
            return Err(CudaAbsent::Driver);
        }
        // SAFETY: the driver is loaded; it registers the allocator, once.
        unsafe { (functions.init_once)() };
        Ok(functions)
    }
}
