//! Stimuli: asked for by the operator, timed by the media plane, closed by an encounter.
//!
//! ```text
//! planned ─┐
//! issued ──┴▶ measuring ─▶ analysing ─▶ awaiting_attestation ─▶ completed (with its encounter)
//!    └───────────┴────────────┴──────────────────┴────────────▶ failed (reason code)
//! ```

use lsie_schemas::time::UtcMicros;
use rusqlite::{OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::column;
use crate::error::{Conflict, StoreError};
use crate::write::session;

/// Where a stimulus stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StimulusState {
    /// Known in advance, not due yet.
    Planned,
    /// Accepted, no time yet.
    Issued,
    /// Timed; its measurement window is open.
    Measuring,
    /// Window closed, waiting for the segment's evidence.
    Analysing,
    /// Waiting for the operator to say whether it was delivered.
    AwaitingAttestation,
    /// Its encounter is committed.
    Completed,
    /// Closed without an encounter.
    Failed,
}

/// A stimulus to record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewStimulus {
    /// Identity.
    pub stimulus_id: Uuid,
    /// Session; must be open.
    pub session_id: Uuid,
    /// The operator's action; a repeat gets the first answer.
    pub client_action_id: Uuid,
    /// Arm in force.
    pub arm: Option<String>,
    /// Operator's remark, at most 500 characters.
    pub operator_note: Option<String>,
    /// Remark of the answer, at most 500 characters; replayed with it.
    pub message: Option<String>,
    /// Instant of acceptance.
    pub accepted_at: UtcMicros,
    /// Known in advance: starts as `planned` and may stand beside a measured one.
    pub is_planned: bool,
}

/// Answer to recording a stimulus; a repeat of the action gets the same one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StimulusRecorded {
    /// Identity given first.
    pub stimulus_id: Uuid,
    /// First acceptance.
    pub accepted_at: UtcMicros,
    /// Time on the session clock, when stamped meanwhile.
    pub stimulus_time: Option<UtcMicros>,
    /// Remark of the first answer.
    pub message: Option<String>,
    /// True when the action had been answered before.
    pub replayed: bool,
}

/// Records a stimulus once per action.
pub(crate) fn record(
    transaction: &Transaction<'_>,
    new: &NewStimulus,
) -> Result<StimulusRecorded, StoreError> {
    for (field, text) in [
        ("operator_note", &new.operator_note),
        ("message", &new.message),
    ] {
        if text.as_ref().is_some_and(|text| text.chars().count() > 500) {
            return Err(StoreError::invalid(field, "is too long"));
        }
    }
    if let Some(first) = first_answer(transaction, new)? {
        return Ok(first);
    }
    if !session::require(transaction, new.session_id)? {
        return Err(Conflict::SessionEnded.into());
    }
    if !new.is_planned
        && let Some(open) = measured_stimulus(transaction, new.session_id)?
    {
        return Err(Conflict::StimulusOpen { open }.into());
    }
    let state = if new.is_planned {
        StimulusState::Planned
    } else {
        StimulusState::Issued
    };
    transaction.execute(
        "INSERT INTO stimuli (stimulus_id, session_id, client_action_id, arm, operator_note, message, accepted_at_us,
                              state)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            new.stimulus_id.to_string(),
            new.session_id.to_string(),
            new.client_action_id.to_string(),
            new.arm,
            new.operator_note,
            new.message,
            new.accepted_at.0,
            column::to_word(&state)?,
        ],
    )?;
    Ok(StimulusRecorded {
        stimulus_id: new.stimulus_id,
        accepted_at: new.accepted_at,
        stimulus_time: None,
        message: new.message.clone(),
        replayed: false,
    })
}

fn first_answer(
    transaction: &Transaction<'_>,
    new: &NewStimulus,
) -> Result<Option<StimulusRecorded>, StoreError> {
    let stored = transaction
        .prepare_cached(
            "SELECT stimulus_id, session_id, message, accepted_at_us, stimulus_time_us FROM stimuli
             WHERE client_action_id = ?1",
        )?
        .query_row([new.client_action_id.to_string()], |row| {
            let answer = StimulusRecorded {
                stimulus_id: column::uuid(row, "stimulus_id")?,
                accepted_at: column::instant(row, "accepted_at_us")?,
                stimulus_time: column::optional_instant(row, "stimulus_time_us")?,
                message: row.get("message")?,
                replayed: true,
            };
            Ok((column::uuid(row, "session_id")?, answer))
        })
        .optional()?;
    match stored {
        Some((session_id, _)) if session_id != new.session_id => Err(Conflict::ActionReused.into()),
        Some((_, answer)) => Ok(Some(answer)),
        None => Ok(None),
    }
}

