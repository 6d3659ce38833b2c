//! When a record stops changing (math 13.8). Instants are compared, never their text.

use lsie_schemas::time::UtcMicros;
use uuid::Uuid;

/// Seconds between two passes.
pub const FINALITY_CHECK_SECS: u64 = 60;
/// Events made final per pass; the rest waits for the next one.
pub const FINALITY_PER_PASS: usize = 100;

/// Whether an event with its links, scores and outcomes is final: `event_time <= now - horizon`.
pub fn is_final(event_time_utc: UtcMicros, now_utc: UtcMicros, horizon_secs: f64) -> bool {
    let age_secs = now_utc.0.saturating_sub(event_time_utc.0) as f64 / 1e6;
    age_secs >= horizon_secs
}

/// The provisional events `(time, id)` to make final in this pass, in order of time and id.
pub fn due_for_finality(
    provisional: &[(UtcMicros, Uuid)],
    now_utc: UtcMicros,
    horizon_secs: f64,
) -> Vec<Uuid> {
    let mut due: Vec<(UtcMicros, Uuid)> = provisional
        .iter()
        .copied()
        .filter(|(time, _)| is_final(*time, now_utc, horizon_secs))
        .collect();
    due.sort();
    due.into_iter()
        .take(FINALITY_PER_PASS)
        .map(|(_, id)| id)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_horizon_itself_is_final() {
        let now = UtcMicros(1_000_000_000_000);
        assert!(is_final(UtcMicros(now.0 - 60_000_000), now, 60.0));
        assert!(!is_final(UtcMicros(now.0 - 59_999_999), now, 60.0));
        assert!(!is_final(UtcMicros(now.0), now, f64::NAN));
    }

    #[test]
    fn a_pass_takes_the_oldest_hundred() {
        let events: Vec<(UtcMicros, Uuid)> = (0..150_u32)
            .rev()
            .map(|n| (UtcMicros(i64::from(n / 2)), Uuid::from_u128(u128::from(n))))
            .collect();
        let due = due_for_finality(&events, UtcMicros(i64::MAX), 1.0);
        assert_eq!(due.len(), FINALITY_PER_PASS);
        assert!(
            due.iter()
                .zip(0_u128..)
                .all(|(id, n)| *id == Uuid::from_u128(n))
        );
    }
}
