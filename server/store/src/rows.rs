//! What the readers return: plain rows, rendered by the API.

use std::collections::BTreeMap;

use lsie_schemas::api::{AlertKind, SessionStatus, Severity};
use lsie_schemas::contract::{
    AcousticMetrics, AttributionScore, BanditDecisionSnapshot, CoModulationNullReason,
    PhysiologicalSnapshot, SemanticMethod, SemanticReason, StimulusDefinition, SubjectRole,
};
use lsie_schemas::id::SegmentId;
use lsie_schemas::link::{GapNote, SegmentClock};
use lsie_schemas::observation::{NullReason, UnitStatistics};
use lsie_schemas::time::UtcMicros;
use uuid::Uuid;

use crate::write::encounter::Verdict;
use crate::write::experiment::Beta;
use crate::write::operation::LiveState;
use crate::write::segment::WindowKind;
use crate::write::stimulus::StimulusState;

/// A stored snapshot of one person.
#[derive(Debug, Clone, PartialEq)]
pub struct PhysiologyRow {
    /// Row number.
    pub id: i64,
    /// Session.
    pub session_id: Uuid,
    /// Segment it was attached to.
    pub segment_id: SegmentId,
    /// Person.
    pub role: SubjectRole,
    /// Values as they were when stored.
    pub snapshot: PhysiologicalSnapshot,
    /// When they were derived.
    pub created_at: UtcMicros,
}

/// A stored window of co-modulation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CoModulationRow {
    /// Row number.
    pub id: i64,
    /// Session.
    pub session_id: Uuid,
    /// Window start, exclusive.
    pub window_start: UtcMicros,
    /// Window end, inclusive.
    pub window_end: UtcMicros,
    /// Length of the window.
    pub window_minutes: u32,
    /// Index in [-1, 1], or why there is none.
    pub index: Result<f64, CoModulationNullReason>,
    /// 95 % interval of the index.
    pub interval: Option<(f64, f64)>,
    /// Minutes with both people.
    pub n_paired: u32,
    /// Paired share of the minutes that have anyone.
    pub coverage_ratio: f64,
    /// Paired share of the ten minutes.
    pub window_coverage: f64,
    /// Mean RMSSD of the streamer, ms.
    pub streamer_rmssd_mean: Option<f64>,
    /// Mean RMSSD of the operator, ms.
    pub operator_rmssd_mean: Option<f64>,
    /// When it was computed.
    pub created_at: UtcMicros,
}

/// An event of the attribution ledger, as linking needs it.
#[derive(Debug, Clone, PartialEq)]
pub struct LedgerEventRow {
    /// Ledger id.
    pub event_id: Uuid,
    /// Instant lags are counted from.
    pub event_time: UtcMicros,
    /// Whether an outcome is linked already.
    pub has_outcome: bool,
    /// Its scores without an outcome.
    pub unowed_scores: Vec<AttributionScore>,
}

/// An applied encounter, as policies are judged by it.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedChoiceRow {
    /// Arm shown.
    pub arm: String,
    /// Reward in [0, 1].
    pub reward: Option<f64>,
    /// Probability with which the arm had been chosen.
    pub propensity: Option<f64>,
}

/// A session with its read-outs.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionRow {
    /// Identity.
    pub session_id: Uuid,
    /// Action that opened it.
    pub client_action_id: Uuid,
    /// Client counted by the ledger.
    pub client_id: String,
    /// Source address.
    pub source_url: String,
    /// Experiment code.
    pub experiment_id: Option<String>,
    /// UTC of media time zero.
    pub epoch: Option<UtcMicros>,
    /// `Active` or `Ended`.
    pub status: SessionStatus,
    /// Start.
    pub started_at: UtcMicros,
    /// End.
    pub ended_at: Option<UtcMicros>,
    /// Stable code of the end.
    pub end_reason: Option<String>,
    /// Arm in force.
    pub active_arm: Option<String>,
    /// Definition of that arm when it was drawn.
    pub stimulus_definition: Option<StimulusDefinition>,
    /// Live state saved last.
    pub live: Option<LiveState>,
    /// End of the newest segment.
    pub last_segment_end: Option<UtcMicros>,
    /// Reward of the newest encounter.
    pub latest_reward: Option<f64>,
    /// Gate of the newest encounter.
    pub latest_gate: Option<bool>,
    /// Rows of metrics.
    pub metric_count: u64,
}

/// Averages over a session's metrics (api 2, `GET /api/v1/sessions/{id}`).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SessionSummaryRow {
    /// Segments with metrics.
    pub total_segments: u64,
    /// Mean AU12.
    pub avg_au12: Option<f64>,
    /// Mean F0, Hz.
    pub avg_f0_mean_measure_hz: Option<f64>,
    /// Mean jitter.
    pub avg_jitter_mean_measure: Option<f64>,
    /// Mean shimmer.
    pub avg_shimmer_mean_measure: Option<f64>,
    /// End of the first segment.
    pub first_segment_at: Option<UtcMicros>,
    /// End of the last segment.
    pub last_segment_at: Option<UtcMicros>,
}

