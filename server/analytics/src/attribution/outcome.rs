//! Reading outcomes out of loose platform objects (math 13.2). The objects are untrusted: nothing is assumed of them.

use lsie_schemas::contract::{AttributionInputs, OutcomeEvent};
use lsie_schemas::id::SegmentId;
use lsie_schemas::time::UtcMicros;
use serde_json::{Map, Value};

use crate::statistics::clamp01;

const ALIASES: [&str; 4] = ["follow", "user_follow", "followevent", "creator_follow"];
const LIVE_ALIASES: [&str; 3] = ["creatorfollow", "userfollow", "followevent"];
const PLATFORM_SOURCE: &str = "tiktok_webcast";
const SEGMENT_SOURCE: &str = "module_e_metrics";
const OUTCOME_TYPE: &str = "creator_follow";

/// An outcome before it has ledger ids.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundOutcome {
    /// Value, 1.0 unless given.
    pub value: f64,
    /// When it happened.
    pub time_utc: UtcMicros,
    /// Where it was seen.
    pub source_system: String,
    /// Its name there.
    pub source_event_ref: Option<String>,
    /// Confidence in [0, 1].
    pub confidence: f64,
}

impl From<&OutcomeEvent> for FoundOutcome {
    /// A recorded outcome gives the same identity again.
    fn from(recorded: &OutcomeEvent) -> Self {
        Self {
            value: recorded.outcome_value,
            time_utc: recorded.outcome_time_utc,
            source_system: recorded.source_system.clone(),
            source_event_ref: recorded.source_event_ref.clone(),
            confidence: recorded.confidence,
        }
    }
}

/// The outcomes of a result's typed inputs, in reading order.
pub fn outcomes_from_inputs(
    inputs: &AttributionInputs,
    segment_time_utc: UtcMicros,
    segment_id: &SegmentId,
) -> Vec<FoundOutcome> {
    let mut found: Vec<FoundOutcome> = inputs
        .outcome_event
        .iter()
        .filter_map(read_outcome)
        .collect();
    found.extend(
        inputs
            .outcome_events
            .iter()
            .flatten()
            .filter_map(read_outcome),
    );
    if inputs.creator_follow == Some(true) {
        found.push(follow_in_segment(segment_time_utc, segment_id));
    }
    found
}

/// The outcomes of a loose metrics object, in the fixed reading order of its keys.
pub fn outcomes_from_object(
    metrics: &Map<String, Value>,
    segment_time_utc: UtcMicros,
    segment_id: &SegmentId,
) -> Vec<FoundOutcome> {
    const KEYS: [&str; 7] = [
        "_outcome_event",
        "outcome_event",
        "_creator_follow_outcome",
        "_attribution_outcome",
        "_outcome_events",
        "outcome_events",
        "_creator_follow",
    ];
    let mut found = Vec::new();
    for key in KEYS {
        match metrics.get(key) {
            Some(Value::Object(object)) => found.extend(read_outcome(object)),
            Some(Value::Array(list)) => found.extend(
                list.iter()
                    .filter_map(Value::as_object)
                    .filter_map(read_outcome),
            ),
            Some(Value::Bool(true)) if key == "_creator_follow" => {
                found.push(follow_in_segment(segment_time_utc, segment_id));
            }
            _ => {}
        }
    }
    found
}

/// The outcome object of a live platform event, `None` for any other event type.
///
/// The time is passed on as written and may be null: the ledger decides whether it can be used.
pub fn outcome_from_live_event(event: &Map<String, Value>) -> Option<Map<String, Value>> {
    let kind = event.get("event_type")?.as_str()?.trim().to_lowercase();
    let squeezed: String = kind.chars().filter(|c| *c != '_').collect();
    if !ALIASES.contains(&kind.as_str()) && !LIVE_ALIASES.contains(&squeezed.as_str()) {
        return None;
    }
    let payload = event.get("payload").and_then(Value::as_object);
    let in_payload = |key: &str| payload.and_then(|p| text_of(p, key));
    let reference = in_payload("event_id")
        .or_else(|| in_payload("message_id"))
        .or_else(|| in_payload("msg_id"))
        .or_else(|| text_of(event, "event_id"));
    let passed_on = |key: &str| event.get(key).cloned().unwrap_or(Value::Null);
    let mut outcome = Map::new();
    outcome.insert("session_id".to_owned(), passed_on("session_id"));
    outcome.insert("outcome_type".to_owned(), OUTCOME_TYPE.into());
    outcome.insert("outcome_value".to_owned(), 1.0.into());
    outcome.insert("outcome_time_utc".to_owned(), passed_on("timestamp_utc"));
    outcome.insert("source_system".to_owned(), PLATFORM_SOURCE.into());
    outcome.insert(
        "source_event_ref".to_owned(),
        reference.map_or(Value::Null, Value::from),
    );
    outcome.insert("confidence".to_owned(), 1.0.into());
    Some(outcome)
}

