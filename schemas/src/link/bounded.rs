//! Lists and texts with a stated largest size: what the outbound side of the link is made of.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

/// A list with a stated largest length; longer input is refused when read and cut when built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Bounded<T, const N: usize>(Vec<T>);

impl<T, const N: usize> Bounded<T, N> {
    /// Keeps the first `N` items and returns how many were cut.
    #[must_use]
    pub fn cut(mut items: Vec<T>) -> (Self, usize) {
        let surplus = items.len().saturating_sub(N);
        items.truncate(N);
        (Self(items), surplus)
    }

    /// The items.
    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        &self.0
    }

    /// Takes the items out.
    #[must_use]
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T, const N: usize> Default for Bounded<T, N> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>, const N: usize> Deserialize<'de> for Bounded<T, N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let items = Vec::<T>::deserialize(deserializer)?;
        if items.len() > N {
            return Err(serde::de::Error::custom(format_args!(
                "list of {} exceeds {N}",
                items.len()
            )));
        }
        Ok(Self(items))
    }
}

impl<T: JsonSchema, const N: usize> JsonSchema for Bounded<T, N> {
    fn schema_name() -> Cow<'static, str> {
        format!("Bounded_{}_{N}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let items = generator.subschema_for::<T>();
        json_schema!({ "type": "array", "items": items, "maxItems": N })
    }
}

/// Reads a map of at most `N` entries; a longer one is refused.
pub(super) fn map<'de, const N: usize, K, V, D>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
where
    K: Deserialize<'de> + Ord,
    V: Deserialize<'de>,
    D: Deserializer<'de>,
{
    let entries = BTreeMap::deserialize(deserializer)?;
    if entries.len() > N {
        return Err(serde::de::Error::custom(format_args!(
            "map of {} exceeds {N}",
            entries.len()
        )));
    }
    Ok(entries)
}

/// Text of at most `N` bytes; longer input is refused when read and cut at a character boundary when built.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Text<const N: usize>(String);

impl<const N: usize> Text<N> {
    /// Keeps at most `N` bytes of `text`.
    #[must_use]
    pub fn cut(text: &str) -> Self {
        let mut end = text.len().min(N);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        Self(text.get(..end).unwrap_or_default().to_owned())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const N: usize> std::fmt::Display for Text<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Text<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.len() > N {
            return Err(serde::de::Error::custom(format_args!(
                "text of {} bytes exceeds {N}",
                text.len()
            )));
        }
        Ok(Self(text))
    }
}

impl<const N: usize> JsonSchema for Text<N> {
    fn schema_name() -> Cow<'static, str> {
        format!("Text_{N}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "maxLength": N })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Names {
        #[serde(deserialize_with = "map::<2, _, _, _>")]
        names: BTreeMap<Text<4>, u8>,
    }

    #[test]
    fn a_map_with_more_entries_than_its_bound_is_refused() {
        let read = |text: &str| serde_json::from_str::<Names>(text).map(|told| told.names.len());
        assert_eq!(read(r#"{"names": {"a": 1, "b": 2}}"#).ok(), Some(2));
        assert!(read(r#"{"names": {"a": 1, "b": 2, "c": 3}}"#).is_err());
        assert!(read(r#"{"names": {"abcde": 1}}"#).is_err());
    }
}
