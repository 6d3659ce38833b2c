//! Conversions between column values and schema types.

use lsie_schemas::id::SegmentId;
use lsie_schemas::text::canonical_json;
use lsie_schemas::time::UtcMicros;
use rusqlite::types::Type;
use rusqlite::{Result, Row};
use serde::de::value::{Error as ValueError, StrDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::error::StoreError;

/// Reads an instant.
pub(crate) fn instant(row: &Row<'_>, name: &str) -> Result<UtcMicros> {
    row.get(name).map(UtcMicros)
}

/// Reads a nullable instant.
pub(crate) fn optional_instant(row: &Row<'_>, name: &str) -> Result<Option<UtcMicros>> {
    Ok(row.get::<_, Option<i64>>(name)?.map(UtcMicros))
}

/// Reads a UUID.
pub(crate) fn uuid(row: &Row<'_>, name: &str) -> Result<Uuid> {
    let text: String = row.get(name)?;
    text.parse().map_err(undecodable)
}

/// Reads a nullable UUID.
pub(crate) fn optional_uuid(row: &Row<'_>, name: &str) -> Result<Option<Uuid>> {
    row.get::<_, Option<String>>(name)?
        .map(|text| text.parse().map_err(undecodable))
        .transpose()
}

/// Reads a segment identity.
pub(crate) fn segment_id(row: &Row<'_>, name: &str) -> Result<SegmentId> {
    SegmentId::new(row.get::<_, String>(name)?).map_err(undecodable)
}

/// Reads a JSON column.
pub(crate) fn json<T: DeserializeOwned>(row: &Row<'_>, name: &str) -> Result<T> {
    let text: String = row.get(name)?;
    serde_json::from_str(&text).map_err(undecodable)
}

/// Reads a nullable JSON column.
pub(crate) fn optional_json<T: DeserializeOwned>(row: &Row<'_>, name: &str) -> Result<Option<T>> {
    row.get::<_, Option<String>>(name)?
        .map(|text| serde_json::from_str(&text).map_err(undecodable))
        .transpose()
}

/// Reads an enum from its wire word.
pub(crate) fn word<T: for<'de> Deserialize<'de>>(row: &Row<'_>, name: &str) -> Result<T> {
    let text: String = row.get(name)?;
    parse_word(&text)
}

/// Reads a nullable enum from its wire word.
pub(crate) fn optional_word<T: for<'de> Deserialize<'de>>(
    row: &Row<'_>,
    name: &str,
) -> Result<Option<T>> {
    row.get::<_, Option<String>>(name)?
        .map(|text| parse_word(&text))
        .transpose()
}

/// Writes an enum as its wire word.
pub(crate) fn to_word<T: Serialize>(value: &T) -> std::result::Result<String, StoreError> {
    match serde_json::to_value(value) {
        Ok(Value::String(text)) => Ok(text),
        Ok(_) => Err(StoreError::invalid("enum", "must have a text form")),
        Err(cause) => Err(undecoded("enum", &cause)),
    }
}

/// Writes a value as canonical JSON text.
pub(crate) fn to_json<T: Serialize>(value: &T) -> std::result::Result<String, StoreError> {
    serde_json::to_value(value)
        .map(|value| canonical_json(&value))
        .map_err(|cause| undecoded("json", &cause))
}

/// Refuses a value that is not finite; SQLite would silently store NaN as NULL.
pub(crate) fn finite(field: &'static str, value: f64) -> std::result::Result<f64, StoreError> {
    if value.is_finite() {
        Ok(value)
    } else {
        Err(StoreError::invalid(field, "must be finite"))
    }
}

/// Refuses a present value that is not finite.
pub(crate) fn optional_finite(
    field: &'static str,
    value: Option<f64>,
) -> std::result::Result<Option<f64>, StoreError> {
    value.map(|value| finite(field, value)).transpose()
}

/// Refuses a value outside [0, 1], NaN included.
pub(crate) fn unit(field: &'static str, value: f64) -> std::result::Result<f64, StoreError> {
    if (0.0..=1.0).contains(&value) {
        Ok(value)
    } else {
        Err(StoreError::invalid(field, "must lie in [0, 1]"))
    }
}

/// Refuses a text that is blank or longer than `limit` characters.
pub(crate) fn bounded<'a>(
    field: &'static str,
    text: &'a str,
    limit: usize,
) -> std::result::Result<&'a str, StoreError> {
    if text.trim().is_empty() {
        Err(StoreError::invalid(field, "must not be blank"))
    } else if text.chars().count() > limit {
        Err(StoreError::invalid(field, "is too long"))
    } else {
        Ok(text)
    }
}

/// Refuses a reason that is not a stable code: 1 to 64 of `a`-`z`, `0`-`9`, `_`.
pub(crate) fn code<'a>(
    field: &'static str,
    text: &'a str,
) -> std::result::Result<&'a str, StoreError> {
    let well_formed = (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if well_formed {
        Ok(text)
    } else {
        Err(StoreError::invalid(
            field,
            "must be a code of at most 64 a-z, 0-9, _",
        ))
    }
}

fn parse_word<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T> {
    let source: StrDeserializer<'_, ValueError> = text.into_deserializer();
    T::deserialize(source).map_err(undecodable)
}

fn undecodable<E: std::error::Error + Send + Sync + 'static>(cause: E) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(cause))
}

fn undecoded(what: &'static str, cause: &serde_json::Error) -> StoreError {
    StoreError::Decode {
        what,
        reason: cause.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_sqlite_would_turn_into_null_are_refused() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(finite("x", bad).is_err());
            assert!(unit("x", bad).is_err());
            assert!(optional_finite("x", Some(bad)).is_err());
        }
        assert!(unit("x", -f64::EPSILON).is_err());
        assert!(unit("x", 1.0 + f64::EPSILON).is_err());
        assert!(unit("x", 0.0).is_ok() && unit("x", 1.0).is_ok());
        assert!(optional_finite("x", None).is_ok());
    }

    #[test]
    fn codes_are_short_and_plain() {
        assert!(code("reason", "no_frames").is_ok());
        for bad in ["", "No Frames", "über", &"x".repeat(65)] {
            assert!(code("reason", bad).is_err(), "{bad:?}");
        }
        assert!(bounded("note", "  ", 10).is_err());
        assert!(bounded("note", "ééé", 3).is_ok());
        assert!(bounded("note", "éééé", 3).is_err());
    }
}
