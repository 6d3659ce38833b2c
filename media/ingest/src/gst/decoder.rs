//! H.264 access units in, frames out: the path of phones, WHIP publishers and the demo.
//!
//! ```text
//! push ──▶ appsrc ──▶ h264parse ──▶ avdec_h264 ──▶ appsink ──▶ VideoSource::next
//!                            └─────▶ nvh264dec ───▶ appsink ──▶ CudaVideo::next
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use lsie_device::Device;

use crate::access_unit::{UnitCodec, UnitKind, has_b_slice, inspect_as};
use crate::error::IngestError;
use crate::gst::core::{Keeping, PipelineCore, make, pipeline_error, pull_sink};
use crate::gst::cuda::{self, CudaFrame, CudaShare, SurfaceIntake};
use crate::gst::file::picture_caps;
use crate::gst::planes::Uploader;
use crate::gst::stamps::Stamps;
use crate::gst::video::{Intake, VideoParts, VideoSource, watch_arrivals, watch_damage};
use crate::gst::viewer_picture::show_to_viewers;
use crate::pull::{AccessUnit, Pull, host_time_ns};
use crate::scheme::Pace;
use crate::tap::Tap;
use crate::watch::{IngestEvent, Watch};

/// Access units that may wait for the decoder in a live source; then it drops up to the next key frame.
const UNITS_WAITING: u64 = 8;
/// Access units that may wait where the pusher waits.
const UNITS_BLOCKING: u64 = 2;
/// Decoded frames that wait for the consumer where nothing is dropped.
const PICTURES_WAITING: u32 = 2;
/// Shortest time between two restarts of a failing decoder.
const RESTART_PAUSE: Duration = Duration::from_millis(500);

/// Choices for a decoder.
#[derive(Clone)]
pub struct DecoderSettings {
    /// Where frames are to live.
    pub device: Arc<dyn Device>,
    /// Slots of each frame pool, at least 2.
    pub pool_slots: usize,
    /// `Live`: newest frame wins, pushing never waits. Otherwise nothing is dropped and pushing waits for the consumer.
    pub pace: Pace,
    /// A CUDA context that the device lends: then NVIDIA's decoder runs in it where there is one, and frames are its surfaces, of which
    /// [`cuda::MAX_SURFACES`] may be held. `None` for decoding on the host.
    pub surfaces: Option<CudaShare>,
}

/// What became of a pushed access unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It goes to the decoder.
    Accepted,
    /// It was dropped; so will be the next ones until a key frame comes. Ask the sender for one.
    AwaitingKeyFrame,
    /// It is no access unit (no start code, no slice, more than 8 MiB, or a negative time). It was not decoded.
    Rejected,
    /// The decoder was stopped.
    Stopped,
}

/// What differs between a decoder on the host and one on the device.
struct DecoderParts<'a> {
    decoder: gst::Element,
    caps: gst::Caps,
    intake: Intake,
    share: Option<&'a CudaShare>,
}

impl<'a> DecoderParts<'a> {
    /// On the device where its context is lent and GStreamer has a decoder for it, else on the host, which is said and counted.
    fn new(settings: &'a DecoderSettings, watch: &Watch) -> Result<Self, IngestError> {
        gst::init().map_err(|error| IngestError::Unusable(error.to_string()))?;
        if let Some(share) = &settings.surfaces {
            match cuda::decoder_element(share.device()) {
                Ok(decoder) => {
                    let intake = Intake::Lent(SurfaceIntake::new(share, watch.clone()));
                    return Ok(Self::on_cuda(decoder, intake, share));
                }
                Err(error) => {
                    tracing::warn!(%error, "pictures come by way of the host: the device's decoder is not there");
                }
            }
        }
        let (device, slots) = (Arc::clone(&settings.device), settings.pool_slots);
        Ok(DecoderParts {
            decoder: decoder_element()?,
            caps: picture_caps(),
            intake: Intake::Slots(Uploader::new(device, slots, watch.clone())?),
            share: None,
        })
    }

    fn on_cuda(decoder: gst::Element, intake: Intake, share: &'a CudaShare) -> Self {
        DecoderParts {
            decoder,
            caps: cuda::picture_caps(),
            intake,
            share: Some(share),
        }
    }
}

/// The pulling half of a decoder whose pictures stay in CUDA memory.
pub struct CudaVideo {
    source: VideoSource,
}

