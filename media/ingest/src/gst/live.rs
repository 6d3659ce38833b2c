//! Pictures and sound of a live pipeline, whatever stands at its head.
//!
//! ```text
//! head ─▶ decodebin ─▶ watchdog ─▶ (videoconvert) ─▶ newest frame        media time = running time behind the anchor
//!                  └─▶ watchdog ─▶ audioconvert ─▶ a second of sound
//! ```
//!
//! The end of such a stream and its silence are faults: the sender is gone, and a session opens it again.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;

use crate::error::IngestError;
use crate::gst::core::{Keeping, PipelineCore, make};
use crate::gst::file::{Branching, Found, branch, low_delay};
use crate::gst::forward::Forwarder;
use crate::gst::planes::Uploader;
use crate::gst::reblock::Reblocker;
use crate::gst::sound::{AudioSource, SinkSound};
use crate::gst::video::{Intake, VideoParts, VideoSource};
use crate::gst::viewer_picture::show_to_viewers;
use crate::input::{Input, InputInfo};
use crate::pull::host_time_ns;
use crate::scheme::{Pace, SourceAddress};
use crate::settings::OpenSettings;
use crate::watch::Watch;

/// How long the first picture or sound may take.
const OPEN_PATIENCE: Duration = Duration::from_secs(15);
/// How long the other one may take after it.
const SECOND_PATIENCE: Duration = Duration::from_secs(2);
/// From one look at an opening pipeline to the next.
const LOOK: Duration = Duration::from_millis(20);
/// Silence after which a sender counts as gone.
pub(super) const SILENCE: Duration = Duration::from_secs(5);
/// Decoded pictures that wait for the consumer: the newest.
const PICTURES_WAITING: u32 = 1;
/// Sound buffers that wait for the consumer: about a second.
const SOUNDS_WAITING: u32 = 50;

/// A live pipeline while its head is built.
pub(super) struct LiveBuild {
    pub(super) core: Arc<PipelineCore>,
    forwarder: Option<Arc<Forwarder>>,
    found: Arc<Mutex<Found>>,
    branching: Branching,
    /// Heads that may still get pads.
    unfinished: Arc<AtomicUsize>,
}

impl LiveBuild {
    fn new(name: &str, settings: &OpenSettings, watch: &Watch) -> Result<Self, IngestError> {
        let core = PipelineCore::watched(name, watch.clone())?;
        low_delay(&core);
        Ok(LiveBuild {
            forwarder: Forwarder::of(&core, &settings.tap),
            core,
            found: Arc::default(),
            branching: Branching {
                wants_video: settings.wants_video,
                wants_audio: settings.wants_audio,
                sync: false,
                pictures: Keeping::DropOldest(PICTURES_WAITING),
                sounds: Keeping::DropOldest(SOUNDS_WAITING),
                silence: Some(SILENCE),
                watch: watch.clone(),
            },
            unfinished: Arc::default(),
        })
    }

    pub(super) fn wants_video(&self) -> bool {
        self.branching.wants_video
    }

    pub(super) fn wants_audio(&self) -> bool {
        self.branching.wants_audio
    }

    /// Decodes whatever this element gives.
    pub(super) fn decode(&self, head: &[&gst::Element]) -> Result<(), IngestError> {
        let decode = make("decodebin")?;
        let chain: Vec<&gst::Element> = head.iter().copied().chain([&decode]).collect();
        self.core.add_chain(&chain)?;
        self.take_pads_of(&decode);
        Ok(())
    }

    /// Branches off every pad that this element gets.
    pub(super) fn take_pads_of(&self, element: &gst::Element) {
        // The closures live inside the pipeline: a strong handle would keep it alive for ever.
        let pipeline = self.core.pipeline().downgrade();
        let (found, branching) = (Arc::clone(&self.found), self.branching.clone());
        element.connect_pad_added(move |_, pad| {
            let Some(pipeline) = pipeline.upgrade() else {
                return;
            };
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            if let Err(error) = branch(&pipeline, pad, &branching, &mut found) {
                found.error.get_or_insert(error);
            }
        });
        self.unfinished.fetch_add(1, Ordering::AcqRel);
        let unfinished = Arc::clone(&self.unfinished);
        let has_told = AtomicBool::new(false);
        element.connect_no_more_pads(move |_| {
            if !has_told.swap(true, Ordering::AcqRel) {
                unfinished.fetch_sub(1, Ordering::AcqRel);
            }
        });
    }

