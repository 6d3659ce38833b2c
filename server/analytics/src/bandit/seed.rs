//! Seeds of a decision (math 7.3 and 7.4).

use lsie_schemas::text::float_text;
use lsie_schemas::time::UtcMicros;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::error::AnalyticsError;

/// Policy of earlier records; kept for replay only.
pub const POLICY_LEGACY: &str = "thompson_sampling_v1";
/// Policy of every decision made here.
pub const POLICY_V2: &str = "lsie_ts_v2";

/// Text whose digest is the seed of `lsie_ts_v2`.
///
/// No part may contain `|`; a stimulus time that is present must be finite.
pub fn seed_material(
    session_id: &Uuid,
    window_start_utc: UtcMicros,
    stimulus_time_secs: Option<f64>,
    experiment_code: &str,
    policy_version: &str,
) -> Result<String, AnalyticsError> {
    for (part, text) in [
        ("experiment code", experiment_code),
        ("policy version", policy_version),
    ] {
        if text.contains('|') {
            return Err(AnalyticsError::SeparatorInPart { part });
        }
    }
    let stimulus = match stimulus_time_secs {
        Some(t) if !t.is_finite() => {
            return Err(AnalyticsError::NotFinite {
                what: "stimulus time",
            });
        }
        Some(t) => float_text(t),
        None => String::new(),
    };
    let (session, start) = (session_id.hyphenated(), window_start_utc.to_text());
    Ok(format!(
        "lsie-bandit-v2|{session}|{start}|{stimulus}|{experiment_code}|{policy_version}"
    ))
}

/// Seed of `lsie_ts_v2`: the first eight bytes of SHA-256 over [`seed_material`], big-endian.
pub fn seed(
    session_id: &Uuid,
    window_start_utc: UtcMicros,
    stimulus_time_secs: Option<f64>,
    experiment_code: &str,
    policy_version: &str,
) -> Result<u64, AnalyticsError> {
    let material = seed_material(
        session_id,
        window_start_utc,
        stimulus_time_secs,
        experiment_code,
        policy_version,
    )?;
    Ok(first_eight_bytes(&Sha256::digest(material.as_bytes())))
}

/// Seed of `thompson_sampling_v1` over the undelimited parts; distinct contexts may collide.
pub fn legacy_seed(
    session_id: &Uuid,
    window_start_utc: UtcMicros,
    stimulus_time_secs: Option<f64>,
    policy_version: &str,
) -> u64 {
    let stimulus = stimulus_time_secs.map_or_else(|| "None".to_owned(), float_text);
    let material = format!(
        "{}{}{stimulus}{policy_version}",
        session_id.hyphenated(),
        window_start_utc.to_text()
    );
    first_eight_bytes(&Sha256::digest(material.as_bytes()))
}

/// Big-endian number of a digest's first eight bytes.
pub(super) fn first_eight_bytes(digest: &[u8]) -> u64 {
    digest
        .iter()
        .take(8)
        .fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: UtcMicros = UtcMicros(1_767_268_800_000_000);

    #[test]
    fn separators_and_broken_times_are_refused() {
        let id = Uuid::nil();
        assert_eq!(
            seed(&id, START, None, "a|b", POLICY_V2).unwrap_err().code(),
            "rule"
        );
        assert_eq!(
            seed(&id, START, None, "a", "p|q").unwrap_err().code(),
            "rule"
        );
        assert_eq!(
            seed(&id, START, Some(f64::NAN), "a", POLICY_V2)
                .unwrap_err()
                .code(),
            "non_finite"
        );
    }

    #[test]
    fn absent_and_zero_stimulus_differ() {
        let id = Uuid::nil();
        assert_ne!(
            seed(&id, START, None, "a", POLICY_V2),
            seed(&id, START, Some(0.0), "a", POLICY_V2)
        );
    }

    #[test]
    fn big_endian() {
        assert_eq!(first_eight_bytes(&[0, 0, 0, 0, 0, 0, 1, 2, 99]), 258);
    }
}
