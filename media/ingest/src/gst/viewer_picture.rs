//! Encodes pictures for viewers where what a source sends cannot be forwarded: raw pictures, other codecs, B-frames.
//!
//! ```text
//! pad before the consumer ─▶ appsrc (newest of 2) ─▶ videoconvert ─▶ x264enc | openh264enc ─▶ MediaTap
//! ```
//!
//! One encoder per source, however many watch, and none while nobody does. It never holds the source up.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;

use crate::error::IngestError;
use crate::gst::core::{PipelineCore, make};
use crate::pull::AccessUnit;
use crate::tap::{MediaTap, Tap};
use crate::watch::Watch;

/// An encoder that nobody needs is kept so long.
const IDLE: Duration = Duration::from_secs(2);
/// Shortest time between two attempts to start one.
const RETRY: Duration = Duration::from_secs(2);
/// A key frame at least every so many pictures.
const KEY_FRAMES: u32 = 60;
/// Bits per second of one pixel's area: 3 Mbit/s at 1280x720.
const BITS_PER_PIXEL: f64 = 3.26;

/// Lets viewers see what reaches a sink, as long as `forwards` is false.
pub(crate) fn show_to_viewers(
    sink: &gst_app::AppSink,
    tap: &Tap,
    forwards: &Arc<AtomicBool>,
    pts_offset_ns: i64,
    watch: &Watch,
) {
    let (Some(tap), Some(pad)) = (tap.clone(), sink.static_pad("sink")) else {
        return;
    };
    let forwards = Arc::clone(forwards);
    let pictures = Mutex::new(ViewerPictures {
        tap,
        watch: watch.clone(),
        pts_offset_ns,
        encoder: None,
        last_used: Instant::now(),
        last_try: None,
    });
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, probe| {
        if let Some(gst::PadProbeData::Buffer(buffer)) = &probe.data {
            let mut pictures = pictures.lock().unwrap_or_else(PoisonError::into_inner);
            pictures.pass(pad, buffer, !forwards.load(Ordering::Acquire));
        }
        gst::PadProbeReturn::Ok
    });
}

struct ViewerPictures {
    tap: Arc<dyn MediaTap>,
    watch: Watch,
    pts_offset_ns: i64,
    encoder: Option<Encoder>,
    last_used: Instant,
    last_try: Option<Instant>,
}

impl ViewerPictures {
    fn pass(&mut self, pad: &gst::Pad, buffer: &gst::Buffer, is_needed: bool) {
        if !is_needed || !self.tap.is_watched() {
            if self.encoder.is_some() && (!is_needed || self.last_used.elapsed() > IDLE) {
                self.encoder = None;
                self.tap.restart();
            }
            return;
        }
        self.last_used = Instant::now();
        let Some(caps) = pad.current_caps() else {
            return;
        };
        if self.encoder.as_ref().is_some_and(|e| e.is_of_no_use(&caps)) {
            self.encoder = None;
        }
        if self.encoder.is_none() {
            self.start(&caps);
        }
        let Some(pts_ns) = media_time(pad, buffer, self.pts_offset_ns) else {
            return;
        };
        let Some(encoder) = &self.encoder else { return };
        if self.tap.take_key_request() {
            encoder.force_key_frame();
        }
        encoder.push(buffer, pts_ns);
    }

    fn start(&mut self, caps: &gst::Caps) {
        if self.last_try.is_some_and(|last| last.elapsed() < RETRY) {
            return;
        }
        self.last_try = Some(Instant::now());
        self.tap.restart();
        match Encoder::start(caps, &self.tap, &self.watch) {
            Ok(encoder) => self.encoder = Some(encoder),
            Err(error) => tracing::error!(%error, "pictures cannot be encoded for viewers"),
        }
    }
}

/// Media time of a picture at a sink, nanoseconds.
pub(super) fn media_time(
    pad: &gst::Pad,
    buffer: &gst::BufferRef,
    pts_offset_ns: i64,
) -> Option<u64> {
    let pts = buffer.pts()?;
    let segment = pad.sticky_event::<gst::event::Segment>(0);
    let time = segment
        .as_ref()
        .and_then(|event| event.segment().downcast_ref::<gst::ClockTime>())
        .map_or(Some(pts), |segment| segment.to_stream_time(pts))?;
    time.nseconds().checked_add_signed(pts_offset_ns)
}

