//! Read-outs of the whole: overview, live readback, status, physiology, the event stream.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::{
    Alert, Encounter, EncounterV2, ExperimentDetail, ExperimentSummary, Health, HealthState,
    LatestEncounter, Session,
};
use crate::observation::VisualTick;
use crate::time::UtcMicros;

/// Co-modulation read-out; a null index always carries a reason (math 9.3).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CoModulation {
    /// Session.
    pub session_id: Uuid,
    /// Index in [-1, 1].
    pub co_modulation_index: Option<f64>,
    /// Paired minutes.
    pub n_paired_observations: u32,
    /// Paired share of the minutes present.
    pub coverage_ratio: f64,
    /// Mean RMSSD of the streamer, ms.
    pub streamer_rmssd_mean: Option<f64>,
    /// Mean RMSSD of the operator, ms.
    pub operator_rmssd_mean: Option<f64>,
    /// Why the index is null.
    pub null_reason: Option<String>,
    /// Window start.
    pub window_start_utc: Option<UtcMicros>,
    /// Window end.
    pub window_end_utc: Option<UtcMicros>,
}

/// Physiology of a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Physiology {
    /// Session.
    pub session_id: Uuid,
    /// Newest snapshot of the streamer.
    pub streamer: Option<RoleSnapshot>,
    /// Newest snapshot of the operator.
    pub operator: Option<RoleSnapshot>,
    /// Co-modulation.
    pub comodulation: Option<CoModulation>,
    /// When.
    pub generated_at_utc: UtcMicros,
}

/// Newest physiology of one role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RoleSnapshot {
    /// `streamer` or `operator`.
    pub subject_role: String,
    /// RMSSD in ms.
    pub rmssd_ms: Option<f64>,
    /// Heart rate per minute.
    pub heart_rate_bpm: Option<u32>,
    /// Provider.
    pub provider: Option<String>,
    /// Source time.
    pub source_timestamp_utc: Option<UtcMicros>,
    /// Age in seconds.
    pub freshness_s: Option<f64>,
    /// Whether too old.
    pub is_stale: Option<bool>,
}

/// The overview page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Overview {
    /// When.
    pub generated_at_utc: UtcMicros,
    /// Open session.
    pub active_session: Option<Session>,
    /// Newest encounter.
    pub latest_encounter: Option<LatestEncounter>,
    /// Its experiment.
    pub experiment_summary: Option<ExperimentSummary>,
    /// Its physiology.
    pub physiology: Option<Physiology>,
    /// Health.
    pub health: Option<Health>,
    /// Newest alerts, up to 20.
    pub alerts: Vec<Alert>,
}

/// Everything a client needs at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StateBootstrap {
    /// When.
    pub generated_at_utc: UtcMicros,
    /// Overview.
    pub overview: Overview,
    /// Newest 50 sessions.
    pub sessions: Vec<Session>,
    /// Open session.
    pub live_session: Option<Session>,
    /// Newest 100 encounters of the open session.
    pub encounters: Vec<Encounter>,
    /// Experiments.
    pub experiment_summaries: Vec<ExperimentSummary>,
    /// Experiment of the open session.
    pub experiment: Option<ExperimentDetail>,
    /// Physiology of the open session.
    pub physiology: Option<Physiology>,
    /// Health.
    pub health: Health,
    /// Newest 50 alerts.
    pub alerts: Vec<Alert>,
}

/// v2: what is going on in the open session right now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LiveReadback {
    /// When.
    pub generated_at_utc: UtcMicros,
    /// Session.
    pub session: Session,
    /// Source address.
    pub source_url: String,
    /// UTC of media time zero, once media runs.
    pub epoch_utc: Option<UtcMicros>,
    /// State of the source.
    pub source_state: String,
    /// How the source is and how its clock stands, where it says so itself, as a phone does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<crate::link::SourceReport>,
    /// Newest visual and voice state.
    pub visual: Option<VisualTick>,
    /// State of the running encounter.
    pub encounter_state: String,
    /// The running stimulus.
    pub stimulus_id: Option<Uuid>,
    /// Its time.
    pub stimulus_time_utc: Option<UtcMicros>,
    /// Newest encounters.
    pub encounters: Vec<EncounterV2>,
    /// Newest segments, each with the source's clock over it.
    #[serde(default)]
    pub segments: Vec<super::SegmentV2>,
    /// Stretches without data.
    pub data_gaps: Vec<DataGap>,
}

