//! Messages between the control plane and the media plane (design 2).
//!
//! ```text
//! server ── ServerMessage ──▶ engine        frame = u32 big-endian length (≤ 1 MiB) + MessagePack with named fields
//! server ◀── EngineMessage ── engine        first message each way is Hello; a build mismatch ends the link
//! ```
//!
//! [`EngineMessage`] is the privacy perimeter: it has no byte field, and every text and list in it has a bound
//! ([`Text`], [`Bounded`]). A test walks its JSON schema and fails when that stops being true.

mod bounded;
mod clock;
mod codec;
mod peer;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::config::DeviceConfig;
use crate::contract::{AcousticMetrics, Au12Observation};
use crate::device::Precision;
use crate::id::SegmentId;
use crate::observation::{CalibrationState, NullReason, UnitStatistics, VisualTick};
use crate::semantic::{SemanticQuestion, SemanticScores};
use crate::time::UtcMicros;

pub use bounded::{Bounded, Text};
pub use clock::{ClockRung, SegmentClock};
pub use codec::{FrameDecoder, LinkError, encode_frame};
pub use peer::{
    MAX_PUBLISHER_BYTES, MAX_SDP_BYTES, PeerGauges, PeerOrder, PeerRefusal, PeerReport, PeerRole,
    PublisherName, Sdp, SdpFault, SdpFragment,
};

/// Version of the message set; both ends must agree.
pub const LINK_PROTOCOL: u32 = 2;
/// Largest frame either side accepts, in bytes.
pub const MAX_FRAME_BYTES: usize = 1 << 20;
/// Interval between heartbeats of each side, in milliseconds.
pub const HEARTBEAT_MS: u64 = 500;
/// Silence after which a side declares the other dead, in milliseconds.
pub const WATCHDOG_MS: u64 = 3000;
/// Observations one segment message may carry: 30 s at 240 frames per second with room.
pub const MAX_SERIES: usize = 8192;
/// Action units one segment message may tell of.
pub const MAX_UNITS: usize = 16;

/// What the server tells the engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServerMessage {
    /// First message: who is speaking.
    Hello(ServerHello),
    /// Sign of life each [`HEARTBEAT_MS`].
    Heartbeat {
        /// Counts up from 0.
        seq: u64,
    },
    /// Open the source and measure.
    Start(Box<StartSession>),
    /// A stimulus is being given now; the engine stamps it.
    Stimulus {
        /// Session it belongs to.
        session_id: Uuid,
        /// The operator's action.
        stimulus_id: Uuid,
    },
    /// Compare a rule with an utterance; the answer is [`EngineMessage::SemanticScores`].
    ScoreSemantics(Box<SemanticQuestion>),
    /// Something about a WebRTC peer.
    Peer(Box<PeerOrder>),
    /// Flush and close the session.
    End {
        /// Session to close.
        session_id: Uuid,
    },
    /// Leave the process after closing everything.
    Shutdown,
}

/// Opening words of the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServerHello {
    /// [`LINK_PROTOCOL`] of the sender.
    pub protocol: u32,
    /// Build identity; both processes are the same binary.
    pub build_id: String,
    /// Folder with models and derived files.
    pub cache_dir: String,
    /// Requested compute device, as [`crate::device::DeviceChoice`] is written.
    pub device: String,
    /// Floats inside the face networks.
    #[serde(default)]
    pub precision: Precision,
    /// Where phones are reached.
    #[serde(default)]
    pub phones: DeviceConfig,
}

/// Order to open a source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StartSession {
    /// Session the results belong to.
    pub session_id: Uuid,
    /// Source address; its scheme selects the source.
    pub source_url: String,
    /// UTC of media time zero. `None` at a first start: the engine answers with the one it took.
    pub epoch: Option<UtcMicros>,
    /// Media position to resume from after an engine restart, nanoseconds.
    pub resume_at_ns: i64,
    /// Baseline measured so far.
    pub calibration: CalibrationState,
    /// Stimuli known in advance (offline and replay), seconds of media time.
    pub planned: Vec<PlannedStimulus>,
}

/// A stimulus known before the session runs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedStimulus {
    /// Identity of the stimulus.
    pub stimulus_id: Uuid,
    /// Media time in seconds.
    pub offset_s: f64,
}

