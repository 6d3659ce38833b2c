//! What runs networks, and what decodes.

use std::path::Path;

use lsie_engine::CudaLibrary;
use lsie_infer::{InferError, ModelStore, Provider};

use super::{Finding, missing, ok, optional};

/// The libraries that run networks.
pub(super) fn libraries(cache_dir: &Path) -> Vec<Finding> {
    vec![
        onnx_runtime(cache_dir),
        onnx_cuda(cache_dir),
        tensorrt(cache_dir),
    ]
}

fn onnx_runtime(cache_dir: &Path) -> Finding {
    const SUBJECT: &str = "ONNX Runtime";
    match ModelStore::open(cache_dir).and_then(|store| store.runtime()) {
        Ok(runtime) => {
            let library = runtime.library().file_name().unwrap_or_default();
            let providers = runtime.providers().join(", ");
            let library = library.to_string_lossy();
            ok(SUBJECT, format!("{library}, built with {providers}"))
        }
        Err(error) => missing(SUBJECT, error.to_string(), "lsie models fetch"),
    }
}

fn onnx_cuda(cache_dir: &Path) -> Finding {
    const SUBJECT: &str = "networks on CUDA";
    let runtime = ModelStore::open(cache_dir).and_then(|store| store.runtime());
    match runtime.and_then(|runtime| runtime.check_cuda(0)) {
        Ok(()) => ok(SUBJECT, "ONNX Runtime's CUDA provider opens"),
        Err(error) => absent(SUBJECT, error, Provider::OnnxCuda),
    }
}

#[cfg(feature = "tensorrt")]
fn tensorrt(cache_dir: &Path) -> Finding {
    const SUBJECT: &str = "TensorRT for RTX";
    let own = cache_dir.join(lsie_infer::tensorrt::FOLDER);
    let folder = own.is_dir().then_some(own.as_path());
    match lsie_infer::tensorrt::TensorRt::open(folder) {
        Ok(library) => ok(
            SUBJECT,
            format!(
                "{}, for compute capability 7.5, 8.0, 8.6, 8.9, 12.0, 12.1",
                library.version()
            ),
        ),
        Err(error) => absent(SUBJECT, error, Provider::TensorRt),
    }
}

#[cfg(not(feature = "tensorrt"))]
fn tensorrt(_: &Path) -> Finding {
    optional(
        "TensorRT for RTX",
        "this build has no binding to it",
        Provider::TensorRt.how_to_get(),
    )
}

/// Whether pictures can stay where NVIDIA's decoder writes them.
pub(super) fn zero_copy() -> Finding {
    const SUBJECT: &str = "pictures in CUDA memory";
    match CudaLibrary::open() {
        Ok(library) => ok(SUBJECT, library.path().display().to_string()),
        Err(absent) => optional(
            SUBJECT,
            absent.to_string(),
            "NVIDIA's driver and gstreamer1.0-plugins-bad 1.22 or newer",
        ),
    }
}

fn absent(subject: &str, error: InferError, provider: Provider) -> Finding {
    match error {
        InferError::ProviderAbsent {
            reason, how_to_get, ..
        } => optional(subject, reason, how_to_get),
        other => optional(subject, other.to_string(), provider.how_to_get()),
    }
}
