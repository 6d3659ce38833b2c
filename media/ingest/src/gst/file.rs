//! `file:`: whatever GStreamer demultiplexes and decodes.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_audio as gst_audio;
use gstreamer_video as gst_video;

use crate::error::IngestError;
use crate::gst::core::{Keeping, PipelineCore, make, pipeline_error, pull_sink};
use crate::gst::ending::Ending;
use crate::gst::forward::Forwarder;
use crate::gst::planes::Uploader;
use crate::gst::reblock::Reblocker;
use crate::gst::sound::{AudioSource, SinkSound, sound_caps};
use crate::gst::stamps::Stamps;
use crate::gst::video::{Intake, PaceClock, VideoParts, VideoSource, watch_arrivals, watch_damage};
use crate::gst::viewer_picture::show_to_viewers;
use crate::input::{Input, InputInfo, PictureInfo, SoundInfo};
use crate::scheme::{Pace, SourceAddress};
use crate::settings::OpenSettings;
use crate::watch::{IngestEvent, Watch};

/// How long the first picture and sound of a file may take.
const OPEN_PATIENCE: Duration = Duration::from_secs(15);
/// Decoded pictures that wait for the consumer.
const PICTURES_WAITING: u32 = 3;
/// Sound buffers that wait for the consumer.
const SOUNDS_WAITING: u32 = 48;

/// What the demultiplexer's pads became.
#[derive(Default)]
pub(super) struct Found {
    pub(super) video: Option<FoundVideo>,
    pub(super) audio: Option<FoundAudio>,
    /// There are streams that are not played.
    has_others: bool,
    pub(super) error: Option<IngestError>,
}

pub(super) struct FoundVideo {
    pub(super) sink: gst_app::AppSink,
    pub(super) stamps: Arc<Stamps>,
    pub(super) info: PictureInfo,
    pub(super) converted: bool,
}

pub(super) struct FoundAudio {
    pub(super) sink: gst_app::AppSink,
    pub(super) stamps: Arc<Stamps>,
    pub(super) info: SoundInfo,
}

/// What the pads need to know.
#[derive(Clone)]
pub(super) struct Branching {
    pub(super) wants_video: bool,
    pub(super) wants_audio: bool,
    pub(super) sync: bool,
    pub(super) pictures: Keeping,
    pub(super) sounds: Keeping,
    /// Without a buffer for so long, a branch is a fault; `None` waits for ever.
    pub(super) silence: Option<Duration>,
    pub(super) watch: Watch,
}

impl Branching {
    /// What a file is branched into: nothing is dropped, the reader waits.
    fn of_file(pace: Pace, settings: &OpenSettings, watch: &Watch) -> Self {
        Self {
            wants_video: settings.wants_video,
            wants_audio: settings.wants_audio,
            sync: pace == Pace::Paced,
            pictures: Keeping::Blocking(PICTURES_WAITING),
            sounds: Keeping::Blocking(SOUNDS_WAITING),
            silence: None,
            watch: watch.clone(),
        }
    }
}

/// Opens a file and waits until its first picture and sound are decoded.
pub(crate) fn open_file(
    path: &Path,
    pace: Pace,
    start_secs: f64,
    address: SourceAddress,
    settings: &OpenSettings,
) -> Result<Input, IngestError> {
    check_readable(path)?;
    let watch = Watch::default();
    let core = PipelineCore::watched("file", watch.clone())?;
    let found = Arc::new(Mutex::new(Found::default()));
    let branching = Branching::of_file(pace, settings, &watch);
    let tap = settings.tap.clone().filter(|_| pace != Pace::Fast);
    let forwarder = Forwarder::of(&core, &tap);
    build(&core, path, &found, branching)?;
    let in_file = |error| not_media(path, error);
    core.set(gst::State::Paused).map_err(in_file)?;
    let prerolled = core.wait_for_preroll(OPEN_PATIENCE);
    let mut found = std::mem::take(&mut *found.lock().unwrap_or_else(PoisonError::into_inner));
    if let Some(error) = found.error.take() {
        return Err(error);
    }
    prerolled.map_err(in_file)?;
    if found.video.is_none() && found.audio.is_none() {
        let reason = "no wanted picture or sound in it".to_owned();
        return Err(IngestError::NotMedia {
            path: path.to_owned(),
            reason,
        });
    }
    let start_pts_ns = (start_secs * 1e9) as i64;
    seek(&core, start_pts_ns)?;
    let duration_ns = core
        .pipeline()
        .query_duration::<gst::ClockTime>()
        .and_then(|duration| i64::try_from(duration.nseconds()).ok());
    let ending = promised_end(&core, &found, duration_ns, &watch);
    core.input_ends();
    core.play()?;
    let info = InputInfo {
        address,
        video: found.video.as_ref().map(|video| video.info),
        audio: found.audio.as_ref().map(|audio| audio.info),
        duration_ns,
    };
    let clock = (pace == Pace::Paced).then(|| PaceClock::starting_now(start_pts_ns));
    if let (Some(video), Some(forwarder)) = (&found.video, &forwarder) {
        forwarder.leave_at(&video.sink, 0);
        show_to_viewers(&video.sink, &tap, forwarder.flag(), 0, &watch);
    }
    let video = match found.video {
        Some(video) => Some(
            VideoSource::new(VideoParts {
                sink: video.sink,
                core: Arc::clone(&core),
                stamps: video.stamps,
                intake: Intake::Slots(Uploader::new(
                    Arc::clone(&settings.device),
                    settings.pool_slots,
                    watch.clone(),
                )?),
                watch: watch.clone(),
                pace,
            })
            .starting_at(start_pts_ns, clock)
            .converted(video.converted)
            .of_file(ending.clone()),
        ),
        None => None,
    };
    let audio = found.audio.map(|audio| {
        let reblocker = Reblocker::new(start_pts_ns, watch.clone());
        let sound = SinkSound::new(audio.sink, Arc::clone(&core), audio.stamps, reblocker, 0)
            .of_file(ending);
        AudioSource::from_sink(sound, pace, watch.clone())
    });
    Ok(Input::new(video, audio, info, &core, watch))
}