/// What the engine tells the server. Derived values only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EngineMessage {
    /// First message: who is speaking and what it can do.
    Hello(EngineHello),
    /// Sign of life and counters each [`HEARTBEAT_MS`].
    Heartbeat(Box<EngineHeartbeat>),
    /// The source is open and media time runs.
    SessionStarted(SessionStarted),
    /// The source could not be opened or failed for good.
    SessionFailed {
        /// Session concerned.
        session_id: Uuid,
        /// Stable code, e.g. `source_not_found`.
        code: Text<64>,
        /// One sentence with the next step.
        detail: Text<512>,
    },
    /// Newest visual and voice state, display rate, newest wins.
    Visual(VisualTick),
    /// A stimulus got its time on the session clock.
    StimulusStamped {
        /// Session concerned.
        session_id: Uuid,
        /// The operator's action.
        stimulus_id: Uuid,
        /// Epoch seconds on the session clock.
        stimulus_time_s: f64,
        /// Whether the baseline was complete at that instant.
        calibrated: bool,
    },
    /// A stimulus could not be stamped (no such session).
    StimulusRefused {
        /// Session named by the command.
        session_id: Uuid,
        /// The operator's action.
        stimulus_id: Uuid,
        /// Stable code.
        code: Text<64>,
    },
    /// What the scorers measured on a question.
    SemanticScores(SemanticScores),
    /// Word on a WebRTC peer.
    Peer(Box<PeerReport>),
    /// A closed 30 s window.
    Segment(Box<SegmentMessage>),
    /// A stretch of media that was not measured.
    Gap {
        /// Session concerned.
        session_id: Uuid,
        /// The stretch.
        gap: GapNote,
    },
    /// The source came to its end or the session was closed on request.
    SessionEnded {
        /// Session concerned.
        session_id: Uuid,
        /// Stable code: `end_of_stream`, `source_truncated` (a file shorter than it states), `requested` or `replaced`.
        reason: Text<64>,
        /// Media time reached, nanoseconds.
        media_ns: i64,
    },
}

/// Opening words of the engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EngineHello {
    /// [`LINK_PROTOCOL`] of the sender.
    pub protocol: u32,
    /// Build identity.
    pub build_id: Text<128>,
    /// Process id.
    pub pid: u32,
    /// Compute device in use and why.
    pub device: Text<384>,
    /// Models by name with `ready` or how to get them; at most 64.
    #[serde(deserialize_with = "bounded::map::<64, _, _, _>")]
    #[schemars(extend("maxProperties" = 64, "propertyNames" = { "maxLength": 64 }))]
    pub models: BTreeMap<Text<64>, Text<512>>,
    /// Source schemes this engine can open, with one line of help each; at most 64.
    #[serde(deserialize_with = "bounded::map::<64, _, _, _>")]
    #[schemars(extend("maxProperties" = 64, "propertyNames" = { "maxLength": 32 }))]
    pub sources: BTreeMap<Text<32>, Text<256>>,
}

