//! Stored physiology and co-modulation, and what v2 adds to the read-out.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Physiology;
use crate::time::UtcMicros;

/// A stored snapshot of one person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PhysiologyLogRow {
    /// Row number.
    pub id: i64,
    /// Session.
    pub session_id: Uuid,
    /// Segment it was attached to.
    pub segment_id: String,
    /// `streamer` or `operator`.
    pub subject_role: String,
    /// RMSSD in ms.
    pub rmssd_ms: Option<f64>,
    /// Heart rate per minute.
    pub heart_rate_bpm: Option<u32>,
    /// Age in seconds when it was stored.
    pub freshness_s: f64,
    /// Whether it was too old then.
    pub is_stale: bool,
    /// Provider.
    pub provider: String,
    /// `ibi` or `session`.
    pub source_kind: String,
    /// `provider` or `server`.
    pub derivation_method: String,
    /// Derivation window in seconds.
    pub window_s: u64,
    /// Share of valid samples in [0, 1].
    pub validity_ratio: f64,
    /// Whether that share was enough.
    pub is_valid: bool,
    /// End of the newest contributing chunk.
    pub source_timestamp_utc: UtcMicros,
    /// When it was stored.
    pub created_at: UtcMicros,
}

/// A stored window of co-modulation; a null index is a normal outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CoModulationLogRow {
    /// Row number.
    pub id: i64,
    /// Session.
    pub session_id: Uuid,
    /// Window start, exclusive.
    pub window_start_utc: UtcMicros,
    /// Window end, inclusive.
    pub window_end_utc: UtcMicros,
    /// Length.
    pub window_minutes: u32,
    /// Index in [-1, 1].
    pub co_modulation_index: Option<f64>,
    /// Minutes with both people.
    pub n_paired_observations: u32,
    /// Paired share of the minutes that have anyone.
    pub coverage_ratio: f64,
    /// Mean RMSSD of the streamer, ms.
    pub streamer_rmssd_mean: Option<f64>,
    /// Mean RMSSD of the operator, ms.
    pub operator_rmssd_mean: Option<f64>,
    /// When it was computed.
    pub created_at: UtcMicros,
}

/// v2: physiology with its state and with how far the index can be trusted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PhysiologyV2 {
    /// The v1 view.
    #[serde(flatten)]
    pub base: Physiology,
    /// Newest state of the streamer's data: `absent`, `stale`, `invalid`, `no_rmssd` or `fresh`.
    pub streamer_state: String,
    /// The same for the operator's.
    pub operator_state: String,
    /// Paired share of the ten minutes, in [0, 1].
    pub window_coverage: Option<f64>,
    /// 95 % interval of the index; too narrow, because neighbouring minutes are not independent.
    pub index_interval: Option<(f64, f64)>,
}
