//! The crop's reference on the letterbox: there is one truth of how a picture is sampled.

use lsie_device::Frame;

use super::TensorParams;
use crate::crop;
use crate::error::KernelError;

/// The tensor of a frame of the `cpu` device, channel by channel. Allocates its result.
pub fn letterbox(frame: &Frame, params: &TensorParams) -> Result<Vec<f64>, KernelError> {
    crop::reference::crop(frame, &params.as_crop(frame))
}