impl CudaVideo {
    /// Waits at most `timeout` for the next picture. Pacing and loss are those of [`VideoSource::next`], with the surfaces that
    /// may be held ([`cuda::MAX_SURFACES`]) in the place of slots.
    pub fn next(&mut self, timeout: Duration) -> Result<Pull<CudaFrame>, IngestError> {
        self.source.next_surface(timeout)
    }
}

/// The pushing half of a decoder. Dropping it ends the stream: the frames still inside come out, then `End`.
pub struct AccessUnitDecoder {
    source: gst_app::AppSrc,
    core: Arc<PipelineCore>,
    stamps: Arc<Stamps>,
    watch: Watch,
    drops: bool,
    awaits_key: bool,
    /// Whether the operator knows that a key frame is awaited.
    awaits_key_told: bool,
    last_restart: Option<Instant>,
    sink: gst_app::AppSink,
    /// The elements between its ends.
    chain: Vec<gst::Element>,
    codec: UnitCodec,
    pace: Pace,
    tap: Tap,
    /// Whether what comes goes to viewers as it is.
    forwards: Arc<AtomicBool>,
}

impl AccessUnitDecoder {
    /// Starts a decoder. The second half gives its frames, stamped with the host time at which each was pushed.
    pub fn start(settings: &DecoderSettings) -> Result<(Self, VideoSource), IngestError> {
        Self::start_watched(settings, Watch::default())
    }

    /// Starts NVIDIA's decoder in our context. The second half gives its pictures where they lie, without a copy; the device and
    /// the slots of `settings` are not used. [`IngestError::MissingElement`] where GStreamer has no such decoder.
    pub fn start_on_cuda(
        settings: &DecoderSettings,
        share: &CudaShare,
    ) -> Result<(Self, CudaVideo), IngestError> {
        gst::init().map_err(|error| IngestError::Unusable(error.to_string()))?;
        let watch = Watch::default();
        let decoder = cuda::decoder_element(share.device())?;
        let intake = Intake::Surfaces(SurfaceIntake::new(share, watch.clone()));
        let parts = DecoderParts::on_cuda(decoder, intake, share);
        let (decoder, source) =
            Self::build(settings.pace, watch, settings.pace == Pace::Live, parts)?;
        Ok((decoder, CudaVideo { source }))
    }

    /// As [`AccessUnitDecoder::start`], counting in `watch`.
    pub fn start_watched(
        settings: &DecoderSettings,
        watch: Watch,
    ) -> Result<(Self, VideoSource), IngestError> {
        let parts = DecoderParts::new(settings, &watch)?;
        Self::build(settings.pace, watch, settings.pace == Pace::Live, parts)
    }

    /// For a pusher that has its own clock and may wait, so that nothing is dropped before the decoder.
    pub(crate) fn start_for_feeder(
        settings: &DecoderSettings,
        watch: Watch,
    ) -> Result<(Self, VideoSource), IngestError> {
        let parts = DecoderParts::new(settings, &watch)?;
        Self::build(settings.pace, watch, false, parts)
    }

    /// `drops` says whether a full queue drops or makes the pusher wait.
    fn build(
        pace: Pace,
        watch: Watch,
        drops: bool,
        parts: DecoderParts<'_>,
    ) -> Result<(Self, VideoSource), IngestError> {
        let core = PipelineCore::watched("decoder", watch.clone())?;
        if let (Some(share), Some(bus)) = (parts.share, core.pipeline().bus()) {
            share.answer_on(&bus);
        }
        let source = unit_source(drops);
        let keeping = if pace == Pace::Live {
            Keeping::DropOldest(1)
        } else {
            Keeping::Blocking(PICTURES_WAITING)
        };
        let sink = pull_sink(&parts.caps, keeping, false);
        let stamps = Arc::new(Stamps::new(watch.clone()));
        watch_arrivals(&sink, &stamps);
        watch_damage(&sink, &watch, |watch| watch.frames_damaged(1));
        let chain = vec![make("h264parse")?, parts.decoder];
        let ends: (&gst::Element, &gst::Element) = (source.upcast_ref(), sink.upcast_ref());
        let whole: Vec<&gst::Element> = std::iter::once(ends.0)
            .chain(&chain)
            .chain([ends.1])
            .collect();
        core.add_chain(&whole)?;
        core.play()?;
        let frames = VideoSource::new(VideoParts {
            sink: sink.clone(),
            core: Arc::clone(&core),
            stamps: Arc::clone(&stamps),
            intake: parts.intake,
            watch: watch.clone(),
            pace,
        })
        .with_foreign_faults();
        let decoder = AccessUnitDecoder {
            source,
            core,
            stamps,
            watch,
            drops,
            awaits_key: true,
            awaits_key_told: false,
            last_restart: None,
            sink,
            chain,
            codec: UnitCodec::H264,
            pace,
            tap: None,
            forwards: Arc::new(AtomicBool::new(true)),
        };
        Ok((decoder, frames))
    }

