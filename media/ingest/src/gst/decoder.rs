//! H.264 access units in, frames out: the path of phones, WHIP publishers and the demo.
//!
//! ```text
//! push ──▶ appsrc ──▶ h264parse ──▶ avdec_h264 ──▶ appsink ──▶ VideoSource::next
//! ```

use std::sync::Arc;
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use lsie_device::Device;

use crate::access_unit::{UnitKind, inspect};
use crate::error::IngestError;
use crate::gst::core::{Keeping, PipelineCore, make, pull_sink};
use crate::gst::file::picture_caps;
use crate::gst::planes::Uploader;
use crate::gst::stamps::Stamps;
use crate::gst::video::{VideoParts, VideoSource, watch_arrivals, watch_damage};
use crate::pull::{AccessUnit, host_time_ns};
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
    tap: Tap,
}

impl AccessUnitDecoder {
    /// Starts a decoder. The second half gives its frames, stamped with the host time at which each was pushed.
    pub fn start(settings: &DecoderSettings) -> Result<(Self, VideoSource), IngestError> {
        Self::start_watched(settings, Watch::default())
    }

    /// As [`AccessUnitDecoder::start`], counting in `watch`.
    pub fn start_watched(
        settings: &DecoderSettings,
        watch: Watch,
    ) -> Result<(Self, VideoSource), IngestError> {
        Self::build(settings, watch, settings.pace == Pace::Live)
    }

    /// For a pusher that has its own clock and may wait, so that nothing is dropped before the decoder.
    pub(crate) fn start_for_feeder(
        settings: &DecoderSettings,
        watch: Watch,
    ) -> Result<(Self, VideoSource), IngestError> {
        Self::build(settings, watch, false)
    }

    /// `drops` says whether a full queue drops or makes the pusher wait.
    fn build(
        settings: &DecoderSettings,
        watch: Watch,
        drops: bool,
    ) -> Result<(Self, VideoSource), IngestError> {
        let live = settings.pace == Pace::Live;
        let core = PipelineCore::watched("decoder", watch.clone())?;
        let source = unit_source(drops);
        let keeping = if live {
            Keeping::DropOldest(1)
        } else {
            Keeping::Blocking(PICTURES_WAITING)
        };
        let sink = pull_sink(&picture_caps(), keeping, false);
        let stamps = Arc::new(Stamps::new(watch.clone()));
        watch_arrivals(&sink, &stamps);
        watch_damage(&sink, &watch, |watch| watch.frames_damaged(1));
        core.add_chain(&[
            source.upcast_ref(),
            &make("h264parse")?,
            &decoder_element()?,
            sink.upcast_ref(),
        ])?;
        core.play()?;
        let frames = VideoSource::new(VideoParts {
            sink,
            core: Arc::clone(&core),
            stamps: Arc::clone(&stamps),
            uploader: Uploader::new(
                Arc::clone(&settings.device),
                settings.pool_slots,
                watch.clone(),
            )?,
            watch: watch.clone(),
            pace: settings.pace,
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
            tap: None,
        };
        Ok((decoder, frames))
    }

    /// Shows every access unit to `tap` too, whether or not the decoder keeps up.
    pub(crate) fn shown_to(mut self, tap: Tap) -> Self {
        self.tap = tap;
        self
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
        let (Some(kind), Ok(pts_ns)) = (inspect(&unit.data), u64::try_from(unit.pts_ns)) else {
            self.watch.access_units_rejected(1);
            self.watch.event(IngestEvent::AccessUnitRejected {
                pts_ns: unit.pts_ns,
            });
            return Ok(Pushed::Rejected);
        };
        let key = unit.key || kind == UnitKind::Key;
        if let Some(tap) = &self.tap {
            tap.picture(&AccessUnit {
                data: Arc::clone(&unit.data),
                pts_ns: unit.pts_ns,
                key,
            });
        }
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
    let caps = gst::Caps::builder("video/x-h264")
        .field("stream-format", "byte-stream")
        .field("alignment", "au")
        .build();
    let source = gst_app::AppSrc::builder()
        .caps(&caps)
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
