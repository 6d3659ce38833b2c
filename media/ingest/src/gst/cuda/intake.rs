//! From a sample of the decoder to a [`CudaFrame`], without a copy.

use std::sync::Arc;

use gstreamer as gst;
use gstreamer_video as gst_video;
use lsie_device::{Frame, FrameError};

use super::bay::Bay;
use super::frame::CudaFrame;
use super::share::CudaShare;
use super::surface::Surface;
use crate::error::IngestError;
use crate::gst::core::pipeline_error;
use crate::gst::planes::{PictureCaps, color_of};
use crate::gst::stamps::Stamp;
use crate::watch::{IngestEvent, Watch};

/// Takes the pictures of one decoder.
pub(crate) struct SurfaceIntake {
    share: CudaShare,
    bay: Arc<Bay>,
    caps: PictureCaps,
    size: Option<(u32, u32)>,
    watch: Watch,
}

impl SurfaceIntake {
    pub(crate) fn new(share: &CudaShare, watch: Watch) -> Self {
        SurfaceIntake {
            share: share.clone(),
            bay: Bay::new(share.queue()),
            caps: PictureCaps::default(),
            size: None,
            watch,
        }
    }

    pub(crate) fn caps(&self) -> &PictureCaps {
        &self.caps
    }

    /// The picture of a sample; `None` when so many are held that the decoder would stand still.
    pub(crate) fn take(
        &mut self,
        sample: &gst::Sample,
        pts_ns: i64,
        stamp: Stamp,
    ) -> Result<Option<CudaFrame>, IngestError> {
        let info = self.caps.of(sample)?;
        if info.format() != gst_video::VideoFormat::Nv12 {
            let words = format!("format {:?} in CUDA memory", info.format());
            return Err(pipeline_error("appsink", &words));
        }
        let size = (info.width(), info.height());
        let possible = 1..=lsie_device::MAX_FRAME_SIDE_PX;
        if !possible.contains(&size.0) || !possible.contains(&size.1) {
            let (width, height) = size;
            return Err(FrameError::Size { width, height }.into());
        }
        let buffer = sample
            .buffer()
            .ok_or_else(|| pipeline_error("appsink", "a sample without buffer"))?;
        if !self.bay.take_place() {
            return Ok(None);
        }
        let surface = match Surface::map(&self.share, buffer, &info) {
            Ok(surface) => surface,
            Err(error) => {
                self.bay.give_place_back();
                return Err(error);
            }
        };
        let bay = Arc::clone(&self.bay);
        let frame = CudaFrame::new(surface, bay, size, color_of(&info), pts_ns, stamp)?;
        self.note_size(size, pts_ns);
        Ok(Some(frame))
    }

    /// As [`SurfaceIntake::take`], as a frame of our device.
    pub(crate) fn take_frame(
        &mut self,
        sample: &gst::Sample,
        pts_ns: i64,
        stamp: Stamp,
    ) -> Result<Option<Frame>, IngestError> {
        let taken = self.take(sample, pts_ns, stamp)?;
        taken.map(|frame| frame.lend(&self.share)).transpose()
    }

    fn note_size(&mut self, size: (u32, u32), pts_ns: i64) {
        if let Some(before) = self.size.replace(size)
            && before != size
        {
            self.watch.picture_changes(1);
            self.watch.event(IngestEvent::PictureChanged {
                pts_ns,
                from: before,
                to: size,
            });
        }
    }
}
