//! The handset as its consumer sees it.

use std::path::PathBuf;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use super::launch::Plan;
use super::queue::{BoundedQueue, VideoQueue};
use super::shared::{Attempt, Facts, Message, Outlets, lock};
use super::supervisor::Supervisor;
use super::tracker::{DeviceTracker, TrackedDevices};
use crate::adb::{AdbClient, DEFAULT_PORT, is_network_serial};
use crate::clock::{ClockLadder, ClockState, TimeBase};
use crate::error::HandsetError;
use crate::media::{AudioBlock, StreamCounters};
use crate::recording::RecorderTap;
use crate::scrcpy::{
    CaptureSettings, Codec, JarSearch, Scid, ServerVersion, StreamKind, VideoOrigin, VideoSize,
    server_options,
};
use crate::session::{
    AudioState, CableMeter, Input, Machine, MachineSettings, SessionState, Transition, VideoState,
    WatchdogSettings,
};

/// Blocks of 21 ms that stand for 250 ms.
const AUDIO_BLOCKS: usize = 12;
const EVENTS: usize = 256;
const MESSAGES: usize = 256;

/// What the consumer wants.
#[derive(Debug, Clone)]
pub struct HandsetConfig {
    /// Phone by serial; `None` takes the only one.
    pub serial: Option<String>,
    /// Port of the adb server.
    pub adb_port: u16,
    /// Program that is run as `start-server` when the port refuses; `None` leaves that to the operator.
    pub adb_program: Option<PathBuf>,
    /// Where the server's jar is.
    pub jar: JarSearch,
    /// What is captured.
    pub capture: CaptureSettings,
    /// Zero of our monotonic clock in everything that comes out.
    pub epoch: Instant,
    /// Assumed time from capture to arrival while no responder answers, nanoseconds.
    pub transport_ns: i64,
    /// Where what the first session sends is written down as well.
    pub recorder: Option<RecorderTap>,
}

impl Default for HandsetConfig {
    fn default() -> Self {
        Self {
            serial: None,
            adb_port: DEFAULT_PORT,
            adb_program: Some("adb".into()),
            jar: JarSearch::default(),
            capture: CaptureSettings::default(),
            epoch: Instant::now(),
            transport_ns: 30_000_000,
            recorder: None,
        }
    }
}

/// What happened, in order. A full queue loses its oldest events and counts them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HandsetEvent {
    /// The session changed its state; the server's newest lines where it ended.
    State {
        /// From where to where, and why.
        transition: Transition,
        /// At most 50 lines.
        log: Vec<String>,
    },
    /// The phone said its model.
    Model(String),
    /// A stream said its codec.
    Codec(Codec),
    /// Pictures have this size from here on.
    Size(VideoSize),
    /// The phone refused sound; pictures go on.
    AudioDisabled,
    /// So many sample frames never arrived and were filled with silence.
    AudioGap {
        /// At 48 kHz.
        frames: u64,
    },
    /// It was found out which of the phone's clocks a stream is stamped with.
    TimeBase(StreamKind, TimeBase),
    /// The phone's clock stepped; times before and after do not compare.
    ClockStepped,
    /// Capture was started again, for want of pictures.
    VideoReset,
}

/// What comes out. Clones share the queues.
#[derive(Debug, Clone)]
pub struct HandsetStreams {
    /// What happened.
    pub events: BoundedQueue<HandsetEvent>,
    /// Encoded pictures; loss policy: drop to the next key.
    pub video: VideoQueue,
    /// Sound; loss policy: the oldest goes.
    pub audio: BoundedQueue<AudioBlock>,
}