struct Encoder {
    core: Arc<PipelineCore>,
    source: gst_app::AppSrc,
    element: gst::Element,
    caps: gst::Caps,
}

impl Encoder {
    fn start(
        caps: &gst::Caps,
        tap: &Arc<dyn MediaTap>,
        watch: &Watch,
    ) -> Result<Self, IngestError> {
        let core = PipelineCore::new("viewer-picture")?;
        let source = gst_app::AppSrc::builder()
            .caps(caps)
            .format(gst::Format::Time)
            .is_live(true)
            .build();
        source.set_property("max-buffers", 2_u64);
        source.set_property("max-bytes", 0_u64);
        source.set_property_from_str("leaky-type", "downstream");
        let element = encoder_element(caps)?;
        let out = gst::Caps::builder("video/x-h264")
            .field("profile", "constrained-baseline")
            .field("stream-format", "byte-stream")
            .field("alignment", "au")
            .build();
        let sink = gst_app::AppSink::builder()
            .caps(&out)
            .sync(false)
            .max_buffers(8)
            .build();
        let (tap, watch) = (Arc::clone(tap), watch.clone());
        sink.set_callbacks(
            gst_app::AppSinkCallbacks::builder()
                .new_sample(move |sink| {
                    let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                    if let Some(unit) = unit_of(&sample) {
                        watch.viewer_frames(1);
                        tap.picture(&unit);
                    }
                    Ok(gst::FlowSuccess::Ok)
                })
                .build(),
        );
        let convert = make("videoconvert")?;
        core.add_chain(&[source.upcast_ref(), &convert, &element, sink.upcast_ref()])?;
        core.play()?;
        Ok(Self {
            core,
            source,
            element,
            caps: caps.clone(),
        })
    }

    /// It failed, or the pictures have another form by now.
    fn is_of_no_use(&self, caps: &gst::Caps) -> bool {
        self.caps != *caps || self.core.fault().is_some()
    }

    fn force_key_frame(&self) {
        let event = gst_video::UpstreamForceKeyUnitEvent::builder()
            .all_headers(true)
            .build();
        if let Some(pad) = self.element.static_pad("src") {
            pad.send_event(event);
        }
    }

    fn push(&self, buffer: &gst::Buffer, pts_ns: u64) {
        let mut buffer = buffer.copy();
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(gst::ClockTime::from_nseconds(pts_ns));
            buffer.set_dts(gst::ClockTime::NONE);
        }
        // A failed encoder takes none; the next picture sees that.
        self.source.push_buffer(buffer).ok();
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        self.core.stop();
    }
}

fn unit_of(sample: &gst::Sample) -> Option<AccessUnit> {
    let buffer = sample.buffer()?;
    let segment = sample.segment()?.downcast_ref::<gst::ClockTime>()?;
    // The encoder shifts its times to leave room for others; the segment says by how much.
    let time = segment.to_running_time(buffer.pts()?)?;
    let map = buffer.map_readable().ok()?;
    Some(AccessUnit {
        data: map.as_slice().into(),
        pts_ns: i64::try_from(time.nseconds()).ok()?,
        key: !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT),
    })
}

fn encoder_element(caps: &gst::Caps) -> Result<gst::Element, IngestError> {
    let info = gst_video::VideoInfo::from_caps(caps)
        .map_err(|error| IngestError::Unusable(error.to_string()))?;
    let pixels = f64::from(info.width()) * f64::from(info.height());
    let bits = (pixels * BITS_PER_PIXEL).clamp(300e3, 10e6) as u32;
    match make("x264enc") {
        Ok(encoder) => {
            encoder.set_property_from_str("tune", "zerolatency");
            encoder.set_property_from_str("speed-preset", "ultrafast");
            encoder.set_property("bitrate", bits / 1000);
            encoder.set_property("key-int-max", KEY_FRAMES);
            encoder.set_property("threads", 1_u32);
            encoder.set_property("sliced-threads", false);
            Ok(encoder)
        }
        Err(missing) => {
            let encoder = make("openh264enc").map_err(|_| missing)?;
            encoder.set_property_from_str("complexity", "low");
            encoder.set_property("bitrate", bits);
            encoder.set_property("gop-size", KEY_FRAMES);
            Ok(encoder)
        }
    }
}
