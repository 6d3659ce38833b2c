//! Segments as they were measured.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::DataGap;
use crate::id::SegmentId;
use crate::link::SegmentClock;
use crate::observation::UnitStatistics;
use crate::time::UtcMicros;

/// v2: a closed 30 s window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SegmentV2 {
    /// Identity by hash.
    pub segment_id: SegmentId,
    /// Which rule cut it: `grid` or `stimulus`.
    pub kind: String,
    /// First instant.
    pub window_start_utc: UtcMicros,
    /// Last instant.
    pub window_end_utc: UtcMicros,
    /// Frames analysed in it.
    pub n_frames: u32,
    /// AU12 values in it.
    pub n_observations: u32,
    /// Statistics of each action unit that was scored in it; empty for segments of before version 7 of the store.
    pub action_units: Vec<UnitStatistics>,
    /// Seconds of speech; null without sound or without a voice model.
    pub speech_s: Option<f64>,
    /// How the source's clock stood over the window: offset, drift and error bound; null where the source has no clock of
    /// its own.
    pub clock: Option<SegmentClock>,
    /// Stretches without data.
    pub data_gaps: Vec<DataGap>,
}