/// A decision.
#[derive(Debug, Clone, PartialEq)]
pub struct DecisionRow {
    /// Row number.
    pub decision_id: i64,
    /// Session.
    pub session_id: Uuid,
    /// Experiment code.
    pub experiment_id: String,
    /// Probability with which the arm was chosen.
    pub propensity: Option<f64>,
    /// Evidence.
    pub snapshot: BanditDecisionSnapshot,
}

/// A stimulus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StimulusRow {
    /// Identity.
    pub stimulus_id: Uuid,
    /// Session.
    pub session_id: Uuid,
    /// The operator's action.
    pub client_action_id: Uuid,
    /// Arm in force.
    pub arm: Option<String>,
    /// Operator's remark.
    pub operator_note: Option<String>,
    /// Remark of the answer.
    pub message: Option<String>,
    /// Acceptance.
    pub accepted_at: UtcMicros,
    /// Time on the session clock.
    pub stimulus_time: Option<UtcMicros>,
    /// Where it stands.
    pub state: StimulusState,
    /// Why it failed.
    pub failure_reason: Option<String>,
}

/// Delivery judgement of an encounter.
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluationRow {
    /// Bounded reason.
    pub reasoning: SemanticReason,
    /// Whether delivered.
    pub is_match: bool,
    /// Confidence in [0, 1].
    pub confidence: f64,
    /// Method.
    pub method: SemanticMethod,
    /// Its version.
    pub method_version: String,
}

/// Attribution read-out of an encounter.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AttributionRow {
    /// `online_provisional` or `offline_final`.
    pub finality: String,
    /// Raw scores by method; null when undefined.
    pub scores: BTreeMap<String, Option<f64>>,
    /// Seconds from the event to its first linked outcome.
    pub outcome_link_lag_s: Option<f64>,
}

/// A committed encounter with its evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct EncounterRow {
    /// Row number.
    pub id: i64,
    /// Session.
    pub session_id: Uuid,
    /// Segment.
    pub segment_id: SegmentId,
    /// Stimulus.
    pub stimulus_id: Option<Uuid>,
    /// Client.
    pub client_id: String,
    /// Experiment code.
    pub experiment_id: String,
    /// Arm shown.
    pub arm: String,
    /// Definition of that arm now.
    pub stimulus_definition: StimulusDefinition,
    /// End of the window.
    pub timestamp: UtcMicros,
    /// Time of the stimulus.
    pub stimulus_time: Option<UtcMicros>,
    /// Reward in [0, 1].
    pub gated_reward: Option<f64>,
    /// 90th percentile of AU12.
    pub p90_intensity: Option<f64>,
    /// Gate.
    pub gate_open: Option<bool>,
    /// Scored frames.
    pub n_frames_in_window: Option<u32>,
    /// Mean AU12 before the stimulus.
    pub au12_baseline_pre: Option<f64>,
    /// Whether the posterior moved.
    pub applied: bool,
    /// Why not.
    pub skip_reason: Option<String>,
    /// Posterior of the arm after the commit.
    pub posterior_after: Beta,
    /// Whether the operator attested delivery.
    pub attested: bool,
    /// Whether media was lost.
    pub data_gap: bool,
    /// Verdict.
    pub verdict: Verdict,
    /// Remarks.
    pub notes: Vec<String>,
    /// Whether the attached wearable data was stale; `None` when none was attached.
    pub physiology_stale: Option<bool>,
    /// Probability with which the arm had been chosen.
    pub propensity: Option<f64>,
    /// Commit.
    pub created_at: UtcMicros,
    /// Acoustic set.
    pub acoustic: Option<AcousticMetrics>,
    /// Delivery judgement.
    pub evaluation: Option<EvaluationRow>,
    /// Attribution.
    pub attribution: Option<AttributionRow>,
}

/// Totals of one arm's encounters (api 2, `GET /api/v1/encounters/{experiment}/summary`).
#[derive(Debug, Clone, PartialEq)]
pub struct ArmEncounterSummaryRow {
    /// Arm.
    pub arm: String,
    /// Encounters.
    pub encounter_count: u64,
    /// Those with frames.
    pub valid_count: u64,
    /// Mean reward.
    pub avg_reward: Option<f64>,
    /// Mean reward of those with frames.
    pub avg_valid_reward: Option<f64>,
    /// Mean P90.
    pub avg_p90: Option<f64>,
    /// Share of open gates.
    pub gate_rate: Option<f64>,
    /// Mean number of frames.
    pub avg_frames: Option<f64>,
    /// First window end.
    pub first_encounter: Option<UtcMicros>,
    /// Last window end.
    pub last_encounter: Option<UtcMicros>,
}

