//! An opened source.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use serde::Serialize;

use crate::error::IngestError;
use crate::gst::core::PipelineCore;
use crate::gst::file::open_file;
use crate::gst::pattern::{Pattern, open_pattern};
use crate::gst::sound::AudioSource;
use crate::gst::tethered::open_tethered;
use crate::gst::video::VideoSource;
use crate::handset::open_phone;
use crate::health::{RemoteSource, SourceHealth};
use crate::pull::host_time_ns;
use crate::scheme::{Pace, SourceAddress};
use crate::settings::OpenSettings;
use crate::watch::{IngestCounters, IngestEvent, Watch};
use crate::whip::open_whip;

/// What is known about the picture when a source opens.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PictureInfo {
    /// Width, pixels. May change while the source runs ([`IngestEvent::PictureChanged`]).
    pub width: u32,
    /// Height, pixels.
    pub height: u32,
    /// Nominal frames per second; `None` when the rate varies.
    pub fps: Option<f64>,
}

/// What is known about the sound when a source opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SoundInfo {
    /// Channels.
    pub channels: u16,
    /// Rate before resampling, samples per second.
    pub source_rate_hz: u32,
}

/// What is known about a source when it opens.
#[derive(Debug, Clone, PartialEq)]
pub struct InputInfo {
    /// The checked address, with the start that is in force.
    pub address: SourceAddress,
    /// `None` when there is no picture, none is wanted, or its size is known only when it comes.
    pub video: Option<PictureInfo>,
    /// `None` when there is no sound, or none is wanted.
    pub audio: Option<SoundInfo>,
    /// How long it is, nanoseconds; `None` when it does not end or does not say.
    pub duration_ns: Option<i64>,
}

/// An opened source. Take `video` and `audio` out and pull them on threads of their own; the source stops when both are
/// dropped, or when [`InputHandle::stop`] is called.
pub struct Input {
    /// The picture.
    pub video: Option<VideoSource>,
    /// The sound.
    pub audio: Option<AudioSource>,
    /// What is known about it.
    pub info: InputInfo,
    handle: InputHandle,
}

/// Watches and stops a source from another thread. Holding it does not keep the source alive.
#[derive(Clone)]
pub struct InputHandle {
    core: Weak<PipelineCore>,
    flag: Arc<AtomicBool>,
    watch: Watch,
    remote: Option<Weak<dyn RemoteSource>>,
}

/// Opens the source that `url` names and starts it.
///
/// Blocks until the first picture and sound are there (files: at most 15 s) and, for the demo's first run, while its
/// pictures are made. Times: media time 0 is the start of the stream, whatever `start_secs` says.
pub fn open(url: &str, settings: &OpenSettings) -> Result<Input, IngestError> {
    let mut address = SourceAddress::parse(url)?;
    if let Some(secs) = settings.start_secs {
        address = address.starting_at(secs);
    }
    if let Some(anchor) = settings.anchor_of(address.pace()) {
        address = address.starting_at(anchor.pts_at(host_time_ns()) as f64 / 1e9);
    }
    open_address(address, settings)
}

/// As [`open`], with an address that is checked already.
pub fn open_address(address: SourceAddress, settings: &OpenSettings) -> Result<Input, IngestError> {
    let pace = address.pace();
    let mut input = open_checked(address, settings)?;
    let tap = settings.tap.clone().filter(|_| pace != Pace::Fast);
    input.audio = input.audio.map(|audio| audio.shown_to(tap));
    Ok(input)
}

fn open_checked(address: SourceAddress, settings: &OpenSettings) -> Result<Input, IngestError> {
    match address.clone() {
        SourceAddress::File {
            path,
            pace,
            start_secs,
        } => open_file(&path, pace, start_secs, address, settings),
        SourceAddress::Test {
            width,
            height,
            fps,
            duration_secs,
            start_secs,
            shows_clock,
            fail_after_secs,
            pace,
        } => {
            let pattern = Pattern {
                width,
                height,
                fps,
                duration_secs,
                start_secs,
                shows_clock,
                fail_after_secs,
                pace,
            };
            open_pattern(pattern, address, settings)
        }
        SourceAddress::Demo {
            mask,
            start_secs,
            pace,
        } => crate::demo::open_demo(mask, pace, start_secs, address, settings),
        SourceAddress::Phone(phone) => open_phone(*phone, settings),
        SourceAddress::Tethered(tethered) => open_tethered(*tethered, settings),
        SourceAddress::Whip { name, start_secs } => open_whip(name, start_secs, address, settings),
    }
}

impl Input {
    pub(crate) fn new(
        video: Option<VideoSource>,
        audio: Option<AudioSource>,
        info: InputInfo,
        core: &Arc<PipelineCore>,
        watch: Watch,
    ) -> Self {
        let handle = InputHandle {
            core: Arc::downgrade(core),
            flag: Arc::default(),
            watch,
            remote: None,
        };
        Input {
            video,
            audio,
            info,
            handle,
        }
    }

    /// As [`Input::new`] for a source with parts outside its pipeline, which `flag` stops.
    pub(crate) fn with_flag(
        video: Option<VideoSource>,
        audio: Option<AudioSource>,
        info: InputInfo,
        core: Weak<PipelineCore>,
        flag: Arc<AtomicBool>,
        watch: Watch,
    ) -> Self {
        Input {
            video,
            audio,
            info,
            handle: InputHandle {
                core,
                flag,
                watch,
                remote: None,
            },
        }
    }

    /// Lets its handle see who is behind it.
    pub(crate) fn of_remote(mut self, remote: Weak<dyn RemoteSource>) -> Self {
        self.handle.remote = Some(remote);
        self
    }

    /// A handle to watch and stop it.
    pub fn handle(&self) -> InputHandle {
        self.handle.clone()
    }

    /// The pace that is in force.
    pub fn pace(&self) -> Pace {
        self.info.address.pace()
    }

    /// The counters now.
    pub fn counters(&self) -> IngestCounters {
        self.handle.counters()
    }
}

impl InputHandle {
    /// Stops the source within 2 s; pulls return `End`.
    pub fn stop(&self) {
        self.flag.store(true, Ordering::Release);
        if let Some(core) = self.core.upgrade() {
            core.stop();
        }
    }

    /// The counters now.
    pub fn counters(&self) -> IngestCounters {
        self.watch.counters()
    }

    /// How the source is, where it lives outside this process; `None` for others, and for one that was let go.
    pub fn health(&self) -> Option<SourceHealth> {
        let remote = self.remote.as_ref().and_then(Weak::upgrade);
        remote.map(|remote| remote.health())
    }

    /// Takes the events that wait, oldest first.
    pub fn take_events(&self) -> Vec<IngestEvent> {
        self.watch.take_events()
    }
}

impl std::fmt::Debug for InputHandle {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("InputHandle")
            .field("watch", &self.watch)
            .finish_non_exhaustive()
    }
}