    /// Shows every access unit to `tap` too, whether or not the decoder keeps up.
    pub(crate) fn shown_to(mut self, tap: Tap) -> Self {
        self.tap = tap.filter(|_| self.pace != Pace::Fast);
        show_to_viewers(&self.sink, &self.tap, &self.forwards, 0, &self.watch);
        self
    }

    /// Whether a viewer needs a key frame of whoever encodes what is pushed.
    pub(crate) fn viewers_want_key_frame(&self) -> bool {
        let forwards = self.forwards.load(Ordering::Acquire);
        forwards && self.tap.as_ref().is_some_and(|tap| tap.take_key_request())
    }

    /// Expects another codec from now on; begins at its next key frame.
    pub(crate) fn switch_to(&mut self, codec: UnitCodec) -> Result<(), IngestError> {
        if self.codec == codec {
            return Ok(());
        }
        self.core.set(gst::State::Null)?;
        let pipeline = self.core.pipeline();
        for element in self.chain.drain(..) {
            // It is in the pipeline, by whose rules it is unlinked with this.
            pipeline.remove(&element).ok();
        }
        self.chain = decoding_elements(codec)?;
        self.source.set_caps(Some(&unit_caps(codec)));
        let ends: (&gst::Element, &gst::Element) =
            (self.source.upcast_ref(), self.sink.upcast_ref());
        let whole: Vec<&gst::Element> = std::iter::once(ends.0)
            .chain(&self.chain)
            .chain([ends.1])
            .collect();
        pipeline
            .add_many(&self.chain)
            .and_then(|()| gst::Element::link_many(&whole))
            .map_err(|error| pipeline_error("decoder", &error.to_string()))?;
        self.codec = codec;
        self.awaits_key = true;
        self.forwards
            .store(codec == UnitCodec::H264, Ordering::Release);
        self.core.clear_fault();
        self.stamps.flush();
        self.core.play()
    }

    fn show(&self, unit: &AccessUnit, key: bool) {
        let Some(tap) = &self.tap else { return };
        if self.codec != UnitCodec::H264 {
            return;
        }
        if has_b_slice(&unit.data) && self.forwards.swap(false, Ordering::AcqRel) {
            tracing::info!("the pictures have B-frames; viewers get them encoded anew");
            tap.restart();
        }
        if self.forwards.load(Ordering::Acquire) {
            tap.picture(&AccessUnit {
                data: Arc::clone(&unit.data),
                pts_ns: unit.pts_ns,
                key,
            });
        }
    }

    /// Gives the decoder one access unit. A live decoder never waits; it drops to the next key frame when it cannot keep up.
    ///
    /// A decoder that fails is started again, at most twice a second, and goes on at the next key frame.
    pub fn push(&mut self, unit: &AccessUnit) -> Result<Pushed, IngestError> {
        self.push_captured(unit, host_time_ns())
    }

