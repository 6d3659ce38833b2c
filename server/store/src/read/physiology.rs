//! Physiology and co-modulation.

use lsie_schemas::contract::{
    CoModulationNullReason, DerivationMethod, PhysiologicalSnapshot, SourceKind, SubjectRole,
};
use lsie_schemas::time::UtcMicros;
use rusqlite::{Row, params};
use uuid::Uuid;

use super::ReadView;
use crate::column;
use crate::error::StoreError;
use crate::rows::{CoModulationRow, PhysiologyRow};

impl ReadView {
    /// The newest row of a person, usable or not.
    pub fn newest_physiology(
        &self,
        session_id: Uuid,
        role: SubjectRole,
    ) -> Result<Option<PhysiologyRow>, StoreError> {
        self.first(
            "SELECT * FROM physiology_log WHERE session_id = ?1 AND subject_role = ?2
             ORDER BY created_at_us DESC, id DESC LIMIT 1",
            params![session_id.to_string(), role.as_str()],
            physiology,
        )
    }

    /// The newest row of a person that was valid and not stale when it was stored (math 8.8).
    pub fn usable_physiology(
        &self,
        session_id: Uuid,
        role: SubjectRole,
    ) -> Result<Option<PhysiologyRow>, StoreError> {
        self.first(
            "SELECT * FROM physiology_log WHERE session_id = ?1 AND subject_role = ?2 AND is_valid = 1 AND is_stale = 0
             ORDER BY created_at_us DESC, id DESC LIMIT 1",
            params![session_id.to_string(), role.as_str()],
            physiology,
        )
    }

    /// The newest `limit` rows of a session, oldest first.
    pub fn physiology_series(
        &self,
        session_id: Uuid,
        limit: u32,
    ) -> Result<Vec<PhysiologyRow>, StoreError> {
        self.rows(
            "SELECT * FROM (SELECT * FROM physiology_log WHERE session_id = ?1
                 ORDER BY created_at_us DESC, id DESC LIMIT ?2) ORDER BY created_at_us, id",
            params![session_id.to_string(), limit],
            physiology,
        )
    }

    /// Rows whose source time lies in `(after, until]`, oldest first, at most `limit` of the newest.
    pub fn physiology_between(
        &self,
        session_id: Uuid,
        after: UtcMicros,
        until: UtcMicros,
        limit: u32,
    ) -> Result<Vec<PhysiologyRow>, StoreError> {
        self.rows(
            "SELECT * FROM (SELECT * FROM physiology_log WHERE session_id = ?1
                 AND source_timestamp_us > ?2 AND source_timestamp_us <= ?3
                 ORDER BY source_timestamp_us DESC, id DESC LIMIT ?4) ORDER BY source_timestamp_us, id",
            params![session_id.to_string(), after.0, until.0, limit],
            physiology,
        )
    }

    /// Co-modulation windows of a session, newest first, null indices included.
    pub fn comodulation(
        &self,
        session_id: Uuid,
        limit: u32,
    ) -> Result<Vec<CoModulationRow>, StoreError> {
        self.rows(
            "SELECT * FROM comodulation_log WHERE session_id = ?1 ORDER BY window_end_us DESC LIMIT ?2",
            params![session_id.to_string(), limit],
            comodulation,
        )
    }
}

fn physiology(row: &Row<'_>) -> rusqlite::Result<PhysiologyRow> {
    Ok(PhysiologyRow {
        id: row.get("id")?,
        session_id: column::uuid(row, "session_id")?,
        segment_id: column::segment_id(row, "segment_id")?,
        role: column::word::<SubjectRole>(row, "subject_role")?,
        snapshot: PhysiologicalSnapshot {
            rmssd_ms: row.get("rmssd_ms")?,
            heart_rate_bpm: row.get("heart_rate_bpm")?,
            source_timestamp_utc: column::instant(row, "source_timestamp_us")?,
            freshness_s: row.get("freshness_s")?,
            is_stale: row.get("is_stale")?,
            provider: row.get("provider")?,
            source_kind: column::word::<SourceKind>(row, "source_kind")?,
            derivation_method: column::word::<DerivationMethod>(row, "derivation_method")?,
            window_s: row.get::<_, i64>("window_s")?.unsigned_abs(),
            validity_ratio: row.get("validity_ratio")?,
            is_valid: row.get("is_valid")?,
        },
        created_at: column::instant(row, "created_at_us")?,
    })
}

fn comodulation(row: &Row<'_>) -> rusqlite::Result<CoModulationRow> {
    let index: Option<f64> = row.get("co_modulation_index")?;
    let reason = column::optional_word::<CoModulationNullReason>(row, "null_reason")?;
    let low: Option<f64> = row.get("interval_low")?;
    let high: Option<f64> = row.get("interval_high")?;
    Ok(CoModulationRow {
        id: row.get("id")?,
        session_id: column::uuid(row, "session_id")?,
        window_start: column::instant(row, "window_start_us")?,
        window_end: column::instant(row, "window_end_us")?,
        window_minutes: row.get("window_minutes")?,
        index: index.ok_or(reason.unwrap_or(CoModulationNullReason::NotComputed)),
        interval: low.zip(high),
        n_paired: row.get("n_paired_observations")?,
        coverage_ratio: row.get("coverage_ratio")?,
        window_coverage: row.get("window_coverage")?,
        streamer_rmssd_mean: row.get("streamer_rmssd_mean")?,
        operator_rmssd_mean: row.get("operator_rmssd_mean")?,
        created_at: column::instant(row, "created_at_us")?,
    })
}
