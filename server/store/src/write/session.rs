//! Sessions and the decisions drawn for them.

use lsie_schemas::contract::BanditDecisionSnapshot;
use lsie_schemas::time::UtcMicros;
use rusqlite::{OptionalExtension, Transaction, params};
use uuid::Uuid;

use crate::column;
use crate::error::{Conflict, StoreError};
use crate::write::experiment;

/// A session to open.
#[derive(Debug, Clone, PartialEq)]
pub struct NewSession {
    /// Identity; a pure function of the action (math 1.10).
    pub session_id: Uuid,
    /// The operator's action; a repeat gets the first answer.
    pub client_action_id: Uuid,
    /// Client whose results the ledger will count, 1 to 200 characters.
    pub client_id: String,
    /// Source address, at most 4096 characters.
    pub source_url: String,
    /// Experiment code; must exist.
    pub experiment_id: Option<String>,
    /// UTC of media time zero, where already known.
    pub epoch: Option<UtcMicros>,
    /// Start.
    pub started_at: UtcMicros,
    /// First draw, stored in the same transaction.
    pub decision: Option<NewDecision>,
}

/// A draw of the bandit.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDecision {
    /// Experiment code; the snapshot carries only the row number.
    pub experiment_id: String,
    /// Immutable evidence, taken before any update (contracts 4.2).
    pub snapshot: BanditDecisionSnapshot,
    /// Probability with which the arm was chosen, in (0, 1], where known.
    pub propensity: Option<f64>,
}

/// Answer to opening a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionCreated {
    /// The row was written now.
    New,
    /// The same action had opened it before; nothing was written.
    Replayed,
}

/// Answer to closing a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionEnded {
    /// End stamp in force.
    pub ended_at: UtcMicros,
    /// True when the same action had closed it before.
    pub replayed: bool,
}

/// Opens a session: retry first, then the one-open rule, then the row and its first decision.
pub(crate) fn create(
    transaction: &Transaction<'_>,
    new: &NewSession,
) -> Result<SessionCreated, StoreError> {
    column::bounded("client_id", &new.client_id, 200)?;
    column::bounded("source_url", &new.source_url, 4096)?;
    if is_repeat(transaction, new)? {
        return Ok(SessionCreated::Replayed);
    }
    if let Some(open) = open_session(transaction)? {
        return Err(Conflict::SessionActive { open }.into());
    }
    if let Some(code) = &new.experiment_id {
        experiment::require(transaction, code)?;
    }
    transaction.execute(
        "INSERT INTO sessions (session_id, client_action_id, client_id, source_url, experiment_id, epoch_us, status,
                               started_at_us)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'active', ?7)",
        params![
            new.session_id.to_string(),
            new.client_action_id.to_string(),
            new.client_id,
            new.source_url,
            new.experiment_id,
            new.epoch.map(|epoch| epoch.0),
            new.started_at.0,
        ],
    )?;
    if let Some(decision) = &new.decision {
        record_decision(transaction, new.session_id, decision)?;
    }
    Ok(SessionCreated::New)
}

fn is_repeat(transaction: &Transaction<'_>, new: &NewSession) -> Result<bool, StoreError> {
    let stored: Option<(String, String, String, Option<String>)> = transaction
        .prepare_cached(
            "SELECT session_id, client_action_id, source_url, experiment_id FROM sessions
             WHERE client_action_id = ?1 OR session_id = ?2",
        )?
        .query_row(
            params![new.client_action_id.to_string(), new.session_id.to_string()],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )
        .optional()?;
    let Some((session, action, source_url, experiment_id)) = stored else {
        return Ok(false);
    };
    let is_same = session == new.session_id.to_string()
        && action == new.client_action_id.to_string()
        && source_url == new.source_url
        && experiment_id == new.experiment_id;
    if is_same {
        Ok(true)
    } else {
        Err(Conflict::ActionReused.into())
    }
}

fn open_session(transaction: &Transaction<'_>) -> Result<Option<Uuid>, StoreError> {
    Ok(transaction
        .prepare_cached("SELECT session_id FROM sessions WHERE status = 'active'")?
        .query_row([], |row| column::uuid(row, "session_id"))
        .optional()?)
}

/// Fails unless the session exists; returns whether it is open.
pub(crate) fn require(transaction: &Transaction<'_>, session_id: Uuid) -> Result<bool, StoreError> {
    transaction
        .prepare_cached("SELECT status = 'active' FROM sessions WHERE session_id = ?1")?
        .query_row([session_id.to_string()], |row| row.get(0))
        .optional()?
        .ok_or(StoreError::UnknownSession(session_id))
}

