//! Committed encounters with their evidence.

use rusqlite::{Row, params};
use uuid::Uuid;

use lsie_schemas::time::UtcMicros;

use super::ReadView;
use super::evidence::acoustic;
use crate::column;
use crate::error::StoreError;
use crate::rows::{ArmEncounterSummaryRow, AttributionRow, EncounterRow, EvaluationRow};
use crate::write::experiment::Beta;

/// Which encounters to read; unset members do not restrict.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EncounterFilter {
    /// Of this session.
    pub session_id: Option<Uuid>,
    /// Of this experiment.
    pub experiment_id: Option<String>,
    /// With this arm.
    pub arm: Option<String>,
    /// Window end strictly before this instant.
    pub before: Option<UtcMicros>,
    /// Only those with frames in the measurement window.
    pub valid_only: bool,
}

const ENCOUNTER: &str = "
    SELECT e.*, a.stimulus_definition,
        m.f0_valid_measure, m.f0_valid_baseline, m.perturbation_valid_measure, m.perturbation_valid_baseline,
        m.voiced_coverage_measure_s, m.voiced_coverage_baseline_s, m.f0_mean_measure_hz, m.f0_mean_baseline_hz,
        m.f0_delta_semitones, m.jitter_mean_measure, m.jitter_mean_baseline, m.jitter_delta,
        m.shimmer_mean_measure, m.shimmer_mean_baseline, m.shimmer_delta,
        v.reasoning, v.is_match, v.confidence, v.semantic_method, v.semantic_method_version,
        coalesce(e.propensity, (SELECT d.propensity FROM decisions d WHERE d.session_id = e.session_id AND d.selected_arm = e.arm
            AND d.selection_time_us <= coalesce(e.stimulus_time_us, e.timestamp_us)
            ORDER BY d.selection_time_us DESC LIMIT 1)) AS drawn_with,
        t.event_id, t.finality
    FROM encounter_log e
    JOIN arms a ON a.experiment_id = e.experiment_id AND a.arm = e.arm
    LEFT JOIN metrics m ON m.session_id = e.session_id AND m.segment_id = e.segment_id
    LEFT JOIN evaluations v ON v.session_id = e.session_id AND v.segment_id = e.segment_id
    LEFT JOIN attribution_event t ON t.event_id = (SELECT n.event_id FROM attribution_event n
        WHERE n.session_id = e.session_id AND n.segment_id = e.segment_id
        ORDER BY n.created_at_us DESC, n.event_id LIMIT 1)";

impl ReadView {
    /// Encounters, newest window first. Instants are compared as integers, so a page boundary loses nothing.
    pub fn encounters(
        &self,
        filter: &EncounterFilter,
        limit: u32,
    ) -> Result<Vec<EncounterRow>, StoreError> {
        let rows = self.rows(
            &format!(
                "{ENCOUNTER}
                 WHERE (?1 IS NULL OR e.session_id = ?1) AND (?2 IS NULL OR e.experiment_id = ?2)
                     AND (?3 IS NULL OR e.arm = ?3) AND (?4 IS NULL OR e.timestamp_us < ?4)
                     AND (?5 = 0 OR e.n_frames_in_window > 0)
                 ORDER BY e.timestamp_us DESC, e.id DESC LIMIT ?6"
            ),
            params![
                filter.session_id.map(|id| id.to_string()),
                filter.experiment_id,
                filter.arm,
                filter.before.map(|before| before.0),
                filter.valid_only,
                limit,
            ],
            encounter,
        )?;
        rows.into_iter()
            .map(|found| self.with_attribution(found))
            .collect()
    }

    /// One encounter by row number.
    pub fn encounter(&self, id: i64) -> Result<Option<EncounterRow>, StoreError> {
        let found = self.first(
            &format!("{ENCOUNTER} WHERE e.id = ?1"),
            params![id],
            encounter,
        )?;
        found.map(|found| self.with_attribution(found)).transpose()
    }

    /// The encounter that closed a stimulus.
    pub fn encounter_of_stimulus(
        &self,
        stimulus_id: Uuid,
    ) -> Result<Option<EncounterRow>, StoreError> {
        let found = self.first(
            &format!("{ENCOUNTER} WHERE e.stimulus_id = ?1"),
            [stimulus_id.to_string()],
            encounter,
        )?;
        found.map(|found| self.with_attribution(found)).transpose()
    }

    /// The newest encounter, of one session or of all.
    pub fn latest_encounter(
        &self,
        session_id: Option<Uuid>,
    ) -> Result<Option<EncounterRow>, StoreError> {
        let filter = EncounterFilter {
            session_id,
            ..EncounterFilter::default()
        };
        Ok(self.encounters(&filter, 1)?.into_iter().next())
    }

