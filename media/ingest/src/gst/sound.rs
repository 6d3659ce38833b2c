//! The pull side of every sound source.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer_app as gst_app;
use gstreamer_audio as gst_audio;

use crate::demo::voice::VoicePlayer;
use crate::error::IngestError;
use crate::gst::core::{PipelineCore, abandon, pipeline_error};
use crate::gst::ending::Ending;
use crate::gst::reblock::{Piece, Reblocker};
use crate::gst::stamps::{Counting, Stamps};
use crate::gst::viewer_sound::ViewerSound;
use crate::handset::HandsetSound;
use crate::pull::{LONGEST_PULL, PCM_RATE_HZ, PcmBlock, Pull, host_time_ns};
use crate::scheme::Pace;
use crate::tap::Tap;
use crate::watch::Watch;

const SLICE: Duration = Duration::from_millis(50);

/// A source of sound, pulled by one thread. Dropping it ends its decoding.
pub struct AudioSource {
    inner: Inner,
    pace: Pace,
    watch: Watch,
    viewers: Option<ViewerSound>,
}

enum Inner {
    Sink(Box<SinkSound>),
    Voice(VoicePlayer),
    Phone(Box<HandsetSound>),
}

/// Sound that comes out of a pipeline.
pub(crate) struct SinkSound {
    sink: gst_app::AppSink,
    core: Arc<PipelineCore>,
    stamps: Arc<Stamps>,
    reblocker: Reblocker,
    pts_offset_ns: i64,
    counting: Counting,
    /// What a file promised about its end.
    ending: Option<Arc<Ending>>,
    over: bool,
}

impl SinkSound {
    pub(crate) fn new(
        sink: gst_app::AppSink,
        core: Arc<PipelineCore>,
        stamps: Arc<Stamps>,
        reblocker: Reblocker,
        pts_offset_ns: i64,
    ) -> Self {
        SinkSound {
            sink,
            core,
            stamps,
            reblocker,
            pts_offset_ns,
            counting: Counting::Stream,
            ending: None,
            over: false,
        }
    }

    /// For live pipelines: their senders count from anywhere.
    pub(crate) fn by_running_time(mut self) -> Self {
        self.counting = Counting::Running;
        self
    }

    pub(crate) fn of_file(mut self, ending: Option<Arc<Ending>>) -> Self {
        self.ending = ending;
        self
    }
}

impl AudioSource {
    pub(crate) fn from_sink(sound: SinkSound, pace: Pace, watch: Watch) -> Self {
        AudioSource {
            inner: Inner::Sink(Box::new(sound)),
            pace,
            watch,
            viewers: None,
        }
    }

    pub(crate) fn from_voice(voice: VoicePlayer, pace: Pace, watch: Watch) -> Self {
        AudioSource {
            inner: Inner::Voice(voice),
            pace,
            watch,
            viewers: None,
        }
    }

    pub(crate) fn from_phone(sound: HandsetSound, pace: Pace, watch: Watch) -> Self {
        AudioSource {
            inner: Inner::Phone(Box::new(sound)),
            pace,
            watch,
            viewers: None,
        }
    }

    /// Gives every block to viewers too.
    pub(crate) fn shown_to(mut self, tap: Tap) -> Self {
        self.viewers = tap.map(ViewerSound::new);
        self
    }

    /// Waits at most `timeout` for the next block.
    ///
    /// Every block is given, in order, at most 20 ms each. Only a live source whose consumer is more than a second late
    /// loses sound; the loss is a `SoundGap` event. A pipeline error is returned once, after the sound before it.
    pub fn next(&mut self, timeout: Duration) -> Result<Pull<PcmBlock>, IngestError> {
        let pulled = match &mut self.inner {
            Inner::Sink(sound) => sound.next(timeout)?,
            Inner::Voice(voice) => voice.next(timeout),
            Inner::Phone(sound) => sound.next(timeout)?,
        };
        if let Pull::Item(block) = &pulled {
            self.watch.blocks(1);
            if let Some(viewers) = &mut self.viewers {
                viewers.pass(block);
            }
        }
        Ok(pulled)
    }

    /// How it is paced.
    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// Ends its decoding without touching the picture of the same source.
    pub(crate) fn release(&mut self) {
        match &mut self.inner {
            Inner::Sink(sound) => sound.release(),
            Inner::Voice(voice) => voice.release(),
            Inner::Phone(sound) => sound.release(),
        }
    }
}

impl SinkSound {
    fn next(&mut self, timeout: Duration) -> Result<Pull<PcmBlock>, IngestError> {
        let deadline = Instant::now() + timeout.min(LONGEST_PULL);
        loop {
            if let Some(block) = self.reblocker.pop() {
                return Ok(Pull::Item(block));
            }
            if self.over || self.core.is_stopped() {
                return Ok(Pull::End);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let wait = u64::try_from(left.min(SLICE).as_nanos()).unwrap_or(u64::MAX);
            let wait = gst::ClockTime::from_nseconds(wait);
            if let Some(sample) = self.sink.try_pull_sample(wait) {
                self.take(&sample)?;
                continue;
            }
            if let Some(fault) = self.core.fault() {
                self.over = true;
                return Err(fault);
            }
            if self.core.input_ended() && self.sink.is_eos() {
                self.over = true;
                self.reblocker.flush();
                if let Some(ending) = self.ending.take() {
                    ending.ended(self.reblocker.end_pts_ns().unwrap_or(i64::MIN));
                }
            } else if left.is_zero() {
                return Ok(Pull::Pending);
            }
        }
    }

    fn release(&mut self) {
        self.over = true;
        abandon(&self.sink);
    }

    fn take(&mut self, sample: &gst::Sample) -> Result<(), IngestError> {
        let broken = |words: &str| pipeline_error("appsink", words);
        let caps = sample
            .caps()
            .ok_or_else(|| broken("a sample without caps"))?;
        let info =
            gst_audio::AudioInfo::from_caps(caps).map_err(|_| broken("caps that are no sound"))?;
        let buffer = sample
            .buffer()
            .ok_or_else(|| broken("a sample without buffer"))?;
        let map = buffer
            .map_readable()
            .map_err(|_| broken("a sound buffer cannot be mapped"))?;
        let samples: Vec<f32> = map
            .chunks_exact(4)
            .filter_map(|bytes| bytes.try_into().ok().map(f32::from_le_bytes))
            .collect();
        let segment = sample
            .segment()
            .and_then(|segment| segment.downcast_ref::<gst::ClockTime>());
        let time = buffer.pts().and_then(|pts| match segment {
            Some(segment) => self.counting.media_time(segment, pts),
            None => Some(pts),
        });
        let pts_ns = time.map(|time| {
            i64::try_from(time.nseconds())
                .unwrap_or(i64::MAX)
                .saturating_add(self.pts_offset_ns)
        });
        let stamp = self
            .stamps
            .pulled(buffer.pts().map(gst::ClockTime::nseconds), host_time_ns());
        self.reblocker.push(&Piece {
            samples: &samples,
            channels: u16::try_from(info.channels()).unwrap_or(u16::MAX),
            pts_ns,
            host_time_ns: stamp.host_time_ns,
        });
        Ok(())
    }
}

impl Drop for SinkSound {
    fn drop(&mut self) {
        self.release();
    }
}

/// What every sound sink accepts.
pub(crate) fn sound_caps() -> gst::Caps {
    gst_audio::AudioCapsBuilder::new_interleaved()
        .format(gst_audio::AudioFormat::F32le)
        .rate(PCM_RATE_HZ.cast_signed())
        .build()
}
