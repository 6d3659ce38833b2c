//! NVIDIA TensorRT for RTX: engines are built without a GPU, kept in the [engine cache](crate::engine_cache), and run on our stream.
//!
//! The library's networks are typed as their file says and it has no switch for 16-bit floats, so a 16-bit engine is built from a
//! 16-bit file ([`crate::convert::to_half`]); inputs and outputs stay 32-bit.

mod build;
mod described;
mod network;

pub use described::Described;
pub use network::{GraphUse, TensorRtNetwork};

use std::fmt;
use std::path::{Path, PathBuf};

use trtx::{LogHandler, Logger, Severity};

use crate::error::InferError;
use crate::provider::{Capability, Provider};

/// The folder of the cache in which the libraries are looked for before the system's own.
pub const FOLDER: &str = "tensorrt-rtx";

/// The two libraries, by the names that their package gives them.
const RUNTIME_FILE: &str = "libtensorrt_rtx.so.1";
const PARSER_FILE: &str = "libtensorrt_onnxparser_rtx.so.1";

/// The version that the binding was made for; the library's interface has none of its own.
const MADE_FOR: (i32, i32) = (1, 7);

/// The opened libraries. A process has one pair of them.
pub struct TensorRt {
    logger: &'static Logger,
    version: String,
}

impl TensorRt {
    /// Opens the libraries in `folder`, or where the system's loader finds them. [`InferError::ProviderAbsent`] where they are
    /// missing or of another version than the binding.
    pub fn open(folder: Option<&Path>) -> Result<Self, InferError> {
        let path =
            |name: &str| folder.map_or_else(|| PathBuf::from(name), |folder| folder.join(name));
        let version = version_of(&path(RUNTIME_FILE))?;
        let text = |name: &str| path(name).display().to_string();
        trtx::dynamically_load_tensorrt(Some(text(RUNTIME_FILE)))
            .map_err(|error| absent(&error))?;
        trtx::dynamically_load_tensorrt_onnxparser(Some(text(PARSER_FILE)))
            .map_err(|error| absent(&error))?;
        let logger = Logger::new(LastWords).map_err(|error| absent(&error))?;
        Ok(TensorRt {
            // Engines refer to it for as long as the library does.
            logger: Box::leak(Box::new(logger)),
            version,
        })
    }

    /// Name and version, as they stand in a cache key.
    pub fn version(&self) -> &str {
        &self.version
    }
}

impl fmt::Debug for TensorRt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TensorRt")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// What the library says is told by the errors of its calls; its own words go nowhere, since they may name files.
#[derive(Debug)]
struct LastWords;

impl LogHandler for LastWords {
    fn log(&self, _: Severity, _: &str) {}
}

/// Asks the library for its version before anything else is called in it.
fn version_of(path: &Path) -> Result<String, InferError> {
    #[expect(unsafe_code, reason = "asks a C library that is opened at run time")]
    // SAFETY: the file is the library that the operator installed; the function takes nothing and gives a number in every version.
    let number = unsafe {
        let library = libloading::Library::new(path).map_err(|error| absent(&error))?;
        let version = library
            .get::<unsafe extern "C" fn() -> i32>(b"getInferLibVersion")
            .map_err(|error| absent(&error))?;
        version()
    };
    let (major, minor, patch) = (number / 10_000, number / 100 % 100, number % 100);
    if (major, minor) != MADE_FOR {
        return Err(absent(&format!(
            "version {major}.{minor} is installed, the binding is for {}.{}",
            MADE_FOR.0, MADE_FOR.1
        )));
    }
    Ok(format!("tensorrt-rtx {major}.{minor}.{patch}"))
}

fn absent(reason: &dyn fmt::Display) -> InferError {
    InferError::ProviderAbsent {
        provider: Provider::TensorRt,
        reason: reason.to_string(),
        how_to_get: Provider::TensorRt.how_to_get(),
    }
}

/// The library's name for a compute capability.
fn target(capability: Capability) -> Result<trtx::ComputeCapability, InferError> {
    use trtx::ComputeCapability as Target;
    match (capability.major, capability.minor) {
        (7, 5) => Ok(Target::kSM75),
        (8, 0) => Ok(Target::kSM80),
        (8, 6) => Ok(Target::kSM86),
        (8, 9) => Ok(Target::kSM89),
        (12, 0) => Ok(Target::kSM120),
        (12, 1) => Ok(Target::kSM121),
        _ => Err(absent(&format!(
            "the library has no name for compute capability {capability}"
        ))),
    }
}
