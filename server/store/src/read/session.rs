//! Sessions, stimuli and live state.

use lsie_schemas::observation::CalibrationState;
use rusqlite::{Row, params};
use serde_json::Value;
use uuid::Uuid;

use super::ReadView;
use crate::column;
use crate::error::StoreError;
use crate::rows::{SessionRow, SessionSummaryRow, StimulusRow};
use crate::write::operation::LiveState;

const SESSION: &str = "
    SELECT s.*, l.calibration_accepted, l.calibration_ratio_sum, l.media_ns, l.updated_at_us AS live_updated_at_us,
        (SELECT max(window_end_us) FROM segments g WHERE g.session_id = s.session_id) AS last_segment_end_us,
        (SELECT count(*) FROM metrics m WHERE m.session_id = s.session_id) AS metric_count,
        e.gated_reward AS latest_reward, e.semantic_gate AS latest_gate
    FROM sessions s
    LEFT JOIN live_session_state l ON l.session_id = s.session_id
    LEFT JOIN encounter_log e ON e.id = (SELECT id FROM encounter_log n WHERE n.session_id = s.session_id
        ORDER BY n.timestamp_us DESC, n.id DESC LIMIT 1)";

impl ReadView {
    /// Sessions, newest start first.
    pub fn sessions(&self, limit: u32) -> Result<Vec<SessionRow>, StoreError> {
        self.rows(
            &format!("{SESSION} ORDER BY s.started_at_us DESC, s.session_id LIMIT ?1"),
            [limit],
            session,
        )
    }

    /// One session.
    pub fn session(&self, session_id: Uuid) -> Result<Option<SessionRow>, StoreError> {
        self.first(
            &format!("{SESSION} WHERE s.session_id = ?1"),
            [session_id.to_string()],
            session,
        )
    }

    /// The open session, if there is one.
    pub fn open_session(&self) -> Result<Option<SessionRow>, StoreError> {
        self.first(&format!("{SESSION} WHERE s.status = 'active'"), [], session)
    }

    /// Averages over a session's metrics.
    pub fn session_summary(&self, session_id: Uuid) -> Result<SessionSummaryRow, StoreError> {
        let row = self.first(
            "SELECT count(*) AS total, avg(au12_intensity) AS au12, avg(f0_mean_measure_hz) AS f0,
                 avg(jitter_mean_measure) AS jitter, avg(shimmer_mean_measure) AS shimmer,
                 min(timestamp_us) AS first_us, max(timestamp_us) AS last_us
             FROM metrics WHERE session_id = ?1",
            [session_id.to_string()],
            summary,
        )?;
        Ok(row.unwrap_or_default())
    }

    /// What the next engine needs to go on with a session.
    pub fn live_state(&self, session_id: Uuid) -> Result<Option<LiveState>, StoreError> {
        Ok(self.session(session_id)?.and_then(|session| session.live))
    }

    /// Stimuli of a session, oldest first.
    pub fn stimuli(&self, session_id: Uuid) -> Result<Vec<StimulusRow>, StoreError> {
        self.rows(
            "SELECT * FROM stimuli WHERE session_id = ?1 ORDER BY accepted_at_us, rowid",
            [session_id.to_string()],
            stimulus,
        )
    }

    /// One stimulus.
    pub fn stimulus(&self, stimulus_id: Uuid) -> Result<Option<StimulusRow>, StoreError> {
        self.first(
            "SELECT * FROM stimuli WHERE stimulus_id = ?1",
            [stimulus_id.to_string()],
            stimulus,
        )
    }

    /// The stimulus an action asked for.
    pub fn stimulus_by_action(
        &self,
        client_action_id: Uuid,
    ) -> Result<Option<StimulusRow>, StoreError> {
        self.first(
            "SELECT * FROM stimuli WHERE client_action_id = ?1",
            [client_action_id.to_string()],
            stimulus,
        )
    }

    /// Stimuli without an encounter that nobody has closed, oldest first.
    pub fn uncommitted_stimuli(&self) -> Result<Vec<StimulusRow>, StoreError> {
        self.rows(
            "SELECT * FROM stimuli WHERE state NOT IN ('completed', 'failed') ORDER BY accepted_at_us, rowid",
            [],
            stimulus,
        )
    }

    /// The remembered answer to an action.
    pub fn remembered_answer(&self, client_action_id: Uuid) -> Result<Option<Value>, StoreError> {
        self.first(
            "SELECT answer FROM idempotency WHERE client_action_id = ?1",
            params![client_action_id.to_string()],
            |row| column::json(row, "answer"),
        )
    }
}

fn session(row: &Row<'_>) -> rusqlite::Result<SessionRow> {
    Ok(SessionRow {
        session_id: column::uuid(row, "session_id")?,
        client_action_id: column::uuid(row, "client_action_id")?,
        client_id: row.get("client_id")?,
        source_url: row.get("source_url")?,
        experiment_id: row.get("experiment_id")?,
        epoch: column::optional_instant(row, "epoch_us")?,
        status: column::word(row, "status")?,
        started_at: column::instant(row, "started_at_us")?,
        ended_at: column::optional_instant(row, "ended_at_us")?,
        end_reason: row.get("end_reason")?,
        active_arm: row.get("active_arm")?,
        stimulus_definition: column::optional_json(row, "stimulus_definition")?,
        live: live(row)?,
        last_segment_end: column::optional_instant(row, "last_segment_end_us")?,
        latest_reward: row.get("latest_reward")?,
        latest_gate: row.get("latest_gate")?,
        metric_count: row.get::<_, i64>("metric_count")?.unsigned_abs(),
    })
}

fn live(row: &Row<'_>) -> rusqlite::Result<Option<LiveState>> {
    let Some(updated_at) = column::optional_instant(row, "live_updated_at_us")? else {
        return Ok(None);
    };
    Ok(Some(LiveState {
        session_id: column::uuid(row, "session_id")?,
        calibration: CalibrationState {
            accepted: row.get("calibration_accepted")?,
            ratio_sum: row.get("calibration_ratio_sum")?,
        },
        media_ns: row.get("media_ns")?,
        updated_at,
    }))
}

fn summary(row: &Row<'_>) -> rusqlite::Result<SessionSummaryRow> {
    Ok(SessionSummaryRow {
        total_segments: row.get::<_, i64>("total")?.unsigned_abs(),
        avg_au12: row.get("au12")?,
        avg_f0_mean_measure_hz: row.get("f0")?,
        avg_jitter_mean_measure: row.get("jitter")?,
        avg_shimmer_mean_measure: row.get("shimmer")?,
        first_segment_at: column::optional_instant(row, "first_us")?,
        last_segment_at: column::optional_instant(row, "last_us")?,
    })
}

fn stimulus(row: &Row<'_>) -> rusqlite::Result<StimulusRow> {
    Ok(StimulusRow {
        stimulus_id: column::uuid(row, "stimulus_id")?,
        session_id: column::uuid(row, "session_id")?,
        client_action_id: column::uuid(row, "client_action_id")?,
        arm: row.get("arm")?,
        operator_note: row.get("operator_note")?,
        message: row.get("message")?,
        accepted_at: column::instant(row, "accepted_at_us")?,
        stimulus_time: column::optional_instant(row, "stimulus_time_us")?,
        state: column::word(row, "state")?,
        failure_reason: row.get("failure_reason")?,
    })
}