/// The outcome of a live platform event; `None` for another type or a time that cannot be read.
pub fn outcome_of_live_event(event: &Map<String, Value>) -> Option<FoundOutcome> {
    read_outcome(&outcome_from_live_event(event)?)
}

fn follow_in_segment(segment_time_utc: UtcMicros, segment_id: &SegmentId) -> FoundOutcome {
    FoundOutcome {
        value: 1.0,
        time_utc: segment_time_utc,
        source_system: SEGMENT_SOURCE.to_owned(),
        source_event_ref: Some(segment_id.as_str().to_owned()),
        confidence: 1.0,
    }
}

/// Reads one outcome object; `None` for a foreign type or an unusable time.
fn read_outcome(object: &Map<String, Value>) -> Option<FoundOutcome> {
    let kind = text_of(object, "outcome_type").or_else(|| text_of(object, "event_type"))?;
    if !ALIASES.contains(&kind.trim().to_lowercase().as_str()) {
        return None;
    }
    let time = ["outcome_time_utc", "timestamp_utc", "event_time_utc"]
        .iter()
        .find_map(|key| text_of(object, key))?;
    let in_payload = object
        .get("payload")
        .and_then(Value::as_object)
        .and_then(|p| text_of(p, "event_id"));
    let source_event_ref = ["source_event_ref", "event_id", "message_id"]
        .iter()
        .find_map(|key| text_of(object, key))
        .or(in_payload);
    let number = |key: &str| {
        object
            .get(key)
            .and_then(Value::as_f64)
            .filter(|v| v.is_finite())
    };
    Some(FoundOutcome {
        value: number("outcome_value").unwrap_or(1.0),
        time_utc: UtcMicros::parse(&time).ok()?,
        source_system: text_of(object, "source_system")
            .unwrap_or_else(|| PLATFORM_SOURCE.to_owned()),
        source_event_ref,
        confidence: clamp01(number("confidence").unwrap_or(1.0)),
    })
}

/// Non-empty text or a whole number under a key, as text.
fn text_of(object: &Map<String, Value>, key: &str) -> Option<String> {
    match object.get(key)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: &Value) -> Option<FoundOutcome> {
        read_outcome(value.as_object().unwrap())
    }

    #[test]
    fn aliases_meet_in_any_case_and_strangers_do_not() {
        assert!(
            read(&json!({"event_type": " User_Follow ", "timestamp_utc": "2026-01-01T00:00:00Z"}))
                .is_some()
        );
        for kind in [json!("gift"), json!(""), json!(7), json!(null)] {
            assert_eq!(
                read(&json!({"outcome_type": kind, "timestamp_utc": "2026-01-01T00:00:00Z"})),
                None
            );
        }
    }

    #[test]
    fn an_outcome_without_a_usable_time_is_ignored() {
        for time in [
            json!("soon"),
            json!(""),
            json!(true),
            json!(null),
            json!("2026-01-01T00:00:00"),
        ] {
            assert_eq!(
                read(&json!({"outcome_type": "follow", "outcome_time_utc": time})),
                None
            );
        }
    }

    #[test]
    fn a_follow_flag_is_an_outcome_at_the_segment() {
        let id = SegmentId::new("0".repeat(64)).unwrap();
        let metrics = json!({"_creator_follow": true, "outcome_events": [1, {"outcome_type": "follow", "timestamp_utc": "1970-01-01T00:00:00Z"}]});
        let found = outcomes_from_object(metrics.as_object().unwrap(), UtcMicros(5), &id);
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[1].time_utc, found[1].source_system.as_str()),
            (UtcMicros(5), SEGMENT_SOURCE)
        );
        let inputs = AttributionInputs {
            outcome_event: None,
            outcome_events: None,
            creator_follow: Some(true),
        };
        assert_eq!(
            outcomes_from_inputs(&inputs, UtcMicros(5), &id),
            vec![found[1].clone()]
        );
    }

    #[test]
    fn other_live_events_are_no_outcome() {
        for event in [
            json!({}),
            json!({"event_type": 3}),
            json!({"event_type": "share"}),
            json!({"event_type": "followers"}),
        ] {
            assert_eq!(outcome_from_live_event(event.as_object().unwrap()), None);
        }
    }
}
