//! From a decoded sample into a slot of the frame pool: one copy per plane, strides and offsets as the decoder has them.

use std::sync::Arc;

use gst_video::prelude::*;
use gstreamer as gst;
use gstreamer_video as gst_video;
use lsie_device::{
    ColorMatrix, ColorRange, ColorSpace, Device, DeviceKind, Frame, FrameError, FrameLayout,
    FrameMeta, FramePool, PixelFormat, Plane, Stream,
};

use crate::error::IngestError;
use crate::gst::core::pipeline_error;
use crate::gst::stamps::Stamp;
use crate::watch::{IngestEvent, Watch};

/// Planes begin at multiples of this in their slot, bytes.
const PLANE_ALIGN_BYTES: usize = 64;

/// One slot is measured while the next one is filled; with fewer there is no picture.
const LEAST_SLOTS: usize = 2;

/// Copies samples into slots; makes a new pool when the picture changes.
pub(crate) struct Uploader {
    device: Arc<dyn Device>,
    stream: Stream,
    slots: usize,
    pool: Option<Pool>,
    caps: PictureCaps,
    watch: Watch,
}

/// What the caps say about the pictures of a sink; read again only when they change.
#[derive(Default)]
pub(crate) struct PictureCaps {
    known: Option<(gst::Caps, gst_video::VideoInfo)>,
}

struct Pool {
    layout: FrameLayout,
    frames: FramePool,
}

/// What became of a sample.
pub(crate) enum Upload {
    /// It is in a slot.
    Done(Frame),
    /// Every slot is in use.
    NoSlot,
}

impl Uploader {
    pub(crate) fn new(
        device: Arc<dyn Device>,
        slots: usize,
        watch: Watch,
    ) -> Result<Self, IngestError> {
        let stream = device.stream("ingest")?;
        Ok(Uploader {
            device,
            stream,
            slots: slots.max(LEAST_SLOTS),
            pool: None,
            caps: PictureCaps::default(),
            watch,
        })
    }

    /// Copies one sample.
    pub(crate) fn upload(
        &mut self,
        sample: &gst::Sample,
        pts_ns: i64,
        stamp: Stamp,
    ) -> Result<Upload, IngestError> {
        let info = self.caps.of(sample)?;
        let buffer = sample
            .buffer()
            .ok_or_else(|| pipeline_error("appsink", "a sample without buffer"))?;
        let picture = gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, &info)
            .map_err(|_| pipeline_error("appsink", "a picture cannot be mapped"))?;
        let layout = layout_of(&picture)?;
        let slots = self.slots;
        let frames = self.pool_for(layout, pts_ns)?;
        if frames.stats().in_use >= slots {
            return Ok(Upload::NoSlot);
        }
        let Some(mut slot) = frames.acquire() else {
            return Ok(Upload::NoSlot);
        };
        for (index, plane) in layout.planes().iter().enumerate() {
            let source = picture
                .plane_data(index as u32)
                .map_err(|_| pipeline_error("appsink", "a plane is missing"))?;
            let (row_bytes, rows) = layout.format.plane_size(index, layout.width, layout.height);
            let bytes = plane.pitch_bytes * rows.saturating_sub(1) + row_bytes;
            let source = source
                .get(..bytes)
                .ok_or_else(|| pipeline_error("appsink", "a plane is shorter than its picture"))?;
            slot.buffer_mut()
                .upload(&self.stream, plane.offset_bytes, source)?;
        }
        if self.device.info().kind == DeviceKind::Cuda {
            // Readers work on streams of their own, which do not wait for this one.
            self.stream.synchronize()?;
        }
        let meta = FrameMeta {
            layout,
            color: color_of(&info),
            pts_ns,
            host_time_ns: stamp.host_time_ns,
            seq: stamp.seq,
        };
        Ok(Upload::Done(Frame::new(slot, meta)?))
    }

    pub(crate) fn caps(&self) -> &PictureCaps {
        &self.caps
    }

    /// A pool with as many slots as the device has room for.
    fn new_pool(&self, layout: &FrameLayout) -> Result<FramePool, IngestError> {
        let frames = FramePool::up_to(
            self.device.as_ref(),
            self.slots,
            LEAST_SLOTS,
            layout.bytes(),
        )?;
        let slots = frames.stats().slots;
        if slots < self.slots {
            let wanted = self.slots;
            self.watch.pools_shrunk(1);
            self.watch.event(IngestEvent::PoolShrunk { wanted, slots });
            tracing::warn!(wanted, slots, "the device has no room for every frame slot");
        }
        Ok(frames)
    }

    fn pool_for(&mut self, layout: FrameLayout, pts_ns: i64) -> Result<&FramePool, IngestError> {
        let before = self.pool.as_ref().map(|pool| pool.layout);
        if let Some(before) = before
            && (before.width, before.height, before.format)
                != (layout.width, layout.height, layout.format)
        {
            self.watch.picture_changes(1);
            self.watch.event(IngestEvent::PictureChanged {
                pts_ns,
                from: (before.width, before.height),
                to: (layout.width, layout.height),
            });
        }
        if before != Some(layout) {
            // The old pool lives until its last frame is dropped.
            self.pool = None;
        }
        let pool = match self.pool.take() {
            Some(pool) => pool,
            None => Pool {
                layout,
                frames: self.new_pool(&layout)?,
            },
        };
        Ok(&self.pool.insert(pool).frames)
    }
}