/// Everything a status row shows.
#[derive(Debug, Clone, PartialEq)]
pub struct HandsetStatus {
    /// Where the session is.
    pub state: SessionState,
    /// What the pictures do.
    pub video_state: VideoState,
    /// What the sound does.
    pub audio_state: AudioState,
    /// Which clock maps.
    pub clock_state: ClockState,
    /// The phone of the newest session.
    pub serial: Option<String>,
    /// Its model.
    pub model: Option<String>,
    /// Version of the server's jar.
    pub server_version: ServerVersion,
    /// Codec of the pictures.
    pub video_codec: Option<Codec>,
    /// Codec of the sound.
    pub audio_codec: Option<Codec>,
    /// Size of the pictures.
    pub size: Option<VideoSize>,
    /// Pictures per second that arrive.
    pub fps: Option<f64>,
    /// Bits of pictures per second that arrive.
    pub bit_rate_bps: Option<u32>,
    /// Bit rate to ask for instead, while most pictures arrive late.
    pub proposed_bit_rate_bps: Option<u32>,
    /// Least round trip of the last minute, nanoseconds.
    pub rtt_ns: Option<i64>,
    /// Error bound of mapped times now, nanoseconds.
    pub uncertainty_ns: Option<f64>,
    /// Rate of the phone's clock against ours, ppm.
    pub rate_ppm: Option<f64>,
    /// The older system's value, seconds; `None` when there is none or it is older than 300 s.
    pub drift_offset_secs: Option<f64>,
    /// What the pictures' stream carried and lost.
    pub video: StreamCounters,
    /// What the sound's stream carried and lost.
    pub audio: StreamCounters,
    /// Gaps in the sound.
    pub audio_gaps: u64,
    /// How often capture was started again.
    pub resets: u64,
    /// Sessions that were tried.
    pub sessions: u64,
    /// Events nobody read in time.
    pub events_dropped: u64,
}

/// What the supervisor shows to others.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) state: SessionState,
    pub(super) video: VideoState,
    pub(super) audio: AudioState,
    pub(super) attempt: Option<Arc<Attempt>>,
}

/// One phone, wanted until [`Handset::stop`] or the end of this value.
#[derive(Debug)]
pub struct Handset {
    streams: HandsetStreams,
    outlets: Outlets,
    live: Arc<Mutex<Live>>,
    version: ServerVersion,
    to_supervisor: SyncSender<Message>,
    supervisor: Option<JoinHandle<()>>,
    _tracker: DeviceTracker,
}

impl Handset {
    /// Reads the jar, checks the settings, and starts waiting for the phone. Attached or not is no error but a state.
    pub fn open(config: HandsetConfig) -> Result<(Self, HandsetStreams), HandsetError> {
        let jar = config.jar.load()?;
        let version = jar.version;
        server_options(version, Scid::new(0), &config.capture)?;
        let streams = HandsetStreams {
            events: BoundedQueue::new(EVENTS),
            video: VideoQueue::default(),
            audio: BoundedQueue::new(AUDIO_BLOCKS),
        };
        let video = config.capture.video.as_ref();
        let asked_bps = video.map_or(0, |video| video.bit_rate_bps);
        let outlets = Outlets {
            epoch: config.epoch,
            events: streams.events.clone(),
            video: streams.video.clone(),
            audio: streams.audio.clone(),
            facts: Arc::new(Mutex::new(Facts {
                cable: CableMeter::new(asked_bps),
                ..Facts::default()
            })),
        };
        let live = Arc::new(Mutex::new(Live {
            state: SessionState::Stopped,
            video: VideoState::Live,
            audio: AudioState::Live,
            attempt: None,
        }));
        let (to_supervisor, inbox) = sync_channel(MESSAGES);
        let supervisor = Supervisor {
            machine: Machine::new(MachineSettings {
                serial: config.serial.clone(),
                watchdog: watched(&config.capture),
                seed: u64::from(getrandom::u32().unwrap_or(1)),
            }),
            client: AdbClient::new(config.adb_port),
            plan: Plan {
                jar: Arc::new(jar),
                capture: config.capture,
                leftovers: None,
                recorder: config.recorder,
            },
            transport_ns: config.transport_ns,
            outlets: outlets.clone(),
            live: Arc::clone(&live),
            to_self: to_supervisor.clone(),
            attempt: None,
            attempts: 0,
        };
        let supervisor = thread::Builder::new()
            .name("handset".into())
            .spawn(move || supervisor.run(&inbox))
            .map_err(HandsetError::io("starting a thread"))?;
        let told = to_supervisor.clone();
        let network = config.serial.filter(|serial| is_network_serial(serial));
        let tracker = DeviceTracker::start(
            AdbClient::new(config.adb_port),
            config.adb_program,
            network,
            move |devices| {
                let input = match devices {
                    TrackedDevices::NoServer => Input::NoServer,
                    TrackedDevices::List(list) => Input::Devices(list),
                };
                // A supervisor that is gone needs no news.
                let _ = told.send(Message::Always(input));
            },
        )?;
        let handset = Self {
            streams: streams.clone(),
            outlets,
            live,
            version,
            to_supervisor,
            supervisor: Some(supervisor),
            _tracker: tracker,
        };
        handset.tell(Input::Start);
        Ok((handset, streams))
    }

