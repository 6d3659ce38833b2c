//! Experiments and arms. Posterior numbers move only through an encounter.

use lsie_schemas::contract::StimulusDefinition;
use lsie_schemas::time::UtcMicros;
use rusqlite::{OptionalExtension, Transaction, params};

use crate::column;
use crate::error::{Conflict, StoreError};

/// An arm to create at Beta(1, 1).
#[derive(Debug, Clone, PartialEq)]
pub struct NewArm {
    /// Arm id, 1 to 200 characters; any text, `/` included.
    pub arm: String,
    /// What it says and expects.
    pub stimulus_definition: StimulusDefinition,
}

/// An experiment to create.
#[derive(Debug, Clone, PartialEq)]
pub struct NewExperiment {
    /// Code, 1 to 200 characters.
    pub experiment_id: String,
    /// Name, 1 to 200 characters.
    pub label: String,
    /// At least one arm, ids unique.
    pub arms: Vec<NewArm>,
}

/// A change to an arm; at least one member must be given.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ArmPatch {
    /// New text; the learned posterior stays.
    pub stimulus_definition: Option<StimulusDefinition>,
    /// Takes the arm out of the draw for good and stamps its end.
    pub disable: bool,
}

/// What deleting an arm did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArmDeleted {
    /// It was never used and still at Beta(1, 1): the row is gone.
    Removed,
    /// It had been selected or had learned: disabled, its posterior kept.
    Disabled,
}

/// Parameters of a Beta posterior.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Beta {
    /// Successes plus prior, positive.
    pub alpha: f64,
    /// Failures plus prior, positive.
    pub beta: f64,
}

/// Fails unless the experiment exists.
pub(crate) fn require(
    transaction: &Transaction<'_>,
    experiment_id: &str,
) -> Result<(), StoreError> {
    let exists: bool = transaction
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM experiments WHERE experiment_id = ?1)")?
        .query_row([experiment_id], |row| row.get(0))?;
    if exists {
        Ok(())
    } else {
        Err(StoreError::UnknownExperiment(experiment_id.to_owned()))
    }
}

/// Reads an arm's definition (JSON text) and posterior, or fails.
pub(crate) fn require_arm(
    transaction: &Transaction<'_>,
    experiment_id: &str,
    arm: &str,
) -> Result<(String, Beta), StoreError> {
    transaction
        .prepare_cached("SELECT stimulus_definition, alpha, beta FROM arms WHERE experiment_id = ?1 AND arm = ?2")?
        .query_row([experiment_id, arm], |row| {
            Ok((row.get(0)?, Beta { alpha: row.get(1)?, beta: row.get(2)? }))
        })
        .optional()?
        .ok_or_else(|| StoreError::UnknownArm { experiment_id: experiment_id.to_owned(), arm: arm.to_owned() })
}

/// Creates an experiment with all its arms.
pub(crate) fn create(
    transaction: &Transaction<'_>,
    new: &NewExperiment,
    now: UtcMicros,
) -> Result<(), StoreError> {
    column::bounded("experiment_id", &new.experiment_id, 200)?;
    column::bounded("label", &new.label, 200)?;
    if new.arms.is_empty() {
        return Err(StoreError::invalid("arms", "must not be empty"));
    }
    if require(transaction, &new.experiment_id).is_ok() {
        return Err(Conflict::ExperimentExists.into());
    }
    transaction.execute(
        "INSERT INTO experiments (experiment_id, label, created_at_us, updated_at_us) VALUES (?1, ?2, ?3, ?3)",
        params![new.experiment_id, new.label, now.0],
    )?;
    for arm in &new.arms {
        insert_arm(transaction, &new.experiment_id, arm, now)?;
    }
    Ok(())
}

/// Adds an arm to an existing experiment.
pub(crate) fn add_arm(
    transaction: &Transaction<'_>,
    experiment_id: &str,
    arm: &NewArm,
    now: UtcMicros,
) -> Result<(), StoreError> {
    require(transaction, experiment_id)?;
    insert_arm(transaction, experiment_id, arm, now)?;
    touch(transaction, experiment_id, now)
}