/// Counters of the engine since its start. They only grow.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct EngineCounters {
    /// Video frames that left the decoder.
    pub frames_decoded: u64,
    /// Frames analysed.
    pub frames_analysed: u64,
    /// Frames dropped because analysis was busy (newest wins).
    pub frames_dropped: u64,
    /// Runs of the landmark network.
    pub mesh_inferences: u64,
    /// Runs of the face detector.
    pub detector_inferences: u64,
    /// Frames without a face value.
    pub frames_without_face: u64,
    /// Times another person took over, who is scored against a baseline of their own.
    #[serde(default)]
    pub face_takeovers: u64,
    /// Signs of damaged media that were survived: damaged pictures and sound, breaks in the stream, access units without
    /// a picture, warnings of the demultiplexer. One damage may leave several.
    pub decode_errors: u64,
    /// Frames that a regular file promised and that never came, or came not any more because it was cut short.
    #[serde(default)]
    pub frames_missing: u64,
    /// Times the picture of a source changed its size or its format.
    #[serde(default)]
    pub picture_changes: u64,
    /// Copies of whole pictures by the processor between decoder and analysis: one for each frame that was taken, one more
    /// where it was converted; none where the decoder writes the memory of the GPU that analyses.
    #[serde(default)]
    pub ingest_host_copies: u64,
    /// Copies of whole pictures by a device between decoder and analysis: one for each frame that was taken into slots of a
    /// GPU; none where the decoder writes its memory.
    #[serde(default)]
    pub ingest_device_copies: u64,
    /// Sessions that ended because their source could not be opened or failed for good.
    #[serde(default)]
    pub sources_failed: u64,
    /// Times a live source failed and was opened again, or could not be.
    #[serde(default)]
    pub source_losses: u64,
    /// Audio blocks received.
    pub audio_blocks: u64,
    /// Voice activity inferences.
    pub voice_inferences: u64,
    /// Blocks or observations refused because their time stepped back or was not finite.
    pub time_rejects: u64,
    /// Rules compared with utterances.
    pub semantic_scores: u64,
    /// Comparisons refused because too many were waiting (the newest is refused).
    pub semantic_refused: u64,
    /// Segments cut.
    pub segments: u64,
    /// Messages dropped because the link was full (display ticks only).
    pub link_drops: u64,
    /// Times a paced file fell behind its own clock by more than one frame.
    pub paced_lags: u64,
    /// Offers of WebRTC peers that were answered.
    #[serde(default)]
    pub peers_opened: u64,
    /// Offers of WebRTC peers that were refused.
    #[serde(default)]
    pub peers_refused: u64,
    /// WebRTC peers that are gone, for whatever reason.
    #[serde(default)]
    pub peers_closed: u64,
    /// RTP packets sent to viewers.
    #[serde(default)]
    pub viewer_packets: u64,
    /// Payload bytes in them.
    #[serde(default)]
    pub viewer_bytes: u64,
    /// Access units that a viewer was not sent because it could not keep up (it goes on at the next key frame).
    #[serde(default)]
    pub viewer_units_dropped: u64,
    /// Key frames that viewers asked for.
    #[serde(default)]
    pub viewer_key_requests: u64,
    /// Observations that a newer one replaced before a viewer's data channel took them.
    #[serde(default)]
    pub live_messages_dropped: u64,
    /// Messages of viewers on their data channels, which are not read.
    #[serde(default)]
    pub live_messages_ignored: u64,
    /// Candidates of peers that were one too many or no candidates.
    #[serde(default)]
    pub candidates_ignored: u64,
    /// Pictures that were encoded for viewers.
    #[serde(default)]
    pub viewer_frames_encoded: u64,
    /// RTP packets taken from publishers.
    #[serde(default)]
    pub publisher_packets: u64,
    /// Packets of publishers that never came, or came too late.
    #[serde(default)]
    pub publisher_packets_lost: u64,
    /// Key frames that publishers were asked for.
    #[serde(default)]
    pub publisher_key_requests: u64,
    /// What the compute device did since the engine opened it, whatever session it was for.
    #[serde(default)]
    pub device: Box<DeviceWork>,
}

/// What a compute device did since it was opened. Counts only grow.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DeviceWork {
    /// Which one: `cpu`, `wgpu:0`, `cuda:0`; empty before it is open.
    pub device: Text<16>,
    /// Copies of host memory into the device's.
    pub uploads: u64,
    /// Bytes they moved.
    pub upload_bytes: u64,
    /// Copies of the device's memory to the host.
    pub downloads: u64,
    /// Bytes they moved.
    pub download_bytes: u64,
    /// Recorded chains of launches that were played; their launches are among those below.
    #[serde(default)]
    pub replays: u64,
    /// Launches by kernel; at most 64 kernels.
    #[serde(deserialize_with = "bounded::map::<64, _, _, _>")]
    #[schemars(extend("maxProperties" = 64, "propertyNames" = { "maxLength": 32 }))]
    pub launches: BTreeMap<Text<32>, u64>,
}

impl DeviceWork {
    /// Kernels that it counts.
    pub const MAX_KERNELS: usize = 64;
}

