//! Attribution ledger (contracts 6). Upserted by id: finality may advance and never regresses, `created_at` stays.

use lsie_schemas::contract::{
    AttributionEvent, AttributionScore, EventOutcomeLink, Finality, OutcomeEvent,
};
use lsie_schemas::time::UtcMicros;
use rusqlite::{Transaction, params};
use serde::Serialize;
use serde_json::Value;

use crate::column;
use crate::error::StoreError;

/// Most events that one finalising pass touches (math 13.8).
pub const FINALISE_LIMIT: u32 = 100;

/// Records of one encounter, written in the order event, outcomes, links, scores.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AttributionBatch {
    /// The stimulus interaction.
    pub event: Option<AttributionEvent>,
    /// Outcomes seen.
    pub outcomes: Vec<OutcomeEvent>,
    /// Links between them.
    pub links: Vec<EventOutcomeLink>,
    /// Numbers.
    pub scores: Vec<AttributionScore>,
}

/// Inserts or refreshes every record of the batch.
pub(crate) fn upsert(
    transaction: &Transaction<'_>,
    batch: &AttributionBatch,
) -> Result<(), StoreError> {
    if let Some(event) = &batch.event {
        upsert_event(transaction, event)?;
    }
    for outcome in &batch.outcomes {
        upsert_outcome(transaction, outcome)?;
    }
    for link in &batch.links {
        upsert_link(transaction, link)?;
    }
    for score in &batch.scores {
        upsert_score(transaction, score)?;
    }
    Ok(())
}

fn upsert_event(transaction: &Transaction<'_>, event: &AttributionEvent) -> Result<(), StoreError> {
    if let Some(p_match) = event.semantic_p_match {
        column::unit("semantic_p_match", p_match)?;
    }
    let id = event.event_id.to_string();
    let kept = kept(
        transaction,
        "attribution_event",
        "event_id",
        &id,
        event.finality,
        event.created_at,
    )?;
    transaction
        .prepare_cached(
            "INSERT INTO attribution_event (event_id, session_id, segment_id, event_type, event_time_us,
                 reward_path_version, finality, record, created_at_us)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (event_id) DO UPDATE SET event_time_us = excluded.event_time_us,
                 finality = excluded.finality, record = excluded.record",
        )?
        .execute(params![
            id,
            event.session_id.to_string(),
            event.segment_id.as_str(),
            event.event_type,
            event.event_time_utc.0,
            event.reward_path_version,
            kept.finality.as_str(),
            kept.record(event)?,
            kept.created_at.0,
        ])?;
    Ok(())
}

fn upsert_outcome(transaction: &Transaction<'_>, outcome: &OutcomeEvent) -> Result<(), StoreError> {
    column::finite("outcome_value", outcome.outcome_value)?;
    let id = outcome.outcome_id.to_string();
    let kept = kept(
        transaction,
        "outcome_event",
        "outcome_id",
        &id,
        outcome.finality,
        outcome.created_at,
    )?;
    transaction
        .prepare_cached(
            "INSERT INTO outcome_event (outcome_id, session_id, outcome_type, outcome_time_us, confidence, finality,
                 record, created_at_us)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (outcome_id) DO UPDATE SET outcome_time_us = excluded.outcome_time_us,
                 confidence = excluded.confidence, finality = excluded.finality, record = excluded.record",
        )?
        .execute(params![
            id,
            outcome.session_id.to_string(),
            outcome.outcome_type,
            outcome.outcome_time_utc.0,
            column::unit("confidence", outcome.confidence)?,
            kept.finality.as_str(),
            kept.record(outcome)?,
            kept.created_at.0,
        ])?;
    Ok(())
}

fn upsert_link(transaction: &Transaction<'_>, link: &EventOutcomeLink) -> Result<(), StoreError> {
    let id = link.link_id.to_string();
    let kept = kept(
        transaction,
        "event_outcome_link",
        "link_id",
        &id,
        link.finality,
        link.created_at,
    )?;
    transaction
        .prepare_cached(
            "INSERT INTO event_outcome_link (link_id, event_id, outcome_id, lag_s, horizon_s, link_rule_version,
                 finality, record, created_at_us)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (link_id) DO UPDATE SET lag_s = excluded.lag_s, horizon_s = excluded.horizon_s,
                 finality = excluded.finality, record = excluded.record",
        )?
        .execute(params![
            id,
            link.event_id.to_string(),
            link.outcome_id.to_string(),
            column::finite("lag_s", link.lag_s)?,
            column::finite("horizon_s", link.horizon_s)?,
            link.link_rule_version,
            kept.finality.as_str(),
            kept.record(link)?,
            kept.created_at.0,
        ])?;
    Ok(())
}

