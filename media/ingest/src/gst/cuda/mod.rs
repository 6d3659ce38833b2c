//! Pictures that stay where NVIDIA's decoder wrote them: the one module of this crate with `unsafe` code.
//!
//! ```text
//! h264parse ──▶ nvh264dec ──▶ appsink ──▶ CudaFrame (addresses, pitches) ──▶ kernels on our stream
//!                   ▲                          │ dropped
//!      our primary context (shared)            ▼
//!                                  bay: held until the stream has passed the mark ──▶ back to the decoder
//! ```
//!
//! **The one contract.** The decoder works in *our* primary context, so its addresses are ours. A [`CudaFrame`] tells addresses
//! and pitches as the picture's own description has them; the decoder's writes are over when it is handed out, and its surface
//! goes back only after everything that was queued before the frame was dropped is done. No byte is copied.
//!
//! **Order of calls**, held by types: a [`CudaLibrary`] exists only where `gst_cuda_load_library` answered yes (any other call
//! would end the process); a [`CudaShare`] needs one; a surface needs a share.
//!
//! Everything is opened at run time. Only functions whose signature is the same from GStreamer 1.22 on are used;
//! `gst_cuda_memory_sync` exists from 1.24 on, and where it is absent the decoder has waited before it pushed.

#![expect(
    unsafe_code,
    reason = "calls a C library that is opened at run time and maps its memory"
)]

mod bay;
mod frame;
mod intake;
mod library;
mod share;
mod surface;

pub(crate) use intake::SurfaceIntake;

pub use bay::{MAX_SURFACES, WorkMark, WorkQueue};
pub use frame::{CudaFrame, CudaPlane};
pub use library::{CudaAbsent, CudaLibrary};
pub use share::{CudaShare, PrimaryContext};

use gstreamer as gst;
use gstreamer::prelude::*;

use crate::error::IngestError;
use crate::gst::core::make;

/// Names of NVIDIA's H.264 decoders for a device, best first: up to GStreamer 1.22 the stateless one has a name of its own, from
/// 1.24 on it is the only one.
fn decoder_names(device: i32) -> [String; 2] {
    if device == 0 {
        return ["nvh264sldec".to_owned(), "nvh264dec".to_owned()];
    }
    [
        format!("nvh264sldevice{device}dec"),
        format!("nvh264device{device}dec"),
    ]
}

/// The first of these decoders that is there and works on this device.
pub(crate) fn decoder_element(device: i32) -> Result<gst::Element, IngestError> {
    let is_of_device = |decoder: &gst::Element| {
        decoder.find_property("cuda-device-id").is_none_or(|_| {
            u32::try_from(device).is_ok_and(|id| decoder.property::<u32>("cuda-device-id") == id)
        })
    };
    let [stateless, plain] = decoder_names(device);
    let found = [&stateless, &plain].into_iter().find_map(|name| {
        let decoder = make(name).ok()?;
        is_of_device(&decoder).then_some(decoder)
    });
    found.ok_or(IngestError::MissingElement {
        element: plain,
        package: "gstreamer1.0-plugins-bad",
    })
}

/// What the sink takes: NV12 in CUDA memory, nothing else.
pub(crate) fn picture_caps() -> gst::Caps {
    gst::Caps::builder("video/x-raw")
        .features(["memory:CUDAMemory"])
        .field("format", "NV12")
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stateless_decoder_of_the_device_comes_first() {
        assert_eq!(decoder_names(0), ["nvh264sldec", "nvh264dec"]);
        assert_eq!(decoder_names(2), ["nvh264sldevice2dec", "nvh264device2dec"]);
    }

    #[test]
    fn a_decoder_that_is_not_there_is_named() {
        gst::init().unwrap();
        let Err(IngestError::MissingElement { element, package }) = decoder_element(77) else {
            panic!("nobody has 78 of them");
        };
        assert_eq!(
            (element.as_str(), package),
            ("nvh264device77dec", "gstreamer1.0-plugins-bad")
        );
    }
}
