//! One mapped surface of the decoder.

use std::mem::MaybeUninit;

use gstreamer as gst;
use gstreamer::glib::translate::ToGlibPtr;
use gstreamer_video as gst_video;
use gstreamer_video::ffi::{
    GstVideoFrame, GstVideoInfo, gst_buffer_get_video_meta, gst_video_frame_map,
    gst_video_frame_unmap,
};

use super::share::CudaShare;
use crate::error::IngestError;
use crate::gst::core::pipeline_error;

/// Maps for the device: without it the library would copy the picture to the host.
const MAP_CUDA: u32 = gst::ffi::GST_MAP_FLAG_LAST << 1;

/// A mapped NV12 picture in device memory. Its surface goes back to the decoder when it is dropped.
pub(super) struct Surface {
    frame: Box<GstVideoFrame>,
    /// Keeps the library's context for as long as its memory is held.
    _share: CudaShare,
}

// SAFETY: the frame holds a reference to its buffer, mapped for reading; GStreamer lets any thread read and unmap it. The
// addresses are the device's and are never followed here.
unsafe impl Send for Surface {}

/// A plane as the picture's description has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MappedPlane {
    pub(super) address: u64,
    pub(super) stride_bytes: i64,
    /// Bytes of its memory from `address` on.
    pub(super) bytes: u64,
}

impl Surface {
    /// Maps a picture and waits until the decoder has written it. It must lie in one piece of CUDA memory and say where its
    /// planes are.
    pub(super) fn map(
        share: &CudaShare,
        buffer: &gst::BufferRef,
        info: &gst_video::VideoInfo,
    ) -> Result<Self, IngestError> {
        let refused = |words| Err(pipeline_error("appsink", words));
        if buffer.n_memory() != 1 {
            return refused("a picture in CUDA memory is not in one piece");
        }
        let raw = buffer.as_mut_ptr();
        // SAFETY: the buffer lives and has a memory; peeking takes no reference, and the buffer outlives this function.
        let memory = unsafe { gst::ffi::gst_buffer_peek_memory(raw, 0) };
        // SAFETY: the memory lives as long as its buffer.
        if !unsafe { share.library().is_cuda(memory) } {
            return refused("a picture is not in CUDA memory");
        }
        // SAFETY: the buffer lives; the description is only looked for.
        if unsafe { gst_buffer_get_video_meta(raw) }.is_null() {
            return refused("a picture in CUDA memory does not say where its planes are");
        }
        let info: *const GstVideoInfo = info.to_glib_none().0;
        let mut frame = Box::new(MaybeUninit::<GstVideoFrame>::zeroed());
        let flags = gst::ffi::GST_MAP_READ | MAP_CUDA;
        // SAFETY: all four are live; the frame takes its own reference to the buffer.
        if unsafe { gst_video_frame_map(frame.as_mut_ptr(), info, raw, flags) } == 0 {
            return refused("a picture in CUDA memory cannot be mapped");
        }
        // SAFETY: mapping has succeeded, which fills the whole structure.
        let frame = unsafe { frame.assume_init() };
        let surface = Surface {
            frame,
            _share: share.clone(),
        };
        // After the map, which may itself have queued work on the decoder's stream.
        // SAFETY: it is CUDA memory, as found above, and the mapped frame keeps it.
        unsafe { share.library().sync(memory) };
        Ok(surface)
    }

    /// The two planes.
    pub(super) fn planes(&self) -> [MappedPlane; 2] {
        let plane = |index: usize| {
            let start = self.frame.map.get(index);
            let address = self.frame.data.get(index).map_or(0, |data| *data as u64);
            let before = start.map_or(0, |map| address.saturating_sub(map.data as u64));
            MappedPlane {
                address,
                stride_bytes: self
                    .frame
                    .info
                    .stride
                    .get(index)
                    .map_or(0, |stride| i64::from(*stride)),
                bytes: start.map_or(0, |map| (map.size as u64).saturating_sub(before)),
            }
        };
        [plane(0), plane(1)]
    }
}

impl Drop for Surface {
    fn drop(&mut self) {
        // SAFETY: it was mapped when it was made and is unmapped here only; this gives the reference to the buffer back.
        unsafe { gst_video_frame_unmap(&raw mut *self.frame) };
    }
}