/// An arm with its learned state.
#[derive(Debug, Clone, PartialEq)]
pub struct ArmRow {
    /// Row number.
    pub id: i64,
    /// Arm.
    pub arm: String,
    /// What it says and expects.
    pub stimulus_definition: StimulusDefinition,
    /// Where it began.
    pub prior: Beta,
    /// Where it stands.
    pub posterior: Beta,
    /// Whether it may be drawn.
    pub enabled: bool,
    /// When it was disabled.
    pub end_dated_at: Option<UtcMicros>,
    /// Last change.
    pub updated_at: UtcMicros,
    /// Times chosen.
    pub selection_count: u64,
    /// Mean reward of the last 20 encounters with a reward.
    pub recent_reward_mean: Option<f64>,
    /// Share of open gates in the last 20 encounters with a gate.
    pub recent_semantic_pass_rate: Option<f64>,
}

/// An experiment in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct ExperimentRow {
    /// Row number; the snapshot's `experiment_id`.
    pub row_id: i64,
    /// Code.
    pub experiment_id: String,
    /// Name.
    pub label: Option<String>,
    /// Arm in force in the open session.
    pub active_arm: Option<String>,
    /// Number of arms.
    pub arm_count: u32,
    /// Last change.
    pub updated_at: UtcMicros,
    /// Newest reward.
    pub latest_reward: Option<f64>,
}

/// An experiment with its arms and newest decision.
#[derive(Debug, Clone, PartialEq)]
pub struct ExperimentDetailRow {
    /// The list view.
    pub experiment: ExperimentRow,
    /// Arms by code point order of their ids.
    pub arms: Vec<ArmRow>,
    /// Newest decision.
    pub latest_decision: Option<DecisionRow>,
    /// Newest encounter.
    pub latest_encounter: Option<EncounterRow>,
}

/// Numbers of one segment.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricsRow {
    /// Row number.
    pub id: i64,
    /// Session.
    pub session_id: Uuid,
    /// Segment.
    pub segment_id: SegmentId,
    /// End of the window.
    pub timestamp: UtcMicros,
    /// AU12 read-out.
    pub au12_intensity: Option<f64>,
    /// Acoustic set.
    pub acoustic: Option<AcousticMetrics>,
    /// When it was written.
    pub created_at: UtcMicros,
}

/// A segment.
#[derive(Debug, Clone, PartialEq)]
pub struct SegmentRow {
    /// Identity.
    pub segment_id: SegmentId,
    /// Session.
    pub session_id: Uuid,
    /// Which rule cut it.
    pub kind: WindowKind,
    /// First instant.
    pub window_start: UtcMicros,
    /// Last instant.
    pub window_end: UtcMicros,
    /// SHA-256 of the PCM.
    pub pcm_sha256: Option<String>,
    /// Seconds of zeros before the first sample.
    pub silence_prefix_s: f64,
    /// Seconds of speech.
    pub speech_s: Option<f64>,
    /// Level, dB relative to full scale; -200 stands for digital silence.
    pub rms_dbfs: Option<f64>,
    /// Peak, dB relative to full scale; -200 stands for digital silence.
    pub peak_dbfs: Option<f64>,
    /// AU12 values.
    pub n_observations: u32,
    /// Statistics of each action unit that was scored in it.
    pub action_units: Vec<UnitStatistics>,
    /// Frames analysed.
    pub n_frames: u32,
    /// Frames without a value, by reason.
    pub absent: BTreeMap<NullReason, u32>,
    /// Neutral baseline.
    pub baseline_ratio: Option<f64>,
    /// Stretches without data.
    pub gaps: Vec<GapNote>,
    /// How the source's clock stood, where it has one of its own.
    pub clock: Option<SegmentClock>,
    /// When it was written.
    pub created_at: UtcMicros,
}

/// A stretch of a session that was not measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GapRow {
    /// Row number.
    pub id: i64,
    /// Session.
    pub session_id: Uuid,
    /// Stable code.
    pub cause: String,
    /// First instant lost.
    pub start: UtcMicros,
    /// Last instant lost.
    pub end: Option<UtcMicros>,
}

/// An alert.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertRow {
    /// Identity.
    pub alert_id: Uuid,
    /// Weight.
    pub severity: Severity,
    /// Kind.
    pub kind: AlertKind,
    /// One sentence.
    pub message: String,
    /// Session concerned.
    pub session_id: Option<Uuid>,
    /// Part concerned.
    pub subsystem_key: Option<String>,
    /// When.
    pub emitted_at: UtcMicros,
    /// When a person saw it.
    pub acknowledged_at: Option<UtcMicros>,
}

/// Rows by table, for status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Sessions.
    pub sessions: u64,
    /// Segments.
    pub segments: u64,
    /// Stimuli.
    pub stimuli: u64,
    /// Encounters.
    pub encounters: u64,
    /// Encounters that moved a posterior.
    pub applied_updates: u64,
    /// Ledger rows.
    pub ledger: u64,
    /// Data gaps.
    pub data_gaps: u64,
    /// Stimuli that left no encounter.
    pub failed_stimuli: u64,
    /// Alerts nobody has seen.
    pub open_alerts: u64,
}