fn upsert_score(transaction: &Transaction<'_>, score: &AttributionScore) -> Result<(), StoreError> {
    column::optional_finite("score_normalized", score.score_normalized)?;
    let id = score.score_id.to_string();
    let kept = kept(
        transaction,
        "attribution_score",
        "score_id",
        &id,
        score.finality,
        score.created_at,
    )?;
    transaction
        .prepare_cached(
            "INSERT INTO attribution_score (score_id, event_id, outcome_id, attribution_method, score_raw, confidence,
                 finality, record, created_at_us)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (score_id) DO UPDATE SET outcome_id = excluded.outcome_id, score_raw = excluded.score_raw,
                 confidence = excluded.confidence, finality = excluded.finality, record = excluded.record",
        )?
        .execute(params![
            id,
            score.event_id.to_string(),
            score.outcome_id.map(|id| id.to_string()),
            score.attribution_method,
            column::optional_finite("score_raw", score.score_raw)?,
            score.confidence.map(|confidence| column::unit("confidence", confidence)).transpose()?,
            kept.finality.as_str(),
            kept.record(score)?,
            kept.created_at.0,
        ])?;
    Ok(())
}

/// Finality and first write that a record keeps over an upsert.
struct Kept {
    finality: Finality,
    created_at: UtcMicros,
}

impl Kept {
    /// The record as JSON with what is kept put in.
    fn record<T: Serialize>(&self, record: &T) -> Result<String, StoreError> {
        let mut value = serde_json::to_value(record).map_err(|cause| StoreError::Decode {
            what: "attribution record",
            reason: cause.to_string(),
        })?;
        if let Value::Object(members) = &mut value {
            members.insert("finality".to_owned(), self.finality.as_str().into());
            members.insert("created_at".to_owned(), self.created_at.to_text().into());
        }
        column::to_json(&value)
    }
}

fn kept(
    transaction: &Transaction<'_>,
    table: &str,
    key: &str,
    id: &str,
    finality: Finality,
    created_at: UtcMicros,
) -> Result<Kept, StoreError> {
    use rusqlite::OptionalExtension;
    let stored: Option<(String, i64)> = transaction
        .prepare_cached(&format!(
            "SELECT finality, created_at_us FROM {table} WHERE {key} = ?1"
        ))?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(match stored {
        Some((word, created_us)) => {
            let was_final = word == Finality::OfflineFinal.as_str();
            Kept {
                finality: if was_final {
                    Finality::OfflineFinal
                } else {
                    finality
                },
                created_at: UtcMicros(created_us),
            }
        }
        None => Kept {
            finality,
            created_at,
        },
    })
}

/// Makes provisional events at or before `horizon_end` final, with their links, scores and outcomes; oldest first,
/// at most [`FINALISE_LIMIT`]. Returns how many events became final.
pub(crate) fn finalise(
    transaction: &Transaction<'_>,
    horizon_end: UtcMicros,
) -> Result<u32, StoreError> {
    let events: Vec<String> = transaction
        .prepare_cached(
            "SELECT event_id FROM attribution_event WHERE finality = 'online_provisional' AND event_time_us <= ?1
             ORDER BY event_time_us, event_id LIMIT ?2",
        )?
        .query_map(params![horizon_end.0, FINALISE_LIMIT], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for event_id in &events {
        for (table, condition) in [
            ("attribution_event", "event_id = ?1"),
            (
                "outcome_event",
                "outcome_id IN (SELECT outcome_id FROM event_outcome_link WHERE event_id = ?1)",
            ),
            ("event_outcome_link", "event_id = ?1"),
            ("attribution_score", "event_id = ?1"),
        ] {
            transaction
                .prepare_cached(&format!(
                    "UPDATE {table} SET finality = 'offline_final',
                         record = json_set(record, '$.finality', 'offline_final') WHERE {condition}"
                ))?
                .execute([event_id])?;
        }
    }
    Ok(events.len() as u32)
}