/// What a container that states its length promises. Other formats estimate theirs from bytes, which proves nothing; nor
/// does a stated length where another stream, which is not played, may be the longest.
fn promised_end(
    core: &PipelineCore,
    found: &Found,
    duration_ns: Option<i64>,
    watch: &Watch,
) -> Option<Arc<Ending>> {
    let states_length = core
        .pipeline()
        .iterate_recurse()
        .into_iter()
        .flatten()
        .filter_map(|element| element.factory())
        .any(|factory| matches!(factory.name().as_str(), "qtdemux" | "matroskademux"));
    let streams = usize::from(found.video.is_some()) + usize::from(found.audio.is_some());
    let stated_ns = duration_ns.filter(|_| states_length && !found.has_others)?;
    Some(Arc::new(Ending::new(stated_ns, streams, watch.clone())))
}

fn check_readable(path: &Path) -> Result<(), IngestError> {
    let failed = |reason: String| IngestError::File {
        path: path.to_owned(),
        reason,
    };
    let about = std::fs::File::open(path)
        .and_then(|file| file.metadata())
        .map_err(|error| failed(error.to_string()))?;
    if !about.is_file() {
        return Err(failed("it is not a file".to_owned()));
    }
    if about.len() == 0 {
        return Err(IngestError::NotMedia {
            path: path.to_owned(),
            reason: "it is empty".to_owned(),
        });
    }
    Ok(())
}

fn build(
    core: &Arc<PipelineCore>,
    path: &Path,
    found: &Arc<Mutex<Found>>,
    branching: Branching,
) -> Result<(), IngestError> {
    let source = make("filesrc")?;
    source.set_property("location", path);
    let decode = make("decodebin")?;
    core.add_chain(&[&source, &decode])?;
    low_delay(core);
    // The closure lives inside the pipeline: a strong handle would keep it alive for ever.
    let pipeline = core.pipeline().downgrade();
    let found = Arc::clone(found);
    decode.connect_pad_added(move |_, pad| {
        let Some(pipeline) = pipeline.upgrade() else {
            return;
        };
        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = branch(&pipeline, pad, &branching, &mut found) {
            found.error.get_or_insert(error);
        }
    });
    Ok(())
}

/// Decoders that are added to the pipeline from now on hold no picture back.
pub(super) fn low_delay(core: &PipelineCore) {
    core.pipeline().connect_deep_element_added(|_, _, element| {
        // Frame threads would hold back whole frames; slices are decoded by one thread.
        if element.has_property_with_type("max-threads", gst::glib::Type::I32) {
            element.set_property("max-threads", 1_i32);
        }
    });
}

/// Takes the first picture and the first sound; other streams stay unlinked and are not decoded further.
pub(super) fn branch(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    branching: &Branching,
    found: &mut Found,
) -> Result<(), IngestError> {
    let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
    let kind = caps
        .structure(0)
        .map(|structure| structure.name().to_string())
        .unwrap_or_default();
    match kind.as_str() {
        "video/x-raw" if branching.wants_video && found.video.is_none() => {
            found.video = Some(branch_video(pipeline, pad, &caps, branching)?);
        }
        "audio/x-raw" if branching.wants_audio && found.audio.is_none() => {
            found.audio = Some(branch_audio(pipeline, pad, &caps, branching)?);
        }
        _ => found.has_others = true,
    }
    Ok(())
}