impl EngineCounters {
    /// Adds what another stretch of work counted. The device's own counts are not added: they go on across stretches.
    pub fn add(&mut self, more: &Self) {
        self.frames_decoded += more.frames_decoded;
        self.frames_analysed += more.frames_analysed;
        self.frames_dropped += more.frames_dropped;
        self.mesh_inferences += more.mesh_inferences;
        self.detector_inferences += more.detector_inferences;
        self.frames_without_face += more.frames_without_face;
        self.face_takeovers += more.face_takeovers;
        self.decode_errors += more.decode_errors;
        self.frames_missing += more.frames_missing;
        self.picture_changes += more.picture_changes;
        self.ingest_host_copies += more.ingest_host_copies;
        self.ingest_device_copies += more.ingest_device_copies;
        self.sources_failed += more.sources_failed;
        self.source_losses += more.source_losses;
        self.audio_blocks += more.audio_blocks;
        self.voice_inferences += more.voice_inferences;
        self.time_rejects += more.time_rejects;
        self.semantic_scores += more.semantic_scores;
        self.semantic_refused += more.semantic_refused;
        self.segments += more.segments;
        self.link_drops += more.link_drops;
        self.paced_lags += more.paced_lags;
        self.peers_opened += more.peers_opened;
        self.peers_refused += more.peers_refused;
        self.peers_closed += more.peers_closed;
        self.viewer_packets += more.viewer_packets;
        self.viewer_bytes += more.viewer_bytes;
        self.viewer_units_dropped += more.viewer_units_dropped;
        self.viewer_key_requests += more.viewer_key_requests;
        self.live_messages_dropped += more.live_messages_dropped;
        self.live_messages_ignored += more.live_messages_ignored;
        self.candidates_ignored += more.candidates_ignored;
        self.viewer_frames_encoded += more.viewer_frames_encoded;
        self.publisher_packets += more.publisher_packets;
        self.publisher_packets_lost += more.publisher_packets_lost;
        self.publisher_key_requests += more.publisher_key_requests;
    }
}

/// Sign of life of the engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EngineHeartbeat {
    /// Counts up from 0.
    pub seq: u64,
    /// Session in progress, if any.
    pub session_id: Option<Uuid>,
    /// Media time reached, nanoseconds.
    pub media_ns: i64,
    /// Baseline measured so far, kept by the server for the next engine.
    pub calibration: CalibrationState,
    /// Counters.
    pub counters: EngineCounters,
    /// Latency from access unit to observation over the last seconds, milliseconds: median and 95th percentile.
    pub observation_latency_ms: Option<(f32, f32)>,
    /// State of the source: a stable code such as `playing`, `recovering`.
    pub source_state: Text<64>,
    /// How the source is, where it lives outside the engine and says so, as a phone does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Box<SourceReport>>,
    /// WebRTC peers.
    #[serde(default)]
    pub peers: PeerGauges,
}

/// How a source outside the engine is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SourceReport {
    /// `unknown`, `recovering`, `degraded`, `error` or `ok`.
    pub state: Text<16>,
    /// Where it is and why.
    pub detail: Text<128>,
    /// What the operator can do; empty when nothing has to be done.
    pub hint: Text<256>,
    /// Its clock, where it has one of its own.
    pub clock: Option<SourceClockReport>,
    /// The phone, where it is one and has been seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<PhoneReport>,
}

/// A phone and what its streams carry. Counters begin when the source is opened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PhoneReport {
    /// Its serial.
    pub serial: Text<128>,
    /// Its model; empty before it was told.
    pub model: Text<64>,
    /// Version of the server that runs on it.
    pub server_version: Text<16>,
    /// Width and height of its pictures in pixels; `None` before they were told.
    pub resolution: Option<(u32, u32)>,
    /// Pictures per second that arrive.
    pub fps: Option<f64>,
    /// Bits of pictures per second that arrive.
    pub bit_rate_bps: Option<u32>,
    /// Pictures that arrived too late to be live.
    pub pictures_late: u64,
    /// Pictures lost up to the next key because nobody took them in time.
    pub pictures_dropped: u64,
    /// Pictures that were no pictures, and those behind them up to the next key.
    pub pictures_corrupt: u64,
    /// Blocks of sound lost because nobody took them in time.
    pub sound_dropped: u64,
    /// Sample frames that never arrived and stand as silence.
    pub sound_silent_frames: u64,
    /// Sessions that were begun on it.
    pub sessions: u64,
}