    /// The queues once more.
    #[must_use]
    pub fn streams(&self) -> HandsetStreams {
        self.streams.clone()
    }

    /// Tries again after a failure that was final.
    pub fn retry(&self) {
        self.tell(Input::Retry);
    }

    /// Everything a status row shows, as of now.
    #[must_use]
    pub fn status(&self) -> HandsetStatus {
        let now_ns = self.outlets.now_ns();
        let live = lock(&self.live);
        let attempt = live.attempt.as_ref();
        let ladder = attempt.map(|attempt| lock(&attempt.ladder).clone());
        let map = ladder
            .as_ref()
            .and_then(|ladder| ladder.host_time(0, now_ns));
        let facts = self.outlets.facts().clone();
        HandsetStatus {
            state: live.state,
            video_state: live.video,
            audio_state: live.audio,
            clock_state: ladder
                .as_ref()
                .map_or(ClockState::None, |l| l.state(now_ns)),
            serial: facts.serial,
            model: facts.model,
            server_version: self.version,
            video_codec: facts.video_codec,
            audio_codec: facts.audio_codec,
            size: facts.size,
            fps: facts.cable.fps(),
            bit_rate_bps: facts.cable.bit_rate_bps(),
            proposed_bit_rate_bps: facts.cable.proposal_bps(now_ns),
            rtt_ns: ladder.as_ref().and_then(ClockLadder::least_rtt_ns),
            uncertainty_ns: map.map(|map| map.uncertainty_ns),
            rate_ppm: ladder
                .as_ref()
                .and_then(|ladder| Some(ladder.map()?.rate * 1e6)),
            drift_offset_secs: attempt
                .and_then(|attempt| lock(&attempt.compatibility).offset_secs(now_ns)),
            video: facts.video,
            audio: facts.audio,
            audio_gaps: facts.audio_gaps,
            resets: facts.resets,
            sessions: facts.sessions,
            events_dropped: self.streams.events.dropped(),
        }
    }

    /// Ends the server on the phone in order and waits for that, some 2 s at most.
    pub fn stop(mut self) {
        self.finish();
    }

    fn finish(&mut self) {
        self.tell(Input::Stop);
        if let Some(supervisor) = self.supervisor.take()
            && supervisor.join().is_err()
        {
            tracing::error!("the handset's thread panicked");
        }
    }

    fn tell(&self, input: Input) {
        // A supervisor that is gone has closed the queues, which the consumer sees.
        let _ = self.to_supervisor.send(Message::Always(input));
    }
}

impl Drop for Handset {
    fn drop(&mut self) {
        self.finish();
    }
}

fn watched(capture: &CaptureSettings) -> WatchdogSettings {
    let is_camera = matches!(
        capture.video.as_ref().map(|video| &video.origin),
        Some(VideoOrigin::Camera(_))
    );
    let origin = capture.audio.as_ref().map(|audio| audio.origin);
    let has_microphone = match origin {
        Some(Some(origin)) => origin.is_microphone(),
        // What goes with a camera, or with nothing, is the microphone.
        Some(None) => is_camera || capture.video.is_none(),
        None => false,
    };
    WatchdogSettings {
        has_video: capture.video.is_some(),
        is_display: capture.is_display(),
        has_microphone,
    }
}