impl PictureCaps {
    /// The description of a sample's picture.
    pub(crate) fn of(&mut self, sample: &gst::Sample) -> Result<gst_video::VideoInfo, IngestError> {
        let caps = sample
            .caps()
            .ok_or_else(|| pipeline_error("appsink", "a sample without caps"))?;
        if let Some((known, info)) = &self.known
            && known.as_ref() == caps
        {
            return Ok(info.clone());
        }
        let info = gst_video::VideoInfo::from_caps(caps)
            .map_err(|_| pipeline_error("appsink", "caps that are no picture"))?;
        self.known = Some((caps.to_owned(), info.clone()));
        Ok(info)
    }

    /// Duration of one frame, nanoseconds; 1/30 s when they do not say.
    pub(crate) fn frame_ns(&self) -> i64 {
        let fps = self.known.as_ref().map(|(_, info)| info.fps());
        match fps {
            Some(fps) if fps.numer() > 0 && fps.denom() > 0 => {
                i64::from(fps.denom()) * 1_000_000_000 / i64::from(fps.numer())
            }
            _ => 33_333_333,
        }
    }

    /// Whether they say how many frames a second there are.
    pub(crate) fn is_rate_known(&self) -> bool {
        let known = self.known.as_ref();
        known.is_some_and(|(_, info)| info.fps().numer() > 0 && info.fps().denom() > 0)
    }
}

/// The decoder's own pitches, planes one after the other in the slot.
fn layout_of(
    picture: &gst_video::VideoFrameRef<&gst::BufferRef>,
) -> Result<FrameLayout, IngestError> {
    let format = match picture.format() {
        gst_video::VideoFormat::Nv12 => PixelFormat::Nv12,
        gst_video::VideoFormat::I420 => PixelFormat::I420,
        other => {
            return Err(pipeline_error(
                "appsink",
                &format!("format {other:?} was not converted"),
            ));
        }
    };
    let (width, height) = (picture.width(), picture.height());
    let mut layout = FrameLayout::tight(format, width, height)?;
    let mut offset_bytes = 0_usize;
    let strides = picture.plane_stride();
    for (index, (plane, stride)) in layout.planes.iter_mut().zip(strides).enumerate() {
        let (row_bytes, rows) = format.plane_size(index, width, height);
        let pitch_bytes = usize::try_from(*stride).unwrap_or(0);
        if pitch_bytes < row_bytes {
            return Err(FrameError::Pitch {
                format,
                plane: index,
                pitch_bytes,
                row_bytes,
            }
            .into());
        }
        *plane = Plane {
            offset_bytes,
            pitch_bytes,
        };
        offset_bytes = (offset_bytes + pitch_bytes * rows).next_multiple_of(PLANE_ALIGN_BYTES);
    }
    Ok(layout)
}

/// What the caps say; where they say nothing, BT.709 from 720 rows on and BT.601 below, limited range.
pub(crate) fn color_of(info: &gst_video::VideoInfo) -> ColorSpace {
    let colorimetry = info.colorimetry();
    let matrix = match colorimetry.matrix() {
        gst_video::VideoColorMatrix::Bt709 | gst_video::VideoColorMatrix::Bt2020 => {
            ColorMatrix::Bt709
        }
        gst_video::VideoColorMatrix::Bt601
        | gst_video::VideoColorMatrix::Fcc
        | gst_video::VideoColorMatrix::Smpte240m => ColorMatrix::Bt601,
        _ if info.height() >= 720 => ColorMatrix::Bt709,
        _ => ColorMatrix::Bt601,
    };
    let range = match colorimetry.range() {
        gst_video::VideoColorRange::Range0_255 => ColorRange::Full,
        _ => ColorRange::Limited,
    };
    ColorSpace { matrix, range }
}