fn measured_stimulus(
    transaction: &Transaction<'_>,
    session_id: Uuid,
) -> Result<Option<Uuid>, StoreError> {
    Ok(transaction
        .prepare_cached(
            "SELECT stimulus_id FROM stimuli WHERE session_id = ?1 AND state IN ('issued', 'measuring') LIMIT 1",
        )?
        .query_row([session_id.to_string()], |row| column::uuid(row, "stimulus_id"))
        .optional()?)
}

/// Gives a stimulus its time on the session clock and opens its window. The same time again is a no-op.
pub(crate) fn stamp(
    transaction: &Transaction<'_>,
    stimulus_id: Uuid,
    stimulus_time: UtcMicros,
    arm: Option<&str>,
) -> Result<(), StoreError> {
    let (state, time_us) = current(transaction, stimulus_id)?;
    if time_us == Some(stimulus_time.0) {
        return Ok(());
    }
    if time_us.is_some() || !matches!(state, StimulusState::Planned | StimulusState::Issued) {
        return Err(Conflict::StimulusClosed.into());
    }
    transaction.execute(
        "UPDATE stimuli SET stimulus_time_us = ?2, arm = coalesce(?3, arm), state = 'measuring' WHERE stimulus_id = ?1",
        params![stimulus_id.to_string(), stimulus_time.0, arm],
    )?;
    Ok(())
}

/// Moves a timed stimulus forward to `Analysing` or `AwaitingAttestation`; `Completed` comes with the encounter only.
pub(crate) fn advance(
    transaction: &Transaction<'_>,
    stimulus_id: Uuid,
    state: StimulusState,
) -> Result<(), StoreError> {
    if !matches!(
        state,
        StimulusState::Analysing | StimulusState::AwaitingAttestation
    ) {
        return Err(StoreError::invalid(
            "state",
            "must be analysing or awaiting_attestation",
        ));
    }
    let (now, _) = current(transaction, stimulus_id)?;
    if now == state {
        return Ok(());
    }
    let is_forward = matches!(
        (now, state),
        (StimulusState::Measuring, _)
            | (StimulusState::Analysing, StimulusState::AwaitingAttestation)
    );
    if !is_forward {
        return Err(Conflict::StimulusClosed.into());
    }
    set_state(transaction, stimulus_id, state, None)
}

/// Closes a stimulus without an encounter. A closed one is refused.
pub(crate) fn fail(
    transaction: &Transaction<'_>,
    stimulus_id: Uuid,
    reason: &str,
) -> Result<(), StoreError> {
    column::code("failure_reason", reason)?;
    let (state, _) = current(transaction, stimulus_id)?;
    match state {
        StimulusState::Completed => Err(Conflict::StimulusClosed.into()),
        StimulusState::Failed => Ok(()),
        _ => set_state(
            transaction,
            stimulus_id,
            StimulusState::Failed,
            Some(reason),
        ),
    }
}

/// Closes a stimulus together with its encounter.
pub(crate) fn complete(transaction: &Transaction<'_>, stimulus_id: Uuid) -> Result<(), StoreError> {
    let (state, _) = current(transaction, stimulus_id)?;
    if matches!(state, StimulusState::Failed | StimulusState::Completed) {
        return Err(Conflict::StimulusClosed.into());
    }
    set_state(transaction, stimulus_id, StimulusState::Completed, None)
}

fn set_state(
    transaction: &Transaction<'_>,
    stimulus_id: Uuid,
    state: StimulusState,
    reason: Option<&str>,
) -> Result<(), StoreError> {
    transaction.execute(
        "UPDATE stimuli SET state = ?2, failure_reason = ?3 WHERE stimulus_id = ?1",
        params![stimulus_id.to_string(), column::to_word(&state)?, reason],
    )?;
    Ok(())
}

fn current(
    transaction: &Transaction<'_>,
    stimulus_id: Uuid,
) -> Result<(StimulusState, Option<i64>), StoreError> {
    transaction
        .prepare_cached("SELECT state, stimulus_time_us FROM stimuli WHERE stimulus_id = ?1")?
        .query_row([stimulus_id.to_string()], |row| {
            Ok((column::word(row, "state")?, row.get("stimulus_time_us")?))
        })
        .optional()?
        .ok_or(StoreError::UnknownStimulus(stimulus_id))
}
