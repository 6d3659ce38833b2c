//! An outcome that arrives after the stimuli it may be owed to were recorded (math 13.3, 13.7).

use lsie_schemas::contract::{AttributionScore, EventOutcomeLink, OutcomeEvent};
use lsie_schemas::id::attribution_score_id;
use lsie_schemas::time::UtcMicros;
use uuid::Uuid;

use super::ledger::{link_of, outcome_of, separator};
use super::outcome::FoundOutcome;
use crate::error::AnalyticsError;

/// A recorded event as far as linking needs it.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownEvent {
    /// Ledger id.
    pub event_id: Uuid,
    /// Instant lags are counted from.
    pub event_time_utc: UtcMicros,
    /// Its scores without an outcome; empty once an outcome was linked, because the first one stays.
    pub unowed_scores: Vec<AttributionScore>,
}

/// The records a late outcome adds, to be upserted together.
#[derive(Debug, Clone, PartialEq)]
pub struct LateOutcome {
    /// The outcome, linked or not.
    pub outcome: OutcomeEvent,
    /// One link for every event inside the horizon.
    pub links: Vec<EventOutcomeLink>,
    /// The scores of events whose first outcome this is.
    pub scores: Vec<AttributionScore>,
}

/// Links an outcome to the events of its session; same input, same ids.
///
/// `None` when a foreign name contains `|` and cannot be part of an identity.
pub fn link_late_outcome(
    session_id: Uuid,
    found: &FoundOutcome,
    events: &[KnownEvent],
    horizon_secs: f64,
    created_at: UtcMicros,
) -> Result<Option<LateOutcome>, AnalyticsError> {
    if !(horizon_secs > 0.0 && horizon_secs.is_finite()) {
        return Err(AnalyticsError::NotFinite { what: "horizon" });
    }
    let Some(outcome) = outcome_of(session_id, found, created_at) else {
        return Ok(None);
    };
    let (mut links, mut scores) = (Vec::new(), Vec::new());
    for event in events {
        let times = (event.event_id, event.event_time_utc);
        let Some(link) = link_of(times, &outcome, horizon_secs, created_at)? else {
            continue;
        };
        links.push(link);
        for score in &event.unowed_scores {
            scores.push(owed(score, outcome.outcome_id, created_at)?);
        }
    }
    Ok(Some(LateOutcome {
        outcome,
        links,
        scores,
    }))
}

/// The same number, carried by an outcome.
fn owed(
    score: &AttributionScore,
    outcome_id: Uuid,
    created_at: UtcMicros,
) -> Result<AttributionScore, AnalyticsError> {
    let (method, version) = (&score.attribution_method, &score.method_version);
    Ok(AttributionScore {
        score_id: attribution_score_id(&score.event_id, Some(&outcome_id), method, version)
            .map_err(|_| separator("version"))?,
        outcome_id: Some(outcome_id),
        created_at,
        ..score.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UtcMicros = UtcMicros(1_775_037_600_000_000);

    fn follow(offset_secs: i64) -> FoundOutcome {
        FoundOutcome {
            value: 1.0,
            time_utc: NOW.plus_micros(offset_secs * 1_000_000),
            source_system: "tiktok_webcast".to_owned(),
            source_event_ref: Some("m-88".to_owned()),
            confidence: 1.0,
        }
    }

    fn event(n: u128, offset_secs: i64) -> KnownEvent {
        KnownEvent {
            event_id: Uuid::from_u128(n),
            event_time_utc: NOW.plus_micros(offset_secs * 1_000_000),
            unowed_scores: Vec::new(),
        }
    }

    #[test]
    fn events_at_or_before_the_outcome_and_inside_the_horizon_are_linked() {
        let events = [event(1, 0), event(2, 100), event(3, 101), event(4, -101)];
        let late = link_late_outcome(Uuid::nil(), &follow(100), &events, 200.0, NOW);
        let late = late.unwrap().unwrap();
        let linked: Vec<_> = late.links.iter().map(|l| (l.event_id, l.lag_s)).collect();
        let [first, second] = [(1, 100.0), (2, 0.0)].map(|(n, lag)| (Uuid::from_u128(n), lag));
        assert_eq!(linked, [first, second]);
        assert!(late.scores.is_empty());
    }

    #[test]
    fn a_name_that_cannot_be_part_of_an_identity_is_refused() {
        let mut found = follow(0);
        found.source_event_ref = Some("a|b".to_owned());
        let refused = link_late_outcome(Uuid::nil(), &found, &[], 1.0, NOW);
        assert_eq!(refused, Ok(None));
        assert!(link_late_outcome(Uuid::nil(), &follow(0), &[], f64::NAN, NOW).is_err());
    }
}
