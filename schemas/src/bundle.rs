//! Signed experiment bundles: the canonical text that is signed, the signature's form and the time it holds (contracts 7.3).
//!
//! The Ed25519 arithmetic itself belongs to the caller: it passes a function that verifies 64 signature bytes over a
//! message, so that this crate stays free of cryptography beyond hashing.

use serde_json::{Value, json};

use crate::contract::{Contract, ErrorCode, ExperimentBundle, FieldError};
use crate::text::{canonical_json, sha256_hex};
use crate::time::{UtcMicros, canonical_offset_text};

/// How far an issuer's clock may run ahead of ours, seconds.
pub const CLOCK_LEEWAY_SECS: i64 = 5;

const BASE64URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Why a bundle is not applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// The payload breaks the contract.
    #[error("bundle has {} invalid fields", .0.len())]
    Invalid(Vec<FieldError>),
    /// The signature is malformed or not the issuer's.
    #[error("bundle signature failed")]
    SignatureFailed,
    /// Now lies outside the bundle's validity.
    #[error("bundle is not valid now")]
    Expired,
}

impl BundleError {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "validation_failed",
            Self::SignatureFailed => "signature_failed",
            Self::Expired => "bundle_expired",
        }
    }
}

/// Text that the issuer signs: CJ of the payload without its signature, after defaults and trimming.
///
/// Instants are canonical in digits and keep the offset they were given in, as issuers write them.
pub fn canonical_text(payload: &Value) -> Result<String, Vec<FieldError>> {
    let mut signed = payload.clone();
    if let Value::Object(map) = &mut signed {
        // The signature is no part of the text; any value makes an unsigned payload complete.
        map.entry("signature").or_insert_with(|| json!("unsigned"));
    }
    let bundle = ExperimentBundle::from_json(&signed)?;
    let unrepresentable = |_| {
        vec![FieldError {
            path: String::new(),
            code: ErrorCode::NonFinite,
            message: "not representable".into(),
        }]
    };
    let mut canonical = serde_json::to_value(&bundle).map_err(unrepresentable)?;
    if let Value::Object(map) = &mut canonical {
        map.remove("signature");
        for key in ["issued_at_utc", "expires_at_utc"] {
            let written = payload.get(key).and_then(Value::as_str).unwrap_or_default();
            if let Ok(text) = canonical_offset_text(written) {
                map.insert(key.to_owned(), text.into());
            }
        }
    }
    Ok(canonical_json(&canonical))
}

/// Validates a bundle: contract, then signature, then time. An unsigned claim about time is not believed.
///
/// `is_signed` verifies an Ed25519 signature over the message with the issuer's key.
pub fn verify(
    payload: &Value,
    now_utc: UtcMicros,
    is_signed: impl FnOnce(&[u8], &[u8; 64]) -> bool,
) -> Result<ExperimentBundle, BundleError> {
    let bundle = ExperimentBundle::from_json(payload).map_err(BundleError::Invalid)?;
    let message = canonical_text(payload).map_err(BundleError::Invalid)?;
    let signature = decode_signature(&bundle.signature).ok_or(BundleError::SignatureFailed)?;
    if !is_signed(message.as_bytes(), &signature) {
        return Err(BundleError::SignatureFailed);
    }
    let is_valid_now = bundle.issued_at_utc.plus_secs(-CLOCK_LEEWAY_SECS) <= now_utc
        && now_utc < bundle.expires_at_utc;
    if is_valid_now {
        Ok(bundle)
    } else {
        Err(BundleError::Expired)
    }
}

/// Token of a previewed change; a different token at apply time means the bundle or the local state changed.
#[must_use]
pub fn preview_token(bundle_definitions: &Value, local_snapshot: &Value) -> String {
    let preview =
        json!({"bundle_definitions": bundle_definitions, "local_snapshot": local_snapshot});
    sha256_hex(canonical_json(&preview).as_bytes())
}

/// Decodes base64url without padding; only the one canonical spelling of 64 bytes is accepted.
fn decode_signature(text: &str) -> Option<[u8; 64]> {
    if text.len() != 86 {
        return None;
    }
    let mut bytes = Vec::with_capacity(64);
    let (mut bits, mut bit_count) = (0_u32, 0);
    for letter in text.bytes() {
        let sextet = BASE64URL
            .iter()
            .position(|candidate| *candidate == letter)?;
        bits = (bits << 6) | sextet as u32;
        bit_count += 6;
        if bit_count >= 8 {
            bit_count -= 8;
            bytes.push((bits >> bit_count) as u8);
            bits &= (1 << bit_count) - 1;
        }
    }
    if bits == 0 {
        bytes.try_into().ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UtcMicros = UtcMicros(1_767_225_600_000_000);

    fn bundle(issued: &str, expires: &str) -> Value {
        json!({
            "bundle_id": " b ", "issued_at_utc": issued, "expires_at_utc": expires, "policy_version": "p",
            "experiments": [{"experiment_id": "e", "label": "l", "arms": [{
                "arm_id": "a", "posterior_alpha": 1, "posterior_beta": 1,
                "stimulus_definition": {
                    "stimulus_modality": "gift", "stimulus_payload": {"text": "t"},
                    "expected_stimulus_rule": "r", "expected_response_rule": "q",
                },
            }]}],
            "signature": "A".repeat(86),
        })
    }

    #[test]
    fn validity_starts_five_seconds_early_and_ends_exactly() {
        let verdict = |issued: i64, expires: i64| {
            let payload = bundle(
                &NOW.plus_secs(issued).to_text(),
                &NOW.plus_secs(expires).to_text(),
            );
            verify(&payload, NOW, |_, _| true).map(|_| ())
        };
        assert_eq!(verdict(5, 60), Ok(()));
        assert_eq!(verdict(6, 60), Err(BundleError::Expired));
        assert_eq!(verdict(-60, 0), Err(BundleError::Expired));
        assert!(matches!(verdict(60, 0), Err(BundleError::Invalid(_))));
    }

    #[test]
    fn the_signature_is_judged_before_the_time_and_covers_the_trimmed_payload() {
        let payload = bundle("2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z");
        assert_eq!(
            verify(&payload, NOW, |_, _| false),
            Err(BundleError::SignatureFailed)
        );
        let mut seen = String::new();
        let verdict = verify(&payload, NOW, |message, _| {
            seen = String::from_utf8_lossy(message).into_owned();
            true
        });
        assert_eq!(verdict, Err(BundleError::Expired));
        assert!(
            seen.starts_with("{\"bundle_id\":\"b\",") && !seen.contains("signature"),
            "{seen}"
        );
    }

    #[test]
    fn only_the_canonical_spelling_of_a_signature_is_read() {
        assert_eq!(decode_signature(&"A".repeat(86)), Some([0; 64]));
        assert_eq!(
            decode_signature(&format!("{}w", "_".repeat(85))),
            Some([255; 64])
        );
        let trailing_bits = format!("{}B", "A".repeat(85));
        for text in [
            "",
            "c2ln",
            "***",
            &"A".repeat(88),
            &"A=".repeat(43),
            &"é".repeat(43),
            &trailing_bits,
        ] {
            assert_eq!(decode_signature(text), None, "{text}");
        }
    }

    #[test]
    fn a_preview_token_depends_on_both_sides_and_not_on_key_order() {
        let token = preview_token(&json!({"a": 1, "b": 2}), &json!([]));
        assert_eq!(token, preview_token(&json!({"b": 2, "a": 1}), &json!([])));
        assert_ne!(token, preview_token(&json!([]), &json!({"a": 1, "b": 2})));
    }
}