fn insert_arm(
    transaction: &Transaction<'_>,
    experiment_id: &str,
    new: &NewArm,
    now: UtcMicros,
) -> Result<(), StoreError> {
    column::bounded("arm", &new.arm, 200)?;
    if require_arm(transaction, experiment_id, &new.arm).is_ok() {
        return Err(Conflict::ArmExists.into());
    }
    transaction.execute(
        "INSERT INTO arms (experiment_id, arm, stimulus_definition, updated_at_us) VALUES (?1, ?2, ?3, ?4)",
        params![experiment_id, new.arm, column::to_json(&new.stimulus_definition)?, now.0],
    )?;
    Ok(())
}

/// Changes an arm's text, or disables it.
pub(crate) fn patch_arm(
    transaction: &Transaction<'_>,
    experiment_id: &str,
    arm: &str,
    patch: &ArmPatch,
    now: UtcMicros,
) -> Result<(), StoreError> {
    if patch.stimulus_definition.is_none() && !patch.disable {
        return Err(StoreError::invalid("patch", "must change something"));
    }
    require(transaction, experiment_id)?;
    require_arm(transaction, experiment_id, arm)?;
    if let Some(definition) = &patch.stimulus_definition {
        transaction.execute(
            "UPDATE arms SET stimulus_definition = ?3, updated_at_us = ?4 WHERE experiment_id = ?1 AND arm = ?2",
            params![experiment_id, arm, column::to_json(definition)?, now.0],
        )?;
    }
    if patch.disable {
        disable(transaction, experiment_id, arm, now)?;
    }
    touch(transaction, experiment_id, now)
}

/// Removes an unused arm, disables any other.
pub(crate) fn delete_arm(
    transaction: &Transaction<'_>,
    experiment_id: &str,
    arm: &str,
    now: UtcMicros,
) -> Result<ArmDeleted, StoreError> {
    require(transaction, experiment_id)?;
    let (_, posterior) = require_arm(transaction, experiment_id, arm)?;
    let is_used: bool = transaction.query_row(
        "SELECT EXISTS (SELECT 1 FROM decisions WHERE experiment_id = ?1 AND selected_arm = ?2)
             OR EXISTS (SELECT 1 FROM encounter_log WHERE experiment_id = ?1 AND arm = ?2)",
        [experiment_id, arm],
        |row| row.get(0),
    )?;
    let deleted = if is_used
        || posterior
            != (Beta {
                alpha: 1.0,
                beta: 1.0,
            }) {
        disable(transaction, experiment_id, arm, now)?;
        ArmDeleted::Disabled
    } else {
        transaction.execute(
            "DELETE FROM arms WHERE experiment_id = ?1 AND arm = ?2",
            [experiment_id, arm],
        )?;
        ArmDeleted::Removed
    };
    touch(transaction, experiment_id, now)?;
    Ok(deleted)
}

fn disable(
    transaction: &Transaction<'_>,
    experiment_id: &str,
    arm: &str,
    now: UtcMicros,
) -> Result<(), StoreError> {
    transaction.execute(
        "UPDATE arms SET enabled = 0, end_dated_at_us = coalesce(end_dated_at_us, ?3), updated_at_us = ?3
         WHERE experiment_id = ?1 AND arm = ?2",
        params![experiment_id, arm, now.0],
    )?;
    Ok(())
}

/// Stamps the experiment as changed.
pub(crate) fn touch(
    transaction: &Transaction<'_>,
    experiment_id: &str,
    now: UtcMicros,
) -> Result<(), StoreError> {
    transaction.execute(
        "UPDATE experiments SET updated_at_us = max(updated_at_us, ?2) WHERE experiment_id = ?1",
        params![experiment_id, now.0],
    )?;
    Ok(())
}
