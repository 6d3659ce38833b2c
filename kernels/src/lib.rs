//! Every kernel of the media plane: its contract, its reference, its launcher.
//!
//! **The one contract.** A launcher takes a [`Stream`](lsie_device::Stream) and [`Buffer`](lsie_device::Buffer)s or
//! [`Frame`](lsie_device::Frame)s, checks sizes and parameters before it touches anything, and writes only its output.
//! [`audio`] works on host slices; what of it has a version for devices is a kernel of its own ([`correlate`], [`stft`], [`pulse`],
//! [`resample`]).
//! The `reference` module of a kernel is the plain transcription that every version is tested against.
//! One launcher serves every device: on `cpu` it works on the calling thread, elsewhere it queues the kernel's text ([`text`]);
//! a kernel without a version for a device says [`KernelError::NoVersion`].
//!
//! **What it never does.** It never allocates or synchronises in a launch, never reads a file or a clock, never knows where a frame
//! came from.
//!
//! ```
//! use lsie_device::{DeviceKind, Frame, FrameLayout, FrameMeta, FramePool, PixelFormat, open};
//! use lsie_kernels::crop::{Border, CropParams, TensorOrder, ValueRange, launch};
//! use lsie_kernels::region::Region;
//!
//! let device = open(DeviceKind::Cpu)?;
//! let stream = device.stream("example")?;
//! let layout = FrameLayout::tight(PixelFormat::Rgb8, 4, 4)?;
//! let mut slot = FramePool::new(device.as_ref(), 1, layout.bytes())?.acquire().ok_or("no slot")?;
//! slot.buffer_mut().upload(&stream, 0, &[255; 48])?;
//! let frame = Frame::new(slot, FrameMeta::still(layout))?;
//!
//! let region = Region::letterbox(frame.width(), frame.height());
//! let params = CropParams::new(&region, [2, 2], ValueRange::Unit, Border::Replicate, TensorOrder::Nhwc);
//! let mut tensor = device.alloc(4 * params.out_len(), "tensor")?;
//! launch(&stream, &frame, &[params], &mut tensor)?;
//! assert_eq!(tensor.host::<f32>(), Some(&[1.0; 12][..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod action_units;
pub mod au12;
pub mod audio;
pub mod correlate;
pub mod crop;
pub mod crops;
pub mod detect;
mod error;
pub mod exposure;
mod launch;
pub mod pose;
pub mod project;
pub mod pulse;
pub mod region;
pub mod resample;
pub mod statistics;
pub mod stft;
pub mod tensor;
pub mod text;

pub use error::KernelError;
