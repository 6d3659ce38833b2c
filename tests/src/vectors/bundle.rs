//! Bundle operations of area `identity`: canonical text, keyed digest and Ed25519 signatures.

use ed25519_dalek::{Signature, VerifyingKey};
use lsie_schemas::bundle;
use lsie_schemas::text::hex_lower;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::identity::bytes_from_hex;
use super::{Case, Outcome, RunError};

/// Compares the canonical text and its keyed digest; the issuer's signature must verify over it.
pub(super) fn canonical(case: &Case<'_>) -> Result<Outcome, RunError> {
    let payload = case.input.get("payload")?;
    let text =
        bundle::canonical_text(payload).map_err(|errors| RunError::Input(format!("{errors:?}")))?;
    let mut signed = payload.clone();
    let signature = case
        .expect
        .get("ed25519_signature_b64url")
        .cloned()
        .unwrap_or(Value::Null);
    signed["signature"] = signature.clone();
    let key = issuer_key(case)?;
    let now = lsie_schemas::time::UtcMicros::parse("2026-01-02T00:00:00Z").unwrap_or_default();
    if let Err(error) = bundle::verify(&signed, now, |message, bytes| {
        is_signed(&key, message, bytes)
    }) {
        return Ok(Outcome::Verdict(Err(format!(
            "the issuer's signature is refused: {error}"
        ))));
    }
    let digest = hex_lower(&hmac_sha256(b"test", text.as_bytes()));
    Ok(Outcome::Output(json!({
        "text": text, "hmac_sha256_secret_test": digest, "ed25519_signature_b64url": signature,
    })))
}

/// Verifies a bundle at an instant.
pub(super) fn verify(case: &Case<'_>) -> Result<Outcome, RunError> {
    let key = public_key(case.input.text("public_key_raw_hex")?)?;
    let now = case.input.instant("now_utc")?;
    let output = match bundle::verify(case.input.get("bundle")?, now, |message, bytes| {
        is_signed(&key, message, bytes)
    }) {
        Ok(_) => json!({"valid": true}),
        Err(error) => json!({"valid": false, "code": error.code()}),
    };
    Ok(Outcome::Output(output))
}

/// The cases that sign carry no key; all bundles of the file are signed by the key its verify cases name.
fn issuer_key(case: &Case<'_>) -> Result<VerifyingKey, RunError> {
    let cases = case
        .file
        .get("cases")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let hex = cases
        .iter()
        .find_map(|other| other.get("input")?.get("public_key_raw_hex")?.as_str());
    public_key(hex.ok_or_else(|| RunError::Input("no issuer key in the file".into()))?)
}

fn public_key(hex: &str) -> Result<VerifyingKey, RunError> {
    let malformed = || RunError::Input("malformed public key".into());
    let bytes: [u8; 32] = bytes_from_hex(hex)?.try_into().map_err(|_| malformed())?;
    VerifyingKey::from_bytes(&bytes).map_err(|_| malformed())
}

fn is_signed(key: &VerifyingKey, message: &[u8], signature: &[u8; 64]) -> bool {
    key.verify_strict(message, &Signature::from_bytes(signature))
        .is_ok()
}

/// RFC 2104 for keys of at most one block.
fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let pad = |byte: u8| {
        let mut block = [byte; 64];
        block
            .iter_mut()
            .zip(key)
            .for_each(|(block, key)| *block ^= key);
        block
    };
    let inner = Sha256::new()
        .chain_update(pad(0x36))
        .chain_update(message)
        .finalize();
    Sha256::new()
        .chain_update(pad(0x5c))
        .chain_update(inner)
        .finalize()
        .into()
}
