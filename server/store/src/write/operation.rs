//! Alerts, live state and remembered answers.

use lsie_schemas::api::{AlertKind, Severity};
use lsie_schemas::observation::CalibrationState;
use lsie_schemas::time::UtcMicros;
use rusqlite::{OptionalExtension, Transaction, params};
use serde_json::Value;
use uuid::Uuid;

use crate::column;
use crate::error::{Conflict, StoreError};
use crate::write::session;

/// How long answers are remembered, in microseconds: 24 h (api 4).
pub const ANSWER_LIFETIME_MICROS: i64 = 24 * 3600 * 1_000_000;

/// An alert to keep.
#[derive(Debug, Clone, PartialEq)]
pub struct NewAlert {
    /// Identity; the same alert is kept once.
    pub alert_id: Uuid,
    /// Weight.
    pub severity: Severity,
    /// Kind.
    pub kind: AlertKind,
    /// One sentence, 1 to 500 characters.
    pub message: String,
    /// Session concerned.
    pub session_id: Option<Uuid>,
    /// Part concerned, 1 to 64 characters.
    pub subsystem_key: Option<String>,
    /// When.
    pub emitted_at: UtcMicros,
}

/// What the next engine needs to go on with a session.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LiveState {
    /// Session.
    pub session_id: Uuid,
    /// Neutral baseline measured so far.
    pub calibration: CalibrationState,
    /// Media position reached, nanoseconds, not negative.
    pub media_ns: i64,
    /// When this was so.
    pub updated_at: UtcMicros,
}

/// Answer to remembering an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Remembered {
    /// The action was new; the answer is kept now.
    First,
    /// The action had been answered; this is what was said.
    Replayed(Value),
}

/// Keeps an alert once.
pub(crate) fn record_alert(
    transaction: &Transaction<'_>,
    alert: &NewAlert,
) -> Result<(), StoreError> {
    column::bounded("message", &alert.message, 500)?;
    if let Some(session_id) = alert.session_id {
        session::require(transaction, session_id)?;
    }
    transaction.execute(
        "INSERT INTO alerts (alert_id, severity, kind, message, session_id, subsystem_key, emitted_at_us)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (alert_id) DO NOTHING",
        params![
            alert.alert_id.to_string(),
            column::to_word(&alert.severity)?,
            column::to_word(&alert.kind)?,
            alert.message,
            alert.session_id.map(|id| id.to_string()),
            alert.subsystem_key,
            alert.emitted_at.0,
        ],
    )?;
    Ok(())
}

/// Marks an alert as seen; the first time stays.
pub(crate) fn ack_alert(
    transaction: &Transaction<'_>,
    alert_id: Uuid,
    now: UtcMicros,
) -> Result<(), StoreError> {
    let changed = transaction.execute(
        "UPDATE alerts SET acknowledged_at_us = coalesce(acknowledged_at_us, ?2) WHERE alert_id = ?1",
        params![alert_id.to_string(), now.0],
    )?;
    if changed == 1 {
        Ok(())
    } else {
        Err(StoreError::UnknownAlert(alert_id))
    }
}

/// Replaces the live state of a session.
pub(crate) fn save_live_state(
    transaction: &Transaction<'_>,
    state: &LiveState,
) -> Result<(), StoreError> {
    session::require(transaction, state.session_id)?;
    column::finite("ratio_sum", state.calibration.ratio_sum)?;
    transaction
        .prepare_cached(
            "INSERT INTO live_session_state (session_id, calibration_accepted, calibration_ratio_sum, media_ns,
                 updated_at_us)
             VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (session_id) DO UPDATE SET calibration_accepted = excluded.calibration_accepted,
                 calibration_ratio_sum = excluded.calibration_ratio_sum, media_ns = excluded.media_ns,
                 updated_at_us = excluded.updated_at_us",
        )?
        .execute(params![
            state.session_id.to_string(),
            state.calibration.accepted,
            state.calibration.ratio_sum,
            state.media_ns,
            state.updated_at.0,
        ])?;
    Ok(())
}

/// Remembers the answer to an action, or returns the one given before. Older answers than 24 h are forgotten.
pub(crate) fn remember_answer(
    transaction: &Transaction<'_>,
    client_action_id: Uuid,
    action: &str,
    answer: &Value,
    now: UtcMicros,
) -> Result<Remembered, StoreError> {
    column::bounded("action", action, 200)?;
    transaction.execute(
        "DELETE FROM idempotency WHERE created_at_us < ?1",
        [now.0.saturating_sub(ANSWER_LIFETIME_MICROS)],
    )?;
    let stored: Option<(String, Value)> = transaction
        .prepare_cached("SELECT action, answer FROM idempotency WHERE client_action_id = ?1")?
        .query_row([client_action_id.to_string()], |row| {
            Ok((row.get("action")?, column::json(row, "answer")?))
        })
        .optional()?;
    match stored {
        Some((stored_action, _)) if stored_action != action => Err(Conflict::ActionReused.into()),
        Some((_, stored_answer)) => Ok(Remembered::Replayed(stored_answer)),
        None => {
            transaction.execute(
                "INSERT INTO idempotency (client_action_id, action, answer, created_at_us) VALUES (?1, ?2, ?3, ?4)",
                params![client_action_id.to_string(), action, column::to_json(answer)?, now.0],
            )?;
            Ok(Remembered::First)
        }
    }
}