    /// Waits for the first picture and sound that the source has.
    fn wait(&self) -> Result<Found, IngestError> {
        let begun = Instant::now();
        let mut first_at: Option<Instant> = None;
        loop {
            let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(error) = found.error.take() {
                return Err(error);
            }
            let (has_video, has_audio) = (found.video.is_some(), found.audio.is_some());
            if has_video || has_audio {
                first_at.get_or_insert_with(Instant::now);
            }
            let has_all = has_video == self.wants_video() && has_audio == self.wants_audio();
            let waited_enough = first_at.is_some_and(|at| {
                at.elapsed() > SECOND_PATIENCE || self.unfinished.load(Ordering::Acquire) == 0
            });
            if has_all && (has_video || has_audio) || waited_enough {
                return Ok(std::mem::take(&mut *found));
            }
            drop(found);
            if let Some(fault) = self.core.fault() {
                return Err(fault);
            }
            if begun.elapsed() > OPEN_PATIENCE {
                let waited_secs = OPEN_PATIENCE.as_secs();
                return Err(IngestError::Silent { waited_secs });
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// Opens a live pipeline whose head `build` makes, and waits until its first picture and sound are there.
pub(super) fn open_live(
    name: &'static str,
    address: SourceAddress,
    settings: &OpenSettings,
    build: impl FnOnce(&LiveBuild) -> Result<(), IngestError>,
) -> Result<Input, IngestError> {
    let watch = Watch::default();
    let live = LiveBuild::new(name, settings, &watch)?;
    build(&live)?;
    let core = &live.core;
    core.ends_are_faults();
    let start_pts_ns = start(core, &address, settings)?;
    let found = live.wait().inspect_err(|_| core.stop())?;
    let info = InputInfo {
        address,
        video: found.video.as_ref().map(|video| video.info),
        audio: found.audio.as_ref().map(|audio| audio.info),
        duration_ns: None,
    };
    if let (Some(video), Some(forwarder)) = (&found.video, &live.forwarder) {
        forwarder.leave_at(&video.sink, start_pts_ns);
        let forwards = forwarder.flag();
        show_to_viewers(&video.sink, &settings.tap, forwards, start_pts_ns, &watch);
    }
    let video = match found.video {
        Some(video) => Some(
            VideoSource::new(VideoParts {
                sink: video.sink,
                core: Arc::clone(core),
                stamps: video.stamps,
                intake: Intake::Slots(Uploader::new(
                    Arc::clone(&settings.device),
                    settings.pool_slots,
                    watch.clone(),
                )?),
                watch: watch.clone(),
                pace: Pace::Live,
            })
            .starting_at(start_pts_ns, None)
            .offset_by(start_pts_ns)
            .by_running_time()
            .converted(video.converted),
        ),
        None => None,
    };
    let audio = found.audio.map(|audio| {
        let reblocker = Reblocker::new(start_pts_ns, watch.clone());
        let sound = SinkSound::new(
            audio.sink,
            Arc::clone(core),
            audio.stamps,
            reblocker,
            start_pts_ns,
        );
        AudioSource::from_sink(sound.by_running_time(), Pace::Live, watch.clone())
    });
    Ok(Input::new(video, audio, info, core, watch))
}

/// Lets the pipeline run from now on by the host's clock. Media time at its running time 0, nanoseconds.
fn start(
    core: &PipelineCore,
    address: &SourceAddress,
    settings: &OpenSettings,
) -> Result<i64, IngestError> {
    let pipeline = core.pipeline();
    pipeline.use_clock(Some(&gst::SystemClock::obtain()));
    let now_ns = host_time_ns();
    pipeline.set_start_time(gst::ClockTime::NONE);
    pipeline.set_base_time(gst::ClockTime::from_nseconds(now_ns));
    core.play()?;
    let stated_ns = (address.start_secs() * 1e9) as i64;
    let anchor = settings.anchor_of(Pace::Live);
    Ok(anchor.map_or(stated_ns, |anchor| anchor.pts_at(now_ns)))
}
