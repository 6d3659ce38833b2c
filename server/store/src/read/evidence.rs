//! Segments, metrics, gaps, alerts and counts.

use lsie_schemas::contract::AcousticMetrics;
use lsie_schemas::link::SegmentClock;
use lsie_schemas::time::UtcMicros;
use rusqlite::{Row, params};
use uuid::Uuid;

use super::ReadView;
use crate::column;
use crate::error::StoreError;
use crate::rows::{AlertRow, Counts, GapRow, MetricsRow, SegmentRow};

impl ReadView {
    /// Metrics, newest window first, of one session or of all.
    pub fn metrics(
        &self,
        session_id: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<MetricsRow>, StoreError> {
        self.rows(
            "SELECT * FROM metrics WHERE (?1 IS NULL OR session_id = ?1)
             ORDER BY timestamp_us DESC, id DESC LIMIT ?2",
            params![session_id.map(|id| id.to_string()), limit],
            metrics,
        )
    }

    /// All metrics of a session, oldest window first.
    pub fn metrics_series(&self, session_id: Uuid) -> Result<Vec<MetricsRow>, StoreError> {
        self.rows(
            "SELECT * FROM metrics WHERE session_id = ?1 ORDER BY timestamp_us, id",
            [session_id.to_string()],
            metrics,
        )
    }

    /// Segments of a session, newest window first.
    pub fn segments(&self, session_id: Uuid, limit: u32) -> Result<Vec<SegmentRow>, StoreError> {
        self.rows(
            "SELECT * FROM segments WHERE session_id = ?1 ORDER BY window_end_us DESC, segment_id LIMIT ?2",
            params![session_id.to_string(), limit],
            segment,
        )
    }

    /// Gaps of a session, oldest first.
    pub fn data_gaps(&self, session_id: Uuid) -> Result<Vec<GapRow>, StoreError> {
        self.rows(
            "SELECT * FROM data_gaps WHERE session_id = ?1 ORDER BY start_us, id",
            [session_id.to_string()],
            gap,
        )
    }

    /// Alerts emitted at or after `since`, newest first.
    pub fn alerts(
        &self,
        since: Option<UtcMicros>,
        limit: u32,
    ) -> Result<Vec<AlertRow>, StoreError> {
        self.rows(
            "SELECT * FROM alerts WHERE (?1 IS NULL OR emitted_at_us >= ?1)
             ORDER BY emitted_at_us DESC, rowid DESC LIMIT ?2",
            params![since.map(|since| since.0), limit],
            alert,
        )
    }

    /// Rows by table.
    pub fn counts(&self) -> Result<Counts, StoreError> {
        let counts = self.first(
            "SELECT (SELECT count(*) FROM sessions) AS sessions, (SELECT count(*) FROM segments) AS segments,
                 (SELECT count(*) FROM stimuli) AS stimuli, (SELECT count(*) FROM encounter_log) AS encounters,
                 (SELECT count(*) FROM encounter_log WHERE applied = 1) AS applied_updates,
                 (SELECT count(*) FROM analytics_message_ledger) AS ledger,
                 (SELECT count(*) FROM data_gaps) AS data_gaps,
                 (SELECT count(*) FROM stimuli WHERE state = 'failed') AS failed_stimuli,
                 (SELECT count(*) FROM alerts WHERE acknowledged_at_us IS NULL) AS open_alerts",
            [],
            counts,
        )?;
        Ok(counts.unwrap_or_default())
    }
}

/// Reads the acoustic set; `None` when the row holds none.
pub(super) fn acoustic(row: &Row<'_>) -> rusqlite::Result<Option<AcousticMetrics>> {
    let Some(f0_valid_measure) = row.get("f0_valid_measure")? else {
        return Ok(None);
    };
    Ok(Some(AcousticMetrics {
        f0_valid_measure,
        f0_valid_baseline: row.get("f0_valid_baseline")?,
        perturbation_valid_measure: row.get("perturbation_valid_measure")?,
        perturbation_valid_baseline: row.get("perturbation_valid_baseline")?,
        voiced_coverage_measure_s: row.get("voiced_coverage_measure_s")?,
        voiced_coverage_baseline_s: row.get("voiced_coverage_baseline_s")?,
        f0_mean_measure_hz: row.get("f0_mean_measure_hz")?,
        f0_mean_baseline_hz: row.get("f0_mean_baseline_hz")?,
        f0_delta_semitones: row.get("f0_delta_semitones")?,
        jitter_mean_measure: row.get("jitter_mean_measure")?,
        jitter_mean_baseline: row.get("jitter_mean_baseline")?,
        jitter_delta: row.get("jitter_delta")?,
        shimmer_mean_measure: row.get("shimmer_mean_measure")?,
        shimmer_mean_baseline: row.get("shimmer_mean_baseline")?,
        shimmer_delta: row.get("shimmer_delta")?,
    }))
}

fn metrics(row: &Row<'_>) -> rusqlite::Result<MetricsRow> {
    Ok(MetricsRow {
        id: row.get("id")?,
        session_id: column::uuid(row, "session_id")?,
        segment_id: column::segment_id(row, "segment_id")?,
        timestamp: column::instant(row, "timestamp_us")?,
        au12_intensity: row.get("au12_intensity")?,
        acoustic: acoustic(row)?,
        created_at: column::instant(row, "created_at_us")?,
    })
}

fn segment(row: &Row<'_>) -> rusqlite::Result<SegmentRow> {
    Ok(SegmentRow {
        segment_id: column::segment_id(row, "segment_id")?,
        session_id: column::uuid(row, "session_id")?,
        kind: column::word(row, "kind")?,
        window_start: column::instant(row, "window_start_us")?,
        window_end: column::instant(row, "window_end_us")?,
        pcm_sha256: row.get("pcm_sha256")?,
        silence_prefix_s: row.get("silence_prefix_s")?,
        speech_s: row.get("speech_s")?,
        rms_dbfs: row.get("rms_dbfs")?,
        peak_dbfs: row.get("peak_dbfs")?,
        n_observations: row.get("n_observations")?,
        action_units: column::json(row, "action_units")?,
        n_frames: row.get("n_frames")?,
        absent: column::json(row, "absent")?,
        baseline_ratio: row.get("baseline_ratio")?,
        gaps: column::json(row, "gaps")?,
        clock: clock(row)?,
        created_at: column::instant(row, "created_at_us")?,
    })
}

fn clock(row: &Row<'_>) -> rusqlite::Result<Option<SegmentClock>> {
    let Some(state) = column::optional_word(row, "clock_state")? else {
        return Ok(None);
    };
    Ok(Some(SegmentClock {
        state,
        offset_s: row.get("clock_offset_s")?,
        drift_ppm: row.get("clock_drift_ppm")?,
        uncertainty_ms: row.get("clock_uncertainty_ms")?,
    }))
}

fn gap(row: &Row<'_>) -> rusqlite::Result<GapRow> {
    Ok(GapRow {
        id: row.get("id")?,
        session_id: column::uuid(row, "session_id")?,
        cause: row.get("cause")?,
        start: column::instant(row, "start_us")?,
        end: column::optional_instant(row, "end_us")?,
    })
}

fn alert(row: &Row<'_>) -> rusqlite::Result<AlertRow> {
    Ok(AlertRow {
        alert_id: column::uuid(row, "alert_id")?,
        severity: column::word(row, "severity")?,
        kind: column::word(row, "kind")?,
        message: row.get("message")?,
        session_id: column::optional_uuid(row, "session_id")?,
        subsystem_key: row.get("subsystem_key")?,
        emitted_at: column::instant(row, "emitted_at_us")?,
        acknowledged_at: column::optional_instant(row, "acknowledged_at_us")?,
    })
}

fn counts(row: &Row<'_>) -> rusqlite::Result<Counts> {
    let count = |name| row.get::<_, i64>(name).map(i64::unsigned_abs);
    Ok(Counts {
        sessions: count("sessions")?,
        segments: count("segments")?,
        stimuli: count("stimuli")?,
        encounters: count("encounters")?,
        applied_updates: count("applied_updates")?,
        ledger: count("ledger")?,
        data_gaps: count("data_gaps")?,
        failed_stimuli: count("failed_stimuli")?,
        open_alerts: count("open_alerts")?,
    })
}
