//! Experiments, arms and decisions.

use rusqlite::{Row, params};
use uuid::Uuid;

use super::ReadView;
use crate::column;
use crate::error::StoreError;
use crate::read::encounter::EncounterFilter;
use crate::rows::{ArmRow, DecisionRow, ExperimentDetailRow, ExperimentRow};
use crate::write::experiment::Beta;

const EXPERIMENT: &str = "
    SELECT x.*,
        (SELECT s.active_arm FROM sessions s WHERE s.status = 'active' AND s.experiment_id = x.experiment_id)
            AS active_arm,
        (SELECT count(*) FROM arms a WHERE a.experiment_id = x.experiment_id) AS arm_count,
        (SELECT e.gated_reward FROM encounter_log e WHERE e.experiment_id = x.experiment_id
            AND e.gated_reward IS NOT NULL ORDER BY e.timestamp_us DESC, e.id DESC LIMIT 1) AS latest_reward
    FROM experiments x";

const ARM: &str = "
    SELECT a.*,
        (SELECT count(*) FROM decisions d WHERE d.experiment_id = a.experiment_id AND d.selected_arm = a.arm)
            AS selection_count,
        (SELECT avg(gated_reward) FROM (SELECT gated_reward FROM encounter_log e
            WHERE e.experiment_id = a.experiment_id AND e.arm = a.arm AND e.gated_reward IS NOT NULL
            ORDER BY e.timestamp_us DESC, e.id DESC LIMIT 20)) AS recent_reward_mean,
        (SELECT avg(semantic_gate) FROM (SELECT semantic_gate FROM encounter_log e
            WHERE e.experiment_id = a.experiment_id AND e.arm = a.arm AND e.semantic_gate IS NOT NULL
            ORDER BY e.timestamp_us DESC, e.id DESC LIMIT 20)) AS recent_gate_rate
    FROM arms a";

impl ReadView {
    /// Experiments by id.
    pub fn experiments(&self) -> Result<Vec<ExperimentRow>, StoreError> {
        self.rows(
            &format!("{EXPERIMENT} ORDER BY x.experiment_id"),
            [],
            experiment,
        )
    }

    /// One experiment with its arms, newest decision and newest encounter.
    pub fn experiment(
        &self,
        experiment_id: &str,
    ) -> Result<Option<ExperimentDetailRow>, StoreError> {
        let found = self.first(
            &format!("{EXPERIMENT} WHERE x.experiment_id = ?1"),
            [experiment_id],
            experiment,
        )?;
        let Some(experiment) = found else {
            return Ok(None);
        };
        let latest_decision = self.first(
            "SELECT * FROM decisions WHERE experiment_id = ?1 ORDER BY selection_time_us DESC, decision_id DESC LIMIT 1",
            [experiment_id],
            decision,
        )?;
        let filter = EncounterFilter {
            experiment_id: Some(experiment_id.to_owned()),
            ..EncounterFilter::default()
        };
        let latest_encounter = self.encounters(&filter, 1)?.into_iter().next();
        let arms = self.arms(experiment_id)?;
        Ok(Some(ExperimentDetailRow {
            experiment,
            arms,
            latest_decision,
            latest_encounter,
        }))
    }

    /// Arms of an experiment, disabled ones included, in code-point order of their ids.
    pub fn arms(&self, experiment_id: &str) -> Result<Vec<ArmRow>, StoreError> {
        self.rows(
            &format!("{ARM} WHERE a.experiment_id = ?1 ORDER BY a.arm"),
            [experiment_id],
            arm,
        )
    }

    /// One arm.
    pub fn arm(&self, experiment_id: &str, arm_id: &str) -> Result<Option<ArmRow>, StoreError> {
        self.first(
            &format!("{ARM} WHERE a.experiment_id = ?1 AND a.arm = ?2"),
            [experiment_id, arm_id],
            arm,
        )
    }

    /// Posterior of one arm.
    pub fn posterior(&self, experiment_id: &str, arm_id: &str) -> Result<Option<Beta>, StoreError> {
        self.first(
            "SELECT alpha, beta FROM arms WHERE experiment_id = ?1 AND arm = ?2",
            [experiment_id, arm_id],
            |row| {
                Ok(Beta {
                    alpha: row.get("alpha")?,
                    beta: row.get("beta")?,
                })
            },
        )
    }

    /// Decisions of a session, newest first.
    pub fn decisions(&self, session_id: Uuid, limit: u32) -> Result<Vec<DecisionRow>, StoreError> {
        self.rows(
            "SELECT * FROM decisions WHERE session_id = ?1 ORDER BY selection_time_us DESC, decision_id DESC LIMIT ?2",
            params![session_id.to_string(), limit],
            decision,
        )
    }
}

fn experiment(row: &Row<'_>) -> rusqlite::Result<ExperimentRow> {
    Ok(ExperimentRow {
        row_id: row.get("experiment_row_id")?,
        experiment_id: row.get("experiment_id")?,
        label: row.get("label")?,
        active_arm: row.get("active_arm")?,
        arm_count: row.get("arm_count")?,
        updated_at: column::instant(row, "updated_at_us")?,
        latest_reward: row.get("latest_reward")?,
    })
}

fn arm(row: &Row<'_>) -> rusqlite::Result<ArmRow> {
    Ok(ArmRow {
        id: row.get("arm_row_id")?,
        arm: row.get("arm")?,
        stimulus_definition: column::json(row, "stimulus_definition")?,
        prior: Beta {
            alpha: row.get("prior_alpha")?,
            beta: row.get("prior_beta")?,
        },
        posterior: Beta {
            alpha: row.get("alpha")?,
            beta: row.get("beta")?,
        },
        enabled: row.get("enabled")?,
        end_dated_at: column::optional_instant(row, "end_dated_at_us")?,
        updated_at: column::instant(row, "updated_at_us")?,
        selection_count: row.get::<_, i64>("selection_count")?.unsigned_abs(),
        recent_reward_mean: row.get("recent_reward_mean")?,
        recent_semantic_pass_rate: row.get("recent_gate_rate")?,
    })
}

fn decision(row: &Row<'_>) -> rusqlite::Result<DecisionRow> {
    Ok(DecisionRow {
        decision_id: row.get("decision_id")?,
        session_id: column::uuid(row, "session_id")?,
        experiment_id: row.get("experiment_id")?,
        propensity: row.get("propensity")?,
        snapshot: column::json(row, "snapshot")?,
    })
}
