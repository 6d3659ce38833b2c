//! Encodes sound for viewers as Opus, 20 ms a packet, while somebody watches.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_audio as gst_audio;

use crate::error::IngestError;
use crate::gst::core::{PipelineCore, make};
use crate::pull::PcmBlock;
use crate::tap::MediaTap;

/// Shortest time between two attempts to start an encoder.
const RETRY: Duration = Duration::from_secs(2);
/// Blocks that may wait for the encoder; then the oldest goes.
const BLOCKS_WAITING: u64 = 8;
const BITS: i32 = 64_000;

/// Gives a source's sound to its viewers.
pub(crate) struct ViewerSound {
    tap: Arc<dyn MediaTap>,
    encoder: Option<Encoder>,
    last_try: Option<Instant>,
}

impl ViewerSound {
    pub(crate) fn new(tap: Arc<dyn MediaTap>) -> Self {
        Self {
            tap,
            encoder: None,
            last_try: None,
        }
    }

    pub(crate) fn pass(&mut self, block: &PcmBlock) {
        if !self.tap.is_watched() {
            self.encoder = None;
            return;
        }
        let is_of_no_use = |e: &Encoder| e.channels != block.channels || e.core.fault().is_some();
        if self.encoder.as_ref().is_some_and(is_of_no_use) {
            self.encoder = None;
        }
        let may_try = self.last_try.is_none_or(|last| last.elapsed() >= RETRY);
        if self.encoder.is_none() && may_try {
            self.last_try = Some(Instant::now());
            match Encoder::start(block, &self.tap) {
                Ok(encoder) => self.encoder = Some(encoder),
                Err(error) => tracing::error!(%error, "sound cannot be encoded for viewers"),
            }
        }
        if let Some(encoder) = &self.encoder {
            encoder.push(block);
        }
    }
}

struct Encoder {
    core: Arc<PipelineCore>,
    source: gst_app::AppSrc,
    channels: u16,
}

impl Encoder {
    fn start(block: &PcmBlock, tap: &Arc<dyn MediaTap>) -> Result<Self, IngestError> {
        let core = PipelineCore::new("viewer-sound")?;
        let caps = gst_audio::AudioCapsBuilder::new_interleaved()
            .format(gst_audio::AudioFormat::F32le)
            .rate(block.rate_hz.cast_signed())
            .channels(i32::from(block.channels))
            .build();
        let source = gst_app::AppSrc::builder()
            .caps(&caps)
            .format(gst::Format::Time)
            .is_live(true)
            .build();
        source.set_property("max-buffers", BLOCKS_WAITING);
        source.set_property("max-bytes", 0_u64);
        source.set_property_from_str("leaky-type", "downstream");
        let (convert, encoder) = (make("audioconvert")?, make("opusenc")?);
        encoder.set_property_from_str("frame-size", "20");
        encoder.set_property("bitrate", BITS);
        encoder.set_property("complexity", 4_i32);
        let sink = gst_app::AppSink::builder()
            .sync(false)
            .max_buffers(8)
            .build();
        let tap = Arc::clone(tap);
        sink.set_callbacks(
            gst_app::AppSinkCallbacks::builder()
                .new_sample(move |sink| {
                    let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                    if let Some((data, pts_ns)) = packet_of(&sample) {
                        tap.sound(data, pts_ns);
                    }
                    Ok(gst::FlowSuccess::Ok)
                })
                .build(),
        );
        core.add_chain(&[source.upcast_ref(), &convert, &encoder, sink.upcast_ref()])?;
        core.play()?;
        Ok(Self {
            core,
            source,
            channels: block.channels,
        })
    }

    fn push(&self, block: &PcmBlock) {
        let Ok(pts_ns) = u64::try_from(block.pts_ns) else {
            return;
        };
        let bytes: Vec<u8> = block.samples.iter().flat_map(|s| s.to_le_bytes()).collect();
        let mut buffer = gst::Buffer::from_mut_slice(bytes);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(gst::ClockTime::from_nseconds(pts_ns));
        }
        // A failed encoder takes none; the next block sees that.
        self.source.push_buffer(buffer).ok();
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        self.core.stop();
    }
}

fn packet_of(sample: &gst::Sample) -> Option<(Arc<[u8]>, i64)> {
    let buffer = sample.buffer()?;
    let segment = sample.segment()?.downcast_ref::<gst::ClockTime>()?;
    let time = segment.to_running_time(buffer.pts()?)?;
    let map = buffer.map_readable().ok()?;
    Some((map.as_slice().into(), i64::try_from(time.nseconds()).ok()?))
}
