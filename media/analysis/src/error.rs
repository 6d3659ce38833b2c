//! What can go wrong in setting up or running a measurement.

use lsie_device::{DeviceError, FrameError};
use lsie_infer::InferError;
use lsie_kernels::KernelError;

/// A measurement could not be set up, or failed on one input.
#[derive(Debug, thiserror::Error)]
pub enum AnalysisError {
    /// The model is not the one this measurement was written for. Install the one of the manifest.
    #[error("the {model} network has no tensor {tensor} of {elements} numbers")]
    WrongModel {
        /// Which network.
        model: &'static str,
        /// Name of the tensor, or of the metadata entry.
        tensor: &'static str,
        /// How many numbers it should have.
        elements: usize,
    },
    /// The inference runtime failed. The next input may succeed.
    #[error(transparent)]
    Infer(#[from] InferError),
    /// A kernel refused its arguments.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// A frame's description does not fit its pixels.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The device has no memory, or is gone.
    #[error(transparent)]
    Device(#[from] DeviceError),
}