/// v2: a stretch of media that was not measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DataGap {
    /// Start.
    pub from_utc: UtcMicros,
    /// End.
    pub to_utc: UtcMicros,
    /// Stable code.
    pub reason: String,
}

/// v2: one line of truth about the running server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// When.
    pub generated_at_utc: UtcMicros,
    /// Version and build identity.
    pub version: String,
    /// Build identity.
    pub build_id: String,
    /// Server process id.
    pub server_pid: u32,
    /// Seconds since start.
    pub uptime_s: f64,
    /// Engine state.
    pub engine: EngineStatus,
    /// Health of the whole.
    pub overall_state: HealthState,
    /// Open session.
    pub session_id: Option<Uuid>,
    /// Rows by table.
    pub rows: BTreeMap<String, u64>,
    /// What start-up recovery found.
    pub recovery: Vec<String>,
}

/// v2: the media process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EngineStatus {
    /// `starting`, `ok`, `recovering`, `circuit_open` or `stopped`.
    pub state: String,
    /// Process id.
    pub pid: Option<u32>,
    /// Compute device and why.
    pub device: Option<String>,
    /// Deaths since the server started.
    pub deaths: u64,
    /// Why it died last.
    pub last_exit: Option<String>,
    /// Models by name.
    pub models: BTreeMap<String, String>,
    /// Counters since the engine started.
    pub counters: crate::link::EngineCounters,
    /// Access unit to observation, milliseconds: median and 95th percentile.
    pub observation_latency_ms: Option<(f32, f32)>,
    /// WebRTC peers now.
    #[serde(default)]
    pub peers: crate::link::PeerGauges,
    /// How the source of the open session is, where it says so itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<crate::link::SourceReport>,
}

/// Type of a state event.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum EventType {
    /// [`Overview`].
    Overview,
    /// List of [`Session`].
    Sessions,
    /// [`Session`] or empty list.
    LiveSession,
    /// List of [`Encounter`].
    Encounters,
    /// List of [`ExperimentSummary`].
    ExperimentSummaries,
    /// [`ExperimentDetail`] or empty list.
    Experiment,
    /// [`Physiology`] or empty list.
    Physiology,
    /// [`Health`].
    Health,
    /// List of [`Alert`].
    Alerts,
    /// [`LiveReadback`] or empty list; in the stream of v2 only.
    Readback,
}

impl EventType {
    /// Every type of the stream of v1 in its fixed order.
    pub const ALL: [Self; 9] = [
        Self::Overview,
        Self::Sessions,
        Self::LiveSession,
        Self::Encounters,
        Self::ExperimentSummaries,
        Self::Experiment,
        Self::Physiology,
        Self::Health,
        Self::Alerts,
    ];

    /// Wire name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Overview => "overview",
            Self::Sessions => "sessions",
            Self::LiveSession => "live_session",
            Self::Encounters => "encounters",
            Self::ExperimentSummaries => "experiment_summaries",
            Self::Experiment => "experiment",
            Self::Physiology => "physiology",
            Self::Health => "health",
            Self::Alerts => "alerts",
            Self::Readback => "readback",
        }
    }
}

/// One server-sent event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EventEnvelope {
    /// Identity, equal to the frame id.
    pub event_id: String,
    /// Type, equal to the frame event.
    pub event_type: EventType,
    /// Position in the stream.
    pub cursor: String,
    /// When.
    pub generated_at_utc: UtcMicros,
    /// Same model as the matching GET.
    pub payload: Value,
}
