//! Data tiers and the perimeter that keeps tier T0 out of everything that leaves the machine (contracts 3, 11).
//!
//! The walk runs on raw JSON, before schema validation, over every write to the cloud, outbox rows and exports.
//! It answers with a rule name only: content is never echoed.

use serde_json::Value;

use crate::contract::declare::text_enum;

/// Longest text that may cross the perimeter, characters.
pub const MAX_TEXT_CHARS: usize = 4096;
/// Longest numeric array that may cross the perimeter, entries.
pub const MAX_NUMERIC_ITEMS: usize = 4096;

text_enum! {
    /// How far a value may travel.
    pub enum Tier {
        Transient = "T0",
        LocalDerived = "T1",
        CloudDerived = "T2",
        Secret = "T3",
    }
}

impl Tier {
    /// May be written to the local database and to logs.
    #[must_use]
    pub const fn may_be_stored(self) -> bool {
        matches!(self, Self::LocalDerived | Self::CloudDerived)
    }

    /// May be uploaded, after [`inspect`].
    #[must_use]
    pub const fn may_be_uploaded(self) -> bool {
        matches!(self, Self::CloudDerived)
    }
}

text_enum! {
    /// Why a payload may not cross.
    pub enum PerimeterRule {
        RawPcmField = "raw_pcm_field",
        RawMediaBase64Field = "raw_media_base64_field",
        BiometricEmbeddingField = "biometric_embedding_field",
        RawAudioField = "raw_audio_field",
        RawFrameField = "raw_frame_field",
        DecodedFrameField = "decoded_frame_field",
        RawProviderBodyField = "raw_provider_body_field",
        PhysiologicalChunkPayload = "physiological_chunk_payload",
        FreeFormSemanticRationale = "free_form_semantic_rationale",
        OversizedText = "oversized_text",
        OversizedNumericArray = "oversized_numeric_array",
    }
}

/// Walks a payload depth-first in document order and returns the first broken rule.
#[must_use]
pub fn inspect(payload: &Value) -> Option<PerimeterRule> {
    walk(payload, false)
}

/// Judges one key.
#[must_use]
pub fn inspect_key(key: &str) -> Option<PerimeterRule> {
    let normal = normalise_key(key);
    if starts_with_pcm_word(&normal) || starts_with_pcm_word(&key.to_lowercase()) {
        return Some(PerimeterRule::RawPcmField);
    }
    match normal.split_once('_') {
        Some(("audio" | "frame" | "video" | "image", "b64" | "base64")) => {
            return Some(PerimeterRule::RawMediaBase64Field);
        }
        Some(("voice" | "speaker", "print" | "embedding")) => {
            return Some(PerimeterRule::BiometricEmbeddingField);
        }
        _ => {}
    }
    listed(key).or_else(|| listed(&normal))
}

/// Normal form of a key: `camelCase` is split with `_`, `-`, blank and `.` become `_`, letters are lowered.
#[must_use]
pub fn normalise_key(key: &str) -> String {
    let mut out = String::with_capacity(key.len() + 4);
    let mut follows_word = false;
    for ch in key.chars() {
        if ch.is_ascii_uppercase() && follows_word {
            out.push('_');
        }
        follows_word = ch.is_ascii_lowercase() || ch.is_ascii_digit();
        match ch {
            '-' | ' ' | '.' => out.push('_'),
            _ => out.extend(ch.to_lowercase()),
        }
    }
    out
}

fn starts_with_pcm_word(key: &str) -> bool {
    key.strip_prefix("pcm")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
}

fn listed(key: &str) -> Option<PerimeterRule> {
    Some(match key {
        "_audio_data" | "raw_audio" => PerimeterRule::RawAudioField,
        "_frame_data" | "raw_frame" => PerimeterRule::RawFrameField,
        "decoded_frame" | "decoded_frames" => PerimeterRule::DecodedFrameField,
        "voiceprint" => PerimeterRule::BiometricEmbeddingField,
        "raw_provider_response"
        | "provider_raw_blob"
        | "raw_webhook_body"
        | "raw_notification"
        | "hydration_body" => PerimeterRule::RawProviderBodyField,
        "physiologicalchunkevent" | "physiological_chunk_event" => {
            PerimeterRule::PhysiologicalChunkPayload
        }
        "rationale"
        | "semantic_rationale"
        | "reason_text"
        | "free_form_reasoning"
        | "llm_reasoning"
        | "explanation" => PerimeterRule::FreeFormSemanticRationale,
        _ => return None,
    })
}

