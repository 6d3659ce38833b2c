//! Deterministic identifiers (math 1.9, 1.10, 3.5, 7.8, 13.1; contracts 7.6).
//!
//! Every identifier is a pure function of what it names, so a retry, a replay or another process finds the same one.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::text::{float_text, hex_lower, is_sha256_hex, sha256_hex};
use crate::time::UtcMicros;

/// Why an identifier cannot be formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// A part contains `|`, which would make two different part lists share a name (math 1.9).
    #[error("an identity part contains the separator `|`")]
    Separator,
    /// The text is not 64 lowercase hex digits.
    #[error("not 64 lowercase hex digits")]
    Hex,
}

/// Identity of a segment: SHA-256 over session and window (math 3.5). Always 64 lowercase hex digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId(String);

/// One part of a UUIDv5 name; the variant decides its text (math 1.9).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Part<'a> {
    /// `<null>`.
    Null,
    /// The text itself.
    Text(&'a str),
    /// CUT text.
    Instant(UtcMicros),
    /// Lowercase hyphenated form.
    Uuid(&'a Uuid),
    /// Float text, or `<nonfinite>`.
    Float(f64),
    /// Plain digits.
    Int(i64),
    /// `True` or `False`.
    Bool(bool),
}

impl SegmentId {
    /// Takes text that must be exactly 64 lowercase hex digits.
    pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
        let text = text.into();
        if is_sha256_hex(&text) {
            Ok(Self(text))
        } else {
            Err(IdError::Hex)
        }
    }

    /// The 64 hex digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for SegmentId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for SegmentId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::new(text)
    }
}

impl Serialize for SegmentId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SegmentId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl JsonSchema for SegmentId {
    fn schema_name() -> Cow<'static, str> {
        "SegmentId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^[0-9a-f]{64}$"})
    }
}

impl<'a> Part<'a> {
    /// Text or `<null>`.
    #[must_use]
    pub fn optional_text(text: Option<&'a str>) -> Self {
        text.map_or(Self::Null, Self::Text)
    }

    fn text(self) -> Cow<'a, str> {
        match self {
            Self::Null => "<null>".into(),
            Self::Text(text) => text.into(),
            Self::Instant(instant) => instant.to_text().into(),
            Self::Uuid(uuid) => uuid.hyphenated().to_string().into(),
            Self::Float(value) if value.is_finite() => float_text(value).into(),
            Self::Float(_) => "<nonfinite>".into(),
            Self::Int(value) => value.to_string().into(),
            Self::Bool(true) => "True".into(),
            Self::Bool(false) => "False".into(),
        }
    }
}

/// Namespace of ledger identifiers, shared with earlier records (math 1.9).
#[must_use]
pub fn attribution_namespace() -> Uuid {
    static NAMESPACE: LazyLock<Uuid> = LazyLock::new(|| {
        Uuid::new_v5(
            &Uuid::NAMESPACE_URL,
            b"urn:lsie-mlf:attribution-ledger:v3.4",
        )
    });
    *NAMESPACE
}

/// Namespace of posterior-delta events, shared with earlier records (math 1.9).
#[must_use]
pub fn posterior_namespace() -> Uuid {
    static NAMESPACE: LazyLock<Uuid> = LazyLock::new(|| {
        Uuid::new_v5(
            &Uuid::NAMESPACE_URL,
            b"urn:lsie-mlf:cloud:posterior-delta-event:v4",
        )
    });
    *NAMESPACE
}

