//! Scalar physiology of a segment and the co-modulation index (contracts 4.6, math 8 and 9).

use lsie_schemas::contract::{
    CoModulationNullReason, PhysiologicalContext, PhysiologicalSnapshot, SubjectRole,
};
use lsie_schemas::id::SegmentId;
use lsie_schemas::time::UtcMicros;
use rusqlite::{Transaction, params};
use uuid::Uuid;

use crate::column;
use crate::error::StoreError;
use crate::write::session;

/// Physiology of one segment, at least one person's.
#[derive(Debug, Clone, PartialEq)]
pub struct PhysiologyRecord {
    /// Session.
    pub session_id: Uuid,
    /// Segment it belongs to; a repeat for the same segment and role changes nothing.
    pub segment_id: SegmentId,
    /// Snapshots.
    pub context: PhysiologicalContext,
    /// When they were derived.
    pub derived_at: UtcMicros,
}

/// One computed window of co-modulation. A null index is stored like any other (math 9.4).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CoModulationRecord {
    /// Session.
    pub session_id: Uuid,
    /// Window start, exclusive.
    pub window_start: UtcMicros,
    /// Window end, inclusive; one row for each.
    pub window_end: UtcMicros,
    /// Index in [-1, 1], or why there is none.
    pub index: Result<f64, CoModulationNullReason>,
    /// 95 % interval of the index.
    pub interval: Option<(f64, f64)>,
    /// Minutes with both people.
    pub n_paired: u32,
    /// Paired share of the minutes that have anyone, in [0, 1].
    pub coverage_ratio: f64,
    /// Paired share of the ten minutes, in [0, 1].
    pub window_coverage: f64,
    /// Mean RMSSD of the streamer, ms.
    pub streamer_rmssd_mean: Option<f64>,
    /// Mean RMSSD of the operator, ms.
    pub operator_rmssd_mean: Option<f64>,
    /// When it was computed.
    pub computed_at: UtcMicros,
}

/// Inserts the snapshots of a segment once.
pub(crate) fn insert(
    transaction: &Transaction<'_>,
    record: &PhysiologyRecord,
) -> Result<(), StoreError> {
    session::require(transaction, record.session_id)?;
    let people = [
        (SubjectRole::Streamer, &record.context.streamer),
        (SubjectRole::Operator, &record.context.operator),
    ];
    for (role, snapshot) in people {
        if let Some(snapshot) = snapshot {
            insert_snapshot(transaction, record, role, snapshot)?;
        }
    }
    Ok(())
}

fn insert_snapshot(
    transaction: &Transaction<'_>,
    record: &PhysiologyRecord,
    role: SubjectRole,
    snapshot: &PhysiologicalSnapshot,
) -> Result<(), StoreError> {
    column::bounded("provider", &snapshot.provider, 64)?;
    transaction
        .prepare_cached(
            "INSERT INTO physiology_log (session_id, segment_id, subject_role, rmssd_ms, heart_rate_bpm, freshness_s,
                 is_stale, provider, source_kind, derivation_method, window_s, validity_ratio, is_valid,
                 source_timestamp_us, created_at_us)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
             ON CONFLICT (session_id, segment_id, subject_role) DO NOTHING",
        )?
        .execute(params![
            record.session_id.to_string(),
            record.segment_id.as_str(),
            role.as_str(),
            column::optional_finite("rmssd_ms", snapshot.rmssd_ms)?,
            snapshot.heart_rate_bpm,
            column::finite("freshness_s", snapshot.freshness_s)?,
            snapshot.is_stale,
            snapshot.provider,
            snapshot.source_kind.as_str(),
            snapshot.derivation_method.as_str(),
            i64::try_from(snapshot.window_s).unwrap_or(i64::MAX),
            column::unit("validity_ratio", snapshot.validity_ratio)?,
            snapshot.is_valid,
            snapshot.source_timestamp_utc.0,
            record.derived_at.0,
        ])?;
    Ok(())
}

/// Keeps one window; a repeat of the same window changes nothing.
pub(crate) fn insert_comodulation(
    transaction: &Transaction<'_>,
    record: &CoModulationRecord,
) -> Result<(), StoreError> {
    session::require(transaction, record.session_id)?;
    transaction
        .prepare_cached(
            "INSERT INTO comodulation_log (session_id, window_start_us, window_end_us, window_minutes,
                 co_modulation_index, interval_low, interval_high, n_paired_observations, coverage_ratio,
                 window_coverage, streamer_rmssd_mean, operator_rmssd_mean, null_reason, created_at_us)
             VALUES (?1, ?2, ?3, (?3 - ?2) / 60000000, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
             ON CONFLICT (session_id, window_end_us) DO NOTHING",
        )?
        .execute(params![
            record.session_id.to_string(),
            record.window_start.0,
            record.window_end.0,
            column::optional_finite("co_modulation_index", record.index.ok())?,
            column::optional_finite("interval_low", record.interval.map(|(low, _)| low))?,
            column::optional_finite("interval_high", record.interval.map(|(_, high)| high))?,
            record.n_paired,
            column::unit("coverage_ratio", record.coverage_ratio)?,
            column::unit("window_coverage", record.window_coverage)?,
            column::optional_finite("streamer_rmssd_mean", record.streamer_rmssd_mean)?,
            column::optional_finite("operator_rmssd_mean", record.operator_rmssd_mean)?,
            record.index.err().map(CoModulationNullReason::as_str),
            record.computed_at.0,
        ])?;
    Ok(())
}