fn branch_video(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    caps: &gst::Caps,
    branching: &Branching,
) -> Result<FoundVideo, IngestError> {
    let info = gst_video::VideoInfo::from_caps(caps)
        .map_err(|_| pipeline_error("decodebin", "no picture format"))?;
    let converted = !matches!(
        info.format(),
        gst_video::VideoFormat::I420 | gst_video::VideoFormat::Nv12
    );
    let sink = pull_sink(&picture_caps(), branching.pictures, branching.sync);
    let stamps = Arc::new(Stamps::new(branching.watch.clone()));
    watch_arrivals(&sink, &stamps);
    watch_damage(&sink, &branching.watch, |watch| watch.frames_damaged(1));
    let mut elements = watchdog(branching)?;
    if converted {
        let from = info.format().to_str().to_string();
        branching
            .watch
            .event(IngestEvent::ConversionInserted { from });
        elements.push(make("videoconvert")?);
    }
    elements.push(sink.clone().upcast());
    attach(pipeline, pad, &elements)?;
    let fps = info.fps();
    let info = PictureInfo {
        width: info.width(),
        height: info.height(),
        fps: (fps.numer() > 0).then(|| f64::from(fps.numer()) / f64::from(fps.denom())),
    };
    Ok(FoundVideo {
        sink,
        stamps,
        info,
        converted,
    })
}

fn branch_audio(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    caps: &gst::Caps,
    branching: &Branching,
) -> Result<FoundAudio, IngestError> {
    let info = gst_audio::AudioInfo::from_caps(caps)
        .map_err(|_| pipeline_error("decodebin", "no sound format"))?;
    let sink = pull_sink(&sound_caps(), branching.sounds, branching.sync);
    // Sound has no access units of its own to count.
    let stamps = Arc::new(Stamps::new(Watch::default()));
    watch_arrivals(&sink, &stamps);
    watch_damage(&sink, &branching.watch, |watch| watch.sound_damaged(1));
    // Both pass the samples through untouched where there is nothing to convert.
    let mut elements = watchdog(branching)?;
    elements.extend([make("audioconvert")?, make("audioresample")?]);
    elements.push(sink.clone().upcast());
    attach(pipeline, pad, &elements)?;
    let info = SoundInfo {
        channels: info.channels() as u16,
        source_rate_hz: info.rate(),
    };
    Ok(FoundAudio { sink, stamps, info })
}

/// Fails when a branch falls silent, where that is a fault.
fn watchdog(branching: &Branching) -> Result<Vec<gst::Element>, IngestError> {
    let Some(silence) = branching.silence else {
        return Ok(Vec::new());
    };
    let watchdog = make("watchdog")?;
    watchdog.set_property("timeout", silence.as_millis() as i32);
    Ok(vec![watchdog])
}

fn attach(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    elements: &[gst::Element],
) -> Result<(), IngestError> {
    let failed = |words: String| pipeline_error("decodebin", &words);
    pipeline
        .add_many(elements)
        .map_err(|error| failed(error.to_string()))?;
    gst::Element::link_many(elements).map_err(|error| failed(error.to_string()))?;
    for element in elements.iter().rev() {
        element
            .sync_state_with_parent()
            .map_err(|error| failed(error.to_string()))?;
    }
    let entry = elements
        .first()
        .and_then(|element| element.static_pad("sink"));
    let entry = entry.ok_or_else(|| failed("a branch without entry".to_owned()))?;
    pad.link(&entry)
        .map(|_| ())
        .map_err(|error| failed(error.to_string()))
}

/// The formats that the kernels read.
pub(crate) fn picture_caps() -> gst::Caps {
    gst_video::VideoCapsBuilder::new()
        .format_list([gst_video::VideoFormat::I420, gst_video::VideoFormat::Nv12])
        .build()
}

/// Goes to the start; files that cannot seek are played from their beginning and discarded up to it.
fn seek(core: &PipelineCore, start_pts_ns: i64) -> Result<(), IngestError> {
    if start_pts_ns <= 0 {
        return Ok(());
    }
    let target = gst::ClockTime::from_nseconds(start_pts_ns as u64);
    let flags = gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE;
    match core.pipeline().seek_simple(flags, target) {
        Ok(()) => core.wait_for_preroll(OPEN_PATIENCE),
        Err(_) => Ok(()),
    }
}

/// An error while the file is being opened is about the file.
fn not_media(path: &Path, error: IngestError) -> IngestError {
    match error {
        IngestError::Pipeline { message, .. } => IngestError::NotMedia {
            path: path.to_owned(),
            reason: message,
        },
        other => other,
    }
}
