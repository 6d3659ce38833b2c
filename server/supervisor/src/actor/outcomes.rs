//! Outcomes of platform events, their links to stimuli, and when the records become final (math 13.2, 13.3, 13.8).
//!
//! Outcomes and commits pass through the same task: an outcome that arrives before the commit is found by the commit, a later
//! one finds the event.

use lsie_analytics::attribution::{
    DEFAULT_HORIZON_SECS, FINALITY_PER_PASS, FoundOutcome, KnownEvent, link_late_outcome,
    outcome_of_live_event,
};
use lsie_schemas::api::{EventType, PlatformEvent, PlatformEventAccepted};
use lsie_schemas::time::UtcMicros;
use lsie_store::{AttributionBatch, StoreError};
use serde_json::Value;
use uuid::Uuid;

use super::{Actor, utc_now};
use crate::error::SupervisorError;

/// Largest event as JSON text, bytes (contracts 9).
const MAX_EVENT_BYTES: usize = 16 * 1024;
/// Longest text in an event, characters (contracts 9).
const MAX_TEXT: usize = 2000;
/// Outcomes a commit looks at; later ones than these are linked by nobody. A stream has a few follows a minute.
const MAX_OUTCOMES: u32 = 1000;
/// Newest events an outcome is linked to.
const MAX_EVENTS: u32 = 2000;
const HORIZON_MICROS: i64 = (DEFAULT_HORIZON_SECS * 1e6) as i64;

impl Actor {
    pub(super) async fn on_platform_event(
        &mut self,
        session_id: Uuid,
        event: &PlatformEvent,
    ) -> Result<PlatformEventAccepted, SupervisorError> {
        check(event)?;
        if self
            .reader
            .read_later(move |view| view.session(session_id))
            .await?
            .is_none()
        {
            return Err(SupervisorError::SessionNotFound(session_id));
        }
        let now = utc_now();
        let nothing = PlatformEventAccepted {
            session_id,
            accepted: true,
            received_at_utc: now,
            outcome_id: None,
            linked_events: 0,
        };
        let members = serde_json::to_value(event).unwrap_or_default();
        let Some(found) = members.as_object().and_then(outcome_of_live_event) else {
            return Ok(nothing);
        };
        let events = self.known_events(session_id, found.time_utc).await?;
        let late = link_late_outcome(session_id, &found, &events, DEFAULT_HORIZON_SECS, now)?;
        let Some(late) = late else {
            return Err(SupervisorError::Invalid {
                field: "payload",
                reason: "the name of the event must not contain `|`".into(),
            });
        };
        let answer = PlatformEventAccepted {
            outcome_id: Some(late.outcome.outcome_id),
            linked_events: u32::try_from(late.links.len()).unwrap_or(u32::MAX),
            ..nothing
        };
        let batch = AttributionBatch {
            event: None,
            outcomes: vec![late.outcome],
            links: late.links,
            scores: late.scores,
        };
        let written = self.writer.upsert_attribution(batch).await;
        self.note_write(&written);
        written?;
        self.mark(&[EventType::Encounters, EventType::Overview]);
        Ok(answer)
    }

    /// Events an outcome at `time` may be owed to.
    async fn known_events(
        &self,
        session_id: Uuid,
        time: UtcMicros,
    ) -> Result<Vec<KnownEvent>, StoreError> {
        let from = UtcMicros(time.0.saturating_sub(HORIZON_MICROS));
        let rows = self
            .reader
            .read_later(move |view| view.ledger_events(session_id, from, time, MAX_EVENTS))
            .await?;
        let known = rows.into_iter().map(|row| KnownEvent {
            event_id: row.event_id,
            event_time_utc: row.event_time,
            unowed_scores: if row.has_outcome {
                Vec::new()
            } else {
                row.unowed_scores
            },
        });
        Ok(known.collect())
    }

    /// Outcomes of the session at or after a stimulus, oldest first; none without a stimulus time.
    pub(super) async fn outcomes_since(
        &self,
        session_id: Uuid,
        stimulus_time_s: Option<f64>,
    ) -> Result<Vec<FoundOutcome>, StoreError> {
        let Some(since) = stimulus_time_s.and_then(UtcMicros::from_epoch_secs) else {
            return Ok(Vec::new());
        };
        let recorded = self
            .reader
            .read_later(move |view| view.outcomes(session_id, since, MAX_OUTCOMES))
            .await?;
        Ok(recorded.iter().map(FoundOutcome::from).collect())
    }

    /// Makes records final whose horizon is over; what one pass leaves waits for the next.
    pub(super) async fn finalise(&mut self) {
        let horizon_end = UtcMicros(utc_now().0.saturating_sub(HORIZON_MICROS));
        match self.writer.finalise_attribution(horizon_end).await {
            Ok(0) => {}
            Ok(events) => {
                tracing::info!(events, most = FINALITY_PER_PASS, "attribution is final");
                self.mark(&[EventType::Encounters, EventType::Overview]);
            }
            Err(error) => self.note_write(&Err(error)),
        }
    }
}

/// Bounds of an event that nobody vouches for.
fn check(event: &PlatformEvent) -> Result<(), SupervisorError> {
    let refuse =
        |field: &'static str, reason: String| Err(SupervisorError::Invalid { field, reason });
    let kind = event.event_type.trim();
    if kind.is_empty() || kind.chars().count() > 64 {
        return refuse("event_type", "must be 1 to 64 characters".into());
    }
    let members = serde_json::to_value(event).unwrap_or_default();
    if members.to_string().len() > MAX_EVENT_BYTES {
        return refuse("payload", format!("at most {MAX_EVENT_BYTES} bytes"));
    }
    if has_long_text(&members) {
        return refuse(
            "payload",
            format!("texts have at most {MAX_TEXT} characters"),
        );
    }
    Ok(())
}

/// Depth is bounded by the parser.
fn has_long_text(value: &Value) -> bool {
    match value {
        Value::String(text) => text.chars().count() > MAX_TEXT,
        Value::Array(items) => items.iter().any(has_long_text),
        Value::Object(members) => members.values().any(has_long_text),
        _ => false,
    }
}