    /// Totals per arm, best mean reward of encounters with frames first, arms without any last.
    pub fn encounter_summary(
        &self,
        experiment_id: &str,
    ) -> Result<Vec<ArmEncounterSummaryRow>, StoreError> {
        self.rows(
            "SELECT arm, count(*) AS encounter_count, count(*) FILTER (WHERE n_frames_in_window > 0) AS valid_count,
                 avg(gated_reward) AS avg_reward,
                 avg(gated_reward) FILTER (WHERE n_frames_in_window > 0) AS avg_valid_reward,
                 avg(p90_intensity) AS avg_p90, avg(semantic_gate) AS gate_rate,
                 avg(n_frames_in_window) AS avg_frames,
                 min(timestamp_us) AS first_us, max(timestamp_us) AS last_us
             FROM encounter_log WHERE experiment_id = ?1 GROUP BY arm
             ORDER BY avg_valid_reward DESC NULLS LAST, arm",
            [experiment_id],
            arm_summary,
        )
    }

    fn with_attribution(&self, found: Found) -> Result<EncounterRow, StoreError> {
        let Found { mut row, event } = found;
        if let Some((event_id, finality)) = event {
            let scores = self.rows(
                "SELECT attribution_method, score_raw FROM attribution_score WHERE event_id = ?1
                 ORDER BY created_at_us, score_id",
                [&event_id],
                |row| Ok((row.get("attribution_method")?, row.get("score_raw")?)),
            )?;
            let outcome_link_lag_s = self
                .first(
                    "SELECT min(lag_s) AS lag_s FROM event_outcome_link WHERE event_id = ?1",
                    [&event_id],
                    |row| row.get::<_, Option<f64>>("lag_s"),
                )?
                .flatten();
            row.attribution = Some(AttributionRow {
                finality,
                scores: scores.into_iter().collect(),
                outcome_link_lag_s,
            });
        }
        Ok(row)
    }
}

/// An encounter whose attribution is still to be read.
struct Found {
    row: EncounterRow,
    event: Option<(String, String)>,
}

fn encounter(row: &Row<'_>) -> rusqlite::Result<Found> {
    let event = match row.get::<_, Option<String>>("event_id")? {
        Some(event_id) => Some((event_id, row.get("finality")?)),
        None => None,
    };
    let encounter = EncounterRow {
        id: row.get("id")?,
        session_id: column::uuid(row, "session_id")?,
        segment_id: column::segment_id(row, "segment_id")?,
        stimulus_id: column::optional_uuid(row, "stimulus_id")?,
        client_id: row.get("client_id")?,
        experiment_id: row.get("experiment_id")?,
        arm: row.get("arm")?,
        stimulus_definition: column::json(row, "stimulus_definition")?,
        timestamp: column::instant(row, "timestamp_us")?,
        stimulus_time: column::optional_instant(row, "stimulus_time_us")?,
        gated_reward: row.get("gated_reward")?,
        p90_intensity: row.get("p90_intensity")?,
        gate_open: row.get("semantic_gate")?,
        n_frames_in_window: row.get("n_frames_in_window")?,
        au12_baseline_pre: row.get("au12_baseline_pre")?,
        applied: row.get("applied")?,
        skip_reason: row.get("skip_reason")?,
        posterior_after: Beta {
            alpha: row.get("alpha_after")?,
            beta: row.get("beta_after")?,
        },
        attested: row.get("attested")?,
        data_gap: row.get("data_gap")?,
        verdict: column::word(row, "state")?,
        notes: column::json(row, "notes")?,
        physiology_stale: row.get("physiology_stale")?,
        propensity: row.get("drawn_with")?,
        created_at: column::instant(row, "created_at_us")?,
        acoustic: acoustic(row)?,
        evaluation: evaluation(row)?,
        attribution: None,
    };
    Ok(Found {
        row: encounter,
        event,
    })
}

fn evaluation(row: &Row<'_>) -> rusqlite::Result<Option<EvaluationRow>> {
    let Some(reasoning) = column::optional_word(row, "reasoning")? else {
        return Ok(None);
    };
    Ok(Some(EvaluationRow {
        reasoning,
        is_match: row.get("is_match")?,
        confidence: row.get("confidence")?,
        method: column::word(row, "semantic_method")?,
        method_version: row.get("semantic_method_version")?,
    }))
}

fn arm_summary(row: &Row<'_>) -> rusqlite::Result<ArmEncounterSummaryRow> {
    Ok(ArmEncounterSummaryRow {
        arm: row.get("arm")?,
        encounter_count: row.get::<_, i64>("encounter_count")?.unsigned_abs(),
        valid_count: row.get::<_, i64>("valid_count")?.unsigned_abs(),
        avg_reward: row.get("avg_reward")?,
        avg_valid_reward: row.get("avg_valid_reward")?,
        avg_p90: row.get("avg_p90")?,
        gate_rate: row.get("gate_rate")?,
        avg_frames: row.get("avg_frames")?,
        first_encounter: column::optional_instant(row, "first_us")?,
        last_encounter: column::optional_instant(row, "last_us")?,
    })
}