/// Closes a session once. The stamp never precedes the start, whatever the clock did.
pub(crate) fn end(
    transaction: &Transaction<'_>,
    session_id: Uuid,
    client_action_id: Option<Uuid>,
    reason: &str,
    ended_at: UtcMicros,
) -> Result<SessionEnded, StoreError> {
    column::code("end_reason", reason)?;
    let action = client_action_id.map(|id| id.to_string());
    let (started_us, ended_us, end_action): (i64, Option<i64>, Option<String>) = transaction
        .prepare_cached(
            "SELECT started_at_us, ended_at_us, end_action_id FROM sessions WHERE session_id = ?1",
        )?
        .query_row([session_id.to_string()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?
        .ok_or(StoreError::UnknownSession(session_id))?;
    if let Some(ended_us) = ended_us {
        return if action.is_some() && action == end_action {
            Ok(SessionEnded {
                ended_at: UtcMicros(ended_us),
                replayed: true,
            })
        } else {
            Err(Conflict::SessionEnded.into())
        };
    }
    let ended_us = ended_at.0.max(started_us);
    transaction.execute(
        "UPDATE sessions SET status = 'ended', ended_at_us = ?2, end_reason = ?3, end_action_id = ?4
         WHERE session_id = ?1",
        params![session_id.to_string(), ended_us, reason, action],
    )?;
    Ok(SessionEnded {
        ended_at: UtcMicros(ended_us),
        replayed: false,
    })
}

/// Records the UTC of media time zero. The first value stays; another one is refused.
pub(crate) fn set_epoch(
    transaction: &Transaction<'_>,
    session_id: Uuid,
    epoch: UtcMicros,
) -> Result<(), StoreError> {
    require(transaction, session_id)?;
    let changed = transaction.execute(
        "UPDATE sessions SET epoch_us = ?2 WHERE session_id = ?1 AND (epoch_us IS NULL OR epoch_us = ?2)",
        params![session_id.to_string(), epoch.0],
    )?;
    if changed == 1 {
        Ok(())
    } else {
        Err(StoreError::invalid(
            "epoch",
            "is already set to another instant",
        ))
    }
}

/// Stores a draw and makes its arm the session's active one. The same draw again is a no-op.
pub(crate) fn record_decision(
    transaction: &Transaction<'_>,
    session_id: Uuid,
    decision: &NewDecision,
) -> Result<i64, StoreError> {
    let snapshot = &decision.snapshot;
    check_snapshot(decision)?;
    require(transaction, session_id)?;
    let (definition, _) = experiment::require_arm(
        transaction,
        &decision.experiment_id,
        &snapshot.selected_arm_id,
    )?;
    let text = column::to_json(snapshot)?;
    let stored: Option<(i64, String)> = transaction
        .prepare_cached("SELECT decision_id, snapshot FROM decisions WHERE session_id = ?1 AND selection_time_us = ?2")?
        .query_row(params![session_id.to_string(), snapshot.selection_time_utc.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    if let Some((id, stored_text)) = stored {
        return if stored_text == text {
            Ok(id)
        } else {
            Err(Conflict::DecisionReused.into())
        };
    }
    transaction.execute(
        "INSERT INTO decisions (session_id, experiment_id, selected_arm, selection_time_us, policy_version,
                                decision_context_hash, propensity, snapshot)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            session_id.to_string(),
            decision.experiment_id,
            snapshot.selected_arm_id,
            snapshot.selection_time_utc.0,
            snapshot.policy_version,
            snapshot.decision_context_hash,
            decision.propensity,
            text,
        ],
    )?;
    let decision_id = transaction.last_insert_rowid();
    transaction.execute(
        "UPDATE sessions SET active_arm = ?2, stimulus_definition = ?3 WHERE session_id = ?1",
        params![session_id.to_string(), snapshot.selected_arm_id, definition],
    )?;
    Ok(decision_id)
}

fn check_snapshot(decision: &NewDecision) -> Result<(), StoreError> {
    if let Some(propensity) = decision.propensity
        && !(propensity > 0.0 && propensity <= 1.0)
    {
        return Err(StoreError::invalid("propensity", "must lie in (0, 1]"));
    }
    for theta in decision.snapshot.sampled_theta_by_arm.values() {
        column::unit("sampled_theta", *theta)?;
    }
    for posterior in decision.snapshot.posterior_by_arm.values() {
        let is_sound = posterior.alpha > 0.0
            && posterior.beta > 0.0
            && posterior.alpha.is_finite()
            && posterior.beta.is_finite();
        if !is_sound {
            return Err(StoreError::invalid(
                "posterior_by_arm",
                "must be positive and finite",
            ));
        }
    }
    Ok(())
}