fn walk(value: &Value, is_in_series: bool) -> Option<PerimeterRule> {
    match value {
        Value::Object(map) => {
            if map.get("event_type").and_then(Value::as_str) == Some("physiological_chunk") {
                return Some(PerimeterRule::PhysiologicalChunkPayload);
            }
            map.iter().find_map(|(key, item)| {
                inspect_key(key).or_else(|| walk(item, is_in_series || key == "_au12_series"))
            })
        }
        Value::Array(items) => {
            let numbers = items.iter().filter(|item| item.is_number()).count();
            if numbers > MAX_NUMERIC_ITEMS && !is_in_series {
                return Some(PerimeterRule::OversizedNumericArray);
            }
            items.iter().find_map(|item| walk(item, is_in_series))
        }
        // A text has at most as many characters as bytes, so short ones are never counted.
        Value::String(text)
            if text.len() > MAX_TEXT_CHARS && text.chars().count() > MAX_TEXT_CHARS =>
        {
            Some(PerimeterRule::OversizedText)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn every_spelling_of_a_forbidden_key_is_caught_at_any_depth() {
        for key in [
            "rawAudio",
            "raw-audio",
            "raw audio",
            "raw.audio",
            "RAW_AUDIO",
            "raw_audio",
        ] {
            let payload = json!({"a": [[{"b": {key: null}}]]});
            assert_eq!(
                inspect(&payload),
                Some(PerimeterRule::RawAudioField),
                "{key}"
            );
        }
        assert_eq!(inspect_key("pCm_x"), Some(PerimeterRule::RawPcmField));
        assert_eq!(inspect_key("PCM"), Some(PerimeterRule::RawPcmField));
    }

    #[test]
    fn neighbours_of_forbidden_keys_pass() {
        for key in [
            "pcmdata",
            "raw_frames",
            "audio_b64_url",
            "transcription",
            "voice",
            "",
            "_",
        ] {
            assert_eq!(inspect_key(key), None, "{key}");
        }
    }

    #[test]
    fn the_first_hit_in_document_order_wins() {
        let payload = json!({"z": {"explanation": 1}, "a": {"pcm": 1}});
        assert_eq!(
            inspect(&payload),
            Some(PerimeterRule::FreeFormSemanticRationale)
        );
        // The object's own event type comes before its keys.
        let payload = json!({"pcm": 1, "event_type": "physiological_chunk"});
        assert_eq!(
            inspect(&payload),
            Some(PerimeterRule::PhysiologicalChunkPayload)
        );
    }

    #[test]
    fn long_texts_and_long_numeric_arrays_stop_at_the_perimeter() {
        assert_eq!(inspect(&json!({"a": "é".repeat(4096)})), None);
        assert_eq!(
            inspect(&json!({"a": "é".repeat(4097)})),
            Some(PerimeterRule::OversizedText)
        );
        assert_eq!(inspect(&json!({"a": vec![0.5; 4096]})), None);
        assert_eq!(
            inspect(&json!({"a": vec![0.5; 4097]})),
            Some(PerimeterRule::OversizedNumericArray)
        );
        assert_eq!(inspect(&json!({"_au12_series": vec![0.5; 4097]})), None);
    }

    #[test]
    fn only_derived_tiers_are_stored_and_only_cloud_derived_is_uploaded() {
        let stored: Vec<_> = Tier::ALL
            .iter()
            .filter(|tier| tier.may_be_stored())
            .map(|tier| tier.as_str())
            .collect();
        assert_eq!(stored, ["T1", "T2"]);
        let uploaded: Vec<_> = Tier::ALL
            .iter()
            .filter(|tier| tier.may_be_uploaded())
            .map(|tier| tier.as_str())
            .collect();
        assert_eq!(uploaded, ["T2"]);
    }

    proptest! {
        #[test]
        fn normal_forms_are_stable(key in ".{0,24}") {
            let once = normalise_key(&key);
            prop_assert_eq!(normalise_key(&once), once);
        }
    }
}