/// How a source's clock stands against the host's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SourceClockReport {
    /// What maps it: `good`, `one_way`, `holdover` or `none`.
    pub state: Text<16>,
    /// The host's wall clock minus the source's, seconds; `None` when it was not asked for 300 s.
    pub offset_s: Option<f64>,
    /// Its rate against the host's, millionths; positive runs fast.
    pub drift_ppm: Option<f64>,
    /// Error bound of its times, milliseconds.
    pub uncertainty_ms: Option<f64>,
    /// Least round trip of the last minute, milliseconds.
    pub round_trip_ms: Option<f64>,
}

/// Answer to [`StartSession`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionStarted {
    /// Session concerned.
    pub session_id: Uuid,
    /// UTC of media time zero.
    pub epoch: UtcMicros,
    /// Frame width and height in pixels, when the source has a picture.
    pub resolution: Option<(u32, u32)>,
    /// Codec of the picture as named by the contracts (`h264`, `raw`).
    pub codec: Text<16>,
    /// Whether the source has sound.
    pub has_audio: bool,
    /// `live`, `paced` or `fast`.
    pub pace: Text<16>,
}

/// Which rule cut a segment (math 3.2, 3.3).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SegmentKind {
    /// Window `n` of the fixed grid, counted from 1.
    Grid {
        /// Window number.
        index: u64,
    },
    /// Window [t - 25 s, t + 5 s] around a stimulus.
    Stimulus {
        /// The operator's action.
        stimulus_id: Uuid,
        /// Stimulus time in epoch seconds.
        stimulus_time_s: f64,
    },
}

/// A stretch without data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GapNote {
    /// Start, epoch seconds on the session clock.
    pub from_s: f64,
    /// End, epoch seconds on the session clock.
    pub to_s: f64,
    /// Stable code, e.g. `audio_missing`, `engine_restart`.
    pub reason: Text<64>,
}

/// Voice activity and level over a window.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VoiceSummary {
    /// Seconds classified as speech; `None` when the voice model is not installed.
    pub speech_s: Option<f64>,
    /// Level over the window, dB relative to full scale.
    pub rms_dbfs: f64,
    /// Largest sample, dB relative to full scale.
    pub peak_dbfs: f64,
    /// Pitch of a whole grid window; `None` for others.
    #[serde(default)]
    pub pitch: Option<PitchSummary>,
}

/// Pitch over a window (math 10.2).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PitchSummary {
    /// Seconds with voice.
    pub voiced_s: f64,
    /// Mean fundamental frequency of them, Hz; `None` without any.
    pub mean_hz: Option<f64>,
    /// Seconds of them in which the spectrum says that the pitch is too low (math 17, B10).
    #[serde(default)]
    pub subharmonic_s: f64,
}

/// One closed 30 s window with everything derived from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SegmentMessage {
    /// Session it belongs to.
    pub session_id: Uuid,
    /// Identity by hash (math 3.5).
    pub segment_id: SegmentId,
    /// Which rule cut it.
    pub kind: SegmentKind,
    /// First instant of the window.
    pub window_start: UtcMicros,
    /// Last instant of the window.
    pub window_end: UtcMicros,
    /// AU12 scores in the window.
    pub au12_series: Bounded<Au12Observation, MAX_SERIES>,
    /// Statistics of each action unit that was scored in it.
    #[serde(default)]
    pub action_units: Bounded<UnitStatistics, MAX_UNITS>,
    /// Frames analysed in the window.
    pub frames: u32,
    /// Frames without a value, by reason: one entry per [`NullReason`] at most.
    #[schemars(extend("maxProperties" = NullReason::ALL.len(), "propertyNames" = { "enum": NullReason::ALL }))]
    pub absent: BTreeMap<NullReason, u32>,
    /// Acoustic set around the stimulus; `None` for windows without one.
    pub acoustic: Option<AcousticMetrics>,
    /// Voice activity and level; `None` when the source has no sound.
    pub voice: Option<VoiceSummary>,
    /// SHA-256 of the exact PCM bytes; `None` when the source has no sound.
    pub pcm_sha256: Option<Text<64>>,
    /// Seconds of zeros before the first sample.
    pub silence_prefix_s: f64,
    /// Stretches without data inside the window.
    pub gaps: Bounded<GapNote, 64>,
    /// Baseline of the scores, for the record.
    pub baseline_ratio: Option<f64>,
    /// How the source's clock stood over the window; `None` where it has no clock of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<SegmentClock>,
}