    /// As [`AccessUnitDecoder::push`], for a unit whose time of capture on our monotonic clock is known; its frame gets it.
    pub(crate) fn push_captured(
        &mut self,
        unit: &AccessUnit,
        captured_ns: u64,
    ) -> Result<Pushed, IngestError> {
        if self.core.is_stopped() {
            return Ok(Pushed::Stopped);
        }
        if let Some(fault) = self.core.fault() {
            self.restart(&fault)?;
        }
        let kind = inspect_as(self.codec, &unit.data);
        let (Some(kind), Ok(pts_ns)) = (kind, u64::try_from(unit.pts_ns)) else {
            self.watch.access_units_rejected(1);
            self.watch.event(IngestEvent::AccessUnitRejected {
                pts_ns: unit.pts_ns,
            });
            return Ok(Pushed::Rejected);
        };
        let key = unit.key || kind == UnitKind::Key;
        self.show(unit, key);
        if self.drops && self.source.property::<u64>("current-level-buffers") >= UNITS_WAITING {
            self.awaits_key = true;
        } else if key {
            self.awaits_key = false;
            self.awaits_key_told = false;
        }
        if self.awaits_key {
            self.watch.access_units_dropped(1);
            if !std::mem::replace(&mut self.awaits_key_told, true) {
                self.watch.event(IngestEvent::KeyFrameWanted {
                    pts_ns: unit.pts_ns,
                });
            }
            return Ok(Pushed::AwaitingKeyFrame);
        }
        let mut buffer = gst::Buffer::from_slice(Arc::clone(&unit.data));
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(gst::ClockTime::from_nseconds(pts_ns));
            if !key {
                buffer.set_flags(gst::BufferFlags::DELTA_UNIT);
            }
        }
        self.stamps.pushed(pts_ns, captured_ns);
        self.watch.access_units(1);
        match self.source.push_buffer(buffer) {
            Ok(_) => Ok(Pushed::Accepted),
            Err(_) if self.core.is_stopped() => Ok(Pushed::Stopped),
            Err(_) => {
                let fault = self.core.fault_or("the decoder takes no more access units");
                self.restart(&fault)?;
                Ok(Pushed::AwaitingKeyFrame)
            }
        }
    }

    /// Whether pushing anything but a key frame is in vain now.
    pub fn awaits_key_frame(&self) -> bool {
        self.awaits_key
    }

    /// Its counters and events.
    pub fn watch(&self) -> Watch {
        self.watch.clone()
    }

    /// Stops at once, without giving the frames still inside.
    pub fn stop(&self) {
        self.core.stop();
    }

    pub(crate) fn core(&self) -> &Arc<PipelineCore> {
        &self.core
    }

    fn restart(&mut self, fault: &IngestError) -> Result<(), IngestError> {
        self.awaits_key = true;
        let now = Instant::now();
        if self
            .last_restart
            .is_some_and(|last| now.duration_since(last) < RESTART_PAUSE)
        {
            return Ok(());
        }
        self.last_restart = Some(now);
        self.watch.decoder_restarts(1);
        self.watch.event(IngestEvent::DecoderRestarted {
            reason: fault.to_string(),
        });
        self.core.set(gst::State::Null)?;
        self.core.clear_fault();
        self.stamps.flush();
        self.core.play()
    }
}

impl Drop for AccessUnitDecoder {
    fn drop(&mut self) {
        self.core.input_ends();
        // A stopped or failed pipeline takes no end of stream, and needs none.
        self.source.end_of_stream().ok();
    }
}

/// The size limit counts buffers only, so that a large key frame is no overflow.
fn unit_source(drops: bool) -> gst_app::AppSrc {
    let source = gst_app::AppSrc::builder()
        .caps(&unit_caps(UnitCodec::H264))
        .format(gst::Format::Time)
        .is_live(true)
        .block(!drops)
        .build();
    source.set_property("max-bytes", 0_u64);
    source.set_property(
        "max-buffers",
        if drops {
            2 * UNITS_WAITING
        } else {
            UNITS_BLOCKING
        },
    );
    source
}

fn unit_caps(codec: UnitCodec) -> gst::Caps {
    match codec {
        UnitCodec::H264 => gst::Caps::builder("video/x-h264")
            .field("stream-format", "byte-stream")
            .field("alignment", "au")
            .build(),
        UnitCodec::Vp8 => gst::Caps::builder("video/x-vp8").build(),
    }
}

fn decoding_elements(codec: UnitCodec) -> Result<Vec<gst::Element>, IngestError> {
    Ok(match codec {
        UnitCodec::H264 => vec![make("h264parse")?, decoder_element()?],
        UnitCodec::Vp8 => vec![make("vp8dec")?],
    })
}

/// libav with one thread, which holds nothing back; else OpenH264, which delays by a frame.
fn decoder_element() -> Result<gst::Element, IngestError> {
    match make("avdec_h264") {
        Ok(decoder) => {
            decoder.set_property("max-threads", 1_i32);
            // Damage is counted by us; it never ends the stream.
            decoder.set_property("max-errors", -1_i32);
            Ok(decoder)
        }
        Err(missing) => make("openh264dec").map_err(|_| missing),
    }
}