/// Joins a UUIDv5 name `kind|part|part...` without checking for separators; [`uuid5_parts`] is the checked way.
#[must_use]
pub fn uuid5_name(kind: &str, parts: &[Part<'_>]) -> String {
    let mut name = kind.to_owned();
    for part in parts {
        name.push('|');
        name.push_str(&part.text());
    }
    name
}

/// UUIDv5 over `kind|part|part...`. A part with `|` in it is refused.
pub fn uuid5_parts(namespace: &Uuid, kind: &str, parts: &[Part<'_>]) -> Result<Uuid, IdError> {
    let ambiguous = kind.contains('|')
        || parts
            .iter()
            .any(|part| matches!(part, Part::Text(text) if text.contains('|')));
    if ambiguous {
        return Err(IdError::Separator);
    }
    Ok(Uuid::new_v5(namespace, uuid5_name(kind, parts).as_bytes()))
}

/// UUID from the first 16 bytes of SHA-256(text), marked as version 4 (math 1.10).
#[must_use]
pub fn digest_uuid(text: &str) -> Uuid {
    let digest = Sha256::digest(text.as_bytes());
    let mut bytes = [0_u8; 16];
    bytes
        .iter_mut()
        .zip(digest.iter())
        .for_each(|(to, from)| *to = *from);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

/// Text whose digest is the segment id (math 3.5).
#[must_use]
pub fn segment_id_material(
    session_id: &Uuid,
    window_start_utc: UtcMicros,
    window_end_utc: UtcMicros,
) -> String {
    format!(
        "{}|{}|{}",
        session_id.hyphenated(),
        window_start_utc.to_text(),
        window_end_utc.to_text()
    )
}

/// Segment id of a window of a session (math 3.5).
#[must_use]
pub fn segment_id(
    session_id: &Uuid,
    window_start_utc: UtcMicros,
    window_end_utc: UtcMicros,
) -> SegmentId {
    SegmentId(sha256_hex(
        segment_id_material(session_id, window_start_utc, window_end_utc).as_bytes(),
    ))
}

/// Session id of a create request, so that retries meet the same session (math 1.10).
#[must_use]
pub fn session_id_for_action(client_action_id: &Uuid) -> Uuid {
    digest_uuid(&format!("session:{}", client_action_id.hyphenated()))
}

/// Message id of the analytics result of a segment (math 1.10).
#[must_use]
pub fn analytics_message_id(segment_id: &SegmentId) -> Uuid {
    digest_uuid(&format!("analytics-result:{segment_id}"))
}

/// Message id of one visual analytics state. `iso` is the instant with a numeric offset,
/// as [`UtcMicros::to_offset_text`] writes it (math 1.10).
#[must_use]
pub fn visual_state_message_id(session_id: &Uuid, status: &str, iso: &str, sequence: u64) -> Uuid {
    digest_uuid(&format!(
        "visual-state:{}:{status}:{iso}:{sequence}",
        session_id.hyphenated()
    ))
}

/// Event id of a posterior delta (math 7.8).
#[must_use]
pub fn posterior_event_id(
    client_id: &str,
    segment_id: &SegmentId,
    experiment_id: i64,
    arm_id: &str,
) -> Uuid {
    let name = format!("{client_id}:{segment_id}:{experiment_id}:{arm_id}");
    Uuid::new_v5(&posterior_namespace(), name.as_bytes())
}

/// Ledger id of an attribution event (math 13.1).
pub fn attribution_event_id(
    session_id: &Uuid,
    segment_id: &SegmentId,
    event_type: &str,
    reward_path_version: &str,
) -> Result<Uuid, IdError> {
    let parts = [
        Part::Uuid(session_id),
        Part::Text(segment_id.as_str()),
        Part::Text(event_type),
        Part::Text(reward_path_version),
    ];
    uuid5_parts(&attribution_namespace(), "attribution_event", &parts)
}

/// Ledger id of an outcome (math 13.1). The reference comes from a platform and may be refused for its `|`.
pub fn outcome_event_id(
    session_id: &Uuid,
    outcome_type: &str,
    outcome_time_utc: UtcMicros,
    source_system: &str,
    source_event_ref: Option<&str>,
) -> Result<Uuid, IdError> {
    let parts = [
        Part::Uuid(session_id),
        Part::Text(outcome_type),
        Part::Instant(outcome_time_utc),
        Part::Text(source_system),
        Part::optional_text(source_event_ref),
    ];
    uuid5_parts(&attribution_namespace(), "outcome_event", &parts)
}

/// Ledger id of a link between an event and an outcome (math 13.1).
pub fn event_outcome_link_id(
    event_id: &Uuid,
    outcome_id: &Uuid,
    link_rule_version: &str,
) -> Result<Uuid, IdError> {
    let parts = [
        Part::Uuid(event_id),
        Part::Uuid(outcome_id),
        Part::Text(link_rule_version),
    ];
    uuid5_parts(&attribution_namespace(), "event_outcome_link", &parts)
}

/// Ledger id of one attribution score (math 13.1).
pub fn attribution_score_id(
    event_id: &Uuid,
    outcome_id: Option<&Uuid>,
    attribution_method: &str,
    method_version: &str,
) -> Result<Uuid, IdError> {
    let parts = [
        Part::Uuid(event_id),
        outcome_id.map_or(Part::Null, Part::Uuid),
        Part::Text(attribution_method),
        Part::Text(method_version),
    ];
    uuid5_parts(&attribution_namespace(), "attribution_score", &parts)
}

/// Outbox row id: SHA-256 over the four fields separated by NUL bytes (contracts 7.6).
#[must_use]
pub fn upload_id(
    endpoint: &str,
    payload_type: &str,
    dedupe_key: &str,
    payload_json: &str,
) -> String {
    let mut hasher = Sha256::new();
    for (index, field) in [endpoint, payload_type, dedupe_key, payload_json]
        .into_iter()
        .enumerate()
    {
        if index > 0 {
            hasher.update([0]);
        }
        hasher.update(field.as_bytes());
    }
    hex_lower(&hasher.finalize())
}

/// Checksum of PCM bytes exactly as stored (math 3.5).
#[must_use]
pub fn pcm_checksum(pcm_bytes: &[u8]) -> String {
    sha256_hex(pcm_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn session() -> Uuid {
        Uuid::parse_str("75d3f2e2-a637-4f15-b53f-21c1ab173aed").unwrap()
    }

    #[test]
    fn namespaces_stay_interoperable() {
        assert_eq!(
            attribution_namespace().to_string(),
            "c2a16638-0e23-5c9f-8748-5fb3e30e0867"
        );
        assert_eq!(
            posterior_namespace().to_string(),
            "d3e1a2cc-59c6-57e1-9462-00fcdd64af29"
        );
    }

    #[test]
    fn segment_id_of_a_known_window() {
        let start = UtcMicros::parse("2026-01-01T00:00:00Z").unwrap();
        let id = segment_id(&session(), start, start.plus_secs(30));
        assert_eq!(
            id.as_str(),
            "6d24619123f0ca5fe30dd77607ea29a7ee693912eedf7e05f6f1a48a753b036c"
        );
    }

    #[test]
    fn a_separator_inside_a_part_is_refused() {
        let namespace = attribution_namespace();
        assert_eq!(
            uuid5_parts(&namespace, "k", &[Part::Text("a|b")]),
            Err(IdError::Separator)
        );
        assert_eq!(uuid5_parts(&namespace, "k|", &[]), Err(IdError::Separator));
        assert_eq!(
            outcome_event_id(&session(), "creator_follow", UtcMicros(0), "s", Some("x|y")),
            Err(IdError::Separator)
        );
        // Unchecked, both spellings collide: this is why they are refused.
        assert_eq!(
            uuid5_name("k", &[Part::Text("a|b"), Part::Text("c")]),
            uuid5_name("k", &[Part::Text("a"), Part::Text("b|c")])
        );
    }

    #[test]
    fn parts_have_one_text_per_type() {
        let uuid = session();
        let parts = [
            Part::Null,
            Part::Float(1e-7),
            Part::Float(f64::NAN),
            Part::Float(f64::INFINITY),
            Part::Int(-3),
            Part::Bool(false),
            Part::Uuid(&uuid),
        ];
        assert_eq!(
            uuid5_name("k", &parts),
            format!("k|<null>|1e-07|<nonfinite>|<nonfinite>|-3|False|{uuid}")
        );
    }

    #[test]
    fn a_segment_id_cannot_hold_anything_but_lowercase_hex() {
        for text in [
            "",
            "ABC",
            &"A".repeat(64),
            &"g".repeat(64),
            &"a".repeat(63),
            &"a".repeat(65),
        ] {
            assert_eq!(SegmentId::new(text), Err(IdError::Hex));
        }
        assert!(serde_json::from_str::<SegmentId>(&format!("\"{}\"", "0".repeat(64))).is_ok());
        assert!(serde_json::from_str::<SegmentId>("\"00\"").is_err());
    }

    #[test]
    fn upload_id_separates_its_fields() {
        assert_ne!(upload_id("a", "b", "c", "d"), upload_id("ab", "", "c", "d"));
    }

    proptest! {
        #[test]
        fn digest_uuids_are_marked_as_version_four(text in ".*") {
            let uuid = digest_uuid(&text);
            prop_assert_eq!(uuid.get_version_num(), 4);
            prop_assert_eq!(uuid.get_variant(), uuid::Variant::RFC4122);
        }

        #[test]
        fn equal_parts_and_only_equal_parts_share_an_id(a in "[^|]{0,8}", b in "[^|]{0,8}", c in "[^|]{0,8}", d in "[^|]{0,8}") {
            let namespace = attribution_namespace();
            let left = uuid5_parts(&namespace, "k", &[Part::Text(&a), Part::Text(&b)]).unwrap();
            let right = uuid5_parts(&namespace, "k", &[Part::Text(&c), Part::Text(&d)]).unwrap();
            prop_assert_eq!(left == right, (a, b) == (c, d));
        }
    }
}
