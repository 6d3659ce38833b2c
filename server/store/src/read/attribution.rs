//! What linking outcomes to stimuli needs to read, and the log that policies are judged by.

use lsie_schemas::contract::{AttributionScore, OutcomeEvent};
use lsie_schemas::time::UtcMicros;
use rusqlite::{Row, params};
use uuid::Uuid;

use super::ReadView;
use crate::column;
use crate::error::StoreError;
use crate::rows::{LedgerEventRow, LoggedChoiceRow};

impl ReadView {
    /// Outcomes of a session at or after an instant, oldest first.
    pub fn outcomes(
        &self,
        session_id: Uuid,
        since: UtcMicros,
        limit: u32,
    ) -> Result<Vec<OutcomeEvent>, StoreError> {
        self.rows(
            "SELECT record FROM outcome_event WHERE session_id = ?1 AND outcome_time_us >= ?2
             ORDER BY outcome_time_us, outcome_id LIMIT ?3",
            params![session_id.to_string(), since.0, limit],
            |row| column::json(row, "record"),
        )
    }

    /// Events of a session in `[from, to]`, newest first, with the scores that carry no outcome yet.
    pub fn ledger_events(
        &self,
        session_id: Uuid,
        from: UtcMicros,
        to: UtcMicros,
        limit: u32,
    ) -> Result<Vec<LedgerEventRow>, StoreError> {
        let mut events = self.rows(
            "SELECT e.event_id, e.event_time_us,
                 EXISTS (SELECT 1 FROM event_outcome_link l WHERE l.event_id = e.event_id) AS has_outcome
             FROM attribution_event e WHERE e.session_id = ?1 AND e.event_time_us BETWEEN ?2 AND ?3
             ORDER BY e.event_time_us DESC, e.event_id LIMIT ?4",
            params![session_id.to_string(), from.0, to.0, limit],
            ledger_event,
        )?;
        for event in &mut events {
            event.unowed_scores = self.unowed_scores(event.event_id)?;
        }
        Ok(events)
    }

    fn unowed_scores(&self, event_id: Uuid) -> Result<Vec<AttributionScore>, StoreError> {
        self.rows(
            "SELECT record FROM attribution_score WHERE event_id = ?1 AND outcome_id IS NULL
             ORDER BY attribution_method",
            [event_id.to_string()],
            |row| column::json(row, "record"),
        )
    }

    /// Encounters of an experiment that moved a posterior, newest first, as policies are judged by them.
    pub fn logged_choices(
        &self,
        experiment_id: &str,
        limit: u32,
    ) -> Result<Vec<LoggedChoiceRow>, StoreError> {
        self.rows(
            "SELECT e.arm, e.gated_reward,
                 coalesce(e.propensity, (SELECT d.propensity FROM decisions d WHERE d.session_id = e.session_id AND d.selected_arm = e.arm
                     AND d.selection_time_us <= coalesce(e.stimulus_time_us, e.timestamp_us)
                     ORDER BY d.selection_time_us DESC LIMIT 1)) AS drawn_with
             FROM encounter_log e WHERE e.experiment_id = ?1 AND e.applied = 1
             ORDER BY e.timestamp_us DESC, e.id DESC LIMIT ?2",
            params![experiment_id, limit],
            |row| {
                Ok(LoggedChoiceRow {
                    arm: row.get("arm")?,
                    reward: row.get("gated_reward")?,
                    propensity: row.get("drawn_with")?,
                })
            },
        )
    }
}

fn ledger_event(row: &Row<'_>) -> rusqlite::Result<LedgerEventRow> {
    Ok(LedgerEventRow {
        event_id: column::uuid(row, "event_id")?,
        event_time: column::instant(row, "event_time_us")?,
        has_outcome: row.get("has_outcome")?,
        unowed_scores: Vec::new(),
    })
}
