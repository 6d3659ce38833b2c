//! `test:`: colour bars and a tone.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_video as gst_video;

use crate::error::IngestError;
use crate::gst::clock_code::paint_time;
use crate::gst::core::{Keeping, PipelineCore, make, pull_sink};
use crate::gst::planes::Uploader;
use crate::gst::reblock::{BLOCK_FRAMES, Reblocker};
use crate::gst::sound::{AudioSource, SinkSound, sound_caps};
use crate::gst::stamps::Stamps;
use crate::gst::video::{Intake, PaceClock, VideoParts, VideoSource, watch_arrivals};
use crate::gst::viewer_picture::show_to_viewers;
use crate::input::{Input, InputInfo, PictureInfo, SoundInfo};
use crate::pull::PCM_RATE_HZ;
use crate::scheme::{Pace, SourceAddress};
use crate::settings::OpenSettings;
use crate::watch::Watch;

/// Sound buffers that may wait in a live source: one second.
const SOUNDS_WAITING: u32 = 50;

/// The checked parameters of `test:bars`.
#[derive(Clone, Copy)]
pub(crate) struct Pattern {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) fps: u32,
    pub(crate) duration_secs: Option<f64>,
    pub(crate) start_secs: f64,
    pub(crate) shows_clock: bool,
    pub(crate) fail_after_secs: Option<f64>,
    pub(crate) pace: Pace,
}

/// Starts the pattern.
pub(crate) fn open_pattern(
    pattern: Pattern,
    address: SourceAddress,
    settings: &OpenSettings,
) -> Result<Input, IngestError> {
    let watch = Watch::default();
    let core = PipelineCore::watched("test", watch.clone())?;
    let start_pts_ns = (pattern.start_secs * 1e9) as i64;
    let video_sink = settings
        .wants_video
        .then(|| add_bars(&core, pattern))
        .transpose()?;
    let audio_sink = settings
        .wants_audio
        .then(|| add_tone(&core, pattern, !settings.wants_video))
        .transpose()?;
    core.input_ends();
    core.play()?;
    let clock = (pattern.pace != Pace::Fast).then(|| PaceClock::starting_now(start_pts_ns));
    let info = InputInfo {
        address,
        video: video_sink.as_ref().map(|_| PictureInfo {
            width: pattern.width,
            height: pattern.height,
            fps: Some(f64::from(pattern.fps)),
        }),
        audio: audio_sink.as_ref().map(|_| SoundInfo {
            channels: 1,
            source_rate_hz: PCM_RATE_HZ,
        }),
        duration_ns: pattern.duration_secs.map(|secs| (secs * 1e9) as i64),
    };
    let video = match video_sink {
        Some(sink) => {
            let stamps = Arc::new(Stamps::new(watch.clone()));
            watch_arrivals(&sink, &stamps);
            if pattern.pace != Pace::Fast {
                let forwards = Arc::new(AtomicBool::new(false));
                show_to_viewers(&sink, &settings.tap, &forwards, start_pts_ns, &watch);
            }
            let uploader = Uploader::new(
                Arc::clone(&settings.device),
                settings.pool_slots,
                watch.clone(),
            )?;
            let parts = VideoParts {
                sink,
                core: Arc::clone(&core),
                stamps,
                intake: Intake::Slots(uploader),
                watch: watch.clone(),
                pace: pattern.pace,
            };
            Some(
                VideoSource::new(parts)
                    .starting_at(start_pts_ns, clock)
                    .offset_by(start_pts_ns),
            )
        }
        None => None,
    };
    let audio = audio_sink.map(|sink| {
        let stamps = Arc::new(Stamps::new(Watch::default()));
        watch_arrivals(&sink, &stamps);
        let reblocker = Reblocker::new(start_pts_ns, watch.clone());
        AudioSource::from_sink(
            SinkSound::new(sink, Arc::clone(&core), stamps, reblocker, start_pts_ns),
            pattern.pace,
            watch.clone(),
        )
    });
    Ok(Input::new(video, audio, info, &core, watch))
}

fn add_bars(core: &PipelineCore, pattern: Pattern) -> Result<gstreamer_app::AppSink, IngestError> {
    let source = make("videotestsrc")?;
    source.set_property("is-live", pattern.pace == Pace::Live);
    if let Some(secs) = pattern.duration_secs {
        source.set_property("num-buffers", buffers(secs * f64::from(pattern.fps)));
    }
    let caps = gst_video::VideoCapsBuilder::new()
        .format(gst_video::VideoFormat::I420)
        .width(pattern.width.cast_signed())
        .height(pattern.height.cast_signed())
        .framerate(gst::Fraction::new(pattern.fps.cast_signed(), 1))
        .build();
    let keeping = if pattern.pace == Pace::Live {
        Keeping::DropOldest(1)
    } else {
        Keeping::Blocking(3)
    };
    let sink = pull_sink(&caps, keeping, pattern.pace == Pace::Paced);
    if pattern.shows_clock {
        paint_time(&source, &caps)?;
    }
    let fault = fault_after(pattern.fail_after_secs, f64::from(pattern.fps))?;
    core.add_chain(&[&source, &fault, sink.upcast_ref()])?;
    Ok(sink)
}

/// Passes everything on; where a fault is wanted, it fails as an element does, in front of that buffer.
fn fault_after(secs: Option<f64>, rate_hz: f64) -> Result<gst::Element, IngestError> {
    let identity = make("identity")?;
    if let Some(secs) = secs {
        identity.set_property("error-after", buffers(secs * rate_hz));
    }
    Ok(identity)
}

/// `is_alone` without pictures: then the tone is what fails.
fn add_tone(
    core: &PipelineCore,
    pattern: Pattern,
    is_alone: bool,
) -> Result<gstreamer_app::AppSink, IngestError> {
    let source = make("audiotestsrc")?;
    source.set_property("is-live", pattern.pace == Pace::Live);
    source.set_property("samplesperbuffer", BLOCK_FRAMES.cast_signed() as i32);
    source.set_property("freq", 440.0_f64);
    source.set_property("volume", 0.2_f64);
    if let Some(secs) = pattern.duration_secs {
        source.set_property(
            "num-buffers",
            buffers(secs * f64::from(PCM_RATE_HZ) / BLOCK_FRAMES as f64),
        );
    }
    let mut caps = sound_caps();
    caps.make_mut().set("channels", 1_i32);
    let keeping = if pattern.pace == Pace::Live {
        Keeping::DropOldest(SOUNDS_WAITING)
    } else {
        Keeping::Blocking(SOUNDS_WAITING)
    };
    let sink = pull_sink(&caps, keeping, pattern.pace == Pace::Paced);
    let fails_after = pattern.fail_after_secs.filter(|_| is_alone);
    let blocks_hz = f64::from(PCM_RATE_HZ) / BLOCK_FRAMES as f64;
    let fault = fault_after(fails_after, blocks_hz)?;
    core.add_chain(&[&source, &fault, sink.upcast_ref()])?;
    Ok(sink)
}

/// At least one; -1 would be for ever.
fn buffers(count: f64) -> i32 {
    count.round().clamp(1.0, f64::from(i32::MAX)) as i32
}
